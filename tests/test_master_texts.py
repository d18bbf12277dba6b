"""What people read on the panels: no words that Grafana has in English only, names that are not cut, room for headings,
and a sentence where there is nothing to draw."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from grafana_automation import FOLDER, language
from master_views import DASHBOARD, SUMMER, channel, store

pytest_plugins = ("master_fixture",)

FILES = (
    FOLDER / "dashboards" / "master.json",
    FOLDER / "dashboards" / "overview.json",
    FOLDER / "dashboards" / "provisioned" / "loggers.json",
)
EVERY = pytest.mark.parametrize("dashboard", [json.loads(f.read_text(encoding="utf-8")) for f in FILES],
                                ids=[f.stem for f in FILES])  # fmt: skip
ALIKE_IN_FRENCH = {"min", "max", "sum"}
"""Grafana calls these Min, Max and Total in every language; others have English names (fieldReducer.ts)."""


# --- words of Grafana's own ---


@EVERY
def test_legends_have_no_english_words_of_grafanas(dashboard):
    for panel in language.panels(dashboard):
        assert panel["type"] != "piechart", "its legend has the headings Value and Percent"
        legend = panel.get("options", {}).get("legend", {})
        assert legend.get("displayMode", "list") == "list", f"{panel['title']}: a table has the heading Name"
        assert set(legend.get("calcs", ())) <= ALIKE_IN_FRENCH, panel["title"]


def test_a_title_has_no_english_all_where_a_variable_lists_nothing():
    several = {v["name"] for v in DASHBOARD["templating"]["list"] if v.get("includeAll")}
    found = [m for p in language.panels(DASHBOARD) for m in re.findall(r"\$\{(\w+)(:raw)?\}", p["title"])]
    assert found == [("other", ":raw")]
    assert several >= {"other"}


@EVERY
def test_durations_have_no_english_words(dashboard):
    french = language.in_language(dashboard, "fr")
    in_seconds = []
    for panel in language.panels(french):
        config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        rules = [(panel["title"], config["defaults"].get("unit"))]
        rules += [(r["matcher"]["options"], p["value"]) for r in config["overrides"] for p in r["properties"]
                  if p["id"] == "unit"]  # fmt: skip
        in_seconds += [(panel["title"], where) for where, unit in rules if unit in ("s", "dtdurations")]
    # Files take fractions of a second: Grafana writes s and ms.
    assert in_seconds == ([("Débit", "B")] if dashboard["uid"] == "powerview-loggers" else [])


# --- room ---


@EVERY
@pytest.mark.parametrize("code", ["en", "fr"])
def test_columns_have_room_for_their_headings(dashboard, code):
    narrow = []
    for panel in language.panels(language.in_language(dashboard, code)):
        if panel["type"] == "table":
            filtered = panel["fieldConfig"]["defaults"]["custom"].get("filterable")
            sorted_by = {order["displayName"] for order in panel["options"].get("sortBy", ())}
            for name, wide, filterable in columns_of(panel):
                # 14 pixels high, about seven wide a letter; the padding; a filter's funnel, an order's arrow.
                wanted = 20 + 7.2 * len(name) + 22 * bool(filtered or filterable) + 18 * (name in sorted_by)
                narrow += [f"{panel['title']}: {name} has {wide} pixels"] if wide < wanted else []
    assert narrow == []


def columns_of(panel: dict) -> list[tuple[str, int, bool]]:
    """The shown names of a table's columns that have a width, the width, whether they have a filter."""
    rules = panel["fieldConfig"]["overrides"]
    found = []
    for rule in rules:
        properties = {p["id"]: p["value"] for p in rule["properties"]}
        wide = properties.get("custom.width") or properties.get("custom.minWidth")
        if wide:
            of_name = [p["value"] for r in rules if r["matcher"]["options"] == rule["matcher"]["options"]
                       or r["matcher"]["options"].strip("^$") in rule["matcher"]["options"].split("|")
                       for p in r["properties"] if p["id"] == "displayName"]  # fmt: skip
            names = of_name or rule["matcher"]["options"].split("|")
            found += [(name, wide, properties.get("custom.filterable", False)) for name in names]
    return found


@pytest.fixture
def panels(monkeypatch):
    """The module `panels` of the Master's parts."""
    monkeypatch.syspath_prepend(FOLDER / "dashboards")
    from master import panels

    return panels


LONG = "Chambre froide positive numero 12 du laboratoire cote cour"


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("_value SN: 02009999 - Ch: Voie1", "02009999 Voie1"),
        ("_value Deck oven", "Deck oven"),
        ("Deck oven", "Deck oven"),
        ("SN: 02009999 - Ch: Voie1", "02009999 Voie1"),
        (f"_value {LONG}", "Chambre froide positive n … re cote cour"),
        (f"_value {LONG} 2", "Chambre froide positive n …  cote cour 2"),
    ],
)
def test_curves_are_called_by_the_channel_without_the_middle_of_a_long_name(panels, field, shown):
    for step in panels.CURVE_NAMES:
        options = step["options"]
        field = re.sub(options["regex"], options["renamePattern"].replace("$", "\\"), field)
    assert field == shown


