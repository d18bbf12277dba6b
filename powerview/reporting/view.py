"""What the preview page shows of one campaign: figures, remarks, and charts as one Bokeh document."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from markupsafe import Markup

from powerview.channels.sums import NOTHING, windows_of
from powerview.mv2 import Channel
from powerview.reporting import axis, charts
from powerview.reporting.campaign import Campaign
from powerview.reporting.charts import Group
from powerview.reporting.figures import Figures, figures_of, totals_of
from powerview.reporting.language import ENGLISH, Language
from powerview.reporting.places import Series
from powerview.reporting.remarks import remarks_of
from powerview.reporting.shown import Shown, shown, shown_names


@dataclass(frozen=True)
class Card:
    """A group of channels with the ids of its charts in the page."""

    group: Group
    curves: str
    energy: str | None


@dataclass
class View:
    """One campaign on the page. Without readings there are only files."""

    campaign: Campaign
    figures: Figures | None = None
    clamps: Figures | None = None
    """Those of each channel by itself; `figures` are those of what is shown, in which a group is one."""
    totals: dict[str, float] = field(default_factory=dict)
    """kWh of all of the time, by their titles; none without a channels.csv."""
    roles: dict[Channel, str] = field(default_factory=dict)
    not_counted: str = ""
    began: date | None = None
    names: dict[Channel, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    sections: list[tuple[str, list[Card]]] = field(default_factory=list)
    coverage: str = ""
    document: Markup = Markup()
    bucket: int = 0
    """Seconds over which curves show means; 0: they show every reading."""
    opens_at: tuple[int, int] | None = None
    """The stretch of time that the charts show first, in UTC seconds; None: all of it."""


def view_of(campaign: Campaign, zone: ZoneInfo, most_values: int, language: Language = ENGLISH) -> View:
    """What the page shows of a campaign, drawing no more than so many values."""
    if not campaign.series:
        return View(campaign)
    seen = shown(campaign.series, campaign.sheet, language)
    if not seen.series:
        return View(campaign, not_counted=seen.not_counted or "")
    figures = figures_of(seen.series, zone)
    clamps = figures if campaign.sheet is None else figures_of(seen.clamps, zone)
    began = datetime.fromtimestamp(min(int(s.times[0]) for s in seen.clamps.values()), zone).date()
    view = View(campaign, figures, clamps, began=began)
    view.names, view.roles = shown_names(list(seen.series)), seen.roles
    if campaign.sheet is not None:
        view.totals, view.not_counted = _totals(seen, figures), seen.not_counted
    earlier = {seen.of_raw[c]: names for c, names in campaign.earlier_names.items() if c in seen.of_raw}
    visible = dataclasses.replace(campaign, series=seen.clamps, earlier_names=earlier)
    view.remarks = [*campaign.sheet_problems, *remarks_of(visible, clamps, zone, language)]
    view.bucket = charts.bucket_seconds(seen.series.values(), figures.days, most_values)
    view.opens_at = axis.longest_stretch(seen.clamps, clamps)
    _draw(view, seen.series, zone, language)
    return view


def _totals(seen: Shown, figures: Figures) -> dict[str, float]:
    things = [(seen.roles[c], c.unit, windows_of(s.times, s.values)) for c, s in seen.series.items()]
    things += [(role, unit, NOTHING) for role, unit in seen.never_whole]
    totals = totals_of(things, figures.days)
    return {title: float(kwh.sum()) for title, kwh in totals.columns().items()} if totals else {}


def _draw(view: View, series: dict[Channel, Series], zone: ZoneInfo, language: Language) -> None:
    days, clamps = view.figures.days, view.clamps
    kwh = {each.channel: each.kwh for each in view.figures.channels}
    shared = axis.shared_range(clamps, zone, view.opens_at)
    plots, cards = [], []
    for group in charts.groups_of(view.names):
        curves = charts.curves(group, series, zone, view.bucket, shared, language)
        energy = charts.energy_bars(group, kwh, days, shared, language) if kwh[group.channels[0]] is not None else None
        plots += filter(None, (curves, energy))
        cards.append(Card(group, curves.id, energy and energy.id))
    view.sections = [
        (_title(unit, language), list(of_unit)) for unit, of_unit in groupby(cards, lambda card: card.group.unit)
    ]
    shares: dict[str, list[np.ndarray]] = {}
    for each in clamps.channels:
        shares.setdefault(each.channel.device, []).append(each.covered / clamps.seconds)
    plots.append(charts.coverage_strips({d: np.mean(s, axis=0) for d, s in shares.items()}, clamps, shared, language))
    view.coverage = plots[-1].id
    view.document = _document(plots)


def _title(unit: str | None, language: Language) -> str:
    what = language.text({"W": "Power", "kW": "Power", "V": "Voltage"}.get(unit, "Readings"))
    return language.text("{what} in {unit}", what=what, unit=unit) if unit else what


def _document(plots: list) -> Markup:
    # What Bokeh needs to draw them, each into the element with its id, as JSON that cannot end the script around it.
    document = Document()
    for plot in plots:
        document.add_root(plot)
    ids = [plot.id for plot in plots]
    item = {"docid": "campaign", "roots": {i: i for i in ids}, "root_ids": ids}
    text = serialize_json({"documents": {"campaign": document.to_json(deferred=False)}, "items": [item]})
    return Markup(re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text))
