"""One channel is one place: each reading counts once, under the latest label, whatever uploads called it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from dashboard_queries import View, fill, load_master, queries
from faults import proxy as proxies
from faults.proxy import FaultProxy
from test_ingest import run, statuses
from trees import ROOT, Site, v002

from powerview.ingest import places as places_module
from powerview.ingest.index import UploadIndex
from powerview.ingest.journal import Status
from powerview.mv2 import Channel
from powerview.reporting.export import wanted
from powerview.reporting.sources import FileSource
from powerview.store import StoreAway, open_store, stored

CASES = Path(__file__).resolve().parent / "cases" / "renamed-channel"
FOLDER = "roof/02001283"


def upload(site: Site, client: str, name: str, labels: tuple[str, ...], *rows: str, **how) -> Path:
    return site.put(f"{client}/{FOLDER}/T_{name}.tsv", v002(*rows, labels=labels, **how))


def at(minute: int, *cells: float | str) -> str:
    return " ".join([f"01/07/25 12:{minute:02}:00", *map(str, cells)])


def held(influx, client: str, campaign: str = "roof") -> dict[str, dict[int, float]]:
    """Of each channel its values by the minute."""
    found: dict[str, dict[int, float]] = {}
    for (measurement, tags, seconds), value in influx.points(client).items():
        if measurement == campaign:
            tags = dict(tags)
            key = f"{tags['device']}/{tags['channel_idx']} {tags['channel_name']} {tags.get('unit', '')}".strip()
            found.setdefault(key, {})[seconds // 60 % 60] = value
    return found


def test_a_channel_that_is_renamed_is_one_series_under_its_new_label(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5))
    run(influx_site)
    upload(influx_site, client, "250703_031500", ("Oven W",), at(10, 3.5), at(20, 4.5))
    run(influx_site)
    assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5, 10: 3.5, 20: 4.5}}


def test_within_one_run_as_well(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5))
    upload(influx_site, client, "250703_031500", ("Oven W",), at(10, 3.5), at(20, 4.5))
    upload(influx_site, client, "250704_031500", ("Oven W",), at(20, 5.5))
    assert run(influx_site).status == 0
    assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5, 10: 3.5, 20: 5.5}}


def test_a_channel_that_is_renamed_back_is_one_series_under_its_first_label(influx, influx_site, client):
    for day, label in enumerate(("Voie1 W", "Oven W", "Voie1 W"), start=2):
        upload(influx_site, client, f"25070{day}_031500", (label,), at(day, day + 0.5))
        run(influx_site)
    assert held(influx, client) == {"02001283/1 Voie1 W": {2: 2.5, 3: 3.5, 4: 4.5}}


def test_a_late_file_with_an_older_label_is_stored_under_the_latest(influx, influx_site, client):
    upload(influx_site, client, "250703_031500", ("Oven W",), at(10, 3.5))
    run(influx_site)
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5))
    run(influx_site)
    assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5, 10: 3.5}}


def test_a_column_that_moved_counts_once_for_each_second(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W", "Voie2 W"), at(0, 100.5, 200.5), at(10, 100.5, 200.5))
    run(influx_site)
    labels = ("Voie1 W", "Heater W", "Voie2 W")
    upload(influx_site, client, "250703_031500", labels, at(10, 100.5, 50.5, 200.5), at(20, 100.5, 50.5, 200.5))
    run(influx_site)
    assert held(influx, client) == {
        "02001283/1 Voie1 W": {0: 100.5, 10: 100.5, 20: 100.5},
        "02001283/2 Heater W": {0: 200.5, 10: 50.5, 20: 50.5},
        "02001283/3 Voie2 W": {10: 200.5, 20: 200.5},
    }


def test_a_column_that_went_does_not_count_where_the_later_upload_has_the_second(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W", "Voie2 W"), *(at(m, 1.5, m + 0.5) for m in range(5)))
    run(influx_site)
    upload(influx_site, client, "250703_031500", ("Voie1 W",), at(1, 7.5), at(3, 7.5))
    run(influx_site)
    assert held(influx, client)["02001283/2 Voie2 W"] == {0: 0.5, 2: 2.5, 4: 4.5}
    assert held(influx, client)["02001283/1 Voie1 W"] == {0: 1.5, 1: 7.5, 2: 1.5, 3: 7.5, 4: 1.5}


@pytest.mark.parametrize(("old", "new"), [("Voie1 W", "Voie1 V"), ("Voie1 W", "Voie1"), ("Voie1", "Voie1 W")])
def test_another_unit_is_another_place_and_counts_once_for_each_second(influx, influx_site, client, old, new):
    upload(influx_site, client, "250702_031500", (old,), at(0, 1.5), at(10, 2.5), at(30, 3.5))
    run(influx_site)
    upload(influx_site, client, "250703_031500", (new,), at(10, 5.5), at(20, 6.5))
    run(influx_site)
    assert held(influx, client) == {f"02001283/1 {old}": {0: 1.5, 30: 3.5}, f"02001283/1 {new}": {10: 5.5, 20: 6.5}}


def test_a_rename_of_a_channel_without_a_unit_leaves_its_namesake_with_one(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5))
    upload(influx_site, client, "250703_031500", ("Voie1",), at(5, 5.5), at(15, 6.5))
    upload(influx_site, client, "250704_031500", ("Oven",), at(20, 7.5))
    assert run(influx_site).status == 0
    assert held(influx, client) == {
        "02001283/1 Voie1 W": {0: 1.5, 10: 2.5},
        "02001283/1 Oven": {5: 5.5, 15: 6.5, 20: 7.5},
    }


def by_label(influx, client: str) -> dict[str, dict[int, float]]:
    """The readings by the label that people choose from, which must distinguish all channels of a unit."""
    found: dict[str, dict[int, float]] = {}
    places: dict[tuple[str, str | None], str] = {}
    for (measurement, tags, seconds), value in influx.points(client).items():
        if measurement == "roof":
            tags = dict(tags)
            label = tags["channel"].removeprefix("SN: 02001283 - Ch: ")
            assert places.setdefault((label, tags.get("unit")), tags["channel_idx"]) == tags["channel_idx"]
            found.setdefault(label, {})[seconds // 60 % 60] = value
    return found


ONE_LESS = [("250702_031500", ("A W", "B W"), at(0, 1.5, 2.5)), ("250703_031500", ("B W",), at(10, 3.5))]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("together", [True, False])
def test_a_place_that_is_gone_leaves_its_label_to_the_one_that_has_it_now(influx, influx_site, client, order, together):
    for number in order:
        upload(influx_site, client, *ONE_LESS[number])
        if not together:
            run(influx_site)
    run(influx_site)
    assert by_label(influx, client) == {"B": {0: 1.5, 10: 3.5}, "B (2)": {0: 2.5}}
    run(influx_site, again=True)
    assert by_label(influx, client) == {"B": {0: 1.5, 10: 3.5}, "B (2)": {0: 2.5}}
    upload(influx_site, client, "250704_031500", ("A W", "B W"), at(20, 4.5, 5.5))
    run(influx_site)
    assert by_label(influx, client) == {"A": {0: 1.5, 10: 3.5, 20: 4.5}, "B": {0: 2.5, 20: 5.5}}


def test_it_has_its_label_back_when_no_other_place_has_it(influx, influx_site, client):
    for number in (0, 1):
        upload(influx_site, client, *ONE_LESS[number])
    upload(influx_site, client, "250704_031500", ("C W",), at(20, 4.5))
    run(influx_site)
    assert by_label(influx, client) == {"C": {0: 1.5, 10: 3.5, 20: 4.5}, "B": {0: 2.5}}


def test_a_cell_that_a_later_upload_lacks_is_not_filled_from_the_earlier(influx, influx_site, client):
    labels = ("Voie1 W", "Voie2 W")
    upload(influx_site, client, "250702_031500", labels, at(0, 1.5, 1.5), at(10, 2.5, 2.5), at(20, 3.5, 3.5))
    run(influx_site)
    upload(influx_site, client, "250703_031500", labels, at(10, 7.5, "-"), at(20, 8.5, 8.5))
    run(influx_site)
    assert held(influx, client) == {
        "02001283/1 Voie1 W": {0: 1.5, 10: 7.5, 20: 8.5},
        "02001283/2 Voie2 W": {0: 1.5, 20: 8.5},
    }


def test_a_cell_that_a_later_upload_of_the_same_run_lacks_is_not_filled(influx, influx_site, client):
    rows = [at(minute, minute + 0.5, 1) for minute in range(60)]
    upload(influx_site, client, "250702_031500", ("Voie1 W", "Voie2 W"), *rows)
    upload(influx_site, client, "250703_031500", ("Voie1 W", "Voie2 W"), *(at(m, "-", 2) for m in range(5, 55)))
    assert run(influx_site).status == 0
    assert set(held(influx, client)["02001283/1 Voie1 W"]) == {*range(5), *range(55, 60)}


@pytest.mark.parametrize("missing", [(10,), (0, 20)])
def test_what_a_later_upload_of_the_same_run_has_there_stays(influx, influx_site, client, missing):
    cells = {minute: "-" if minute in missing else minute + 0.5 for minute in (0, 10, 20)}
    upload(influx_site, client, "250702_031500", ("Voie1 W", "Voie2 W"), *(at(m, c, 1) for m, c in cells.items()))
    later = {5: 7.5, 10: 8.5, 15: 9.5}
    upload(influx_site, client, "250703_031500", ("Voie1 W", "Voie2 W"), *(at(m, c, 2) for m, c in later.items()))
    assert run(influx_site).status == 0
    expected = {m: c for m, c in cells.items() if c != "-"} | later
    assert held(influx, client)["02001283/1 Voie1 W"] == expected
    assert set(held(influx, client)["02001283/2 Voie2 W"]) == {0, 5, 10, 15, 20}


def test_a_slave_that_is_added_or_goes_covers_no_other_device(influx, influx_site, client):
    both = {"labels": ("Voie1 W", "Voie1 W"), "devices": ("02001283", "04000466")}
    upload(influx_site, client, "250702_031500", rows := both["labels"], at(0, 1.5, 2.5), devices=both["devices"])
    upload(influx_site, client, "250703_031500", ("Voie1 W",), at(0, 3.5), at(10, 4.5))
    upload(influx_site, client, "250704_031500", rows, at(10, 5.5, 6.5), devices=both["devices"])
    assert run(influx_site).status == 0
    assert held(influx, client) == {
        "02001283/1 Voie1 W": {0: 3.5, 10: 5.5},
        "04000466/1 Voie1 W": {0: 2.5, 10: 6.5},
    }


def test_labels_that_mean_something_to_flux_or_to_a_predicate_are_moved_as_they_are(influx, influx_site, client):
    odd = "O\"v${1}e'n=, AND x W"
    upload(influx_site, client, "250702_031500", (odd,), at(0, 1.5))
    run(influx_site)
    upload(influx_site, client, "250703_031500", ('a"b\\ W',), at(10, 2.5))
    run(influx_site)
    assert held(influx, client) == {'02001283/1 a"b/ W': {0: 1.5, 10: 2.5}}


def test_everything_read_once_more_changes_nothing_and_mends_what_an_earlier_version_left(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5))
    upload(influx_site, client, "250703_031500", ("Oven W",), at(10, 3.5), at(20, 4.5))
    run(influx_site)
    once = influx.points(client)
    run(influx_site, again=True)
    assert influx.points(client) == once
    tags = "channel=SN:\\ 02001283\\ -\\ Ch:\\ Voie1,channel_idx=1,channel_name=Voie1,device=02001283,unit=W"
    old = f"roof,campaign=roof,{tags}"
    influx.write(client, f"{old} value=1.5 1751364000\n{old} value=2.5 1751364600\n")
    assert influx.points(client) != once
    run(influx_site, again=True)
    assert influx.points(client) == once


def test_a_rename_in_a_bucket_that_keeps_readings_for_a_time_holds_no_file_back(influx, influx_site, client):
    org = influx.call("GET", "/api/v2/orgs", params={"org": influx.org}).json()["orgs"][0]["id"]
    bucket = influx.make_bucket(client)
    now = datetime.now(UTC)
    rows = [f"{now - timedelta(days=days):%d/%m/%y} 12:00:00 {days}.5" for days in (60, 3)]
    influx_site.put(f"{client}/{FOLDER}/T_250702_031500.tsv", v002(*rows, labels=("Voie1 W",)))
    assert run(influx_site).status == 0
    rules = [{"type": "expire", "everySeconds": 30 * 86_400, "shardGroupDurationSeconds": 86_400}]
    influx.call("PATCH", f"/api/v2/buckets/{bucket}", json={"orgID": org, "retentionRules": rules})
    newer = f"{now - timedelta(days=2):%d/%m/%y} 12:00:00 2.5"
    influx_site.put(f"{client}/{FOLDER}/T_250703_031500.tsv", v002(newer, labels=("Oven W",)))
    assert statuses(run(influx_site)) == [(Status.OK, f"{client}/{FOLDER}/T_250703_031500.tsv")]
    assert list(held(influx, client)) == ["02001283/1 Oven W"]
    assert sorted(influx.points(client).values()) == [2.5, 3.5]


def test_what_is_remembered_may_be_lost(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5))
    run(influx_site)
    (influx_site.state / "uploads.sqlite").write_bytes(b"damaged")
    upload(influx_site, client, "250703_031500", ("Oven W",), at(10, 3.5))
    run(influx_site)
    (influx_site.state / "uploads.sqlite").unlink()
    upload(influx_site, client, "250701_031500", ("Old W",), at(5, 9.5), at(10, 9.5))
    run(influx_site)
    assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5, 5: 9.5, 10: 3.5}}


OLD_SERIES = "channel=SN:\\ 02001283\\ -\\ Ch:\\ {0},channel_idx=1,channel_name={0},device=02001283,unit=W"


def test_where_an_earlier_version_left_two_series_the_later_labels_readings_stay(influx, influx_site, client):
    influx.make_bucket(client)
    for label, values in (("Voie1", {1751364000: 1.5, 1751364600: 1.5}), ("Oven", {1751364600: 2.5})):
        series = f"roof,campaign=roof,{OLD_SERIES.format(label)}"
        influx.write(client, "".join(f"{series} value={value} {seconds}\n" for seconds, value in values.items()))
    upload(influx_site, client, "250704_031500", ("Oven W",), at(20, 3.5))
    run(influx_site)
    assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5, 10: 2.5, 20: 3.5}}


def test_nothing_is_deleted_before_its_copy_is_stored(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5))
    run(influx_site)
    upload(influx_site, client, "250703_031500", ("Oven W",), at(10, 3.5))
    with FaultProxy(influx.url) as between:
        between.plan = proxies.writes_only(proxies.refuse(500, "internal error", "engine: cache full"))
        influx_site.environment["INFLUXDB_HOST"] = between.url
        assert run(influx_site).status == 75
    assert held(influx, client) == {"02001283/1 Voie1 W": {0: 1.5, 10: 2.5}}


@pytest.mark.parametrize("times", [1, 100])
def test_nothing_is_deleted_before_its_copy_is_seen(influx, influx_site, client, times):
    before = [at(minute, minute + 0.5) for minute in range(0, 50, 10)]
    upload(influx_site, client, "250702_031500", ("Voie1 W",), *before)
    run(influx_site)
    late = upload(influx_site, client, "250703_031500", ("Oven W",), at(50, 9.5))
    lost = []

    def confirms_and_loses(request):
        if request.is_write and b"Oven" in request.body() and b"value=10.5" in request.body() and len(lost) < times:
            lost.append(request.body())
            request.answer(204, [], b"")
        else:
            proxies.hand_on(request)

    with FaultProxy(influx.url) as between:
        between.plan = confirms_and_loses
        influx_site.environment["INFLUXDB_HOST"] = between.url
        ended = run(influx_site)
    kept = {minute: minute + 0.5 for minute in range(0, 50, 10)}
    if times == 1:
        assert (ended.status, held(influx, client)) == (0, {"02001283/1 Oven W": {**kept, 50: 9.5}})
    else:
        assert "does not have them all: look at its own log and disk" in ended.away
        assert (late.exists(), held(influx, client)) == (True, {"02001283/1 Voie1 W": kept})
    assert lost


STEPS = ("move", "delete", "remember")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_ends_between_any_two_steps_is_made_good_by_the_next(
    influx, influx_site, client, monkeypatch, step, after
):
    labels = ("Voie1 W", "Voie2 W")
    upload(influx_site, client, "250702_031500", labels, at(0, 1.5, 1.5), at(10, 2.5, 2.5), at(20, 3.5, 3.5))
    run(influx_site)
    upload(influx_site, client, "250703_031500", ("Oven W",), at(10, 7.5))
    owner = places_module.Places if step == "remember" else stored.Stored
    real = getattr(owner, step)

    def ends(*arguments):
        if after:
            real(*arguments)
        raise StoreAway("the process ends here")

    monkeypatch.setattr(owner, step, ends)
    assert run(influx_site).status == 75
    monkeypatch.undo()
    assert statuses(run(influx_site)) == [(Status.OK, f"{client}/{FOLDER}/T_250703_031500.tsv")]
    assert held(influx, client) == {
        "02001283/1 Oven W": {0: 1.5, 10: 7.5, 20: 3.5},
        "02001283/2 Voie2 W": {0: 1.5, 20: 3.5},
    }


def test_a_rename_that_was_broken_off_and_whose_file_went_is_undone(influx, influx_site, client, monkeypatch):
    upload(influx_site, client, "250702_031500", ("A W",), at(0, 1.5), at(10, 2.5))
    run(influx_site)
    file = upload(influx_site, client, "250703_031500", ("B W",), at(20, 3.5))

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(stored.Stored, "delete", dies)  # the copy is there, and the old series too
    with pytest.raises(KeyboardInterrupt):
        run(influx_site)
    monkeypatch.undo()
    file.unlink()
    upload(influx_site, client, "250704_031500", ("A W",), at(30, 4.5))
    run(influx_site)
    assert held(influx, client) == {"02001283/1 A W": {0: 1.5, 10: 2.5, 30: 4.5}}


def test_a_file_that_changes_nothing_asks_influxdb_nothing_about_its_series(influx, influx_site, client, monkeypatch):
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5))
    run(influx_site)
    upload(influx_site, client, "250703_031500", ("Oven W",), at(10, 2.5))
    run(influx_site)
    asked = []
    monkeypatch.setattr(stored.Stored, "_frames", lambda *query: asked.append(query) or [])
    upload(influx_site, client, "250704_031500", ("Oven W",), at(20, 3.5))
    assert run(influx_site).status == 0
    assert asked == []


# ── what a client sees ───────────────────────────────────────────────────────────────────────────────────────────────


def shown(influx, client: str, campaign: str, span: tuple[datetime, datetime], place: str) -> list[dict[str, str]]:
    """The rows of one of the Master's queries."""
    dashboard = load_master()
    view = View(*span, client, {"campaign": campaign, "source": campaign})
    return influx.query(fill(queries(dashboard)[place], view, dashboard))


