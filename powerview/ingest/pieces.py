"""The pieces in which the totals and named channels of campaigns are made: of bounded size, one after the other.

The next piece's readings are asked for while one is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from powerview.channels.days import days_between, lows
from powerview.channels.plan import LOW, Plan
from powerview.channels.sums import WINDOW, Windows
from powerview.store.beside import Beside, Series, Values, place_of

MOST_VALUES = 150_000
"""So many means are asked for at a time, about."""

NOTHING = np.zeros(0, np.int64), np.zeros(0)

Read = dict[Any, Values]
"""What was read for a piece: means by campaign and place, or totals by campaign."""


@dataclass(frozen=True)
class Part:
    """Series of one campaign, to be made from `start` to before `stop`, both in UTC seconds."""

    campaign: str
    plan: Plan
    wanted: frozenset[Series]
    start: int
    stop: int

    @property
    def channels(self) -> int:
        """How many series are read for it."""
        return max(1, len(self.plan.needed(self.wanted)))


@dataclass(frozen=True)
class Piece:
    """Parts that are made at once, each of them for the whole time."""

    parts: tuple[Part, ...]
    start: int
    stop: int

    def values(self) -> int:
        """How many means there may be."""
        return sum(part.channels for part in self.parts) * (self.stop - self.start) // WINDOW

    def joined(self, other: Piece) -> Piece | None:
        """Both as one, if that is not too much, nor much longer than they are."""
        both = Piece(self.parts + other.parts, min(self.start, other.start), max(self.stop, other.stop))
        longer = max(self.stop - self.start, other.stop - other.start)
        twice = {part.campaign for part in self.parts} & {part.campaign for part in other.parts}
        fits = both.values() <= MOST_VALUES and both.stop - both.start <= longer * 1.2 + WINDOW
        return both if fits and not twice else None


def pieces_of(parts: Iterable[Part]) -> list[Piece]:
    """The parts in pieces, the latest first."""
    pieces: list[Piece] = []
    for part in sorted(parts, key=lambda p: (-p.start, -p.stop)):
        piece = Piece((part,), part.start, part.stop)
        joined = pieces[-1].joined(piece) if pieces else None
        pieces[-1:] = [joined] if joined else [*pieces[-1:], piece]
    return pieces


def run(beside: Beside, pieces: list[Piece], zone: ZoneInfo | None = None) -> None:
    """Make each piece, or, of pieces of whole days in `zone`, the lows of the totals that are stored. Raises StoreAway
    and BadLines."""
    read = partial(_read_totals if zone else _read_means, beside)
    sums = partial(_lows, zone) if zone else _sums
    for piece, found in _ahead(read, pieces):
        campaigns = [part.campaign for part in piece.parts]
        counted = partial(beside.counts, campaigns, piece.start, piece.stop, LOW if zone else "")
        _write(beside, piece, partial(sums, piece, found), counted)


def _read_means(beside: Beside, piece: Piece) -> Read:
    wanted = {
        part.campaign: [place_of(part.plan.clamps[i].channel) for i in part.plan.needed(part.wanted)]
        for part in piece.parts
    }
    return beside.means(wanted, piece.start - WINDOW, piece.stop + WINDOW)


def _read_totals(beside: Beside, piece: Piece) -> Read:
    return beside.figure("total", [part.campaign for part in piece.parts], piece.start, piece.stop)


def _write(
    beside: Beside, piece: Piece, sums: Callable[..., Iterator[tuple[Series, Values]]],
    counted: Callable[[], dict[Series, int]],
) -> None:  # fmt: skip
    # Counted afterwards: InfluxDB can lose a write that it confirmed (docs/promises.md), and there may be values of ten
    # minutes that have no readings any more.
    written = beside.write(sums())
    counts = counted()
    lost = {each for each, times in written.items() if counts.get(each, 0) < len(times)}
    if lost:
        beside.write(sums(lost))
        counts = counted()
    for each, times in written.items():
        if counts.get(each, 0) > len(times) or (each in lost and counts.get(each, 0) != len(times)):
            beside.keep_only(each, times, piece.start, piece.stop)


def _sums(piece: Piece, means: Read, only: Collection[Series] | None = None) -> Iterator[tuple[Series, Values]]:
    for part in piece.parts:
        wanted = part.wanted if only is None else part.wanted.intersection(only)
        windows = [Windows(*means.get((part.campaign, place), NOTHING)) for place in part.plan.places]
        for each, found in part.plan.sums(wanted, windows):
            first, stop = np.searchsorted(found.begin, (piece.start, piece.stop))
            yield each, (found.begin[first:stop], found.mean[first:stop])


def _lows(
    zone: ZoneInfo, piece: Piece, totals: Read, only: Collection[Series] | None = None
) -> Iterator[tuple[Series, Values]]:
    days = days_between(piece.start, piece.stop - 1, zone)
    for part in piece.parts:
        if only is None or part.plan.low in only:
            found = lows(Windows(*totals.get(part.campaign, NOTHING)), days)
            yield part.plan.low, (found.begin, found.mean)


def _ahead(read: Callable[[Piece], dict], pieces: Sequence[Piece]) -> Iterator[tuple[Piece, dict]]:
    # Each piece with what was read of it, while the next is being read. A run that ends waits for no such thread.
    def begin(piece: Piece) -> Future:
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
