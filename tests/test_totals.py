"""Totals and named channels beside the readings: what plain loops over the files give, whatever happens to files and
sheets."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import make_site
import numpy as np
import pandas as pd
import pytest
from faults import proxy as proxies
from faults.proxy import FaultProxy
from faults.truth import Upload
from faults.truth_totals import Sheet, differences, made_of
from faults.truth_uploads import points_of
from test_ingest import run, statuses
from trees import Site, v002, v003

from powerview.ingest import making, pieces, totals
from powerview.ingest.journal import Status

ROOF = "roof/02001283"
SLAVES = ("02001283", "02001283", "04000001", "04000001")


def put(site: Site, client: str, path: str, content: bytes) -> None:
    site.put(f"{client}/{path}", content)


def day(labels: tuple[str, ...], stamps: Iterator[str], seed: int, *, devices=None, gaps: float = 0.1) -> bytes:
    """A V003 file in UTC whose cells are made up; some are no numbers."""
    dice = random.Random(seed)
    rows = [
        " ".join([stamp, *("-" if dice.random() < gaps else f"{dice.uniform(-900, 2500):.2f}" for _ in labels)])
        for stamp in stamps
    ]
    return v003(*rows, labels=labels, devices=devices, master="02001283")


def stamps(begin: str, count: int, step: int = 600) -> list[str]:
    first = datetime.fromisoformat(begin)
    return [f"{datetime.fromtimestamp(first.timestamp() + i * step, UTC):%d/%m/%y %H:%M:%S}" for i in range(count)]


def sheet(site: Site, client: str, text: str, campaign: str = "roof") -> list[dict[str, str]]:
    """Put a sheet beside a campaign's devices, as SFTPGo does; returns its lines."""
    path = f"{client}/{campaign}/channels.csv"
    site.put(f"{path}.half", text.encode()).rename(site.data / path)
    return list(csv.DictReader(io.StringIO(text)))


def uploads(site: Site, client: str) -> list[Upload]:
    """Every file of a client, wherever it is now."""
    found = []
    for file in (site.data / client).rglob("*.tsv"):
        _, campaign, device, *_, name = file.relative_to(site.data).parts
        found.append(Upload(client, campaign, device, name, file.read_bytes()))
    return found


def check(influx, site: Site, client: str, sheets: dict[str, Sheet] | None = None, zone: str = "Europe/Paris") -> dict:
    """What is made is what the files give; returns it."""
    wanted = points_of(uploads(site, client), zone, datetime.now(UTC))
    readings = {key[1:]: value for key, value in wanted.items()}
    assert influx.points(client) == readings
    made = {(client, *key): value for key, value in influx.made(client).items()}
    by_campaign = {(client, campaign): lines for campaign, lines in (sheets or {}).items()}
    assert differences(made, made_of(wanted, by_campaign, zone)) == []
    with closing(sqlite3.connect(site.state / "uploads.sqlite")) as db:
        assert db.execute("SELECT * FROM mark").fetchall() == []
    return {key[1:]: value for key, value in made.items()}


def figures(made: dict, kind: str = "powerview_totals", tag: str = "figure") -> set[str]:
    return {dict(tags)[tag] for measurement, tags, _ in made if measurement == kind}


def by_window(made: dict) -> dict:
    """What has a value for each ten minutes, and not only where something begins or ends, or for a day."""
    return {key: value for key, value in made.items() if not {("figure", f) for f in FEW} & set(key[1])}


FEW = ("begin", "end", "low")
OF_DEVICES = {"covered", "begin", "end"}
LABELS = ("Meter W", "Oven W", "Solar kW", "Pump W")
EVERYTHING = (
    "device,place,unit,name,role,group,factor\n02001283,1,,,main,,\n02001283,2,,Ovens,part,,\n"
    "04000001,1,,,production,,-1\n04000001,2,,Circulator,hidden,,\n"
)


LATER = f"{ROOF}/T_250704_031500.tsv"


def an_hour(begin: str = "2025-07-03T00:00:00+00:00", count: int = 6) -> bytes:
    return day(LABELS, stamps(begin, count), 3, devices=SLAVES)


