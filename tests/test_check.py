"""`python -m powerview check` in an installation where everything is in place, and with one thing broken at a time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from grafana_contract import GrafanaContract, Refused, route

from powerview import check
from powerview.settings import load_settings

ROOT = Path(__file__).resolve().parent.parent
SFTPGO = """SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir,upload,rename
SFTPGO_COMMON__ACTIONS__HOOK={hook}
SFTPGO_COMMON__POST_DISCONNECT_HOOK={hook}
"""
UPLOAD = {"time": "2026-11-24 03:15:09+01:00", "status": "OK", "path": "acme/roof/02001171/T302_261124_031509.tsv"}


@route("GET", "/api/datasources/uid/<uid>/health", who="anyone")
def _health_of_data_source(server, call, uid):
    source = call.org.data_sources.get(uid)
    if source is None:
        raise Refused(404, "Data source not found")
    if source["jsonData"].get("broken"):
        raise Refused(400, "error performing buckets query: dial tcp: connection refused")
    return {"status": "OK", "message": "datasource is working. 1 buckets found"}


class Installation:
    """Everything that check looks at, in a folder; `look` gives name → (state, line)."""

    def __init__(self, folder: Path, influx, grafana: GrafanaContract) -> None:
        self.folder = folder
        self.grafana = grafana
        self.sftpgo = folder / "sftpgo.env"
        self.sftpgo.write_text(SFTPGO.format(hook=check.HOOK))
        for name in ("data", "logs", "state"):
            (folder / name).mkdir()
        self.journal = folder / "logs/uploads.jsonl"
        self.journal.write_text(json.dumps(UPLOAD) + "\n")
        self.variables = {
            "INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token, "INFLUXDB_ORG": influx.org,
            "GRAFANA_URL": grafana.url, "GRAFANA_PASSWORD": grafana.password,
            "POWERVIEW_DATA_DIR": str(folder / "data"), "POWERVIEW_LOG_DIR": str(folder / "logs"),
            "POWERVIEW_STATE_DIR": str(folder / "state"),
        }  # fmt: skip
        self.env_file = folder / ".env"
        self.env_file.write_text("")
        self.env_file.chmod(0o640)

    def look(self) -> dict[str, check.Item]:
        """What check finds now, by name; where a name comes twice, the worse."""
        items: dict[str, check.Item] = {}
        for item in check.look(load_settings(self.variables, self.env_file), (self.sftpgo,)):
            if items.get(item.name) is None or item.state == check.BAD:
                items[item.name] = item
        return items

    def bad(self) -> dict[str, str]:
        """The crosses: name → what was found and the remedy."""
        return {n: f"{i.found}. {i.remedy}" for n, i in self.look().items() if i.state == check.BAD}

    def place(self, path: str, age: float = 0) -> Path:
        """A file below the tree, last changed `age` seconds ago."""
        file = self.folder / "data" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("readings")
        then = file.stat().st_mtime - age
        os.utime(file, (then, then))
        return file


@pytest.fixture
def grafana():
    with GrafanaContract("12.4") as server:
        master = json.loads((ROOT / "grafana-automation/dashboards/master.json").read_text(encoding="utf-8"))
        server.provision(master)
        source = {"uid": "powerview-master", "name": "powerview", "jsonData": {}, "secureJsonData": {}}
        server.orgs[1].data_sources["powerview-master"] = source
        yield server


@pytest.fixture
def installation(tmp_path, influx, grafana):
    return Installation(tmp_path, influx, grafana)


def test_nothing_is_bad_where_everything_is_in_place(installation):
    assert installation.bad() == {}
    good = {name for name, item in installation.look().items() if item.state == check.GOOD}
    assert good >= {"settings", "InfluxDB", "token", "organisation", "Grafana", "Grafana's admin", "Master", "hook",
                    "Grafana reads InfluxDB", "SFTPGo", "disk", "last upload", "pending files"}  # fmt: skip
    assert installation.grafana.violations == []


@pytest.mark.parametrize("variable", ["INFLUXDB_HOST", "INFLUXDB_ADMIN_TOKEN", "GRAFANA_PASSWORD"])
def test_a_missing_setting_is_named(installation, variable):
    del installation.variables[variable]
    assert variable in installation.bad()["settings"]


def test_secrets_that_everybody_can_read_are_told(installation):
    installation.env_file.chmod(0o644)
    assert list(installation.bad()) == ["secrets"]


def test_an_influxdb_that_is_away_is_told(installation):
    installation.variables["INFLUXDB_HOST"] = "http://127.0.0.1:1"
    assert "does not answer at http://127.0.0.1:1 (no connection)" in installation.bad()["InfluxDB"]
    assert "INFLUXDB_HOST" in installation.bad()["InfluxDB"]


def test_something_else_at_influxdbs_address_is_told(installation, grafana):
    installation.variables["INFLUXDB_HOST"] = grafana.url
    assert "InfluxDB" in installation.bad()


def test_a_wrong_token_is_told_and_not_shown(installation):
    installation.variables["INFLUXDB_ADMIN_TOKEN"] = "wrong-and-secret"
    assert "INFLUXDB_ADMIN_TOKEN is not accepted (401" in installation.bad()["token"]
    assert "wrong-and-secret" not in str(installation.look())


def test_a_token_that_may_only_read_is_told(installation, influx):
    org = influx.call("GET", "/api/v2/orgs", params={"org": influx.org}).json()["orgs"][0]["id"]
    things = ({"type": "buckets", "orgID": org}, {"type": "orgs", "id": org})
    rights = [{"action": "read", "resource": thing} for thing in things]
    made = influx.call("POST", "/api/v2/authorizations", json={"orgID": org, "permissions": rights}).json()
    installation.variables["INFLUXDB_ADMIN_TOKEN"] = made["token"]
    assert "may not write to powerview" in installation.bad()["token"]


def test_looking_at_the_token_writes_nothing(installation, influx):
    before = influx.points("powerview")
    installation.look()
    assert influx.points("powerview") == before


def test_a_missing_organisation_is_told(installation):
    installation.variables["INFLUXDB_ORG"] = "nowhere"
    assert "the token sees powerview, not nowhere" in installation.bad()["organisation"]


def test_a_missing_admin_bucket_is_told(installation):
    installation.variables["INFLUXDB_BUCKET"] = "nothing-here"
    assert "nothing-here (INFLUXDB_BUCKET) is missing" in installation.bad()["token"]


def test_a_grafana_that_is_away_is_told(installation):
    installation.variables["GRAFANA_URL"] = "http://127.0.0.1:1"
    assert list(installation.bad()) == ["Grafana"]


def test_a_wrong_password_of_grafana_is_told_and_not_shown(installation):
    installation.variables["GRAFANA_PASSWORD"] = "wrong-and-secret"
    assert "is refused (401" in installation.bad()["Grafana's admin"]
    assert "wrong-and-secret" not in str(installation.look())


def test_a_missing_master_is_told(installation):
    del installation.grafana.orgs[1].dashboards["powerview-master"]
    assert list(installation.bad()) == ["Master"]


def test_a_master_in_the_new_schema_is_told(installation):
    installation.grafana.save_as_v2("powerview-master")
    assert "new schema" in installation.bad()["Master"]


def test_a_data_source_that_is_missing_or_broken_is_told(installation):
    sources = installation.grafana.orgs[1].data_sources
    sources["powerview-master"]["jsonData"]["broken"] = True
    assert "INFLUXDB_URL" in installation.bad()["Grafana reads InfluxDB"]
    del sources["powerview-master"]
    assert "is not there" in installation.bad()["Grafana reads InfluxDB"]


@pytest.mark.parametrize("folder", ["data", "logs", "state"])
def test_a_missing_folder_is_told(installation, folder):
    shutil.rmtree(installation.folder / folder)
    variable = {"data": "POWERVIEW_DATA_DIR", "logs": "POWERVIEW_LOG_DIR", "state": "POWERVIEW_STATE_DIR"}[folder]
    assert "is no folder" in installation.bad()[variable]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away; CI is root")
def test_a_folder_of_somebody_else_is_told(installation):
    os.chown(installation.folder / "logs", 65534, -1)
    assert "the tree to root" in installation.bad()["POWERVIEW_LOG_DIR"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away; CI is root")
def test_a_clients_folder_of_somebody_else_is_told(installation):
    file = installation.place("acme/roof/02001171/a.tsv")
    os.chown(file.parent, 65534, -1)
    assert "02001171 does not belong to root" in installation.bad()["ownership"]


def test_a_hook_that_cannot_be_executed_is_told(installation, monkeypatch):
    copy = installation.folder / "on-upload.sh"
    copy.write_text("#!/bin/bash\n")
    monkeypatch.setattr(check, "HOOK", copy)
    installation.sftpgo.write_text(SFTPGO.format(hook=copy))
    assert installation.bad() == {"hook": f"{copy} cannot be executed. chmod +x {copy}"}
    copy.unlink()
    assert "is not there" in installation.bad()["hook"]


def test_an_sftpgo_without_our_hook_is_told(installation):
    installation.sftpgo.write_text(SFTPGO.format(hook="/elsewhere/hook.sh"))
    assert "its hook is /elsewhere/hook.sh" in installation.bad()["SFTPGo"]
    installation.sftpgo.unlink()
    assert "is there" in installation.bad()["SFTPGo"]


def test_an_sftpgo_that_tells_of_no_upload_is_told(installation):
    installation.sftpgo.write_text(
        f"SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir\nSFTPGO_COMMON__ACTIONS__HOOK={check.HOOK}\n"
    )
    assert "does not tell of upload" in installation.bad()["SFTPGo"]


def test_the_six_lines_of_old_notes_are_enough(installation):
    hook = check.HOOK
    installation.sftpgo.write_text(
        f"SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir\nSFTPGO_COMMON__ACTIONS__HOOK={hook}\n"
        f"SFTPGO_COMMON__POST_DISCONNECT_HOOK={hook}\nSFTPGO_COMMAND__COMMANDS__0__PATH={hook}\n"
        "SFTPGO_COMMAND__COMMANDS__0__ENV=SFTPGO_ACTION=upload\nSFTPGO_COMMAND__COMMANDS__0__HOOK=post_disconnect\n"
    )
    assert installation.bad() == {}


def test_a_timer_that_is_not_active_is_told(installation, monkeypatch):
    says = installation.folder / "systemctl"
    says.write_text("#!/bin/sh\necho inactive\nexit 3\n")
    says.chmod(0o755)
    monkeypatch.setenv("PATH", f"{installation.folder}:{os.environ['PATH']}")
    monkeypatch.setattr(check, "SYSTEMD", installation.folder)
    assert "powerview-sweep.timer is inactive" in installation.bad()["timer"]
    says.write_text("#!/bin/sh\necho active\n")
    assert installation.look()["timer"].state == check.GOOD
    monkeypatch.setattr(check, "SYSTEMD", installation.folder / "nothing")
    assert installation.look()["timer"].state == check.UNKNOWN


def test_a_disk_that_is_nearly_full_is_told(installation, monkeypatch):
    monkeypatch.setattr(check.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100 << 30, 100 << 30, 1 << 20))
    assert "0.0 GiB free of 100.0" in installation.bad()["disk"]


def test_a_silence_of_two_days_is_told(installation):
    then = installation.journal.stat().st_mtime - 48 * 3600
    os.utime(installation.journal, (then, then))
    assert re.search(r"OK acme/roof/.*: nothing for 48 hours", installation.bad()["last upload"])


def test_no_upload_yet_is_not_bad(installation):
    installation.journal.unlink()
    assert installation.look()["last upload"].state == check.UNKNOWN


def test_files_in_error_are_told(installation):
    installation.place("acme/roof/02001171/error/a.tsv")
    installation.place("acme/roof/02001171/error/a.tsv.reason.txt")
    assert "1, the newest acme/roof/02001171/error/a.tsv" in installation.bad()["files in error/"]


def test_files_pending_for_longer_than_an_hour_are_told(installation):
    installation.place("acme/roof/02001171/new.tsv", age=1800)
    assert installation.bad() == {}
    installation.place("acme/roof/02001171/old.tsv", age=7200)
    assert "1 for longer than an hour, such as acme/roof/02001171/old.tsv" in installation.bad()["pending files"]


def run(installation, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "powerview", "check", *options]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **installation.variables}, capture_output=True, text=True
    )


def test_the_command_shows_a_line_for_each_item_and_ends_with_1_if_one_is_bad(installation):
    installation.place("acme/roof/02001171/error/a.tsv")
    shown = run(installation)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert all(line[0] in "✓✗–" for line in shown.stdout.splitlines())
    assert "✗ files in error/: 1, the newest acme/roof/02001171/error/a.tsv. Each has its reason" in shown.stdout
    assert installation.variables["INFLUXDB_ADMIN_TOKEN"] not in shown.stdout


def test_the_command_speaks_json(installation):
    said = json.loads(run(installation, "--json").stdout)
    assert said["ok"] is False, "no SFTPGo is installed where tests run"
    assert {"name": "Master", "state": "ok"}.items() <= next(i for i in said["items"] if i["name"] == "Master").items()
