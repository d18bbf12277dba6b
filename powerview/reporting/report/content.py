"""The whole report as data for pages.typ: every text is ready to be set as it is.

Each section is bounded, so that it is never longer than a page and the report has six pages at most: what there is no
room for is added up in a row of its own, or counted in a sentence.
"""

from __future__ import annotations

from powerview import __version__
from powerview.reporting.report.coverage import coverage
from powerview.reporting.report.days import by_day
from powerview.reporting.report.energy import by_group
from powerview.reporting.report.load import peaks, profile
from powerview.reporting.report.parts import Report
from powerview.reporting.report.voltage import voltage


def content_of(report: Report) -> dict:
    """The report: what is above and below each page, and its sections."""
    study, text = report.study, report.text
    want = study.want
    lead = text(
        "lead", client=want.client, first=text.day(report.day(study.first)), last=text.day(report.day(study.stop - 1)),
        channels=text.count(study.channels, "channel"), devices=text.count(len(study.devices), "device"),
        readings=text.count(study.readings, "reading"),
    )  # fmt: skip
    of_load = (by_day, profile, peaks) if study.peaks else ()
    return {
        "language": text.code, "title": want.campaign, "above": text("above"), "lead": lead, "page": text("page"),
        "footer": text("footer", version=__version__, client=want.client, campaign=want.campaign, zone=want.zone.key),
        "sections": [make(report) for make in (coverage, by_group, *of_load, voltage)],
    }  # fmt: skip
