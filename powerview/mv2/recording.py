"""One MV2 logger file to one Recording: its header, its frame of readings, what was left out and why.

The file is read twice: the first look (scan.py) finds the rows and their stamps, and rows.py decides which of them
count; the second (cells.py) takes the cells of those, a block of rows at a time, so that memory hardly grows with the
file. A file that changed in between is noticed before anything of the changed block is handed out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.mv2 import cells
from powerview.mv2.errors import AS_WRITTEN, SEND_AGAIN, NotReadable
from powerview.mv2.header import Header, read_header
from powerview.mv2.rows import Event, Verdict, judge
from powerview.mv2.scan import Scan, scan

BLOCK_ROWS = 4096


@dataclass
class Recording:
    """One file: header, readings, events, and what was left out.

    `left_out` counts by reason; "cells" is complete only when the blocks have been read. `first` and `last` are the
    UTC seconds of the earliest and the latest row that counts. `torn` describes why the file is not whole, `unread`
    why what lies behind some line cannot be read; or None. `incomplete`: the header promises END_DATA and the file
    lacks it, so that its rest may still come. `notes` counts what a person should know though nothing was left out.
    """

    header: Header
    rows: int
    first: int | None
    last: int | None
    events: list[Event]
    left_out: Counter[str]
    notes: Counter[str]
    torn: str | None
    unread: str | None
    incomplete: bool
    readings: int = 0
    _file: BinaryIO | None = field(default=None, repr=False)
    _scan: Scan | None = field(default=None, repr=False)
    _verdict: Verdict | None = field(default=None, repr=False)

    @cached_property
    def times(self) -> np.ndarray:
        """UTC seconds (int64) of the rows that count, in the file's order."""
        counts = self._verdict.counts
        return self._verdict.utc if counts.all() else self._verdict.utc[counts]

    def blocks(self, rows: int = BLOCK_ROWS, keep: np.ndarray | None = None) -> Iterator[pd.DataFrame]:
        """The rows that count, in the file's order, `rows` at a time at most, as the text of their cells.

        `keep`, a mask over `times`, chooses some of them. Index `time`: int64 UTC seconds. Columns: positions 0… in
        `header.channels`. A cell is the text of a finite number, or None where the logger wrote none. Raises Changed
        before the first row of a block whose bytes changed since the file was judged.
        """
        self.readings = 0
        del self.left_out["cells"]
        counts = self._verdict.counts
        if keep is not None:
            counts = counts.copy()
            counts[counts] = keep
        for places, frame, bad in cells.blocks(self._file, self._scan, counts, len(self.header.channels), rows):
            frame.index = pd.Index(self._verdict.utc[places], name="time")
            self.left_out["cells"] += bad
            self.readings += frame.size - bad
            yield frame

    def frame(self) -> pd.DataFrame:
        """All readings as floats: index `time` (UTC, sorted), a column per channel named by `Channel.channel`."""
        names = [c.channel for c in self.header.channels]
        blocks = [block.astype(float) for block in self.blocks()]
        whole = pd.concat(blocks) if blocks else pd.DataFrame(columns=range(len(names)), dtype=float)
        whole.index = pd.to_datetime(whole.index.astype("int64"), unit="s", utc=True).rename("time")
        return whole.set_axis(names, axis=1).sort_index()


def read_recording(
    file: BinaryIO, *, timezone: ZoneInfo, arrived: float, name: str = "", folder: str = ""
) -> Recording:
    """Read one logger file, open for reading in binary and seekable; it must stay open while blocks are read.

    `timezone` is that of stamps in a file that names no zone. `arrived` is when the file arrived (UTC seconds), the
    bound of what a set clock can show. `name` is the file's name, whose stamp shows whether years before 2020 are
    readings; `folder` the name of the device's folder, which restores serials whose zeros a spreadsheet cut.
    Raises NotReadable.
    """
    header = read_header(file, timezone, folder)
    found = scan(file, header, timezone)
    if not len(found.wall):
        raise NotReadable(_no_row(header, found), incomplete=found.incomplete)
    verdict = judge(found, header.zone, arrived, name)
    recording = _recording(file, header, found, verdict)
    if recording.rows:
        _demand_a_number(recording)
    return recording


def _recording(file: BinaryIO, header: Header, found: Scan, verdict: Verdict) -> Recording:
    notes = Counter({
        "stamps in the hour that March leaves out": verdict.missing_hour,
        "serial numbers without their leading zeros, which the folder's name restored": header.zeros_restored,
    })  # fmt: skip
    recording = Recording(
        header=header,
        rows=int(np.count_nonzero(verdict.counts)),
        first=None,
        last=None,
        events=verdict.events,
        left_out=+(found.left_out + verdict.left_out),
        notes=+notes,
        torn=found.torn,
        unread=found.unread,
        incomplete=found.incomplete,
        _file=file,
        _scan=found,
        _verdict=verdict,
    )
    if recording.rows:
        recording.first, recording.last = int(recording.times.min()), int(recording.times.max())
    return recording


def _no_row(header: Header, found: Scan) -> str:
    left_out = ", ".join(f"{n} {what}" for what, n in found.left_out.items()) or "nothing"
    what = f"there is no complete row behind line {header.lines}, the header: {left_out}"
    if found.malformed:
        return f"{what}; {found.malformed}. {AS_WRITTEN}"
    return f"{what}. {SEND_AGAIN}"


def _demand_a_number(recording: Recording) -> None:
    # OK must mean that something was stored.
    found = recording._file, recording._scan, recording._verdict.counts
    if cells.have_a_number(*found, len(recording.header.channels), BLOCK_ROWS):
        return
    offset, (cell, *_) = cells.first_row(*found)
    line = cells.line_number(recording._file, offset)
    raise NotReadable(
        f"line {line}: {cell[:40]!r} is no number, nor is any other cell of the {recording.rows} rows that count. "
        f"Save the file with plain numbers, such as 242.25, and upload it again.",
        incomplete=recording.incomplete,
    )
