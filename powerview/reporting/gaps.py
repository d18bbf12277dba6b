"""Which ten minutes of a device have readings, and the gaps between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from powerview.channels.sums import WINDOW, Windows

LONG_GAP = 3600
"""Gaps of more seconds than this are named."""


@dataclass(frozen=True)
class DeviceCoverage:
    """How much of a campaign's time a device has readings, and when it has none for more than an hour.

    `covered` are the begins of its windows with readings; a gap has its begin and end; all in UTC seconds.
    """

    device: str
    covered: np.ndarray
    share: float
    missing: int
    """Seconds."""
    gaps: list[tuple[int, int]]


def covered_by(parts: Sequence[Windows]) -> np.ndarray:
    """The begins of the windows in which one of a device's channels has a reading, in time."""
    return np.unique(np.concatenate([part.begin for part in parts])) if parts else np.zeros(0, int)


def coverage_of(devices: Mapping[str, Sequence[Windows]], first: int, stop: int) -> list[DeviceCoverage]:
    """The coverage of each device, of the windows of its channels, between two moments of whole ten minutes."""
    return [_coverage(device, covered_by(parts), first, stop) for device, parts in devices.items()]


def _coverage(device: str, begins: np.ndarray, first: int, stop: int) -> DeviceCoverage:
    covered = begins[(begins >= first) & (begins < stop)]
    missing = stop - first - len(covered) * WINDOW
    gaps = [(begin, end) for begin, end in missing_between(covered, first, stop) if end - begin > LONG_GAP]
    return DeviceCoverage(device, covered, len(covered) * WINDOW / (stop - first), missing, gaps)


def missing_between(begins: np.ndarray, first: int, stop: int) -> list[tuple[int, int]]:
    """The stretches without a window, between two moments: begins of windows in time, all in UTC seconds."""
    edges = np.concatenate([[first - WINDOW], begins, [stop]])
    places = np.flatnonzero(np.diff(edges) > WINDOW)
    return list(zip((edges[places] + WINDOW).tolist(), edges[places + 1].tolist(), strict=True))
