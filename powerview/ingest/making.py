"""Make what a campaign's totals and named channels lack, from the readings in InfluxDB.

A series whose making has changed (a sheet, a first clamp with the role `main`) is made for all of the time, the others
for the marked stretches. It works through a campaign in pieces of bounded size, the latest first, and asks for the next
piece's readings while one is written. What is remembered is written last: a run that dies begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread

import numpy as np

from powerview.channels import Sheet
from powerview.channels.plan import Plan, plan_of
from powerview.channels.sums import WINDOW, Windows
from powerview.ingest.marks import Campaign, Made, Marks, Stretch, merged
from powerview.mv2 import Channel
from powerview.store import Store
from powerview.store.beside import BEGIN, END, Beside, Series, mapped, place_of

NOTHING = np.zeros(0, np.int64)
MOST_VALUES = 300_000
"""So many means are asked for at a time, about."""


def make(store: Store, marks: Marks, campaign: Campaign, sheet: Sheet | None, sheet_mark: str) -> None:
    """Bring a campaign up to date. Raises StoreAway and BadLines; then the next run does it."""
    marked = marks.stretches(campaign)
    beside = store.beside(*campaign)
    if beside is None:  # somebody has deleted the bucket
        marks.remember(campaign, Made(sheet_mark))
        marks.remove(campaign, marked)
        return
    spans = beside.channels()
    plan = plan_of(campaign[1], spans, sheet)
    before = marks.made(campaign) or Made("")
    changed = _changed(plan, before)
    there = beside.made()
    _remove(beside, there - plan.series, changed, plan)
    if changed and before.series:  # if the process dies, it is not known any more what these are made of
        kept = {text: digest for text, digest in before.series.items() if text not in {each.text for each in changed}}
        marks.remember(campaign, Made(before.sheet, before.places, kept))
    _Making(beside, plan, spans, there).run(changed, merged(marked))
    digests = {each.text: plan.digest(each) for each in plan.series}
    marks.remember(campaign, Made(sheet_mark, frozenset(plan.places), digests))
    marks.remove(campaign, marked)


def _changed(plan: Plan, before: Made) -> set[Series]:
    # A lone clamp that is new has readings in marked stretches only, and changes a sum nowhere else.
    new = set(plan.places) - before.places
    return {
        each
        for each in plan.series
        if before.series.get(each.text) not in (plan.digest(each), plan.digest(each, new) if new else None)
        or each.text not in before.series
    }


def _remove(beside: Beside, unwanted: Collection[Series], changed: set[Series], plan: Plan) -> None:
    for each in sorted(unwanted):
        beside.delete(each)
        if "unit" not in dict(each.tags):  # its namesakes with a unit are gone, too
            changed |= {other for other in plan.series if set(each.tags) < set(other.tags)}


@dataclass(frozen=True)
class _Piece:
    wanted: frozenset[Series]
    start: int
    stop: int


class _Making:
    def __init__(self, beside: Beside, plan: Plan, spans: dict[Channel, Stretch], there: set[Series]) -> None:
        self._beside, self._plan, self._there = beside, plan, there
        self._spans = [spans[clamp.channel] for clamp in plan.clamps]

    def run(self, changed: set[Series], marked: list[Stretch]) -> None:
        """Make the changed series for all of the time, and the others for the marked stretches."""
        pieces = []
        if changed:
            first, stop = self._span(changed)
            pieces += self._pieces(changed, first, stop)
            for begin, end in ((BEGIN, first), (stop, END)) if changed & self._there else ():
                for each in changed.intersection(self._beside.counts(begin, end)):
                    self._beside.keep_only(each, NOTHING, begin, end)
        others = self._plan.series - changed
        for start, stop in marked if others else ():
            pieces += self._pieces(others, start, stop)
        for piece, windows in _ahead(self._read, pieces):
            self._write(piece, windows)

    def _span(self, wanted: set[Series]) -> Stretch:
        spans = [self._spans[place] for place in self._plan.needed(wanted)]
        first, last = min(span[0] for span in spans), max(span[1] for span in spans)
        return first // WINDOW * WINDOW, (last // WINDOW + 1) * WINDOW

    def _pieces(self, wanted: Collection[Series], start: int, stop: int) -> Iterator[_Piece]:
        step = max(1, MOST_VALUES // len(self._plan.needed(wanted))) * WINDOW
        for end in range(stop, start, -step):
            yield _Piece(frozenset(wanted), max(start, end - step), end)

    def _read(self, piece: _Piece) -> list[Windows]:
        needed = {place_of(self._plan.clamps[place].channel) for place in self._plan.needed(piece.wanted)}
        means = self._beside.means(needed, piece.start, piece.stop)
        return [Windows(*values) for values in mapped(means, self._plan.places)]

    def _write(self, piece: _Piece, windows: list[Windows]) -> None:
        sums = self._plan.sums(piece.wanted, windows)
        written = self._beside.write((each, (found.begin, found.mean)) for each, found in sums)
        if piece.wanted & self._there:
            counts = self._beside.counts(piece.start, piece.stop)
            for each in piece.wanted & self._there:
                if counts.get(each, 0) != len(written[each]):
                    self._beside.keep_only(each, written[each], piece.start, piece.stop)


def _ahead(read: Callable[[_Piece], list[Windows]], pieces: Sequence[_Piece]) -> Iterator[tuple[_Piece, list[Windows]]]:
    # Each piece with what was read of it, while the next is being read. A run that ends waits for no such thread.
    def begin(piece: _Piece) -> Future:
        answer: Future = Future()

        def run() -> None:
            try:
                answer.set_result(read(piece))
            except BaseException as error:  # noqa: BLE001 - for the one who waits for it
                answer.set_exception(error)

        Thread(target=run, daemon=True, name="readings").start()
        return answer

    answers = [begin(piece) for piece in pieces[:1]]
    for i, piece in enumerate(pieces):
        found = answers.pop().result()
        answers = [begin(following) for following in pieces[i + 1 : i + 2]]
        yield piece, found
