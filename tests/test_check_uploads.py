"""`check` reports files that wait, that cannot be read or that are refused, and a silence."""

from __future__ import annotations

import json
import os
import subprocess
import time

from check_installation import DEVICE
from trees import ROOT, Site, day_rows, v002

from powerview.monitoring import check, item, uploads

pytest_plugins = ("check_fixture",)


def test_no_upload_yet_cannot_be_called_good_or_bad(installation):
    (installation.site.log / "uploads.jsonl").unlink()
    line = installation.broken()["last upload"]
    assert line.startswith("– last upload: ")


def test_a_fleet_that_fell_silent_is_reported(installation, monkeypatch):
    now = time.time()
    monkeypatch.setattr(uploads.time, "time", lambda: now + 50 * 3600)
    line = installation.broken()["last upload"]
    assert line.startswith("✗ last upload: ")
    assert line.endswith(
        ": nothing for 50 hours. Do the loggers reach SFTPGo (port 2022), and does SFTPGo run the hook?"
    )


def test_a_fleet_that_is_silent_for_more_than_a_month_is_forgotten(installation, monkeypatch):
    _later(monkeypatch, 31 * 24)
    line = installation.broken()["last upload"]
    assert line.startswith("– last upload: ")
    assert line.endswith(": nothing for 31 days")


def _later(monkeypatch, hours: float) -> None:
    now = time.time()
    monkeypatch.setattr(uploads.time, "time", lambda: now + hours * 3600)


def test_a_silence_is_reported_after_the_log_was_rotated(installation, monkeypatch):
    logs = installation.site.log
    _rotate(installation.site, "20260301")
    _later(monkeypatch, 50)
    silent = f"OK {DEVICE}/T302_250702_031500.tsv: nothing for 50 hours"
    assert silent in installation.broken()["last upload"]
    (logs / "uploads.jsonl").write_text('{"time": "2099-01-01 00:00:00+00:00", "status": "PENDING", "files": 1}\n')
    assert silent in installation.broken()["last upload"]
    _rotate(installation.site, "20260308")  # compresses the first
    assert [p.suffix for p in sorted(logs.glob("uploads.jsonl*"))] == [".gz", ".jsonl-20260308-1"]
    assert silent in installation.broken()["last upload"]


def _rotate(site: Site, day: str) -> None:
    # As logrotate does it with deploy/powerview.logrotate: of what was rotated all but the newest is compressed.
    for older in site.log.glob("uploads.jsonl-*"):
        subprocess.run(["gzip", older], check=True)
    (site.log / "uploads.jsonl").rename(site.log / f"uploads.jsonl-{day}-1")


def test_the_newest_of_the_rotated_logs_counts(installation):
    logs = installation.site.log
    old = {"time": "2020-05-01 00:00:00+00:00", "status": "OK", "path": "old", "settled_as": "old"}
    (logs / "uploads.jsonl-20200501-1588291200").write_text(json.dumps(old) + "\n")
    _rotate(installation.site, "20260301")
    assert installation.broken() == {}
    (logs / "uploads.jsonl-20270101-1.gz").write_bytes(b"\x1f\x8bcut off")
    assert installation.broken() == {}


def test_deploys_logrotate_calls_them_as_check_looks_for_them():
    lines = [line.strip() for line in (ROOT / "deploy" / "powerview.logrotate").read_text().splitlines()]
    assert {"nocreate", "compress", "delaycompress", "dateext", "dateformat -%Y%m%d-%s"} <= set(lines)
    assert f"/srv/sftpgo/logs/{uploads.JOURNAL}" in lines