@pytest.fixture
def roof(influx, influx_site, client) -> Site:
    """A campaign of two days with gaps."""
    for number, begin in enumerate(("2025-07-01T00:00:00+00:00", "2025-07-02T00:00:00+00:00")):
        content = day(LABELS, stamps(begin, 144), number, devices=SLAVES)
        put(influx_site, client, f"{ROOF}/T_25070{number + 2}_031500.tsv", content)
    assert run(influx_site).status == 0
    return influx_site


# ── without a sheet ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_sheet_every_power_counts_and_nothing_is_named(influx, roof, client):
    made = check(influx, roof, client)
    assert figures(made) == {"total", "drawn", "fed_in", "low", *OF_DEVICES}
    assert {key[0] for key in made} == {"powerview_totals"}


def test_energy_is_what_pandas_makes_of_the_files(influx, roof, client):
    made = check(influx, roof, client)
    rows = [line.split("\t") for u in uploads(roof, client) for line in u.data.decode().splitlines()]
    cells = pd.DataFrame([r[1:] for r in rows if len(r) == 5 and r[0][2:3] == "/"])
    watts = cells.apply(pd.to_numeric, errors="coerce") * [1, 1, 1000, 1]
    totals = {f: sum(v for (_, tags, _), v in made.items() if dict(tags)["figure"] == f) for f in figures(made)}
    assert totals["total"] == pytest.approx(watts.sum().sum(), rel=1e-12)
    assert totals["drawn"] == pytest.approx(watts.sum(axis=1).clip(lower=0).sum(), rel=1e-12)


def test_drawn_less_fed_in_is_the_total_in_every_ten_minutes_exactly(influx, roof, client):
    of = {f: {} for f in ("total", "drawn", "fed_in", "covered")}
    for (_, tags, second), value in by_window(influx.made(client)).items():
        of[dict(tags)["figure"]][second] = value
    assert of["total"]
    assert {second: of["drawn"][second] - of["fed_in"][second] for second in of["total"]} == of["total"]


def test_a_campaign_without_power_has_no_totals(influx, influx_site, client):
    put(influx_site, client, f"{ROOF}/a.tsv", v002("01/07/25 12:00:00 230.5 21.5", labels=("Ph 1 V", "Room °C")))
    assert run(influx_site).status == 0
    assert figures(check(influx, influx_site, client)) == OF_DEVICES


@pytest.mark.parametrize("night", ["2025-03-30", "2025-10-26"])
def test_both_nights_on_which_the_clock_changes(influx, influx_site, client, night):
    zone, first = ZoneInfo("Europe/Paris"), datetime.fromisoformat(f"{night}T00:00:00+00:00").timestamp() - 7200
    local = [f"{datetime.fromtimestamp(first + i * 600, zone):%d/%m/%y %H:%M:%S} {i}.5 -{i}.25" for i in range(60)]
    put(influx_site, client, f"{ROOF}/T_{night[2:].replace('-', '')}_101500.tsv", v002(*local, labels=("a W", "b W")))
    assert run(influx_site).status == 0
    made = check(influx, influx_site, client)
    assert len(by_window(made)) == 4 * 60


class Dies(BaseException):
    """The process ends here."""


