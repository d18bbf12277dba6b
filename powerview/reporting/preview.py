"""One self-contained page about the campaigns of a tree: curves, energy per day, coverage, what was left out.

The page needs no network: it contains Bokeh's script, and its Content-Security-Policy forbids the browser to ask for
anything. Names and labels come from outside: Jinja escapes them, and in charts they are drawn or set as plain text.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from powerview import __version__
from powerview.inbox import Refusal
from powerview.ingest.journal import printable
from powerview.output import replacing
from powerview.reporting import charts
from powerview.reporting.campaign import Campaign, read_tree
from powerview.reporting.language import Language
from powerview.reporting.remarks import left_out_text
from powerview.reporting.view import view_of
from powerview.settings import Settings, require_language

MOST_VALUES = 600_000
"""How many values one campaign may draw (about 3 MB); a page with several campaigns draws MOST_VALUES_OF_ALL."""

MOST_VALUES_OF_ALL = 2_000_000
NO_BREAK = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"


class NothingToShow(Exception):
    """There is no file in the tree. The text names where one would belong."""


def write_preview(settings: Settings, output: Path) -> list[Campaign]:
    """Write the page for all campaigns below POWERVIEW_DATA_DIR; returns them.

    Raises NothingToShow, and OSError if the tree cannot be read or the page not be written; then what was there before
    is still there.
    """
    campaigns, refusals = read_tree(settings)
    if not campaigns and not refusals:
        raise NothingToShow(
            f"there is no logger file in {settings.data_dir}: files belong into <client>/<campaign>/<device serial>/"
        )
    with replacing(output) as file:
        file.write(page(settings, campaigns, refusals).encode())
    return campaigns


def page(settings: Settings, campaigns: list[Campaign], refusals: list[Refusal]) -> str:
    """The page as text."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    require_language(settings)
    language = Language(settings.language)
    templates.filters |= {"printable": _printable, "left_out": lambda counts: left_out_text(counts, language)}
    most = min(MOST_VALUES, MOST_VALUES_OF_ALL // max(1, len(campaigns)))
    zone = settings.timezone
    return templates.get_template("preview.html").render(
        views=[view_of(campaign, zone, most, language) for campaign in campaigns],
        refusals=sorted(refusals, key=lambda refusal: refusal.path),
        bokeh=Markup("\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)),
        zone=zone, made=datetime.now(zone), version=__version__, tag=charts.tag, near_days=charts.NEAR_DAYS,
        language=language,
    )  # fmt: skip


def _printable(text: str) -> str:
    # No-break spaces are printed: French is set with them.
    return "".join(c if c in NO_BREAK else printable(c) for c in text)
