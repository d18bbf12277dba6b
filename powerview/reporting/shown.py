"""A campaign as its channels.csv shows it: each clamp by its name and times its factor, groups as one thing."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.channels import HIDDEN, MAIN, PRODUCTION, Sheet, sums
from powerview.channels.days import Days, days_between
from powerview.channels.sums import NOTHING, WINDOW, Windows, thing_windows, windows_of
from powerview.channels.things import WATTS, Clamp, Thing, clamps_of, things_of
from powerview.mv2 import Channel
from powerview.reporting.language import ENGLISH, Language
from powerview.reporting.places import Series

MOST_NAMED = 5


@dataclass
class Shown:
    """A campaign's readings as the sheet shows them. `clamps` has those that are not hidden, one by one; `series` has
    what is shown: a group's readings are sums of ten minutes. `never_whole` has role and unit of each thing without a
    value, which decide with the others what the total is. `not_counted` is None without a sheet."""

    clamps: dict[Channel, Series] = field(default_factory=dict)
    series: dict[Channel, Series] = field(default_factory=dict)
    roles: dict[Channel, str] = field(default_factory=dict)
    of_raw: dict[Channel, Channel] = field(default_factory=dict)
    """The shown channel of each channel that is not hidden."""
    never_whole: list[tuple[str, str | None]] = field(default_factory=list)
    not_counted: str | None = None


def shown(series: dict[Channel, Series], sheet: Sheet | None, language: Language = ENGLISH) -> Shown:
    """What people see of a campaign's readings."""
    if sheet is None:
        return Shown(series, series, of_raw={channel: channel for channel in series})
    clamps = clamps_of(series, sheet)
    things = things_of(clamps)
    result = Shown()
    for clamp in clamps:
        if clamp.role != HIDDEN:
            result.of_raw[clamp.channel] = clamp.shown
            result.clamps[clamp.shown] = _scaled(series[clamp.channel], clamp.factor)
    empty = []
    for thing in things:
        s = _thing_series(thing, [series[clamp.channel] for clamp in clamps])
        if len(s.times):
            result.series[thing.shown], result.roles[thing.shown] = s, thing.role
        else:
            empty.append(thing.shown.name)
            result.never_whole.append((thing.role, thing.shown.unit))
    result.not_counted = not_counted(clamps, things, empty, language)
    return result


def _scaled(series: Series, factor: float) -> Series:
    return series if factor == 1 else dataclasses.replace(series, values=series.values * factor)


def _thing_series(thing: Thing, all_series: list[Series]) -> Series:
    if len(thing.places) == 1:
        return _scaled(all_series[thing.places[0]], thing.scales[0])
    windows = [windows_of(s.times, s.values) if i in thing.places else None for i, s in enumerate(all_series)]
    found = thing_windows(thing, windows)
    return Series(found.begin, found.mean, np.full(len(found.begin), WINDOW))


def shown_names(channels: list[Channel]) -> dict[Channel, str]:
    """What each channel is called beside its device: its name, with its position where a device has the name twice."""
    counts = Counter((c.device, c.unit, c.name) for c in channels)
    return {c: c.name if counts[c.device, c.unit, c.name] == 1 else f"{c.name} ({c.idx})" for c in channels}


@dataclass(frozen=True)
class NotCounted:
    """What is in no total: names of things by their unit, names of groups that are never whole, how many channels are
    hidden."""

    by_unit: dict[str | None, list[str]]
    never_whole: list[str]
    hidden: int


def not_counted_of(clamps: list[Clamp], things: list[Thing], empty: Iterable[str] = ()) -> NotCounted:
    """What is in no total; `empty` are the things without a value."""
    by_unit: dict[str | None, list[str]] = {}
    for thing in things:
        if thing.shown.unit not in WATTS:
            by_unit.setdefault(thing.shown.unit, []).append(thing.shown.name)
    return NotCounted(by_unit, list(empty), Counter(clamp.role for clamp in clamps)[HIDDEN])


def not_counted(
    clamps: list[Clamp], things: list[Thing], empty: Iterable[str] = (), language: Language = ENGLISH
) -> str:
    """One line about what is in no total: other units, hidden channels, groups that are never whole; else nothing."""
    found = not_counted_of(clamps, things, empty)
    parts = [
        f"{_listed(names, language)} ({unit or language.text('no unit')})" for unit, names in found.by_unit.items()
    ]
    parts += [language.text("{name} (its channels are never there together)", name=name) for name in found.never_whole]
    parts += [language.count(found.hidden, "{n} hidden channel", "{n} hidden channels")] * bool(found.hidden)
    return "; ".join(parts)


def _listed(names: list[str], language: Language) -> str:
    first = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return language.text("{names} and {n} more", names=first, n=more) if more > 0 else first


class ThingDays:
    """kWh of each local day of the totals and of each thing that is a power, of readings as DayTotals takes them."""

    def __init__(self, clamps: Sequence[Clamp], zone: ZoneInfo, absent: Sequence[Clamp] = ()) -> None:
        # The frames that come have the factors in them. `absent` are clamps of the campaign without a column: a group
        # that has one of them is never whole.
        self._things = things_of([dataclasses.replace(clamp, factor=1.0) for clamp in (*clamps, *absent)])
        self._absent = len(absent)
        self._zone = zone
        columns = range(len(clamps))
        self._power = [t for t in self._things if t.shown.unit in WATTS and any(p in columns for p in t.places)]
        self.power = [thing.shown for thing in self._power]
        roles = {thing.role for thing in self._things if thing.shown.unit in WATTS}
        there = {"drawn": roles, "fed in": roles, "production": PRODUCTION in roles, "rest": MAIN in roles}
        self.titles = [title for title, is_there in there.items() if is_there]
        self._kwh: dict[date, np.ndarray] = {}
        self._span: tuple[int, int] | None = None

    def add(self, frame: pd.DataFrame) -> None:
        """Take a stretch: index UTC seconds, a column for each channel in their order."""
        times = frame.index.to_numpy()
        begin, last = int(times[0]) // WINDOW * WINDOW, int(times[-1]) // WINDOW * WINDOW
        self._span = (self._span[0] if self._span else begin, last)
        days = days_between(begin, last, self._zone)
        windows = [_column_windows(times, frame.iloc[:, i].to_numpy(float)) for i in range(frame.shape[1])]
        windows += [NOTHING] * self._absent
        totals = sums.totals_of([(t.role, t.shown.unit, thing_windows(t, windows)) for t in self._things])
        columns = [self._energy("W", getattr(totals, title.replace(" ", "_")), days) for title in self.titles]
        columns += [self._energy(t.shown.unit, thing_windows(t, windows), days) for t in self._power]
        for day, kwh in zip(days.dates, np.array(columns).T if columns else (), strict=False):
            before = self._kwh.get(day)
            self._kwh[day] = kwh if before is None else np.where(np.isnan(before), kwh, before + np.nan_to_num(kwh))

    @staticmethod
    def _energy(unit: str, windows: Windows, days: Days) -> np.ndarray:
        return np.where(days.covered(windows) > 0, days.energy(windows, unit), np.nan)

    def days(self) -> Iterator[tuple[date, np.ndarray]]:
        """Each day from the first to the last with the kWh of each title, then of each thing; NaN where there are
        none."""
        if self._span is None:
            return
        nothing = np.full(len(self.titles) + len(self.power), np.nan)
        for day in days_between(*self._span, self._zone).dates:
            yield day, self._kwh.get(day, nothing)


def _column_windows(times: np.ndarray, values: np.ndarray) -> Windows:
    there = np.isfinite(values)
    return windows_of(times[there], values[there])
