"""What the admins' bucket is logged about uploads and the dashboard "Loggers"."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from dashboard_queries import View, fill, panels, queries
from trees import ROOT, Site, day_rows, v002

from powerview.ingest import uploads as fleet
from powerview.ingest.journal import Outcome, Status
from powerview.store.connection import MOST_BAD_LINES

LOGGERS = ROOT / "grafana-automation" / "dashboards" / "provisioned" / "loggers.json"
DASHBOARD = json.loads(LOGGERS.read_text(encoding="utf-8"))

ARRIVED = 1_761_532_500.25
WHOLE = Outcome(
    Status.OK, "acme/roof-2025/02001171/T302_251027_031500.tsv", rows=145, readings=4350, first=1_761_400_000,
    last=1_761_531_600, arrived=ARRIVED, seconds=0.0512,
)  # fmt: skip


def point(outcome: Outcome) -> bytes:
    """The points of an upload that is settled."""
    return fleet.points(outcome, (outcome.settled_as or outcome.path).rsplit("/", 1)[-1])


def logged(outcome: Outcome) -> list[str]:
    """The lines about one file."""
    return point(outcome).decode().splitlines()


def at(outcome: Outcome) -> int:
    """The nanoseconds of the points about one file."""
    (time,) = {int(line.rsplit(" ", 1)[1]) for line in logged(outcome)}
    return time


def test_a_whole_file_is_two_points():
    assert logged(WHOLE) == [
        "uploads,campaign=roof-2025,client=acme,device=02001171 "
        f"lag=900,readings=4350,rows=145,seconds=0.051 {at(WHOLE)}",
        f"fleet,status=ok lag=900,readings=4350,seconds=0.051 {at(WHOLE)}",
    ]


def test_what_was_left_out_is_reported_with_its_reason():
    torn = dataclasses.replace(
        WHOLE, status=Status.PARTIAL, reason="the last row is cut",
        left_out=Counter({"restart markers": 4, "unset clock": 2, "cut rows": 1}),
    )  # fmt: skip
    assert logged(torn) == [
        "uploads,campaign=roof-2025,client=acme,device=02001171 clock_unset=2,lag=900,left_out=7,partial=1,"
        f'readings=4350,reason="the last row is cut",restarts=4,rows=145,seconds=0.051 {at(WHOLE)}',
        'fleet,status=partial lag=900,path="acme/roof-2025/02001171/T302_251027_031500.tsv",readings=4350,'
        f'reason="the last row is cut",seconds=0.051 {at(WHOLE)}',
    ]


def test_a_file_that_cannot_be_read_has_no_lag():
    bad = Outcome(Status.ERROR, WHOLE.path, reason="the file is empty", arrived=ARRIVED)
    assert logged(bad) == [
        "uploads,campaign=roof-2025,client=acme,device=02001171 "
        f'error=1,readings=0,reason="the file is empty",rows=0,seconds=0 {at(WHOLE)}',
        'fleet,status=error path="acme/roof-2025/02001171/T302_251027_031500.tsv",readings=0,'
        f'reason="the file is empty",seconds=0 {at(WHOLE)}',
    ]


def test_the_points_stand_in_the_second_of_the_arrival():
    assert at(WHOLE) // 1_000_000_000 == int(ARRIVED)


def test_a_file_read_again_is_the_same_point():
    assert at(WHOLE) == at(dataclasses.replace(WHOLE, seconds=9.0, rows=3))


def test_two_files_of_one_second_are_two_points():
    names = [f"acme/roof-2025/0200{n:04}/T302_251027_031500.tsv" for n in range(1000)]
    assert len({at(dataclasses.replace(WHOLE, path=name)) for name in names}) == 1000


@pytest.fixture
def reporting_site(influx_site, client) -> Site:
    """An installation whose admins' bucket no other test uses."""
    influx_site.environment["INFLUXDB_BUCKET"] = f"{client}-admins"
    return influx_site


def counted(influx, site: Site) -> dict[str, str]:
    """How many points each measurement of the admins' bucket has."""
    rows = influx.query(
        f'from(bucket: "{site.environment["INFLUXDB_BUCKET"]}") |> range(start: 0) '
        '|> filter(fn: (r) => r._field == "readings") |> group(columns: ["_measurement"]) |> count()'
    )
    return {row["_measurement"]: row["_value"] for row in rows}


