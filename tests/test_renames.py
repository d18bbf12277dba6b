"""When a channel's label changed is in the store, whatever order the files came in and wherever a run ended."""

from __future__ import annotations

import gzip
import sqlite3
from datetime import UTC, datetime

import pandas as pd
import pytest
from faults import proxy as proxies
from faults.proxy import FaultProxy
from master_views import Grafana
from test_ingest import run, statuses
from test_places import at, held, upload
from trees import v002

from powerview.ingest import renames as renames_module
from powerview.ingest.index import UploadIndex
from powerview.ingest.journal import Status
from powerview.ingest.renames import renames_of
from powerview.store.renamed import Renamed

NOON = 1751364000
"""12:00 of 1 July 2025 in Paris, when `at(0, …)` is."""


def renames(influx, client: str) -> list[str]:
    """`device/position unit: before → after minute`, in time."""
    found = []
    for seconds, tags in influx.renames(client):
        assert (tags.pop("campaign"), tags.pop("event")) == ("roof", "renamed")
        place = f"{tags.pop('device')}/{tags.pop('channel_idx')} {tags.pop('unit', '')}".strip()
        found.append(f"{place}: {tags.pop('former')} → {tags.pop('channel_name')} {(seconds - NOON) / 60:g}")
        assert not tags
    return found


def day(site, client: str, number: int, labels: tuple[str, ...], *minutes: int) -> None:
    """The upload of a day of July with a reading at each of these minutes."""
    upload(site, client, f"2507{number:02}_031500", labels, *(at(m, *(m + 0.5 for _ in labels)) for m in minutes))


def test_a_rename_is_dated_by_the_first_reading_under_the_new_label(influx, influx_site, client):
    day(influx_site, client, 2, ("Voie1 W", "Ph 1 V"), 0, 10)
    run(influx_site)
    assert renames(influx, client) == []
    day(influx_site, client, 3, ("Oven W", "Ph 1 V"), 20, 30)
    run(influx_site)
    day(influx_site, client, 4, ("Oven W", "Ph 1 V"), 40)
    run(influx_site)
    assert renames(influx, client) == ["02001283/1 W: Voie1 → Oven 20"]


def test_back_and_forth_are_two(influx, influx_site, client):
    for number, label in enumerate(("Voie1", "Oven", "Voie1", "Voie1"), start=2):
        day(influx_site, client, number, (label,), 10 * number)
    assert run(influx_site).status == 0
    assert renames(influx, client) == ["02001283/1: Voie1 → Oven 30", "02001283/1: Oven → Voie1 40"]


@pytest.mark.parametrize("label", ["Voie1 W", "Oven W", "Between W"])
def test_a_late_file_dates_it_anew(influx, influx_site, client, label):
    day(influx_site, client, 2, ("Voie1 W",), 0, 10)
    day(influx_site, client, 4, ("Oven W",), 40)
    run(influx_site)
    assert renames(influx, client) == ["02001283/1 W: Voie1 → Oven 40"]
    day(influx_site, client, 3, (label,), 20, 30)
    run(influx_site)
    assert (
        renames(influx, client)
        == {
            "Voie1 W": ["02001283/1 W: Voie1 → Oven 40"],
            "Oven W": ["02001283/1 W: Voie1 → Oven 20"],
            "Between W": ["02001283/1 W: Voie1 → Between 20", "02001283/1 W: Between → Oven 40"],
        }[label]
    )


def test_what_is_sent_again_under_a_new_label_had_it_all_the_time(influx, influx_site, client):
    day(influx_site, client, 2, ("Voie1 W",), 0, 10)
    day(influx_site, client, 3, ("Oven W",), 20, 30)
    run(influx_site)
    day(influx_site, client, 4, ("Heater W",), 5, 10, 20, 30, 40)
    run(influx_site)
    assert renames(influx, client) == ["02001283/1 W: Voie1 → Heater 5"]


def test_labels_told_apart_by_their_position_are_no_renames(influx, influx_site, client):
    day(influx_site, client, 2, ("A W", "B W"), 0)
    day(influx_site, client, 3, ("B W", "B W"), 10)
    day(influx_site, client, 4, ("B W",), 20)
    run(influx_site)
    assert {tags["channel"][-5:] for (name, tags_, _) in influx.points(client) if name == "roof"
            for tags in [dict(tags_)]} == {"Ch: B", "B (2)"}  # fmt: skip
    assert renames(influx, client) == ["02001283/1 W: A → B 10"]


