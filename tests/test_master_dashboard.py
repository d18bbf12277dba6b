"""The Master dashboard: every query on a real InfluxDB, and its form."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from dashboard_queries import ALL, MASTER, Query, fill, load_master, panels
from grafana_automation import FOLDER
from master_views import ALL_YEAR, DASHBOARD, LONG_AGO, OCTOBER, QUERIES, SPRING, SUMMER, within

pytest_plugins = ("master_fixture",)

DATA_SOURCE = {"type": "influxdb", "uid": "powerview-master"}
VALUE = r'"[^"]*"|/\^\$\{\w+:regex\}\$/|/\^\([\w|]+\)\$/'
STATIC = re.compile(rf"r\._value < 0\.0|r\.channel =~ suspect|\(?r\.\w+ (==|!=|=~|!~) ({VALUE})\)?")
PUSHED_DOWN = {"aggregateWindow", "first", "last", "min", "max", "mean", "sum", "count"}


# --- every query ---

PANEL_QUERIES = [p for p in QUERIES if not p.startswith(("variable", "annotation"))]
CHOSEN = {"subscribed": "1", "other": ["°C"]}
ON_ODD_CHANNELS = (
    "Other units ${other:raw} A", "Phases never connected A", "Gaps of more than an hour A", "Wiring to check A",
    "Channels that changed A", "variable other",
)  # fmt: skip
"""Queries that have nothing to show about an ordinary campaign."""

WITH_A_SHEET = ("Energy per day by channel A", "Production A", "Energy of the parts A", "Rest A")
"""Queries that have nothing to show about a campaign without a channels.csv."""

NEEDS_A_DAY = re.compile("^Base load")


HIDING = "Not counted: channels in other units B"
"""Has an answer only where a channels.csv hides channels; test_master_sheet.py has one."""


@pytest.mark.parametrize("place", [p for p in QUERIES if p != HIDING])
def test_every_query_answers_on_real_readings(roof, odd, bakery, place):
    grafana = odd if place in ON_ODD_CHANNELS else bakery if place in WITH_A_SHEET else roof
    assert grafana.rows(place, SPRING if grafana is bakery else ALL_YEAR, **CHOSEN)


SAYING_SO = ("Energy per day A", "Mean day A", "Load duration curve A")
"""Charts that show an error of Grafana's where there is no row; test_master_texts.py has what they say instead."""
ALWAYS = ("Coverage over time A", "variable source", "variable ready", *SAYING_SO)


@pytest.mark.parametrize("place", [p for p in QUERIES if p not in ALWAYS])
def test_every_query_answers_nothing_on_an_empty_campaign(made, place):
    assert made.rows(place, SUMMER, **CHOSEN) == []


def test_an_empty_campaign_has_no_coverage(made):
    (row,) = made.rows("Coverage over time A", SUMMER)
    assert (row["device"], row["_value"]) == ("No device", "0")


def test_another_campaign_of_the_client_is_not_seen(cold_store, truth):
    seen = {row["_value"] for row in cold_store.rows("variable channel", ALL_YEAR)}
    assert seen == set(within(truth, "cold.store", ALL_YEAR, None).channel)


@pytest.mark.parametrize("chosen", [{}, {"device": ["02001171", "04000477"]}], ids=["all", "a choice"])
@pytest.mark.parametrize("place", PANEL_QUERIES)
def test_the_storage_does_the_first_aggregation(roof, place, chosen):
    head, body = re.fullmatch(r"((?:import [^\n]*\n)*)(.*)", QUERIES[place].flux, re.DOTALL).groups()
    profiled = f'import "profiler"\n{head}\noption profiler.enabledProfilers = ["operator"]\n\n{body}'
    flux = fill(Query(place, profiled), roof.view(OCTOBER, **CHOSEN, **chosen), DASHBOARD)
    answer = roof.influx.call(
        "POST", "/api/v2/query", params={"org": roof.influx.org}, data=flux.encode(),
        headers={"Content-Type": "application/vnd.flux", "Accept": "application/csv"},
    )  # fmt: skip
    # What was added up when it was stored has one value for each ten minutes, and events are few: both may be read as
    # they are.
    few = "powerview_events" in flux or ("powerview_totals" in flux and not chosen)
    as_it_is = {"*influxdb.readFilterSource"} if few else set()
    assert set(re.findall(r"\*influxdb\.\w+", answer.text)) - as_it_is <= {"*influxdb.readWindowAggregateSource"}


@pytest.mark.parametrize("place", PANEL_QUERIES)
def test_no_query_gives_more_points_than_grafana_draws(long_ago, place):
    for days in (1, 7, 30, 93, 94, 365, 730, 760, 999, 1400, 2100):
        rows = long_ago.rows(place, (LONG_AGO, LONG_AGO + timedelta(days=days)), **CHOSEN)
        fewest = 0 if place in (*ON_ODD_CHANNELS, *WITH_A_SHEET, HIDING) or NEEDS_A_DAY.search(place) else 1
        assert fewest <= len(rows) <= 1.5 * QUERIES[place].points, f"{days} days"


