"""What uploads.jsonl, the current one and those that logrotate put beside it, shows of earlier uploads."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from powerview.ingest.journal import Status

JOURNAL = "uploads.jsonl"
TAIL = 1 << 16
SETTLED = (Status.OK, Status.PARTIAL, Status.ERROR)


def last_settled(logs: Path) -> dict | None:
    """The record of the last file that was moved to parsed/ or error/, None if no journal has one. Raises OSError."""
    recent = next(filter(None, (_settled_record(line) for line in reversed(tail(logs / JOURNAL)))), None)
    return recent or next(filter(None, (_last(_settled(journal)) for journal in _journals(logs))), None)


def settled_since(logs: Path, moment: float) -> Iterator[dict]:
    """The records of the files that were moved to parsed/ or error/ since `moment`, UTC seconds. Raises OSError."""
    for journal in _journals(logs):
        records = [r for r in _settled(journal) if time_of(r) >= moment]
        yield from records
        if not records and journal.name != JOURNAL:
            return


def last_pending(logs: Path) -> tuple[float, str] | None:
    """When a run left files pending last, and why, from the end of the current journal."""
    for line in reversed(tail(logs / JOURNAL)):
        record = _record(line)
        if record and record.get("status") == Status.PENDING and "reason" in record:
            return time_of(record), str(record["reason"])
    return None


def time_of(record: dict) -> float:
    """The UTC seconds of a record, 0 if it has no time that can be read."""
    try:
        return datetime.fromisoformat(record["time"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0


def tail(path: Path) -> list[bytes]:
    """The whole lines at the end of a log, the last ones last; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            lines = file.read().splitlines()
    except OSError:
        return []
    return lines[1:] if size > TAIL else lines


def _journals(logs: Path) -> Iterator[Path]:
    # The newest first. logrotate names them by their date, compresses all but the newest, and makes no new one.
    yield logs / JOURNAL
    yield from sorted(logs.glob(f"{JOURNAL}-*"), key=lambda p: (p.name.removesuffix(".gz"), p.suffix), reverse=True)


def _last(records: Iterator[dict]) -> dict | None:
    last = None
    for record in records:
        last = record
    return last


def _settled(journal: Path) -> Iterator[dict]:
    try:
        with gzip.open(journal) if journal.suffix == ".gz" else journal.open("rb") as file:
            yield from filter(None, map(_settled_record, file))
    except FileNotFoundError:
        pass  # rotated a moment ago, or never written
    except (EOFError, zlib.error, gzip.BadGzipFile):
        pass  # damaged, or logrotate is still writing it; what could be read counts


def _settled_record(line: bytes) -> dict | None:
    # What `--again` reads was uploaded long ago and stays where it is; a hundred thousand such lines are passed over.
    if b'"settled_as": null' in line:
        return None
    record = _record(line)
    return record if record and record.get("status") in SETTLED and record.get("settled_as") else None


def _record(line: bytes) -> dict | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None  # a full disk may have cut it
    return record if isinstance(record, dict) else None
