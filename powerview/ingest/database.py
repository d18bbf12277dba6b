"""`uploads.sqlite`, in which the ingest lane remembers things from run to run.

A SQLite file in POWERVIEW_STATE_DIR. All of it can be found again in the tree and in InfluxDB: a file that is lost or
damaged costs one reading of what is settled in the campaigns that get uploads, and no reading is wrong for it.

Its journal is SQLite's write-ahead log: with one in memory a process that is killed leaves a file in which a settled
upload may be missing without any sign of it, and with the log each change costs no wait for the disk.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "uploads.sqlite"

# A row of `stretch` for each device that a settled file speaks of: its readings lie from `first` to `last` (UTC
# seconds; none: nothing). `size` is the number of bits of last - first, which keeps the search for what overlaps short
# whatever lies in a folder. `label` has the latest label of each place, `series` what is in the store of the devices in
# `asked`. A campaign in `whole` has all its settled files here, but for those of folders whose mark in `listed` is not
# what it was.
# `mark` has the stretches (`stop` is not in them) of which totals are to be made, `made` what they were made of, and
# `ruled` by which rules.
# `named` has, for each row of `stretch` with readings, what that file calls the device's channels: the number of a text
# in `wording`. The devices in `renamed` have several, and when it changed is to be stored.
# `unproven` has the files of which InfluxDB confirmed so many points at `since` (seconds), not yet counted there.
SCHEMA = """
CREATE TABLE IF NOT EXISTS stretch (
    client, campaign, serial, size INTEGER, first INTEGER, last INTEGER, device, state, name,
    PRIMARY KEY (client, campaign, device, state, name, serial)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS overlap ON stretch (client, campaign, serial, size, first);
CREATE TABLE IF NOT EXISTS wording (number INTEGER PRIMARY KEY, labels UNIQUE);
CREATE TABLE IF NOT EXISTS named (
    client, campaign, serial, wording INTEGER, device, state, name,
    PRIMARY KEY (client, campaign, device, state, name, serial)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS worded ON named (client, campaign, serial, wording);
CREATE TABLE IF NOT EXISTS renamed (client, campaign, serial, PRIMARY KEY (client, campaign, serial)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS label (
    client, campaign, serial, idx INTEGER, unit, stamp, stem, number INTEGER, device, name, channel,
    PRIMARY KEY (client, campaign, serial, idx, unit)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series (
    client, campaign, serial, idx INTEGER, unit, name, channel,
    PRIMARY KEY (client, campaign, serial, idx, unit, name, channel)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS folder (
    client, campaign, device, PRIMARY KEY (client, campaign, device)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (client, campaign, serial, PRIMARY KEY (client, campaign, serial)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS whole (client, campaign, PRIMARY KEY (client, campaign)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS listed (
    client, campaign, device, mark, PRIMARY KEY (client, campaign, device)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (
    client, campaign, start INTEGER, stop INTEGER, PRIMARY KEY (client, campaign, start, stop)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS made (
    client, campaign, sheet, places, series, PRIMARY KEY (client, campaign)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ruled (client, campaign, rules, PRIMARY KEY (client, campaign)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unproven (
    client, campaign, device, state, name, first INTEGER, last INTEGER, points INTEGER, since REAL, tries INTEGER,
    PRIMARY KEY (client, campaign, device, state, name)
) WITHOUT ROWID;
"""


DAMAGE = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite's driver raises for a damaged file: it cannot always read SQLite's message, which quotes the file."""


class Database:
    """The file in `state_dir`, or with None one in memory for a run that must leave nothing behind.

    `begun` counts how often it had to be begun anew: then nothing that was remembered before is known any more. It
    `lasts` unless it is in memory, by choice or since the file cannot be used.
    """

    def __init__(self, state_dir: Path | None) -> None:
        self.begun = 0
        self.lasts = False
        self._path = None if state_dir is None else state_dir / NAME
        self._db = self._opened()

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._db.close()

    def rows(self, query: str, values: tuple) -> list[tuple]:
        """What a SELECT finds; nothing where the file is damaged."""
        try:
            return self._db.execute(query, values).fetchall()
        except DAMAGE as error:
            self._start_anew(error)
            return []

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """The connection, for changes that are kept together or not at all."""
        try:
            yield self._db
            self._db.commit()
        except DAMAGE as error:
            self._start_anew(error)

    def _opened(self) -> sqlite3.Connection:
        if self._path:
            with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                return self._open_file()
            self._remove()  # damaged, by a full disk or a power cut
            with suppress(sqlite3.Error):
                return self._open_file()
        return _open(None)

    def _open_file(self) -> sqlite3.Connection:
        db = _open(self._path)
        self.lasts = True
        return db

    def _remove(self) -> None:
        for name in (NAME, NAME + "-wal"):
            with suppress(OSError):
                self._path.with_name(name).unlink()

    def _start_anew(self, error: Exception) -> None:
        # What cannot be remembered is found anew; a full disk must not keep a reading from being stored.
        print(f"{self._path or 'memory'}: {error}; what it held is found anew.", file=sys.stderr)
        self.close()
        if self._path:
            self._remove()
        self._path, self._db = None, _open(None)
        self.begun += 1
        self.lasts = False


def _open(path: Path | None) -> sqlite3.Connection:
    if path:
        with suppress(OSError):
            path.touch(0o660)
    # Exclusive: no second file for shared memory, which NFS has not; the run's lock keeps other runs away.
    db = sqlite3.connect(path or ":memory:")
    try:
        db.executescript("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)
    except DAMAGE:
        db.close()
        raise
    return db


def as_blob(name: str) -> bytes:
    """A file's name as it is stored: it may hold bytes that are no UTF-8, which SQLite's text cannot."""
    return name.encode("utf-8", "surrogateescape")


def as_name(blob: bytes) -> str:
    """A file's name as it was stored."""
    return blob.decode("utf-8", "surrogateescape")
