"""The first look at a file: where its rows are and what their stamps are. Cells are not looked at.

The file is cut into blocks of whole lines; in each, numpy finds the ends of lines, the tabs and the stamps. A row is
remembered by its place in its block, and each block by its checksum, so that the second look (cells.py) takes the
same bytes or none.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO
from zoneinfo import ZoneInfo

import numpy as np

from powerview.mv2 import clock
from powerview.mv2.errors import Changed, NotReadable
from powerview.mv2.header import BOM, LONGEST_LINE, START_HEADER, Header, line_body, read_header

MOST_BYTES = 1_000_000_000
MOST_LINES = 5_000_000
"""One file must not keep all others waiting: 5 million rows are 95 years of ten-minute readings."""

BLOCK_BYTES = LONGEST_LINE
FIRST_BYTES = 4096
"""The first block behind another header, then twice as much: a file may have a header above each row."""

_STAMP = clock.STAMP_LENGTH
_TAB, _NEWLINE, _RETURN, _ZERO = b"\t\n\r0"


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of whole lines: where it is, and what its bytes were when its rows were found."""

    offset: int
    size: int
    checksum: int
    rows: int
    """How many rows it has."""

    def read(self, file: BinaryIO) -> bytes:
        """Its bytes once more. Raises Changed if they are not what they were."""
        data = read_at(file, self.offset, self.size)
        if len(data) != self.size or zlib.crc32(data) != self.checksum:
            raise Changed(f"bytes {self.offset} to {self.offset + self.size} are not what they were at the first look")
        return data


@dataclass
class Scan:
    """The rows of the right shape, in the file's order, and what was left out because it has none."""

    blocks: list[Block] = field(default_factory=list)
    wall: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    """Stamps as wall seconds (see clock.py)."""
    marker: np.ndarray = field(default_factory=lambda: np.empty(0, np.bool_))
    """Whether all cells are the bare 0: a restart marker."""
    start: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))
    """Where a row begins in its block."""
    left_out: Counter[str] = field(default_factory=Counter)
    malformed: str | None = None
    """What is wrong with the first line that is no row, and which it is."""
    torn: str | None = None
    unread: str | None = None
    incomplete: bool = False
    """Whether the header promises END_DATA and it is missing: the rest of the file may still come."""
    decimal_comma: bool = False
    """Whether cells have a comma and none has a point, so that the comma is a decimal point."""


