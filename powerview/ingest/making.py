"""Make what the totals and named channels of campaigns lack, from the readings in InfluxDB.

A series whose making has changed (a sheet, a first clamp with the role `main`) is made for all of the time, the others
for the marked stretches. Campaigns of one client are worked through together, in pieces of bounded size, the latest
first; the next piece's readings are asked for while one is written. What is remembered is written last: a run that dies
begins again.

What takes more than one piece is announced in the store until all of it is there, since in between a figure over a long
time is neither the old one nor the new one; dashboards then add up the readings themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread

import numpy as np

from powerview.channels import Sheet
from powerview.channels.plan import Plan, plan_of
from powerview.channels.sums import WINDOW, Windows
from powerview.ingest.marks import Made, Marks, Stretch, merged
from powerview.mv2 import Channel
from powerview.names import CHANNELS, TOTALS
from powerview.store import Store
from powerview.store.beside import BEGIN, END, Beside, Place, Series, Values, place_of, series

MOST_VALUES = 150_000
"""So many means are asked for at a time, about."""

BEING_MADE = "being_made"
"""The figure that is there while a campaign's series are being made; its value says nothing."""

AN_HOUR = 3600
"""So long ago is the past by InfluxDB's clock, too."""

NOTHING = np.zeros(0, np.int64), np.zeros(0)


@dataclass(frozen=True)
class InForce:
    """The sheet in force of a campaign, if there is one, and what changes when another is."""

    sheet: Sheet | None
    mark: str


def make(store: Store, marks: Marks, client: str, campaigns: dict[str, InForce]) -> None:
    """Bring campaigns of a client up to date. Raises StoreAway and BadLines; then the next run does it."""
    marked = {campaign: marks.stretches((client, campaign)) for campaign in campaigns}
    beside = store.beside(client)
    jobs = _jobs(beside, marks, client, campaigns) if beside else []  # without: somebody has deleted the bucket
    for job in jobs:
        job.marked = merged(marked[job.campaign])
        unwanted = _unwanted(job)
        if job.changed and job.before.series:  # if the process dies, it is not known what these are made of
            kept = {text: digest for text, digest in job.before.series.items() if text not in job.changed_texts}
            marks.remember((client, job.campaign), Made(job.before.sheet, job.before.places, kept))
        if job.is_long and not job.announced:
            beside.write([(job.announcement, (np.array([int(time.time()) - AN_HOUR]), np.ones(1)))])
            job.announced = True
        _remove(beside, job, unwanted)
    _run(beside, jobs)
    for job in jobs:
        if job.announced:
            beside.delete(job.announcement)
    made = {job.campaign: job.plan for job in jobs}
    for campaign, in_force in campaigns.items():
        plan = made.get(campaign, Plan())
        digests = {each.text: plan.digest(each) for each in plan.series}
        marks.remember((client, campaign), Made(in_force.mark, frozenset(plan.places), digests))
        marks.remove((client, campaign), marked[campaign])


@dataclass
class _Job:
    # A campaign: what is to be made of it, what was, what is in the store; `changed` are made for all of the time.
    # `announced`: the store says that this is going on, now or since a run that died.
    campaign: str
    plan: Plan
    spans: list[Stretch]
    before: Made
    there: set[Series]
    changed: set[Series] = field(default_factory=set)
    marked: list[Stretch] = field(default_factory=list)
    announced: bool = False

    @property
    def announcement(self) -> Series:
        return series(TOTALS, campaign=self.campaign, figure=BEING_MADE)

    @property
    def is_long(self) -> bool:
        """Whether what changed takes more than one piece."""
        if not self.changed:
            return False
        first, stop = self.span()
        return len(self.plan.needed(self.changed)) * (stop - first) // WINDOW > MOST_VALUES

    @property
    def changed_texts(self) -> set[str]:
        return {each.text for each in self.changed}

    def span(self) -> Stretch:
        """The time of the clamps that the changed series are made of."""
        spans = [self.spans[place] for place in self.plan.needed(self.changed)]
        first, last = min(span[0] for span in spans), max(span[1] for span in spans)
        return first // WINDOW * WINDOW, (last // WINDOW + 1) * WINDOW


def _jobs(beside: Beside, marks: Marks, client: str, campaigns: dict[str, InForce]) -> list[_Job]:
    found, there = beside.channels(campaigns), beside.made(campaigns)
    jobs = []
    for campaign, in_force in campaigns.items():
        spans: dict[Channel, Stretch] = found[campaign]
        plan = plan_of(campaign, spans, in_force.sheet)
        before = marks.made((client, campaign)) or Made("")
        ours = {each for each in there if ("campaign", campaign) in each.tags}
        job = _Job(campaign, plan, list(spans.values()), before, ours, _changed(plan, before))
        job.announced = job.announcement in ours
        ours.discard(job.announcement)
        jobs.append(job)
    return jobs


def _changed(plan: Plan, before: Made) -> set[Series]:
    # A clamp that is new has readings in marked stretches only, and unless it joins a group changes no sum elsewhere.
    new = set(plan.places) - before.places
    return {
        each
        for each in plan.series
        if each.text not in before.series
        or before.series[each.text] not in (plan.digest(each), plan.digest(each, new) if new else None)
    }