def test_another_unit_is_another_place(influx, influx_site, client):
    day(influx_site, client, 2, ("Voie1 W",), 0)
    day(influx_site, client, 3, ("Voie1 V",), 10)
    day(influx_site, client, 4, ("Oven W",), 20)
    run(influx_site)
    assert renames(influx, client) == ["02001283/1 W: Voie1 → Oven 20"]


def test_a_slave_is_renamed_whoever_delivers_it(influx, influx_site, client):
    for number, master, label in ((2, "02001283", "Voie1 W"), (3, "02001300", "Oven W")):
        data = v002(at(10 * number, 1.5), labels=(label,), master=master, devices=("04000466",))
        influx_site.put(f"{client}/roof/{master}/T_25070{number}_031500.tsv", data)
    run(influx_site)
    assert renames(influx, client) == ["04000466/1 W: Voie1 → Oven 30"]


def test_read_again_and_with_nothing_remembered_it_is_the_same(influx, influx_site, client):
    for number, label in enumerate(("Voie1 W", "Oven W", "O\"v${1}e'n=, AND x W"), start=2):
        day(influx_site, client, number, (label,), 10 * number)
    run(influx_site)
    once = renames(influx, client)
    assert len(once) == 2
    run(influx_site, again=True)
    assert renames(influx, client) == once
    (influx_site.state / "uploads.sqlite").unlink()
    influx.call("POST", "/api/v2/delete", params={"bucket": client, "org": influx.org},
                json={"start": "2020-01-01T00:00:00Z", "stop": "2030-01-01T00:00:00Z",
                      "predicate": '_measurement="powerview_events"'})  # fmt: skip
    assert renames(influx, client) == []
    run(influx_site, again=True)
    assert renames(influx, client) == once


def test_files_that_were_put_away_take_no_rename_along(influx, influx_site, client):
    for number, label in enumerate(("A W", "B W", "C W"), start=2):
        day(influx_site, client, number, (label,), 10 * number)
    run(influx_site)
    once = renames(influx, client)
    (influx_site.data / client / "roof/02001283/parsed/T_250702_031500.tsv").unlink()
    day(influx_site, client, 5, ("D W",), 50)
    run(influx_site)
    assert renames(influx, client) == [*once, "02001283/1 W: C → D 50"]


@pytest.mark.parametrize("answer", [(500, "internal error", "cache full"), (422, "unprocessable entity", "never")])
def test_no_file_waits_for_it_and_the_next_run_stores_it(influx, influx_site, client, answer, capsys):
    day(influx_site, client, 2, ("Voie1 W",), 0)
    run(influx_site)
    day(influx_site, client, 3, ("Oven W",), 10)

    def refuse_renames(request) -> None:
        body = request.body()
        hit = b"event=renamed" in (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        (proxies.refuse(*answer) if hit else proxies.hand_on)(request)

    with FaultProxy(influx.url) as between:
        between.plan = refuse_renames
        influx_site.environment["INFLUXDB_HOST"] = between.url
        assert statuses(run(influx_site)) == [(Status.OK, f"{client}/roof/02001283/T_250703_031500.tsv")]
    influx_site.environment["INFLUXDB_HOST"] = influx.url
    assert f"renamed channels of {client}/roof are not all recorded yet" in capsys.readouterr().err
    assert held(influx, client) == {"02001283/1 Oven W": {0: 0.5, 10: 10.5}}
    assert renames(influx, client) == []
    assert run(influx_site).status == 0
    assert renames(influx, client) == ["02001283/1 W: Voie1 → Oven 10"]


@pytest.mark.parametrize("step", ["delete_rename", "write_renames"])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_dies_between_is_made_good(influx, influx_site, client, monkeypatch, step, after):
    day(influx_site, client, 2, ("Voie1 W",), 0)
    day(influx_site, client, 4, ("Oven W",), 20)
    run(influx_site)
    day(influx_site, client, 3, ("Oven W",), 10)
    real = getattr(Renamed, step)

    def dies(*arguments):
        if after:
            real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Renamed, step, dies)
    with pytest.raises(KeyboardInterrupt):
        run(influx_site)
    monkeypatch.undo()
    run(influx_site)
    assert renames(influx, client) == ["02001283/1 W: Voie1 → Oven 10"]


