"""The section of the report on energy by group."""

from __future__ import annotations

from dataclasses import dataclass

from powerview.channels import MAIN, PART, PRODUCTION
from powerview.channels.sums import Totals, Windows, summed
from powerview.reporting.report.parts import Report, halves, name, names, paragraph, section, table, tables
from powerview.reporting.report.words import DASH, decimals
from powerview.reporting.shown import shown_names

ONE_TABLE, MOST_ROWS = 30, 104
"""Rows of a table over the whole width, and of one in two halves."""

ORDER = {MAIN: 0, PRODUCTION: 1, PART: 2}
WATT_WINDOWS = 6000
"""Means of ten minutes in W that add up to a kWh."""


def kwh_of(windows: Windows) -> float:
    """The energy of windows in W."""
    return float(windows.mean.sum()) / WATT_WINDOWS


def flows(totals: Totals) -> dict[str, Windows]:
    """What there is of the totals, by key: what has a value, and what is fed in only if something is."""
    fed_in = totals.fed_in if (totals.total.mean < 0).any() else None
    found = {"drawn": totals.drawn, "fed in": fed_in, "production": totals.production, "rest": totals.rest}
    return {key: windows for key, windows in found.items() if windows is not None and len(windows.begin)}


@dataclass(frozen=True)
class Row:
    """One line of the table. `shared`: it is one of the parts, of whose energy it has a share."""

    name: str
    device: str
    role: str
    windows: Windows
    shared: bool

    @property
    def kwh(self) -> float:
        """Its energy."""
        return kwh_of(self.windows)

    @property
    def mean(self) -> float:
        """Its mean power in kW."""
        return float(self.windows.mean.mean()) / 1000

    @property
    def highest(self) -> float:
        """Its highest mean of ten minutes in kW."""
        return float(self.windows.mean.max()) / 1000


def by_group(report: Report) -> dict:
    """The energy of each group or lone channel."""
    study, text = report.study, report.text
    left_out = _not_counted(report)
    if not study.powers:
        return section(text("section energy"), [paragraph(text("no power"))], left_out)
    roles = {power.role for power in study.powers}
    total = "total main" if study.totals.rest is not None else "total parts" if roles != {PART} else "total channels"
    explained = text(
        "small energy", total=text(total), groups=text("groups") if study.has_groups else "",
        parts=text("parts" if roles != {PART} else "all channels"),
    ).replace("  ", " ")  # fmt: skip
    return section(text("section energy"), [_balance(report), _powers(report)], explained, left_out)


def _balance(report: Report) -> dict | None:
    text = report.text
    kwh = {text(key): kwh_of(windows) for key, windows in flows(report.study.totals).items()}
    if len(kwh) < 2:
        return None
    digits = decimals(list(kwh.values()))
    cells = [text.unit(value, digits, "kWh") for value in kwh.values()]
    return tables(table([(title, "text", 1) for title in kwh], [cells])) | {"sticky": True}


def _powers(report: Report) -> dict:
    text, rows = report.text, _rows(report)
    wide, with_roles = len(rows) <= ONE_TABLE, any(row.role for row in rows)
    columns = [(text("name"), "name", 3), (text("device"), "name", 1.6)]
    columns += [(text("role"), "text", 0)] * with_roles
    columns += [(text("kwh"), "number", 0), (text("share"), "number", 0)]
    columns += [("", "bar", 1.4), (text("mean kw"), "number", 0), (text("highest kw"), "number", 0)] * wide
    used = sum(max(row.kwh, 0) for row in rows if row.shared)
    largest = max((row.kwh for row in rows if row.shared), default=0)
    digits = [decimals([getattr(row, what) for row in rows]) for what in ("kwh", "mean", "highest")]
    cells = []
    for row in rows:
        share = text.percent(row.kwh / used) if row.shared and row.kwh > 0 else DASH
        cells.append([row.name, row.device, *[row.role] * with_roles, text.number(row.kwh, digits[0]), share])
        if wide:
            bar = max(row.kwh, 0) / largest if row.shared and largest > 0 else 0
            cells[-1] += [bar, text.number(row.mean, digits[1]), text.number(row.highest, digits[2])]
    return tables(table(columns, cells)) if wide else halves(columns, cells, size=7.5, gap=2)


def _rows(report: Report) -> list[Row]:
    # Main meters, production, then the parts from the largest; what there is no room for in one row; the rest.
    study, text = report.study, report.text
    roles = {MAIN: text("main"), PART: text("part"), PRODUCTION: text("production role")}
    with_roles = {power.role for power in study.powers} != {PART}
    called = shown_names([power.shown for power in study.powers])
    found = sorted(study.powers, key=lambda power: (ORDER[power.role], -kwh_of(power.windows)))
    most = MOST_ROWS - (study.totals.rest is not None)
    kept, others = (found, []) if len(found) <= most else (found[: most - 1], found[most - 1 :])
    rows = [Row(name(called[power.shown]), name(power.shown.device), roles[power.role] if with_roles else "",
                power.windows, power.role == PART) for power in kept]  # fmt: skip
    if others:
        windows = summed([power.windows for power in others], every=False)
        rows.append(Row(text("others", n=len(others)), "", "", windows, True))
    if study.totals.rest is not None and len(study.totals.rest.begin):
        rows.append(Row(text("rest"), "", "", study.totals.rest, False))
    return rows


def _not_counted(report: Report) -> str:
    text, found = report.text, report.study.not_counted
    parts = [f"{names(things)} ({unit or text('no unit')})" for unit, things in found.by_unit.items()]
    parts += [text("never whole", name=name(group)) for group in found.never_whole]
    parts += [text("hidden", n=found.hidden)] * bool(found.hidden)
    return text("not counted", what="; ".join(parts)) if parts else ""