def scan(file: BinaryIO, header: Header, timezone: ZoneInfo) -> Scan:
    """Find the rows behind a header; memory grows by 13 bytes a row, for a moment 21.

    Raises NotReadable for a file that is beyond bounds.
    """
    size = file.seek(0, os.SEEK_END)
    if size > MOST_BYTES:
        raise NotReadable(f"the file has {size} bytes, more than {MOST_BYTES}: {_SPLIT}")
    return _Scanner(file, header, timezone).run()


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Up to `size` bytes from `offset` on."""
    file.seek(offset)
    return file.read(size)


_SPLIT = "one file must not keep all others waiting. Split it, each part with the header, and upload the parts."


class _Scanner:
    def __init__(self, file: BinaryIO, header: Header, timezone: ZoneInfo) -> None:
        self.file = file
        self.header = header
        self.timezone = timezone
        self.width = len(header.channels)
        self.offset = header.first_row
        self.lines = header.lines  # above `offset`
        self.before = b""  # the line above `offset`
        self.block_bytes = BLOCK_BYTES
        self.whole = header.end_mark is None
        self.point = self.comma = False
        self.found = Scan()
        self.columns: dict[str, list[np.ndarray]] = {"wall": [], "marker": [], "start": []}

    def run(self) -> Scan:
        found = self.found
        while not found.unread and (data := read_at(self.file, self.offset, self.block_bytes)):
            end, size = data.rfind(b"\n") + 1, self.block_bytes
            self.block_bytes = min(2 * size, BLOCK_BYTES)
            if end:
                self._block(data[:end])
            elif len(data) < size:
                self._cut_line(data)
                break
            elif size == BLOCK_BYTES:
                self._endless_line()
            if self.lines - self.header.lines > MOST_LINES:
                raise NotReadable(f"the file has more than {MOST_LINES} rows: {_SPLIT}")
        found.incomplete = not self.whole and not found.unread
        if found.incomplete:
            found.torn = f"{self.header.end_mark.decode()} is missing"
        found.decimal_comma = self.comma and not self.point
        for name, parts in self.columns.items():
            if parts:
                setattr(found, name, np.concatenate(parts))
            parts.clear()
        return found

    def _block(self, data: bytes) -> None:
        # Takes the lines of `data`, or those above another header in it.
        starts, stops = lines_of(data)
        shaped = _shaped(data, starts, stops, self.width)
        at, count = self.offset, len(starts)
        for line in np.flatnonzero(~shaped & (stops > starts)).tolist():
            if not self._other_line(data, starts, stops, line):
                count = line
                break
        else:
            self.offset, self.lines = at + len(data), self.lines + count
            self.before = data[starts[-1] : stops[-1]]
        rows = np.flatnonzero(shaped[:count])
        size = int(starts[count]) if count < len(starts) else len(data)
        self._rows(data[:size], at, starts[rows], stops[rows])

    def _rows(self, data: bytes, offset: int, starts: np.ndarray, stops: np.ndarray) -> None:
        if not len(starts):
            return
        wall = clock.parse_stamps(_windows(data, starts, _STAMP))
        dated = wall != clock.NO_TIME
        if not dated.all():
            self.found.left_out["bad stamps"] += int(np.count_nonzero(~dated))
            wall, starts, stops = wall[dated], starts[dated], stops[dated]
        self._decimals(data, starts, stops)
        self.columns["wall"].append(wall)
        self.columns["marker"].append(_markers(data, starts, stops, self.width))
        self.columns["start"].append(starts.astype(np.uint32))
        self.found.blocks.append(Block(offset, len(data), zlib.crc32(data), len(starts)))

    def _decimals(self, data: bytes, starts: np.ndarray, stops: np.ndarray) -> None:
        # Looked for in the rows alone: a label may have a point. Nearly always the first row has one.
        if self.point or not (b"." in data or b"," in data):
            return
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            if data.find(b".", start, stop) >= 0:
                self.point = True
                return
            self.comma = self.comma or data.find(b",", start, stop) >= 0

    def _other_line(self, data: bytes, starts: np.ndarray, stops: np.ndarray, line: int) -> bool:
        # A line that is no row. False if the block must end above it, since another header begins there.
        body = data[starts[line] : stops[line]]
        if body == self.header.end_mark:
            self.whole = True
        elif body.endswith(START_HEADER):
            self._another_header(starts, stops, line)
            return False
        elif body.startswith(b"MV_"):
            above = data[starts[line - 1] : stops[line - 1]] if line else self.before
            # the first of the two rows may come behind a row that was cut
            if body != self.header.rows[1] or not above.endswith(self.header.rows[0]):
                number = self.lines + line + 1
                self.found.unread = _unread(number, number - 1)
                return False
        elif body.strip() and body.removeprefix(BOM) != self.header.rows[0]:
            self._malformed("malformed rows", "there are malformed rows")
            self.found.malformed = self.found.malformed or _fault(body, self.lines + line + 1, self.width)
        return True

    def _another_header(self, starts: np.ndarray, stops: np.ndarray, line: int) -> None:
        # A client appended one file to another. The header is read however its JSON is laid out; if rows below it
        # mean the same, they are read on, and the END_DATA that counts is the one behind them.
        number = self.lines + line + 1
        self.whole = self.whole and self.header.end_mark is None
        at = self.offset + int(stops[line]) - len(START_HEADER)
        if stops[line] - starts[line] > len(START_HEADER):
            self._malformed("malformed rows", "there are malformed rows")
        try:
            other = read_header(self.file, self.timezone, start=at, lines_above=number - 1)
        except NotReadable as error:
            if error.incomplete:  # the file ends inside it
                self.found.torn = self.found.torn or "another header at its end is cut"
                self.offset = self.file.seek(0, os.SEEK_END)
            else:
                self.found.unread = f"line {number}: another header begins here, which cannot be read: {error}"
            return
        if not self.header.same_meaning(other):
            self.found.unread = _unread(number, number)
        self.offset, self.lines, self.before = other.first_row, other.lines, b""
        self.block_bytes = min(FIRST_BYTES, BLOCK_BYTES)

    def _endless_line(self) -> None:
        # A line longer than any row costs a block at most.
        self.lines += 1
        while data := read_at(self.file, self.offset, BLOCK_BYTES):
            end = data.find(b"\n") + 1
            self.offset += end or len(data)
            if end:
                self._malformed("malformed rows", "there are malformed rows")
                return
        self._malformed("cut rows", "the last row is cut")

    def _cut_line(self, data: bytes) -> None:
        # What the file's last newline leaves behind it is never trusted as a row.
        body = line_body(data)
        if body == self.header.end_mark:
            self.whole = True
            return
        if body.endswith(START_HEADER) and self.header.end_mark:
            self.whole = False
        self.found.torn = "the last row is cut"
        self.found.left_out["cut rows"] += 1

    def _malformed(self, counted_as: str, torn: str) -> None:
        self.found.left_out[counted_as] += 1
        self.found.torn = self.found.torn or torn


def _fault(body: bytes, number: int, width: int) -> str:
    cells = body.count(b"\t")
    if cells != width:
        return f"line {number} has {cells + 1} cells, the header has {width + 1}"
    return f"line {number} does not begin with a stamp DD/MM/YY HH:MM:SS"


def _unread(number: int, first: int) -> str:
    return (
        f"line {number}: another header begins here, with other channels or time settings. The rows above it are "
        f"stored; upload the rest, from line {first} on, as a file of its own."
    )


def lines_of(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Where lines begin and where they end, without their newlines; the last one has its newline."""
    text = np.frombuffer(data, np.uint8)
    stops = np.flatnonzero(text == _NEWLINE)
    starts = np.concatenate(([0], stops[:-1] + 1))
    for _ in range(2):  # CRLF; some transfers make CRCRLF of it
        stops = stops - (text[stops - 1] == _RETURN)
    return starts, stops


