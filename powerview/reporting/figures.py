"""A campaign's figures: energy, coverage, mean, peak and base load, computed once for all who show them.

Every figure is computed from means of ten minutes, as the dashboards' are: readings are averaged over each ten minutes
of the clock, and each ten minutes with a reading weighs alike. Energy is such a mean times ten minutes. Ten minutes
without a reading are neither covered nor energy; they are not estimated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.channels import sums
from powerview.channels.days import Days, days_between, lows
from powerview.channels.sums import WINDOW, Windows, windows_of
from powerview.channels.things import WATTS
from powerview.mv2 import Channel
from powerview.reporting.gaps import DeviceCoverage, coverage_of
from powerview.reporting.places import Series
from powerview.reporting.summaries import Summary, summary_of


@dataclass(frozen=True)
class ChannelFigures:
    """What is known of a channel. `kwh` (of each day) and `base_load` (W) are None unless it is measured in watts."""

    channel: Channel
    readings: int
    covered: np.ndarray
    """Seconds of each day."""
    share: float
    """How much of the campaign's time, from its first window to its last, has readings."""
    mean: float
    lowest: float
    lowest_at: int
    highest: float
    highest_at: int
    negative: float
    """The share of its readings that are below zero."""
    kwh: np.ndarray | None
    base_load: float | None


@dataclass(frozen=True)
class Figures:
    """Of a campaign with readings: its days and the figures of each channel. `first` and `stop` are UTC seconds."""

    days: Days
    channels: list[ChannelFigures]
    devices: list[DeviceCoverage]
    first: int
    stop: int

    @property
    def seconds(self) -> np.ndarray:
        """How many seconds of each day belong to the campaign's time; the first and the last day are seldom whole."""
        return np.diff(np.clip(self.days.midnights, self.first, self.stop))

    @property
    def share(self) -> float:
        """How much of the campaign's time has readings, on average over the devices."""
        return float(np.mean([device.share for device in self.devices]))


def figures_of(series: Mapping[Channel, Series], zone: ZoneInfo) -> Figures:
    """The figures of a campaign, day by day in a zone; there must be a reading."""
    return figures_of_summaries({channel: summary_of(s.times, s.values) for channel, s in series.items()}, zone)


def figures_of_summaries(summaries: Mapping[Channel, Summary], zone: ZoneInfo) -> Figures:
    """The same, of what was kept of the readings."""
    first = min(int(s.windows.begin[0]) for s in summaries.values())
    stop = max(int(s.windows.begin[-1]) for s in summaries.values()) + WINDOW
    days = days_between(first, stop - 1, zone)
    channels = [_figures(channel, summary, days, stop - first) for channel, summary in summaries.items()]
    windows: dict[str, list[Windows]] = {}
    for channel, summary in summaries.items():
        windows.setdefault(channel.device, []).append(summary.windows)
    return Figures(days, channels, coverage_of(windows, first, stop), first, stop)


def _figures(channel: Channel, summary: Summary, days: Days, span: int) -> ChannelFigures:
    power, windows = channel.unit in WATTS, summary.windows
    return ChannelFigures(
        channel=channel,
        readings=summary.readings,
        covered=days.covered(windows),
        share=len(windows.begin) * WINDOW / span,
        mean=float(windows.mean.mean()),
        lowest=summary.lowest,
        lowest_at=summary.lowest_at,
        highest=summary.highest,
        highest_at=summary.highest_at,
        negative=summary.negative / summary.readings,
        kwh=days.energy(windows, channel.unit) if power else None,
        base_load=base_load(windows, days, channel.unit) if power else None,
    )


@dataclass(frozen=True)
class Totals:
    """kWh of each local day of what a channels.csv makes the total; drawn - fed in is the net. None: there is none.

    `rest` is total + production - parts, of the ten minutes in which the total has a value. What never has one, as a
    main group whose channels never meet, is none.
    """

    drawn: np.ndarray | None
    fed_in: np.ndarray | None
    production: np.ndarray | None
    rest: np.ndarray | None

    def columns(self) -> dict[str, np.ndarray]:
        """Those that there are, by their titles."""
        found = {"drawn": self.drawn, "fed in": self.fed_in, "production": self.production, "rest": self.rest}
        return {title: kwh for title, kwh in found.items() if kwh is not None}


def totals_of(things: Collection[tuple[str, str | None, Windows]], days: Days) -> Totals | None:
    """The totals of things (see sums.totals_of), day by day."""
    totals = sums.totals_of(things)
    if totals is None:
        return None
    figures = (totals.drawn, totals.fed_in, totals.production, totals.rest)
    return Totals(*(days.energy(w) if w is not None and len(w.begin) else None for w in figures))


class DayTotals:
    """Energy and coverage by local day, of readings that come in stretches of whole ten minutes, in time."""

    def __init__(self, channels: list[Channel], zone: ZoneInfo) -> None:
        self._units = [channel.unit for channel in channels]
        self._zone = zone
        self._kwh: dict[date, np.ndarray] = {}
        self._covered: dict[date, np.ndarray] = {}
        self._span: tuple[int, int] | None = None

    def add(self, frame: pd.DataFrame) -> None:
        """Take a stretch: index UTC seconds, a column for each channel in their order."""
        times = frame.index.to_numpy()
        begin, last = int(times[0]) // WINDOW * WINDOW, int(times[-1]) // WINDOW * WINDOW
        self._span = (self._span[0] if self._span else begin, last + WINDOW)
        days = days_between(begin, last, self._zone)
        kwh, covered = (np.zeros((len(days.dates), len(self._units))) for _ in range(2))
        for i, unit in enumerate(self._units):
            values = frame.iloc[:, i].to_numpy(float)
            there = np.isfinite(values)
            windows = windows_of(times[there], values[there])
            covered[:, i] = days.covered(windows)
            if unit in WATTS:
                kwh[:, i] = days.energy(windows, unit)
        for i, day in enumerate(days.dates):
            self._kwh[day] = self._kwh.get(day, 0) + kwh[i]
            self._covered[day] = self._covered.get(day, 0) + covered[i]

    def days(self) -> Iterator[tuple[date, np.ndarray, np.ndarray]]:
        """Each day from the first to the last, the kWh of each channel (NaN where there are none) and its coverage.

        The coverage is a share of the day's time between the first and the last reading of all.
        """
        if self._span is None:
            return
        days = days_between(self._span[0], self._span[1] - 1, self._zone)
        seconds = np.diff(np.clip(days.midnights, *self._span))
        nothing = np.zeros(len(self._units))
        power = np.array([unit in WATTS for unit in self._units])
        for day, length in zip(days.dates, seconds.tolist(), strict=True):
            covered = self._covered.get(day, nothing)
            kwh = self._kwh.get(day, nothing)
            yield day, np.where(power & (covered > 0), kwh, np.nan), covered / length


def base_load(windows: Windows, days: Days, unit: str = "W") -> float | None:
    """What never stops, in W: the median, over the days of which 90 % are covered, of each day's 5 % quantile.

    None if there is no such day.
    """
    found = lows(windows, days)
    return float(np.median(found.mean)) * WATTS[unit] if len(found.mean) else None