@pytest.fixture
def renamed(influx_site, client):
    """The files of cases/renamed-channel, stored: a load of 1000 W whose label changed, and a column that moved."""
    for file in sorted(CASES.glob("*/*/*/*.tsv")):
        _, campaign, device, name = file.relative_to(CASES).parts
        influx_site.put(f"{client}/{campaign}-{file.parts[-4]}/{device}/{name}", file.read_bytes())
    assert run(influx_site).status == 0
    return client


DAY = (datetime(2025, 10, 31, 23, tzinfo=UTC), datetime(2025, 11, 1, 23, tzinfo=UTC))


def test_a_load_of_1000_watts_that_was_renamed_is_24_kilowatt_hours_a_day(influx, renamed):
    (energy,) = shown(influx, renamed, "k1-ren", DAY, "Energy A")
    (mean,) = shown(influx, renamed, "k1-ren", DAY, "Mean power A")
    (peak,) = shown(influx, renamed, "k1-ren", DAY, "Peak power A")
    assert float(energy["_value"]) == 24_000
    assert float(mean["_value"]) == 1000
    assert {float(value) for value in peak.values()} == {1000}
    assert [row["_value"] for row in shown(influx, renamed, "k1-ren", DAY, "variable channel")] == [
        "SN: 02001905 - Ch: Chauffe-eau"
    ]


