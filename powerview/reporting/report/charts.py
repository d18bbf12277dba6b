"""The charts of the report as data: places are shares of the width and, from below, of the height.

They are drawn in grey as well as in colour: what is drawn differs in lightness, in dashes, or in place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from powerview.reporting.report.words import Words, decimals

MOST_POINTS = 400
"""Of a line."""

SOLID, DASHED, DOTTED, MIXED, DOTS = "solid", "dashed", "dotted", "dash-dotted", "dots"


def ticks(lowest: float, highest: float, about: int = 5) -> list[float]:
    """Round numbers around a range that has a length, about so many, from one at or below it to one at or above it."""
    raw = (highest - lowest) / about
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(step * size for step in (1, 2, 2.5, 5, 10) if step * size >= raw * (1 - 1e-9))
    first, last = math.floor(lowest / step + 1e-9), math.ceil(highest / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def _axis(values: Iterable[float], words: Words) -> tuple[list[float], list[list]]:
    # The ends of the vertical axis, which has zero in it, and its ticks with their places.
    lowest, highest = min([0.0, *values]), max([0.0, *values])
    if -lowest < highest / 100:
        lowest = 0.0  # what is as good as nothing needs no room
    if highest - lowest < 1e-9:
        highest = lowest + 1
    found = ticks(lowest, highest)
    low, high = found[0], found[-1]
    digits = next(n for n in range(7) if all(abs(round(t, n) - t) < 1e-9 for t in found) or n == 6)
    return [low, high], [[(t - low) / (high - low), words.number(t, digits)] for t in found]


def line(points: np.ndarray, label: str, dash: str = SOLID, thick: float = 1.2) -> dict:
    """A line through points (rows of x and y), in the values of the axes."""
    return {"points": points, "label": label, "dash": dash, "thick": thick}


def level(value: float, label: str, last: float, dash: str) -> dict:
    """A level line from 0 to the last value of the horizontal axis."""
    return line(np.array([[0, value], [last, value]]), label, dash, 0.9)


def chart(
    words: Words, alt: str, unit: str, height: float, *, x: list[list], wide: tuple[float, float],
    across: str = "", bars: Sequence[dict] = (), lines: Sequence[dict] = (), legend: Sequence[dict] = (),
) -> dict:  # fmt: skip
    """A chart of bars (x, w of the width; low, high in values) and lines; `x` are labels with their places, `wide` the
    ends of the horizontal axis in the lines' values, `across` its unit."""
    values = [b[end] for b in bars for end in ("low", "high")]
    values += [float(y) for each in lines for y in each["points"][:, 1]]
    (low, high), y = _axis(values, words)
    size = wide[1] - wide[0], high - low
    return {
        "kind": "chart", "alt": alt, "unit": unit, "across": across, "height": height, "x": x, "y": y,
        "zero": round(-low / size[1], 5),
        "bars": [
            {"x": round(b["x"], 5), "w": round(b["w"], 5), "y": round((b["low"] - low) / size[1], 5),
             "h": round((b["high"] - b["low"]) / size[1], 5), "fill": b["fill"]}
            for b in bars
        ],
        "lines": [each | {"points": _placed(each["points"], (wide[0], low), size)} for each in lines],
        "legend": [*legend, *({k: each[k] for k in ("label", "dash", "thick")} for each in lines if each["label"])],
    }  # fmt: skip


def _placed(points: np.ndarray, origin: tuple[float, float], size: tuple[float, float]) -> list[list[float]]:
    return ((points - origin) / size).round(5).tolist()


def stacked(values: Sequence[np.ndarray], places: int) -> list[dict]:
    """Bars, one upon the other at each place: what is positive upwards from zero, what is negative downwards."""
    up, down = np.zeros(places), np.zeros(places)
    bars = []
    for fill, of_places in enumerate(values):
        for i, value in enumerate(np.nan_to_num(of_places).tolist()):
            if not value:
                continue
            edge = up if value > 0 else down
            low, high = sorted((float(edge[i]), float(edge[i]) + value))
            edge[i] += value
            bars.append({"x": (i + 0.08) / places, "w": 0.84 / places, "low": low, "high": high, "fill": fill})
    return bars


def dots(values: np.ndarray, label: str) -> dict:
    """A dot over each of places 0, 1, …"""
    return line(np.stack([np.arange(len(values)) + 0.5, values], axis=1), label, DOTS)


def steps(values: np.ndarray, label: str, dash: str, thick: float) -> list[dict]:
    """Lines that are level over each of places 0, 1, …, one for each stretch of places that have a value."""
    places = np.flatnonzero(np.isfinite(values))
    runs = [run for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(run)]
    ends = [np.stack([np.stack([run, run + 1], axis=1).ravel(), np.repeat(values[run], 2)], axis=1) for run in runs]
    return [line(points, label if i == 0 else "", dash, thick) for i, points in enumerate(ends)]


def thinned(points: np.ndarray) -> np.ndarray:
    """Points of which no more than MOST_POINTS are left, the first and the last among them."""
    places = np.unique(np.linspace(0, len(points) - 1, MOST_POINTS).round().astype(int))
    return points[places]


def heat(words: Words, alt: str, cells: np.ndarray, counts: np.ndarray, labels: Sequence[str]) -> dict:
    """A table whose cells are the darker the higher their value: a row for each label, a column for each hour."""
    there = cells[np.isfinite(cells)]
    low, high = float(there.min()), float(there.max())
    digits = min(decimals(there.tolist()), 2)
    return {
        "kind": "heat", "alt": alt, "columns": [str(hour) for hour in range(cells.shape[1])],
        "rows": [
            {"label": label, "cells": [
                {"level": None} if not math.isfinite(value) else
                {"level": (value - low) / (high - low) if high > low else 0, "value": words.number(value, digits),
                 "count": str(count)}
                for value, count in zip(of_row.tolist(), of_counts.tolist(), strict=True)
            ]}
            for label, of_row, of_counts in zip(labels, cells, counts, strict=True)
        ],
    }  # fmt: skip