def _shaped(data: bytes, starts: np.ndarray, stops: np.ndarray, width: int) -> np.ndarray:
    # Which lines look like rows: digits where a stamp has digits, and `width` cells behind it.
    text = np.frombuffer(data, np.uint8)
    tabs = np.flatnonzero(text == _TAB)
    first = np.searchsorted(tabs, starts)
    shaped = np.searchsorted(tabs, stops) - first == width
    shaped &= stops - starts > _STAMP
    rows = np.flatnonzero(shaped)
    shaped[rows] = (text[starts[rows] + _STAMP] == _TAB) & clock.look_like_stamps(_windows(data, starts[rows], _STAMP))
    for row in np.flatnonzero(shaped & (text[stops - 1] == START_HEADER[-1])).tolist():
        # a row that was cut, and another file appended to it
        shaped[row] = not data.endswith(START_HEADER, starts[row], stops[row])
    return shaped


def _markers(data: bytes, starts: np.ndarray, stops: np.ndarray, width: int) -> np.ndarray:
    marker = stops - starts == _STAMP + 2 * width
    rows = np.flatnonzero(marker)
    if len(rows):
        marker[rows] = (_windows(data, starts[rows] + _STAMP, 2 * width)[:, 1::2] == _ZERO).all(axis=1)
    return marker


def _windows(data: bytes, starts: np.ndarray, size: int) -> np.ndarray:
    # `size` bytes from each of the starts on, as rows of a matrix.
    text = np.frombuffer(data, np.uint8)
    if len(text) < size:
        return np.empty((0, size), np.uint8)
    return np.lib.stride_tricks.sliding_window_view(text, size)[starts]
