"""Make what the totals and named channels of campaigns lack, from the readings in InfluxDB.

A series whose making has changed (a sheet, a first clamp with the role `main`) is made for all of the time, the others
for the marked stretches. Campaigns of one client are worked through together, in pieces of bounded size, the latest
first. Afterwards the lows of whole local days are made of the totals that are stored then. What is remembered is
written last: a run that dies begins again.

What takes more than one piece is announced in the store until all of it is there, since in between a figure over a long
time is neither the old one nor the new one; dashboards then add up the readings themselves.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np

from powerview.channels import Sheet
from powerview.channels.days import days_between
from powerview.channels.plan import Plan, plan_of
from powerview.channels.sums import WINDOW
from powerview.ingest import pieces
from powerview.ingest.marks import Made, Marks, Stretch, merged
from powerview.ingest.pieces import Part
from powerview.mv2 import Channel
from powerview.names import CHANNELS, TOTALS
from powerview.store import Store
from powerview.store.beside import BEGIN, END, Beside, Series, series

BEING_MADE = "being_made"
"""The figure that is there while a campaign's series are being made; its value says nothing."""

AN_HOUR = 3600
"""So long ago is the past by InfluxDB's clock, too."""


@dataclass(frozen=True)
class InForce:
    """The sheet in force of a campaign, if there is one, and what changes when another is."""

    sheet: Sheet | None
    mark: str


def make(store: Store, marks: Marks, client: str, campaigns: dict[str, InForce], zone: ZoneInfo, rules: str) -> None:
    """Bring campaigns of a client up to date. Raises StoreAway and BadLines; then the next run does it.

    Days are those of `zone`. `rules` are remembered.
    """
    marked = {campaign: marks.stretches((client, campaign)) for campaign in campaigns}
    beside = store.beside(client)
    jobs = _jobs(beside, marks, client, campaigns, zone) if beside else []  # without: somebody has deleted the bucket
    for job in jobs:
        job.marked = merged(marked[job.campaign])
        unwanted = _unwanted(job)
        if job.changed and job.before.series:  # if the process dies, it is not known what these are made of
            kept = {text: digest for text, digest in job.before.series.items() if text not in job.changed_texts}
            marks.remember((client, job.campaign), replace(job.before, series=kept))
        if job.is_long and not job.announced:
            beside.write([(job.announcement, (np.array([int(time.time()) - AN_HOUR]), np.ones(1)))])
            job.announced = True
        _remove(beside, job, unwanted)
    pieces.run(beside, pieces.pieces_of(part for job in jobs for part in _parts(beside, job)))
    pieces.run(beside, pieces.pieces_of(part for job in jobs for part in _day_parts(job, zone)), zone)
    for job in jobs:
        if job.announced:
            beside.delete(job.announcement)
    made = {job.campaign: job.plan for job in jobs}
    for campaign, in_force in campaigns.items():
        plan = made.get(campaign, Plan())
        digests = {each.text: plan.digest(each) for each in plan.series}
        marks.remember((client, campaign), Made(in_force.mark, frozenset(plan.places), digests, rules))
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
        needed = self.plan.needed(self.changed)
        if not needed:
            return False
        first, stop = self.span(needed)
        return len(needed) * (stop - first) // WINDOW > pieces.MOST_VALUES

    @property
    def changed_texts(self) -> set[str]:
        return {each.text for each in self.changed}

    def span(self, clamps: Collection[int]) -> Stretch:
        """The time of these clamps, by their places in the plan."""
        first, last = min(self.spans[place][0] for place in clamps), max(self.spans[place][1] for place in clamps)
        return first // WINDOW * WINDOW, (last // WINDOW + 1) * WINDOW


def _jobs(beside: Beside, marks: Marks, client: str, campaigns: dict[str, InForce], zone: ZoneInfo) -> list[_Job]:
    found, there = beside.channels(campaigns), beside.made(campaigns)
    jobs = []
    for campaign, in_force in campaigns.items():
        spans: dict[Channel, Stretch] = found[campaign]
        plan = plan_of(campaign, spans, in_force.sheet, zone)
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
    if job.plan.low in job.there & job.changed:  # so that no dashboard takes old lows for those of other totals
        unwanted.add(job.plan.low)
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


def _parts(beside: Beside, job: _Job) -> Iterator[Part]:
    changed = job.changed - {job.plan.low}
    if changed:
        first, stop = job.span(job.plan.needed(changed))
        yield from _cut(job, frozenset(changed), first, stop)
        for begin, end in ((BEGIN, first), (stop, END)) if changed & job.there else ():
            for each in changed.intersection(beside.counts([job.campaign], begin, end)):
                beside.keep_only(each, pieces.NOTHING[0], begin, end)
    others = frozenset(job.plan.series - job.changed - {job.plan.low})
    # Where a device's readings begin and end, the ten minutes before and behind count.
    for start, stop in merged((a - WINDOW, b + WINDOW) for a, b in job.marked if a < b) if others else ():
        yield from _cut(job, others, start, stop)


def _day_parts(job: _Job, zone: ZoneInfo) -> Iterator[Part]:
    # A year of totals is a third of a piece, so they are never cut.
    low = job.plan.low
    if low is None:
        return
    needed = [place for thing in job.plan.power for place in thing.places]
    for start, stop in [job.span(needed)] if low in job.changed else job.marked:
        if start < stop:
            midnights = days_between(start, stop - 1, zone).midnights
            yield Part(job.campaign, job.plan, frozenset([low]), int(midnights[0]), int(midnights[-1]))


def _cut(job: _Job, wanted: frozenset[Series], start: int, stop: int) -> Iterator[Part]:
    step = max(1, pieces.MOST_VALUES // len(job.plan.needed(wanted))) * WINDOW
    for end in range(stop, start, -step):
        yield Part(job.campaign, job.plan, wanted, max(start, end - step), end)