def test_what_is_parsed_again_is_no_upload(installation, monkeypatch):
    _later(monkeypatch, 50)
    again = installation.site.run("--again")
    assert again.returncode == 0
    records = installation.site.records()
    assert [r["path"].split("/")[-2:] for r in records] == [
        ["02001171", "T302_250702_031500.tsv"], ["parsed", "T302_250702_031500.tsv"],
    ]  # fmt: skip
    records[1]["time"] = "2099-01-01 00:00:00+00:00"  # now, for the check's clock
    (installation.site.log / "uploads.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    assert f"OK {DEVICE}/T302_250702_031500.tsv: nothing for 50 hours" in installation.broken()["last upload"]


def test_many_files_parsed_again_hide_no_upload(installation):
    again = {**installation.site.records()[0], "settled_as": None, "notes": ["x" * 1000]}
    with (installation.site.log / "uploads.jsonl").open("a") as file:
        file.writelines(json.dumps(again) + "\n" for _ in range(1000))
    assert installation.broken() == {}


def test_what_was_refused_is_no_upload(installation, monkeypatch):
    now = time.time()
    with (installation.site.log / "uploads.jsonl").open("a") as file:
        file.write(json.dumps({"time": "2099-01-01 00:00:00+00:00", "status": "REFUSED", "path": "x"}) + "\n{half a li")
    monkeypatch.setattr(uploads.time, "time", lambda: now + 50 * 3600)
    assert f"OK {DEVICE}/T302_250702_031500.tsv: nothing for 50 hours" in installation.broken()["last upload"]


def test_a_file_that_waits_for_more_than_an_hour_is_reported(installation, monkeypatch):
    path = installation.site.put(f"{DEVICE}/T302_250703_031500.tsv", v002(*day_rows()))
    os.utime(path, (1, 1))  # the client's own time: it arrived a moment ago
    assert installation.broken() == {}
    now = time.time()
    monkeypatch.setattr(uploads.time, "time", lambda: now + 7200)
    assert installation.broken() == {
        "pending files": f"✗ pending files: {DEVICE}/T302_250703_031500.tsv has waited for 2 h. uploads.log says "
                         "why; on-upload.sh sweep tries it now.",
    }  # fmt: skip


def test_files_that_are_refused_are_reported_for_as_long_as_they_lie_there(installation):
    file = installation.site.put("My company/summer/02001171/T302_250703_031500.tsv", v002(*day_rows()))
    assert installation.site.run().returncode == 1
    line = (
        "✗ refused files: My company/summer/02001171/T302_250703_031500.tsv: the client's folder 'My company' has a "
        "name that is not allowed: names are letters, digits, `_`, `.` and `-`, begin with a letter or digit, and have "
        "64 characters at most. Rename the folder. Rename or move it: the next sweep takes it."
    )
    assert installation.broken() == {"refused files": line}
    assert installation.site.run().returncode == 1  # which says it no more
    assert installation.broken() == {"refused files": line}
    file.parents[2].rename(installation.site.data / "My-company")
    assert installation.broken() == {}


def test_a_campaign_whose_folder_was_renamed_is_reported_with_the_command(installation):
    site = installation.site
    client, campaign, device = DEVICE.split("/")
    (site.data / client / campaign).rename(site.data / client / "renamed")
    assert site.run().returncode == 1
    line = installation.broken()["refused files"]
    assert line.startswith(f"✗ refused files: {client}/renamed/{device}: its parsed/ files were never read under this")
    assert "tsv_parser.py --again" in line
    assert site.run("--again").returncode == 0
    assert site.run().returncode == 0
    assert installation.broken() == {}


def test_the_first_few_refused_files_are_named(installation, capsys):
    for number in range(5):
        installation.site.put(f"{number}.tsv", b"x")
    check.run_check(installation.settings, sftpgo=(installation.sftpgo,))
    lines = [line for line in capsys.readouterr().out.splitlines() if "refused files" in line]
    assert [line[:29] for line in lines] == [
        "✗ refused files: 0.tsv: files", "✗ refused files: 1.tsv: files",
        "✗ refused files: 2.tsv: files", "✗ refused files: and 2 more",
    ]  # fmt: skip


def test_a_refused_name_with_a_newline_forges_no_line(installation):
    installation.site.put("x\n✓ all is well/summer/02001171/a.tsv", b"x")
    assert "\n" not in installation.broken()["refused files"]


def test_a_name_with_a_newline_forges_no_line(installation):
    folder = installation.site.data / DEVICE / "error"
    folder.mkdir()
    (folder / "x\n✓ all is well.tsv").touch()
    line = installation.broken()["files in error/"]
    assert f"{DEVICE}/error/x\\n✓ all is well.tsv: no reason" in line
    assert "\n" not in line


def test_a_file_in_error_is_reported_with_its_reason(installation):
    installation.site.put(f"{DEVICE}/T302_250703_031500.tsv", b"no logger wrote this\n")
    assert installation.site.run().returncode == 1
    line = installation.broken()["files in error/"]
    assert line.startswith(f"✗ files in error/: {DEVICE}/error/T302_250703_031500.tsv: ")
    assert installation.site.records()[-1]["reason"].removesuffix(".") in line


def test_of_very_many_files_in_error_the_newest_are_looked_at(installation, monkeypatch):
    monkeypatch.setattr(item, "MOST_SUBJECTS", 6)
    folder = installation.site.data / DEVICE / "error"
    folder.mkdir()
    last = 0
    for name in "cadbhfge":
        file = folder / f"{name}.tsv"
        file.touch()
        while file.stat().st_ctime_ns <= last:  # the clock of files ticks in milliseconds
            os.utime(file)
        last = file.stat().st_ctime_ns

    found = [i.subject for i in uploads.uploads(installation.settings) if i.name == "files in error/" and i.subject]
    assert found == [f"{DEVICE}/error/{name}.tsv" for name in "egfhbd"]
