"""The time axis that a campaign's charts share: wall-clock time, and the part of it that the page opens with."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from bokeh.models import Range1d

from powerview.channels.sums import WINDOW
from powerview.mv2 import Channel
from powerview.reporting.figures import Figures
from powerview.reporting.places import Series
from powerview.seconds import A_DAY

A_GAP = 2 * A_DAY
"""Readings further apart than this are two stretches of time, when the page chooses which to show first."""


def wall(times: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """UTC seconds as the seconds that a clock on the wall shows, for charts that know no time zones."""
    local = pd.DatetimeIndex(times.astype("datetime64[s]"), tz="UTC").tz_convert(zone)
    return local.tz_localize(None).as_unit("s").asi8


def shared_range(figures: Figures, zone: ZoneInfo, opens_at: tuple[int, int] | None) -> Range1d:
    """The time axis of a campaign's charts, on the wall clock: all of its time, of which it first shows a part."""
    first, stop = _edges(figures.first, figures.stop, zone)
    start, end = _edges(*opens_at, zone) if opens_at else (first, stop)
    return Range1d(start, end, bounds=(first, stop))


def _edges(begin: int, end: int, zone: ZoneInfo) -> tuple[float, float]:
    return tuple((np.sort(wall(np.array([begin, end]), zone)) * 1000.0).tolist())


def longest_stretch(series: dict[Channel, Series], figures: Figures) -> tuple[int, int] | None:
    """The longest stretch without a gap of two days, in UTC seconds; None if the page had better show all at first.

    That is if the stretch is more than half of the campaign's time, or a device has no reading in it.
    """
    windows = np.unique(np.concatenate([s.times // WINDOW for s in series.values()])) * WINDOW
    ends = np.append(np.flatnonzero(np.diff(windows) > A_GAP), len(windows) - 1)
    begins = np.append(0, ends[:-1] + 1)
    longest = int(np.argmax(windows[ends] - windows[begins]))
    begin, end = int(windows[begins[longest]]), int(windows[ends[longest]]) + WINDOW
    inside = {c.device for c, s in series.items() if ((s.times >= begin) & (s.times < end)).any()}
    short = 2 * (end - begin) < figures.stop - figures.first
    return (begin, end) if short and inside == {c.device for c in series} else None
