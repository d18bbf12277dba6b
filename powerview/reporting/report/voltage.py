"""The section of the report on voltages."""

from __future__ import annotations

from powerview.reporting.report.parts import Report, halves, name, names, paragraph, section, table, tables
from powerview.reporting.report.words import MINUS
from powerview.reporting.shown import shown_names
from powerview.reporting.voltage import Phase, Week

MOST_PHASES, MOST_WEEKS = 12, 56


def voltage(report: Report) -> dict:
    """How often each phase is outside the limits of EN 50160, week by week, and its extremes."""
    study, text = report.study, report.text
    found = sorted(study.phases, key=lambda p: -max(week.share for week in p.weeks))
    kept = [phase for phase in study.phases if phase in found[:MOST_PHASES]]
    called = {c: name(n) for c, n in shown_names([*(p.channel for p in study.phases), *study.never_connected]).items()}
    never = text("never", what=names([called[channel] for channel in study.never_connected]))
    parts = [paragraph(never)] * bool(study.never_connected)
    if not found:
        none = "no voltage" if study.never_connected else "no volts"
        return section(text("section voltage"), [paragraph(text(none)), *parts], *[text("small voltage")] * bool(parts))
    weeks = [(phase, week) for phase in study.phases for week in phase.weeks]
    bad = sum(not week.allowed for _, week in weeks)
    verdict = text("breaks", bad=bad, n=len(weeks)) if bad else text("keeps", n=len(weeks))
    parts = [paragraph(verdict) | {"sticky": True}, _phases(report, kept, len(found) - len(kept), called), *parts]
    return section(text("section voltage"), [*parts, _weeks(report, weeks, called)], text("small voltage"))


def _phases(report: Report, kept: list[Phase], more: int, called: dict) -> dict:
    text = report.text
    rows = []
    for p in kept:
        means, narrow, wide = (sum(getattr(w, what) for w in p.weeks) for what in ("means", "narrow", "wide"))
        rows.append([called[p.channel], name(p.channel.device), text.number(means), text.percent(narrow / means),
                     text.number(wide), text.number(p.lowest, 1), report.moment(p.lowest_at),
                     text.number(p.highest, 1), report.moment(p.highest_at)])  # fmt: skip
    if more:
        rows.append([text("more phases", n=more), *[""] * 8])
    columns = [(text("phase"), "name", 2), (text("device"), "name", 1.2), (text("means"), "number", 0),
               (text("outside narrow"), "number", 0), (text("outside wide"), "number", 0),
               (text("lowest"), "number", 0), (text("at"), "text", 0), (text("highest"), "number", 0),
               (text("at"), "text", 0)]  # fmt: skip
    strong = [i for i, phase in enumerate(kept) if not all(week.allowed for week in phase.weeks)]
    return tables(table(columns, rows, strong=strong, size=7.5))


def _weeks(report: Report, weeks: list[tuple[Phase, Week]], called: dict) -> dict:
    text = report.text
    title = text("weeks")
    if len(weeks) > MOST_WEEKS:
        title = text("worst weeks", n=MOST_WEEKS, all=len(weeks))
        worst = sorted(weeks, key=lambda each: (-each[1].wide / each[1].means, -each[1].share))[:MOST_WEEKS]
        weeks = [each for each in weeks if each in worst]
    weeks = sorted(weeks, key=lambda each: each[1].monday)
    rows = [
        [text.day(week.monday), called[phase.channel], text.number(week.means), text.number(week.narrow),
         text.percent(week.share), text.number(week.wide)]
        for phase, week in weeks
    ]  # fmt: skip
    columns = [(text("week"), "text", 0), (text("phase"), "name", 1), (text("means"), "number", 0),
               (text("outside narrow"), "number", 0), ("", "number", 0), (f"+10/{MINUS}15 %", "number", 0)]  # fmt: skip
    strong = [i for i, (_, week) in enumerate(weeks) if not week.allowed]
    return halves(columns, rows, title=title, strong=strong, size=7.5, gap=1.9)
