"""What happened, for people and for programs: uploads.log, uploads.jsonl, the summary.

One line for each file that was settled or refused, and one for a run that left files pending. Names come from outside:
whatever could end a line or hide in one is shown by its escape.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from powerview import __version__


class Status(StrEnum):
    """What became of one file; PENDING is a file that is left for the next run."""

    OK = "OK"
    PARTIAL = "PARTIAL"
    ERROR = "ERROR"
    REFUSED = "REFUSED"
    PENDING = "PENDING"


@dataclass
class Outcome:
    """What became of one file. Times are UTC seconds; `settled_as` is where it is now, below the tree;
    `logger` what its header says of it; `repeated`: an earlier run has logged this; `sheet`: it is a channels.csv,
    which has no rows."""

    status: Status
    path: str
    reason: str = ""
    settled_as: str = ""
    rows: int = 0
    readings: int = 0
    first: int | None = None
    last: int | None = None
    arrived: float | None = None
    seconds: float = 0.0
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    logger: dict[str, str | None] = field(default_factory=dict)
    repeated: bool = False
    sheet: bool = False

    @property
    def names(self) -> list[str]:
        """client, campaign, device, file; shorter for a file at another depth."""
        return self.path.split("/")

    def line(self) -> str:
        """The line for people, without its time."""
        return f"{self.status:<8}{printable(self.path)}: {'; '.join(self._parts())}"

    def _parts(self) -> list[str]:
        if self.sheet or self.status in (Status.REFUSED, Status.PENDING):
            return [printable(self.reason)]
        parts = [printable(self.reason).removesuffix(".")] if self.reason else []
        if self.rows or self.status != Status.ERROR:
            parts.append(f"{self.rows} rows, {self.readings} readings")
        if self.first is not None and self.last is not None:
            parts[-1] += f", {iso(self.first)} to {iso(self.last)}"
        if self.left_out:
            parts.append("left out: " + counted(self.left_out))
        parts += map(printable, self.notes)
        if self.settled_as and self.settled_as.rsplit("/", 1)[-1] != self.names[-1]:
            parts.append(f"now {printable(self.settled_as)}")
        parts.append(f"{self.seconds:.2f} s")
        return parts

    def record(self) -> dict:
        """The record for programs, without its time; nothing in it that JSON has no form for."""
        names = dict(zip(("client", "campaign", "device"), self.names[:-1], strict=False))
        names["file"] = self.names[-1]
        return {
            "status": self.status, "path": self.path, **names, "settled_as": self.settled_as or None,
            "rows": self.rows, "readings": self.readings, "first": self.first and iso(self.first),
            "last": self.last and iso(self.last), "left_out": dict(self.left_out), "notes": self.notes,
            "logger": self.logger or None,
            "reason": self.reason or None, "seconds": round(self.seconds, 3),
        }  # fmt: skip


class Journal:
    """uploads.log and uploads.jsonl in `folder`. A log that cannot be written stops nothing; stderr gets one line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._warned = False

    def file(self, outcome: Outcome) -> None:
        """One line for one file."""
        self._write("uploads.log", f"{now_text()} {outcome.line()}")
        self._record(outcome.record())

    def run(self, text: str, count: int) -> None:
        """One line for a run that left files pending."""
        self._write(
            "uploads.log",
            f"{now_text()} {Status.PENDING:<8}{count} {'file' if count == 1 else 'files'}: {printable(text)}",
        )
        self._record({"status": Status.PENDING, "files": count, "reason": text})

    def _record(self, record: dict) -> None:
        self._write("uploads.jsonl", json.dumps({"time": now_text(), "powerview": __version__, **record}))

    def _write(self, name: str, line: str) -> None:
        # One write of one whole line: readers see no half of it, and lines of two writers do not mix.
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            with os.fdopen(os.open(self.folder / name, flags, 0o660), "ab", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                end = file.seek(0, os.SEEK_END)
                torn = end and os.pread(file.fileno(), 1, end - 1) != b"\n"  # the disk was full at the last line
                file.write(b"\n" * bool(torn) + f"{line}\n".encode("utf-8", "backslashreplace"))
        except OSError as error:
            if not self._warned:
                print(f"{self.folder / name} cannot be written: {error.strerror}. Uploads go on.", file=sys.stderr)
            self._warned = True


def iso(seconds: int) -> str:
    """UTC seconds as people read them: 2025-10-26 00:50:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def now_text() -> str:
    """This moment in the server's local time, with its offset."""
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")


def printable(text: str) -> str:
    """Text from outside on one line: what is not printable, and the backslash, as an escape."""
    return "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)


def _escaped(c: str) -> str:
    if "\udc80" <= c <= "\udcff":  # a byte of a file name that is no UTF-8
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape").decode()


def counted(counts: Counter[str]) -> str:
    """`restart markers 4, unset clock 1`."""
    return ", ".join(f"{what} {n}" for what, n in counts.most_common() if n)


def summary(outcomes: Iterable[Outcome]) -> str:
    """A table of what happened, a line for each campaign, and why something was left out or refused."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault("/".join(outcome.names[:2]), []).append(outcome)
    if not groups:
        return "Nothing to do: no file is pending."
    head = ("campaign", "files", *Status, "rows", "readings", "left out")
    table = [head] + [_campaign_row(printable(name), group) for name, group in sorted(groups.items())]
    widths = [max(len(row[i]) for row in table) for i in range(len(head) - 1)]
    lines = []
    for row in table:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:-1], widths[1:], strict=True)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    remarks = [o.line() for group in groups.values() for o in group if o.status != Status.OK]
    return "\n".join(lines + ([""] + remarks if remarks else []))


def _campaign_row(name: str, group: list[Outcome]) -> tuple[str, ...]:
    statuses = Counter(o.status for o in group)
    left_out = sum((o.left_out for o in group), Counter())
    numbers = [len(group), *(statuses[s] for s in Status)]
    numbers += [sum(o.rows for o in group), sum(o.readings for o in group)]
    return (name, *(str(n) for n in numbers), counted(left_out))