def test_all_curves_of_channels_are_called_so(panels):
    curves = [p for p in language.panels(DASHBOARD) if p["type"] == "timeseries" and p["title"] != "Total power"]
    assert [p["title"] for p in curves if p.get("transformations") != panels.CURVE_NAMES] == []
    assert [p["title"] for p in curves if "displayName" in p["fieldConfig"]["defaults"]] == []  # it would be stronger


@pytest.mark.parametrize(
    ("channel_", "shown"),
    [
        ("SN: 02009999 - Ch: Voie1", "02009999 Voie1"),
        ("Deck oven", None),
        (f"SN: 02009999 - Ch: {LONG}", "02009999 Chambre froide … re cote cour"),
        (LONG, "Chambre froide positiv … re cote cour"),
    ],
)
def test_shares_are_called_by_the_channel_without_the_middle_of_a_long_name(panels, channel_, shown):
    # The first pattern that matches the whole name counts.
    texts = [m["options"] for m in panels.SHARE_TEXT]
    found = [re.sub(t["pattern"], t["result"]["text"].replace("$", "\\"), channel_) for t in texts
             if re.fullmatch(t["pattern"], channel_)]  # fmt: skip
    assert found[:1] == ([shown] if shown else [])


# --- nothing to draw ---

NOTHING = {
    "Energy per day A": [{"Day": "1970-01-01T00:00:00Z", "Energy": "NaN"}],
    "Mean day A": [{"hour": "none", "Monday to Friday": "NaN"}],
    "Load duration curve A": [{"Hours": "0", "No power readings in this time range": "NaN"}],
}
"""The one row of a chart that would else show an error of Grafana's, in English."""


@pytest.mark.parametrize("place", NOTHING)
def test_a_chart_of_nothing_has_one_row_that_says_so(made, influx, client, place):
    assert made.rows(place, SUMMER) == NOTHING[place]
    assert made.rows(place, SUMMER, channel=["SN: 1 - Ch: 1"]) == NOTHING[place]

    store(influx, client, "made", channel(), SUMMER[0], [100.0] * 6, 600)
    rows = made.rows(place, (SUMMER[0], SUMMER[0] + timedelta(days=1)))
    assert rows
    assert not [row for row in rows if "NaN" in row.values() or set(row) & set(NOTHING["Load duration curve A"][0]) -
                {"Hours"}]  # fmt: skip


@pytest.mark.parametrize(("title", "axis", "value"), [("Energy per day", "Day", "0"), ("Mean day", "hour", "none")])
def test_that_row_has_a_text_on_the_axis(title, axis, value):
    (bars,) = [p for p in language.panels(DASHBOARD) if p["title"] == title]
    (texts,) = [p["value"] for rule in bars["fieldConfig"]["overrides"] if rule["matcher"]["options"] == axis
                for p in rule["properties"] if p["id"] == "mappings"]  # fmt: skip
    assert texts[0]["options"][value]["text"] == "No power readings in this time range"


def test_shares_are_of_what_is_listed(made, influx, client):
    for place, watts in enumerate((300.0, 100.0, -50.0), 1):
        store(influx, client, "made", channel(f"Voie{place}", place=place), SUMMER[0], [watts] * 6, 600)
    rows = made.rows("Share by channel A", SUMMER)
    found = [(r["channel"][-5:], float(r["share"]), float(r["_value"])) for r in rows]
    assert found == [("Voie1", pytest.approx(0.75), pytest.approx(300)), ("Voie2", pytest.approx(0.25), 100)]


def test_bars_of_shares_are_as_long_as_the_shares():
    (table,) = [p for p in language.panels(DASHBOARD) if p["title"] == "Share by channel"]
    (share,) = [rule for rule in table["fieldConfig"]["overrides"] if rule["matcher"]["options"] == "share"]
    properties = {p["id"]: p["value"] for p in share["properties"]}
    assert properties["custom.cellOptions"]["type"] == "gauge"
    assert (properties["min"], properties["fieldMinMax"]) == (0, True)  # else the energies' numbers make the scale


def test_hours_of_years_have_room_on_their_axis():
    (curve,) = [p for p in language.panels(DASHBOARD) if p["title"] == "Load duration curve"]
    (hours,) = [rule for rule in curve["fieldConfig"]["overrides"] if rule["matcher"]["options"] == "Hours"]
    assert [(p["id"], p["value"]) for p in hours["properties"]] == [("unit", "short"), ("custom.axisLabel", "Hours")]
    french = json.dumps(language.in_language(DASHBOARD, "fr"), ensure_ascii=False)
    assert '"id": "custom.axisLabel", "value": "Heures"' in french


def test_of_many_channels_that_are_not_counted_some_are_named(made, influx, client):
    for place in range(1, 6):
        tags = {**channel(f"Room {place}", place=place), "unit": "°C"}
        store(influx, client, "made", tags, SUMMER[0], [19.5], 600)
    (row,) = made.rows("Not counted: channels in other units A", SUMMER)
    assert row["channels"] == "02009999 Room 1, 02009999 Room 2, 02009999 Room 3, +2 (°C)"