ZONES = ["Europe/Paris", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York"]


@pytest.mark.parametrize("zone", ZONES)
def test_each_covered_day_of_a_zone_has_its_low(influx, influx_site, client, zone):
    # Over the changes of the clock in Europe, in America and in Lord Howe, where it is half an hour.
    influx_site.environment["POWERVIEW_TIMEZONE"] = zone
    for begin, count in (("2025-10-01", 1200), ("2025-10-11", 3600), ("2026-03-05", 4700)):
        content = day(("a W", "b W"), stamps(f"{begin}T03:20:00+00:00", count), count)
        put(influx_site, client, f"{ROOF}/T_{begin[2:].replace('-', '')}_031500.tsv", content)
    assert run(influx_site).status == 0
    made = check(influx, influx_site, client, zone=zone)
    assert len([key for key in made if ("zone", zone) in key[1]]) > 55


def test_in_another_zone_days_have_other_lows(influx, roof, client):
    check(influx, roof, client)
    roof.environment["POWERVIEW_TIMEZONE"] = "Asia/Kathmandu"
    assert run(roof).status == 0
    check(influx, roof, client, zone="Asia/Kathmandu")


def test_what_an_update_brings_is_made_once_of_campaigns_without_a_new_upload(influx, roof, client, monkeypatch):
    with closing(sqlite3.connect(roof.state / "uploads.sqlite")) as db:
        db.execute("DROP TABLE ruled")
        ((series,),) = db.execute("SELECT series FROM made").fetchall()
        new = ("figure=begin", "figure=end", "figure=low")
        kept = {text: digest for text, digest in json.loads(series).items() if not any(f in text for f in new)}
        assert len(kept) == 5
        db.execute("UPDATE made SET series=?", (json.dumps(kept),))
        db.commit()
    for figure in FEW:
        influx.call(
            "POST", "/api/v2/delete", params={"org": influx.org, "bucket": client},
            json={"start": "2020-01-01T00:00:00Z", "stop": "2030-01-01T00:00:00Z", "predicate": f'figure="{figure}"'},
        )  # fmt: skip

    def dies(*_: object) -> None:
        raise Dies

    monkeypatch.setattr(making.Beside, "write", dies)
    with pytest.raises(Dies):
        run(roof)
    monkeypatch.undo()
    assert run(roof).status == 0
    check(influx, roof, client)
    roof.environment["INFLUXDB_HOST"] = "http://127.0.0.1:1"
    assert (run(roof).status, run(roof).outcomes) == (0, [])


@pytest.mark.parametrize("hours", [(0, 3, 1), (0, 3, 2), (0, 9, 4), (3, 5, 0)])
def test_a_late_file_moves_where_readings_begin_and_end(influx, influx_site, client, hours):
    for number, hour in enumerate(hours):
        put(influx_site, client, f"{ROOF}/T_25070{9 - number}_031500.tsv", an_hour(f"2025-07-03T0{hour}:00:00+00:00"))
        assert run(influx_site).status == 0
        check(influx, influx_site, client)


def test_a_late_file_makes_a_day_covered_and_one_that_takes_readings_away_uncovers_it(influx, influx_site, client):
    labels, devices = LABELS[:2], SLAVES[:2]

    def lows(number: int, begin: str, count: int, names: tuple[str, ...]) -> int:
        content = day(names, stamps(f"2025-07-{begin}:00+00:00", count), number, devices=devices, gaps=0)
        put(influx_site, client, f"{ROOF}/T_250710_03150{number}.tsv", content)
        assert run(influx_site).status == 0
        return sum(("figure", "low") in tags for _, tags, _ in check(influx, influx_site, client))

    assert lows(0, "01T22:00", 129, labels) == 0
    assert lows(1, "02T21:30", 1, labels) == 1
    assert lows(2, "01T23:00", 2, ("Meter V", "Oven V")) == 0


def test_a_logger_of_one_minute_counts_by_its_means(influx, influx_site, client):
    content = day(("a W", "b W"), stamps("2025-07-01T00:00:00+00:00", 180, 60), 5)
    put(influx_site, client, f"{ROOF}/T_250702_031500.tsv", content)
    run(influx_site)
    assert len(by_window(check(influx, influx_site, client))) == 4 * 18


def test_a_sum_beyond_all_numbers_is_no_value_and_keeps_no_other_from_being_made(influx, influx_site, client, capsys):
    rows = ("01/07/25 00:00:00 1e308 1e308", "01/07/25 00:10:00 1.5 2.5")
    put(influx_site, client, f"{ROOF}/T_250702_031500.tsv", v003(*rows, labels=("A W", "B W"), master="02001283"))
    assert run(influx_site).status == 0
    assert capsys.readouterr().err == ""
    made = by_window(influx.made(client)).items()
    made = {(dict(tags)["figure"], second % 3600): value for (_, tags, second), value in made}
    assert made == {
        ("covered", 0): 2, ("covered", 600): 2, ("total", 600): 4, ("drawn", 600): 4, ("fed_in", 600): 0,
    }  # fmt: skip


def test_two_loggers_in_one_campaign_are_added_up(influx, influx_site, client):
    for master, offset in (("02001283", 0), ("02001300", 3)):
        rows = [f"01/07/25 12:{10 * i + offset:02}:00 {i + offset}.5" for i in range(5)]
        content = v003(*rows, labels=("Voie1 W",), master=master)
        put(influx_site, client, f"roof/{master}/T_250702_031500.tsv", content)
    run(influx_site)
    assert len(by_window(check(influx, influx_site, client))) == 5 * 5


def test_a_logger_file_of_every_sample_gives_what_plain_loops_give(influx, influx_site, client):
    from sample_tree import SAMPLES, serial

    for folder in ("v002", "v003"):
        for file in (SAMPLES / folder).glob("*.tsv"):
            put(influx_site, client, f"{folder}/{serial(file)}/{file.name}", file.read_bytes())
    run(influx_site)
    made = check(influx, influx_site, client)
    assert {dict(tags)["campaign"] for _, tags, _ in made} == {"v002", "v003"}


# ── files come and go ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("by", [None, EVERYTHING])
def test_late_and_renamed_and_moved_columns_and_again(influx, roof, client, by):
    lines = {"roof": sheet(roof, client, by)} if by else {}
    late = day(LABELS[:2], stamps("2025-07-01T06:05:00+00:00", 30), 7, devices=SLAVES[:2])
    put(roof, client, f"{ROOF}/T_250701_235900.tsv", late)
    run(roof)
    check(influx, roof, client, lines)
    renamed = day(
        ("Meter W", "Rack W", "Roof kW", "Pump W"), stamps("2025-07-02T20:00:00+00:00", 60), 8, devices=SLAVES
    )
    put(roof, client, LATER, renamed)
    run(roof)
    check(influx, roof, client, lines)
    moved = day(("Rack W", "Ph 1 V", "Roof kW"), stamps("2025-07-02T22:00:00+00:00", 60), 9, devices=SLAVES[:3])
    put(roof, client, f"{ROOF}/T_250705_031500.tsv", moved)
    run(roof)
    made = check(influx, roof, client, lines)
    assert run(roof, again=True).status == 0
    assert check(influx, roof, client, lines) == made


def test_a_column_that_goes_takes_its_windows_along(influx, influx_site, client):
    rows = [f"01/07/25 12:{10 * i}0:00 {i}.5 3.5".replace("100:", "10:") for i in range(1)]
    put(
        influx_site,
        client,
        f"{ROOF}/T_250702_031500.tsv",
        v002(*rows, "01/07/25 12:10:00 1.5 2.5", labels=("a V", "b W")),
    )
    run(influx_site)
    assert len(by_window(check(influx, influx_site, client))) == 4 * 2
    put(influx_site, client, f"{ROOF}/T_250703_031500.tsv", v002("01/07/25 12:10:00 9.5", labels=("a V",)))
    run(influx_site)
    assert len(by_window(check(influx, influx_site, client))) == 3 + 2


def test_what_is_not_changed_is_not_written_again(influx, roof, client, monkeypatch):
    sheet(roof, client, EVERYTHING)
    run(roof)
    written = []
    real = making.Beside.write

    def write(beside, found):
        times = real(beside, found)
        written.append(
            {dict(each.tags).get("figure") or dict(each.tags)["channel"]: len(t) for each, t in times.items()}
        )
        return times

    monkeypatch.setattr(making.Beside, "write", write)
    run(roof)
    assert written == []
    lines = sheet(roof, client, EVERYTHING.replace("Ovens", "Oven"))
    run(roof)
    assert [list(each) for each in written] == [["Oven"]]
    written.clear()
    check(influx, roof, client, {"roof": lines})
    put(roof, client, LATER, an_hour())
    run(roof)
    # The ten minutes before and behind the hour may begin or end something; then there is the low of its day.
    assert max(written[0].values()) == 7
    assert list(written[1]) == ["low"]
    assert len(written) == 2
    check(influx, roof, client, {"roof": lines})


# ── sheets ───────────────────────────────────────────────────────────────────────────────────────────────────────────

GROUPS = "device,place,unit,name,role,group,factor\n"
SHEETS = [
    EVERYTHING,
    GROUPS + "02001283,1,,,main,All,\n02001283,2,,,main,All,-1\n04000001,1,,,main,All,0.5\n",
    GROUPS + "02001283,1,,,part,Pair,\n04000001,2,,,part,Pair,2\n",
    GROUPS + "02001283,1,,,production,,\n",
    GROUPS + "02001283,1,,,hidden,,\n02001283,2,,,hidden,,\n04000001,1,,,hidden,,\n04000001,2,,,hidden,,\n",
    GROUPS + "02001283,1,,,main,,\n",
    GROUPS,
]


def test_a_file_of_markers_alone_brings_its_labels_to_what_is_shown(influx, roof, client):
    lines = sheet(roof, client, "device,place,role\n02001283,1,main\n")
    assert run(roof).status == 0
    check(influx, roof, client, {"roof": lines})
    labels = ("Grid W", *LABELS[1:])
    put(roof, client, LATER, v003("03/07/25 00:00:00 0 0 0 0", labels=labels, devices=SLAVES, master="02001283"))
    assert run(roof).status == 0
    made = check(influx, roof, client, {"roof": lines})
    assert "SN: 02001283 - Ch: Grid" in figures(made, "powerview_channels", "channel")


@pytest.mark.slow
def test_sheets_one_after_another_and_none(influx, roof, client):
    for text in [*SHEETS, *reversed(SHEETS[:3])]:
        lines = sheet(roof, client, text)
        assert run(roof).status == 0
        check(influx, roof, client, {"roof": lines})
    (roof.data / client / "roof/channels.csv").unlink()
    run(roof)
    made = check(influx, roof, client)
    assert figures(made) == {"total", "drawn", "fed_in", "low", *OF_DEVICES}


@pytest.mark.slow
def test_the_bakery_has_the_figures_that_its_generator_knows(influx, influx_site, client):
    site = make_site.make_site()
    make_site.write_files(site, influx_site.data)
    (influx_site.data / make_site.CLIENT).rename(influx_site.data / client)
    beside = influx_site.data / client / make_site.CAMPAIGN / "channels.csv"
    shutil.copyfile(make_site.SHEET, beside)
    assert run(influx_site).status == 0
    truth = make_site.true_figures(site)
    kwh: dict[str, dict] = {}
    for (_, tags, second), watts in by_window(influx.made(client)).items():
        known = dict(tags)
        if known.get("unit", "W") == "W":
            name = known.get("figure") or known["channel"].rsplit("Ch: ", 1)[-1]
            date = datetime.fromtimestamp(second, make_site.ZONE).date()
            of = kwh.setdefault(name.replace("_", " "), {})
            of[date] = of.get(date, 0) + watts / 6000
    assert set(kwh) - set(truth) == {"total", "parts", "covered"}
    for name in truth:
        np.testing.assert_allclose([kwh[name][date] for date in truth.index], truth[name], atol=1e-6, err_msg=name)
    net = sum(kwh["total"].values())
    assert sum(kwh["drawn"].values()) - sum(kwh["fed in"].values()) == pytest.approx(net, abs=1e-9)


def test_a_clamp_that_appears_later_counts_from_then_on_and_in_a_group_everywhere(influx, influx_site, client):
    lines = sheet(influx_site, client, GROUPS + "02001283,1,,,main,M,\n02001283,3,,,main,M,\n02001283,2,,Oven,,,\n")
    first = day(("a W", "b W"), stamps("2025-07-01T00:00:00+00:00", 12), 1)
    put(influx_site, client, f"{ROOF}/T_250701_121500.tsv", first)
    run(influx_site)
    check(influx, influx_site, client, {"roof": lines})
    second = day(("a W", "b W", "c W", "d W"), stamps("2025-07-01T01:30:00+00:00", 12), 2)
    put(influx_site, client, f"{ROOF}/T_250701_131500.tsv", second)
    run(influx_site)
    made = check(influx, influx_site, client, {"roof": lines})
    assert min(second for _, _, second in made if ("channel", "M") in _) >= 1_751_332_800


def test_a_sheet_that_changes_while_files_arrive(influx, roof, client):
    for number, text in enumerate(SHEETS[:4]):
        lines = sheet(roof, client, text)
        content = day(LABELS, stamps(f"2025-07-0{number + 3}T00:00:00+00:00", 20), number, devices=SLAVES)
        put(roof, client, f"{ROOF}/T_25070{number + 4}_031500.tsv", content)
        run(roof)
        check(influx, roof, client, {"roof": lines})


def test_names_that_two_things_share_are_made_unique(influx, roof, client):
    sheet(roof, client, GROUPS + "02001283,1,,X,,,\n02001283,2,,X,,,\n04000001,1,,X,,,\n04000001,2,,,,X,\n")
    run(roof)
    assert figures(influx.made(client), "powerview_channels", "channel") == {
        "X", "X (02001283)", "X (04000001)", "X (04000001 2)"
    }  # fmt: skip


HOSTILE = ['a"b', "${v.x}", "c=d, e", "{{ 7*7 }}", "é’ü"]


def test_names_that_mean_something_to_flux_or_line_protocol_are_written_and_removed_as_they_are(
    influx, influx_site, client
):
    labels = [f"{name} W" for name in ("a", "b", "c", "d", "e")]
    put(
        influx_site, client, f"{ROOF}/T_250702_031500.tsv", v002("01/07/25 12:00:00 1.5 2.5 3.5 4.5 5.5", labels=labels)
    )
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["device", "place", "name"])
    writer.writerows(["02001283", i, name] for i, name in enumerate(HOSTILE, 1))
    lines = sheet(influx_site, client, text.getvalue())
    run(influx_site)
    assert figures(check(influx, influx_site, client, {"roof": lines}), "powerview_channels", "channel") == set(HOSTILE)
    lines = sheet(influx_site, client, "device,place,name\n02001283,1,Plain\n")
    run(influx_site)
    made = check(influx, influx_site, client, {"roof": lines})
    assert "Plain" in figures(made, "powerview_channels", "channel")


