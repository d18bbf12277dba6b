"""`check` reports whatever is broken on this machine: settings, folders, hook, SFTPGo, units, disks."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from check_installation import DEVICE, fake_systemctl

from powerview.monitoring import check, machine

pytest_plugins = ("check_fixture",)


@pytest.mark.parametrize(
    ("field", "variable", "gone"),
    [
        ("influxdb_host", "INFLUXDB_HOST", {"organisation", "token"}),
        ("influxdb_admin_token", "INFLUXDB_ADMIN_TOKEN", {"organisation", "token"}),
        ("grafana_password", "GRAFANA_PASSWORD", {"Grafana's login", "Master", "Loggers", "Grafana reads InfluxDB"}),
    ],
)
def test_a_missing_setting_is_named(installation, field, variable, gone):
    broken = installation.broken(**{field: None})
    assert broken.pop("settings") == f"✗ settings: {variable} not set. Set it in {installation.settings.env_file}."
    assert broken.pop("InfluxDB", "✗ InfluxDB: none is named")[:25] == "✗ InfluxDB: none is named"
    assert broken == dict.fromkeys(gone, "")


def test_an_env_that_everybody_can_read_is_reported(installation):
    env = installation.settings.env_file
    env.chmod(0o644)
    assert installation.broken() == {
        "secrets": f"✗ secrets: {env} is open to everybody on this machine. chmod o= {env}"
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_env_that_sftpgo_cannot_read_is_reported(installation):
    env = installation.settings.env_file
    shutil.chown(env, "daemon")
    assert installation.broken() == {
        "secrets": f"✗ secrets: {env} belongs to daemon alone: root, who owns the tree, cannot read it. "
        f"chown root: {env}"
    }
    env.chmod(0o640)
    assert installation.broken() == {}


@pytest.mark.parametrize(
    ("field", "variable", "folder"),
    [
        ("data_dir", "POWERVIEW_DATA_DIR", "data"),
        ("log_dir", "POWERVIEW_LOG_DIR", "logs"),
        ("state_dir", "POWERVIEW_STATE_DIR", "state"),
    ],
)
def test_a_missing_folder_is_reported(installation, field, variable, folder):
    missing = installation.site.root / "missing"
    broken = installation.broken(**{field: missing})
    assert broken[variable] == (
        f"✗ {variable}: {missing} is no folder that this user can see. "
        f"mkdir -p {missing}, owned by the user that runs SFTPGo."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_log_folder_of_another_owner_is_reported(installation):
    log = installation.site.log
    shutil.chown(log, "daemon")
    assert installation.broken() == {
        "POWERVIEW_LOG_DIR": f"✗ POWERVIEW_LOG_DIR: {log} belongs to daemon, not to root. chown -R root: {log}",
    }


@pytest.fixture
def tree_of_daemon(monkeypatch):
    """A tree of uploads that belongs to daemon, who is SFTPGo's user, where everybody can find it."""
    monkeypatch.setattr(machine, "SFTPGO_USER", "daemon")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as top:
        data = Path(top) / "data"
        (data / DEVICE).mkdir(parents=True)
        Path(top).chmod(0o755)
        for folder in (data, *data.rglob("*")):
            shutil.chown(folder, "daemon", "daemon")
        yield data


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_the_admin_made_is_good_if_sftpgo_may_work_there(installation, tree_of_daemon):
    backfill = tree_of_daemon / "company1" / "winter"
    backfill.mkdir(parents=True)
    line = installation.broken(data_dir=tree_of_daemon)["ownership"]
    assert line == (
        f"✗ ownership: {backfill.parent} belongs to root: daemon cannot work in it. chown -R daemon: {tree_of_daemon}"
    )
    backfill.parent.chmod(0o777)  # as the README's ACLs open it
    assert f"✗ ownership: {backfill} " in installation.broken(data_dir=tree_of_daemon)["ownership"]
    backfill.chmod(0o777)
    assert "ownership" not in installation.broken(data_dir=tree_of_daemon)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("mode", [0o377, 0o577, 0o677])