# --- form ---


def test_grafanas_own_types_decode_the_master():
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

    register_default_plugins()
    decoded = Dashboard.from_json(load_master())
    assert decoded.uid == "powerview-master"
    found = [inner for p in decoded.panels for inner in ([p] if isinstance(p, Panel) else p.panels)]
    assert [p.title for p in found] == [p["title"] for p in panels(DASHBOARD)]
    for panel in found:
        assert type(panel.options).__module__.startswith("grafana_foundation_sdk.models."), panel.title


def test_the_master_is_classic_and_named_as_provisioning_expects():
    assert (DASHBOARD["uid"], DASHBOARD["title"]) == ("powerview-master", "Master")
    assert DASHBOARD["schemaVersion"] >= 39
    assert "elements" not in DASHBOARD
    assert "id" not in DASHBOARD


def test_every_data_source_is_the_masters_own():
    found = list(data_sources(DASHBOARD))
    assert len(found) > 2 * len(panels(DASHBOARD))
    assert all(source == DATA_SOURCE for source in found), found


def data_sources(node):
    """Every value of a key `datasource`, wherever it stands."""
    if isinstance(node, list):
        for item in node:
            yield from data_sources(item)
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "datasource":
                yield value
            else:
                yield from data_sources(value)


@pytest.mark.parametrize("panel", panels(DASHBOARD), ids=lambda panel: panel["title"])
def test_every_panel_says_what_it_shows(panel):
    assert panel["title"]
    assert len(panel["description"]) > 40
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["noValue"]
    assert defaults["thresholds"]["steps"]
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_panels_have_ids_of_their_own():
    every = [*panels(DASHBOARD), *(p for p in DASHBOARD["panels"] if p["type"] == "row")]
    assert len({panel["id"] for panel in every}) == len(every)


@pytest.mark.parametrize("row", [None, *(p for p in DASHBOARD["panels"] if p.get("collapsed"))],
                         ids=lambda row: row["title"] if row else "page")  # fmt: skip
def test_panels_do_not_overlap(row):
    taken = [
        (x, y)
        for panel in (row or DASHBOARD)["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23
    assert not row or min(y for _, y in taken) == row["gridPos"]["y"] + 1


HIDDEN = ("source", "ready")
"""Variables that a query fills in, and that nobody sees."""


def test_the_variables_are_those_that_a_clone_fills_in():
    variables = {v["name"]: v for v in DASHBOARD["templating"]["list"]}
    assert list(variables) == ["campaign", "timezone", *HIDDEN, "device", "unit", "channel", "subscribed", "other"]
    for name in ("campaign", "timezone"):
        assert (variables[name]["type"], variables[name]["hide"]) == ("constant", 2)
    for name in ("device", "unit", "channel"):
        assert (variables[name]["multi"], variables[name]["includeAll"]) == (True, True)
        assert variables[name]["current"]["value"] == [ALL]
    assert variables["timezone"]["query"] == DASHBOARD["timezone"] == "Europe/Paris"


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_every_query_filters_statically_before_anything_else(query: Query):
    if query.place.startswith("variable"):
        assert "schema.tagValues" in query.flux
        return
    assert 'r._measurement == "${campaign:raw}"' in query.flux or 'r.campaign == "${campaign:raw}"' in query.flux
    for rest in query.flux.split("from(bucket: v.defaultBucket)")[1:]:
        pipeline = re.split(r"\n(?=\S)", rest)[0]
        steps = re.findall(r"\|>\s*(\w+)\(", pipeline)
        # A function that only reads has none; what its callers do is what the profiler sees.
        behind = [step for step in steps if step not in ("range", "filter")] or ["count"]
        assert steps[0] == "range"
        assert steps[1] == "filter"
        assert '"powerview_events"' in pipeline or behind[0] in PUSHED_DOWN
        filters = re.findall(r"filter\(fn: \(r\) => (.*)\)$", pipeline.split(behind[0])[0], re.MULTILINE)
        assert filters
        for predicate in filters:
            assert all(STATIC.fullmatch(part) for part in re.split(" and | or ", predicate)), predicate
    assert "contains(" not in query.flux


def test_the_file_is_written_as_grafana_writes_it():
    assert MASTER.read_text(encoding="utf-8") == json.dumps(DASHBOARD, indent=2, ensure_ascii=False) + "\n"


def test_the_file_is_what_its_parts_make(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER / "dashboards")
    import make_master

    assert make_master.text() == MASTER.read_text(encoding="utf-8"), "run make_master.py"


def test_rows_below_the_page_are_closed():
    rows = {panel["title"]: panel["collapsed"] for panel in DASHBOARD["panels"] if panel["type"] == "row"}
    page = ["At a glance", "Power", "Energy and coverage", "Voltages and channels"]
    closed = ["Energy by channel", "Load profile", "Base load and peaks", "Voltage", "Data", "Other units"]
    assert rows == {**dict.fromkeys(page, False), **dict.fromkeys(closed, True)}
