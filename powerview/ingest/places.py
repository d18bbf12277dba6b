"""One place, one series: what the store must change before and after a file with other labels or columns.

A place is a device's serial, the position of a column and its unit. Its readings are one series in InfluxDB, under the
label that the latest upload gives it, so that every query counts it once and knows nothing of this. Where a file has
another label for a place, the series is moved; where a file has no column for a place that an earlier upload had at the
same second, that point is deleted: for each device and second the latest upload's readings count and no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from powerview.ingest.index import UploadIndex
from powerview.mv2 import Channel, Header
from powerview.store import BadLines, Store
from powerview.store.stored import Stored


@dataclass
class Changes:
    """What must change in the store before a file is written: series to move, series that it supersedes."""

    moves: list[tuple[Channel, Channel]] = field(default_factory=list)
    superseded: list[Channel] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.moves or self.superseded)


class Places:
    """Keeps the store to one series for each place. `ask` asks the store even where its series are remembered."""

    def __init__(self, store: Store, index: UploadIndex, *, ask: bool) -> None:
        self._store = store
        self._index = index
        self._ask = ask
        self._met: set[tuple[str, str, str]] = set()
        self._answers: dict[tuple[str, str], dict[str, list[Channel]] | None] = {}

    def changes(self, client: str, campaign: str, header: Header, others: Iterable[Channel]) -> Changes:
        """What a file with these channels changes; `others` are its devices' other channels. Raises StoreAway."""
        changes = Changes()
        stored = self._store.stored(client, campaign)
        if stored is None:
            return changes
        labels = {(c.device, c.idx, c.unit): c for c in (*header.channels, *others)}
        by_device = _by_device(header.channels)
        known = self._known(stored, client, campaign, by_device)
        for device, wanted in by_device.items():
            for old in sorted(known[device] - set(wanted), key=lambda c: (c.idx, c.channel)):
                new = labels.get((device, old.idx, old.unit), old)
                if new != old:
                    changes.moves.append((old, new))
                if new not in (*wanted, *changes.superseded):
                    changes.superseded.append(new)
        return changes

    def carry_out(self, changes: Changes, client: str, campaign: str, seconds: dict[str, np.ndarray]) -> None:
        """Move and delete; `seconds` are for each device the UTC seconds that the file is written for.

        Ends the same when it is broken off and done again. Raises StoreAway.
        """
        stored = self._store.stored(client, campaign)
        for device, new in _by_device(new for _, new in changes.moves).items():
            known = self._remembered(client, campaign, device)
            if known is not None:  # before there is a point of them: the process may die, and the file be taken away
                self._index.remember_series(client, campaign, device, known.union(new))
        for old, new in changes.moves:
            try:
                stored.move(old, new)
            except BadLines as bad:  # points that it holds already: nothing is wrong with the file
                raise RuntimeError(f"InfluxDB refused readings that it holds under another label: {bad}") from bad
        for device, superseded in _by_device(changes.superseded).items():
            times = seconds.get(device)
            if times is None or not len(times):
                continue
            # Nearly always none: what an earlier upload had in these columns lies at other times.
            for channel in stored.channels([device], int(times.min()), int(times.max())).intersection(superseded):
                self._delete(stored, channel, times)

    def remember(self, client: str, campaign: str, header: Header, changes: Changes) -> None:
        """The file's channels are about to be stored, and what was moved is gone."""
        moved, targets = {old for old, _ in changes.moves}, _by_device(new for _, new in changes.moves)
        for device, wanted in _by_device(header.channels).items():
            known = self._remembered(client, campaign, device)
            if known is not None and (not known.issuperset(wanted) or known & moved):
                series = (known - moved).union(wanted, targets.get(device, ()))
                self._index.remember_series(client, campaign, device, series)

    def delete_missing(self, client: str, campaign: str, missing: dict[Channel, np.ndarray]) -> None:
        """Delete what earlier uploads have at the seconds where the file's cell is no number. Raises StoreAway."""
        stored = self._store.stored(client, campaign)
        if stored is None:
            return
        for channel, seconds in missing.items():
            self._delete(stored, channel, seconds)

    @staticmethod
    def _delete(stored: Stored, channel: Channel, seconds: np.ndarray) -> None:
        there = stored.times(channel, int(seconds.min()), int(seconds.max()))
        stored.delete(channel, np.intersect1d(there, seconds))

    def _known(self, stored: Stored, client: str, campaign: str, devices: Iterable[str]) -> dict[str, set[Channel]]:
        known: dict[str, set[Channel]] = {}
        unknown = []
        for device in devices:
            where = (client, campaign, device)
            remembered = None if self._ask and where not in self._met else self._remembered(*where)
            if remembered is None:
                unknown.append(device)
            else:
                known[device] = remembered
        found = self._found(stored, client, campaign, unknown) if unknown else {}
        for device in unknown:
            known[device] = set(found.get(device, ()))
            self._index.remember_series(client, campaign, device, known[device])
        self._met.update((client, campaign, device) for device in known)
        return known

    def _found(self, stored: Stored, client: str, campaign: str, devices: list[str]) -> dict[str, list[Channel]]:
        # One question for all devices of a new logger, which has up to a dozen; with the second new logger of a
        # campaign there may be a hundred more, and one question for all of them. Its answer holds for a device as long
        # as this run has sent nothing of it.
        where = (client, campaign)
        if where not in self._answers or any((*where, device) in self._met for device in devices):
            self._answers.setdefault(where, None)
            return _by_device(stored.channels(devices))
        if self._answers[where] is None:
            self._answers[where] = _by_device(stored.channels())
        return self._answers[where]

    def _remembered(self, client: str, campaign: str, device: str) -> set[Channel] | None:
        rows = self._index.series(client, campaign, device)
        if rows is None:
            return None
        return {Channel(idx, device, name, unit or None, channel) for idx, unit, name, channel in rows}


def _by_device(channels: Iterable[Channel]) -> dict[str, list[Channel]]:
    found: dict[str, list[Channel]] = {}
    for channel in channels:
        found.setdefault(channel.device, []).append(channel)
    return found
