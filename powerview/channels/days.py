"""Local days: when they begin, what is covered of them, and below which power a load is for 5 % of a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.channels.sums import WINDOW, Windows
from powerview.channels.things import WATTS

LOW_QUANTILE, LOW_COVERAGE = 0.05, 0.9


@dataclass(frozen=True)
class Days:
    """Consecutive local days: their dates, and in UTC seconds the midnights around them (one more than dates)."""

    dates: list[date]
    midnights: np.ndarray

    @property
    def seconds(self) -> np.ndarray:
        """How long each day is: 23 and 25 hours where the clock changes."""
        return np.diff(self.midnights)

    def place(self, windows: Windows) -> np.ndarray:
        """The number of the day in which each window begins."""
        return np.searchsorted(self.midnights, windows.begin, side="right") - 1

    def covered(self, windows: Windows) -> np.ndarray:
        """Seconds of each day that have readings."""
        return np.bincount(self.place(windows), minlength=len(self.dates)) * WINDOW

    def energy(self, windows: Windows, unit: str = "W") -> np.ndarray:
        """kWh of each day, of means in a unit of power."""
        kwh = windows.mean * (WATTS[unit] * WINDOW / 3_600_000)
        return np.bincount(self.place(windows), kwh, minlength=len(self.dates))


def days_between(first: int, last: int, zone: ZoneInfo) -> Days:
    """The local days from one moment to another, both in UTC seconds and included."""
    begin, end = (pd.Timestamp(t, unit="s", tz="UTC").tz_convert(zone).date() for t in (first, last))
    dates = pd.date_range(begin, end + pd.Timedelta(days=1), freq="D")
    return Days([day.date() for day in dates[:-1]], _midnights(dates, zone))


def _midnights(dates: pd.DatetimeIndex, zone: ZoneInfo) -> np.ndarray:
    # When each date begins, in UTC seconds; where the clock leaves midnight out, at the first moment.
    local = dates.tz_localize(zone, ambiguous=np.ones(len(dates), bool), nonexistent="shift_forward")
    return local.tz_convert("UTC").as_unit("s").asi8


def lows(windows: Windows, days: Days) -> Windows:
    """For each day of which 90 % are covered, at its midnight, below what the windows are for 5 % of it.

    That quantile is between two values in the way of InfluxDB's `quantile(method: "exact_mean")`, to the last digit.
    """
    place = days.place(windows)
    values = windows.mean[np.lexsort((windows.mean, place))]
    counts = np.bincount(place, minlength=len(days.dates))
    enough = np.flatnonzero(counts * WINDOW >= LOW_COVERAGE * days.seconds)
    first, at = (np.cumsum(counts) - counts)[enough], LOW_QUANTILE * (counts[enough] - 1)
    below, above = np.floor(at), np.ceil(at)
    lower, upper = values[first + below.astype(int)], values[first + above.astype(int)]
    between = lower * (above - at) + upper * (at - below)
    return Windows(days.midnights[enough], np.where(below == above, lower, between))