@pytest.mark.slow
def test_files_that_were_settled_and_are_read_again_stay_the_points_that_they_were(influx, reporting_site, client):
    device = f"{client}/roof/02001283"
    good = v002(*day_rows())
    for content in (good, good + b"01/07/25", good):  # of one name and one second; the middle one is torn
        os.utime(reporting_site.put(f"{device}/T302_250702_031500.tsv", content), (ARRIVED, ARRIVED))
        assert reporting_site.run().returncode == 0
    assert sorted(reporting_site.files()) == [
        f"{device}/parsed/T302_250702_031500.{end}" for end in ("1.tsv", "2.tsv", "tsv")
    ]
    assert counted(influx, reporting_site) == {"uploads": "3", "fleet": "3"}
    for again in (["--again"], ["--again", "-t", f"{device}/parsed/T302_250702_031500.1.tsv"]):
        done = reporting_site.run(*again)
        assert (done.returncode, done.stderr) == (0, "")
        assert counted(influx, reporting_site) == {"uploads": "3", "fleet": "3"}


@pytest.mark.slow
def test_a_file_of_the_earlier_convention_is_one_point_however_often_it_is_read(influx, reporting_site, client):
    reporting_site.put(f"{client}/roof/02001283/PARSED_T302_250702_031500.tsv", v002(*day_rows()))
    for _ in range(2):
        assert reporting_site.run("--again").returncode == 0
        assert counted(influx, reporting_site) == {"uploads": "1", "fleet": "1"}


@pytest.mark.parametrize("arrived", [-1.0, -(2.0**33), 9_223_372_037.0, 2.0**63])
def test_a_time_that_is_no_arrival_gives_way_to_the_last_reading(arrived):
    odd = dataclasses.replace(WHOLE, arrived=arrived)
    assert at(odd) // 1_000_000_000 == WHOLE.last
    assert not any("lag" in line for line in logged(odd))


@pytest.mark.parametrize("last", [None, 86_400])  # seconds ahead of this clock
@pytest.mark.parametrize("ahead", [60, 2.0**33])
def test_no_point_lies_ahead_of_this_clock(last, ahead):
    now = int(time.time())
    odd = dataclasses.replace(WHOLE, arrived=now + ahead, last=last and now + last)
    assert now <= at(odd) // 1_000_000_000 <= time.time()
    assert not any("lag" in line for line in logged(odd))


@pytest.mark.slow
def test_files_of_any_time_keep_nobodys_points_from_influxdb(influx, reporting_site, client):
    for number in range(MOST_BAD_LINES + 1):
        file = reporting_site.put(f"{client}/roof/0200{number:04}/x.tsv", v002(*day_rows()))
        os.utime(file, (2**34, 2**34) if number % 2 else (-(2**31), -(2**31)))
    reporting_site.put(f"{client}-other/roof/02001283/x.tsv", v002(*day_rows()))
    files = str(MOST_BAD_LINES + 2)
    for again in ([], ["--again"]):
        done = reporting_site.run(*again)
        assert (done.returncode, done.stderr) == (0, "")
        assert counted(influx, reporting_site) == {"uploads": files, "fleet": files}


def test_influxdb_takes_any_name_and_reason(influx, client):
    influx.make_bucket(client)
    hostile = 'a "quoted" \\ reason,\nwith=two lines \udcff'
    outcome = Outcome(Status.ERROR, 'acme/x/02001171/a "b\\c\udcff,=\n.tsv', reason=hostile, arrived=ARRIVED)
    influx.write(client, point(outcome), "ns")
    rows = influx.query(
        f'from(bucket: "{client}") |> range(start: 0) |> filter(fn: (r) => r._field == "reason" or r._field == "path")'
    )
    assert {(row["_measurement"], row["_field"], row["_value"]) for row in rows} == {
        ("uploads", "reason", 'a "quoted" \\ reason, with=two lines ?'),
        ("fleet", "reason", 'a "quoted" \\ reason, with=two lines ?'),
        ("fleet", "path", 'acme/x/02001171/a "b\\c?,= .tsv'),
    }


