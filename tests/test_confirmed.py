"""What InfluxDB confirmed is counted there a little later; what it lost is stored again."""

from __future__ import annotations

import os
import shutil
import time
from types import SimpleNamespace

import pytest
from faults.proxy import FaultProxy, Request, hand_on
from test_ingest import run, statuses
from test_places import at, held, upload
from test_store import settings_for
from waiting import LONG

from powerview.ingest import confirmed, lane
from powerview.ingest.confirmed import MOST_TRIES
from powerview.ingest.journal import Status
from powerview.ingest.loop import Ingest
from powerview.store import StoreAway, open_store

NAME = "02001283/1 Voie1 W"


@pytest.fixture
def later(monkeypatch):
    """Runs that come so much later that what was confirmed is due."""

    def make(due: bool) -> None:
        monkeypatch.setattr(confirmed, "AFTER_SECONDS", -1 if due else LONG)

    make(True)
    return make


def lose(influx, client: str, first: int, last: int) -> None:
    """InfluxDB loses the minutes from `first` to `last` of what it confirmed."""
    answer = influx.call(
        "POST", f"/api/v2/delete?org={influx.org}&bucket={client}",
        json={"start": f"2025-07-01T10:{first:02}:00Z", "stop": f"2025-07-01T10:{last:02}:00Z"},
    )  # fmt: skip
    assert answer.status_code == 204


def settle_one(influx, site, client: str) -> str:
    """A file with readings at minutes 0, 10 and 20, which InfluxDB confirmed; its path."""
    upload(site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5), at(20, 3.5))
    assert run(site).status == 0
    return f"{client}/roof/02001283/parsed/T_250702_031500.tsv"


@pytest.mark.parametrize("lost", [(0, 20), (10, 10), (20, 20), (0, 0)])
def test_readings_that_influxdb_lost_after_it_confirmed_them_are_stored_again(
    influx, influx_site, client, later, capsys, lost
):
    path = settle_one(influx, influx_site, client)
    lose(influx, client, *lost)
    assert statuses(run(influx_site)) == [(Status.OK, path)]
    assert held(influx, client) == {NAME: {0: 1.5, 10: 2.5, 20: 3.5}}
    assert path in capsys.readouterr().err
    assert statuses(run(influx_site)) == []  # counted once more, and there
    lose(influx, client, 0, 20)
    assert statuses(run(influx_site)) == []  # what was counted is not looked at again


def test_nothing_is_counted_before_it_is_due(influx, influx_site, client, later):
    path = settle_one(influx, influx_site, client)
    lose(influx, client, 10, 20)
    later(False)
    assert statuses(run(influx_site)) == []
    later(True)
    assert statuses(run(influx_site)) == [(Status.OK, path)]


def test_a_clock_that_was_set_back_makes_all_of_it_due(influx, influx_site, client, later, monkeypatch):
    path = settle_one(influx, influx_site, client)
    lose(influx, client, 10, 20)
    later(False)
    an_hour_ago = SimpleNamespace(time=lambda: time.time() - 10 * LONG, monotonic=time.monotonic)
    monkeypatch.setattr(confirmed, "time", an_hour_ago)
    assert statuses(run(influx_site)) == [(Status.OK, path)]


def test_what_a_later_upload_took_from_a_file_is_not_missed(influx, influx_site, client, later, capsys):
    upload(influx_site, client, "250702_031500", ("Voie1 W", "Voie2 W"), at(0, 1.5, 7), at(10, 2.5, 7))
    upload(influx_site, client, "250703_031500", ("Voie1 W",), at(10, 8.5), at(20, 9.5))
    assert run(influx_site).status == 0
    for _ in range(2):  # at most one reading of it again, which changes nothing
        run(influx_site)
    assert statuses(run(influx_site)) == []
    assert held(influx, client) == {NAME: {0: 1.5, 10: 8.5, 20: 9.5}, "02001283/2 Voie2 W": {0: 7}}
    assert "had lost" not in capsys.readouterr().err


