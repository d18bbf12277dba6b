"""What is remembered of settled uploads and stored series, so that nothing need be read again to know it.

A SQLite file in POWERVIEW_STATE_DIR. All of it can be found anew in the tree and in InfluxDB: a file that is lost or
damaged costs one reading of what is settled in the campaigns that get uploads, and no reading is wrong for it.

Its journal is SQLite's write-ahead log: with one in memory a process that is killed leaves a file in which a settled
upload may be missing without any sign of it, and with the log each change costs no wait for the disk.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from powerview.inbox import Upload, upload_order

if TYPE_CHECKING:  # a run with nothing to do needs no pandas
    from powerview.mv2 import Channel

NAME = "uploads.sqlite"

# A row of `stretch` for each device that a settled file speaks of: its readings lie from `first` to `last` (UTC
# seconds; none: nothing). `size` is the number of bits of last - first, which keeps the search for what overlaps short
# whatever lies in a folder. `label` has the latest label of each place, `series` what is in the store of the devices in
# `asked`. A campaign in `whole` has all its settled files here, but for those that a killed run has just settled.
SCHEMA = """
CREATE TABLE IF NOT EXISTS stretch (
    client, campaign, serial, size INTEGER, first INTEGER, last INTEGER, device, state, name,
    PRIMARY KEY (client, campaign, device, state, name, serial)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS overlap ON stretch (client, campaign, serial, size, first);
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
"""


@dataclass(frozen=True)
class Span:
    """What a settled file holds: the devices that it speaks of and their channels, its first and last reading."""

    first: int | None
    last: int | None
    channels: tuple[Channel, ...]

    @property
    def devices(self) -> list[str]:
        """Their serials, each once."""
        return list(dict.fromkeys(c.device for c in self.channels))


class UploadIndex:
    """The file in `state_dir`, or with None one in memory for a run that must leave nothing behind.

    `begun` counts how often it had to be begun anew: then nothing that was remembered before is known any more.
    """

    def __init__(self, state_dir: Path | None) -> None:
        self.begun = 0
        self._path = None if state_dir is None else state_dir / NAME
        self._db = self._opened()

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._db.close()

    # ── settled files ────────────────────────────────────────────────────────────────────────────────────────────────

    def is_whole(self, client: str, campaign: str) -> bool:
        """Whether the settled files of all folders of a campaign were remembered."""
        return bool(self._all("SELECT 1 FROM whole WHERE client=? AND campaign=?", (client, campaign)))

    def remember_whole(self, client: str, campaign: str) -> None:
        """The settled files of all folders of a campaign are remembered."""
        with self._changing():
            self._db.execute("INSERT OR REPLACE INTO whole VALUES (?,?)", (client, campaign))

    def known(self, folder: tuple[str, str, str]) -> set[tuple[str, str]]:
        """(state, name) of every settled file of a device's folder that is remembered."""
        rows = self._all("SELECT DISTINCT state, name FROM stretch WHERE client=? AND campaign=? AND device=?", folder)
        return {(state, _name(name)) for state, name in rows}

    def remember(self, upload: Upload, order: tuple, span: Span | None) -> None:
        """Remember a settled file; `span` is None where it has no readings."""
        with self._changing():
            where = (upload.client, upload.campaign)
            for serial in span.devices if span else [""]:
                first, last = (span.first, span.last) if span else (None, None)
                size = None if first is None else (last - first).bit_length()
                self._db.execute(
                    "INSERT OR REPLACE INTO stretch VALUES (?,?,?,?,?,?,?,?,?)",
                    (*where, serial, size, first, last, upload.device, upload.state, _blob(upload.name)),
                )
            for channel in span.channels if span else ():
                self._label(where, order, channel)

    def _label(self, where: tuple[str, str], order: tuple, channel: Channel) -> None:
        stamp, stem, number, _, _, device = order
        self._db.execute(
            "INSERT INTO label VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET stamp=excluded.stamp, "
            "stem=excluded.stem, number=excluded.number, device=excluded.device, name=excluded.name, "
            "channel=excluded.channel WHERE (excluded.stamp, excluded.stem, excluded.number, excluded.device) >= "
            "(label.stamp, label.stem, label.number, label.device)",
            (*where, channel.device, channel.idx, channel.unit or "", stamp, _blob(stem), number, device, channel.name,
             channel.channel),
        )  # fmt: skip

    def forget(self, upload: Upload) -> None:
        """Forget a file that is gone."""
        with self._changing():
            self._db.execute(
                "DELETE FROM stretch WHERE client=? AND campaign=? AND device=? AND state=? AND name=?",
                (*upload.folder, upload.state, _blob(upload.name)),
            )

    def overlapping(self, client: str, campaign: str, serials: Iterable[str], first: int, last: int) -> list[Upload]:
        """The settled files that have readings of one of these devices between these UTC seconds, in upload order."""
        found: set[Upload] = set()
        for serial in serials:
            where = (client, campaign, serial)
            sizes = self._all("SELECT DISTINCT size FROM stretch WHERE client=? AND campaign=? AND serial=?", where)
            for (size,) in sizes:
                if size is None:
                    continue
                rows = self._all(
                    "SELECT device, name, state FROM stretch WHERE client=? AND campaign=? AND serial=? AND size=? "
                    "AND first BETWEEN ? AND ? AND last >= ?",
                    (*where, size, first - (1 << size), last, first),
                )
                found |= {Upload(client, campaign, device, _name(name), state) for device, name, state in rows}
        return sorted(found, key=upload_order)

    def label(self, client: str, campaign: str, channel: Channel) -> tuple[tuple, str, str] | None:
        """Of a channel's place the latest upload's order, channel_name and channel; None if nothing is remembered."""
        rows = self._all(
            "SELECT stamp, stem, number, device, name, channel FROM label "
            "WHERE client=? AND campaign=? AND serial=? AND idx=? AND unit=?",
            (client, campaign, channel.device, channel.idx, channel.unit or ""),
        )
        if not rows:
            return None
        stamp, stem, number, device, name, label = rows[0]
        return (stamp, _name(stem), number, client, campaign, device), name, label

    def places(self, client: str, campaign: str) -> set[tuple[str, int, str | None]]:
        """Device, position and unit of every clamp that the remembered files of a campaign have."""
        rows = self._all("SELECT serial, idx, unit FROM label WHERE client=? AND campaign=?", (client, campaign))
        return {(serial, idx, unit or None) for serial, idx, unit in rows}

    # ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def unread(self, folders: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        """Of the devices' folders with a `parsed/` folder those whose files were never read under this name.

        A campaign's folder that was renamed, or put there by hand: nothing of it is in the store. The first time that
        anybody asks, all of them are taken for read.
        """
        known = set(self._all("SELECT client, campaign, device FROM folder", ()))
        if not known:
            self.remember_folders(folders)
            return []
        return sorted(set(folders) - known)

    def remember_folders(self, folders: Iterable[tuple[str, str, str]]) -> None:
        """Files of these devices' folders were read under this name."""
        with self._changing():
            self._db.executemany("INSERT OR IGNORE INTO folder VALUES (?,?,?)", list(folders))

    # ── what is in the store ─────────────────────────────────────────────────────────────────────────────────────────

    def series(self, client: str, campaign: str, serial: str) -> set[tuple[int, str, str, str]] | None:
        """(idx, unit, name, channel) of each series of a device in the store; None if the store must be asked."""
        where = (client, campaign, serial)
        if not self._all("SELECT 1 FROM asked WHERE client=? AND campaign=? AND serial=?", where):
            return None
        return set(
            self._all("SELECT idx, unit, name, channel FROM series WHERE client=? AND campaign=? AND serial=?", where)
        )

    def remember_series(self, client: str, campaign: str, serial: str, channels: Iterable[Channel]) -> None:
        """These, and no others, are the series of a device in the store."""
        where = (client, campaign, serial)
        with self._changing():
            self._db.execute("DELETE FROM series WHERE client=? AND campaign=? AND serial=?", where)
            self._db.executemany(
                "INSERT OR REPLACE INTO series VALUES (?,?,?,?,?,?,?)",
                [(*where, c.idx, c.unit or "", c.name, c.channel) for c in channels],
            )
            self._db.execute("INSERT OR REPLACE INTO asked VALUES (?,?,?)", where)

    def forget_series(self, client: str, campaign: str, serials: Iterable[str]) -> None:
        """What is in the store of these devices is not known: it must be asked."""
        for serial in serials:
            with self._changing():
                self._db.execute(
                    "DELETE FROM asked WHERE client=? AND campaign=? AND serial=?", (client, campaign, serial)
                )

    # ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _opened(self) -> sqlite3.Connection:
        if self._path:
            with suppress(sqlite3.DatabaseError):
                return _open(self._path)
            self._remove()  # damaged, by a full disk or a power cut
            with suppress(sqlite3.Error):
                return _open(self._path)
        return _open(None)

    def _remove(self) -> None:
        for name in (NAME, NAME + "-wal"):
            with suppress(OSError):
                self._path.with_name(name).unlink()

    def _all(self, query: str, values: tuple) -> list[tuple]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            self._start_anew(error)
            return []

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            yield
            self._db.commit()
        except sqlite3.Error as error:
            self._start_anew(error)

    def _start_anew(self, error: sqlite3.Error) -> None:
        # What cannot be remembered is found anew; a full disk must not keep a reading from being stored.
        print(f"{self._path or 'memory'}: {error}; what it held is found anew.", file=sys.stderr)
        self.close()
        if self._path:
            self._remove()
        self._path, self._db = None, _open(None)
        self.begun += 1


def _open(path: Path | None) -> sqlite3.Connection:
    if path:
        with suppress(OSError):
            path.touch(0o660)
    # Exclusive: no second file for shared memory, which NFS has not; the run's lock keeps other runs away.
    db = sqlite3.connect(path or ":memory:")
    try:
        db.executescript("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _blob(name: str) -> bytes:
    # Names of files may hold bytes that are no UTF-8, which SQLite's text cannot.
    return name.encode("utf-8", "surrogateescape")


def _name(blob: bytes) -> str:
    return blob.decode("utf-8", "surrogateescape")
