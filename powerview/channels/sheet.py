"""The content of a sheet: for each clamp its name, role, group and factor, checked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from powerview.channels.table import NotUnderstood, Table, read_table, shown

if TYPE_CHECKING:  # a run with nothing to do needs no pandas
    from powerview.mv2 import Channel

MAIN, PART, PRODUCTION, HIDDEN = ROLES = ("main", "part", "production", "hidden")
LONGEST_NAME = 100
NO_UNIT = "?"
"""What the column `unit` has in a line about the clamp without a unit alone."""

MOST_PROBLEMS = 20
_NUMBER = re.compile(r"[+-]?\d{1,15}([.,]\d{1,15})?([eE][+-]?\d{1,2})?")


@dataclass(frozen=True)
class Line:
    """One line of a sheet. `unit` None: whatever unit the clamp has; empty: none. `number` is its place in the file."""

    number: int
    device: str
    place: int
    unit: str | None
    name: str = ""
    role: str = PART
    group: str = ""
    factor: float = 1.0

    @property
    def clamp(self) -> str:
        """The clamp as messages name it."""
        unit = self.unit if self.unit != "" else "no unit"
        return f"{self.device} place {self.place}" + (f" ({unit})" if unit else "")


def serial_key(device: str) -> str:
    """What serial numbers are compared by: spreadsheets cut the zeros that one begins with."""
    return device.lstrip("0") if device.isascii() and device.isdigit() else device


@dataclass(frozen=True)
class Sheet:
    """The lines of a sheet, in their order; no clamp has two."""

    lines: tuple[Line, ...] = ()
    _by_place: dict[tuple[str, int], list[Line]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for line in self.lines:
            self._by_place.setdefault((serial_key(line.device), line.place), []).append(line)

    def line(self, device: str, place: int, unit: str | None) -> Line | None:
        """The line about a clamp, None if there is none: then it is a part of its own, shown by its label."""
        lines = self._by_place.get((serial_key(device), place), ())
        return next((line for line in lines if line.unit in (None, unit or "")), None)

    def line_of(self, channel: Channel) -> Line | None:
        """The line about a channel's clamp."""
        return self.line(channel.device, channel.idx, channel.unit)

    def absent(self, clamps: Iterable[tuple[str, int, str | None]]) -> list[Line]:
        """The lines about clamps that are not among these (device, place, unit)."""
        there = {id(line) for line in (self.line(*clamp) for clamp in clamps)}
        return [line for line in self.lines if id(line) not in there]


def read_sheet(data: bytes) -> Sheet:
    """The sheet in these bytes. Raises NotUnderstood with every problem, MOST_PROBLEMS at most."""
    return sheet_of(read_table(data))


def sheet_of(table: Table) -> Sheet:
    """The sheet in these cells. Raises NotUnderstood with every problem, MOST_PROBLEMS at most."""
    lines: list[Line] = []
    problems: list[str] = []
    for number, cells in table.rows:
        try:
            lines.append(_line(table, number, cells))
        except NotUnderstood as error:
            problems += error.problems
    problems += _twice(lines)
    if problems:
        problems.sort(key=lambda text: int(re.match(r"line (\d+)", text)[1]))
        raise NotUnderstood(*problems[:MOST_PROBLEMS])
    return Sheet(tuple(lines))


def _line(table: Table, number: int, cells: list[str]) -> Line:
    def cell(column: str) -> str:
        return clean(table.cell(cells, column))

    device, place = cell("device"), cell("place")
    if not device:
        raise NotUnderstood(f"line {number}: there is no device: write the serial number, or delete the line.")
    if not re.fullmatch(r"0*[1-9]\d{0,5}", place, re.ASCII):
        raise NotUnderstood(f"line {number}: place {shown(place)} is no position of a clamp, which are 1, 2, 3 …")
    role = cell("role").casefold() or PART
    if role not in ROLES:
        raise NotUnderstood(
            f"line {number}: role {shown(cell('role'))} is not known: write {', '.join(ROLES[:-1])} or {HIDDEN}, or "
            f"leave it empty, which means {PART}."
        )
    for column in ("name", "group"):
        if len(cell(column)) > LONGEST_NAME:
            raise NotUnderstood(f"line {number}: the {column} has more than {LONGEST_NAME} characters: shorten it.")
    factor = _factor(number, cell("factor"), table.separator)
    unit = "" if cell("unit") == NO_UNIT else cell("unit") or None
    return Line(number, device, int(place), unit, cell("name"), role, cell("group"), factor)


def _factor(number: int, text: str, separator: str) -> float:
    if not text:
        return 1.0
    half = "0.5" if separator == "," else "0,5"
    written = text.replace("\N{MINUS SIGN}", "-")
    if not _NUMBER.fullmatch(written) or ("," in written and separator == ","):
        raise NotUnderstood(
            f"line {number}: factor {shown(text)} is no number: write one such as -1 or {half}, or leave it empty, "
            f"which means 1."
        )
    factor = float(written.replace(",", "."))
    if factor == 0 or not math.isfinite(factor):
        raise NotUnderstood(
            f"line {number}: factor {shown(text)} would make every reading 0: leave it empty, which means 1; the role "
            f"{HIDDEN} hides a clamp."
        )
    return factor


def _twice(lines: list[Line]) -> list[str]:
    before: dict[tuple[str, int], list[Line]] = {}
    problems = []
    for line in lines:
        same = before.setdefault((serial_key(line.device), line.place), [])
        other = next((o for o in same if o.unit == line.unit or None in (o.unit, line.unit)), None)
        if other:
            problems.append(
                f"line {line.number}: the clamp {line.clamp} is in line {other.number} already: delete one of them."
            )
        same.append(line)
    return problems


def clean(text: str) -> str:
    """Text on one line, with single blanks, and without what line protocol has no escape for."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).replace("\\", "/").split())
