"""Sums by thing and by role, from means of ten minutes: the one place where totals are added up.

Readings are averaged over each ten minutes of the clock. The lane writes these sums beside the readings, preview and
export make their figures of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from powerview.channels.sheet import MAIN, PART, PRODUCTION
from powerview.channels.things import WATTS, Thing

WINDOW = 600
"""Seconds of a window: ten minutes."""


_BEYOND_ALL_NUMBERS = np.errstate(over="ignore", invalid="ignore")
"""What is too large for a number is no value."""


@dataclass(frozen=True)
class Windows:
    """The windows in which a channel has readings: their begin in UTC seconds, in time, and the mean in each."""

    begin: np.ndarray
    mean: np.ndarray


NOTHING = Windows(np.zeros(0, int), np.zeros(0))
"""The windows of a channel that has no reading."""


def windows_of(times: np.ndarray, values: np.ndarray) -> Windows:
    """Means over ten minutes of readings that are in time."""
    number, place = np.unique(times // WINDOW, return_inverse=True)
    mean = np.bincount(place, values, minlength=len(number)) / np.bincount(place, minlength=len(number))
    return Windows(number * WINDOW, mean)


@_BEYOND_ALL_NUMBERS
def summed(parts: Collection[Windows], *, every: bool) -> Windows:
    """The sum of windows: `every`, where all of them have a value; else where one of them has."""
    if len(parts) == 1:
        return next(iter(parts))
    ends = [(int(part.begin[0]), int(part.begin[-1])) for part in parts if len(part.begin)]
    if not ends:
        return NOTHING
    first, last = min(begin for begin, _ in ends), max(end for _, end in ends)
    # One part after the other: with a hundred of them, all at once need a gigabyte.
    total, count = np.zeros((last - first) // WINDOW + 1), np.zeros((last - first) // WINDOW + 1, np.int32)
    for part in parts:
        place = (part.begin - first) // WINDOW
        total[place] += part.mean
        count[place] += 1
    there = np.flatnonzero(count == len(parts) if every else count)
    return _finite(Windows(first + there * WINDOW, total[there]))


def counted(parts: Collection[Windows]) -> Windows:
    """How many of these have a value, in each window in which one of them has."""
    begin, count = np.unique(np.concatenate([part.begin for part in parts]), return_counts=True)
    return Windows(begin, count.astype(float))


def begins(covered: Windows) -> Windows:
    """Those windows behind ten minutes that have no value."""
    return _where(covered, np.diff(covered.begin, prepend=-1) != WINDOW)


def ends(covered: Windows) -> Windows:
    """Those windows before ten minutes that have no value."""
    return _where(covered, np.diff(covered.begin, append=-1) != WINDOW)


def _where(windows: Windows, there: np.ndarray) -> Windows:
    return Windows(windows.begin[there], windows.mean[there])


@_BEYOND_ALL_NUMBERS
def scaled(windows: Windows, factor: float) -> Windows:
    """The windows with their means times a factor."""
    return windows if factor == 1 else _finite(Windows(windows.begin, windows.mean * factor))


def _finite(windows: Windows) -> Windows:
    there = np.isfinite(windows.mean)
    return windows if there.all() else _where(windows, there)


def thing_windows(thing: Thing, windows: list[Windows]) -> Windows:
    """The ten minutes of a thing, of those of all clamps: where each member has a value, the sum."""
    return summed([scaled(windows[p], s) for p, s in zip(thing.places, thing.scales, strict=True)], every=True)


@dataclass(frozen=True)
class Totals:
    """The windows, in W, of what a sheet makes the total: `drawn` - `fed_in` is `total`. None: there is none.

    `parts` and `rest` are there if something is `main`; `rest` is total + production - parts.
    """

    total: Windows
    drawn: Windows
    fed_in: Windows
    production: Windows | None
    parts: Windows | None
    rest: Windows | None


def totals_of(things: Collection[tuple[str, str | None, Windows]]) -> Totals | None:
    """The totals of things, each with its role, unit and windows; None if nothing is measured in a unit of power.

    The total is the sum of the `main` things if there are any, else of the parts. Its sign is looked at in each ten
    minutes: what is drawn and what is fed in never cancel out between them, and within them cannot be seen.
    """
    of_role: dict[str, list[Windows]] = {}
    for role, unit, windows in things:
        if unit in WATTS:
            of_role.setdefault(role, []).append(scaled(windows, WATTS[unit]))
    if not of_role:
        return None
    main, parts, production = (summed(of_role.get(r, ()), every=False) for r in (MAIN, PART, PRODUCTION))
    total = main if MAIN in of_role else parts
    return Totals(
        total,
        drawn=Windows(total.begin, np.maximum(total.mean, 0)),
        fed_in=Windows(total.begin, np.maximum(-total.mean, 0)),
        production=production if PRODUCTION in of_role else None,
        parts=parts if MAIN in of_role and PART in of_role else None,
        rest=_rest(total, production, parts) if MAIN in of_role else None,
    )


@_BEYOND_ALL_NUMBERS
def _rest(total: Windows, production: Windows, parts: Windows) -> Windows:
    return Windows(total.begin, total.mean + _at(production, total.begin) - _at(parts, total.begin))


def _at(windows: Windows, begin: np.ndarray) -> np.ndarray:
    # The values of these windows; 0 where there is none.
    values = np.zeros(len(begin))
    _, here, there = np.intersect1d(begin, windows.begin, assume_unique=True, return_indices=True)
    values[here] = windows.mean[there]
    return values
