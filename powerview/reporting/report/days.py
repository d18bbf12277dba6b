"""The section of the report on energy by day, or by longer periods where there are many days."""

from __future__ import annotations

from collections import Counter

import numpy as np

from powerview.channels import MAIN, PART
from powerview.channels.sums import summed
from powerview.mv2 import Channel
from powerview.reporting.report.charts import chart, dots, stacked
from powerview.reporting.report.energy import flows, kwh_of
from powerview.reporting.report.parts import Report, halves, name, section
from powerview.reporting.report.periods import Periods, periods_of
from powerview.reporting.report.words import DASH, Words, decimals
from powerview.reporting.shown import shown_names

MOST_ROWS, MOST_BARS, MOST_STACKED = 62, 124, 5
LABELS = 9
"""So many days have a label below the bars."""

SHORT = 28
"""Letters of a name in the legend."""


def by_day(report: Report) -> dict:
    """Energy by day: bars of the largest groups, and the totals in a table."""
    study, text = report.study, report.text
    rows = periods_of(study.days.dates, MOST_ROWS)
    small = text("small days", zone=study.want.zone.key)
    bars = periods_of(study.days.dates, MOST_BARS)
    title = text(f"section {bars.kind}") if bars.kind != rows.kind else ""
    parts = [_bars(report, bars) | {"title": title}, _totals(report, rows)]
    return section(text(f"section {rows.kind}"), parts, small)


def _bars(report: Report, periods: Periods) -> dict:
    study, text = report.study, report.text
    called, values = _stacks(report, periods)
    legend = [{"label": label, "fill": fill} for fill, label in enumerate(called)]
    lines = []
    if study.totals.production is not None:
        made = periods.sums(study.days.energy(study.totals.production))
        lines = [dots(made, text("production"))]
    n = len(periods.begins)
    return chart(
        text, text("alt days", kind=text(f"section {periods.kind}")), "kWh", 62, x=_labels(text, periods),
        wide=(0, n), bars=stacked(values, n), lines=lines, legend=legend,
    )  # fmt: skip


def _stacks(report: Report, periods: Periods) -> tuple[list[str], list[np.ndarray]]:
    # The largest parts, all others as one, and the rest; without parts what is main.
    study, text = report.study, report.text
    roles = {power.role for power in study.powers}
    found = [power for power in study.powers if power.role == (PART if PART in roles else MAIN)]
    found.sort(key=lambda power: -abs(kwh_of(power.windows)))
    rest = study.totals.rest if PART in roles else None
    most = MOST_STACKED + 1 - (rest is not None)
    kept, others = (found, []) if len(found) <= most else (found[: most - 1], found[most - 1 :])
    called = _unique_names([power.shown for power in study.powers])
    stacks = [(_short(called[power.shown]), power.windows) for power in kept]
    if others:
        stacks.append((text("other parts"), summed([power.windows for power in others], every=False)))
    if rest is not None:
        stacks.append((text("rest short"), rest))
    return [label for label, _ in stacks], [periods.sums(study.days.energy(windows)) for _, windows in stacks]


def _unique_names(channels: list[Channel]) -> dict[Channel, str]:
    # With the device, where two have one name.
    called = shown_names(channels)
    counts = Counter(called.values())
    return {channel: n if counts[n] == 1 else f"{channel.device} {n}" for channel, n in called.items()}


def _short(text: str) -> str:
    text = name(text)
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


def _labels(text: Words, periods: Periods) -> list[list]:
    n = len(periods.begins)
    every = -(-n // LABELS)
    return [[round((i + 0.5) / n, 5), text.period(periods.begins[i], periods.kind, short=True)]
            for i in range(0, n, every)]  # fmt: skip


def _totals(report: Report, periods: Periods) -> dict:
    study, text = report.study, report.text
    columns = {key: periods.sums(study.days.energy(windows)) for key, windows in flows(study.totals).items()}
    digits = decimals([value for kwh in columns.values() for value in kwh.tolist()])
    seconds, covered = periods.sums(study.seconds), periods.sums(study.covered)
    there = periods.sums(study.days.covered(study.totals.total)) > 0
    rows = []
    for i, begin in enumerate(periods.begins):
        cells = [text.number(kwh[i], digits) if there[i] else DASH for kwh in columns.values()]
        share = text.percent(covered[i] / seconds[i]) if seconds[i] else DASH
        rows.append([text.period(begin, periods.kind), *cells, share])
    titles = {"drawn": "drawn", "fed in": "fed in", "production": "production", "rest": "rest short"}
    head = [(text(periods.kind), "text", 1), *((text(titles[key]), "number", 0) for key in columns)]
    head.append((text("coverage short"), "number", 0))
    return halves(head, rows, size=8, gap=1.9)
