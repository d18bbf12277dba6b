"""The settings: environment, .env, defaults, and what cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from trees import ROOT

from powerview.settings import (
    DEFAULTS,
    REPLACED,
    SettingsError,
    load_settings,
    require_grafana,
    require_influxdb,
    require_language,
    require_notifications,
)


@pytest.fixture
def env_file(tmp_path) -> Path:
    return tmp_path / ".env"


def refused(env_file: Path, **environment: str) -> str:
    with pytest.raises(SettingsError) as error:
        require_grafana(load_settings(environment, env_file))
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
        "language": "en",
        "alert_urls": (),
        "ping_url": None,
        "replaced": (),
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
    secrets = {
        "INFLUXDB_ADMIN_TOKEN": "token-12",
        "GRAFANA_PASSWORD": "word-34",
        "POWERVIEW_PING_URL": "https://a/56",
        "POWERVIEW_ALERT_URLS": "mailtos://me:word-78@mail.example.org",
        "POWERVIEW_SMTP_PASSWORD": "word-90",
    }
    shown = repr(load_settings(secrets, env_file)).replace(str(env_file), ".env")
    assert [number for number in ("12", "34", "56", "78", "90") if number in shown] == []


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


def test_a_setting_that_only_the_provisioning_lane_uses_stops_nobody_else(env_file):
    load_settings({"GRAFANA_URL": "nowhere", "INFLUXDB_URL": "nowhere", "POWERVIEW_ISOLATION": "none"}, env_file)


@pytest.mark.parametrize("text", ["A=1\nGRAFANA_PASSWORD='open\n", "A=1\nB C=2\n"])
def test_a_line_that_cannot_be_read_is_named_and_not_repeated(env_file, text):
    env_file.write_text(text)
    assert refused(env_file) == (
        ".env, line 2, cannot be read: NAME=value is wanted, with a value that has blanks or quotes between single "
        "quotes. Is a quote not closed?"
    )


def test_a_token_without_an_influxdb_is_refused(env_file):
    with pytest.raises(SettingsError, match="INFLUXDB_HOST is not, so readings would go to line protocol files"):
        require_influxdb(load_settings({"INFLUXDB_ADMIN_TOKEN": "x"}, env_file))


# ── notifications ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_addresses_to_notify_have_blanks_between_them(env_file):
    env_file.write_text(
        "POWERVIEW_ALERT_URLS='ntfy://topic  mailtos://me:p%20w@mail.example.org/?to=a@b.fr,c@d.fr'\n"
        "POWERVIEW_PING_URL=https://hc-ping.com/a-b\nPOWERVIEW_LANGUAGE=fr\n"
    )
    settings = load_settings({}, env_file)
    assert settings.alert_urls == ("ntfy://topic", "mailtos://me:p%20w@mail.example.org/?to=a@b.fr,c@d.fr")
    assert (settings.ping_url, settings.language) == ("https://hc-ping.com/a-b", "fr")
    require_notifications(settings)
    require_language(settings)


def test_what_only_another_lane_uses_stops_nobody(env_file):
    load_settings(
        {"POWERVIEW_ALERT_URLS": "nobody", "POWERVIEW_PING_URL": "nowhere", "POWERVIEW_LANGUAGE": "de"}, env_file
    )


@pytest.mark.parametrize("value", ["de", "FR", "english"])
def test_a_language_without_texts_is_refused_by_who_writes_in_it(env_file, value):
    with pytest.raises(SettingsError) as error:
        require_language(load_settings({"POWERVIEW_LANGUAGE": value}, env_file))
    assert str(error.value) == (
        f"POWERVIEW_LANGUAGE must be en or fr, not {value!r}: set it in {env_file} or in the environment."
    )


@pytest.mark.parametrize(
    ("value", "position"),
    [
        ("me:secret@example.org", "1 of 1"),
        ("ntfy://topic mailtos://me:secret word@example.org", "3 of 3"),
        ("ntfy://topic,secret ntfy:///secret", "2 of 2"),
        ("ntfy:secret", "1 of 1"),
        ("://secret", "1 of 1"),
    ],
)
def test_an_address_to_notify_that_is_none_is_refused_and_not_repeated(env_file, value, position):
    with pytest.raises(SettingsError) as error:
        require_notifications(load_settings({"POWERVIEW_ALERT_URLS": value}, env_file))
    assert str(error.value).startswith(
        f"POWERVIEW_ALERT_URLS: address {position} (not shown) must be an Apprise URL such as ntfy://TOPIC"
    )
    assert str(error.value).endswith(f"set it in {env_file} or in the environment.")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "value", ["hc-ping.com/secret", "https:///secret", "ftp://hc-ping.com/secret", "https://a:b/secret"]
)
def test_a_ping_url_that_is_none_is_refused_and_not_repeated(env_file, value):
    with pytest.raises(SettingsError) as error:
        require_notifications(load_settings({"POWERVIEW_PING_URL": value}, env_file))
    assert str(error.value) == (
        "POWERVIEW_PING_URL (its value is not shown) must be a URL such as https://hc-ping.com/UUID: "
        f"set it in {env_file} or in the environment."
    )


@pytest.mark.parametrize("name", REPLACED)
def test_a_variable_of_an_earlier_version_is_named_with_what_replaces_it(env_file, name):
    env_file.write_text(f"{name}=a-secret\n")
    (sentence,) = load_settings({}, env_file).replaced
    assert sentence.startswith(f"{name} is not read any more: ")
    assert "POWERVIEW_ALERT_URLS" in sentence
    assert sentence.endswith(f", then delete its line in {env_file}.")
    assert "a-secret" not in sentence
    (sentence,) = load_settings({name: "b"}, env_file.parent / "none").replaced
    assert sentence.endswith(", then take it out of the environment.")


def test_an_empty_variable_of_an_earlier_version_needs_no_words(env_file):
    env_file.write_text("".join(f"{name}=\n" for name in REPLACED))
    assert load_settings({}, env_file).replaced == ()
    assert set(REPLACED) & set(DEFAULTS) == set()


# ── files that cannot be read ────────────────────────────────────────────────────────────────────────────────────────


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