# ── the dashboard ────────────────────────────────────────────────────────────────────────────────────────────────────

PANELS = {panel["id"]: panel for panel in panels(DASHBOARD)}
QUERIES = queries(DASHBOARD)
NOON = datetime(2026, 3, 29, 10, tzinfo=UTC)  # the day of the clock change, 12:00 in Paris
WEEK = (NOON - timedelta(days=7), NOON)


def upload(device: str, hours_ago: float, **kwargs) -> Outcome:
    """A file of that logger, so long before NOON; client and campaign are acme/roof unless `client` says another."""
    client = kwargs.pop("client", "acme")
    arrived = NOON.timestamp() - hours_ago * 3600
    name = f"T302_{datetime.fromtimestamp(arrived, UTC):%y%m%d_%H%M%S}.tsv"
    given = {"status": Status.OK, "rows": 145, "readings": 4350, "last": int(arrived) - 600, "seconds": 0.5, **kwargs}
    return Outcome(path=f"{client}/roof/{device}/{name}", arrived=arrived, **given)


FLEET = [
    upload("0200", 1),
    upload("0200", 25, seconds=1.5),
    upload("0200", 49, left_out=Counter({"restart markers": 12})),
    upload("0400", 50, status=Status.PARTIAL, rows=20, readings=600, last=int(NOON.timestamp()) - 100 * 3600,
           reason="the last row is cut", left_out=Counter({"unset clock": 3})),
    upload("0400", 51, status=Status.ERROR, rows=0, readings=0, last=None, reason="the file is empty"),
    upload("0900", 20 * 24, client="globex"),
]  # fmt: skip


@pytest.fixture
def asked(influx, client):
    """Runs a query of the dashboard on the fleet above, as a browser at NOON would."""
    influx.make_bucket(client)
    influx.write(client, b"".join(map(point, FLEET)), "ns")

    def ask(place: str, span: tuple[datetime, datetime] = WEEK, **chosen: str) -> list[dict[str, str]]:
        flux = fill(QUERIES[place], View(*span, client, {"client": "acme", **chosen}), DASHBOARD)
        since = (NOON - timedelta(days=90)).isoformat().replace("+00:00", "Z")
        return influx.query(flux.replace("start: -90d", f"start: {since}"))  # those 90 days end now

    return ask


def values(rows: list[dict[str, str]], *columns: str) -> set[tuple[str, ...]]:
    """The cells of these columns."""
    return {tuple(row[column] for column in columns) for row in rows}


@pytest.mark.parametrize(
    ("place", "value"),
    [("Loggers A", "3"), ("Uploads A", "5"), ("Readings A", "13650"), ("Torn files A", "1"), ("Errors A", "1")],
)
def test_the_numbers_count_what_came(asked, place, value):
    panel = next(p for p in PANELS.values() if p["title"] == place[:-2] and p["type"] == "stat")
    (row,) = asked_of(asked, panel)
    assert row["_value"] == value


def asked_of(asked, panel: dict) -> list[dict[str, str]]:
    """The rows of a panel that shares its title with another."""
    QUERIES["one"] = dataclasses.replace(next(iter(QUERIES.values())), place="one", flux=panel["targets"][0]["query"])
    return asked("one")


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("last", {("acme", "0200"), ("acme", "0400"), ("globex", "0900")}),
        ("uploads", {("0200", "3"), ("0400", "2")}),
        ("torn", {("0400", "1")}),
        ("errors", {("0400", "1")}),
        ("restarts", {("0200", "12")}),
        ("clock", {("0400", "3")}),
        ("lag", {("0200", "600"), ("0400", "180000")}),
    ],
)
def test_the_table_tells_for_each_logger(asked, column, cells):
    target = next(t for t in PANELS[8]["targets"] if f': "{column}"}}' in t["query"] or f': "{column}",' in t["query"])
    rows = asked(f"Loggers {target['refId']}") if target["refId"] != "A" else asked_of(asked, PANELS[8])
    keys = ("client", "device") if column == "last" else ("device", column)
    assert values(rows, *keys) == cells