def test_a_folder_in_which_sftpgo_cannot_work_is_reported(installation, tree_of_daemon, mode):
    (tree_of_daemon / DEVICE).chmod(mode)
    line = installation.broken(data_dir=tree_of_daemon)["ownership"]
    assert line.startswith(f"✗ ownership: {tree_of_daemon / DEVICE} belongs to daemon: daemon cannot work in it.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_in_which_we_cannot_work_is_reported(installation):
    (installation.site.data / DEVICE).chmod(0o500)
    assert "cannot work in it" in installation.broken()["ownership"]


def test_where_sftpgo_has_a_user_the_folders_must_be_his(installation, monkeypatch):
    monkeypatch.setattr(machine, "SFTPGO_USER", "daemon")
    assert {name for name, line in installation.broken().items() if "not to daemon" in line} == {
        "POWERVIEW_DATA_DIR", "POWERVIEW_LOG_DIR", "POWERVIEW_STATE_DIR",
    }  # fmt: skip


def test_a_folder_that_its_owner_cannot_write_is_reported(installation):
    installation.site.state.chmod(0o500)
    line = installation.broken()["POWERVIEW_STATE_DIR"]
    assert line.endswith(f"chmod u+rwx {installation.site.state}")


def test_a_hook_that_cannot_run_is_reported(installation):
    machine.HOOK.chmod(0o644)
    assert installation.broken() == {"hook": f"✗ hook: {machine.HOOK} cannot be executed. chmod +x {machine.HOOK}"}
    machine.HOOK.unlink()
    assert installation.broken() == {"hook": f"✗ hook: {machine.HOOK} is not there. git checkout it."}


COPY = "Copy deploy/sftpgo.env to the end of /etc/sftpgo/sftpgo.env and restart SFTPGo."


def test_an_sftpgo_without_settings_is_reported(installation):
    installation.sftpgo.unlink()
    assert installation.broken() == {
        "SFTPGo": f"✗ SFTPGo: nothing is set in {installation.sftpgo}. {COPY} If its settings are elsewhere, "
                  "name the file with --sftpgo-env.",
    }  # fmt: skip


def test_an_sftpgo_with_another_hook_is_reported(installation):
    installation.sftpgo.write_text("SFTPGO_COMMON__ACTIONS__HOOK=/opt/other.sh\n")
    assert installation.broken() == {"SFTPGo": f"✗ SFTPGo: its hook is /opt/other.sh, not {machine.HOOK}. {COPY}"}


def test_the_last_line_of_sftpgos_settings_counts(installation):
    with installation.sftpgo.open("a") as file:
        file.write("SFTPGO_COMMON__ACTIONS__EXECUTE_ON=upload\n")
    assert installation.broken() == {
        "SFTPGo": "✗ SFTPGo: it does not run on-upload.sh for mkdir. SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir,upload,"
                  "rename (see deploy/sftpgo.env).",
    }  # fmt: skip


def test_the_six_lines_of_old_notes_are_enough(installation):
    hook = machine.HOOK
    installation.sftpgo.write_text(
        f'SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir\nSFTPGO_COMMON__ACTIONS__HOOK="{hook}"\n'
        f"SFTPGO_COMMON__POST_DISCONNECT_HOOK={hook}\nSFTPGO_COMMAND__COMMANDS__0__PATH={hook}\n"
        "SFTPGO_COMMAND__COMMANDS__0__ENV=SFTPGO_ACTION=upload\nSFTPGO_COMMAND__COMMANDS__0__HOOK=post_disconnect\n"
    )
    assert installation.broken() == {}


def test_neither_uploads_nor_disconnects_is_reported(installation):
    text = installation.sftpgo.read_text().replace("mkdir,upload,rename", "mkdir").replace("POST_DISCONNECT", "OTHER")
    installation.sftpgo.write_text(text)
    assert "it does not run on-upload.sh for upload." in installation.broken()["SFTPGo"]


def test_a_hook_that_costs_uploads_is_reported(installation):
    with installation.sftpgo.open("a") as file:
        file.write("SFTPGO_COMMON__ACTIONS__EXECUTE_SYNC=upload\n")
    assert installation.broken() == {
        "SFTPGo": "✗ SFTPGo: EXECUTE_SYNC names upload: an upload whose hook fails is deleted. "
                  "Remove SFTPGO_COMMON__ACTIONS__EXECUTE_SYNC and restart SFTPGo.",
    }  # fmt: skip


def test_settings_of_a_folder_count_too(installation):
    folder = installation.site.root / "env.d"
    folder.mkdir()
    installation.sftpgo.rename(folder / "powerview.env")
    installation.sftpgo = folder
    assert installation.broken() == {}


def test_sftpgo_env_wins_over_env_d_and_there_the_first_file(installation):
    folder = installation.site.root / "env.d"
    folder.mkdir()
    (folder / "powerview.env").write_text(installation.sftpgo.read_text())
    (folder / "kept").mkdir()
    (folder / "a-link.env").symlink_to(installation.site.root / "nowhere")
    both = (installation.sftpgo, folder)

    def line() -> str:
        return next(item.line() for item in check.look(installation.settings, both) if item.name == "SFTPGo")

    installation.sftpgo.write_text("SFTPGO_COMMON__ACTIONS__HOOK=/opt/old/hook.sh\n")
    assert line() == f"✗ SFTPGo: its hook is /opt/old/hook.sh, not {machine.HOOK}. {COPY}"
    installation.sftpgo.write_text("")
    assert line()[0] == "✓"
    (folder / "zz.env").write_text("SFTPGO_COMMON__ACTIONS__HOOK=/opt/later.sh\n")
    assert line()[0] == "✓"
    (folder / "admin.env").write_text("SFTPGO_COMMON__ACTIONS__HOOK=/opt/first.sh\n")
    assert line().startswith("✗ SFTPGo: its hook is /opt/first.sh")


def test_a_timer_that_is_not_active_is_reported(installation):
    fake_systemctl(installation.site.root, {"is-active powerview-sweep.timer": "inactive"})
    assert installation.broken() == {
        "timer": "✗ timer: powerview-sweep.timer is inactive. "
        "systemctl enable --now powerview-sweep.timer (see deploy/)."
    }


@pytest.mark.parametrize("unit", ["sftpgo.service", "caddy.service"])
@pytest.mark.parametrize(("state", "logged"), [("inactive", "inactive"), ("activating", "activating"), ("", "unknown")])
def test_a_server_that_does_not_run_is_reported(installation, unit, state, logged):
    fake_systemctl(installation.site.root, {f"is-active {unit}": state})
    assert installation.broken() == {
        unit: f"✗ {unit}: is {logged}. systemctl restart {unit}; journalctl -u {unit} says why it ended."
    }


def test_a_caddy_that_is_not_powerviews_is_not_looked_at(installation):
    fake_systemctl(installation.site.root, {"is-active caddy.service": "inactive"})
    machine.CADDY_SETTINGS.unlink()
    assert installation.broken() == {"caddy.service": ""}


@pytest.mark.parametrize("state", ["failed", "activating", "active", ""])
def test_a_sweep_that_failed_is_reported(installation, state):
    fake_systemctl(installation.site.root, {"is-failed powerview-sweep.service": state})
    assert installation.broken() == {
        "failed": {
            "powerview-sweep.service": "✗ powerview-sweep.service: the last sweep failed. "
                                       "journalctl -u powerview-sweep.service says why.",
        },
        "": {"powerview-sweep.service": "– powerview-sweep.service: is unknown"},
    }.get(state, {})  # fmt: skip


def test_a_machine_without_systemd_says_so(installation, monkeypatch):
    monkeypatch.setattr(machine, "SYSTEMD", installation.site.root / "none")
    assert installation.broken() == {
        "timer": "– timer: this machine has no systemd. Let something run on-upload.sh sweep every five minutes.",
        "sftpgo.service": "", "caddy.service": "", "powerview-sweep.service": "",
    }  # fmt: skip


def test_a_full_disk_is_reported(installation, monkeypatch):
    usage = shutil.disk_usage("/")._replace(total=100 << 30, free=300 << 20)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    assert installation.broken() == {
        "disk": f"✗ disk: 0.3 GiB free of 100.0 at {installation.site.data}. "
        "Make room: a full disk keeps files pending."
    }


@pytest.mark.parametrize(("name", "mode"), [("dashboards/master.json", 0o640), ("dashboards", 0o754), (".", 0o750)])
def test_files_that_grafanas_container_cannot_read_are_reported(installation, name, mode):
    (folder,) = machine.MOUNTED
    path = folder / name
    path.chmod(mode)
    assert installation.broken() == {
        "Grafana's files": f"✗ Grafana's files: {path} cannot be read by Grafana's container. "
        f"chmod -R go+rX {folder}, then podman-compose restart grafana"
    }


def test_the_files_of_a_grafana_elsewhere_are_not_ours(installation):
    (folder,) = machine.MOUNTED
    (folder / "dashboards").chmod(0o700)
    elsewhere = replace(installation.settings, grafana_url="https://grafana.example.org")
    assert list(machine._mounted(elsewhere)) == []