def test_a_column_that_moved_adds_nothing_twice(influx, renamed):
    august = (datetime(2025, 8, 3, 1, 10, tzinfo=UTC), datetime(2025, 8, 3, 1, 20, tzinfo=UTC))
    (mean,) = shown(influx, renamed, "k1-reo", august, "Mean power A")
    assert float(mean["_value"]) == 350


def test_the_two_queries_of_the_docs_list_and_show_a_renamed_channel_once(influx, renamed):
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    listed, chosen = re.findall(r"^from\(bucket.*?(?=\n\n|\n```)", text, re.DOTALL | re.MULTILINE)[:2]
    channel = "SN: 02001905 - Ch: Chauffe-eau"
    for macro, value in {
        "v.defaultBucket": f'"{renamed}"', "v.timeRangeStart": "2025-10-31T23:00:00Z", "v.windowPeriod": "12h",
        "v.timeRangeStop": "2025-11-01T23:00:00Z", "${__dashboard.name}": "k1-ren",
        "${channels:json}": f'["{channel}"]',
    }.items():  # fmt: skip
        listed, chosen = listed.replace(macro, value), chosen.replace(macro, value)
    assert {row["_field"] for row in influx.query(listed)} == {channel}
    assert {float(row["_value"]) for row in influx.query(chosen)} == {1000}


