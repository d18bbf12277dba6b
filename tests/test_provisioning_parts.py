"""The parts of provisioning that need no Ansible: the tree's names, the Master's clones, reading from servers."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from grafana_automation import dashboard, found, master, servers, tree
from grafana_contract import GrafanaContract
from influx_server import free_port

from powerview.settings import SettingsError, load_settings

MASTER_REFERENCE = {"type": "influxdb", "uid": "powerview-master"}
OWN = {"type": "influxdb", "uid": "pv-d-own"}


# ── tree ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_uids_are_made_of_the_names_alone():
    described = tree.describe("acme", ["roof"])

    assert described == {
        "client": "acme",
        "team": "acme",
        "folder": "acme",
        "folder_uid": "pv-f-" + hashlib.sha1(b"acme").hexdigest()[:32],
        "data_source": "acme",
        "data_source_uid": "pv-d-" + hashlib.sha1(b"acme").hexdigest()[:32],
        "bucket": "acme",
        "overview": {"campaign": "", "uid": f"pv-o-{hashlib.sha1(b'acme').hexdigest()[:32]}"},
        "campaigns": [{"campaign": "roof", "uid": "pv-b-" + hashlib.sha1(b"acme/roof").hexdigest()[:32]}],
    }
    assert max(len(described[k]) for k in ("folder_uid", "data_source_uid")) <= 40  # what Grafana takes


def test_only_real_folders_two_levels_deep_are_asked_for(tmp_path):
    for name in ("acme/roof/02001084/parsed", "acme/hall", "empty"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "acme" / "notes.txt").write_text("")
    (tmp_path / "other").symlink_to(tmp_path / "acme")

    wanted = tree.wanted(tmp_path, "powerview")

    assert [(c["client"], [p["campaign"] for p in c["campaigns"]]) for c in wanted["clients"]] == [
        ("admin", ["Master"]),
        ("acme", ["hall", "roof"]),
    ]
    assert wanted["refused"] == []


def test_a_tree_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(tree.UsageError) as logged:
        tree.wanted(tmp_path / "nowhere", "powerview")

    assert str(logged.value) == (
        f"the tree {tmp_path}/nowhere cannot be read: No such file or directory. Is POWERVIEW_DATA_DIR right?"
    )


def test_a_client_that_cannot_be_read_is_reported_and_the_others_go_on(tmp_path, monkeypatch):
    for name in ("acme/roof", "globex/roof"):
        (tmp_path / name).mkdir(parents=True)
    real = os.scandir

    def refuse(folder):
        if Path(folder).name == "acme":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    wanted = tree.wanted(tmp_path, "powerview")

    assert [c["client"] for c in wanted["clients"]] == ["admin", "globex"]
    assert wanted["refused"] == ["powerview: refused 'acme': the client's folder cannot be read: Permission denied."]


# ── clones ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def cloned(**master) -> dict:
    """A Master as acme's campaign roof."""
    return dashboard.clone({"panels": [], **master}, "acme", "roof", "pv-b-x", "pv-d-own", "Europe/Paris")


@pytest.mark.parametrize(
    ("reference", "becomes"),
    [
        (MASTER_REFERENCE, OWN),
        ({"uid": "powerview-master"}, OWN),
        ("powerview-master", OWN),
        ({"type": "influxdb", "uid": "pv-d-of-another-client"}, OWN),
        ({"type": "influxdb"}, OWN),
        (None, OWN),
        ({"type": "influxdb", "uid": "the-admins-own"}, OWN),
        ({"type": "datasource", "uid": "-- Mixed --"}, {"type": "datasource", "uid": "-- Mixed --"}),
        ({"type": "grafana", "uid": "-- Grafana --"}, {"type": "grafana", "uid": "-- Grafana --"}),
        ("${source}", OWN),
    ],
    ids=str,
)
def test_a_clone_reads_its_own_clients_bucket_everywhere(reference, becomes):
    made = cloned(
        panels=[
            {"datasource": reference, "targets": [{"datasource": reference}], "panels": [{"datasource": reference}]}
        ],
        annotations={"list": [{"datasource": reference}]},
        templating={"list": [{"type": "query", "datasource": reference}]},
    )

    assert made["panels"] == [
        {"datasource": becomes, "targets": [{"datasource": becomes}], "panels": [{"datasource": becomes}]}
    ]
    assert made["annotations"] == {"list": [{"datasource": becomes}]}
    assert made["templating"]["list"][0]["datasource"] == becomes


