"""Whatever the machine of the admin is like: its proxies, its authorities, its Ansible, and what `check` asks."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from grafana_automation import FOLDER, checks, dashboard, servers
from grafana_contract import GrafanaContract
from provisioning_world import PASSWORD, QUICKLY, QUICKLY_ON_CONTRACT, World

from powerview.monitoring.http import get as asked_by_check
from powerview.monitoring.texts import in_english
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


@pytest.fixture
def shell(tmp_path):
    """Runs the tests' ansible-playbook in an environment of Python as an installation has it, which has everything that
    the tests' has; its answer for `shell(variable=…)`."""
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    (packages,) = (tmp_path / "venv").glob("lib/*/site-packages")
    (packages / "of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([python, FOLDER.parent / "deploy/ansible_locale.py"], check=True)

    def run(*program: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **variables}
        return subprocess.run([python, *program], env=environment, capture_output=True, text=True)

    return run


PLAYBOOK = (
    Path(sys.executable).parent / "ansible-playbook",
    "--syntax-check",
    FOLDER / "playbooks/create_grafana_resources.yml",
)


@pytest.mark.parametrize(
    "language",
    [{"LANG": "fr_XX.UTF-8"}, {"LC_ALL": "fr_XX.UTF-8"}, {"LC_ALL": "POSIX"}, {"LANG": "C"}, {"LC_TIME": "fr_XX"}, {}],
    ids=str,
)
def test_a_playbook_starts_by_hand_whatever_the_shells_language(shell, language):
    run = shell(*PLAYBOOK, **language)

    assert run.returncode == 0, run.stderr


def test_only_ansible_has_another_language_than_the_shell(shell):
    shown = shell("-c", "import os; print(os.environ['LC_ALL'])", LC_ALL="fr_XX.UTF-8")

    assert (shown.stdout, shown.stderr) == ("fr_XX.UTF-8\n", "")


@pytest.mark.parametrize("language", [{"LANG": "fr_XX.UTF-8"}, {"LC_ALL": "POSIX"}], ids=str)
def test_what_ansible_says_without_our_line_is_in_the_docs_with_its_remedy(language):
    docs = " ".join((FOLDER.parent / "docs/operate.md").read_text().split())
    environment = {"PATH": "/usr/bin:/bin", **language}

    # -I -S: no line of the environment's is run; the packages are named.
    start = f"import sys; sys.path.append({sysconfig.get_path('purelib')!r}); from ansible.cli.playbook import main"
    refused = subprocess.run([sys.executable, "-I", "-S", "-c", start], env=environment, capture_output=True, text=True)

    complaint = re.split("[;:] ", refused.stderr.strip().removeprefix("ERROR: "))[0]
    assert (refused.returncode, f"`{complaint}`" in docs) == (1, True)
    assert "`envs/powerview/bin/python deploy/ansible_locale.py`" in docs


@pytest.mark.parametrize("page", ["Makefile", "deploy/install.sh", "docs/install.md", "docs/operate.md"])
def test_each_way_to_the_packages_gives_ansible_its_language(page):
    text = (FOLDER.parent / page).read_text()

    packages, line = r"--require-hashes .*requirements\.lock", r".*python.* .*deploy/ansible_locale\.py"
    assert re.search(rf"{packages}.*\n{line}", text)


def test_the_systems_python_is_left_alone():
    run = subprocess.run(
        [Path(sys.base_prefix, "bin/python3"), FOLDER.parent / "deploy/ansible_locale.py"],
        capture_output=True,
        text=True,
    )

    assert (run.returncode, "is the system's Python" in run.stderr) == (1, True)


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
        assert asked_by_check(f"{url}/api/health").status_code == 200
        assert grafana.write("Create the team", "POST", "/api/teams", {"name": "acme"}, org=1).status == 200

        monkeypatch.setenv("SSL_CERT_FILE", str(company / "names"))
        monkeypatch.setenv("SSL_CERT_DIR", str(company / "nowhere"))
        with pytest.raises(servers.ServerError, match="its certificate is not accepted"):
            grafana.get("/api/org", 1)
        assert in_english(asked_by_check(f"{url}/api/health")) == "its certificate is not accepted"


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


@QUICKLY_ON_CONTRACT  # a real Grafana's lock lasts five minutes
def test_check_logs_in_as_the_playbooks_do_though_a_stranger_has_locked_the_admins_login(world: World):
    add_loggers(world)
    world.contract.users[0].locked = True

    assert problems(world) == {"Grafana's login": "", "Master": "", "Loggers": ""}


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