# ── made-up histories against a plain reading with pandas ────────────────────────────────────────────────────────────


def expected(files: list[tuple[tuple[str, ...], list[tuple[int, tuple]]]]) -> dict[str, dict[int, float]]:
    """What (labels, [(minute, cells)]) of files in upload order give: the last upload of a second wins whole."""
    rows = pd.DataFrame(
        [
            {"minute": minute, "order": order, "place": (idx, label.rsplit(" ", 1)[1]), "label": label, "value": cell}
            for order, (labels, lines) in enumerate(files)
            for minute, cells in lines
            for idx, (label, cell) in enumerate(zip(labels, cells, strict=True), start=1)
        ]
    )
    rows = rows[rows["order"] == rows.groupby("minute")["order"].transform("max")]
    latest = {(idx, label.rsplit(" ", 1)[1]): label for labels, _ in files for idx, label in enumerate(labels, start=1)}
    found: dict[str, dict[int, float]] = {}
    for row in rows.itertuples():
        if row.value != "-":
            found.setdefault(f"02001283/{row.place[0]} {latest[row.place]}", {})[row.minute] = row.value
    return found


@pytest.mark.parametrize("seed", range(12))
def test_any_history_of_uploads_is_what_pandas_makes_of_the_files(influx, influx_site, client, seed):
    dice = np.random.default_rng(seed)
    files = []
    for _ in range(6):
        labels = tuple(f"{dice.choice(['A', 'B', 'C'])}{column if seed % 2 else ''} {dice.choice(['W', 'W', 'V'])}"
                       for column in range(dice.integers(1, 4)))  # fmt: skip
        minutes = sorted(dice.choice(12, size=dice.integers(1, 9), replace=False).tolist())
        cells = [
            tuple("-" if dice.random() < 0.1 else float(dice.integers(100)) + 0.5 for _ in labels) for _ in minutes
        ]
        if all(cell == "-" for line in cells for cell in line):
            cells[0] = (0.5, *cells[0][1:])
        files.append((labels, list(zip(minutes, cells, strict=True))))
    arrivals = dice.permutation(len(files)).tolist()
    for some in _batches(arrivals, int(dice.integers(1, 4))):
        for number in some:
            labels, lines = files[number]
            upload(influx_site, client, f"25070{number + 2}_031500", labels, *(at(m, *c) for m, c in lines))
        assert run(influx_site).status == 0
    assert held(influx, client) == expected(files)
    labels = by_label(influx, client)
    run(influx_site, again=True)
    assert held(influx, client) == expected(files)
    assert by_label(influx, client) == labels


