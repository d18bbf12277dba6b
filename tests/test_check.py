"""`python -m powerview check`: its output, and what it never does."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

from check_installation import DEVICE, HEALTHY
from influx_server import free_port
from trees import ROOT, Site
from waiting import LONG

from powerview.monitoring import check
from powerview.monitoring.item import SIGN

pytest_plugins = ("check_fixture",)


def test_all_is_well_where_all_is_well(installation, capsys):
    assert installation.signs() == HEALTHY
    assert check.run_check(installation.settings, sftpgo=(installation.sftpgo,)) == 0
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == list(HEALTHY.values())
    assert installation.grafana.violations == []


def test_nothing_is_written_anywhere(installation, influx):
    before = influx.points(installation.settings.influxdb_bucket)
    files = installation.site.files()
    installation.lines()
    assert influx.points(installation.settings.influxdb_bucket) == before
    assert installation.site.files() == files


def test_json_is_for_monitoring(installation, capsys):
    (installation.site.data / DEVICE / "error").mkdir()
    (installation.site.data / DEVICE / "error" / "x.tsv").touch()
    assert check.run_check(installation.settings, as_json=True, sftpgo=(installation.sftpgo,)) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert {found["name"]: SIGN[found["state"]] for found in said["items"]} == {**HEALTHY, "files in error/": "✗"}
    (bad,) = (item for item in said["items"] if item["state"] == "bad")
    assert bad == {
        "name": "files in error/", "subject": f"{DEVICE}/error/x.tsv", "state": "bad",
        "found": f"{DEVICE}/error/x.tsv: no reason was written beside it",
        "remedy": "Move the file away when that is seen to.",
    }  # fmt: skip


def test_no_secret_is_shown(installation, influx, capsys):
    wrong = dataclasses.replace(
        installation.settings, influxdb_admin_token="of-another-server", grafana_password="guess"
    )
    for settings in (installation.settings, wrong):
        check.run_check(settings, sftpgo=(installation.sftpgo,))
    shown = capsys.readouterr().out
    for secret in (influx.token, installation.grafana.password, "of-another-server", "guess"):
        assert secret not in shown


def test_the_command_line_ends_with_1_and_no_traceback(tmp_path):
    environment = {**Site(tmp_path).environment, "GRAFANA_URL": f"http://127.0.0.1:{free_port()}"}
    done = subprocess.run(
        [sys.executable, "-m", "powerview", "check", "--sftpgo-env", tmp_path / "none"], cwd=ROOT, env=environment,
        capture_output=True, text=True, timeout=LONG,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert "✗ InfluxDB: none is named." in done.stdout
    assert f"✗ SFTPGo: nothing is set in {tmp_path / 'none'}." in done.stdout
