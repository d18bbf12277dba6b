"""The loop: claim, read, encode, store, settle."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import golden
import pytest
from sample_tree import CAMPAIGNS, lay_out
from trees import ROOT, Site, day_rows, snapshot, v002, v003
from waiting import LONG, wait_until

from powerview import ingest, mv2
from powerview.inbox import Inbox, Refusal, Upload
from powerview.ingest import late
from powerview.ingest.journal import Status
from powerview.ingest.state import InHand, Reported
from powerview.settings import SettingsError
from powerview.store import FileStore, StoreAway, open_store

DEVICE = "acme/roof/02001283"
ONE = "01/07/25 12:00:00"


def run(
    site: Site, *, again: bool = False, files: list[Path] | None = None, store=None, settle: bool = True
) -> ingest.Result:
    """One run over the tree; `store` in place of the one that the settings name."""
    settings = site.settings()
    tree = Inbox(site.data, settings.influxdb_bucket)
    uploads, refusals = ingest.choose(tree, again=again, files=files)
    opened = (lambda: nullcontext(store)) if store else (lambda: open_store(settings))
    parsed = tree.folders_with_parsed
    return ingest.run(
        settings, uploads, refusals, opened, parsed=parsed, again=again, every=files is None, own_tree=True
    )


def statuses(done: ingest.Result) -> list[tuple[str, str]]:
    return [(outcome.status, outcome.path) for outcome in done.outcomes]


def values(site: Site, client: str = "acme") -> dict[tuple[str, str], str]:
    """What a database would hold that took the client's line protocol file: the last write of a point stands."""
    split = [line.rsplit(" ", 2) for line in site.stored(client)]
    return {(series, seconds): value for series, value, seconds in split}


def first_values(site: Site) -> list[str]:
    """The values of the first channel, by time."""
    found = values(site)
    return [
        found[key].split("=")[1] for key in sorted(found, key=lambda key: int(key[1])) if "channel_idx=1," in key[0]
    ]


# ── the samples, in a real InfluxDB ──────────────────────────────────────────────────────────────────────────────────


def as_stored(points: golden.Points) -> dict[tuple, float]:
    """Points of an expected file in the form of InfluxServer.points."""
    return {(*_parsed(series), seconds): float(value) for (series, seconds), value in points.items()}


def _parsed(series: str) -> tuple[str, tuple]:
    measurement, *pairs = series.replace("\\ ", "\0").split(",")
    return measurement, tuple(tuple(pair.replace("\0", " ").split("=")) for pair in pairs)


def rename_campaign(key: tuple, campaign: str) -> tuple:
    measurement, tags, seconds = key
    renamed = tuple((k, campaign if k == "campaign" else v) for k, v in tags)
    return campaign if measurement == golden.CAMPAIGN else measurement, renamed, seconds


def expected_in(folder: str, campaign: str) -> dict[tuple, float]:
    """What all samples of a folder say together, the later upload standing where two speak of one reading."""
    found: dict[tuple, float] = {}
    samples = [s for s in golden.samples() if s.parent.name == folder]
    for sample in sorted(samples, key=lambda s: s.name.split("_", 1)[1]):
        points = golden.expected_points(golden.expected_file(sample).read_text(encoding="utf-8"))
        found |= {rename_campaign(key, campaign): value for key, value in as_stored(points).items()}
    return found


@pytest.fixture(scope="module")
def stored_samples(influx, tmp_path_factory):
    """A site whose uploads are the samples, stored once in a real InfluxDB, and the clients that hold them."""
    site = Site(
        tmp_path_factory.mktemp("samples"),
        {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token, "INFLUXDB_ORG": influx.org},
    )
    lay_out(site.data)
    for client in [c for c, _ in CAMPAIGNS.values()]:
        (site.data / client).rename(site.data / f"{client}-samples")
    before = site.files()
    return site, before, run(site)


def test_the_samples_stand_in_influxdb_as_their_expected_files_say(influx, stored_samples):
    for folder, (client, campaign) in CAMPAIGNS.items():
        assert influx.points(f"{client}-samples") == expected_in(folder, campaign)


def test_each_sample_is_settled_with_its_bytes(stored_samples):
    site, before, done = stored_samples
    unreadable = {"T302_260109_120045.tsv", "T302_260109_133915.tsv"}
    expected = {}
    for path, content in before.items():
        folder, name = path.rsplit("/", 1)
        expected[f"{folder}/{'error' if name in unreadable else 'parsed'}/{name}"] = content
    after = site.files()
    reasons = {path for path in after if path.endswith(".reason.txt")}
    assert {path: content for path, content in after.items() if path not in reasons} == expected
    assert {Path(path).name for path in reasons} == {f"{name}.reason.txt" for name in unreadable}
    assert (done.status, done.away) == (1, None)


