"""What is remembered of settled uploads and stored series, so that nothing need be read again to know it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from powerview.inbox import Upload, upload_order
from powerview.ingest.database import Database, as_blob, as_name

if TYPE_CHECKING:  # a run with nothing to do needs no pandas
    import sqlite3

    from powerview.mv2 import Channel


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


class UploadIndex(Database):
    """What the runs of the ingest lane remember, in the file of `Database`."""

    # ── settled files ────────────────────────────────────────────────────────────────────────────────────────────────

    def is_whole(self, client: str, campaign: str) -> bool:
        """Whether the settled files of all folders of a campaign were remembered."""
        return bool(self.rows("SELECT 1 FROM whole WHERE client=? AND campaign=?", (client, campaign)))

    def remember_whole(self, client: str, campaign: str) -> None:
        """The settled files of all folders of a campaign are remembered."""
        with self.changing() as db:
            db.execute("INSERT OR REPLACE INTO whole VALUES (?,?)", (client, campaign))

    def listed(self, client: str, campaign: str) -> dict[str, str]:
        """The devices' folders of a campaign whose settled files were remembered, each with its mark at that time."""
        return dict(self.rows("SELECT device, mark FROM listed WHERE client=? AND campaign=?", (client, campaign)))

    def remember_listed(self, folder: tuple[str, str, str], mark: str) -> None:
        """The settled files of a device's folder are remembered."""
        with self.changing() as db:
            db.execute("INSERT OR REPLACE INTO listed VALUES (?,?,?,?)", (*folder, mark))

    def known(self, folder: tuple[str, str, str]) -> set[tuple[str, str]]:
        """(state, name) of every settled file of a device's folder that is remembered."""
        rows = self.rows("SELECT DISTINCT state, name FROM stretch WHERE client=? AND campaign=? AND device=?", folder)
        return {(state, as_name(name)) for state, name in rows}

    def remember(self, upload: Upload, order: tuple, span: Span | None) -> None:
        """Remember a settled file; `span` is None where it has no readings."""
        with self.changing() as db:
            where = (upload.client, upload.campaign)
            for serial in span.devices if span else [""]:
                first, last = (span.first, span.last) if span else (None, None)
                size = None if first is None else (last - first).bit_length()
                db.execute(
                    "INSERT OR REPLACE INTO stretch VALUES (?,?,?,?,?,?,?,?,?)",
                    (*where, serial, size, first, last, upload.device, upload.state, as_blob(upload.name)),
                )
                if first is not None:
                    self._name(db, upload, serial, [c for c in span.channels if c.device == serial])
            for channel in span.channels if span else ():
                self._label(db, where, order, channel)

    @staticmethod
    def _name(db: sqlite3.Connection, upload: Upload, serial: str, channels: list[Channel]) -> None:
        where = (upload.client, upload.campaign, serial)
        labels = json.dumps([[c.idx, c.unit or "", c.name] for c in channels])
        db.execute("INSERT OR IGNORE INTO wording (labels) VALUES (?)", (labels,))
        db.execute(
            "INSERT OR REPLACE INTO named SELECT ?,?,?,number,?,?,? FROM wording WHERE labels=?",
            (*where, upload.device, upload.state, as_blob(upload.name), labels),
        )
        _mark_renamed(db, where)

    def _label(self, db: sqlite3.Connection, where: tuple[str, str], order: tuple, channel: Channel) -> None:
        stamp, stem, number, _, _, device = order
        db.execute(
            "INSERT INTO label VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET stamp=excluded.stamp, "
            "stem=excluded.stem, number=excluded.number, device=excluded.device, name=excluded.name, "
            "channel=excluded.channel WHERE (excluded.stamp, excluded.stem, excluded.number, excluded.device) >= "
            "(label.stamp, label.stem, label.number, label.device)",
            (*where, channel.device, channel.idx, channel.unit or "", stamp, as_blob(stem), number, device,
             channel.name, channel.channel),
        )  # fmt: skip

    def forget(self, upload: Upload) -> None:
        """Forget a file that is gone."""
        serials = self.serials(upload)
        with self.changing() as db:
            db.execute(
                "DELETE FROM stretch WHERE client=? AND campaign=? AND device=? AND state=? AND name=?",
                (*upload.folder, upload.state, as_blob(upload.name)),
            )
            for serial in serials:
                _mark_renamed(db, (upload.client, upload.campaign, serial))
            db.execute(
                "DELETE FROM named WHERE client=? AND campaign=? AND device=? AND state=? AND name=?",
                (*upload.folder, upload.state, as_blob(upload.name)),
            )

    def serials(self, upload: Upload) -> list[str]:
        """The serials of the devices that a settled file speaks of."""
        rows = self.rows(
            "SELECT serial FROM stretch WHERE client=? AND campaign=? AND device=? AND state=? AND name=?",
            (*upload.folder, upload.state, as_blob(upload.name)),
        )
        return [serial for (serial,) in rows]

    def overlapping(self, client: str, campaign: str, serials: Iterable[str], first: int, last: int) -> list[Upload]:
        """The settled files that have readings of one of these devices between these UTC seconds, in upload order."""
        found: set[Upload] = set()
        for serial in serials:
            where = (client, campaign, serial)
            sizes = self.rows("SELECT DISTINCT size FROM stretch WHERE client=? AND campaign=? AND serial=?", where)
            for (size,) in sizes:
                if size is None:
                    continue
                rows = self.rows(
                    "SELECT device, name, state FROM stretch WHERE client=? AND campaign=? AND serial=? AND size=? "
                    "AND first BETWEEN ? AND ? AND last >= ?",
                    (*where, size, first - (1 << size), last, first),
                )
                found |= {Upload(client, campaign, device, as_name(name), state) for device, name, state in rows}
        return sorted(found, key=upload_order)

    def labels(self, client: str, campaign: str, serial: str) -> list[tuple[tuple, Channel]]:
        """The channels of a device, each as the latest upload with its place calls it, and that upload's order."""
        from powerview.mv2 import Channel

        rows = self.rows(
            "SELECT stamp, stem, number, device, idx, unit, name, channel FROM label "
            "WHERE client=? AND campaign=? AND serial=?",
            (client, campaign, serial),
        )
        return [
            (
                (stamp, as_name(stem), number, client, campaign, device),
                Channel(idx, serial, name, unit or None, channel),
            )
            for stamp, stem, number, device, idx, unit, name, channel in rows
        ]

    def renamed(self) -> list[tuple[str, str, str]]:
        """Client, campaign and serial of each device of which it is to be stored when its labels changed."""
        return self.rows("SELECT client, campaign, serial FROM renamed ORDER BY client, campaign, serial", ())

    def wordings(self, client: str, campaign: str, serial: str) -> list[tuple[int, int, list[tuple[int, str, str]]]]:
        """What each remembered file with readings calls a device's channels, in the order of the uploads: its first and
        last reading, and (idx, unit, name) of each channel."""
        rows = self.rows(
            "SELECT device, state, name, first, last, labels FROM named NATURAL JOIN stretch "
            "JOIN wording ON number = wording WHERE client=? AND campaign=? AND serial=?",
            (client, campaign, serial),
        )
        found = [
            (upload_order(Upload(client, campaign, device, as_name(name), state)), first, last, labels)
            for device, state, name, first, last, labels in rows
        ]
        parsed = {labels: [tuple(each) for each in json.loads(labels)] for *_, labels in found}
        return [(first, last, parsed[labels]) for _, first, last, labels in sorted(found)]

    def renames_are_stored(self, client: str, campaign: str, serials: Iterable[str]) -> None:
        """It is stored when the labels of these devices changed."""
        with self.changing() as db:
            for serial in serials:
                db.execute("DELETE FROM renamed WHERE client=? AND campaign=? AND serial=?", (client, campaign, serial))

    def places(self, client: str, campaign: str) -> set[tuple[str, int, str | None]]:
        """Device, position and unit of every clamp that the remembered files of a campaign have."""
        rows = self.rows("SELECT serial, idx, unit FROM label WHERE client=? AND campaign=?", (client, campaign))
        return {(serial, idx, unit or None) for serial, idx, unit in rows}

    # ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def unread(self, folders: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        """Of the devices' folders with a `parsed/` folder those whose files were never read under this name.

        A campaign's folder that was renamed, or put there by hand: nothing of it is in the store. The first time that
        anybody asks, all of them are taken for read.
        """
        known = set(self.rows("SELECT client, campaign, device FROM folder", ()))
        if not known:
            self.remember_folders(folders)
            return []
        return sorted(set(folders) - known)

    def remember_folders(self, folders: Iterable[tuple[str, str, str]]) -> None:
        """Files of these devices' folders were read under this name."""
        with self.changing() as db:
            db.executemany("INSERT OR IGNORE INTO folder VALUES (?,?,?)", list(folders))

    # ── what is in the store ─────────────────────────────────────────────────────────────────────────────────────────

    def series(self, client: str, campaign: str, serial: str) -> set[tuple[int, str, str, str]] | None:
        """(idx, unit, name, channel) of each series of a device in the store; None if the store must be asked."""
        where = (client, campaign, serial)
        if not self.rows("SELECT 1 FROM asked WHERE client=? AND campaign=? AND serial=?", where):
            return None
        return set(
            self.rows("SELECT idx, unit, name, channel FROM series WHERE client=? AND campaign=? AND serial=?", where)
        )

    def remember_series(self, client: str, campaign: str, serial: str, channels: Iterable[Channel]) -> None:
        """These, and no others, are the series of a device in the store."""
        where = (client, campaign, serial)
        with self.changing() as db:
            db.execute("DELETE FROM series WHERE client=? AND campaign=? AND serial=?", where)
            db.executemany(
                "INSERT OR REPLACE INTO series VALUES (?,?,?,?,?,?,?)",
                [(*where, c.idx, c.unit or "", c.name, c.channel) for c in channels],
            )
            db.execute("INSERT OR REPLACE INTO asked VALUES (?,?,?)", where)

    def forget_series(self, client: str, campaign: str, serials: Iterable[str]) -> None:
        """What is in the store of these devices is not known: it must be asked."""
        for serial in serials:
            with self.changing() as db:
                db.execute("DELETE FROM asked WHERE client=? AND campaign=? AND serial=?", (client, campaign, serial))


def _mark_renamed(db: sqlite3.Connection, where: tuple[str, str, str]) -> None:
    # Of nearly every device all files have the same labels; the index finds the two ends at once.
    ends = " <> ".join(
        f"(SELECT {end}(wording) FROM named WHERE client=? AND campaign=? AND serial=?)" for end in ("MIN", "MAX")
    )
    db.execute(f"INSERT OR IGNORE INTO renamed SELECT ?,?,? WHERE {ends}", where * 3)