def test_a_file_that_later_uploads_cover_whole_is_counted_once(influx, influx_site, client, later):
    labels = ("Voie1 W", "Voie2 W")
    upload(influx_site, client, "250702_031500", labels, at(0, 1.5, 7), at(10, 2.5, 7))
    upload(influx_site, client, "250703_031500", labels[:1], at(0, 8.5), at(10, 9.5))
    run(influx_site)
    assert [path.rsplit("/")[-1] for _, path in statuses(run(influx_site))] == ["T_250702_031500.tsv"]
    assert statuses(run(influx_site)) == []
    assert held(influx, client) == {NAME: {0: 8.5, 10: 9.5}}


def test_a_server_that_loses_them_again_and_again_is_reported_once(influx, influx_site, client, later, monkeypatch):
    path = settle_one(influx, influx_site, client)
    real = Ingest.run

    def loses(self, files, tick):
        real(self, files, tick)
        lose(influx, client, 10, 10)

    monkeypatch.setattr(Ingest, "run", loses)
    lose(influx, client, 10, 10)
    found = [status for _ in range(MOST_TRIES + 3) for status in statuses(run(influx_site))]
    assert found == [(Status.OK, path)] * MOST_TRIES + [(Status.REFUSED, path)]
    assert sum("confirmed its readings" in line for line in influx_site.logged()) == 1


def test_a_file_that_was_taken_away_meanwhile_is_forgotten(influx, influx_site, client, later):
    path = settle_one(influx, influx_site, client)
    lose(influx, client, 0, 20)
    os.rename(influx_site.data / path, influx_site.root / "elsewhere.tsv")
    assert statuses(run(influx_site)) == []
    os.rename(influx_site.root / "elsewhere.tsv", influx_site.data / path)
    assert statuses(run(influx_site)) == []


def test_an_influxdb_that_is_away_when_it_should_be_counted_is_asked_by_the_next_run(
    influx, influx_site, client, later, capsys
):
    path = settle_one(influx, influx_site, client)
    lose(influx, client, 0, 20)
    there = influx_site.environment["INFLUXDB_HOST"]
    influx_site.environment["INFLUXDB_HOST"] = "http://127.0.0.1:9"
    done = run(influx_site)
    assert (done.status, done.outcomes) == (0, [])
    assert "cannot be counted now" in capsys.readouterr().err
    influx_site.environment["INFLUXDB_HOST"] = there
    assert statuses(run(influx_site)) == [(Status.OK, path)]


def test_a_file_that_influxdb_refused_in_part_is_not_stored_again(influx, influx_site, client, later):
    influx.make_bucket(client)
    channel = r"channel=SN:\ 02001283\ -\ Ch:\ Voie1,channel_idx=1,channel_name=Voie1"
    series = f"roof,campaign=roof,{channel},device=02001283,unit=W"
    influx.write(client, f"{series} value=1i 1751364000")
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5))
    assert [status for status, _ in statuses(run(influx_site))] == [Status.ERROR]
    assert statuses(run(influx_site)) == []


def test_the_bucket_of_a_client_who_was_deleted_is_not_made_again(influx, influx_site, client, later):
    settle_one(influx, influx_site, client)
    shutil.rmtree(influx_site.data / client)
    (bucket,) = influx.call("GET", "/api/v2/buckets", params={"name": client}).json()["buckets"]
    influx.call("DELETE", f"/api/v2/buckets/{bucket['id']}")
    assert statuses(run(influx_site)) == []
    assert client not in influx.buckets()


def test_an_influxdb_that_goes_away_while_readings_are_stored_again_leaves_them_pending(
    influx, influx_site, client, later, monkeypatch
):
    upload(influx_site, client, "250703_031500", ("Voie1 W",), at(30, 1.5), at(40, 2.5))
    settle_one(influx, influx_site, client)
    real, sent = Ingest._send, []

    def goes_away(self, claim):
        sent.append(claim.upload.path)
        if len(sent) == 3:
            raise StoreAway("it is gone")
        return real(self, claim)

    monkeypatch.setattr(Ingest, "_send", goes_away)
    lose(influx, client, 0, 59)
    upload(influx_site, client, "250704_031500", ("Voie1 W",), at(50, 1.5))
    done = run(influx_site)
    assert (done.status, len(statuses(done)), done.away) == (75, 1, "it is gone")
    assert influx_site.logged()[-1] == "TIME PENDING 2 files: it is gone"
    monkeypatch.undo()
    monkeypatch.setattr(confirmed, "AFTER_SECONDS", -1)
    assert run(influx_site).status == 0
    assert held(influx, client) == {NAME: {0: 1.5, 10: 2.5, 20: 3.5, 30: 1.5, 40: 2.5, 50: 1.5}}