def _unwanted(job: _Job) -> set[Series]:
    # What is to be deleted; what a delete takes along is changed, too.
    unwanted = job.there - job.plan.series
    channels = {each for each in job.there if each.measurement == CHANNELS}
    if 2 * len(channels & unwanted) > len(channels):  # one by one takes longer than to make the others again
        unwanted |= channels
        job.changed |= set(job.plan.things)
    for each in unwanted:
        if "unit" not in dict(each.tags):  # its namesakes with a unit
            job.changed |= {other for other in job.plan.series if set(each.tags) < set(other.tags)}
    return unwanted


def _remove(beside: Beside, job: _Job, unwanted: set[Series]) -> None:
    channels = {each for each in job.there if each.measurement == CHANNELS}
    if channels and channels <= unwanted:
        beside.delete_channels(job.campaign)
        unwanted -= channels
    for each in sorted(unwanted):
        beside.delete(each)


# ── piece by piece ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Part:
    # Series of one campaign, made from `start` to before `stop`.
    job: _Job
    wanted: frozenset[Series]
    start: int
    stop: int

    @property
    def channels(self) -> int:
        return len(self.job.plan.needed(self.wanted))


@dataclass(frozen=True)
class _Piece:
    parts: tuple[_Part, ...]
    start: int
    stop: int

    def values(self) -> int:
        """How many means there may be."""
        return sum(part.channels for part in self.parts) * (self.stop - self.start) // WINDOW

    def joined(self, other: _Piece) -> _Piece | None:
        """Both as one, if that is not too much, nor much longer than they are."""
        both = _Piece(self.parts + other.parts, min(self.start, other.start), max(self.stop, other.stop))
        longer = max(self.stop - self.start, other.stop - other.start)
        twice = {part.job.campaign for part in self.parts} & {part.job.campaign for part in other.parts}
        fits = both.values() <= MOST_VALUES and both.stop - both.start <= longer * 1.2 + WINDOW
        return both if fits and not twice else None


def _run(beside: Beside, jobs: list[_Job]) -> None:
    pieces: list[_Piece] = []
    for part in sorted((part for job in jobs for part in _parts(beside, job)), key=lambda p: (-p.start, -p.stop)):
        piece = _Piece((part,), part.start, part.stop)
        joined = pieces[-1].joined(piece) if pieces else None
        pieces[-1:] = [joined] if joined else [*pieces[-1:], piece]
    for piece, means in _ahead(lambda piece: _read(beside, piece), pieces):
        _write(beside, piece, means)


def _parts(beside: Beside, job: _Job) -> Iterator[_Part]:
    if job.changed:
        first, stop = job.span()
        yield from _cut(job, frozenset(job.changed), first, stop)
        for begin, end in ((BEGIN, first), (stop, END)) if job.changed & job.there else ():
            for each in job.changed.intersection(beside.counts([job.campaign], begin, end)):
                beside.keep_only(each, NOTHING[0], begin, end)
    others = frozenset(job.plan.series - job.changed)
    for start, stop in job.marked if others else ():
        yield from _cut(job, others, start, stop)


def _cut(job: _Job, wanted: frozenset[Series], start: int, stop: int) -> Iterator[_Part]:
    step = max(1, MOST_VALUES // len(job.plan.needed(wanted))) * WINDOW
    for end in range(stop, start, -step):
        yield _Part(job, wanted, max(start, end - step), end)


def _read(beside: Beside, piece: _Piece) -> dict[tuple[str, Place], Values]:
    wanted = {
        part.job.campaign: [place_of(part.job.plan.clamps[i].channel) for i in part.job.plan.needed(part.wanted)]
        for part in piece.parts
    }
    return beside.means(wanted, piece.start, piece.stop)


def _write(beside: Beside, piece: _Piece, means: dict[tuple[str, Place], Values]) -> None:
    # Counted afterwards: InfluxDB can lose a write that it confirmed (docs/promises.md), and there may be values of ten
    # minutes that have no readings any more.
    campaigns = [part.job.campaign for part in piece.parts]
    written = beside.write(_sums(piece, means))
    counts = beside.counts(campaigns, piece.start, piece.stop)
    lost = {each for each, times in written.items() if counts.get(each, 0) < len(times)}
    if lost:
        beside.write(_sums(piece, means, lost))
        counts = beside.counts(campaigns, piece.start, piece.stop)
    for each, times in written.items():
        if counts.get(each, 0) > len(times) or (each in lost and counts.get(each, 0) != len(times)):
            beside.keep_only(each, times, piece.start, piece.stop)


def _sums(
    piece: _Piece, means: dict[tuple[str, Place], Values], only: Collection[Series] | None = None
) -> Iterator[tuple[Series, Values]]:
    for part in piece.parts:
        wanted = part.wanted if only is None else part.wanted.intersection(only)
        windows = [Windows(*means.get((part.job.campaign, place), NOTHING)) for place in part.job.plan.places]
        for each, found in part.job.plan.sums(wanted, windows):
            yield each, (found.begin, found.mean)


def _ahead(read: Callable[[_Piece], dict], pieces: Sequence[_Piece]) -> Iterator[tuple[_Piece, dict]]:
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
