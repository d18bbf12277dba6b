"""`python -m powerview report`: the figures of a campaign as a PDF.

Typst sets the pages: one wheel without anything else to install, with its fonts in it. It gets the report as data, so
that no name is ever read as its markup, and neither looks at the machine's fonts nor writes the time into the file: the
same readings make the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path

from powerview.channels import NAME, NotUnderstood, sheet_for
from powerview.output import replacing
from powerview.reporting.export import source_of
from powerview.reporting.report.content import content_of
from powerview.reporting.report.parts import Report
from powerview.reporting.report.words import Words
from powerview.reporting.sheet_source import SheetSource
from powerview.reporting.sources import Wanted
from powerview.reporting.study import study_of
from powerview.reporting.tables import missing
from powerview.settings import Settings

PAGES = Path(__file__).with_name("pages.typ")
REQUIREMENTS = "requirements-report.txt"


def write_report(
    settings: Settings, want: Wanted, output: Path, *, language: str, from_files: bool, subscribed: float | None = None
) -> None:
    """Write the report to a file, whole or not at all; `subscribed` is the subscribed power in W.

    Raises NotThere, SettingsError (a setting, or typst is not installed), StoreAway, and OSError of the tree or the
    file.
    """
    try:
        import typst  # noqa: F401 - without it nothing needs to be read
    except ImportError as error:
        raise missing("A report", "typst", REQUIREMENTS) from error
    text, notes, sheet = Words(language), [], None
    try:
        sheet = sheet_for(settings.data_dir, settings.state_dir, want.client, want.campaign)
    except NotUnderstood as error:
        notes.append(text("sheet", name=NAME, problem=str(error)))
    with source_of(settings, want, from_files=from_files) as source:
        study = study_of(SheetSource(source, sheet) if sheet else source, want)
    pages = pdf_of(content_of(Report(study, text, notes, subscribed)))
    with replacing(output) as file:
        file.write(pages)


def pdf_of(content: dict) -> bytes:
    """The pages as a PDF."""
    import typst

    return typst.compile(
        PAGES.read_bytes(), root=PAGES.parent, ignore_system_fonts=True, format="pdf",
        sys_inputs={"report": json.dumps(content)},
    )  # fmt: skip