@pytest.mark.parametrize(("marker", "age", "put_off"), [(True, 0, True), (True, 2 * LONG, False), (False, 0, False)])
def test_counting_and_totals_make_way_for_uploads_that_wait(
    influx, influx_site, client, later, monkeypatch, marker, age, put_off
):
    path = settle_one(influx, influx_site, client)
    lose(influx, client, 0, 20)
    if marker:
        (influx_site.state / "ingest.marker").touch()
    monkeypatch.setattr(lane, "MOST_PUT_OFF", LONG - age)
    assert statuses(run(influx_site)) == ([] if put_off else [(Status.OK, path)])
    (influx_site.state / "ingest.marker").unlink(missing_ok=True)
    assert statuses(run(influx_site)) == ([(Status.OK, path)] if put_off else [])
    assert held(influx, client) == {NAME: {0: 1.5, 10: 2.5, 20: 3.5}}
    totals = 'range(start: 0) |> filter(fn: (r) => r._measurement == "powerview_totals")'
    assert influx.query(f'from(bucket: "{client}") |> {totals}')


@pytest.mark.parametrize("number", [1, 2])
def test_a_first_write_that_influxdb_loses_is_seen_at_once_and_written_again(influx, influx_site, client, number):
    """The first write to a shard, of the readings and of the record of uploads: confirmed, and kept nowhere."""
    influx_site.environment["INFLUXDB_BUCKET"] = f"admin-{client}"
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 2.5), at(20, 3.5))
    writes = []

    def loses_one(request: Request) -> None:
        if request.is_write:
            writes.append(request.path)
            if len(writes) == number:
                request.body()
                return request.answer(204, [], b"")
        return hand_on(request)

    with FaultProxy(influx.url) as between:
        between.plan = loses_one
        influx_site.environment["INFLUXDB_HOST"] = between.url
        done = run(influx_site)
    assert done.status == 0
    assert held(influx, client) == {NAME: {0: 1.5, 10: 2.5, 20: 3.5}}
    record = 'range(start: 0, stop: 2100-01-01T00:00:00Z) |> filter(fn: (r) => r._measurement == "uploads")'
    assert influx.query(f'from(bucket: "admin-{client}") |> {record}')
    assert [path.count(f"bucket=admin-{client}") for path in writes[:3]] == ([0, 0, 1] if number == 1 else [0, 1, 1])


@pytest.mark.parametrize("earlier", [0, 1, 5])
def test_a_record_that_influxdb_loses_is_missed_among_earlier_ones(influx, client, earlier):
    """Only the last record of three is lost, and between them lie those of earlier runs."""

    def record(measurement: str, second: int) -> str:
        return f'{measurement},device={second} readings=1,rows=2,reason="a, b" {1_751_364_000 + second}\n'

    def loses_the_last(request: Request) -> None:
        if not request.is_write:
            return hand_on(request)
        between.plan = hand_on
        body = request.body().decode().replace("000000000\n", "\n")  # seconds again
        influx.write(client, "".join(body.splitlines(keepends=True)[:-1]))
        return request.answer(204, [], b"")

    influx.make_bucket(client)
    influx.write(client, "".join(record(kind, 2 + n) for n in range(earlier) for kind in ("uploads", "fleet")))
    new = record("uploads", 1) + record("uploads", 20) + record("fleet", 20)
    with FaultProxy(influx.url) as between:
        between.plan = loses_the_last
        with open_store(settings_for(between.url, influx.token, INFLUXDB_ORG=influx.org)) as store:
            store.report(client, new.replace("\n", "000000000\n").encode())
    assert between.plan is hand_on
    found = influx.query(f'from(bucket: "{client}") |> range(start: 0) |> filter(fn: (r) => r._field == "rows")')
    assert len(found) == 2 * earlier + 3
