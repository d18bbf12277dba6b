"""`python -m powerview check` tells the truth in every broken state: things are broken one by one."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from dashboard_queries import load_master
from grafana_contract import GrafanaContract, Refused, route
from influx_server import free_port
from trees import ROOT, House, day_rows, v002

from powerview.monitoring import check
from powerview.settings import Settings, load_settings

HEALTHY = {
    "settings": "✓", "secrets": "✓", "InfluxDB": "✓", "organisation": "✓", "token": "✓", "Grafana": "✓",
    "Grafana's admin": "✓", "Master": "✓", "Grafana reads InfluxDB": "✓", "POWERVIEW_DATA_DIR": "✓",
    "POWERVIEW_LOG_DIR": "✓", "POWERVIEW_STATE_DIR": "✓", "hook": "✓", "SFTPGo": "✓", "timer": "✓",
    "sftpgo.service": "✓", "caddy.service": "✓", "powerview-sweep.service": "✓", "disk": "✓",
    "last upload": "✓", "files in error/": "✓", "pending files": "✓", "refused files": "✓",
}  # fmt: skip
DEVICE = "acme/roof/02001171"


@route("GET", "/api/datasources/uid/<uid>/health")
def _data_source_health(_server, call, uid):
    source = call.org.data_sources.get(uid)
    if source is None:
        raise Refused(404, "Data source not found")
    if source.get("broken"):
        raise Refused(400, source["broken"])
    return {"status": "OK", "message": "datasource is working. 1 buckets found"}


@dataclasses.dataclass
class Installation:
    """A whole installation in a folder, with a real InfluxDB and a Grafana that answers as the real one does."""

    house: House
    grafana: GrafanaContract
    settings: Settings
    sftpgo: Path

    def lines(self, **changed) -> dict[str, str]:
        """Name → its line; `changed` are other settings."""
        settings = dataclasses.replace(self.settings, **changed)
        return {item.name: item.line() for item in check.look(settings, (self.sftpgo,))}

    def signs(self, **changed) -> dict[str, str]:
        """Name → ✓, ✗ or –."""
        return {name: line[0] for name, line in self.lines(**changed).items()}

    def broken(self, **changed) -> dict[str, str]:
        """The lines that are not as in a healthy installation, those that are missing as an empty text."""
        lines = self.lines(**changed)
        return {n: lines.get(n, "") for n in {**HEALTHY, **lines} if lines.get(n, " ")[0] != HEALTHY.get(n)}


@pytest.fixture(params=["12.4", "13"])
def installation(request, influx, client, tmp_path, monkeypatch):
    """One in which all is well."""
    with GrafanaContract(request.param) as grafana:
        yield _install(influx, client, tmp_path, monkeypatch, grafana)


def _install(influx, client, tmp_path, monkeypatch, grafana) -> Installation:
    grafana.provision(load_master())
    grafana.orgs[1].data_sources[check.ADMIN_DATASOURCE] = {"uid": check.ADMIN_DATASOURCE, "id": 1}
    house = House(tmp_path)
    env = tmp_path / ".env"
    env.write_text("# all is in the environment\n")
    env.chmod(0o600)
    hook = tmp_path / "on-upload.sh"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    monkeypatch.setattr(check, "HOOK", hook)
    monkeypatch.setattr(check, "SYSTEMD", tmp_path)
    monkeypatch.setattr(check, "SFTPGO_USER", "no-such-user")
    _fake_systemctl(tmp_path, {})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    caddy = tmp_path / "powerview.conf"
    caddy.write_text("[Service]\n")
    monkeypatch.setattr(check, "CADDY_SETTINGS", caddy)
    settings = load_settings(
        {
            **house.environment,
            "INFLUXDB_HOST": influx.url,
            "INFLUXDB_ADMIN_TOKEN": influx.token,
            "INFLUXDB_BUCKET": client,
            "GRAFANA_URL": grafana.url,
            "GRAFANA_PASSWORD": grafana.password,
        },
        env,
    )
    influx.make_bucket(client)
    house.put(f"{DEVICE}/T302_250702_031500.tsv", v002(*day_rows()))
    assert house.run().returncode == 0
    sftpgo = tmp_path / "sftpgo.env"
    sftpgo.write_text((ROOT / "deploy" / "sftpgo.env").read_text().replace("/srv/powerview/on-upload.sh", str(hook)))
    return Installation(house, grafana, settings, sftpgo)


UNITS = {
    "is-active powerview-sweep.timer": "active", "is-active sftpgo.service": "active",
    "is-active caddy.service": "active", "is-failed powerview-sweep.service": "inactive",
}  # fmt: skip


def _fake_systemctl(folder: Path, changed: dict[str, str]) -> None:
    # It knows these questions only; `changed` has other answers to some.
    program = folder / "bin" / "systemctl"
    program.parent.mkdir(exist_ok=True)
    arms = "".join(f'  "{question}") echo {state} ;;\n' for question, state in {**UNITS, **changed}.items())
    program.write_text(f"#!/bin/sh\ncase $* in\n{arms}  *) exit 4 ;;\nesac\n")
    program.chmod(0o755)


def test_all_is_well_where_all_is_well(installation, capsys):
    assert installation.signs() == HEALTHY
    assert check.run_check(installation.settings, sftpgo=(installation.sftpgo,)) == 0
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == list(HEALTHY.values())
    assert installation.grafana.violations == []


def test_nothing_is_written_anywhere(installation, influx):
    before = influx.points(installation.settings.influxdb_bucket)
    files = installation.house.files()
    installation.lines()
    assert influx.points(installation.settings.influxdb_bucket) == before
    assert installation.house.files() == files


def test_json_is_for_monitoring(installation, capsys):
    (installation.house.data / DEVICE / "error").mkdir()
    (installation.house.data / DEVICE / "error" / "x.tsv").touch()
    assert check.run_check(installation.settings, as_json=True, sftpgo=(installation.sftpgo,)) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert {item["name"]: check.SIGN[item["state"]] for item in said["items"]} == {**HEALTHY, "files in error/": "✗"}
    (bad,) = (item for item in said["items"] if item["state"] == "bad")
    assert bad == {
        "name": "files in error/", "state": "bad", "found": f"1, the newest {DEVICE}/error/x.tsv",
        "remedy": "Each has its reason in a .reason.txt beside it; move them away when that is seen to.",
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


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "variable", "gone"),
    [
        ("influxdb_host", "INFLUXDB_HOST", {"organisation", "token"}),
        ("influxdb_admin_token", "INFLUXDB_ADMIN_TOKEN", {"organisation", "token"}),
        ("grafana_password", "GRAFANA_PASSWORD", {"Grafana's admin", "Master", "Grafana reads InfluxDB"}),
    ],
)
def test_a_missing_setting_is_named(installation, field, variable, gone):
    broken = installation.broken(**{field: None})
    assert broken.pop("settings") == f"✗ settings: {variable} not set. Set it in {installation.settings.env_file}."
    assert broken.pop("InfluxDB", "✗ InfluxDB: none is named")[:25] == "✗ InfluxDB: none is named"
    assert broken == dict.fromkeys(gone, "")


def test_an_env_that_everybody_can_read_is_told(installation):
    env = installation.settings.env_file
    env.chmod(0o644)
    assert installation.broken() == {
        "secrets": f"✗ secrets: {env} is open to everybody on this machine. chmod o= {env}"
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_env_that_sftpgo_cannot_read_is_told(installation):
    env = installation.settings.env_file
    shutil.chown(env, "daemon")
    assert installation.broken() == {
        "secrets": f"✗ secrets: {env} belongs to daemon alone: root, who owns the tree, cannot read it. "
        f"chown root: {env}"
    }
    env.chmod(0o640)
    assert installation.broken() == {}


# ── InfluxDB ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_influxdb_that_is_away_is_told(installation):
    url = f"http://127.0.0.1:{free_port()}"
    assert installation.broken(influxdb_host=url) == {
        "InfluxDB": f"✗ InfluxDB: does not answer at {url} (no connection). "
                    f"Is it running, and is INFLUXDB_HOST ({url}) right?",
        "organisation": "", "token": "",
    }  # fmt: skip


def test_another_server_is_not_taken_for_influxdb(installation):
    broken = installation.broken(influxdb_host=installation.grafana.url)
    assert broken["InfluxDB"].startswith(f"✗ InfluxDB: does not answer at {installation.grafana.url} (")


def test_a_wrong_token_is_told(installation):
    assert installation.broken(influxdb_admin_token="wrong") == {
        "token": f"✗ token: INFLUXDB_ADMIN_TOKEN is not accepted (401 unauthorized access). {ALL_ACCESS}"
                 f"{installation.settings.env_file}.",
        "organisation": "",
    }  # fmt: skip


def test_another_organisation_is_told(installation):
    assert installation.broken(influxdb_org="elsewhere") == {
        "organisation": "✗ organisation: the token sees powerview, not elsewhere. "
                        "Set INFLUXDB_ORG, or make the token in that organisation.",
        "token": "",
    }  # fmt: skip


# What each token of these tests may do: resource → actions, in the whole organisation; `bucket` is the admins' own.
ALL_BUCKETS = {"buckets": "read write", "orgs": "read"}
EVERYTHING_NEEDED = {**ALL_BUCKETS, "authorizations": "read write", "users": "read write"}
TOO_LITTLE = {
    "only reads": ({"buckets": "read", "orgs": "read"}, "write:orgs/ORG/authorizations is unauthorized"),
    "one bucket": ({"bucket": "read write", "orgs": "read"}, "write:orgs/ORG/authorizations is unauthorized"),
    "all buckets": (ALL_BUCKETS, "write:orgs/ORG/authorizations is unauthorized"),
    "no users": ({**EVERYTHING_NEEDED, "users": "read"}, "write:users/USER is unauthorized"),
    "tokens but one bucket": (
        {**EVERYTHING_NEEDED, "buckets": "", "bucket": "read write"},
        "permission write:orgs/ORG/buckets is not allowed: write:orgs/ORG/buckets is unauthorized",
    ),
    "does not read buckets": (
        {**EVERYTHING_NEEDED, "buckets": "write"},
        "permission read:orgs/ORG/buckets is not allowed: read:orgs/ORG/buckets is unauthorized",
    ),
    "does not read tokens": (
        {**EVERYTHING_NEEDED, "authorizations": "write"},
        "permission read:orgs/ORG/authorizations is not allowed: read:orgs/ORG/authorizations is unauthorized",
    ),
}
ALL_ACCESS = "Make an all-access token on InfluxDB's page (Load Data, API Tokens, Generate, All Access) and set it in "


def _ids(influx) -> tuple[str, str]:
    org = influx.call("GET", "/api/v2/orgs", params={"org": influx.org}).json()["orgs"][0]["id"]
    return org, influx.call("GET", "/api/v2/me").json()["id"]


def _token(influx, bucket: str, may: dict[str, str]) -> str:
    org, me = _ids(influx)
    bucket_id = influx.call("GET", "/api/v2/buckets", params={"name": bucket}).json()["buckets"][0]["id"]
    which = {"bucket": {"id": bucket_id, "orgID": org}, "orgs": {"id": org}, "users": {"id": me}}
    rights = [
        {"action": action, "resource": {"type": "buckets" if kind == "bucket" else kind,
                                        **which.get(kind, {"orgID": org})}}
        for kind, actions in may.items()
        for action in actions.split()
    ]  # fmt: skip
    body = {"orgID": org, "description": "of a test", "permissions": rights}
    return influx.call("POST", "/api/v2/authorizations", json=body).json()["token"]


@pytest.mark.parametrize("which", TOO_LITTLE)
def test_a_token_that_cannot_do_the_work_is_told(installation, influx, which):
    may, lacks = TOO_LITTLE[which]
    org, me = _ids(influx)
    status = 403 if lacks.startswith("permission") else 401
    token = _token(influx, installation.settings.influxdb_bucket, may)
    said = lacks.replace("ORG", org).replace("USER", me)
    assert installation.broken(influxdb_admin_token=token) == {
        "token": f"✗ token: may not do all that PowerView does: make buckets, write to them, make tokens ({status} "
                 f"{said}). {ALL_ACCESS}{installation.settings.env_file}.",
    }  # fmt: skip


def test_a_token_that_can_do_the_work_is_good_and_does_it(installation, influx, client):
    token = _token(influx, client, EVERYTHING_NEEDED)
    tokens = influx.call("GET", "/api/v2/authorizations").json()["authorizations"]
    assert installation.broken(influxdb_admin_token=token) == {}
    assert installation.broken() == {}  # the one of InfluxDB's first start
    assert influx.call("GET", "/api/v2/authorizations").json()["authorizations"] == tokens
    org, _ = _ids(influx)
    headers = {"Authorization": f"Token {token}"}
    rights = [{"action": "read", "resource": {"type": "buckets", "orgID": org}}]
    made = {"buckets": {"name": f"{client}-new"}, "authorizations": {"description": "x", "permissions": rights}}
    for kind, body in made.items():
        influx.call("POST", f"/api/v2/{kind}", headers=headers, json={"orgID": org, **body})


def test_a_server_that_says_nothing_of_rights_makes_no_tick(installation, monkeypatch):
    ask = check._ask

    def answer(method, address, **kwargs):
        return "no connection" if address.endswith("/authorizations") else ask(method, address, **kwargs)

    monkeypatch.setattr(check, "_ask", answer)
    line = installation.broken()["token"]
    assert line == (
        f"– token: what it may do cannot be told (no connection). {ALL_ACCESS}{installation.settings.env_file}."
    )


def test_a_missing_bucket_of_the_admins_is_told(installation):
    assert installation.broken(influxdb_bucket="nowhere") == {
        "token": "✗ token: the bucket nowhere (INFLUXDB_BUCKET) is missing. The first upload makes it.",
    }  # fmt: skip


# ── Grafana ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_grafana_that_is_away_is_told(installation):
    url = f"http://127.0.0.1:{free_port()}"
    assert installation.broken(grafana_url=url) == {
        "Grafana": f"✗ Grafana: does not answer at {url} (no connection). "
                   f"Is it running, and is GRAFANA_URL ({url}) right?",
        "Grafana's admin": "", "Master": "", "Grafana reads InfluxDB": "",
    }  # fmt: skip


def test_a_wrong_password_is_told(installation):
    broken = installation.broken(grafana_password="wrong")
    assert broken.pop("Grafana's admin").startswith("✗ Grafana's admin: the login of admin is refused (401")
    assert broken == {"Master": "", "Grafana reads InfluxDB": ""}


def test_a_login_that_is_no_admin_is_told(installation):
    from grafana_contract import User

    installation.grafana.users.append(User(7, "eve", "eve@localhost", "evening"))
    installation.grafana.orgs[1].roles[7] = "Viewer"
    broken = installation.broken(grafana_username="eve", grafana_password="evening")
    assert broken.pop("Grafana's admin").startswith("✗ Grafana's admin: the login of eve is no administrator (403")
    assert broken == {"Master": "", "Grafana reads InfluxDB": ""}


def test_a_missing_master_is_told(installation):
    del installation.grafana.orgs[1].dashboards[check.MASTER]
    assert installation.broken() == {
        "Master": "✗ Master: the dashboard is not there. The next sweep imports it: on-upload.sh sweep."
    }


def test_a_master_in_the_new_schema_is_told(installation):
    installation.grafana.save_as_v2(check.MASTER)
    assert installation.broken() == {
        "Master": "✗ Master: it was saved in Grafana's new schema. Export it as classic JSON (Share, Export, classic "
                  "model) and import that over it.",
    }  # fmt: skip


def test_a_missing_data_source_of_the_admins_is_told(installation):
    installation.grafana.orgs[1].data_sources.clear()
    assert installation.broken() == {
        "Grafana reads InfluxDB": "✗ Grafana reads InfluxDB: the data source powerview-master is not there. "
                                  "The next sweep makes it: on-upload.sh sweep.",
    }  # fmt: skip


def test_a_grafana_that_cannot_reach_influxdb_is_told(installation):
    installation.grafana.orgs[1].data_sources[check.ADMIN_DATASOURCE]["broken"] = "error reading buckets"
    assert installation.broken() == {
        "Grafana reads InfluxDB": "✗ Grafana reads InfluxDB: it cannot (400 error reading buckets). INFLUXDB_URL "
                                  "(http://influxdb:8086) must be InfluxDB's address as Grafana sees it.",
    }  # fmt: skip


# ── this machine ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "variable", "folder"),
    [
        ("data_dir", "POWERVIEW_DATA_DIR", "data"),
        ("log_dir", "POWERVIEW_LOG_DIR", "logs"),
        ("state_dir", "POWERVIEW_STATE_DIR", "state"),
    ],
)
def test_a_missing_folder_is_told(installation, field, variable, folder):
    missing = installation.house.root / "missing"
    broken = installation.broken(**{field: missing})
    assert broken[variable] == (
        f"✗ {variable}: {missing} is no folder that this user can see. "
        f"mkdir -p {missing}, owned by the user that runs SFTPGo."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_log_folder_of_another_owner_is_told(installation):
    log = installation.house.log
    shutil.chown(log, "daemon")
    assert installation.broken() == {
        "POWERVIEW_LOG_DIR": f"✗ POWERVIEW_LOG_DIR: {log} belongs to daemon, not to root. chown -R root: {log}",
    }


@pytest.fixture
def tree_of_daemon(monkeypatch):
    """A tree of uploads that belongs to daemon, who is SFTPGo's user, where everybody can find it."""
    monkeypatch.setattr(check, "SFTPGO_USER", "daemon")
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
def test_a_folder_in_which_sftpgo_cannot_work_is_told(installation, tree_of_daemon, mode):
    (tree_of_daemon / DEVICE).chmod(mode)
    line = installation.broken(data_dir=tree_of_daemon)["ownership"]
    assert line.startswith(f"✗ ownership: {tree_of_daemon / DEVICE} belongs to daemon: daemon cannot work in it.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_in_which_we_cannot_work_is_told(installation):
    (installation.house.data / DEVICE).chmod(0o500)
    assert "cannot work in it" in installation.broken()["ownership"]


def test_where_sftpgo_has_a_user_the_folders_must_be_his(installation, monkeypatch):
    monkeypatch.setattr(check, "SFTPGO_USER", "daemon")
    assert {name for name, line in installation.broken().items() if "not to daemon" in line} == {
        "POWERVIEW_DATA_DIR", "POWERVIEW_LOG_DIR", "POWERVIEW_STATE_DIR",
    }  # fmt: skip


def test_a_folder_that_its_owner_cannot_write_is_told(installation):
    installation.house.state.chmod(0o500)
    line = installation.broken()["POWERVIEW_STATE_DIR"]
    assert line.endswith(f"chmod u+rwx {installation.house.state}")


def test_a_hook_that_cannot_run_is_told(installation):
    check.HOOK.chmod(0o644)
    assert installation.broken() == {"hook": f"✗ hook: {check.HOOK} cannot be executed. chmod +x {check.HOOK}"}
    check.HOOK.unlink()
    assert installation.broken() == {"hook": f"✗ hook: {check.HOOK} is not there. git checkout it."}


COPY = "Copy deploy/sftpgo.env to the end of /etc/sftpgo/sftpgo.env and restart SFTPGo."


def test_an_sftpgo_without_settings_is_told(installation):
    installation.sftpgo.unlink()
    assert installation.broken() == {
        "SFTPGo": f"✗ SFTPGo: nothing is set in {installation.sftpgo}. {COPY} If its settings stand elsewhere, "
                  "name the file with --sftpgo-env.",
    }  # fmt: skip


def test_an_sftpgo_with_another_hook_is_told(installation):
    installation.sftpgo.write_text("SFTPGO_COMMON__ACTIONS__HOOK=/opt/other.sh\n")
    assert installation.broken() == {"SFTPGo": f"✗ SFTPGo: its hook is /opt/other.sh, not {check.HOOK}. {COPY}"}


def test_the_last_line_of_sftpgos_settings_counts(installation):
    with installation.sftpgo.open("a") as file:
        file.write("SFTPGO_COMMON__ACTIONS__EXECUTE_ON=upload\n")
    assert installation.broken() == {
        "SFTPGo": "✗ SFTPGo: it does not tell on-upload.sh of mkdir. SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir,upload,"
                  "rename (see deploy/sftpgo.env).",
    }  # fmt: skip


def test_the_six_lines_of_old_notes_are_enough(installation):
    hook = check.HOOK
    installation.sftpgo.write_text(
        f'SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir\nSFTPGO_COMMON__ACTIONS__HOOK="{hook}"\n'
        f"SFTPGO_COMMON__POST_DISCONNECT_HOOK={hook}\nSFTPGO_COMMAND__COMMANDS__0__PATH={hook}\n"
        "SFTPGO_COMMAND__COMMANDS__0__ENV=SFTPGO_ACTION=upload\nSFTPGO_COMMAND__COMMANDS__0__HOOK=post_disconnect\n"
    )
    assert installation.broken() == {}


def test_neither_uploads_nor_disconnects_is_told(installation):
    text = installation.sftpgo.read_text().replace("mkdir,upload,rename", "mkdir").replace("POST_DISCONNECT", "OTHER")
    installation.sftpgo.write_text(text)
    assert "it does not tell on-upload.sh of upload." in installation.broken()["SFTPGo"]


def test_a_hook_that_costs_uploads_is_told(installation):
    with installation.sftpgo.open("a") as file:
        file.write("SFTPGO_COMMON__ACTIONS__EXECUTE_SYNC=upload\n")
    assert installation.broken() == {
        "SFTPGo": "✗ SFTPGo: EXECUTE_SYNC names upload: an upload whose hook fails is deleted. "
                  "Remove SFTPGO_COMMON__ACTIONS__EXECUTE_SYNC and restart SFTPGo.",
    }  # fmt: skip


def test_settings_of_a_folder_count_too(installation):
    folder = installation.house.root / "env.d"
    folder.mkdir()
    installation.sftpgo.rename(folder / "powerview.env")
    installation.sftpgo = folder
    assert installation.broken() == {}


def test_sftpgo_env_wins_over_env_d_and_there_the_first_file(installation):
    folder = installation.house.root / "env.d"
    folder.mkdir()
    (folder / "powerview.env").write_text(installation.sftpgo.read_text())
    (folder / "kept").mkdir()
    (folder / "a-link.env").symlink_to(installation.house.root / "nowhere")
    both = (installation.sftpgo, folder)

    def line() -> str:
        return next(item.line() for item in check.look(installation.settings, both) if item.name == "SFTPGo")

    installation.sftpgo.write_text("SFTPGO_COMMON__ACTIONS__HOOK=/opt/old/hook.sh\n")
    assert line() == f"✗ SFTPGo: its hook is /opt/old/hook.sh, not {check.HOOK}. {COPY}"
    installation.sftpgo.write_text("")
    assert line()[0] == "✓"
    (folder / "zz.env").write_text("SFTPGO_COMMON__ACTIONS__HOOK=/opt/later.sh\n")
    assert line()[0] == "✓"
    (folder / "admin.env").write_text("SFTPGO_COMMON__ACTIONS__HOOK=/opt/first.sh\n")
    assert line().startswith("✗ SFTPGo: its hook is /opt/first.sh")


def test_a_timer_that_is_not_active_is_told(installation):
    _fake_systemctl(installation.house.root, {"is-active powerview-sweep.timer": "inactive"})
    assert installation.broken() == {
        "timer": "✗ timer: powerview-sweep.timer is inactive. "
        "systemctl enable --now powerview-sweep.timer (see deploy/)."
    }


@pytest.mark.parametrize("unit", ["sftpgo.service", "caddy.service"])
@pytest.mark.parametrize(("state", "told"), [("inactive", "inactive"), ("activating", "activating"), ("", "unknown")])
def test_a_server_that_does_not_run_is_told(installation, unit, state, told):
    _fake_systemctl(installation.house.root, {f"is-active {unit}": state})
    assert installation.broken() == {
        unit: f"✗ {unit}: is {told}. systemctl restart {unit}; journalctl -u {unit} says why it ended."
    }


def test_a_caddy_that_is_not_powerviews_is_not_looked_at(installation):
    _fake_systemctl(installation.house.root, {"is-active caddy.service": "inactive"})
    check.CADDY_SETTINGS.unlink()
    assert installation.broken() == {"caddy.service": ""}


@pytest.mark.parametrize("state", ["failed", "activating", "active", ""])
def test_a_sweep_that_failed_is_told(installation, state):
    _fake_systemctl(installation.house.root, {"is-failed powerview-sweep.service": state})
    assert installation.broken() == {
        "failed": {
            "powerview-sweep.service": "✗ powerview-sweep.service: the last sweep failed. "
                                       "journalctl -u powerview-sweep.service says why.",
        },
        "": {"powerview-sweep.service": "– powerview-sweep.service: is unknown"},
    }.get(state, {})  # fmt: skip


def test_a_machine_without_systemd_says_so(installation, monkeypatch):
    monkeypatch.setattr(check, "SYSTEMD", installation.house.root / "none")
    assert installation.broken() == {
        "timer": "– timer: this machine has no systemd. Let something run on-upload.sh sweep every five minutes.",
        "sftpgo.service": "", "caddy.service": "", "powerview-sweep.service": "",
    }  # fmt: skip


def test_a_full_disk_is_told(installation, monkeypatch):
    usage = shutil.disk_usage("/")._replace(total=100 << 30, free=300 << 20)
    monkeypatch.setattr(check.shutil, "disk_usage", lambda _: usage)
    assert installation.broken() == {
        "disk": f"✗ disk: 0.3 GiB free of 100.0 at {installation.house.data}. "
        "Make room: a full disk keeps files pending."
    }


# ── the uploads ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_upload_yet_cannot_be_called_good_or_bad(installation):
    (installation.house.log / "uploads.jsonl").unlink()
    line = installation.broken()["last upload"]
    assert line.startswith("– last upload: ")


def test_a_fleet_that_fell_silent_is_told(installation, monkeypatch):
    now = time.time()
    monkeypatch.setattr(check.time, "time", lambda: now + 50 * 3600)
    line = installation.broken()["last upload"]
    assert line.startswith("✗ last upload: ")
    assert line.endswith(
        ": nothing for 50 hours. Do the loggers reach SFTPGo (port 2022), and does SFTPGo run the hook?"
    )


def _later(monkeypatch, hours: float) -> None:
    now = time.time()
    monkeypatch.setattr(check.time, "time", lambda: now + hours * 3600)


def test_a_silence_is_told_after_the_log_was_rotated(installation, monkeypatch):
    logs = installation.house.log
    _rotate(installation.house, "20260301")
    _later(monkeypatch, 50)
    silent = f"OK {DEVICE}/T302_250702_031500.tsv: nothing for 50 hours"
    assert silent in installation.broken()["last upload"]
    (logs / "uploads.jsonl").write_text('{"time": "2099-01-01 00:00:00+00:00", "status": "PENDING", "files": 1}\n')
    assert silent in installation.broken()["last upload"]
    _rotate(installation.house, "20260308")  # compresses the first
    assert [p.suffix for p in sorted(logs.glob("uploads.jsonl*"))] == [".gz", ".jsonl-20260308-1"]
    assert silent in installation.broken()["last upload"]


def _rotate(house: House, day: str) -> None:
    # As logrotate does it with deploy/powerview.logrotate: of what was rotated all but the newest is compressed.
    for older in house.log.glob("uploads.jsonl-*"):
        subprocess.run(["gzip", older], check=True)
    (house.log / "uploads.jsonl").rename(house.log / f"uploads.jsonl-{day}-1")


def test_the_newest_of_the_rotated_logs_counts(installation):
    logs = installation.house.log
    old = {"time": "2020-05-01 00:00:00+00:00", "status": "OK", "path": "old", "settled_as": "old"}
    (logs / "uploads.jsonl-20200501-1588291200").write_text(json.dumps(old) + "\n")
    _rotate(installation.house, "20260301")
    assert installation.broken() == {}
    (logs / "uploads.jsonl-20270101-1.gz").write_bytes(b"\x1f\x8bcut off")
    assert installation.broken() == {}


def test_deploys_logrotate_calls_them_as_check_looks_for_them():
    lines = [line.strip() for line in (ROOT / "deploy" / "powerview.logrotate").read_text().splitlines()]
    assert {"nocreate", "compress", "delaycompress", "dateext", "dateformat -%Y%m%d-%s"} <= set(lines)
    assert f"/srv/sftpgo/logs/{check.JOURNAL}" in lines


def test_what_is_parsed_again_is_no_upload(installation, monkeypatch):
    _later(monkeypatch, 50)
    again = installation.house.run("--again")
    assert again.returncode == 0
    records = installation.house.records()
    assert [r["path"].split("/")[-2:] for r in records] == [
        ["02001171", "T302_250702_031500.tsv"], ["parsed", "T302_250702_031500.tsv"],
    ]  # fmt: skip
    records[1]["time"] = "2099-01-01 00:00:00+00:00"  # now, for the check's clock
    (installation.house.log / "uploads.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    assert f"OK {DEVICE}/T302_250702_031500.tsv: nothing for 50 hours" in installation.broken()["last upload"]


def test_many_files_parsed_again_hide_no_upload(installation):
    again = {**installation.house.records()[0], "settled_as": None, "notes": ["x" * 1000]}
    with (installation.house.log / "uploads.jsonl").open("a") as file:
        file.writelines(json.dumps(again) + "\n" for _ in range(1000))
    assert installation.broken() == {}


def test_what_was_refused_is_no_upload(installation, monkeypatch):
    now = time.time()
    with (installation.house.log / "uploads.jsonl").open("a") as file:
        file.write(json.dumps({"time": "2099-01-01 00:00:00+00:00", "status": "REFUSED", "path": "x"}) + "\n{half a li")
    monkeypatch.setattr(check.time, "time", lambda: now + 50 * 3600)
    assert f"OK {DEVICE}/T302_250702_031500.tsv: nothing for 50 hours" in installation.broken()["last upload"]


def test_a_file_that_waits_for_more_than_an_hour_is_told(installation, monkeypatch):
    path = installation.house.put(f"{DEVICE}/T302_250703_031500.tsv", v002(*day_rows()))
    os.utime(path, (1, 1))  # the client's own time: it arrived a moment ago
    assert installation.broken() == {}
    now = time.time()
    monkeypatch.setattr(check.time, "time", lambda: now + 7200)
    assert installation.broken() == {
        "pending files": f"✗ pending files: 1 for longer than an hour, such as {DEVICE}/T302_250703_031500.tsv. "
                         "uploads.log says why; on-upload.sh sweep tries them now.",
    }  # fmt: skip


def test_files_that_are_refused_are_told_for_as_long_as_they_lie_there(installation):
    file = installation.house.put("My company/summer/02001171/T302_250703_031500.tsv", v002(*day_rows()))
    assert installation.house.run().returncode == 1
    line = (
        "✗ refused files: 1: My company/summer/02001171/T302_250703_031500.tsv; the client's folder 'My company' has a "
        "name that is not allowed: names are letters, digits, `_`, `.` and `-`, begin with a letter or digit, and have "
        "64 characters at most. Rename the folder. Rename or move them: the next sweep takes them. uploads.log "
        "has the reason of each."
    )
    assert installation.broken() == {"refused files": line}
    assert installation.house.run().returncode == 1  # which says it no more
    assert installation.broken() == {"refused files": line}
    file.parents[2].rename(installation.house.data / "My-company")
    assert installation.broken() == {}


def test_the_first_few_refused_files_are_named(installation):
    for number in range(5):
        installation.house.put(f"{number}.tsv", b"x")
    line = installation.broken()["refused files"]
    assert line.startswith("✗ refused files: 5: 0.tsv, 1.tsv, 2.tsv and 2 more; files belong into DATA/<client>/")


def test_a_refused_name_with_a_newline_forges_no_line(installation):
    installation.house.put("x\n✓ all is well/summer/02001171/a.tsv", b"x")
    assert "\n" not in installation.broken()["refused files"]


def test_a_name_with_a_newline_forges_no_line(installation):
    folder = installation.house.data / DEVICE / "error"
    folder.mkdir()
    (folder / "x\n✓ all is well.tsv").touch()
    line = installation.broken()["files in error/"]
    assert f"1, the newest {DEVICE}/error/x\\n✓ all is well.tsv. " in line
    assert "\n" not in line


def test_the_command_line_ends_with_1_and_no_traceback(tmp_path):
    environment = {**House(tmp_path).environment, "GRAFANA_URL": f"http://127.0.0.1:{free_port()}"}
    done = subprocess.run(
        [sys.executable, "-m", "powerview", "check", "--sftpgo-env", tmp_path / "none"], cwd=ROOT, env=environment,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert "✗ InfluxDB: none is named." in done.stdout
    assert f"✗ SFTPGo: nothing is set in {tmp_path / 'none'}." in done.stdout