def test_each_sample_is_reported_in_one_line(stored_samples):
    site, _, _ = stored_samples
    assert sorted(line.split(" ", 1)[1] for line in site.logged()) == [
        "ERROR   initech-samples/meter-room/02001283/T302_260109_120045.tsv: the file is empty. The logger sends these "
        "readings again in a later file; if it does not, upload the file again; 0.00 s",
        "ERROR   initech-samples/meter-room/02001283/T302_260109_133915.tsv: there is no complete row behind line 2, "
        "the header: nothing. The logger sends these readings again in a later file; if it does not, upload the file "
        "again; 0.00 s",
        "OK      acme-samples/roof-2025/02001171/T302_251012_031720.tsv: 143 rows, 4290 readings, 2025-08-03 "
        "01:20:00Z to 2025-08-04 01:00:00Z; 0.00 s",
        "OK      acme-samples/roof-2025/02001283/T202_251022_121951.tsv: 16 rows, 96 readings, 2025-07-29 09:13:12Z "
        "to 2025-10-22 10:18:00Z; left out: restart markers 4, unset clock 1; 0.00 s",
        "OK      acme-samples/roof-2025/02001283/T302_251024_204336.tsv: 339 rows, 2034 readings, 2025-07-29 "
        "09:13:36Z to 2025-10-24 18:37:39Z; left out: restart markers 7, repeated stamps 2, unset clock 1; 0.00 s",
        "OK      acme-samples/roof-2025/02001283/T302_251026_031500.tsv: 149 rows, 894 readings, 2025-10-25 01:20:00Z "
        "to 2025-10-26 02:00:00Z; 0.00 s",
        "OK      acme-samples/roof-2025/02001283/T302_251123_032039.tsv: 144 rows, 864 readings, 2025-11-22 02:20:00Z "
        "to 2025-11-23 02:10:00Z; 0.00 s",
        "OK      globex-samples/cold-store/02000800/T302_260208_211459_UTC.tsv: 6 rows, 72 readings, 2026-02-08 "
        "19:10:00Z to 2026-02-08 20:00:00Z; 0.00 s",
        "OK      globex-samples/cold-store/02001311/T302_260122_162658_UTC.tsv: 115 rows, 690 readings, 2026-01-21 "
        "08:15:24Z to 2026-01-22 15:10:00Z; left out: restart markers 17, repeated stamps 2; 0.00 s",
        "PARTIAL initech-samples/meter-room/02001283/T302_251101_031719.tsv: the last row is cut; 80 rows, 480 "
        "readings, 2025-10-29 02:20:00Z to 2025-10-29 15:30:00Z; left out: cut rows 1; 0.00 s",
        "PARTIAL initech-samples/meter-room/02001283/T302_260109_102002.tsv: the last row is cut; 2463 rows, 14778 "
        "readings, 2025-12-05 02:20:00Z to 2025-12-22 04:40:00Z; left out: cut rows 1, restart markers 1; 0.00 s",
        "PARTIAL initech-samples/meter-room/02001283/T302_260109_115729.tsv: the last row is cut; 161 rows, 966 "
        "readings, 2025-12-05 02:20:00Z to 2025-12-06 05:00:00Z; left out: cut rows 1; 0.00 s",
    ]


def test_a_second_run_and_one_more_of_everything_change_nothing_in_influxdb(influx, stored_samples):
    site, _, _ = stored_samples
    before, tree = influx.points("acme-samples"), snapshot(site.data)
    assert run(site).outcomes == []
    done = run(site, again=True)
    assert {status for status, _ in statuses(done)} == {Status.OK, Status.PARTIAL}
    assert len(done.outcomes) == 10
    assert influx.points("acme-samples") == before
    assert snapshot(site.data) == tree


def test_a_file_sent_again_under_any_name_changes_nothing_in_influxdb(influx, influx_site, client):
    content = v002(*day_rows(count=20))
    influx_site.put(f"{client}/roof/02001283/T302_250702_031500.tsv", content)
    run(influx_site)
    before = influx.points(client)
    assert len(before) == 40
    influx_site.put(f"{client}/roof/02001283/T302_250702_031500.tsv", content)
    influx_site.put(f"{client}/roof/02001283/T302_250702_032000.tsv", content)
    assert run(influx_site).status == 0
    assert influx.points(client) == before
    assert sorted(influx_site.files()) == [
        f"{client}/roof/02001283/parsed/{name}"
        for name in ("T302_250702_031500.1.tsv", "T302_250702_031500.tsv", "T302_250702_032000.tsv")
    ]


def test_how_each_upload_went_stands_in_the_admins_bucket(influx, influx_site, client):
    influx_site.environment["INFLUXDB_BUCKET"] = f"{client}-admins"
    file = influx_site.put(f"{client}/roof/02001283/a.tsv", v002(f"{ONE} 240.5 1.5", "01/07/25 12:10:00 0 0") + b"01")
    os.utime(file, (1_751_368_000, 1_751_368_000))
    empty = influx_site.put(f"{client}/roof/02001283/b.tsv", b"")
    os.utime(empty, (1_751_368_000, 1_751_368_000))
    run(influx_site)
    every = influx.query(f'from(bucket: "{client}-admins") |> range(start: 2025-01-01T00:00:00Z)')
    rows = [row for row in every if row["_measurement"] == "uploads"]
    assert {(r["client"], r["campaign"], r["device"]) for r in rows} == {(client, "roof", "02001283")}
    (torn,) = {row["_time"] for row in rows if row["_field"] == "partial"}
    (unreadable,) = {row["_time"] for row in rows if row["_field"] == "error"}
    assert torn != unreadable
    partial = {row["_field"]: row["_value"] for row in rows if row["_time"] == torn}
    assert partial.pop("seconds") < "9"
    assert partial == {
        "rows": "1", "readings": "2", "left_out": "2", "restarts": "1", "lag": "4000", "partial": "1",
        "reason": "the last row is cut",
    }  # fmt: skip
    paths = {(row["status"], row["_value"]) for row in every if row["_field"] == "path"}
    assert paths == {
        (status, f"{client}/roof/02001283/{name}.tsv") for status, name in (("partial", "a"), ("error", "b"))
    }


# ── what becomes of a file ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_good_file_is_stored_and_moved(site):
    site.put(f"{DEVICE}/x.tsv", v002(f"{ONE} 240.50 1.5"))
    done = run(site)
    assert (statuses(done), done.status) == ([(Status.OK, f"{DEVICE}/x.tsv")], 0)
    assert site.files() == {f"{DEVICE}/parsed/x.tsv": v002(f"{ONE} 240.50 1.5")}
    assert first_values(site) == ["240.50"]


