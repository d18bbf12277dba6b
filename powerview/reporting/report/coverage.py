"""The section of the report on coverage and gaps, with the campaign at a glance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from powerview.channels.sums import Windows
from powerview.reporting.load import hours_above
from powerview.reporting.report.energy import flows, kwh_of
from powerview.reporting.report.parts import Report, name, names, paragraph, section, table, tables, tiles
from powerview.reporting.report.periods import Periods, periods_of
from powerview.reporting.report.words import DASH, decimals
from powerview.reporting.study import Study

MOST_DEVICES, MOST_GAPS = 20, 8
MOST_PARTS = 124
"""Of a strip."""


def coverage(report: Report) -> dict:
    """Coverage, gaps, and the campaign at a glance."""
    study, text = report.study, report.text
    strip = periods_of(study.days.dates, MOST_PARTS)
    parts = [*map(paragraph, report.notes), _glance(report), *_devices(report, strip), _gaps(report)]
    return section(text("section coverage"), parts, text("small coverage", part=text(f"a part {strip.kind}")))


def _glance(report: Report) -> dict:
    study, text = report.study, report.text
    found = [(text("coverage"), text.percent(study.coverage), text("of the time"))]
    if study.totals and study.peaks:
        titles = {"drawn": "energy", "fed in": "energy fed in", "production": "production"}
        kwh = {title: kwh_of(flows(study.totals)[key]) for key, title in titles.items() if key in flows(study.totals)}
        digits = decimals(list(kwh.values()))
        found += [(text(title), text.unit(value, digits, "kWh"), "") for title, value in kwh.items()]
    return tiles(found + (load_tiles(report) if study.peaks else []))


def load_tiles(report: Report) -> list[tuple[str, str, str]]:
    """The figures of a campaign's load."""
    text, peaks = report.text, report.study.peaks
    at, highest = peaks.highest[0]
    base, factor = peaks.base, peaks.load_factor
    share = "" if peaks.base_share is None else text("base share", share=text.percent(peaks.base_share))
    share = text("base negative") if base is not None and base < 0 else share
    found = [
        (text("mean power"), report.power(peaks.mean), text("while measured")),
        (text("peak"), report.power(highest), report.moment(at)),
        (text("base load"), DASH, text("no whole day"))
        if base is None
        else (text("base load"), report.power(base), share),
        (text("load factor"), DASH if factor is None else text.percent(factor), text("mean over peak")),
    ]
    if report.subscribed is not None:
        hours = text.unit(hours_above(report.study.totals.total, report.subscribed), 1, "h")
        found.append((text("subscribed", kw=text.plain(report.subscribed / 1000)), hours, text("subscribed note")))
    return found


def _devices(report: Report, strip: Periods) -> Iterator[dict]:
    study, text = report.study, report.text
    shares = _strips(study, strip)
    order = sorted(range(len(study.devices)), key=lambda i: (study.devices[i].share, study.devices[i].device))
    kept, rest = sorted(order[:MOST_DEVICES]), order[MOST_DEVICES:]
    rows = []
    for i in kept:
        device = study.devices[i]
        missing = text.duration(device.missing) if device.missing else DASH
        rows.append([name(device.device), text.percent(device.share), missing, str(len(device.gaps)), shares[i]])
    first, last = (text.day(day) for day in (study.days.dates[0], study.days.dates[-1]))
    columns = [(text("device"), "name", 2.2), (text("coverage"), "number", 0), (text("without"), "number", 0),
               (text("gaps"), "number", 0), (text("timeline", first=first, last=last), "strip", 5)]  # fmt: skip
    yield tables(table(columns, rows))
    if rest:
        least = text.percent(study.devices[rest[0]].share)
        yield paragraph(text("more devices", n=len(rest), share=least))


def _strips(study: Study, strip: Periods) -> list[list[float]]:
    # For each device the coverage of each part of the strip; -1 where the part is outside the campaign's time.
    seconds = strip.sums(study.seconds)
    found = []
    for device in study.devices:
        covered = strip.sums(study.days.covered(Windows(device.covered, device.covered)))
        shares = np.divide(covered, seconds, out=np.full(len(seconds), -1.0), where=seconds > 0)
        found.append(shares.round(4).tolist())
    return found


def _gaps(report: Report) -> dict:
    study, text = report.study, report.text
    whose: dict[tuple[int, int], list[str]] = {}
    for device in study.devices:
        for gap in device.gaps:
            whose.setdefault(gap, []).append(device.device)
    if not whose:
        return paragraph(text("no gaps"))
    longest = sorted(whose, key=lambda gap: (gap[0] - gap[1], gap))
    rows = []
    for begin, end in sorted(longest[:MOST_GAPS]):
        devices = whose[begin, end]
        every = len(devices) == len(study.devices) > 1
        who = text("every device") if every else names(devices)
        rows.append([who, report.moment(begin), report.moment(end), text.duration(end - begin)])
    if more := len(longest) - MOST_GAPS:
        rows += [[text("more gaps", n=more), "", "", ""]] * (more > 0)
    columns = [(text("device"), "name", 2), (text("from"), "text", 0), (text("to"), "text", 0),
               (text("length"), "number", 0)]  # fmt: skip
    return tables(table(columns, rows), title=text("longest gaps"))