def _batches(items: list[int], size: int) -> list[list[int]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


# ── a store's series ─────────────────────────────────────────────────────────────────────────────────────────────────


def channel(name: str, unit: str | None = "W", idx: int = 1) -> Channel:
    return Channel(idx, "1", name, unit, f"SN: 1 - Ch: {name}")


def test_points_are_deleted_at_these_seconds_and_at_no_others(influx, influx_site, client):
    settings = influx_site.settings()
    with open_store(settings) as store:
        delivery = store.deliver(client)
        for name, unit in (("a", "W"), ("a", None), ("b", "W")):
            series = stored.line_protocol.series_key(channel(name, unit), "roof")
            delivery.send(series, "".join(f"{series} value={i} {i}\n" for i in range(10)).encode(), (0, 9))
        delivery.finish()
        delivery.result()
        held_here = store.stored(client, "roof")
        held_here.delete(channel("a"), np.array([2, 3, 4, 8]))
        assert held_here.times(channel("a")).tolist() == [0, 1, 5, 6, 7, 9]
        assert held_here.times(channel("a", None)).tolist() == list(range(10))
        held_here.delete(channel("a", None), np.array([1, 2, 3, 4]))
        assert held_here.times(channel("a", None)).tolist() == [0, 1, 5, 6, 7, 8, 9]
        assert held_here.times(channel("a")).tolist() == [0, 1, 5, 6, 7, 9]
        assert held_here.times(channel("b")).tolist() == list(range(10))
        assert held_here.channels(["1"]) == {channel("a"), channel("a", None), channel("b")}


def count_questions(monkeypatch) -> list[list[str] | None]:
    """Of which devices the store is asked for their channels; None: of all of a campaign."""
    asked = []
    channels = stored.Stored.channels

    def counting(self, devices=None, *span):
        if not span:
            asked.append(None if devices is None else list(devices))
        return channels(self, devices, *span)

    monkeypatch.setattr(stored.Stored, "channels", counting)
    return asked


def test_many_new_loggers_of_a_campaign_are_two_questions(influx, influx_site, client, monkeypatch):
    for day, label in ((2, "Voie1 W"), (3, "Oven W")):
        for serial in (1, 2, 3, 4):
            file = v002(at(10 * day, serial), labels=(label,), master=f"0000000{serial}")
            influx_site.put(f"{client}/roof/0000000{serial}/T_25070{day}_031500.tsv", file)
        asked = count_questions(monkeypatch)
        assert run(influx_site).status == 0
        assert asked == [["00000001"], None]
        (influx_site.state / "uploads.sqlite").unlink()
    stored_now = {f"0000000{serial}/1 Oven W": {20: serial, 30: serial} for serial in (1, 2, 3, 4)}
    assert held(influx, client) == stored_now


def test_what_was_answered_of_a_campaign_is_not_believed_of_what_was_sent_since(influx, influx_site, client):
    def changes(serial: str, label: str):
        channels = (Channel(1, serial, label, "W", f"SN: {serial} - Ch: {label}"),)
        return places.changes(client, "roof", SimpleNamespace(channels=channels), [])

    settings = influx_site.settings()
    with open_store(settings) as store:
        index = UploadIndex(None)
        places = places_module.Places(store, index, ask=False)
        index.remember_series(client, "roof", "1", [])
        for serial in ("1", "2", "3"):  # with the third it is asked of all
            assert not changes(serial, "a")
        delivery = store.deliver(client)
        series = stored.line_protocol.series_key(channel("a"), "roof")
        delivery.send(series, f"{series} value=1 600\n".encode(), (600, 600))
        delivery.finish()
        delivery.result()
        index.forget_series(client, "roof", ["1"])
        assert changes("1", "b").moves == [(channel("a"), channel("b"))]


def test_a_file_of_a_settled_ones_name_that_goes_to_error_is_the_later_one_with_again_too(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 1.5))
    run(influx_site)
    half = v002(at(10, 2.5), labels=("Oven W",))
    influx_site.put(f"{client}/{FOLDER}/T_250702_031500.tsv", half + v002(at(20, 9.5), labels=("A W", "B W")))
    assert statuses(run(influx_site)) == [(Status.ERROR, f"{client}/{FOLDER}/T_250702_031500.tsv")]
    assert f"{client}/{FOLDER}/error/T_250702_031500.1.tsv" in influx_site.files()
    for again in (False, True):
        run(influx_site, again=again)
        assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5, 10: 2.5}}


def test_a_file_whose_namesake_went_to_error_before_is_the_later_one_for_whoever_asks(influx, influx_site, client):
    name = f"{client}/{FOLDER}/T_250702_031500.tsv"
    half = v002(at(0, 1.5), at(10, 1.5), labels=("Voie1 W",))
    influx_site.put(name, half + v002(at(20, 9.5), labels=("A W", "B W")))
    assert run(influx_site).status == 1
    influx_site.put(name, v002(at(10, 2.5), labels=("Oven W",)))
    assert statuses(run(influx_site)) == [(Status.OK, name)]
    (influx_site.state / "uploads.sqlite").unlink()
    upload(influx_site, client, "250701_031500", ("Old W",), at(30, 0.5))
    run(influx_site)
    assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5, 10: 2.5, 30: 0.5}}
    settings = influx_site.settings()
    files = FileSource(settings, wanted(settings, client, "roof", None, None))
    (frame,) = files.frames()
    assert [channel.name for channel in files.channels] == ["Oven"]
    assert frame[0].tolist() == [1.5, 2.5, 0.5]
