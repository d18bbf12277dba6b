"""A recording as points, and what else of its rows the store must know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from powerview.ingest.late import Part
from powerview.mv2 import Channel, Header, Recording
from powerview.store import line_protocol
from powerview.store.protocol import Span


def readings(
    recording: Recording, header: Header, campaign: str, parts: list[Part]
) -> Iterator[tuple[str, bytes, int, Span]]:
    """The points of a recording's parts, as (series, lines, how many, span) in the order of writing.

    The span is the first and the last UTC second of the lines.
    """
    whole = len(header.channels)
    for part in parts:
        some = replace(header, channels=tuple(header.channels[column] for column in part.columns))
        keep = None if part.keep.all() else part.keep
        for block in recording.blocks(keep=keep):
            span = int(block.index.min()), int(block.index.max())
            columns = block if len(part.columns) == whole else block[list(part.columns)]
            for series, lines, number in line_protocol.readings(some, campaign, columns):
                yield series, lines, number, span


def events(recording: Recording, header: Header, campaign: str) -> Iterator[tuple[str, bytes, Span]]:
    """The points of a recording's restarts and clock faults, once its rows were read, as (series, lines, span)."""
    for event, (series, lines) in zip(
        recording.events, line_protocol.events(header, campaign, recording.events), strict=True
    ):
        yield series, lines, (event.time, event.time)


def count_the_rest(recording: Recording, parts: list[Part]) -> None:
    """Count a file's readings and bad cells whole, those that a later upload covers included.

    So reading it once more reports the same. The last pass over a single part has counted that part.
    """
    counted = len(parts) == 1
    readings, cells = (recording.readings, recording.left_out["cells"]) if counted else (0, 0)
    rest = ~parts[0].keep if counted else np.ones(len(recording.times), bool)
    if rest.any():
        for _ in recording.blocks(keep=rest):
            pass
        readings, cells = readings + recording.readings, cells + recording.left_out["cells"]
    recording.readings, recording.left_out["cells"] = readings, cells


def seconds(recording: Recording, header: Header, parts: list[Part]) -> dict[str, np.ndarray]:
    """For each device the UTC seconds that are written."""
    found: dict[str, np.ndarray] = {}
    for part in parts:
        times = np.unique(recording.times[part.keep])
        found |= {header.channels[column].device: times for column in part.columns}
    return found


def missing_cells(recording: Recording, header: Header, parts: list[Part]) -> Iterator[dict[Channel, np.ndarray]]:
    """For each block of rows that were written the channels with cells that are no number, and their UTC seconds."""
    for part in parts:
        for block in recording.blocks(keep=part.keep):
            times = block.index.to_numpy()
            empty = block.isna().to_numpy()
            yield {
                header.channels[column]: times[empty[:, column]] for column in part.columns if empty[:, column].any()
            }