def test_silent_loggers_are_those_that_delivered_nowhere_for_36_hours(influx, client):
    hour = 3600
    influx.make_bucket(client)
    deliveries = [
        ("acme/roof/0100", 35), ("acme/roof/0200", 37), ("acme/roof/0300", 60), ("acme/hall/0300", 2),
        ("globex/barn/0400", 29 * 24), ("globex/barn/0500", 31 * 24), ("acme/old/0200", 300),
    ]  # fmt: skip
    points = [
        point(dataclasses.replace(WHOLE, path=f"{place}/{hours}.tsv", arrived=NOON.timestamp() - hours * hour))
        for place, hours in deliveries
    ]
    influx.write(client, b"".join(points), "ns")

    now = f"option now = () => {NOON.isoformat().replace('+00:00', 'Z')}\n"
    rows = influx.query(now + fill(QUERIES["Silent loggers A"], View(*WEEK, client, {}), DASHBOARD))

    assert [(r["device"], r["client"], r["campaign"], round(float(r["silent"]) / hour)) for r in rows] == [
        ("0400", "globex", "barn", 29 * 24), ("0200", "acme", "roof", 37),
    ]  # fmt: skip


def test_days_are_those_of_the_dashboards_time_zone(asked):
    rows = asked("Readings per day A")
    assert values(rows, "_time", "status", "_value") == {
        ("2026-03-26T23:00:00Z", "ok", "4350"), ("2026-03-26T23:00:00Z", "partial", "600"),
        ("2026-03-26T23:00:00Z", "error", "0"), ("2026-03-27T23:00:00Z", "ok", "4350"),
        ("2026-03-28T23:00:00Z", "ok", "4350"),
    }  # fmt: skip


def test_a_logger_that_delivered_nothing_has_its_line_too(asked):
    rows = asked("Deliveries of $client A", (NOON - timedelta(days=3), NOON), client="globex")
    assert values(rows, "device", "_value") == {("0900", "0")}
    rows = asked("Deliveries of $client A", (NOON - timedelta(days=3), NOON))
    delivered = {(row["device"], row["_time"][:10], row["_value"]) for row in rows if row["_value"] != "0"}
    assert delivered == {
        ("0200", "2026-03-28", "1"), ("0200", "2026-03-27", "1"), ("0200", "2026-03-26", "1"),
        ("0400", "2026-03-26", "2"),
    }  # fmt: skip


def test_errors_stand_there_with_their_reasons_newest_first(asked):
    rows = asked("Errors and torn files A")
    assert [(r["status"], r["path"].split("/")[2], r["reason"]) for r in rows] == [
        ("partial", "0400", "the last row is cut"), ("error", "0400", "the file is empty"),
    ]  # fmt: skip


def test_lag_and_throughput_are_right(asked):
    assert max(float(r["_value"]) for r in asked("Lag A")) == 180000
    assert values(asked("Lag B"), "_value") == {("600",)}
    assert values(asked("Throughput A"), "_value") == {("8700",), ("2900",)}
    assert values(asked("Throughput B"), "_value") == {("0.5",), ("1.5",)}


@pytest.mark.parametrize("place", QUERIES)
def test_every_query_runs_over_a_year(asked, place):
    asked(place, (NOON - timedelta(days=365), NOON))


def test_the_variable_lists_clients(asked):
    assert values(asked("variable client"), "_value") == {("acme",), ("globex",)}


def test_the_dashboard_reads_the_admins_data_source_alone():
    sources = {json.dumps(s, sort_keys=True) for s in found(DASHBOARD, "datasource")} - {'""'}
    assert sources == {'{"type": "influxdb", "uid": "powerview-master"}'}


def test_panels_have_titles_descriptions_and_do_not_overlap():
    assert all(panel["title"] and panel["description"] for panel in PANELS.values())
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in PANELS.values())
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def found(tree: object, key: str) -> list:
    """Every value of `key` anywhere in a JSON tree."""
    if isinstance(tree, list):
        return [value for item in tree for value in found(item, key)]
    if not isinstance(tree, dict):
        return []
    below = [value for item in tree.values() for value in found(item, key)]
    return below + ([tree[key]] if key in tree else [])
