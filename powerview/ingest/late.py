"""Files that come late: what later uploads have readings of is theirs, and a late file's is left out.

Nothing is written that a later upload has a reading for, so nothing needs to be written again behind a late file, and
a run that is killed leaves no older reading over a newer one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from powerview import inbox
from powerview.inbox import Claim, Inbox, Upload, upload_order
from powerview.ingest.index import Span, UploadIndex
from powerview.ingest.state import MOST_DEATHS, InHand
from powerview.ingest.totals import Totals
from powerview.mv2 import Channel, Header, NotReadable, Recording, read_recording, told_apart
from powerview.settings import Settings

Answer = TypeVar("Answer")
Place = tuple[str, int, str | None]
"""Device, position and unit."""

MOST_KEPT = 16
"""How many later files' times are kept, for the late files that come next."""


def read(settings: Settings, claim: Claim) -> Recording:
    """Read a claimed file. Raises NotReadable."""
    upload = claim.upload
    return read_recording(
        claim.file, timezone=settings.timezone, arrived=claim.arrived, name=upload.name, folder=upload.device
    )


@dataclass(frozen=True)
class Part:
    """The rows of a recording (a mask over its `times`) that are written for some of its columns."""

    columns: tuple[int, ...]
    keep: np.ndarray


def whole(recording: Recording) -> list[Part]:
    """All of a recording."""
    return [Part(tuple(range(len(recording.header.channels))), np.ones(len(recording.times), bool))]


@dataclass(frozen=True)
class Covered:
    """What is left of a late file: its parts, the later uploads that cover the rest, how many rows that is."""

    parts: list[Part]
    names: list[str]
    rows: int


class LateFiles:
    """Finds what later uploads cover, and the label that a place has now."""

    def __init__(self, settings: Settings, tree: Inbox, index: UploadIndex, in_hand: InHand, totals: Totals) -> None:
        self.settings = settings
        self.tree = tree
        self.index = index
        self.in_hand = in_hand
        self.totals = totals
        self._listed: set[tuple[str, str, str]] = set()
        self._looked_at: set[tuple[str, str]] = set()
        self._begun = index.begun
        self._times: OrderedDict[str, tuple[np.ndarray, frozenset[str]]] = OrderedDict()

    def settled_name(self, upload: Upload) -> str:
        """The name of a settled file; of a pending one the name that it would get in `parsed/` now."""
        settled = upload.state or upload.name.startswith("PARSED_")
        return upload.name if settled else self.tree.settled_name(upload)

    def order(self, upload: Upload) -> tuple:
        """The order of an upload: a name that comes again is a later upload."""
        return upload_order(replace(upload, name=self.settled_name(upload)))

    def relabelled(self, upload: Upload, header: Header) -> tuple[Header, list[Channel]]:
        """The header with the labels that its places have in the latest upload, and its devices' other channels.

        Raises inbox.Pending.
        """
        order = self.order(upload)
        latest: dict[Place, Channel] = {}
        for device in dict.fromkeys(c.device for c in header.channels):
            where = (upload.client, upload.campaign, device)
            known = self._ask(upload, lambda where=where: self.index.labels(*where))
            latest |= _latest(known, order, [c for c in header.channels if c.device == device])
        channels = tuple(latest.pop(_place(channel)) for channel in header.channels)
        return replace(header, channels=channels), list(latest.values())

    def covered(self, upload: Upload, recording: Recording) -> Covered:
        """What is left of a recording by later uploads. Raises inbox.Pending if one of those cannot be read now."""
        devices = list(dict.fromkeys(c.device for c in recording.header.channels))
        everything = np.ones(len(recording.times), bool)
        keep = dict.fromkeys(devices, everything)
        names = []
        for later in self._later(upload, recording):
            times, theirs = self._times_of(later)
            mine = np.isin(recording.times, times) if len(times) else ~everything
            if mine.any() and theirs.intersection(devices):
                names.append(later.name)
                keep |= {device: keep[device] & ~mine for device in theirs.intersection(devices)}
        return Covered(_parts(recording.header.channels, keep), names, _rows_without_any(keep))

    def expected(self, upload: Upload) -> Upload:
        """Where a file will be once it is settled in `parsed/`."""
        return upload if upload.state else replace(upload, name=self.settled_name(upload), state=inbox.PARSED_DIR)

    def remember(self, upload: Upload, recording: Recording | None) -> None:
        """Remember a file that is about to be settled, was settled, or was read once more."""
        self.index.remember(upload, upload_order(upload), _span(recording))

    def forget(self, upload: Upload) -> None:
        """The file is not there after all."""
        self.index.forget(upload)

    def _later(self, upload: Upload, recording: Recording) -> Iterator[Upload]:
        order = self.order(upload)
        for other in self._overlapping(upload, recording):
            if upload_order(other) > order:
                yield other

    def _overlapping(self, upload: Upload, recording: Recording) -> list[Upload]:
        if recording.first is None:
            return []
        serials = {c.device for c in recording.header.channels}
        where = (upload.client, upload.campaign, serials, recording.first, recording.last)
        return self._ask(upload, lambda: self.index.overlapping(*where))

    def _ask(self, upload: Upload, question: Callable[[], Answer]) -> Answer:
        # An index that was lost meanwhile, on a full disk, knows nothing: what is settled is then read anew.
        while True:
            self._list(upload)
            answer = question()
            if self.index.begun == self._begun:
                return answer

    def _list(self, upload: Upload) -> None:
        # Once for each folder of a run: what lies there settled and is not remembered is read now. Likewise for the
        # other folders of its campaign that have changed since, for a slave may have delivered through them, and what
        # is remembered may be of yesterday: a backup, or what was on the disk when the power was cut.
        if self._begun != self.index.begun:
            self._begun = self.index.begun
            self._listed.clear()
            self._looked_at.clear()
        where = (upload.client, upload.campaign)
        if where not in self._looked_at:
            listed = self.index.listed(*where)
            for device, mark in self.tree.devices(*where).items():
                if listed.get(device) != mark:
                    self._list_folder((*where, device))
                    self.index.remember_listed((*where, device), mark)
            self.index.remember_whole(*where)
            self._looked_at.add(where)
        self._list_folder(upload.folder)

    def _list_folder(self, folder: tuple[str, str, str]) -> None:
        if folder in self._listed:
            return
        known = self.index.known(folder)
        there = self.tree.settled_in(folder)
        for settled in there:
            if (settled.state, settled.name) not in known:
                self._remember_settled(settled)
        for state, name in known - {(s.state, s.name) for s in there}:
            self.index.forget(Upload(*folder, name, state))
        self._listed.add(folder)

    def _remember_settled(self, settled: Upload) -> None:
        recording = None
        with (
            suppress(NotReadable),  # put there by hand, or in error/ for that reason
            self._claimed(settled) as claim,
            self.in_hand.holding(settled.path, claim.mark) as deaths,
        ):
            recording = None if deaths >= MOST_DEATHS else read(self.settings, claim)
        self.remember(settled, recording)
        if recording:  # what its run changed in the store may not be remembered either
            devices = {c.device for c in recording.header.channels}
            self.index.forget_series(settled.client, settled.campaign, devices)
            if recording.first is not None:  # nor that its totals were not made yet
                self.totals.mark(settled.client, settled.campaign, recording.first, recording.last)

    def _times_of(self, later: Upload) -> tuple[np.ndarray, frozenset[str]]:
        if later.path in self._times:
            self._times.move_to_end(later.path)
            return self._times[later.path]
        found: tuple[np.ndarray, frozenset[str]] = (np.empty(0, np.int64), frozenset())
        try:
            with self._claimed(later) as claim:
                recording = read(self.settings, claim)
                found = recording.times, frozenset(c.device for c in recording.header.channels)
        except NotReadable:
            pass
        except inbox.Gone:
            self.index.forget(later)
        self._times[later.path] = found
        if len(self._times) > MOST_KEPT:
            self._times.popitem(last=False)
        return found

    @contextmanager
    def _claimed(self, settled: Upload) -> Iterator[Claim]:
        # Another file's trouble, reported for the one that has to wait for it.
        what = f"{settled.path}, which was uploaded later and takes precedence, cannot be read now"
        try:
            claim = Claim(self.settings.data_dir, settled)
        except inbox.Gone:
            raise
        except inbox.Busy as busy:
            raise inbox.Busy(f"{what}: {busy}") from busy
        except inbox.Pending as pending:
            raise inbox.Pending(f"{what}: {pending}") from pending
        with claim:
            yield claim