def test_a_file_that_cannot_be_read_lies_in_error_with_the_reason_and_the_others_go_on(site):
    site.put(f"{DEVICE}/a.tsv", b"")
    site.put(f"{DEVICE}/b.tsv", v002(*day_rows()).replace(b"V002", b"V004"))
    site.put(f"{DEVICE}/c.tsv", v002(*day_rows()))
    done = run(site)
    assert done.status == 1
    assert statuses(done) == [
        (Status.ERROR, f"{DEVICE}/a.tsv"),
        (Status.ERROR, f"{DEVICE}/b.tsv"),
        (Status.OK, f"{DEVICE}/c.tsv"),
    ]
    files = site.files()
    assert files[f"{DEVICE}/error/a.tsv.reason.txt"].decode() == (
        f"{DEVICE}/a.tsv: the file is empty. The logger sends these readings again in a later file; if it does not, "
        "upload the file again.\n"
    )
    assert files[f"{DEVICE}/error/b.tsv.reason.txt"].decode() == (
        f"{DEVICE}/b.tsv: line 2: MV_T302_V004: versions 002 and 003 are known. Keep the file: once a PowerView that "
        "knows this is installed, move it from error/ back into the device's folder.\n"
    )
    assert sorted(files) == [
        f"{DEVICE}/error/a.tsv", f"{DEVICE}/error/a.tsv.reason.txt", f"{DEVICE}/error/b.tsv",
        f"{DEVICE}/error/b.tsv.reason.txt", f"{DEVICE}/parsed/c.tsv",
    ]  # fmt: skip


def test_a_file_with_another_header_inside_is_in_error_and_what_stands_above_it_is_stored(site):
    site.put(f"{DEVICE}/a.tsv", v002(f"{ONE} 1.5 2.5") + v002(f"{ONE} 3.5 4.5", labels=("A", "B")))
    assert statuses(run(site)) == [(Status.ERROR, f"{DEVICE}/a.tsv")]
    assert first_values(site) == ["1.5"]
    assert site.files()[f"{DEVICE}/error/a.tsv.reason.txt"].decode() == (
        f"{DEVICE}/a.tsv: line 5: another header begins here, with other channels or time settings. The rows "
        "above it are stored; upload the rest, from line 4 on, as a file of its own.\n"
    )


def test_a_file_without_readings_is_no_error(site):
    site.put(f"{DEVICE}/x.tsv", v002(f"{ONE} 0 0"))
    assert run(site).status == 0
    assert site.logged() == [f"TIME OK      {DEVICE}/x.tsv: 0 rows, 0 readings; left out: restart markers 1; 0.00 s"]
    assert [line.split(",")[0] for line in site.stored("acme")] == ["powerview_events"]


def test_the_folders_serial_and_what_march_leaves_out_are_noted(site):
    site.put("acme/roof/02009999/x.tsv", v002("30/03/25 02:30:00 1.5 2.5"))
    run(site)
    assert site.logged() == [
        "TIME OK      acme/roof/02009999/x.tsv: 1 rows, 2 readings, 2025-03-30 01:30:00Z to 2025-03-30 01:30:00Z; the "
        "folder is 02009999, the logger is 02001283; 1 stamps in the hour that March leaves out; 0.00 s"
    ]


def test_lines_that_influxdb_never_takes_put_the_file_into_error_and_the_rest_of_it_is_stored(
    influx, influx_site, client
):
    influx.make_bucket(client)
    influx.write(client, "roof value=7i 1751364600\n")  # fixes the type of this week's values of the campaign
    influx.warm(client, int(datetime(2025, 9, 1, tzinfo=UTC).timestamp()))
    influx_site.put(f"{client}/roof/02001283/a.tsv", v002(f"{ONE} 1.5 2.5", "01/09/25 12:00:00 3.5 4.5"))
    influx_site.put(f"{client}/cellar/02001283/b.tsv", v002(f"{ONE} 5.5 6.5"))
    done = run(influx_site)
    assert [status for status, _ in statuses(done)] == [Status.ERROR, Status.OK]
    reason = influx_site.files()[f"{client}/roof/02001283/error/a.tsv.reason.txt"].decode()
    assert reason.startswith(f"{client}/roof/02001283/a.tsv: InfluxDB rejected some of its lines: ")
    assert "field type conflict" in reason
    assert reason.endswith(". The lines that it accepted are stored\n")
    # one query shows values of one type only, so it must not reach over the week of the other type
    assert sorted(influx.points(client).values()) == [5.5, 6.5, 7.0]
    roof = 'filter(fn: (r) => r._measurement == "roof")'
    september = f'from(bucket: "{client}") |> range(start: 2025-08-01T00:00:00Z) |> {roof}'
    wait_until(lambda: [row["_value"] for row in influx.query(september)] == ["3.5", "4.5"], LONG, lambda: "not stored")


# ── later uploads ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_two_files_in_one_run_the_later_upload_stands_whatever_the_order_on_disk(site):
    for number, name in enumerate(["T_250703_031500.tsv", "T_250702_031500.10.tsv", "T_250702_031500.1.tsv", "b.tsv"]):
        site.put(f"{DEVICE}/{name}", v002(f"{ONE} {number}.5 1.5"))
    done = run(site)
    assert [path.rsplit("/", 1)[1] for _, path in statuses(done)] == [
        "b.tsv", "T_250702_031500.1.tsv", "T_250702_031500.10.tsv", "T_250703_031500.tsv"
    ]  # fmt: skip
    assert first_values(site) == ["0.5"]


def test_a_file_that_comes_late_does_not_win_over_later_uploads(site):
    site.put(f"{DEVICE}/T_250703_031500.tsv", v002(f"{ONE} 3.5 1.5", "02/07/25 12:00:00 3.5 1.5"))
    site.put(f"{DEVICE}/T_250704_031500.tsv", v002("02/07/25 12:00:00 4.5 1.5"))
    site.put(f"{DEVICE}/T_250705_031500.tsv", v002("04/07/25 12:00:00 5.5 1.5"))
    run(site)
    site.put(
        f"{DEVICE}/T_250702_031500.tsv",
        v002("30/06/25 12:00:00 2.5 1.5", f"{ONE} 2.5 1.5", "02/07/25 12:00:00 2.5 1.5"),
    )
    run(site)
    assert first_values(site) == ["2.5", "3.5", "4.5", "5.5"]
    assert site.logged()[-1] == (
        f"TIME OK      {DEVICE}/T_250702_031500.tsv: 3 rows, 6 readings, 2025-06-30 10:00:00Z to 2025-07-02 10:00:00Z; "
        "2 rows are in later uploads as well, which win: T_250703_031500.tsv, T_250704_031500.tsv; 0.00 s"
    )