def test_what_somebody_had_chosen_in_the_master_is_forgotten_and_all_is_kept():
    chosen = {"type": "query", "current": {"text": ["A"], "value": ["A"]}, "options": [{"text": "A", "value": "A"}]}
    every = {"type": "query", "current": {"text": ["All"], "value": ["$__all"]}, "options": []}
    chosen, every = {"datasource": OWN, **chosen}, {"datasource": OWN, **every}

    made = cloned(templating={"list": [chosen, every]})

    assert made["templating"]["list"] == [{**chosen, "current": {}, "options": []}, every]


def test_a_clone_leaves_the_master_alone_and_its_legends_unrendered():
    master = {"id": 7, "version": 3, "panels": [{"title": "{{ channel }}", "datasource": MASTER_REFERENCE}]}
    before = json.dumps(master)

    made = dashboard.clone(master, "acme", "roof", "pv-b-x", "pv-d-own", "Europe/Paris")

    assert json.dumps(master) == before
    assert made == {
        "panels": [{"title": "{{ channel }}", "datasource": OWN}],
        "uid": "pv-b-x",
        "title": "roof",
        "tags": ["powerview", "acme"],
    }


def test_the_projects_master_can_be_cloned_and_names_no_other_data_source():
    made = dashboard.clone(
        master.from_file(
            load_settings({"POWERVIEW_TIMEZONE": "Asia/Tokyo", "POWERVIEW_LANGUAGE": "fr"}, Path("/nonexistent"))
        ),
        "acme",
        "roof",
        "pv-b-x",
        "pv-d-own",
        "America/Toronto",
    )

    text = json.dumps(made)
    assert "powerview-master" not in text
    assert '"uid": "pv-d-own"' in text
    constants = {v["name"]: v["query"] for v in made["templating"]["list"] if v["type"] == "constant"}
    assert constants == {"campaign": "roof", "timezone": "America/Toronto"}
    assert made["timezone"] == "America/Toronto"


@pytest.mark.parametrize(
    ("status", "answer", "stored", "expected"),
    [
        (200, {"dashboard": {"panels": []}}, None, False),
        (200, {"dashboard": {"panels": []}}, {"status": {"conversion": {"storedVersion": "v1beta1"}}}, False),
        (200, {"dashboard": {"panels": []}}, {"status": {}}, False),
        (406, None, None, True),
        (200, {"dashboard": {"elements": {}}}, None, True),
        (200, {"dashboard": {"panels": []}}, {"spec": {"elements": {}}}, True),
        (200, {"dashboard": {"panels": []}}, {"status": {"conversion": {"storedVersion": "v2beta1"}}}, True),
    ],
)
def test_the_new_schema_is_known_by_each_of_its_signs(status, answer, stored, expected):
    assert dashboard.is_v2(status, answer, stored) == expected


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


SETTINGS = {
    "GRAFANA_PASSWORD": "secret",
    "INFLUXDB_HOST": "http://127.0.0.1:1",
    "INFLUXDB_ADMIN_TOKEN": "secret",
}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_setting_that_is_missing_is_named(name):
    settings = load_settings({k: v for k, v in SETTINGS.items() if k != name}, Path("/nonexistent"))
    server = servers.grafana if name.startswith("GRAFANA") else servers.influxdb

    with pytest.raises(SettingsError) as raised:
        server(settings)

    assert str(raised.value).startswith(f"{name} is not set")
    assert "set it in /nonexistent or in the environment" in str(raised.value)


