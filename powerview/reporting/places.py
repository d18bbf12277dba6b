"""The readings of a campaign by place: device, position on it and unit identify a clamp, whatever its label.

For each device and second the latest upload's row counts and no other: neither a cell that this row lacks nor a column
that has moved since is filled from an earlier upload. A place has the label that the latest upload with it gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from powerview.mv2 import Channel, told_apart

USUAL_STEP = 600
"""Seconds over which a logger takes a mean unless it is set otherwise, and the longest that a reading counts for."""


@dataclass(frozen=True)
class Series:
    """The readings of one channel, in time: UTC seconds, values, and the seconds that each counts for at most."""

    times: np.ndarray
    values: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class Place:
    """Which clamp it is: its device's serial number, its position 1… there, and its unit."""

    device: str
    idx: int
    unit: str | None


@dataclass(frozen=True)
class _Piece:
    # What one upload has of a place: only its readings.
    upload: int
    times: np.ndarray
    values: np.ndarray
    step: int


class Places:
    """Takes uploads one by one, in their order, and merges what they have of each place."""

    def __init__(self) -> None:
        self._uploads = 0
        self._rows: dict[str, list[tuple[int, np.ndarray]]] = {}
        self._pieces: dict[Place, list[_Piece]] = {}
        self._labels: dict[Place, list[Channel]] = {}

    def add(self, channels: Sequence[Channel], times: np.ndarray, cells: np.ndarray) -> None:
        """Take an upload later than those before: UTC seconds of its rows, a column of cells for each channel.

        No second comes twice; a missing cell is NaN.
        """
        self._uploads += 1
        for device in dict.fromkeys(channel.device for channel in channels):
            self._rows.setdefault(device, []).append((self._uploads, times))
        step = usual_step(times)
        for channel, values in zip(channels, cells.T, strict=True):
            place = Place(channel.device, channel.idx, channel.unit)
            labels = self._labels.setdefault(place, [])
            if channel in labels:
                labels.remove(channel)
            labels.append(channel)
            there = np.isfinite(values)
            piece = _Piece(self._uploads, times[there], values[there], step)
            self._pieces.setdefault(place, []).append(piece)

    def series(self) -> dict[Channel, Series]:
        """The readings that count, by the latest label of their place, in the order in which places first came."""
        latest = {device: _latest_uploads(rows) for device, rows in self._rows.items()}
        labels = self._latest_labels()
        merged = {labels[place]: _merged(p, *latest[place.device]) for place, p in self._pieces.items()}
        return {channel: series for channel, series in merged.items() if len(series.times)}

    def earlier_names(self) -> dict[Channel, list[str]]:
        """For each channel that was called otherwise before: how, in the order of the uploads."""
        latest = self._latest_labels()
        found = {
            latest[place]: [c.name for c in labels[:-1] if c.name != labels[-1].name]
            for place, labels in self._labels.items()
        }
        return {channel: list(dict.fromkeys(names)) for channel, names in found.items() if names}

    def _latest_labels(self) -> dict[Place, Channel]:
        found = {}
        for device, rows in self._rows.items():
            places = [place for place in self._labels if place.device == device]
            lacking = [place for place in places if self._pieces[place][-1].upload != rows[-1][0]]
            there = [self._labels[place][-1] for place in places if place not in lacking]
            found |= {Place(c.device, c.idx, c.unit): c for c in there}
            others = told_apart(there, [self._labels[place][-1] for place in lacking])
            found |= dict(zip(lacking, others, strict=True))
        return found


def usual_step(times: np.ndarray) -> int:
    """The usual seconds between a file's rows: their median, at most ten minutes. Of a single row: ten minutes."""
    steps = np.diff(times)
    return min(int(np.median(steps)), USUAL_STEP) if len(steps) else USUAL_STEP


def _latest_uploads(rows: list[tuple[int, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    # The seconds at which a device has a row, each once and in time, and the number of the latest upload that has it.
    times = np.concatenate([each for _, each in rows])
    uploads = np.concatenate([np.full(len(each), upload) for upload, each in rows])
    order = np.argsort(times, kind="stable")
    times, uploads = times[order], uploads[order]
    last = np.append(times[1:] != times[:-1], True)[: len(times)]
    return times[last], uploads[last]


def _merged(pieces: list[_Piece], times: np.ndarray, uploads: np.ndarray) -> Series:
    counts = [uploads[np.searchsorted(times, piece.times)] == piece.upload for piece in pieces]
    all_times, values, steps = (
        np.concatenate([part[kept] for part, kept in zip(parts, counts, strict=True)])
        for parts in (
            [piece.times for piece in pieces],
            [piece.values for piece in pieces],
            [np.full(len(piece.times), piece.step) for piece in pieces],
        )
    )
    order = np.argsort(all_times)
    return Series(all_times[order], values[order], steps[order])
