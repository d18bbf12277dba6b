"""The sections of the report on the load: its profile, its base load and its peaks."""

from __future__ import annotations

import numpy as np

from powerview.reporting.load import duration_curve
from powerview.reporting.report.charts import (
    DASHED,
    DOTTED,
    MIXED,
    SOLID,
    chart,
    heat,
    level,
    line,
    steps,
    thinned,
    ticks,
)
from powerview.reporting.report.coverage import load_tiles
from powerview.reporting.report.parts import Report, halves, section, tiles
from powerview.reporting.report.words import WEEKDAYS, decimals


def profile(report: Report) -> dict:
    """Mean power by hour and weekday, and the mean days."""
    text, found = report.text, report.study.profile
    largest = float(np.nanmax(np.abs(found.cells)))
    scale, unit = (1000, "kW") if largest >= 1000 else (1, "W")
    title = text("heat", unit=unit)
    hours = heat(text, title, found.cells / scale, found.hours, WEEKDAYS[text.code]) | {"title": title}
    lines = [
        *steps(found.weekdays / scale, text("weekdays"), SOLID, 1.6),
        *steps(found.weekends / scale, text("weekends"), DASHED, 1.2),
    ]
    x = [[hour / 24, str(hour)] for hour in range(0, 25, 3)]
    day = chart(
        text,
        text("mean day"),
        unit,
        52,
        x=x,
        wide=(0, 24),
        across=text("hour axis"),
        lines=lines,
    )
    small = text("small profile", zone=report.study.want.zone.key)
    return section(text("section profile"), [hours, day | {"title": text("mean day")}], small)


def peaks(report: Report) -> dict:
    """Base load, load duration curve, the ten highest means."""
    text, found = report.text, report.study.peaks
    small = text("small subscribed", kw=text.plain(report.subscribed / 1000)) if report.subscribed is not None else ""
    parts = [tiles(load_tiles(report)[-4:]) | {"sticky": True}, _duration(report)]
    digits = decimals([watts / 1000 for _, watts in found.highest])
    rows = [[str(i), report.moment(at), text.number(watts / 1000, digits)]
            for i, (at, watts) in enumerate(found.highest, 1)]  # fmt: skip
    columns = [("", "number", 0), (text("begin"), "text", 1), (text("kw"), "number", 0)]
    parts.append(halves(columns, rows, title=text("highest means")))
    return section(text("section peaks"), parts, text("small peaks", subscribed=small))


def _duration(report: Report) -> dict:
    study, text = report.study, report.text
    curve = duration_curve(study.totals.total)
    hours = np.arange(len(curve) + 1) / 6
    points = thinned(np.stack([hours, np.append(curve[:1], curve) / 1000], axis=1))
    last = float(hours[-1])
    lines = [line(points, "", thick=1.6), level(study.peaks.mean / 1000, text("mean power"), last, DOTTED)]
    if study.peaks.base is not None:
        lines.append(level(study.peaks.base / 1000, text("base load"), last, DASHED))
    if report.subscribed is not None:
        lines.append(level(report.subscribed / 1000, text("subscribed line"), last, MIXED))
    x = [[round(t / last, 5), text.plain(t)] for t in ticks(0, last, 8) if t <= last]
    across = text("hours axis")
    drawn = chart(text, text("duration"), "kW", 62, x=x, wide=(0, last), across=across, lines=lines)
    return drawn | {"title": text("duration")}
