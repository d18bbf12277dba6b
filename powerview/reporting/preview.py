"""One self-contained page about the campaigns of a tree: curves, energy per day, coverage, what was left out.

The page needs no network: Bokeh's script lies in it, and its Content-Security-Policy forbids the browser to ask for
anything. Names and labels come from outside: Jinja escapes them, and in charts they are drawn or set as plain text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

import numpy as np
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from powerview import __version__
from powerview.inbox import Refusal
from powerview.ingest.journal import counted, printable
from powerview.mv2 import Channel
from powerview.output import replacing
from powerview.reporting import charts
from powerview.reporting.campaign import Campaign, read_tree
from powerview.reporting.charts import Group
from powerview.reporting.figures import Days, covered, days_of
from powerview.reporting.places import Series
from powerview.settings import Settings

MOST_VALUES = 600_000
"""How many values one campaign may draw (about 3 MB); a page with several campaigns draws MOST_VALUES_OF_ALL."""

MOST_VALUES_OF_ALL = 2_000_000


class NothingToShow(Exception):
    """There is no file in the tree. The text says where one would belong."""


@dataclass(frozen=True)
class Row:
    """What the table says of a channel; `kwh` is None unless it is measured in W."""

    channel: Channel
    readings: int
    share: float
    mean: float
    least: float
    most: float
    kwh: float | None


@dataclass(frozen=True)
class Card:
    """A group of channels with the ids of its charts in the page."""

    group: Group
    curves: str
    energy: str | None


@dataclass
class View:
    """What the page shows of one campaign. Without readings there are only files."""

    campaign: Campaign
    days: Days | None = None
    began: date | None = None
    rows: list[Row] = None
    sections: list[tuple[str, list[Card]]] = None
    coverage: str = ""
    document: Markup = Markup()
    bucket: int = 0
    share: float = 0.0


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
    templates.filters |= {"printable": printable, "counted": counted, "number": number, "span": _span, "local": _local}
    most = min(MOST_VALUES, MOST_VALUES_OF_ALL // max(1, len(campaigns)))
    zone = settings.timezone
    return templates.get_template("preview.html").render(
        views=[view_of(campaign, settings, most) for campaign in campaigns],
        refusals=sorted(refusals, key=lambda refusal: refusal.path),
        bokeh=Markup("\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)),
        zone=zone, made=datetime.now(zone), version=__version__, tag=charts.tag, near_days=charts.NEAR_DAYS,
    )  # fmt: skip


def view_of(campaign: Campaign, settings: Settings, most_values: int) -> View:
    """What the page shows of a campaign, drawing no more than so many values."""
    if not campaign.series:
        return View(campaign)
    days = days_of(list(campaign.series.values()), settings.timezone)
    by_day = {channel: days.covered(s) for channel, s in campaign.series.items()}
    kwh = {channel: days.energy(s) for channel, s in campaign.series.items() if channel.unit == "W"}
    span = _whole_span(list(campaign.series.values()))
    rows = [_row(channel, s, kwh.get(channel), span) for channel, s in campaign.series.items()]
    began = datetime.fromtimestamp(min(int(s.times[0]) for s in campaign.series.values()), settings.timezone).date()
    view = View(campaign, days, min(began, days.dates[-1]), rows, share=float(np.mean([row.share for row in rows])))
    view.bucket = charts.bucket_seconds(campaign.series.values(), days, most_values)
    _draw(view, settings, by_day, kwh)
    return view


def _whole_span(all_series: list[Series]) -> int:
    # Seconds from the first reading of the campaign to the last covered one.
    return max(int(s.times[-1] + s.steps[-1]) for s in all_series) - min(int(s.times[0]) for s in all_series)


def _row(channel: Channel, s: Series, kwh: np.ndarray | None, span: int) -> Row:
    values = s.values
    return Row(
        channel=channel,
        readings=len(values),
        share=float(covered(s).sum()) / span,
        mean=float(values.mean()),
        least=float(values.min()),
        most=float(values.max()),
        kwh=None if kwh is None else float(kwh.sum()),
    )


def _draw(view: View, settings: Settings, by_day: dict[Channel, np.ndarray], kwh: dict[Channel, np.ndarray]) -> None:
    series, days = view.campaign.series, view.days
    shared = charts.shared_range(series.values(), settings.timezone)
    plots, cards = [], []
    for group in charts.groups_of(list(series)):
        curves = charts.curves(group, series, settings.timezone, view.bucket, shared)
        energy = charts.energy_bars(group, kwh, days, shared) if group.unit == "W" else None
        plots += filter(None, (curves, energy))
        cards.append(Card(group, curves.id, energy and energy.id))
    view.sections = [(_title(unit), list(of_unit)) for unit, of_unit in groupby(cards, lambda card: card.group.unit)]
    shares: dict[str, list[np.ndarray]] = {}
    for channel, seconds in by_day.items():
        shares.setdefault(channel.device, []).append(seconds / days.seconds)
    plots.append(charts.coverage_strips({d: np.mean(s, axis=0) for d, s in shares.items()}, days, shared))
    view.coverage = plots[-1].id
    view.document = _document(plots)


def _title(unit: str | None) -> str:
    what = {"W": "Power", "V": "Voltage"}.get(unit, "Readings")
    return f"{what} in {unit}" if unit else what


def _document(plots: list) -> Markup:
    # What Bokeh needs to draw them, each into the element with its id, as JSON that cannot end the script around it.
    document = Document()
    for plot in plots:
        document.add_root(plot)
    ids = [plot.id for plot in plots]
    item = {"docid": "campaign", "roots": {i: i for i in ids}, "root_ids": ids}
    text = serialize_json({"documents": {"campaign": document.to_json(deferred=False)}, "items": [item]})
    return Markup(re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text))


def number(value: float) -> str:
    """A number for people: about four digits that count, thousands apart."""
    digits = 0 if isinstance(value, int) or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _span(seconds: int) -> str:
    return f"{seconds // 3600} h" if seconds >= 3600 else f"{seconds // 60} min"


def _local(seconds: int, zone) -> str:
    return datetime.fromtimestamp(seconds, zone).strftime("%d %b %Y %H:%M")