def test_a_thing_without_a_unit_goes_without_its_namesake_with_one(influx, influx_site, client):
    labels = ("Index", "Oven W")
    put(influx_site, client, f"{ROOF}/T_250702_031500.tsv", v002("01/07/25 12:00:00 1.5 2.5", labels=labels))
    lines = sheet(influx_site, client, "device,place,name\n02001283,1,X\n")
    run(influx_site)
    check(influx, influx_site, client, {"roof": lines})
    lines = sheet(influx_site, client, "device,place,name,role\n02001283,1,,hidden\n02001283,2,X,\n")
    run(influx_site)
    check(influx, influx_site, client, {"roof": lines})


# ── whatever fails ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_remembered_may_be_lost_and_a_sweep_makes_it_anew(influx, roof, client):
    lines = sheet(roof, client, EVERYTHING)
    run(roof)
    (roof.state / "uploads.sqlite").unlink()
    influx.call(
        "POST", "/api/v2/delete", params={"org": influx.org, "bucket": client},
        json={"start": "2020-01-01T00:00:00Z", "stop": "2030-01-01T00:00:00Z",
              "predicate": '_measurement="powerview_totals"'},
    )  # fmt: skip
    assert statuses(run(roof)) == []
    check(influx, roof, client, {"roof": lines})


