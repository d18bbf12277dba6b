"""`check` reports each state of InfluxDB and Grafana that is not as it should be."""

from __future__ import annotations

import re
import uuid

import pytest
from influx_server import free_port

from powerview.monitoring import influxdb
from powerview.monitoring.grafana import ADMIN_DATASOURCE

pytest_plugins = ("check_fixture",)
pytestmark = pytest.mark.parametrize("installation", ["12.4", "13"], indirect=True)


def test_an_influxdb_that_is_away_is_reported(installation):
    url = f"http://127.0.0.1:{free_port()}"
    assert installation.broken(influxdb_host=url) == {
        "InfluxDB": f"✗ InfluxDB: does not answer at {url} (no connection). "
                    f"Is it running, and is INFLUXDB_HOST ({url}) right?",
        "organisation": "", "token": "",
    }  # fmt: skip


def test_proxies_and_logins_of_the_shell_reach_no_server_of_ours(installation, monkeypatch, tmp_path):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    assert installation.broken() == {}


def test_another_server_is_not_taken_for_influxdb(installation):
    broken = installation.broken(influxdb_host=installation.grafana.url)
    assert broken["InfluxDB"].startswith(f"✗ InfluxDB: does not answer at {installation.grafana.url} (")


def test_a_wrong_token_is_reported(installation):
    assert installation.broken(influxdb_admin_token="wrong") == {
        "token": f"✗ token: INFLUXDB_ADMIN_TOKEN is not accepted (401 unauthorized access). {ALL_ACCESS}"
                 f"{installation.settings.env_file}.",
        "organisation": "",
    }  # fmt: skip


def test_another_organisation_is_reported(installation):
    broken = installation.broken(influxdb_org="elsewhere")
    assert re.fullmatch(
        "✗ organisation: the token sees (.*, )?powerview(, .*)?, not elsewhere. Set INFLUXDB_ORG, or make the token in "
        "that organisation.",
        broken.pop("organisation"),
    )
    assert broken == {"token": ""}


def test_an_organisation_behind_many_others_is_found(installation, influx):
    for number in range(25):
        influx.call("POST", "/api/v2/orgs", json={"name": f"aa-{number:02}-{uuid.uuid4().hex[:8]}"})
    assert installation.broken() == {}


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
def test_a_token_that_cannot_do_the_work_is_reported(installation, influx, which):
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
    ask = influxdb.ask

    def answer(method, address, **kwargs):
        return "no connection" if address.endswith("/authorizations") else ask(method, address, **kwargs)

    monkeypatch.setattr(influxdb, "ask", answer)
    line = installation.broken()["token"]
    assert line == (
        f"– token: what it may do cannot be found out (no connection). {ALL_ACCESS}{installation.settings.env_file}."
    )


def test_a_missing_bucket_of_the_admins_is_reported(installation):
    assert installation.broken(influxdb_bucket="nowhere") == {
        "token": "✗ token: the bucket nowhere (INFLUXDB_BUCKET) is missing. The first upload makes it.",
    }  # fmt: skip


# ── Grafana ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_grafana_that_is_away_is_reported(installation):
    url = f"http://127.0.0.1:{free_port()}"
    assert installation.broken(grafana_url=url) == {
        "Grafana": f"✗ Grafana: does not answer at {url} (no connection). "
                   f"Is it running, and is GRAFANA_URL ({url}) right?",
        "Grafana's login": "", "Master": "", "Loggers": "", "Grafana reads InfluxDB": "",
    }  # fmt: skip


def test_a_wrong_password_is_reported(installation):
    broken = installation.broken(grafana_password="wrong")
    assert broken.pop("Grafana's login").startswith(
        f"✗ Grafana's login: Grafana at {installation.grafana.url} refuses the login: look at GRAFANA_USERNAME, "
        "GRAFANA_PASSWORD. If they are right, the login is locked:"
    )
    assert broken == {"Master": "", "Loggers": "", "Grafana reads InfluxDB": ""}


def test_a_login_that_is_no_admin_is_reported(installation):
    from grafana_contract import User

    installation.grafana.users.append(User(7, "eve", "eve@localhost", "evening"))
    installation.grafana.orgs[1].roles[7] = "Viewer"
    broken = installation.broken(grafana_username="eve", grafana_password="evening")
    assert broken.pop("Grafana's login").startswith(
        f"✗ Grafana's login: Grafana at {installation.grafana.url} forbids GET /api/orgs/1/users to this login"
    )
    assert broken == {"Master": "", "Loggers": "", "Grafana reads InfluxDB": ""}


def test_a_missing_master_is_reported(installation):
    del installation.grafana.orgs[1].dashboards["powerview-master"]
    assert installation.broken() == {
        "Master": "✗ Master: Grafana has no Master (uid powerview-master). The next sweep makes it: on-upload.sh sweep."
    }


def test_a_master_in_the_new_schema_is_reported(installation):
    installation.grafana.save_as_v2("powerview-master")
    broken = installation.broken()
    assert broken.pop("Master").startswith("✗ Master: the Master was saved in Grafana's new schema (v2), which ")
    assert broken == {}


def test_a_missing_data_source_of_the_admins_is_reported(installation):
    installation.grafana.orgs[1].data_sources.clear()
    assert installation.broken() == {
        "Grafana reads InfluxDB": "✗ Grafana reads InfluxDB: the data source powerview-master is not there. "
                                  "The next sweep makes it: on-upload.sh sweep.",
    }  # fmt: skip


def test_a_grafana_that_cannot_reach_influxdb_is_reported(installation):
    installation.grafana.orgs[1].data_sources[ADMIN_DATASOURCE]["broken"] = "error reading buckets"
    assert installation.broken() == {
        "Grafana reads InfluxDB": "✗ Grafana reads InfluxDB: it cannot (400 error reading buckets). INFLUXDB_URL "
                                  "(http://influxdb:8086) must be InfluxDB's address as Grafana sees it.",
    }  # fmt: skip
