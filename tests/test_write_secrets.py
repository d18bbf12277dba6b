"""deploy/write_secrets.py: the files that compose.yaml mounts, and the secrets that a server would refuse."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT
from waiting import LONG

from powerview.settings import SettingsError, server_secrets

SECRETS = {"INFLUXDB_ADMIN_TOKEN": "t0ken", "INFLUXDB_PASSWORD": "of-influxdb", "GRAFANA_PASSWORD": "of grafana ☀"}


@pytest.fixture
def clone(tmp_path) -> Path:
    """The project, as far as the script needs it, with an .env."""
    for name in ("deploy/write_secrets.py", "powerview/__init__.py", "powerview/settings.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in SECRETS.items()), encoding="utf-8")
    return tmp_path


def write(clone: Path, status: int = 0, umask: int = 0o022, **environment: str) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, clone / "deploy/write_secrets.py"],
        env=environment,
        capture_output=True,
        text=True,
        umask=umask,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def files(clone: Path) -> dict[str, tuple[str, int]]:
    """What lies in secrets/: name → content, mode."""
    return {
        p.name: (p.read_text(encoding="utf-8"), stat.S_IMODE(p.stat().st_mode)) for p in (clone / "secrets").iterdir()
    }


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_the_servers_may_read_each_file_and_nobody_else_the_folder(clone, umask):
    done = write(clone, umask=umask)
    assert files(clone) == {name.lower(): (value, 0o644) for name, value in SECRETS.items()}
    assert stat.S_IMODE((clone / "secrets").stat().st_mode) & 0o007 == 0
    assert not any(value in done.stdout + done.stderr for value in SECRETS.values())


def test_a_second_run_writes_what_has_changed(clone):
    assert write(clone).stdout == "secrets/: influxdb_admin_token, influxdb_password, grafana_password written\n"
    assert write(clone).stdout == "secrets/: nothing written\n"
    assert write(clone, GRAFANA_PASSWORD="another").stdout == "secrets/: grafana_password written\n"
    assert files(clone)["grafana_password"] == ("another", 0o644)
    (clone / "secrets/grafana_password").chmod(0o600)
    assert write(clone).stdout == "secrets/: grafana_password written\n"


def test_a_folder_that_others_may_enter_is_closed(clone):
    (clone / "secrets").mkdir()
    (clone / "secrets").chmod(0o755)
    write(clone)
    assert stat.S_IMODE((clone / "secrets").stat().st_mode) == 0o750


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(clone, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (clone / "secrets").mkdir()
    for name in ("grafana_password", ".grafana_password.new"):
        (clone / "secrets" / name).symlink_to(outside)
    write(clone)
    assert outside.read_text() == "precious"
    assert not (clone / "secrets/grafana_password").is_symlink()


@pytest.mark.parametrize("name", SECRETS)
def test_nothing_is_written_while_a_secret_is_missing(clone, name):
    done = write(clone, status=78, **{name: ""})
    assert done.stderr == (
        f"write_secrets.py: {name} is empty: set it in {clone}/.env or in the environment "
        "(`openssl rand -hex 32` makes one).\n"
    )
    assert not (clone / "secrets").exists()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("INFLUXDB_PASSWORD", "secret7", "has 7 bytes, and InfluxDB takes 8 to 72"),
        ("INFLUXDB_PASSWORD", "secret" * 12 + "!", "has 73 bytes, and InfluxDB takes 8 to 72"),
        ("INFLUXDB_PASSWORD", "é" * 37, "has 74 bytes, and InfluxDB takes 8 to 72"),
        ("GRAFANA_PASSWORD", "secret${HOME}", "holds ${ or $__, which Grafana and compose would fill in"),
        ("GRAFANA_PASSWORD", "$__file{/etc/secret}", "holds ${ or $__, which Grafana and compose would fill in"),
        ("INFLUXDB_PASSWORD", "secret${1}", "holds ${ or $__, which Grafana and compose would fill in"),
        ("GRAFANA_PASSWORD", " secret", "holds a control character, or begins or ends with a blank"),
        ("GRAFANA_PASSWORD", "sec\nret", "holds a control character, or begins or ends with a blank"),
    ],
)
def test_a_secret_that_its_server_refuses_or_changes_is_refused(tmp_path, name, value, sentence):
    with pytest.raises(SettingsError) as error:
        server_secrets({**SECRETS, name: value}, tmp_path / ".env")
    assert str(error.value) == (
        f"{name} {sentence} (its value is not shown): set it in {tmp_path}/.env or in the environment."
    )


@pytest.mark.parametrize("value", ["8 octets", "é" * 36, "a$b{c} d", "$_......", "{$}'\"\\.."])
def test_what_the_servers_take_is_taken(tmp_path, value):
    secrets = server_secrets({**SECRETS, "GRAFANA_PASSWORD": value, "INFLUXDB_PASSWORD": value}, tmp_path / "x")
    assert secrets["GRAFANA_PASSWORD"] == value


def test_a_token_that_no_header_can_carry_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="INFLUXDB_ADMIN_TOKEN contains blanks"):
        server_secrets({**SECRETS, "INFLUXDB_ADMIN_TOKEN": "two words"}, tmp_path / ".env")


def test_influxdb_itself_takes_and_refuses_these_passwords(influx, tmp_path):
    """The limits are InfluxDB's own, asked of a real one that is not set up yet."""
    from influx_server import InfluxServer

    class NotSetUp(InfluxServer):
        def _set_up(self) -> None:
            pass

    server = NotSetUp(tmp_path)
    server.start()
    try:
        body = {"username": "admin", "org": "o", "bucket": "b", "token": "t"}
        answers = {}
        for length in (7, 73, 72):
            answer = server.session.post(
                f"{server.url}/api/v2/setup", json={**body, "password": "x" * length}, timeout=LONG
            )
            answers[length] = answer.status_code < 300
    finally:
        server.stop()
    assert answers == {7: False, 73: False, 72: True}


@pytest.mark.parametrize(
    ("variables", "status", "sentence"),
    [
        ({"POWERVIEW_ALERT_URLS": "me@example.org"}, 78, "POWERVIEW_ALERT_URLS: address 1 of 1 (not shown) must be"),
        ({"POWERVIEW_PING_URL": "hc-ping.com/x"}, 78, "POWERVIEW_PING_URL (its value is not shown) must be a URL"),
        ({"POWERVIEW_LANGUAGE": "de"}, 78, "POWERVIEW_LANGUAGE must be en or fr, not 'de'"),
        ({"GRAFANA_URL": "localhost"}, 78, "GRAFANA_URL must be a URL"),
        ({"POWERVIEW_SMTP_HOST": "mail.example.org"}, 0, "POWERVIEW_SMTP_HOST is not read any more: it is MAILSERVER"),
    ],
)
def test_a_setting_that_is_needed_only_when_something_is_wrong_is_looked_at_now(clone, variables, status, sentence):
    done = write(clone, status=status, **variables)
    assert done.stderr.startswith(f"write_secrets.py: {sentence}")
    assert set(files(clone)) == {name.lower() for name in SECRETS}