def _place(channel: Channel) -> Place:
    return channel.device, channel.idx, channel.unit


def _latest(known: list[tuple[tuple, Channel]], order: tuple, mine: list[Channel]) -> dict[Place, Channel]:
    # A device's channels under their latest labels: what is known, and one more upload of this order.
    found = {_place(channel): (its, channel) for its, channel in known}
    for channel in mine:
        its, _ = found.get(_place(channel), (order, channel))
        if its <= order:
            found[_place(channel)] = order, channel
    last = max(its for its, _ in found.values())
    latest = [channel for its, channel in found.values() if its == last]
    others = told_apart(latest, [channel for its, channel in found.values() if its != last])
    return {_place(channel): channel for channel in (*latest, *others)}


def _span(recording: Recording | None) -> Span | None:
    # A file of markers alone covers nothing, but its labels are the latest.
    if recording is None:
        return None
    return Span(recording.first, recording.last, recording.header.channels)


def _parts(channels: tuple[Channel, ...], keep: dict[str, np.ndarray]) -> list[Part]:
    # Devices whose rows are the same are one part; nearly always that is one for all.
    columns: dict[bytes, list[int]] = {}
    masks: dict[bytes, np.ndarray] = {}
    for column, channel in enumerate(channels):
        mask = keep[channel.device]
        key = mask.tobytes()
        columns.setdefault(key, []).append(column)
        masks[key] = mask
    return [Part(tuple(columns[key]), masks[key]) for key in columns if masks[key].any()]


def _rows_without_any(keep: dict[str, np.ndarray]) -> int:
    left = np.logical_or.reduce(list(keep.values()))
    return int(len(left) - np.count_nonzero(left))
