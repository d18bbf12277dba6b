"""What is remembered of uploads may be lost at any moment, and a process may die at any moment: no reading is wrong."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from test_ingest import run
from test_places import at, held, upload
from trees import Site, v002

from powerview.inbox import Claim, Upload
from powerview.ingest.index import UploadIndex
from powerview.ingest.loop import Ingest
from powerview.mv2 import Channel

SLAVE = "04000466"
CHANNEL = Channel(1, "02001283", "Voie1", "W", "SN: 02001283 - Ch: Voie1")


def through(site: Site, client: str, master: str, name: str, label: str, *rows: str) -> Path:
    """An upload of the slave's readings through one of its masters."""
    data = v002(*rows, labels=(label,), master=master, devices=(SLAVE,))
    return site.put(f"{client}/roof/{master}/T_{name}.tsv", data)


def settled(number: int) -> Upload:
    return Upload("client", "roof", "02001283", f"T_250702_{number:06d}.tsv", "parsed")


WRITES_AND_DIES = """
import os, signal, sys
from pathlib import Path
from test_index import CHANNEL, settled
from powerview.inbox import upload_order
from powerview.ingest.index import Span, UploadIndex
index = UploadIndex(Path(sys.argv[1]))
for number in range(300):
    index.remember(settled(number), upload_order(settled(number)), Span(number * 7919 % 3000, 3000, (CHANNEL,)))
index._db.execute("PRAGMA cache_size=1")  # what is changed goes to the disk before it is all there
for number in range(10_000, 16_000):
    index._db.execute(
        "INSERT INTO stretch VALUES ('client','roof','02001283',?,?,?,'02001283','parsed',?)",
        (number % 20, number * 7919 % 3000, number, settled(number).name.encode() * 3),
    )
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_damaged_file_of_which_sqlite_quotes_bytes_that_are_no_text_is_begun_anew(tmp_path):
    with closing(UploadIndex(tmp_path)) as index:
        index.remember_whole("client", "roof")
    file = tmp_path / "uploads.sqlite"
    file.write_bytes(file.read_bytes().replace(b"CREATE TABLE stretch", b"CREATE TABL\xe3 stretch"))
    with closing(UploadIndex(tmp_path)) as index:
        assert (index.is_whole("client", "roof"), index.lasts) == (False, True)
        index.remember_whole("client", "roof")
        assert index.is_whole("client", "roof")


def test_a_process_that_is_killed_while_it_writes_damages_nothing(tmp_path):
    here = Path(__file__).resolve().parent
    paths = {"PYTHONPATH": f"{here}:{here.parent}"}
    ended = subprocess.run([sys.executable, "-c", WRITES_AND_DIES, tmp_path], env=paths)
    assert ended.returncode == -signal.SIGKILL
    with closing(UploadIndex(tmp_path)) as index:
        assert index._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert index.known(settled(0).folder) == {("parsed", settled(number).name) for number in range(300)}
        assert index.overlapping("client", "roof", ["02001283"], 3000, 3000) == [settled(n) for n in range(300)]


def test_a_disk_that_gets_full_in_the_middle_of_a_run_costs_no_later_reading(influx, influx_site, client, monkeypatch):
    upload(influx_site, client, "250705_031500", ("Oven W",), at(0, 5.5), at(10, 5.5), at(20, 5.5))
    run(influx_site)
    for day in (2, 3, 4):
        upload(influx_site, client, f"25070{day}_031500", ("Voie1 W",), at(10, float(day)), at(30 + day, float(day)))
    real, full = UploadIndex.remember, []

    def remember(index, *arguments):
        if not full:
            full.append(index._start_anew(sqlite3.OperationalError("database or disk is full")))
        real(index, *arguments)

    monkeypatch.setattr(UploadIndex, "remember", remember)
    monkeypatch.setattr("powerview.ingest.loop.IN_FLIGHT", 0)
    assert run(influx_site).status == 0
    assert held(influx, client) == {
        "02001283/1 Oven W": {0: 5.5, 10: 5.5, 20: 5.5, 32: 2.0, 33: 3.0, 34: 4.0},
    }


def test_a_disk_that_is_full_when_the_index_is_asked_costs_no_later_reading(influx, influx_site, client, monkeypatch):
    upload(influx_site, client, "250705_031500", ("Oven W",), at(0, 5.5), at(10, 5.5))
    run(influx_site)
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(10, 2.5), at(30, 2.5))
    real, full = UploadIndex.rows, []

    def ask(index, query, values):
        if "FROM stretch" in query and "BETWEEN" in query and not full:
            full.append(index._start_anew(sqlite3.OperationalError("disk I/O error")))
            return []
        return real(index, query, values)

    monkeypatch.setattr(UploadIndex, "rows", ask)
    assert run(influx_site).status == 0
    assert full
    assert held(influx, client) == {"02001283/1 Oven W": {0: 5.5, 10: 5.5, 30: 2.5}}


@pytest.mark.parametrize("lost", [False, True])
def test_a_slave_that_delivered_through_another_master_is_known(influx, influx_site, client, lost):
    through(influx_site, client, "02001283", "250705_031500", "Oven W", at(0, 5.5), at(10, 5.5))
    run(influx_site)
    if lost:
        (influx_site.state / "uploads.sqlite").unlink()
    through(influx_site, client, "02001300", "250702_031500", "Voie1 W", at(10, 2.5), at(20, 2.5))
    run(influx_site)
    assert held(influx, client) == {f"{SLAVE}/1 Oven W": {0: 5.5, 10: 5.5, 20: 2.5}}


def test_a_run_that_dies_as_it_moves_a_file_leaves_it_known_to_other_folders(influx, influx_site, client, monkeypatch):
    through(influx_site, client, "02001300", "250701_031500", "Voie1 W", at(50, 1.5))
    run(influx_site)
    through(influx_site, client, "02001283", "250705_031500", "Oven W", at(0, 5.5), at(10, 5.5))
    real = Claim.to_parsed

    def dies(claim):
        real(claim)
        raise KeyboardInterrupt

    monkeypatch.setattr(Claim, "to_parsed", dies)
    with pytest.raises(KeyboardInterrupt):
        run(influx_site)
    monkeypatch.undo()
    through(influx_site, client, "02001300", "250702_031500", "Voie1 W", at(10, 2.5), at(20, 2.5))
    run(influx_site)
    assert held(influx, client) == {f"{SLAVE}/1 Oven W": {0: 5.5, 10: 5.5, 20: 2.5, 50: 1.5}}


@pytest.mark.parametrize("step", [(Claim, "to_parsed"), (Ingest, "_settle")])
def test_what_a_run_stored_and_did_not_settle_is_overtaken_by_a_later_upload(
    influx, influx_site, client, monkeypatch, step
):
    upload(influx_site, client, "250701_031500", ("A W",), at(50, 0.5))
    run(influx_site)
    rows = (at(minute, 1.5, 1.5, 1.5) for minute in (0, 10, 20))
    file = upload(influx_site, client, "250702_031500", ("A W", "B W", "C W"), *rows)

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(*step, dies)
    with pytest.raises(KeyboardInterrupt):
        run(influx_site)
    monkeypatch.undo()
    kept = file.rename(influx_site.root / file.name)  # it cannot be read now: it is in error/, say
    upload(influx_site, client, "250703_031500", ("A W", "B W"), at(10, 2.5, "-"), at(20, 2.5, 2.5))
    run(influx_site)
    kept.rename(file)
    run(influx_site)
    assert held(influx, client) == {
        "02001283/1 A W": {0: 1.5, 10: 2.5, 20: 2.5, 50: 0.5},
        "02001283/2 B W": {0: 1.5, 20: 2.5},
        "02001283/3 C W": {0: 1.5},
    }


def test_an_index_of_yesterday_does_not_hide_what_todays_run_made_in_the_store(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5), at(10, 1.5))
    run(influx_site)
    yesterdays = (influx_site.state / "uploads.sqlite").read_bytes()
    upload(influx_site, client, "250703_031500", ("Oven W",), at(20, 2.5))
    run(influx_site)
    (influx_site.state / "uploads.sqlite").write_bytes(yesterdays)
    upload(influx_site, client, "250704_031500", ("Heater W",), at(30, 3.5))
    run(influx_site)
    assert held(influx, client) == {"02001283/1 Heater W": {0: 1.5, 10: 1.5, 20: 2.5, 30: 3.5}}


def test_an_index_of_yesterday_does_not_hide_what_came_through_another_master_today(influx, influx_site, client):
    through(influx_site, client, "02001283", "250701_031500", "Voie1 W", at(0, 1.5))
    through(influx_site, client, "02001300", "250702_031500", "Voie1 W", at(10, 2.5))
    run(influx_site)
    yesterdays = (influx_site.state / "uploads.sqlite").read_bytes()
    through(influx_site, client, "02001300", "250705_031500", "Oven W", at(20, 5.5), at(30, 5.5))
    run(influx_site)
    (influx_site.state / "uploads.sqlite").write_bytes(yesterdays)
    through(influx_site, client, "02001283", "250704_031500", "Heater W", at(30, 4.5), at(40, 4.5))
    run(influx_site)
    assert held(influx, client) == {f"{SLAVE}/1 Oven W": {0: 1.5, 10: 2.5, 20: 5.5, 30: 5.5, 40: 4.5}}


def test_the_label_of_a_file_with_markers_alone_is_the_latest_in_any_order(influx, influx_site, client):
    upload(influx_site, client, "250703_031500", ("Oven W",), at(30, 0))
    run(influx_site)
    upload(influx_site, client, "250702_031500", ("Voie1 W",), at(0, 1.5))
    run(influx_site)
    assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5}}


def test_a_file_that_goes_to_error_is_remembered_there_and_nowhere_else(site):
    whole = v002("01/07/25 12:00:00 1.5 2.5")
    site.put("acme/roof/02001283/T_250702_031500.tsv", whole + v002("01/07/25 13:00:00 1.5", labels=("Oven W",)))
    assert run(site).status == 1
    with closing(UploadIndex(site.state)) as index:
        assert index.known(("acme", "roof", "02001283")) == {("error", "T_250702_031500.tsv")}


def test_a_file_sent_again_after_one_of_its_name_went_to_error_brings_its_own_labels(influx, influx_site, client):
    name = f"{client}/roof/02001283/T_250702_031500.tsv"
    half = v002(at(0, 1.5), at(10, 1.5), labels=("Voie1 W",))
    influx_site.put(name, half + v002(at(20, 1.5), labels=("Other W",)))
    assert run(influx_site).status == 1
    influx_site.put(name, v002(at(10, 2.5), labels=("Oven W",)))
    assert run(influx_site).status == 0
    assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5, 10: 2.5}}


def test_a_series_that_was_moved_into_one_that_was_there_is_remembered_no_more(influx, influx_site, client):
    upload(influx_site, client, "250702_031500", ("Oven W",), at(0, 1.5))
    run(influx_site)
    old = r"channel=SN:\ 02001283\ -\ Ch:\ Voie1,channel_idx=1,channel_name=Voie1,device=02001283,unit=W"
    influx.write(client, f"roof,campaign=roof,{old} value=2.5 1751364600")
    run(influx_site, again=True)
    assert held(influx, client) == {"02001283/1 Oven W": {0: 1.5, 10: 2.5}}
    with closing(UploadIndex(influx_site.state)) as index:
        assert [name for _, _, name, _ in index.series(client, "roof", "02001283")] == ["Oven"]
