"""Bring a sheet up to date with the clamps of a campaign: what a person filled in stays, and nothing is dropped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from powerview.channels.sheet import LONGEST_NAME, NO_UNIT, Line, clean, serial_key, sheet_of
from powerview.channels.table import COLUMNS, Table, title_of

WRITTEN = tuple(COLUMNS)
POWER = ("mW", "W", "kW", "MW")
_PHASE = re.compile(r"(.*[^\s_.:-])[\s_.:-]*L([123])", re.IGNORECASE)


@dataclass(frozen=True)
class Measured:
    """A clamp as a campaign's files have it: its latest label, and the mean and the largest of its readings."""

    device: str
    place: int
    unit: str | None
    logger: str
    mean: float
    largest: float

    @property
    def name(self) -> str:
        """How messages name it."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.device} place {self.place}{unit}, {clean(self.logger)}"


def empty_table(language: str) -> Table:
    """A sheet without a line, as the spreadsheets of this language separate its cells and its people call its
    columns."""
    columns = {column: i for i, column in enumerate(WRITTEN)}
    titles = [title_of(column, language) for column in WRITTEN]
    return Table(";" if language == "fr" else ",", True, "\n", titles, columns, [])


def bring_up_to_date(table: Table, clamps: Iterable[Measured], language: str = "en") -> tuple[Table, list[str]]:
    """The sheet with a line for each clamp, and in sentences what changed in it but for means and largest values.

    Columns that are missing are added under their names in `language`. Raises NotUnderstood.
    """
    clamps = list(clamps)
    sheet = sheet_of(table)
    missing = [column for column in WRITTEN if column not in table.columns]
    changed = [f"new column {title_of(column, language)}" for column in missing]
    table = _with_columns(table, missing, language)
    lines = {id(line): cells for line, (_, cells) in zip(sheet.lines, table.rows, strict=True)}
    matched = Counter(id(sheet.line(c.device, c.place, c.unit)) for c in clamps)
    new = []
    for clamp in clamps:
        line = sheet.line(clamp.device, clamp.place, clamp.unit)
        if line is None:
            new.append(clamp)
            continue
        only = matched[id(line)] == 1
        changed += _refresh(table, lines[id(line)], line, clamp, only=only)
    several = Counter((serial_key(c.device), c.place) for c in clamps)
    several.update((serial_key(line.device), line.place) for line in sheet.lines if line.unit)
    changed += _add(table, new, {line.group for line in sheet.lines}, several)
    absent = sheet.absent((c.device, c.place, c.unit) for c in clamps)
    changed += [f"kept, but there are no readings of it: line {line.number}, {line.clamp}" for line in absent]
    return table, changed


def _with_columns(table: Table, missing: list[str], language: str) -> Table:
    width = len(table.header)
    columns = table.columns | {column: width + i for i, column in enumerate(missing)}
    rows = [(number, cells + [""] * len(missing)) for number, cells in table.rows]
    return replace(table, header=table.header + [title_of(c, language) for c in missing], columns=columns, rows=rows)


def _refresh(table: Table, cells: list[str], line: Line, clamp: Measured, *, only: bool) -> list[str]:
    changed = []
    if line.device != clamp.device:
        changed.append(f"serial number {clamp.device} has its zeros again (line {line.number})")
    label = clean(clamp.logger)
    before = table.cell(cells, "logger")
    if before and before != label:
        changed.append(f"{clamp.device} place {clamp.place} is now called {label} by its logger, before {before}")
    cells[table.columns["device"]] = clamp.device
    cells[table.columns["logger"]] = label
    if only and clamp.unit:
        cells[table.columns["unit"]] = clamp.unit
    _measured(table, cells, clamp)
    return changed


def _measured(table: Table, cells: list[str], clamp: Measured) -> None:
    for column, value in (("mean", clamp.mean), ("largest", clamp.largest)):
        text = f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
        cells[table.columns[column]] = text.replace(".", ",") if table.separator == ";" else text


def _add(table: Table, new: list[Measured], taken: set[str], several: Counter[tuple[str, int]]) -> list[str]:
    groups = _proposed(new, taken)
    changed = []
    for clamp in new:
        cells = [""] * len(table.header)
        group = groups.get(id(clamp), "")
        no_unit = NO_UNIT if several[serial_key(clamp.device), clamp.place] > 1 else ""
        values = {"device": clamp.device, "place": str(clamp.place), "logger": clean(clamp.logger),
                  "unit": clamp.unit or no_unit, "group": group}  # fmt: skip
        for column, value in values.items():
            cells[table.columns[column]] = value
        _measured(table, cells, clamp)
        table.rows.append((0, cells))
        changed.append(f"new line: {clamp.name}" + (f" (proposed for the group {group})" if group else ""))
    return changed


def _proposed(new: list[Measured], taken: set[str]) -> dict[int, str]:
    # Of one device, in one unit of power, and all three phases: then they are one thing. Other units do not add up.
    found: dict[tuple[str, str, str], list[tuple[str, Measured]]] = {}
    for clamp in new:
        phase = _PHASE.fullmatch(clean(clamp.logger))
        if phase and clamp.unit in POWER:
            found.setdefault((clamp.device, clamp.unit, phase[1]), []).append((phase[2], clamp))
    whole = {key: m for key, m in found.items() if sorted(phase for phase, _ in m) == ["1", "2", "3"]}
    often = Counter(stem for _, _, stem in whole)
    groups = {}
    for (device, unit, stem), members in whole.items():
        name = stem if often[stem] == 1 else f"{stem} {device}"
        if name in taken:
            name = f"{stem} {device} {unit}"
        if name not in taken and len(name) <= LONGEST_NAME:
            taken = taken | {name}
            groups |= {id(clamp): name for _, clamp in members}
    return groups