def test_an_index_that_is_lost_just_then_takes_no_rename_along(influx, influx_site, client, monkeypatch):
    for number, label in enumerate(("A W", "B W"), start=2):
        day(influx_site, client, number, (label,), 10 * number)
    run(influx_site)
    once = renames(influx, client)
    day(influx_site, client, 4, ("B W",), 40)

    def lost(index, *_) -> list:
        index._start_anew(sqlite3.OperationalError("database or disk is full"))
        return []

    monkeypatch.setattr(UploadIndex, "wordings", lost)
    assert run(influx_site).status == 0
    assert renames(influx, client) == once


def test_files_of_one_wording_ask_influxdb_nothing(influx, influx_site, client, monkeypatch):
    day(influx_site, client, 2, ("Voie1 W",), 0)
    run(influx_site)
    day(influx_site, client, 3, ("Voie1 W",), 10)
    monkeypatch.setattr(renames_module.Renames, "_try", lambda *_: pytest.fail("asked"))
    assert run(influx_site).status == 0


def wording(first: int, last: int, **labels: str) -> tuple:
    return first, last, [(int(key[1:]), "W", name) for key, name in labels.items()]


@pytest.mark.parametrize(
    ("wordings", "found"),
    [
        ([], []),
        ([wording(0, 9, c1="A")], []),
        ([wording(0, 9, c1="A"), wording(5, 20, c1="B")], [(5, "A", "B")]),
        ([wording(0, 99, c1="A"), wording(40, 60, c1="B")], [(40, "A", "B"), (61, "B", "A")]),
        ([wording(0, 9, c1="A"), wording(10, 19, c2="X"), wording(20, 29, c1="B")], [(20, "A", "B")]),
        ([wording(0, 9, c1="A"), wording(20, 29, c1="B"), wording(0, 19, c1="B")], []),
        ([wording(5, 5, c1="B"), wording(0, 0, c1="A"), wording(5, 5, c1="A")], []),
    ],
)
def test_the_latest_upload_around_a_second_names_it(wordings, found):
    assert [(r.time, r.former, r.name) for r in renames_of("1", wordings)] == found


# ── what the dashboard shows ─────────────────────────────────────────────────────────────────────────────────────────


def panel(influx, client: str, **chosen) -> list[tuple]:
    """The rows of "Channels that changed": input, label, unit, from and to by the minute."""
    rows = Grafana(influx, client, "roof").rows("Channels that changed A", EVER, **chosen)
    minutes = [[(pd.Timestamp(row[key]).timestamp() - NOON) / 60 for key in ("From", "To")] for row in rows]
    return [(r["Place"], r["Label"], r["Unit"], *ends) for r, ends in zip(rows, minutes, strict=True)]


EVER = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)


def test_the_panel_shows_each_label_of_an_input_and_its_time(influx, influx_site, client):
    day(influx_site, client, 2, ("Voie1 W", "Ph 1 V", "Room"), 0, 10)
    day(influx_site, client, 3, ("Oven W", "Ph 1 V", "Cellar"), 20, 30)
    day(influx_site, client, 4, ("Voie1 W", "Ph 1 V", "Cellar"), 40, 50)
    run(influx_site)
    assert panel(influx, client) == [
        ("1", "Voie1", "W", 0, 20),
        ("3", "Room", "", 0, 20),
        ("1", "Oven", "W", 20, 40),
        ("3", "Cellar", "", 20, 50),
        ("1", "Voie1", "W", 40, 50),
    ]
    assert panel(influx, client, device=["02000001"]) == []


def test_the_panel_shows_a_column_that_moved_at_both_inputs(influx, influx_site, client):
    day(influx_site, client, 2, ("Voie1 W", "Voie2 W"), 0, 10)
    day(influx_site, client, 3, ("Voie1 W", "Heater W", "Voie2 W"), 20, 30)
    run(influx_site)
    assert panel(influx, client) == [
        ("2", "Voie2", "W", 0, 20),
        ("2", "Heater", "W", 20, 30),
        ("3", "Voie2", "W", 20, 30),
    ]


def test_two_columns_of_one_label_have_not_changed(influx, influx_site, client):
    day(influx_site, client, 2, ("Voie1 W", "Voie1 W"), 0, 10)
    run(influx_site)
    assert panel(influx, client) == []


def test_a_rename_is_no_restart_on_the_curve(influx, influx_site, client):
    day(influx_site, client, 2, ("Voie1 W",), 0)
    day(influx_site, client, 3, ("Oven W",), 20)
    run(influx_site)
    assert renames(influx, client)
    for annotation in ("annotation Restarts", "annotation Clock not set"):
        assert Grafana(influx, client, "roof").rows(annotation, EVER) == []
