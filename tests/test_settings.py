"""The settings: environment, .env, defaults, and what cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from trees import ROOT

from powerview.settings import DEFAULTS, SettingsError, load_settings, require_influxdb


@pytest.fixture
def env_file(tmp_path) -> Path:
    return tmp_path / ".env"


def refused(env_file: Path, **environment: str) -> str:
    with pytest.raises(SettingsError) as error:
        load_settings(environment, env_file)
    return str(error.value).replace(str(env_file), ".env")


# ── where a value comes from ─────────────────────────────────────────────────────────────────────────────────────────


def test_without_any_setting_the_defaults_stand(env_file):
    settings = load_settings({}, env_file)
    assert vars(settings) == {
        "influxdb_host": None,
        "influxdb_url": "http://influxdb:8086",
        "influxdb_admin_token": None,
        "influxdb_org": "powerview",
        "influxdb_bucket": "powerview",
        "grafana_url": "http://localhost:8088",
        "grafana_username": "admin",
        "grafana_password": None,
        "data_dir": Path("/srv/sftpgo/data"),
        "log_dir": Path("/srv/sftpgo/logs"),
        "state_dir": Path("/srv/sftpgo/state"),
        "timezone": ZoneInfo("Europe/Paris"),
        "isolation": "team",
        "env_file": env_file,
    }


def test_the_env_file_is_read(env_file):
    env_file.write_text(
        "# comment\n"
        "INFLUXDB_HOST=http://localhost:8086/  # trailing comment\n"
        "export INFLUXDB_ADMIN_TOKEN='a#$b=='\n"
        'INFLUXDB_ORG="my org"\r\n'
        "POWERVIEW_DATA_DIR=/data ⚡\n"
        "POWERVIEW_TIMEZONE = Asia/Tokyo\n"
        "SOMETHING_ELSE=1\n",
        encoding="utf-8",
    )
    settings = load_settings({}, env_file)
    assert settings.influxdb_host == "http://localhost:8086"
    assert settings.influxdb_admin_token == "a#$b=="
    assert settings.influxdb_org == "my org"
    assert settings.data_dir == Path("/data ⚡")
    assert settings.timezone == ZoneInfo("Asia/Tokyo")


def test_the_environment_wins_over_the_env_file(env_file):
    env_file.write_text("INFLUXDB_ORG=file\nINFLUXDB_BUCKET=file\n")
    settings = load_settings({"INFLUXDB_ORG": "environment"}, env_file)
    assert (settings.influxdb_org, settings.influxdb_bucket) == ("environment", "file")


@pytest.mark.parametrize("line", ["INFLUXDB_HOST=", "INFLUXDB_HOST=''", "INFLUXDB_HOST"])
def test_an_empty_value_means_not_set(env_file, line):
    env_file.write_text(f"{line}\nINFLUXDB_ORG=\n")
    settings = load_settings({}, env_file)
    assert (settings.influxdb_host, settings.influxdb_org) == (None, "powerview")


def test_an_empty_variable_of_the_environment_hides_the_env_file(env_file):
    env_file.write_text("INFLUXDB_HOST=http://localhost:8086\n")
    assert load_settings({"INFLUXDB_HOST": ""}, env_file).influxdb_host is None


def test_nothing_in_the_env_file_is_run_or_filled_in(env_file, tmp_path):
    env_file.write_text(f"INFLUXDB_ORG=$(touch {tmp_path}/ran)`touch {tmp_path}/ran`${{HOME}}\n")
    settings = load_settings({"HOME": "/somewhere"}, env_file)
    assert settings.influxdb_org == f"$(touch {tmp_path}/ran)`touch {tmp_path}/ran`${{HOME}}"
    assert not (tmp_path / "ran").exists()


def test_folders_are_absolute(env_file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    settings = load_settings(
        {"POWERVIEW_DATA_DIR": "a/../b", "POWERVIEW_LOG_DIR": "~/logs", "POWERVIEW_STATE_DIR": "/c/"}, env_file
    )
    assert (settings.data_dir, settings.log_dir, settings.state_dir) == (
        tmp_path / "b", Path("/home/someone/logs"), Path("/c")
    )  # fmt: skip


def test_the_process_environment_and_the_env_file_of_the_project_are_what_is_read():
    script = "from powerview.settings import *; print(load_settings().influxdb_org, load_settings().env_file)"
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={"INFLUXDB_ORG": "mine"}, capture_output=True, text=True
    )
    assert shown.stdout == f"mine {ROOT}/.env\n"


def test_no_secret_is_in_what_settings_print(env_file):
    settings = load_settings({"INFLUXDB_ADMIN_TOKEN": "token-1234", "GRAFANA_PASSWORD": "word-5678"}, env_file)
    assert "1234" not in repr(settings)
    assert "5678" not in repr(settings)


def test_the_sample_names_every_variable_once_with_its_default(env_file):
    named = [line.split("=", 1) for line in (ROOT / ".env.sample").read_text().splitlines() if "=" in line]
    variables = dict(pair for pair in named if not pair[0].startswith("#"))
    assert list(variables) == list(DEFAULTS)
    # the sample is for the installation with compose, so it names an InfluxDB; everything else is the default
    assert variables == {**{n: v or "" for n, v in DEFAULTS.items()}, "INFLUXDB_HOST": "http://localhost:8086"}


# ── values that cannot be used ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["INFLUXDB_HOST", "INFLUXDB_URL", "GRAFANA_URL"])
@pytest.mark.parametrize("value", ["localhost:8086", "localhost", "ftp://localhost", "http://", "http://a:port", "//a",
                                   "http://a:99999", "http://[::1"])  # fmt: skip
def test_an_address_that_is_no_url_is_refused(env_file, name, value):
    example = DEFAULTS[name] or "http://localhost:8086"
    assert refused(env_file, **{name: value}) == (
        f"{name} must be a URL such as {example}, not {value!r}: set it in .env or in the environment."
    )


@pytest.mark.parametrize("value", ["http://localhost", "https://influx.example.org:443/path/", "http://[::1]:8086"])
def test_an_address_with_http_and_a_host_will_do(env_file, value):
    assert load_settings({"INFLUXDB_HOST": value}, env_file).influxdb_host == value.rstrip("/")


@pytest.mark.parametrize("name", ["INFLUXDB_HOST", "INFLUXDB_URL", "GRAFANA_URL"])
@pytest.mark.parametrize(
    "value",
    [
        "http://me:secret@localhost:8086",
        "http://me:se/cret@influx:8086",
        "http://me:12/secret@influx:8086",  # a URL: host `me`, port 12
        "http://me:#secret@influx:8086",
        "me:secret@influx:8086",
        "secret@influx",
        "ftp://me:secret@influx",
        "http://[me:secret@influx",
    ],
)
def test_a_login_inside_a_url_is_refused_and_not_repeated(env_file, name, value):
    assert refused(env_file, **{name: value}) == (
        f"{name} must not hold a user name or password: set it in .env or in the environment, "
        "the login has variables of its own."
    )


@pytest.mark.parametrize("value", ["two words", "tab\there", "new\nline", "été", "a\x7f"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_repeated(env_file, value):
    assert refused(env_file, INFLUXDB_ADMIN_TOKEN=value) == (
        "INFLUXDB_ADMIN_TOKEN contains blanks or characters that no token has (its value is not shown): "
        "set it in .env or in the environment."
    )


@pytest.mark.parametrize("value", ["Paris", "Europe/Nowhere", "Europe", "../../etc/passwd", "/etc/localtime", "UTC+1"])
def test_a_time_zone_that_does_not_exist_is_refused(env_file, value):
    assert refused(env_file, POWERVIEW_TIMEZONE=value) == (
        f"POWERVIEW_TIMEZONE must be the name of a time zone such as Europe/Paris, not {value!r}: "
        "set it in .env or in the environment."
    )


@pytest.mark.parametrize("value", ["Team", "none", "orgs"])
def test_another_isolation_is_refused(env_file, value):
    assert refused(env_file, POWERVIEW_ISOLATION=value) == (
        f"POWERVIEW_ISOLATION must be team or org, not {value!r}: set it in .env or in the environment."
    )


def test_an_env_file_that_is_no_text_is_refused(env_file):
    env_file.write_bytes(b"INFLUXDB_ORG=\xff\xfe\n")
    assert refused(env_file).startswith(".env cannot be read: 'utf-8' codec can't decode byte 0xff in position 13")


def test_an_env_file_that_this_user_may_not_read_is_refused(env_file, monkeypatch):
    def denied(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    env_file.write_text("INFLUXDB_ORG=a\n")
    monkeypatch.setattr("powerview.settings.dotenv_values", denied)  # root may read everything
    assert refused(env_file) == (
        ".env cannot be read: [Errno 13] Permission denied: '.env'. It must be readable by this user."
    )


def test_an_influxdb_without_a_token_is_refused_by_who_writes_to_it(env_file):
    settings = load_settings({"INFLUXDB_HOST": "http://localhost:8086"}, env_file)
    with pytest.raises(SettingsError) as error:
        require_influxdb(settings)
    assert str(error.value) == (
        f"INFLUXDB_ADMIN_TOKEN is not set, but INFLUXDB_HOST is (http://localhost:8086): set the token in {env_file} "
        "or in the environment (InfluxDB's web page makes one: Load Data, API Tokens), or unset INFLUXDB_HOST to "
        "write line protocol files."
    )


def test_no_influxdb_needs_no_token(env_file):
    require_influxdb(load_settings({}, env_file))
    require_influxdb(load_settings({"INFLUXDB_HOST": "http://a", "INFLUXDB_ADMIN_TOKEN": "t"}, env_file))