def test_a_late_file_whose_end_cannot_be_read_does_not_win_either(site):
    site.put(f"{DEVICE}/T_250703_031500.tsv", v002(f"{ONE} 3.5 1.5"))
    run(site)
    late = v002(f"{ONE} 2.5 1.5") + v002(f"{ONE} 9.5 9.5", labels=("A", "B"))
    site.put(f"{DEVICE}/T_250702_031500.tsv", late)
    assert statuses(run(site)) == [(Status.ERROR, f"{DEVICE}/T_250702_031500.tsv")]
    assert first_values(site) == ["3.5"]


def test_a_late_file_does_not_win_in_influxdb(influx, influx_site, client):
    influx_site.put(f"{client}/roof/02001283/T_250703_031500.tsv", v002(f"{ONE} 3.5 1.5"))
    run(influx_site)
    influx_site.put(f"{client}/roof/02001283/T_250702_031500.tsv", v002(f"{ONE} 2.5 1.5"))
    run(influx_site)
    assert sorted(influx.points(client).values()) == [1.5, 3.5]


def test_a_name_that_comes_again_is_a_later_upload(site):
    for number in range(3):
        site.put(f"{DEVICE}/T_250702_031500.tsv", v002(f"{ONE} {number}.5 1.5"))
        run(site)
    assert first_values(site) == ["2.5"]
    assert len(site.stored("acme")) == 6


def test_a_chosen_file_read_once_more_does_not_win_over_later_uploads(site):
    early = site.put(f"{DEVICE}/T_250702_031500.tsv", v002(f"{ONE} 2.5 1.5"))
    site.put(f"{DEVICE}/T_250703_031500.tsv", v002(f"{ONE} 3.5 1.5"))
    run(site)
    before = snapshot(site.data)
    assert statuses(run(site, again=True, files=[early.parent / "parsed" / early.name])) == [
        (Status.OK, f"{DEVICE}/parsed/T_250702_031500.tsv")
    ]
    assert first_values(site) == ["3.5"]
    assert snapshot(site.data) == before


def test_everything_read_once_more_is_read_in_the_order_of_the_uploads(site):
    site.put(f"{DEVICE}/parsed/T_250703_031500.tsv", v002(f"{ONE} 3.5 1.5"))
    site.put(f"{DEVICE}/parsed/T_250702_031500.1.tsv", v002(f"{ONE} 2.5 1.5"))
    site.put(f"{DEVICE}/PARSED_T_250702_031500.tsv", v002(f"{ONE} 1.5 1.5"))
    site.put(f"{DEVICE}/pending.tsv", v002(f"{ONE} 9.5 1.5"))
    assert [path.rsplit("/", 1)[1] for _, path in statuses(run(site, again=True))] == [
        "PARSED_T_250702_031500.tsv", "T_250702_031500.1.tsv", "T_250703_031500.tsv"
    ]  # fmt: skip
    assert [line.rsplit(" ", 2)[1] for line in site.stored("acme") if "channel_idx=1," in line] == ["value=3.5"]


def test_what_somebody_put_into_parsed_by_hand_stops_nothing(site):
    site.put(f"{DEVICE}/parsed/z.tsv", b"no logger file")
    site.put(f"{DEVICE}/parsed/zz.tsv", v002(f"{ONE} 0 0"))
    site.put(f"{DEVICE}/a.tsv", v002(f"{ONE} 1.5 1.5"))
    assert run(site).status == 0
    assert first_values(site) == ["1.5"]


def put_late(site: Site) -> list[tuple[str, str]]:
    """A file that was uploaded before those that are settled, and says something else; what became of it."""
    site.put(f"{DEVICE}/T_250702_031500.tsv", v002(f"{ONE} 2.5 1.5"))
    return statuses(run(site))


@pytest.mark.parametrize("name", ["folder", "symlink", "fifo"])
def test_what_is_no_file_in_parsed_stands_in_no_late_files_way(site, name):
    site.put(f"{DEVICE}/T_250704_031500.tsv", v002(f"{ONE} 4.5 1.5"))
    run(site)
    odd = site.data / DEVICE / "parsed" / "T_250703_031500.tsv"
    {"folder": odd.mkdir, "symlink": lambda: odd.symlink_to("/etc/passwd"), "fifo": lambda: os.mkfifo(odd)}[name]()
    assert put_late(site) == [(Status.OK, f"{DEVICE}/T_250702_031500.tsv")]
    assert first_values(site) == ["4.5"]


def test_a_late_file_waits_for_a_later_one_that_cannot_be_read(site, monkeypatch):
    site.put(f"{DEVICE}/T_250703_031500.tsv", v002(f"{ONE} 3.5 1.5"))
    run(site)
    real = os.open

    def unreadable(path, *arguments, **how):
        if path == "T_250703_031500.tsv":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *arguments, **how)

    monkeypatch.setattr(os, "open", unreadable)
    assert put_late(site) == [(Status.REFUSED, f"{DEVICE}/T_250702_031500.tsv")]
    assert f"{DEVICE}/parsed/T_250703_031500.tsv, which was uploaded later and takes precedence" in site.logged()[-1]
    assert first_values(site) == ["3.5"]
    monkeypatch.undo()
    assert statuses(run(site)) == [(Status.OK, f"{DEVICE}/T_250702_031500.tsv")]
    assert first_values(site) == ["3.5"]


def test_a_late_file_does_not_win_over_files_of_the_earlier_convention(site):
    site.put(f"{DEVICE}/PARSED_T_250703_031500.tsv", v002(f"{ONE} 3.5 1.5"))
    run(site, again=True)
    put_late(site)
    assert first_values(site) == ["3.5"]