def test_a_bucket_that_somebody_deleted_is_not_made_again_for_a_sheet(influx, roof, client):
    [found] = influx.call("GET", "/api/v2/buckets", params={"name": client}).json()["buckets"]
    influx.call("DELETE", f"/api/v2/buckets/{found['id']}")
    sheet(roof, client, EVERYTHING)
    assert run(roof).status == 0
    assert client not in influx.buckets()
    put(roof, client, LATER, an_hour())
    assert run(roof).status == 0
    assert len(influx.made(client)) > 0


def test_a_campaign_that_was_renamed_has_its_totals_once_its_files_are_read_again(influx, roof, client):
    (roof.data / client / "roof").rename(roof.data / client / "yard")
    run(roof)
    assert run(roof, again=True).status == 0
    assert {dict(tags)["campaign"] for _, tags, _ in influx.made(client)} == {"roof", "yard"}


@pytest.mark.parametrize("kind", ["query", "write", "delete"])
def test_an_influxdb_that_refuses_totals_costs_one_line_and_the_next_run_makes_them(influx, roof, client, kind, capsys):
    lines = sheet(roof, client, EVERYTHING)
    run(roof)
    lines = sheet(roof, client, SHEETS[2])
    put(roof, client, LATER, an_hour())
    refused = proxies.refuse(500, "internal error", "engine: cache full")

    def plan(request: proxies.Request) -> None:
        ours = f"/api/v2/{kind}" in request.path and b"powerview_" in request.body()
        (refused if ours else proxies.hand_on)(request)

    with FaultProxy(influx.url) as between:
        between.plan = plan
        roof.environment["INFLUXDB_HOST"] = between.url
        assert (Status.OK, f"{client}/{LATER}") in statuses(run(roof))
    said = capsys.readouterr().err.splitlines()
    assert [
        line for line in said if line.startswith(f"totals of {client}/roof are not up to date; the next run")
    ] == said
    assert len(said) == 1
    roof.environment["INFLUXDB_HOST"] = influx.url
    assert run(roof).status == 0
    check(influx, roof, client, {"roof": lines})


