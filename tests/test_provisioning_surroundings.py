"""Whatever the machine of the admin is like: its proxies, its authorities, its Ansible, and what `check` asks."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from grafana_automation import FOLDER, checks, dashboard, servers
from grafana_contract import GrafanaContract
from provisioning_world import PASSWORD, QUICKLY, QUICKLY_ON_CONTRACT, World

from powerview.settings import load_settings

pytest_plugins = ("provisioning_fixture",)

COMPANYS_ANSIBLE = """[defaults]
stdout_callback = minimal
inventory = /nonexistent/inventory
gathering = implicit
remote_user = nobody
roles_path = /nonexistent
strategy = free
[privilege_escalation]
become = True
become_method = su
become_user = nobody
"""


@QUICKLY_ON_CONTRACT
def test_a_companys_ansible_and_its_proxies_change_nothing(world: World):
    world.make_everything()
    world.campaigns("acme/roof")
    (world.home / ".ansible.cfg").write_text(COMPANYS_ANSIBLE)
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:1")

    run = world.run_ansible(**proxies)

    assert (run.status, run.logged) == (0, ["powerview: created acme", "powerview: created acme/roof"])


@pytest.mark.parametrize("locale", ["LANG=fr_XX.UTF-8", "LC_ALL=POSIX"])
def test_a_locale_with_which_ansible_does_not_start_is_in_the_docs_with_its_remedy(locale):
    docs = " ".join((FOLDER.parent / "docs/grafana.md").read_text().split())
    words = ["env", "-i", f"PATH={Path(sys.executable).parent}:/usr/bin:/bin", locale]
    playbook = ["ansible-playbook", "--syntax-check", FOLDER / "playbooks/create_grafana_resources.yml"]

    refused = subprocess.run([*words, *playbook], capture_output=True, text=True)
    started = subprocess.run([*words, "LC_ALL=C.UTF-8", *playbook], capture_output=True, text=True)

    complaint, _, _ = refused.stderr.strip().removeprefix("ERROR: ").partition("; ")
    assert (refused.returncode, f"`{complaint}`" in docs, "`LC_ALL=C.UTF-8` in front" in docs) == (1, True, True)
    assert started.returncode == 0, started.stderr


@pytest.fixture
def company(tmp_path) -> Path:
    """A folder with a company's authority (`ca.pem`) and a certificate of its for 127.0.0.1 (`server.pem`)."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Company", *authority)
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
        "server.pem", "-extfile", "names",
    )  # fmt: skip
    return tmp_path


def test_a_companys_authority_in_the_systems_store_is_accepted_and_another_is_not(company, monkeypatch):
    with GrafanaContract("12.4", PASSWORD) as contract:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(company / "server.pem", company / "server.key")
        contract._server.socket = context.wrap_socket(contract._server.socket, server_side=True)
        url = contract.url.replace("http:", "https:")
        variables = {"GRAFANA_URL": url, "GRAFANA_PASSWORD": PASSWORD}
        grafana = servers.grafana(load_settings(variables, Path("/nonexistent")))

        monkeypatch.setenv("SSL_CERT_FILE", str(company / "ca.pem"))  # where OpenSSL looks for the system's store
        assert grafana.get("/api/org", 1).status == 200
        assert grafana.write("Create the team", "POST", "/api/teams", {"name": "acme"}, org=1).status == 200

        monkeypatch.setenv("SSL_CERT_FILE", str(company / "names"))
        monkeypatch.setenv("SSL_CERT_DIR", str(company / "nowhere"))
        with pytest.raises(servers.ServerError, match="its certificate is not accepted"):
            grafana.get("/api/org", 1)


# ── what `check` asks ────────────────────────────────────────────────────────────────────────────────────────────────


def problems(world: World, **variables: str) -> dict[str, str]:
    """What `check` finds wrong in Grafana, by name."""
    found = checks.look(load_settings({**world.env, **variables}, Path("/nonexistent")))
    return {finding.name: finding.problem for finding in found}


def add_loggers(world: World) -> None:
    """What Grafana's own provisioning brings."""
    loggers = {"uid": "powerview-loggers", "title": "Loggers", "panels": []}
    body = {"dashboard": loggers, "folderUid": "powerview-admin", "overwrite": False, "message": ""}
    world.grafana.call("POST", "/api/dashboards/db", body)


@QUICKLY
def test_check_finds_nothing_wrong_where_all_is_right(world: World):
    add_loggers(world)

    assert problems(world) == {"Grafana's login": "", "Master": "", "Loggers": ""}
    assert world.journal.writes == []


@QUICKLY
def test_check_asks_for_loggers_and_names_the_login_that_is_refused(world: World):
    assert problems(world)["Loggers"].startswith('Grafana has no dashboard "Loggers" (uid powerview-loggers)')

    wrong = problems(world, GRAFANA_PASSWORD="wrong")
    assert list(wrong) == ["Grafana's login"]
    assert "five wrong passwords, whoever typed them, lock it" in wrong["Grafana's login"]


@QUICKLY_ON_CONTRACT
def test_check_refuses_the_master_that_a_run_refuses_in_the_same_words(world: World):
    add_loggers(world)
    world.campaigns("acme/roof")
    choice = {"name": "source", "type": "datasource", "query": "influxdb", "current": {}, "options": []}
    stored = world.contract.orgs[1].dashboards["powerview-master"]
    for break_it in (
        lambda: stored["json"]["templating"]["list"].append(choice),
        lambda: world.contract.save_as_v2("powerview-master"),
    ):
        break_it()
        run = world.run()
        assert run.logged[-1] == f"powerview: {problems(world)['Master']}"
    assert problems(world)["Master"] == f"the Master {dashboard.IN_V2}. {dashboard.SAVE_AS_CLASSIC}"
    world.contract.orgs[1].dashboards.clear()
    assert problems(world)["Master"].startswith("Grafana has no Master (uid powerview-master).")
