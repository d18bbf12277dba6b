"""What became of the uploads: the last one, silent loggers, files in error/, files that wait or are refused."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from powerview import channels
from powerview.inbox import ERROR_DIR, REASON, Inbox, Refusal, Upload
from powerview.ingest.lane import UNREAD
from powerview.ingest.state import Reported
from powerview.monitoring.item import Item, bad, each, good, unknown
from powerview.monitoring.journals import JOURNAL, last_pending, last_settled, time_of
from powerview.monitoring.loggers import FORGOTTEN_DAYS, SILENT_HOURS, silent_loggers
from powerview.monitoring.texts import Phrase
from powerview.settings import Settings

PENDING_TOO_LONG = 3600


def uploads(settings: Settings) -> Iterator[Item]:
    """Every item about the uploads; none if there is no tree, which another item shows."""
    if not os.path.isdir(settings.data_dir):
        return
    yield _last_upload(settings.log_dir)
    try:
        yield from silent_loggers(settings)
        yield from _in_error(settings.data_dir)
        found = sorted(Inbox(settings.data_dir, settings.influxdb_bucket).pending(), key=lambda f: f.path)
    except OSError as error:
        why = error.strerror or str(error)
        yield bad("pending files", "tree_unreadable", folder=str(settings.data_dir), why=why)
        return
    yield from _pending(settings, [f for f in found if isinstance(f, Upload)])
    # The parser reports a refused file once; a month later nobody would know of it.
    refused = [f for f in found if isinstance(f, Refusal)] + _logged(settings)
    yield from each("refused files", refused, _refused, "none")


def _last_upload(logs: Path) -> Item:
    try:
        last = last_settled(logs)
    except OSError as error:
        return unknown("last upload", f"{error.filename}: {error.strerror}", "Run this as root or as SFTPGo's user.")
    if last is None:
        return unknown("last upload", f"no {logs / JOURNAL} has one yet", "The first upload writes it.")
    hours = (time.time() - time_of(last)) / 3600
    found = f"{last['time']} {last['status']} {last['path']}"
    if hours > FORGOTTEN_DAYS * 24:
        return unknown("last upload", f"{found}: nothing for {hours / 24:.0f} days")
    if hours > SILENT_HOURS:
        return bad("last upload", "fleet_silent", last=found, hours=hours)
    return good("last upload", found)


def _in_error(data: Path) -> Iterator[Item]:
    files = [p for p in data.glob(f"*/*/*/{ERROR_DIR}/*") if not p.name.endswith(REASON)]
    files.sort(key=_changed, reverse=True)  # the newest first: of very many, those are looked at

    def item(file: Path) -> Item:
        path = str(file.relative_to(data))
        return bad("files in error/", "in_error", path, path=path, why=_reason(file))

    yield from each("files in error/", files, item, "none")


def _reason(file: Path) -> str | Phrase:
    try:
        with file.with_name(file.name + REASON).open(encoding="utf-8", errors="replace") as reason:
            text = reason.readline(1000).strip()
    except OSError:
        return Phrase("no_reason")
    # It begins with the path that the file had when it was pending.
    return (text.partition(".tsv: ")[2] or text).removesuffix(".")


def _pending(settings: Settings, found: list[Upload]) -> Iterator[Item]:
    now = time.time()
    ages = {f.path: now - _changed(settings.data_dir / f.path, now) for f in found}
    old = sorted((path for path, age in ages.items() if age > PENDING_TOO_LONG), key=ages.__getitem__, reverse=True)
    last = last_pending(settings.log_dir) if old else None
    why = last[1].removesuffix(".") if last and now - last[0] < PENDING_TOO_LONG else ""
    of_one_file = why.split(" ")[0] in ages  # else it holds for all of them: the server is away

    def item(path: str) -> Item:
        cause = f": {why}" if why and (not of_one_file or why.startswith(path)) else ""
        return bad("pending files", "pending", path, path=path, hours=ages[path] // 3600, why=cause)

    yield from each("pending files", old, item, "none for longer than an hour")


def _logged(settings: Settings) -> list[Refusal]:
    # Only the lane knows which folders were renamed after they were read, and which sheets it did not understand.
    logged = Reported(settings.state_dir).reasons
    return [Refusal(path, reason) for path, reason in logged.items() if reason == UNREAD or _is_sheet(path)]


def _is_sheet(path: str) -> bool:
    return path.count("/") == 2 and path.endswith(f"/{channels.NAME}")


def _refused(refusal: Refusal) -> Item:
    return bad("refused files", "refused", refusal.path, path=refusal.path, why=refusal.reason.removesuffix("."))


def _changed(path: Path, otherwise: float = 0.0) -> float:
    try:
        return path.lstat().st_ctime  # a client may have set its own time of change
    except OSError:
        return otherwise
