"""The lane's part with renames: points about when a channel's label changed, kept equal to what the files say.

What the settled files call each channel is remembered in the index; when that changed follows from all of them, in
whatever order they came. A device whose files have several wordings is marked with each file that is settled, and the
mark goes when its points are stored: a run that dies is made good by the next. Nothing here keeps a file waiting.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import groupby
from typing import TYPE_CHECKING

from powerview.ingest.index import UploadIndex
from powerview.store import BadLines, Store, StoreAway

if TYPE_CHECKING:  # a run with nothing to do needs no pandas
    from powerview.store.beside import Beside
    from powerview.store.renamed import Rename

Wording = tuple[int, int, list[tuple[int, str, str]]]
"""First and last reading of a file in UTC seconds, and (position, unit, label) of a device's channels in it."""


class Renames:
    """What a run does about renames. `active` False: nothing, since there is no InfluxDB or the run leaves no trace."""

    def __init__(self, index: UploadIndex, *, active: bool) -> None:
        self._index, self._active = index, active

    def outstanding(self) -> bool:
        """Whether there is something to store."""
        return self._active and bool(self._index.renamed())

    def make(self, store: Store) -> None:
        """Store what is outstanding; never raises for what InfluxDB does."""
        marked = self._index.renamed() if self._active else []
        for (client, campaign), rows in groupby(marked, key=lambda row: row[:2]):
            if not self._try(store, client, campaign, [serial for *_, serial in rows]) and not store.answers():
                return

    def _try(self, store: Store, client: str, campaign: str, serials: list[str]) -> bool:
        try:
            beside = store.beside(client)
            if beside:  # else somebody has deleted the bucket
                self._bring_up_to_date(beside, client, campaign, serials)
            self._index.renames_are_stored(client, campaign, serials)
            return True
        except (StoreAway, BadLines) as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not make a run fail whose files are stored
            traceback.print_exc()
            why = f"PowerView failed ({type(error).__name__}: {error}): report it"
        what = f"renamed channels of {client}/{campaign} are not all recorded yet; the next run does it"
        print(f"{what}: {why}", file=sys.stderr)
        return False

    def _bring_up_to_date(self, beside: Beside, client: str, campaign: str, serials: list[str]) -> None:
        there = beside.renames(campaign)
        wanted: set[Rename] = set()
        for serial in serials:
            wordings = self._index.wordings(client, campaign, serial)
            found = set(renames_of(serial, wordings))
            if not self._index.is_whole(client, campaign):  # lost just now: who asks it next reads the files anew
                return
            # What is not after the first reading of all is about files that somebody has put away since.
            begin = min((first for first, _, _ in wordings), default=0)
            for each in {each for each in there if each.device == serial and each.time > begin} - found:
                beside.delete_rename(campaign, each)
            wanted |= found
        if wanted - there:
            beside.write_renames(campaign, wanted - there)


def renames_of(device: str, wordings: Sequence[Wording]) -> Iterator[Rename]:
    """When labels of a device changed, by the wordings of its files in the order of their uploads.

    At each time that the latest upload counts whose first and last reading are around it.
    """
    from powerview.store.renamed import Rename

    names: dict[tuple[int, str], str] = {}
    for time, labels in _in_force(wordings):
        for idx, unit, name in labels:
            former = names.get((idx, unit), name)
            if former != name:
                yield Rename(time, device, idx, unit, former, name)
            names[idx, unit] = name


def _in_force(wordings: Sequence[Wording]) -> Iterator[tuple[int, Iterable[tuple[int, str, str]]]]:
    # Each wording with the second from which it counts, in time.
    begin: dict[int, list[int]] = {}
    for number, (first, _, _) in enumerate(wordings):
        begin.setdefault(first, []).append(number)
    covering: list[int] = []  # a heap: the latest upload first
    for time in sorted({*begin, *(last + 1 for _, last, _ in wordings)}):
        for number in begin.get(time, ()):
            heappush(covering, -number)
        while covering and wordings[-covering[0]][1] < time:
            heappop(covering)
        if covering:
            yield time, wordings[-covering[0]][2]
