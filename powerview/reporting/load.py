"""Figures of a load, from its windows: profile, duration curve, load factor, the highest means.

A load is the total of a campaign in W, or any other windows of a power. Each is computed as the Master describes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.channels.days import Days
from powerview.channels.sums import WINDOW, Windows
from powerview.reporting.figures import base_load
from powerview.seconds import A_DAY

HOUR, A_WEEK = 3600, 7 * A_DAY
SATURDAY = 5
HIGHEST = 10
"""So many of the highest means are named."""


@dataclass(frozen=True)
class Profile:
    """Mean power in W by local hour; NaN where there is no reading. Each hour of the clock with readings weighs alike.

    `cells` and `hours` (how many hours with readings a cell is the mean of) have a row for each weekday from Monday and
    a column for each hour; `weekdays` and `weekends` are the mean days.
    """

    cells: np.ndarray
    hours: np.ndarray
    weekdays: np.ndarray
    weekends: np.ndarray


def profile_of(load: Windows, zone: ZoneInfo) -> Profile:
    """The profile of a load on a zone's clock. Public holidays are the weekdays that they are.

    Ten minutes belong to the hour of the clock in which they begin. An hour that the clock passes twice is two.
    """
    clock = pd.DatetimeIndex(load.begin.astype("datetime64[s]"), tz="UTC").tz_convert(zone).tz_localize(None)
    seconds = clock.as_unit("s").asi8
    # An hour is known by its number and by what the clock is ahead of UTC, of which a week is always more.
    number, first, place = np.unique(seconds // HOUR * A_WEEK + seconds - load.begin, True, True)
    mean = np.bincount(place, load.mean, minlength=len(number)) / np.bincount(place, minlength=len(number))
    local = clock[first]
    weekday, hour = local.day_of_week.to_numpy(), local.hour.to_numpy()
    cells, hours = _means(weekday * 24 + hour, mean, 7 * 24)
    days, _ = _means((weekday >= SATURDAY) * 24 + hour, mean, 2 * 24)
    return Profile(cells.reshape(7, 24), hours.reshape(7, 24), days[:24], days[24:])


def _means(place: np.ndarray, values: np.ndarray, places: int) -> tuple[np.ndarray, np.ndarray]:
    counts = np.bincount(place, minlength=places)
    with np.errstate(invalid="ignore"):
        return np.bincount(place, values, minlength=places) / counts, counts


@dataclass(frozen=True)
class Peaks:
    """Base load and peaks of a load, in W. None: there is no day with 90 % coverage, or the load is never above 0."""

    mean: float
    base: float | None
    base_share: float | None
    """The base load over the mean."""
    load_factor: float | None
    """The mean over the highest mean of ten minutes."""
    highest: list[tuple[int, float]]
    """When the highest means of ten minutes begin, in UTC seconds, and what they are; the highest first."""


def peaks_of(load: Windows, days: Days) -> Peaks:
    """Base load and peaks of a load that has a window."""
    mean, highest = float(load.mean.mean()), float(load.mean.max())
    base = base_load(load, days)
    order = np.lexsort((load.begin, -load.mean))[:HIGHEST]
    return Peaks(
        mean,
        base,
        base / mean if base is not None and mean > 0 else None,
        mean / highest if highest > 0 else None,
        list(zip(load.begin[order].tolist(), load.mean[order].tolist(), strict=True)),
    )


def duration_curve(load: Windows) -> np.ndarray:
    """The means of a load from the highest to the lowest: the load is so high for (place from 1) times ten minutes."""
    return np.sort(load.mean)[::-1]


def hours_above(load: Windows, watts: float) -> float:
    """For how many hours a load, as a mean of ten minutes, is above a power."""
    return float((load.mean > watts).sum()) * WINDOW / HOUR