def test_what_takes_long_is_announced_until_all_of_it_is_there(influx, roof, client, monkeypatch):
    monkeypatch.setattr(pieces, "MOST_VALUES", 300)
    seen = []
    real = making.Beside.counts

    def counts(beside, *arguments):
        seen.append("being_made" in figures(influx.made(client)))
        return real(beside, *arguments)

    monkeypatch.setattr(making.Beside, "counts", counts)
    lines = sheet(roof, client, EVERYTHING)
    run(roof)
    assert len(seen) > 3
    assert all(seen)
    check(influx, roof, client, {"roof": lines})
    seen.clear()
    put(roof, client, LATER, an_hour())
    run(roof)
    assert seen
    assert not any(seen)  # it is made for some minutes, in a moment


def test_no_low_is_there_while_the_totals_of_a_campaign_become_others(influx, roof, client, monkeypatch):
    assert "low" in figures(influx.made(client))
    seen = []
    real = making.Beside.write

    def write(beside, found):
        seen.append("low" in figures(influx.made(client)))
        return real(beside, found)

    monkeypatch.setattr(making.Beside, "write", write)
    lines = sheet(roof, client, EVERYTHING)
    run(roof)
    assert seen == [False, False]  # the totals, then the lows
    check(influx, roof, client, {"roof": lines})


