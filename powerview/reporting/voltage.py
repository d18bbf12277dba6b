"""Voltages as EN 50160 counts them: how many means of ten minutes are outside its limits, by phase and week."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.channels.sums import Windows
from powerview.mv2 import Channel
from powerview.reporting.summaries import Summary

VOLT = "V"
CONNECTED = 150.0
"""A phase whose mean over ten minutes never reaches so many volts was never connected: such inputs show about 114 V,
or 0."""

LOWEST_NARROW, LOWEST_WIDE, HIGHEST = 207.0, 195.5, 253.0
"""230 V ±10 %, in which EN 50160 wants 95 % of a week's means; and 230 V +10/-15 %, in which it wants all of them."""

WITHIN = 0.95


@dataclass(frozen=True)
class Week:
    """A phase's means of ten minutes in a local week, and how many are outside ±10 % and outside +10/-15 %."""

    monday: date
    means: int
    narrow: int
    wide: int

    @property
    def share(self) -> float:
        """The share of the means that are outside ±10 %."""
        return self.narrow / self.means

    @property
    def allowed(self) -> bool:
        """Whether EN 50160 allows it."""
        return not self.wide and self.means - self.narrow >= WITHIN * self.means


@dataclass(frozen=True)
class Phase:
    """A connected phase: its weeks with readings, in time, and its lowest and highest mean over ten minutes with when
    the first such ten minutes begin, in UTC seconds."""

    channel: Channel
    weeks: list[Week]
    lowest: float
    lowest_at: int
    highest: float
    highest_at: int


def phases_of(summaries: Mapping[Channel, Summary], zone: ZoneInfo) -> tuple[list[Phase], list[Channel]]:
    """The connected phases among channels, and those that were never connected."""
    phases, never = [], []
    for channel, summary in summaries.items():
        if channel.unit != VOLT:
            continue
        begin, mean = summary.windows.begin, summary.windows.mean
        low, high = int(mean.argmin()), int(mean.argmax())
        if mean[high] < CONNECTED:
            never.append(channel)
            continue
        extremes = float(mean[low]), int(begin[low]), float(mean[high]), int(begin[high])
        phases.append(Phase(channel, _weeks(summary.windows, zone), *extremes))
    return phases, never


def _weeks(windows: Windows, zone: ZoneInfo) -> list[Week]:
    times, mean = windows.begin.astype("datetime64[s]"), windows.mean
    local = pd.DatetimeIndex(times, tz="UTC").tz_convert(zone).tz_localize(None).normalize()
    mondays, place = np.unique(local - pd.to_timedelta(local.day_of_week, unit="D"), return_inverse=True)
    high = mean > HIGHEST
    outside = [(mean < LOWEST_NARROW) | high, (mean < LOWEST_WIDE) | high]
    means, narrow, wide = (np.bincount(place[there], minlength=len(mondays)).tolist() for there in (..., *outside))
    return [Week(pd.Timestamp(m).date(), *counts) for m, *counts in zip(mondays, means, narrow, wide, strict=True)]
