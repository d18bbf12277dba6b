"""What is kept of a channel's readings, so that figures can be made of them without the readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from powerview.channels.sums import Windows, windows_of


@dataclass(frozen=True)
class Summary:
    """What figures need of a channel's readings: their windows, and what only single readings show, with the first
    time at which there was such a reading, in UTC seconds."""

    windows: Windows
    readings: int
    lowest: float
    lowest_at: int
    highest: float
    highest_at: int
    negative: int
    """How many readings are below zero."""


def summary_of(times: np.ndarray, values: np.ndarray) -> Summary:
    """The summary of readings that are in time; there must be one."""
    low, high = int(values.argmin()), int(values.argmax())
    return Summary(
        windows_of(times, values),
        len(values),
        float(values[low]),
        int(times[low]),
        float(values[high]),
        int(times[high]),
        int((values < 0).sum()),
    )


def joined(parts: Sequence[Summary]) -> Summary:
    """The summary of stretches of whole windows that follow each other."""
    low, high = min(parts, key=lambda part: part.lowest), max(parts, key=lambda part: part.highest)
    begin, mean = (np.concatenate([getattr(part.windows, what) for part in parts]) for what in ("begin", "mean"))
    return Summary(
        Windows(begin, mean),
        sum(part.readings for part in parts),
        low.lowest,
        low.lowest_at,
        high.highest,
        high.highest_at,
        sum(part.negative for part in parts),
    )
