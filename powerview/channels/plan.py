"""What is made of a campaign beside its readings: which series, of which clamps, and how they are added up.

`powerview_totals` has the totals of every campaign that measures power with the low of each local day, and of every
device how many of its clamps have a reading and where its readings begin and end; `powerview_channels` has each thing
as the sheet in force shows it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from powerview.channels.sheet import HIDDEN, MAIN, PART, PRODUCTION, Sheet
from powerview.channels.sums import Windows, begins, counted, ends, scaled, thing_windows, totals_of
from powerview.channels.things import WATTS, Clamp, Thing, clamps_of, things_of
from powerview.mv2 import Channel
from powerview.names import CHANNELS, TOTALS
from powerview.store import line_protocol
from powerview.store.beside import Place, Series, place_of, series, sortable

DIGEST_SIZE = 12

COVERED, BEGIN, END, LOW = "covered", "begin", "end", "low"
EDGES = {BEGIN: begins, END: ends}
"""The figures that have a value only where there is none in the ten minutes before or behind."""


@dataclass(frozen=True)
class Plan:
    """The series of a campaign: `figures` are totals, by their names in sums.Totals; `things` have one each; `counts`
    are how many of some clamps, by their places in `clamps`, have a reading, or only where that begins or ends. `low`,
    if there is a total, is made of its series by local days of a zone."""

    clamps: tuple[Clamp, ...] = ()
    power: tuple[Thing, ...] = ()
    figures: dict[Series, str] = field(default_factory=dict)
    things: dict[Series, Thing] = field(default_factory=dict)
    counts: dict[Series, tuple[int, ...]] = field(default_factory=dict)
    low: Series | None = None

    @property
    def places(self) -> list[Place]:
        """Every clamp of the campaign, the hidden ones too."""
        return [place_of(clamp.channel) for clamp in self.clamps]

    @property
    def series(self) -> set[Series]:
        """Everything that is made."""
        return {*self.figures, *self.things, *self.counts, *([self.low] if self.low else [])}

    def digest(self, each: Series, unknown: Collection[Place] = ()) -> str:
        """What a series is made of, in a short text; without the things that have only clamps that are `unknown`."""
        if each in self.counts:
            counted = {sortable(self.places[p]) for p in self.counts[each] if self.places[p] not in unknown}
            return _digest(sorted(counted))
        if each in self.things:
            things = [self.things[each]]
        else:
            roles = self._roles(self.figures.get(each, "total"))
            things = [thing for thing in self.power if thing.role in roles]
        members = [[place_of(self.clamps[p].channel) for p in thing.places] for thing in things]
        parts = [
            (thing.role, sorted(zip(map(sortable, places), thing.scales, strict=True)))
            for thing, places in zip(things, members, strict=True)
            if not unknown or not all(place in unknown for place in places)
        ]
        return _digest([sorted({thing.role for thing in self.power} & {MAIN}), sorted(parts)])

    def needed(self, wanted: Collection[Series]) -> list[int]:
        """The clamps, by their places in `clamps`, whose readings these series are made of."""
        things = [self.things[each] for each in wanted if each in self.things]
        if any(each in self.figures for each in wanted):
            things += self.power
        counted = {place for each in wanted for place in self.counts.get(each, ())}
        return sorted(counted.union(*(thing.places for thing in things)))

    def sums(self, wanted: Collection[Series], windows: Sequence[Windows]) -> Iterator[tuple[Series, Windows]]:
        """These series but the low, of the windows of all clamps."""
        counts: dict[tuple[int, ...], Windows] = {}
        for each in wanted:
            if each in self.things:
                thing = self.things[each]
                yield each, scaled(thing_windows(thing, windows), WATTS.get(thing.shown.unit, 1.0))
            elif each in self.counts:
                places = self.counts[each]
                if places not in counts:
                    counts[places] = counted([windows[place] for place in places])
                edges = EDGES.get(dict(each.tags)["figure"])
                yield each, edges(counts[places]) if edges else counts[places]
        if any(each in self.figures for each in wanted):
            totals = totals_of([(t.role, t.shown.unit, thing_windows(t, windows)) for t in self.power])
            for each in wanted:
                if each in self.figures:
                    yield each, getattr(totals, self.figures[each])

    def _roles(self, figure: str) -> tuple[str, ...]:
        if figure in ("production", "parts"):
            return (PRODUCTION,) if figure == "production" else (PART,)
        if figure == "rest":
            return MAIN, PART, PRODUCTION
        return (MAIN,) if any(thing.role == MAIN for thing in self.power) else (PART,)


def plan_of(campaign: str, channels: Iterable[Channel], sheet: Sheet | None, zone: ZoneInfo) -> Plan:
    """What is made of the channels of a campaign that have readings; days are those of `zone`."""
    clamps = tuple(clamps_of(channels, sheet))
    things = things_of(list(clamps))
    power = tuple(thing for thing in things if thing.shown.unit in WATTS)
    low = series(TOTALS, campaign=campaign, figure=LOW, zone=zone.key) if power else None
    plan = Plan(clamps, power, low=low)
    plan.figures.update((series(TOTALS, campaign=campaign, figure=figure), figure) for figure in _figures(plan.power))
    plan.counts.update(_counts(campaign, clamps))
    if sheet is not None:
        plan.things.update(_named(campaign, clamps, things))
    return plan


def _figures(power: Collection[Thing]) -> list[str]:
    # Those that sums.totals_of has.
    roles = {thing.role for thing in power}
    there = {"total": roles, "drawn": roles, "fed_in": roles, "production": PRODUCTION in roles,
             "parts": {MAIN, PART} <= roles, "rest": MAIN in roles}  # fmt: skip
    return [figure for figure, is_there in there.items() if is_there]


def _counts(campaign: str, clamps: Sequence[Clamp]) -> dict[Series, tuple[int, ...]]:
    # Of each device all its clamps; and those that the sheet hides.
    found: dict[Series, list[int]] = {}
    for place, clamp in enumerate(clamps):
        for figure in (COVERED, BEGIN, END):
            device = series(TOTALS, campaign=campaign, device=clamp.channel.device, figure=figure)
            found.setdefault(device, []).append(place)
        if clamp.role == HIDDEN:
            found.setdefault(series(TOTALS, campaign=campaign, figure=HIDDEN), []).append(place)
    return {each: tuple(places) for each, places in found.items()}


def _digest(made_of: object) -> str:
    return hashlib.blake2b(json.dumps(made_of).encode(), digest_size=DIGEST_SIZE).hexdigest()


def _named(campaign: str, clamps: Sequence[Clamp], things: Iterable[Thing]) -> Iterator[tuple[Series, Thing]]:
    # Two things of one name and unit get their device behind it, then the position, then a number. A name without a
    # unit is nobody else's: InfluxDB deletes a series without a tag together with those that have it.
    found: dict[str, set[str]] = {}
    for thing in things:
        first = clamps[thing.places[0]]
        name = line_protocol.stored_text(thing.group or first.name or first.channel.channel)
        device, unit = first.channel.device, "W" if thing.shown.unit in WATTS else thing.shown.unit or ""
        for candidate in _candidates(name, device, first.channel.idx):
            units = found.setdefault(candidate, set())
            if not units or (unit and unit not in units and "" not in units):
                units.add(unit)
                tags = {"channel": candidate, "device": device, "role": thing.role, "unit": unit}
                yield series(CHANNELS, campaign=campaign, **tags), thing
                break


def _candidates(name: str, device: str, idx: int) -> Iterator[str]:
    yield from (name, f"{name} ({device})", f"{name} ({device} {idx})")
    number = 2
    while True:
        yield f"{name} ({device} {idx}, {number})"
        number += 1