def test_a_sheet_that_is_in_force_in_a_moment_is_not_announced(influx, roof, client, monkeypatch):
    written = []
    real = making.Beside.write
    monkeypatch.setattr(making.Beside, "write", lambda *a: written.append(real(*a)) or written[-1])
    lines = sheet(roof, client, EVERYTHING)
    run(roof)
    assert not any("being_made" in each.text for found in written for each in found)
    check(influx, roof, client, {"roof": lines})


@pytest.mark.parametrize("most", [150_000, 300], ids=["one piece", "pieces"])
@pytest.mark.parametrize("step", range(10))
def test_a_run_that_dies_at_any_step_is_made_good_by_the_next(influx, roof, client, monkeypatch, step, most):
    monkeypatch.setattr(pieces, "MOST_VALUES", most)
    sheet(roof, client, EVERYTHING)
    run(roof)
    lines = sheet(roof, client, SHEETS[(1, 2, 5)[step % 3]])
    put(roof, client, LATER, an_hour("2025-07-02T12:00:00+00:00", 90))
    left = [step]

    def dying(real, *, after: bool):
        def call(*arguments, **named):
            if not after and left[0] == 0:
                raise Dies
            left[0] -= 1
            found = real(*arguments, **named)
            if after and left[0] < 0:
                raise Dies
            return found

        return call

    for owner, name in ((making.Beside, "write"), (making.Beside, "delete"), (making.Beside, "delete_channels"),
                        (making.Beside, "keep_only"), (totals.Marks, "add"), (totals.Marks, "remember"),
                        (totals.Marks, "remove")):  # fmt: skip
        monkeypatch.setattr(owner, name, dying(getattr(owner, name), after=bool(step % 2)))
    try:
        run(roof)
    except Dies:
        pass
    monkeypatch.undo()
    assert run(roof).status == 0
    check(influx, roof, client, {"roof": lines})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_any_history_is_what_plain_loops_make_of_files_and_sheets(influx, influx_site, client, seed, monkeypatch):
    dice = random.Random(seed)
    monkeypatch.setattr(pieces, "MOST_VALUES", dice.choice([40, 400, 150_000]))
    lines: dict[str, Sheet] = {}
    for number in range(8):
        for campaign in ("roof", "yard"):
            begin = f"2025-07-0{dice.randint(1, 4)}T{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:00+00:00"
            labels = dice.sample([*LABELS, "Ph 1 V", "Index"], 4)
            content = day(
                tuple(labels), stamps(begin, dice.randint(1, 80), dice.choice([60, 600])), number, devices=SLAVES
            )
            name = f"T_2507{dice.randint(10, 19)}_0315{number:02}.tsv"
            put(influx_site, client, f"{campaign}/02001283/{name}", content)
            if dice.random() < 0.5:
                lines[campaign] = sheet(influx_site, client, dice.choice(SHEETS), campaign)
        run(influx_site)
        if dice.random() < 0.3:
            (influx_site.state / "uploads.sqlite").unlink()
        elif dice.random() < 0.5:
            check(influx, influx_site, client, lines)
    run(influx_site)
    check(influx, influx_site, client, lines)