def test_a_late_file_does_not_win_over_what_a_file_in_error_has_stored(site):
    site.put(f"{DEVICE}/T_250703_031500.tsv", v002(f"{ONE} 3.5 1.5") + v002(f"{ONE} 9.5 9.5", labels=("A", "B")))
    assert statuses(run(site)) == [(Status.ERROR, f"{DEVICE}/T_250703_031500.tsv")]
    assert put_late(site) == [(Status.OK, f"{DEVICE}/T_250702_031500.tsv")]
    assert first_values(site) == ["3.5"]
    run(site, again=True)
    assert first_values(site) == ["3.5"]


def test_lines_refused_once_more_are_not_the_late_files_fault(influx, influx_site, client):
    rules = [{"type": "expire", "everySeconds": 30 * 86_400}]
    org = influx.call("GET", "/api/v2/orgs", params={"org": influx.org}).json()["orgs"][0]["id"]
    influx.call("POST", "/api/v2/buckets", json={"orgID": org, "name": client, "retentionRules": rules})
    now = datetime.now(ZoneInfo("Europe/Paris"))
    recent, old = (f"{now - timedelta(days=days):%d/%m/%y} 12:00:00" for days in (2, 90))
    influx.warm(client, int((now - timedelta(days=2)).replace(hour=12).timestamp()))
    folder = f"{client}/roof/02001283"
    influx_site.put(f"{folder}/T_250703_031500.tsv", v002(f"{old} 3.5 1.5", f"{recent} 3.5 1.5"))
    assert statuses(run(influx_site)) == [(Status.ERROR, f"{folder}/T_250703_031500.tsv")]
    influx_site.put(f"{folder}/T_250702_031500.tsv", v002(f"{recent} 2.5 1.5"))
    assert statuses(run(influx_site)) == [(Status.OK, f"{folder}/T_250702_031500.tsv")]
    assert sorted(influx.points(client).values()) == [1.5, 3.5]


def test_behind_a_backfill_no_settled_file_of_another_time_is_opened(site, monkeypatch):
    for day in range(1, 13):
        site.put(f"{DEVICE}/T_25{day:02}02_031500.tsv", v002(f"01/{day:02}/25 12:00:00 {day}.5 1.5"))
    run(site)
    for day in range(1, 13):
        site.put(f"{DEVICE}/T_24{day:02}02_031500.tsv", v002(f"01/{day:02}/24 12:00:00 {day}.5 1.5"))
    read = []
    real = mv2.read_recording
    monkeypatch.setattr(late, "read_recording", lambda file, **how: read.append(1) or real(file, **how))
    assert run(site).status == 0
    assert len(read) == 12
    assert len(site.stored("acme")) == 48


@pytest.mark.parametrize(("kept", "reads"), [(16, 4), (1, 6)])
def test_what_later_files_have_is_kept_for_the_next_late_ones_but_not_of_all(site, monkeypatch, kept, reads):
    for name in ("a_250703_031500", "b_250704_031500"):
        site.put(f"{DEVICE}/{name}.tsv", v002(f"{ONE} 3.5 1.5"))
    run(site)
    for name in ("c_250701_031500", "d_250702_031500"):
        site.put(f"{DEVICE}/{name}.tsv", v002(f"{ONE} 2.5 1.5"))
    read = []
    real = mv2.read_recording
    monkeypatch.setattr(late, "read_recording", lambda file, **how: read.append(1) or real(file, **how))
    monkeypatch.setattr(late, "MOST_KEPT", kept)
    assert run(site).status == 0
    assert (len(read), first_values(site)) == (reads, ["3.5"])


@pytest.mark.parametrize("given", [0, 1_577_840_400, -(2**31)])
def test_readings_of_a_file_that_a_dead_clock_dated_are_not_ahead_of_its_arrival(site, given):
    file = site.put(f"{DEVICE}/x.tsv", v002(*day_rows()))
    os.utime(file, (given, given))
    run(site)
    assert len(site.stored("acme")) == 6