class Elsewhere(BaseHTTPRequestHandler):
    """A server that is not Grafana: it sends `/moved` elsewhere and answers everything else with a page."""

    logins: list[str] = []
    paths: list[str] = []

    def do_POST(self):
        self.logins.append(self.headers["Authorization"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(307)
        self.send_header("Location", self.path)
        self.end_headers()

    def do_GET(self):
        self.paths.append(self.path)
        if self.path == "/cut":
            self.close_connection = True
            return
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(b"<html></html>")

    def log_message(self, *_args):
        pass


@pytest.fixture
def elsewhere():
    """The address of a server that is not Grafana."""
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def grafana_at(url: str) -> servers.Server:
    """Grafana at an address, as the settings have it."""
    return servers.grafana(load_settings({"GRAFANA_URL": url, "GRAFANA_PASSWORD": "secret"}, Path("/nonexistent")))


def test_a_page_that_is_not_grafana_is_reported(elsewhere):
    with pytest.raises(servers.ServerError) as logged:
        grafana_at(elsewhere).get("/api/org", 1)

    assert str(logged.value) == f"what answers at {elsewhere} (GRAFANA_URL) is not Grafana: set its address."


def test_a_redirect_is_not_followed_with_our_login(elsewhere):
    with pytest.raises(servers.ServerError) as logged:
        grafana_at(elsewhere).get("/moved", 1)

    assert str(logged.value) == f"Grafana is not at {elsewhere}, it sends us elsewhere (302): look at GRAFANA_URL."


def test_a_cut_connection_is_reported(elsewhere):
    with pytest.raises(servers.ServerError) as logged:
        grafana_at(elsewhere).get("/cut", 1)

    assert str(logged.value) == (
        f"Grafana does not answer at {elsewhere} (GRAFANA_URL): Remote end closed connection without response. "
        f"Is it running?"
    )


def test_a_login_of_netrc_does_not_replace_ours(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))

    with GrafanaContract("12.4", "secret") as contract:
        assert grafana_at(contract.url).get("/api/org", 1).body == {"id": 1, "name": "Main Org."}


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(servers, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(servers.ServerError) as logged:
            grafana_at(url).get("/api/org", 1)

    assert (
        str(logged.value) == f"Grafana does not answer at {url} (GRAFANA_URL): no answer within 0.2 s. Is it running?"
    )
    assert logged.value.away == "Grafana"


@pytest.mark.parametrize("org", [None, "", "None"])
def test_no_call_of_grafana_is_made_without_an_organisation(org):
    with GrafanaContract("12.4", "secret") as contract:
        grafana = grafana_at(contract.url)
        for call in (grafana.headers, lambda org: grafana.get("/api/org", org)):
            with pytest.raises(servers.ServerError, match="a call of Grafana names no organisation, and was not made"):
                call(org)

    assert grafana.headers(7)["X-Grafana-Org-Id"] == "7"


def test_many_answers_come_in_the_order_of_the_questions():
    with GrafanaContract("12.4", "secret") as contract:
        gets = [servers.Get(f"/api/teams/search?name=team{n}", 1) for n in range(40)]
        gets.insert(17, servers.Get("/api/org", 1))

        answers = grafana_at(contract.url).get_all(gets)

    assert [i for i, answer in enumerate(answers) if "name" in answer.body] == [17]


def test_lists_longer_than_a_page_are_read_to_their_end(monkeypatch):
    monkeypatch.setattr("powerview_grafana.found.PAGE", 3)
    with GrafanaContract("12.4", "secret") as contract:
        for number in range(7):
            uid = f"folder{number}"
            contract.orgs[1].folders[uid] = {"uid": uid, "title": uid, "parent": "", "rows": []}
        hits = found.hits(grafana_at(contract.url), 1)

    assert [hit["uid"] for hit in hits] == [f"folder{number}" for number in range(7)]


def test_teams_beyond_the_first_page_are_found(monkeypatch):
    monkeypatch.setattr("powerview_grafana.found.TEAMS_PAGE", 3)
    with GrafanaContract("12.4", "secret") as contract:
        teams = {number: {"uid": f"team{number}", "name": f"team{number}", "members": set()} for number in range(6)}
        contract.orgs[1].teams.update(teams)
        assert found.teams(grafana_at(contract.url), 1) == {number: team["name"] for number, team in teams.items()}


def test_a_server_that_is_away_is_reported_with_its_variable():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(servers.ServerError) as logged:
        grafana_at(url).get("/api/org", 1)

    assert str(logged.value) == f"Grafana does not answer at {url} (GRAFANA_URL): Connection refused. Is it running?"


def write(url: str, name: str = "grafana", path: str = "/api/teams"):
    """A write to a server at an address."""
    settings = load_settings({**SETTINGS, "GRAFANA_URL": url, "INFLUXDB_HOST": url}, Path("/nonexistent"))
    server = {"grafana": servers.grafana, "influxdb": servers.influxdb}[name](settings)
    return server.write("Create the team", "POST", path, {"name": "acme"}, org=1)


def test_a_write_without_an_answer_is_reported():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(servers.ServerError) as logged:
        write(url)

    assert str(logged.value) == f"Grafana does not answer at {url} (GRAFANA_URL): Connection refused. Is it running?"
    assert logged.value.away == "Grafana"


@pytest.mark.parametrize(
    ("status", "message", "logged"),
    [
        (403, "Quota reached.", 'forbids the task "Create the team" to this login (Quota reached): look at LOGIN.'),
        (403, "", 'forbids the task "Create the team" to this login: look at LOGIN.'),
        (500, "a fault", 'answered the task "Create the team" with 500 (a fault): look at its log.'),
        (422, "No.", 'refused the task "Create the team" (422): No.'),
    ],
)
def test_what_a_server_answers_a_write_that_it_does_not_do_is_reported(status, message, logged):
    settings = load_settings({**SETTINGS, "GRAFANA_URL": "http://grafana:3000"}, Path("/nonexistent"))
    sentence = servers.grafana(settings).refusal('the task "Create the team"', status, message)

    assert sentence.startswith("Grafana at http://grafana:3000 ")
    assert sentence.endswith(logged.replace("LOGIN", "GRAFANA_USERNAME, GRAFANA_PASSWORD"))


@pytest.mark.parametrize("name", ["grafana", "influxdb"])
def test_a_write_is_redirected_nowhere_and_no_netrc_gives_it_a_login(elsewhere, tmp_path, monkeypatch, name):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    Elsewhere.logins.clear()

    with pytest.raises(servers.ServerError, match=r"it sends us elsewhere \(307\)"):
        write(elsewhere, name, "/moved")

    assert len(Elsewhere.logins) == 1
    assert Elsewhere.logins[0] in ("Basic YWRtaW46c2VjcmV0", "Token secret")


def test_no_call_goes_to_a_proxy(monkeypatch):
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")

    with GrafanaContract("12.4", "secret") as contract:
        assert grafana_at(contract.url).get("/api/org", 1).status == 200
        assert write(contract.url).status == 200


def test_a_server_below_an_address_is_called_there(elsewhere):
    Elsewhere.paths.clear()
    with pytest.raises(servers.ServerError):
        grafana_at(f"{elsewhere}/grafana").get("/api/org", 1)

    assert Elsewhere.paths == ["/grafana/api/org"]


def test_what_a_dashboard_inherits_from_its_folder_is_no_permission_of_its_own():
    own = {"teamId": 7, "permission": 1, "inherited": False}
    above = {"role": "Viewer", "permission": 1, "inherited": True}
    assert found.rows([own, above]) == {(7, 0, "", 1)}
