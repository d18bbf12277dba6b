"""What falls into each local day: the time that readings cover, and the energy in it.

A reading is the mean of the interval that begins at its stamp: a logger that calls at 03:20:39 has 03:10 as its last
row. The interval reaches to the next reading, but no further than the file's usual step: what lies in a gap is nobody's
reading, and is neither covered nor energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.reporting.places import Series

W_SECONDS_IN_KWH = 3_600_000


@dataclass(frozen=True)
class Days:
    """Consecutive local days: their dates, and in UTC seconds the midnights around them (one more than dates)."""

    dates: list[date]
    midnights: np.ndarray

    @property
    def seconds(self) -> np.ndarray:
        """How long each day is: 23 and 25 hours where the clock changes."""
        return np.diff(self.midnights)

    def sums(self, series: Series, per_second: np.ndarray | float) -> np.ndarray:
        """The sum over each day of `per_second` (one for each reading) times the seconds that the reading covers."""
        length = covered(series)
        day = np.searchsorted(self.midnights, series.times, side="right") - 1
        # An interval is never longer than ten minutes, so that it reaches into the next day at most.
        after = np.maximum(0, series.times + length - self.midnights[day + 1])
        weights = np.broadcast_to(per_second, length.shape)
        sums = np.bincount(day, weights * (length - after), minlength=len(self.dates))
        return sums + np.bincount(day + (after > 0), weights * after, minlength=len(self.dates))

    def covered(self, series: Series) -> np.ndarray:
        """Seconds of each day that the readings cover."""
        return self.sums(series, 1.0)

    def energy(self, series: Series) -> np.ndarray:
        """kWh of each day, of a series in W."""
        return self.sums(series, series.values) / W_SECONDS_IN_KWH


def covered(series: Series) -> np.ndarray:
    """Seconds that each reading stands for."""
    until = np.diff(series.times, append=np.iinfo(np.int64).max // 2)
    return np.minimum(until, series.steps)


def days_of(all_series: list[Series], zone: ZoneInfo) -> Days:
    """The local days from the first covered second to the last."""
    first = min(int(s.times[0]) for s in all_series)
    last = max(int(s.times[-1] + s.steps[-1]) for s in all_series) - 1
    begin, end = (pd.Timestamp(t, unit="s", tz="UTC").tz_convert(zone).date() for t in (first, last))
    dates = pd.date_range(begin, end + pd.Timedelta(days=1), freq="D")
    return Days([day.date() for day in dates[:-1]], midnights(dates, zone))


def midnights(dates: pd.DatetimeIndex, zone: ZoneInfo) -> np.ndarray:
    """When each date begins in a zone, in UTC seconds; where the clock leaves midnight out, at the first moment."""
    local = dates.tz_localize(zone, ambiguous=np.ones(len(dates), bool), nonexistent="shift_forward")
    return local.tz_convert("UTC").as_unit("s").asi8
