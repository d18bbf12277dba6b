"""What InfluxDB confirmed is counted there a little later; what it does not have is stored again.

InfluxDB 2.9.1 can lose a write that it answered with 204: every ten seconds `monitorShards` (`tsdb/store.go`) asks
whether a shard is idle, and then frees its cache; what was written in between is in the log on disk and nowhere else,
and gone with the next snapshot. It was seen three times in 3 400 first writes to new buckets on a busy machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from powerview.inbox import Refusal, Upload
from powerview.ingest.database import Database, as_blob, as_name
from powerview.ingest.reports import Reports
from powerview.store import Store, StoreAway

AFTER_SECONDS = 15
"""So much later InfluxDB frees no cache that had been idle at the time of the write; it looks every ten seconds."""

MOST_SECONDS = 60
"""How long one run counts; the rest is left to the next one. A day file takes some 4 ms."""

MOST_TRIES = 2
LOST = (
    "InfluxDB confirmed its readings three times and does not have them all: look at InfluxDB's own log and disk, then "
    "store it again: tsv_parser.py --again -t FILE"
)


@dataclass(frozen=True)
class Confirmed:
    """So many points of a settled file, from `first` to `last` (UTC seconds), were confirmed by InfluxDB at `since`.

    `tries` is how often they were stored again because InfluxDB did not have them after all, `found` how many it had.
    """

    upload: Upload
    first: int
    last: int
    points: int
    since: float
    tries: int = 0
    found: int = 0


class Confirmations:
    """The files whose points InfluxDB confirmed lately."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: dict[Upload, int] = {}

    def remember(self, upload: Upload, first: int, last: int, points: int) -> None:
        """InfluxDB confirmed a file that is about to be settled, or was read again; replaces what was noted of it."""
        lost = self._found.pop(upload, points) < points
        with self._database.changing() as db:
            db.execute(
                "INSERT INTO unproven VALUES (?,?,?,?,?,?,?,?,?,0) ON CONFLICT DO UPDATE SET "
                "first=excluded.first, last=excluded.last, points=excluded.points, since=excluded.since, "
                "tries=tries+?",
                (*_key(upload), first, last, points, time.time(), lost),
            )
        if lost:
            print(f"InfluxDB had lost readings of {upload.path} that it had confirmed: stored again.", file=sys.stderr)

    def forget(self, upload: Upload) -> None:
        """A file's points were counted in InfluxDB, or it is not there."""
        with self._database.changing() as db:
            db.execute(f"DELETE FROM unproven WHERE {_WHERE}", _key(upload))

    def oldest(self) -> float | None:
        """When the oldest of what is not counted yet was confirmed, in seconds; None if there is nothing."""
        rows = self._database.rows("SELECT MIN(since) FROM unproven", ())
        return rows[0][0] if rows else None

    def due(self) -> list[Confirmed]:
        """What was confirmed long enough ago to be counted; a clock that was set back makes all of it due."""
        now = time.time()
        rows = self._database.rows(
            "SELECT * FROM unproven WHERE since <= ? OR since > ? ORDER BY since", (now - AFTER_SECONDS, now)
        )
        return [
            Confirmed(Upload(client, campaign, device, as_name(name), state), *numbers)
            for client, campaign, device, state, name, *numbers in rows
        ]

    def missing(self, store: Store, data_dir: Path, due: list[Confirmed], reports: Reports) -> list[Upload]:
        """Count, and return the files to be stored again: those of which InfluxDB lacks points.

        Some of those may be a later upload's by now, and deleted: that shows when the file is read again. What is there
        is forgotten; so is what was taken away, and, with a message, what InfluxDB lost again and again.
        """
        again = []
        for each in self._lacking(store, data_dir, due):
            if each.tries >= MOST_TRIES:
                self.forget(each.upload)
                reports.refused(Refusal(each.upload.path, LOST))
            else:
                again.append(each.upload)
                self._found[each.upload] = each.found
        return again

    def _lacking(self, store: Store, data_dir: Path, due: list[Confirmed]) -> Iterator[Confirmed]:
        until = time.monotonic() + MOST_SECONDS
        try:
            for each in due:
                if time.monotonic() > until:
                    return
                if not (data_dir / each.upload.path).is_file():
                    self.forget(each.upload)  # unasked: to ask makes the bucket, which may have been deleted with it
                    continue
                stored = store.stored(each.upload.client, each.upload.campaign)
                found = stored.count(self._serials(each.upload), each.first, each.last) if stored else each.points
                if found < each.points:
                    yield replace(each, found=found)
                else:
                    self.forget(each.upload)
        except StoreAway as away:  # nothing waits for this: the next run counts
            print(f"what InfluxDB confirmed lately cannot be counted now: {away}", file=sys.stderr)

    def _serials(self, upload: Upload) -> list[str]:
        rows = self._database.rows(f"SELECT serial FROM stretch WHERE {_WHERE}", _key(upload))
        return [serial for (serial,) in rows] or [upload.device]


_WHERE = "client=? AND campaign=? AND device=? AND state=? AND name=?"


def _key(upload: Upload) -> tuple[str, str, str, str, bytes]:
    return (*upload.folder, upload.state, as_blob(upload.name))
