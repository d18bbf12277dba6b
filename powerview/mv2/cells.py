"""The second look at a file: the cells of the rows that count, as text.

Nothing is converted: what the logger wrote is checked and handed on, so that nothing is rounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pandas as pd

from powerview.mv2 import clock
from powerview.mv2.errors import Changed
from powerview.mv2.header import line_body
from powerview.mv2.scan import BLOCK_BYTES, Scan, lines_of, read_at

# Possessive: a cell may be a megabyte of digits, which must not be tried in every division.
_NUMBER = re.compile(r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?", re.ASCII)
_LONGEST_PLAIN = 300  # a float holds any number of so few digits


def blocks(
    file: BinaryIO, scan: Scan, counts: np.ndarray, width: int, most: int
) -> Iterator[tuple[np.ndarray, pd.DataFrame, int]]:
    """The rows that count, `most` at a time at most: their places in the scan, their cells, how many are no number.

    A frame has columns 0… and a row for each place. Raises Changed before anything of a block that is not what it was
    at the first look is handed out.
    """
    first = 0
    for block in scan.blocks:
        rows = first + np.flatnonzero(counts[first : first + block.rows])
        first += block.rows
        if not len(rows):
            continue
        data = block.read(file)
        starts, stops = lines_of(data)
        for at in range(0, len(rows), most):
            some = rows[at : at + most]
            lines = np.searchsorted(starts, scan.start[some])
            frame, bad = _frame(data, starts[lines], stops[lines], width, scan.decimal_comma)
            yield some, frame, bad


def have_a_number(file: BinaryIO, scan: Scan, counts: np.ndarray, width: int, most: int) -> bool:
    """Whether any cell of the rows that count is a number. True as well if the file changed: `blocks` will raise."""
    try:
        if any(finite(cell) for cell in first_row(file, scan, counts)[1]):  # nearly always
            return True
        return any(bad < frame.size for _, frame, bad in blocks(file, scan, counts, width, most))
    except Changed:
        return True


def first_row(file: BinaryIO, scan: Scan, counts: np.ndarray) -> tuple[int, list[str]]:
    """The first row that counts: its offset in the file, and its cells as they are in the file. Raises Changed."""
    row = int(np.argmax(counts))
    last_rows = np.cumsum([block.rows for block in scan.blocks])
    block = scan.blocks[int(np.searchsorted(last_rows, row, side="right"))]
    data, start = block.read(file), int(scan.start[row])
    text = line_body(data[start : data.index(b"\n", start)]).decode(errors="replace")
    return block.offset + start, text.split("\t")[1:]


def line_number(file: BinaryIO, offset: int) -> int:
    """The number of the line that begins at an offset."""
    starts = range(0, offset, BLOCK_BYTES)
    return 1 + sum(read_at(file, at, min(BLOCK_BYTES, offset - at)).count(b"\n") for at in starts)


def _frame(
    data: bytes, starts: np.ndarray, stops: np.ndarray, width: int, decimal_comma: bool
) -> tuple[pd.DataFrame, int]:
    # Every row has `width` cells, so that one split gives them all, row after row; a tab at each end makes all alike.
    behind_stamp = (starts + clock.STAMP_LENGTH + 1).tolist()
    text = b"\t".join([b"", *(data[a:b] for a, b in zip(behind_stamp, stops.tolist(), strict=True)), b""])
    if decimal_comma:
        text = text.replace(b",", b".")
    found = text.decode(errors="replace").split("\t")
    plain, bad = plain_numbers(text), 0
    cells = np.empty((width, len(starts)), object)
    for column in range(width):
        values = found[column + 1 : -1 : width]
        if not plain:
            values = [*map(finite, values)]
            bad += values.count(None)
        cells[column] = values
    return pd.DataFrame(cells.T, dtype=object, copy=False), bad


def plain_numbers(text: bytes) -> bool:
    """Whether every cell, with a tab before the first and behind each, is digits with a minus or a point at most.

    Proved over all bytes at once: `-?[0-9]+(\\.[0-9]+)?`, and too short for what a float cannot hold.
    """
    data = np.frombuffer(text, np.uint8)
    at = np.flatnonzero(data - np.uint8(ord("0")) > 9)  # all but digits: what is below "0" wraps around
    kind = data[at]
    tab, point, minus = kind == ord("\t"), kind == ord("."), kind == ord("-")
    behind_tab = minus[1:] & tab[:-1]
    touching = np.diff(at) == 1  # two of them without a digit between
    return bool(
        (tab | point | minus).all()
        and (behind_tab >= touching).all()  # only a tab and a minus may touch
        and (behind_tab & touching >= minus[1:]).all()  # and a minus has its tab
        and not (point[1:] & point[:-1]).any()
        and np.diff(at[tab]).max() <= _LONGEST_PLAIN
    )


def finite(cell: str) -> str | None:
    """The cell as InfluxDB takes it, or None if it is no finite number.

    Blanks around a number and a plus sign are no part of its text.
    """
    text = cell.strip(" ")
    if not _NUMBER.fullmatch(text) or not np.isfinite(float(text)):
        return None
    text = text.removeprefix("+")
    digits = text.removeprefix("-")
    if digits.startswith("."):
        return text.replace(".", "0.", 1)
    return text