def test_a_file_in_whose_reading_the_process_died_twice_keeps_no_other_waiting(site):
    deadly = site.put(f"{DEVICE}/a.tsv", v002(*day_rows()))
    site.put(f"{DEVICE}/b.tsv", v002(*day_rows(day="02/07/25")))
    script = (
        "import os, sys, tsv_parser; from powerview.ingest import late; real = late.read\n"
        "late.read = lambda s, claim: os._exit(9) if claim.upload.name == 'a.tsv' else real(s, claim)\n"
        "sys.exit(tsv_parser.main([]))"
    )
    for status in (9, 9, 1):
        done = subprocess.run(
            [sys.executable, "-c", script], env={**site.environment, "PYTHONPATH": str(ROOT)}, cwd="/",
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
    assert [line.split(":")[0] for line in site.logged()] == [
        f"TIME ERROR   {DEVICE}/a.tsv",
        f"TIME OK      {DEVICE}/b.tsv",
    ]
    reason = (deadly.parent / "error" / "a.tsv.reason.txt").read_text()
    assert "ended 2 times while it read this file" in reason
    deadly.with_name("error").joinpath("a.tsv").rename(deadly)
    assert statuses(run(site)) == [(Status.OK, f"{DEVICE}/a.tsv")]


@pytest.mark.parametrize(("settles", "deaths"), [(True, 0), (False, 5)])
def test_a_process_that_died_after_it_had_settled_files_blames_none(tmp_path, settles, deaths):
    died = []  # each holds a file for ever, as the note of a process that died does
    for _ in range(5):
        in_hand = InHand(tmp_path)
        if settles:
            in_hand.settled()
        died.append(in_hand.holding("a.tsv", "1"))
        died[-1].__enter__()
    after = InHand(tmp_path)
    assert after.died_on("a.tsv", "1") == bool(deaths)
    with after.holding("a.tsv", "1") as counted:
        assert counted == deaths
    assert not InHand(tmp_path).died_on("a.tsv", "1")


def test_a_shorter_note_of_the_file_in_hand_leaves_nothing_of_a_longer_one(tmp_path):
    in_hand = InHand(tmp_path)
    with in_hand.holding("a" * 300, "1"):
        pass
    died = in_hand.holding("b.tsv", "1")
    died.__enter__()
    assert InHand(tmp_path).died_on("b.tsv", "1")


@pytest.mark.parametrize(
    "noted", ["", "[]", "1", "{}", '{"deaths": [], "now": 1, "settled": 0}', '{"deaths": {"a": {}}}']
)
def test_a_note_of_the_file_in_hand_that_is_damaged_stops_nothing(tmp_path, noted):
    (tmp_path / "in-hand.json").write_text(noted)
    with InHand(tmp_path).holding("a.tsv", "1") as deaths:
        assert deaths == 0
    assert not InHand(tmp_path).died_on("a.tsv", "1")


HALF = v003("01/07/25 12:00:00 1.5 2.5", end=b"")


def test_a_file_that_lacks_its_promised_end_waits_for_its_rest(site):
    file = site.put(f"{DEVICE}/x.tsv", HALF)
    assert statuses(run(site)) == [(Status.PENDING, f"{DEVICE}/x.tsv")]
    assert "has no END_DATA yet" in site.logged()[-1]
    file.write_bytes(v003("01/07/25 12:00:00 1.5 2.5", "01/07/25 12:10:00 3.5 4.5"))
    assert statuses(run(site)) == [(Status.OK, f"{DEVICE}/x.tsv")]
    assert first_values(site) == ["1.5", "3.5"]


def test_after_ten_minutes_without_a_change_it_is_read_as_torn(site):
    file = site.put(f"{DEVICE}/x.tsv", HALF)
    earlier = time.time() - 601
    os.utime(file, (earlier, earlier))
    assert statuses(run(site)) == [(Status.PARTIAL, f"{DEVICE}/x.tsv")]
    assert first_values(site) == ["1.5"]


def test_a_file_whose_time_is_ahead_of_this_clock_waits_for_nothing(site):
    file = site.put(f"{DEVICE}/x.tsv", HALF)
    later = time.time() + 7 * 86_400
    os.utime(file, (later, later))
    assert statuses(run(site)) == [(Status.PARTIAL, f"{DEVICE}/x.tsv")]


def test_a_header_alone_waits_as_well_and_is_then_an_error(site):
    file = site.put(f"{DEVICE}/x.tsv", v003(end=b""))
    assert statuses(run(site)) == [(Status.PENDING, f"{DEVICE}/x.tsv")]
    earlier = time.time() - 601
    os.utime(file, (earlier, earlier))
    assert statuses(run(site)) == [(Status.ERROR, f"{DEVICE}/x.tsv")]


def test_a_torn_file_that_was_settled_is_read_once_more_at_once(site):
    site.put(f"{DEVICE}/parsed/x.tsv", HALF)
    assert statuses(run(site, again=True)) == [(Status.PARTIAL, f"{DEVICE}/parsed/x.tsv")]


def test_a_campaign_whose_folder_was_renamed_is_reported_until_it_is_read_again(site):
    site.put(f"{DEVICE}/x.tsv", v002(*day_rows()))
    run(site)
    (site.data / "acme" / "roof").rename(site.data / "acme" / "cellar")
    new = "acme/cellar/02001283"
    for _ in range(2):
        done = run(site)
        assert (statuses(done), done.status) == ([(Status.REFUSED, new)], 1)
    site.put(f"{new}/y.tsv", v002(*day_rows(day="02/07/25")))
    assert statuses(run(site)) == [(Status.REFUSED, new), (Status.OK, f"{new}/y.tsv")]
    assert [line for line in site.logged() if "never read under this name" in line] == [
        f"TIME REFUSED {new}: its parsed/ files were never read under this name, so nothing of them is in the store "
        "(was a folder renamed, or put here by hand?). To store them under it: tsv_parser.py --again"
    ]
    assert run(site, again=True).status == 0
    assert (statuses(run(site)), len(first_values(site))) == ([], 9)


def test_an_installation_of_before_has_read_what_is_parsed(site):
    site.put(f"{DEVICE}/parsed/x.tsv", v002(*day_rows()))
    assert statuses(run(site)) == []


# ── files that change ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_somebody_writes_stays_pending_and_the_others_go_on(site):
    site.put(f"{DEVICE}/b.tsv", v002(*day_rows()))
    with site.put(f"{DEVICE}/a.tsv", v002(*day_rows())).open("ab"):
        done = run(site)
    assert (statuses(done), done.status) == ([(Status.PENDING, f"{DEVICE}/a.tsv"), (Status.OK, f"{DEVICE}/b.tsv")], 0)
    assert site.logged()[-1] == f"TIME PENDING 1 file: {DEVICE}/a.tsv somebody is still writing it"
    assert run(site).status == 0
    assert sorted(site.files()) == [f"{DEVICE}/parsed/a.tsv", f"{DEVICE}/parsed/b.tsv"]


class Meddling(FileStore):
    """A store that does something to the tree while a file is on its way into it."""

    def __init__(self, folder: Path, meddle) -> None:
        super().__init__(folder)
        self.meddle = meddle

    def deliver(self, bucket: str, precision: str = "s"):
        self.meddle()
        return super().deliver(bucket, precision)


@pytest.mark.parametrize("change", ["appended", "replaced", "truncated", "touched"])
def test_a_file_that_changes_while_it_is_read_stays_pending_and_is_read_anew(site, change):
    file = site.put(f"{DEVICE}/a.tsv", v002(*day_rows(count=100)))
    whole = v002(*day_rows(count=101))

    def meddle() -> None:
        if change == "appended":
            file.write_bytes(whole)
        elif change == "replaced":
            site.put("new", whole).replace(file)
        elif change == "truncated":
            os.truncate(file, 200)
        else:
            os.utime(file, (1, 1))

    done = run(site, store=Meddling(site.lines, meddle))
    assert (statuses(done), done.status) == ([(Status.PENDING, f"{DEVICE}/a.tsv")], 0)
    file.write_bytes(whole)
    assert statuses(run(site)) == [(Status.OK, f"{DEVICE}/a.tsv")]
    assert site.files() == {f"{DEVICE}/parsed/a.tsv": whole}
    assert len(first_values(site)) == 101


class Behind(FileStore):
    """A store that does something to the tree when it has all of a file."""

    def __init__(self, folder: Path, meddle) -> None:
        super().__init__(folder)
        self.meddle = meddle

    def deliver(self, bucket: str, precision: str = "s"):
        delivery = super().deliver(bucket, precision)
        real = delivery.finish
        delivery.finish = lambda: (real(), self.meddle())
        return delivery


def test_a_late_file_that_changes_before_its_covered_rows_are_counted_stays_pending(site, capsys):
    site.put(f"{DEVICE}/T_250703_031500.tsv", v002(*day_rows(count=1)))
    run(site)
    file = site.put(f"{DEVICE}/T_250702_031500.tsv", v002(*day_rows(count=5)))
    done = run(site, store=Behind(site.lines, lambda: file.write_bytes(v002(*day_rows(count=5)).replace(b"24", b"25"))))
    assert (statuses(done), done.status) == ([(Status.PENDING, f"{DEVICE}/T_250702_031500.tsv")], 0)
    assert done.outcomes[0].reason.startswith("changed while it was read: bytes ")
    assert "Traceback" not in capsys.readouterr().err
    assert run(site).status == 0


def test_a_disk_that_fails_under_a_file_stops_no_other_and_is_named(site, monkeypatch, capsys):
    real = late.read_recording

    def fails(file, **how):
        if how["name"] == "a.tsv":
            raise OSError(errno.EIO, "Input/output error")
        return real(file, **how)

    monkeypatch.setattr(late, "read_recording", fails)
    for name in ("a.tsv", "b.tsv"):
        site.put(f"{DEVICE}/{name}", v002(*day_rows()))
    done = run(site)
    assert statuses(done) == [(Status.REFUSED, f"{DEVICE}/a.tsv"), (Status.OK, f"{DEVICE}/b.tsv")]
    assert done.outcomes[0].reason == "the file cannot be read and stays pending: Input/output error."
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_that_is_moved_away_before_its_turn_is_no_trouble(site):
    site.put(f"{DEVICE}/a.tsv", v002(*day_rows()))
    second = site.put(f"{DEVICE}/b.tsv", v002(*day_rows()))
    done = run(site, store=Meddling(site.lines, lambda: second.unlink(missing_ok=True)))
    assert sorted(statuses(done)) == [(Status.OK, f"{DEVICE}/a.tsv"), (Status.PENDING, f"{DEVICE}/b.tsv")]


@pytest.fixture
def short_quiet(no_leases, monkeypatch):
    """A file system without leases, and a quiet period that ends when it is slept through; yields the naps."""
    monkeypatch.setattr("powerview.inbox.claim.QUIET_SECONDS", LONG)
    naps = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        monkeypatch.setattr("powerview.inbox.claim.QUIET_SECONDS", 0)

    monkeypatch.setattr(time, "sleep", sleep)
    return naps


def test_without_leases_one_run_waits_for_a_file_to_be_quiet_and_looks_back(site, short_quiet):
    quiet = site.put(f"{DEVICE}/b.tsv", v002(*day_rows()))
    os.utime(quiet, (1, 1))
    site.put(f"{DEVICE}/a.tsv", v002(*day_rows()))
    assert statuses(run(site)) == [(Status.OK, f"{DEVICE}/b.tsv"), (Status.OK, f"{DEVICE}/a.tsv")]
    (nap,) = short_quiet
    assert 0 < nap <= LONG


def test_without_leases_a_file_that_keeps_growing_stays_pending(site, short_quiet, monkeypatch):
    file = site.put(f"{DEVICE}/a.tsv", v002(*day_rows()))
    monkeypatch.setattr(time, "sleep", lambda _: os.utime(file))
    done = run(site)
    assert statuses(done) == [(Status.PENDING, f"{DEVICE}/a.tsv")]
    assert done.outcomes[0].reason == f"it changed less than {LONG} seconds ago and may still be growing"


def test_a_file_that_was_looked_back_at_does_not_win_over_later_uploads(site, short_quiet):
    site.put(f"{DEVICE}/parsed/T_250701_031500.tsv", v002(f"{ONE} 1.5 1.5"))
    later = site.put(f"{DEVICE}/T_250703_031500.tsv", v002(f"{ONE} 3.5 1.5"))
    os.utime(later, (1_751_500_000, 1_751_500_000))
    site.put(f"{DEVICE}/T_250702_031500.tsv", v002(f"{ONE} 2.5 1.5"))
    run(site)
    assert len(short_quiet) == 1
    assert first_values(site) == ["3.5"]


# ── trouble ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Away(FileStore):
    """A store that is away from its `number`th delivery on."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder)
        self.left = number

    def deliver(self, bucket: str, precision: str = "s"):
        self.left -= 1
        if self.left < 0:
            raise StoreAway("the server is away")
        return super().deliver(bucket, precision)


def test_when_the_store_goes_away_the_run_stops_and_the_files_stay_pending(site):
    for number in range(9):
        site.put(f"{DEVICE}/{number}.tsv", v002(*day_rows()))
    done = run(site, store=Away(site.lines, 7))
    assert (done.status, done.away) == (75, "the server is away")
    settled = [path.rsplit("/", 1)[1] for status, path in statuses(done)]
    assert settled == [f"{n}.tsv" for n in range(len(settled))]
    pending = 9 - len(settled)
    assert sum("/parsed/" not in path for path in site.files()) == pending
    assert site.logged()[-1] == f"TIME PENDING {pending} files: the server is away"
    assert run(site).status == 0
    assert sorted(site.files()) == [f"{DEVICE}/parsed/{n}.tsv" for n in range(9)]


def test_a_store_that_is_away_wins_over_a_file_in_error(site):
    site.put(f"{DEVICE}/a.tsv", b"")
    site.put(f"{DEVICE}/b.tsv", v002(*day_rows()))
    done = run(site, store=Away(site.lines, 0))
    assert done.status == 75


def test_a_fault_of_ours_is_shown_and_does_not_stop_the_others(site, monkeypatch, capsys):
    real = mv2.read_recording

    def fails(file, **how):
        if b"02006666" in file.read():
            raise ZeroDivisionError("boom")
        return real(file, **how)

    monkeypatch.setattr(late, "read_recording", fails)
    site.put(f"{DEVICE}/a.tsv", v002(*day_rows(), master="02006666"))
    site.put(f"{DEVICE}/b.tsv", v002(*day_rows()))
    done = run(site)
    assert (statuses(done), done.status) == ([(Status.REFUSED, f"{DEVICE}/a.tsv"), (Status.OK, f"{DEVICE}/b.tsv")], 1)
    assert "ZeroDivisionError: boom" in capsys.readouterr().err
    assert site.logged()[0] == (
        f"TIME REFUSED {DEVICE}/a.tsv: PowerView failed on this file (ZeroDivisionError: boom) and left it pending: "
        "report it"
    )
    assert f"{DEVICE}/a.tsv" in site.files()


def test_no_file_stays_open_after_a_run(site):
    for number, content in enumerate([b"", v002(*day_rows()), b"x\ny\n", v003(*day_rows())]):
        site.put(f"{DEVICE}/{number}.tsv", content)
    run(site, store=Away(site.lines, 1))
    before = sorted(os.listdir("/proc/self/fd"))
    run(site, store=Away(site.lines, 0))
    run(site)
    assert sorted(os.listdir("/proc/self/fd")) == before


# ── what is logged, and logged once ───────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_still_lies_there_unchanged_is_reported_once(site):
    site.put("acme/x.tsv", b"a")
    site.put("a b/roof/1/x.tsv", b"a")
    assert [run(site).status for _ in range(3)] == [1, 1, 1]
    assert len(site.logged()) == 2


def test_a_file_that_changed_or_came_again_is_reported_again(site):
    file = site.put("acme/x.tsv", b"a")
    run(site)
    file.write_bytes(b"ab")
    run(site)
    file.unlink()
    run(site)
    site.put("acme/x.tsv", b"ab")
    run(site)
    assert len(site.logged()) == 3


def test_a_choice_of_files_forgets_nothing_that_was_told(site):
    site.put("acme/x.tsv", b"a")
    file = site.put(f"{DEVICE}/y.tsv", v002(*day_rows()))
    run(site)
    file = site.put(f"{DEVICE}/z.tsv", v002(*day_rows()))
    run(site, files=[file])
    run(site)
    assert sum("REFUSED" in line for line in site.logged()) == 1


def test_a_run_that_the_store_stopped_forgets_nothing_that_was_told(site):
    site.put(f"{DEVICE}/y.tsv", v002(*day_rows()))
    (site.data / DEVICE / "parsed").symlink_to("elsewhere")
    run(site)
    run(site, store=Away(site.lines, 0))
    run(site)
    assert site.logged() == [
        f"TIME REFUSED {DEVICE}/y.tsv: parsed/ cannot be used, so the file stays pending: it is a symlink or "
        "not a folder. Move it away.",
        "TIME PENDING 1 file: the server is away",
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"\xff", b'{"a": 7}', b'{"a": [1]}'])
def test_a_damaged_memory_only_means_that_something_is_reported_once_more(site, content):
    (site.state / "reported.json").write_bytes(content)
    assert Reported(site.state).reasons == {}
    site.put("acme/x.tsv", b"a")
    run(site)
    run(site)
    assert len(site.logged()) == 1


def test_a_memory_that_cannot_be_written_stops_nothing(site, capsys):
    (site.state / "reported.half").mkdir()
    site.put("acme/x.tsv", b"a")
    site.put(f"{DEVICE}/y.tsv", v002(*day_rows()))
    assert statuses(run(site)) == [(Status.REFUSED, "acme/x.tsv"), (Status.OK, f"{DEVICE}/y.tsv")]
    assert capsys.readouterr().err == f"{site.state}/reported.json cannot be written: Is a directory\n"


# ── choose ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_named_files_are_chosen_once_each_and_those_that_are_settled_refused(site):
    for path in (
        f"{DEVICE}/b.tsv",
        f"{DEVICE}/a.tsv",
        f"{DEVICE}/parsed/c.tsv",
        f"{DEVICE}/error/d.tsv",
        f"{DEVICE}/PARSED_e.tsv",
    ):
        site.put(path, b"")
    names = ["b.tsv", "a.tsv", "parsed/c.tsv", "error/d.tsv", "PARSED_e.tsv", "b.tsv", "../02001283/a.tsv"]
    files = [site.data / DEVICE / name for name in names]
    uploads, refusals = ingest.choose(Inbox(site.data, "powerview"), again=False, files=files)
    assert uploads == [Upload(*DEVICE.split("/"), "a.tsv"), Upload(*DEVICE.split("/"), "b.tsv")]
    assert refusals == [
        Refusal(f"{DEVICE}/parsed/c.tsv", "this file was parsed already: add --again to read it once more"),
        Refusal(
            f"{DEVICE}/error/d.tsv", "this file is in error/: move it back into the device's folder to try it again"
        ),
        Refusal(f"{DEVICE}/PARSED_e.tsv", "this file was parsed already: add --again to read it once more"),
    ]


# ── from run to run ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_one_run_is_at_work(tmp_path):
    waited = threading.Event()
    entered = threading.Event()

    def second() -> None:
        with ingest.only_run(tmp_path / "state", waited.set):
            entered.set()

    with ingest.only_run(tmp_path / "state", pytest.fail):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(LONG)
        assert not entered.is_set()
    assert entered.wait(LONG)
    thread.join()


def test_a_state_folder_that_cannot_be_used_is_a_setting_that_is_wrong(tmp_path):
    (tmp_path / "state").write_text("no folder")
    with pytest.raises(SettingsError) as error, ingest.only_run(tmp_path / "state", pytest.fail):
        pass
    assert str(error.value) == (
        f"POWERVIEW_STATE_DIR {tmp_path}/state cannot be used: File exists. Make it, owned by the user that runs "
        "PowerView, or name another folder."
    )