def test_what_influxdb_confirmed_and_does_not_have_is_written_again(influx, roof, client, monkeypatch):
    lines = sheet(roof, client, EVERYTHING)
    lost = []
    real = making.Beside.write

    def loses(beside, found):
        if lost:
            return real(beside, found)
        found = [(each, values) for each, values in found]
        lost.append(len(found))
        real(beside, found[1:])
        return {each: times for each, (times, _) in found}

    monkeypatch.setattr(making.Beside, "write", loses)
    run(roof)
    assert lost
    check(influx, roof, client, {"roof": lines})


def test_marks_that_a_power_cut_took_along_are_made_again_with_what_is_not_remembered(
    influx, roof, client, monkeypatch
):
    before = (roof.state / "uploads.sqlite").read_bytes()
    put(roof, client, LATER, an_hour())
    monkeypatch.setattr(totals.Totals, "make", lambda *_: None)
    run(roof)
    monkeypatch.undo()
    (roof.state / "uploads.sqlite-wal").unlink(missing_ok=True)
    (roof.state / "uploads.sqlite").write_bytes(before)
    put(roof, client, f"{ROOF}/T_250705_031500.tsv", an_hour("2025-07-04T00:00:00+00:00"))
    run(roof)
    check(influx, roof, client)


def test_a_long_run_makes_totals_on_its_way(influx, influx_site, client, monkeypatch):
    monkeypatch.setattr(totals, "EVERY_SECONDS", -1)
    made = []
    real = totals.Totals.make
    monkeypatch.setattr(totals.Totals, "make", lambda *arguments: made.append(len(arguments)) or real(*arguments))
    for number in (1, 2, 3):
        content = an_hour(f"2025-07-0{number}T00:00:00+00:00")
        put(influx_site, client, f"{ROOF}/T_25070{number + 1}_031500.tsv", content)
    run(influx_site)
    assert made == [2, 2, 2, 3]
    check(influx, influx_site, client)


def test_what_was_never_made_waits_when_a_run_takes_long_and_new_readings_do_not(influx, roof, client, monkeypatch):
    put(roof, client, "yard/02001283/T_250702_031500.tsv", an_hour())
    run(roof)
    (roof.state / "uploads.sqlite").unlink()
    put(roof, client, LATER, an_hour("2025-07-04T00:00:00+00:00"))
    monkeypatch.setattr(totals, "MOST_SECONDS", -1)
    run(roof)
    with closing(sqlite3.connect(roof.state / "uploads.sqlite")) as db:
        assert db.execute("SELECT campaign FROM made").fetchall() == [("roof",)]
    monkeypatch.undo()
    run(roof)
    with closing(sqlite3.connect(roof.state / "uploads.sqlite")) as db:
        assert db.execute("SELECT campaign FROM made").fetchall() == [("roof",), ("yard",)]
    check(influx, roof, client)


def test_a_campaign_whose_totals_cannot_be_made_keeps_no_other_from_them(influx, roof, client, capsys):
    sheet(roof, client, EVERYTHING)
    run(roof)
    (roof.state / "channels" / client / "roof.csv").write_bytes(b"broken")
    for campaign in ("roof", "yard", "attic"):
        put(roof, client, f"{campaign}/02001283/T_250704_031500.tsv", an_hour())
    assert run(roof).status == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in said] == [
        f"totals of {client}/roof are not up to date; the next run makes them"
    ]
    made = {dict(tags)["campaign"] for _, tags, second in influx.made(client) if second >= 1_751_500_800}
    assert made == {"yard", "attic"}


def test_a_sweep_with_nothing_to_do_asks_influxdb_nothing(influx, roof, client):
    sheet(roof, client, EVERYTHING)
    run(roof)
    roof.environment["INFLUXDB_HOST"] = "http://127.0.0.1:1"
    assert (run(roof).status, run(roof).outcomes) == (0, [])


def test_line_protocol_files_and_dry_runs_have_no_totals(site):
    site.put(f"acme/{ROOF}/a.tsv", v002("01/07/25 12:00:00 1.5", labels=("a W",)))
    assert site.run("--dry-run").returncode == 0
    assert run(site).status == 0
    assert [line.split(",")[0] for line in site.stored("acme")] == ["roof"]
    with closing(sqlite3.connect(site.state / "uploads.sqlite")) as db:
        assert db.execute("SELECT * FROM mark").fetchall() == []
