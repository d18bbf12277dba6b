"""What became of the uploads: the last one, files in error/, files that wait, files that are refused."""

from __future__ import annotations

import gzip
import json
import os
import time
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from powerview.inbox import ERROR_DIR, REASON, Inbox, Refusal, Upload
from powerview.ingest.journal import Status
from powerview.monitoring.item import BAD, GOOD, UNKNOWN, Item
from powerview.settings import Settings

JOURNAL = "uploads.jsonl"
SILENT_HOURS = 36
"""How long a silence may last."""
PENDING_TOO_LONG = 3600
FIRST_FEW = 3


def uploads(settings: Settings) -> Iterator[Item]:
    if not os.path.isdir(settings.data_dir):
        return
    yield _last_upload(settings.log_dir)
    yield _in_error(settings.data_dir)
    yield from _pending(settings)


def _last_upload(logs: Path) -> Item:
    try:
        said = next(filter(None, map(_last_settled, _journals(logs))), None)
    except OSError as error:
        return Item("last upload", UNKNOWN, f"{error.filename}: {error.strerror}",
                    "Run this as root or as SFTPGo's user.")  # fmt: skip
    if said is None:
        return Item("last upload", UNKNOWN, f"no {logs / JOURNAL} tells of one", "The first upload writes it.")
    age = time.time() - datetime.fromisoformat(said["time"]).timestamp()
    found = f"{said['time']} {said['status']} {said['path']}"
    if age > SILENT_HOURS * 3600:
        return Item("last upload", BAD, f"{found}: nothing for {age / 3600:.0f} hours",
                    "Do the loggers reach SFTPGo (port 2022), and does SFTPGo run the hook?")  # fmt: skip
    return Item("last upload", GOOD, found)


def _journals(logs: Path) -> Iterator[Path]:
    # The newest first. logrotate calls them by their date, compresses all but the newest, and makes no new one.
    yield logs / JOURNAL
    yield from sorted(logs.glob(f"{JOURNAL}-*"), key=lambda p: (p.name.removesuffix(".gz"), p.suffix), reverse=True)


def _last_settled(journal: Path) -> dict | None:
    said = None
    try:
        with gzip.open(journal) if journal.suffix == ".gz" else journal.open("rb") as file:
            for line in file:
                said = _settled(line) or said
    except FileNotFoundError:
        pass  # rotated a moment ago, or never written
    except (EOFError, zlib.error, gzip.BadGzipFile):
        pass  # damaged, or logrotate is still writing it; what could be read counts
    return said


def _settled(line: bytes) -> dict | None:
    # A record of a file that was moved. What `--again` reads was uploaded long ago and stays where it is.
    try:
        said = json.loads(line)
    except ValueError:
        return None  # a full disk may have cut it
    moved = (
        isinstance(said, dict)
        and said.get("status") in (Status.OK, Status.PARTIAL, Status.ERROR)
        and said.get("settled_as")
    )
    return said if moved else None


def _in_error(data: Path) -> Item:
    found = [p for p in data.glob(f"*/*/*/{ERROR_DIR}/*") if not p.name.endswith(REASON)]
    if not found:
        return Item("files in error/", GOOD, "none")
    newest = max(found, key=lambda p: p.lstat().st_mtime)
    return Item("files in error/", BAD, f"{len(found)}, the newest {newest.relative_to(data)}",
                "Each has its reason in a .reason.txt beside it; move them away when that is seen to.")  # fmt: skip


def _pending(settings: Settings) -> Iterator[Item]:
    tree = Inbox(settings.data_dir, settings.influxdb_bucket)
    try:
        found = sorted(tree.pending(), key=lambda f: f.path)
    except OSError as error:
        yield Item("pending files", BAD, f"{settings.data_dir} cannot be read: {error.strerror}", "Look at its owner.")
        return
    yield _waiting([u for u in found if isinstance(u, Upload) and _age(settings.data_dir / u.path) > PENDING_TOO_LONG])
    yield _refused([f for f in found if isinstance(f, Refusal)])


def _waiting(old: list[Upload]) -> Item:
    if not old:
        return Item("pending files", GOOD, "none for longer than an hour")
    return Item("pending files", BAD, f"{len(old)} for longer than an hour, such as {old[0].path}",
                "uploads.log says why; on-upload.sh sweep tries them now.")  # fmt: skip


def _refused(refusals: list[Refusal]) -> Item:
    # The parser says it once of a file, which then lies there: nobody would know a month later.
    if not refusals:
        return Item("refused files", GOOD, "none")
    first = ", ".join(r.path for r in refusals[:FIRST_FEW])
    more = f" and {len(refusals) - FIRST_FEW} more" if len(refusals) > FIRST_FEW else ""
    return Item("refused files", BAD, f"{len(refusals)}: {first}{more}; {refusals[0].reason.removesuffix('.')}",
                "Rename or move them: the next sweep takes them. uploads.log has the reason of each.")  # fmt: skip


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_ctime  # a client may have set its own time of change
    except OSError:
        return 0.0
