"""compose.yaml, read by docker compose and podman-compose themselves, and what it promises about the two servers.

What cannot be shown here is that the images start: no container runs in CI.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from grafana_contract import GrafanaContract
from grafana_server import running_grafana
from influx_server import InfluxServer
from programs import ROOT, make_executable, program, run
from waiting import LONG

COMPOSE = ROOT / "compose.yaml"
PROVISIONING = ROOT / "grafana-automation/provisioning"
SECRETS = {"GRAFANA_PASSWORD": "of-grafana", "INFLUXDB_PASSWORD": "of-influxdb", "INFLUXDB_ADMIN_TOKEN": "a-token"}
# What each image reads a secret's file for (its entry point: influxdata-docker 2.9/entrypoint.sh, grafana's run.sh).
SECRET_FILES = {
    "influxdb": {
        "DOCKER_INFLUXDB_INIT_PASSWORD_FILE": "INFLUXDB_PASSWORD",
        "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE": "INFLUXDB_ADMIN_TOKEN",
    },
    "grafana": {"GF_SECURITY_ADMIN_PASSWORD__FILE": "GRAFANA_PASSWORD"},
}
PROGRAMS = ["docker-compose", "podman-compose"]


class Project:
    """compose.yaml in a folder with an .env of its own, and the two programs that read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(COMPOSE, folder)
        # podman-compose asks podman for its version before it reads anything.
        called = 'echo "$*" >>"${0%/*}/calls"'
        make_executable(folder / "bin/podman", f"#!/bin/sh\n{called}\necho podman version 5.4.1\n")

    def settings(self, **values: str) -> None:
        """Write .env: every variable that compose.yaml names, as in .env.sample, with `values`."""
        named = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text(encoding="utf-8")))
        lines = [f"{name}={values.get(name, '')}\n" for name in sorted(named)]
        (self.folder / ".env").write_text("".join(lines), encoding="utf-8")
        for name in SECRETS:
            place = self.folder / "secrets" / name.lower()
            place.parent.mkdir(exist_ok=True)
            place.write_text(values[name], encoding="utf-8")

    def read(self, name: str, status: int = 0):
        """What the program makes of the file: its finished process."""
        return self.call(name, "config", *(["--format", "json"] if name == "docker-compose" else []), status=status)

    def call(self, name: str, *words: str, status: int = 0):
        """The finished process of one of the two programs."""
        words = [program(name, "tests/requirements.txt"), *words]
        environment = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "HOME": str(self.folder)}
        return run(*words, cwd=self.folder, env=environment, status=status)

    def services(self, name: str) -> dict:
        """The services as the program sees them."""
        shown = self.read(name).stdout
        return (json.loads(shown) if name == "docker-compose" else yaml.safe_load(shown))["services"]


@pytest.fixture
def project(tmp_path) -> Project:
    made = Project(tmp_path)
    made.settings(**SECRETS)
    return made


def environment(service: dict) -> dict[str, str]:
    """The variables of a service, as text."""
    return {name: str(value) for name, value in service["environment"].items()}


@pytest.fixture(scope="module")
def services() -> dict:
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("missing", SECRETS)
def test_it_refuses_an_empty_secret_and_names_it(project, name, missing):
    project.settings(**{**SECRETS, missing: ""})
    said = project.read(name, status=1).stderr
    assert f"{missing} is empty, set it in .env" in said
    assert not any(secret in said for secret in SECRETS.values())


def test_both_programs_see_the_same_servers(project):
    project.settings(**SECRETS, POWERVIEW_DOMAIN="example.org")
    docker, podman = (project.services(name) for name in PROGRAMS)
    assert {name: environment(s) for name, s in docker.items()} == {name: environment(s) for name, s in podman.items()}
    for name in ("grafana", "influxdb"):
        for key in ("image", "restart", "security_opt"):
            assert docker[name][key] == podman[name][key]
        assert podman[name]["healthcheck"] == {
            key: "1m" if value == "1m0s" else value for key, value in docker[name]["healthcheck"].items()
        }


@pytest.mark.parametrize("name", PROGRAMS)
def test_secrets_are_files_and_nothing_else(project, name):
    for service, files in SECRET_FILES.items():
        seen = project.services(name)[service]
        names = {entry if isinstance(entry, str) else entry["source"] for entry in seen["secrets"]}
        assert {f"/run/secrets/{secret}" for secret in names} == {environment(seen)[variable] for variable in files}
        assert not any(secret in json.dumps(seen) for secret in SECRETS.values())
    declared = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["secrets"]
    assert declared == {secret.lower(): {"file": f"./secrets/{secret.lower()}"} for secret in SECRETS}


def test_no_secret_is_in_an_argument_of_podman(project):
    project.call("podman-compose", "up", "-d")
    calls = (project.folder / "bin/calls").read_text(encoding="utf-8")
    for secret in SECRETS:
        mounted = f"{project.folder}/secrets/{secret.lower()}:/run/secrets/{secret.lower()}:ro"
        assert mounted in calls
    assert not any(secret in calls for secret in SECRETS.values())


def test_the_images_are_pinned_and_say_where_they_come_from(services):
    assert {name: service["image"] for name, service in services.items()} == {
        "grafana": "docker.io/grafana/grafana:12.4",
        "influxdb": "docker.io/library/influxdb:2.9",
    }


def test_only_this_machine_reaches_the_servers(services):
    assert {name: service["ports"] for name, service in services.items()} == {
        "grafana": ["127.0.0.1:8088:3000"],
        "influxdb": ["127.0.0.1:8086:8086"],
    }


def test_each_server_is_watched_started_again_and_keeps_its_data(project):
    shown = json.loads(project.read("docker-compose").stdout)
    assert shown["volumes"] == {"grafana": {"name": "powerview-grafana"}, "influxdb": {"name": "powerview-influxdb"}}
    data = {"grafana": ("grafana", "/var/lib/grafana"), "influxdb": ("influxdb", "/var/lib/influxdb2")}
    for name, service in shown["services"].items():
        assert service["restart"] == "always"
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["logging"] == {"driver": "journald"}
        assert "no-new-privileges" in service["security_opt"]
        # Grafana's image runs as a user of its own; InfluxDB's begins as root and changes the owner of its volume.
        assert service.get("cap_drop") == {"grafana": ["ALL"], "influxdb": None}[name]
        volumes = [(v["source"], v["target"]) for v in service["volumes"] if v["type"] == "volume"]
        assert volumes == [data[name]]
    # What InfluxDB has in memory goes to the disk first; docker allows ten seconds otherwise.
    assert shown["services"]["influxdb"]["stop_grace_period"] == "1m0s"


def test_influxdb_is_set_up_from_env_at_its_first_start(project):
    project.settings(**SECRETS, INFLUXDB_ORG="works", INFLUXDB_BUCKET="own", INFLUXDB_USERNAME="boss")
    assert environment(project.services("docker-compose")["influxdb"]) == {
        "DOCKER_INFLUXDB_INIT_MODE": "setup",
        "DOCKER_INFLUXDB_INIT_USERNAME": "boss",
        "DOCKER_INFLUXDB_INIT_PASSWORD_FILE": "/run/secrets/influxdb_password",
        "DOCKER_INFLUXDB_INIT_ORG": "works",
        "DOCKER_INFLUXDB_INIT_BUCKET": "own",
        "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE": "/run/secrets/influxdb_admin_token",
        "INFLUXD_REPORTING_DISABLED": "true",
        "INFLUXD_HARDENING_ENABLED": "true",
        "INFLUXD_METRICS_DISABLED": "true",
        "INFLUXD_PPROF_DISABLED": "true",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


@pytest.mark.parametrize(("named", "admin"), [("", "admin"), ("jean.dupont", "jean.dupont")])
def test_grafanas_admin_is_the_one_of_env(project, named, admin):
    project.settings(**SECRETS, GRAFANA_USERNAME=named)
    for name in PROGRAMS:
        assert environment(project.services(name)["grafana"])["GF_SECURITY_ADMIN_USER"] == admin


def test_grafana_is_closed_and_calls_nobody(project):
    settings = environment(project.services("docker-compose")["grafana"])
    closed = {
        "GF_AUTH_ANONYMOUS_ENABLED", "GF_USERS_ALLOW_SIGN_UP", "GF_USERS_ALLOW_ORG_CREATE",
        "GF_PUBLIC_DASHBOARDS_ENABLED", "GF_SNAPSHOTS_EXTERNAL_ENABLED", "GF_SNAPSHOTS_ENABLED", "GF_METRICS_ENABLED",
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_ANALYTICS_CHECK_FOR_UPDATES", "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "GF_NEWS_NEWS_FEED_ENABLED",
        "GF_ANALYTICS_FEEDBACK_LINKS_ENABLED", "GF_PLUGINS_PREINSTALL_AUTO_UPDATE",
        # grafana/grafana, pull requests 121836 (on by default from 13 on) and 121271 (a variable for each toggle)
        "GF_FEATURE_TOGGLES_dashboardNewLayouts",
    }  # fmt: skip
    assert {name for name, value in settings.items() if value == "false"} == closed
    assert settings["GF_SECURITY_DISABLE_GRAVATAR"] == settings["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert settings["GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED"] == "true"
    assert settings["NO_PROXY"] == settings["no_proxy"] == "*"  # one that the admin's shell names would see all queries
    assert settings["GF_LIVE_ALLOWED_ORIGINS"] == "http://localhost:8088"  # an admin at the machine itself
    assert settings["GF_USERS_AUTO_ASSIGN_ORG_ROLE"] == "Viewer"
    assert settings["GF_USERS_DEFAULT_LANGUAGE"] == "detect"
    assert settings["GF_DATE_FORMATS_USE_BROWSER_LOCALE"] == "true"
    assert "folder" not in settings["GF_RBAC_RESOURCES_WITH_MANAGED_PERMISSIONS_ON_CREATION"].split(",")


def test_grafana_never_gets_influxdbs_admin_token(project):
    grafana = json.dumps(project.services("docker-compose")["grafana"])
    assert "a-token" not in grafana
    assert "influxdb_admin_token" not in grafana


@pytest.mark.parametrize(("domain", "address"), [("", "localhost"), ("adecwatts.fr", "adecwatts.fr")])
def test_grafanas_links_begin_with_the_public_name(project, domain, address):
    project.settings(**SECRETS, POWERVIEW_DOMAIN=domain)
    for name in PROGRAMS:
        settings = environment(project.services(name)["grafana"])
        assert settings["GF_SERVER_ROOT_URL"] == f"https://powerview.{address}/"


def test_grafana_knows_of_nobody_to_notify(project):
    # Every Viewer reads Grafana's contact points: what is wrong is reported by `watch`, whose addresses stay outside.
    assert [name for name in environment(project.services("docker-compose")["grafana"]) if "SMTP" in name] == []


# ── what lies in the mounted folders ─────────────────────────────────────────────────────────────────────────────────


def provisioned() -> list[Path]:
    """Every file that Grafana reads at its start."""
    found = sorted(p for p in PROVISIONING.rglob("*") if p.suffix in (".yml", ".yaml"))
    assert found
    return found


def test_the_mounted_folders_exist(services):
    folders = [v.split(":")[0] for v in services["grafana"]["volumes"] if v.startswith("./")]
    assert folders == ["./grafana-automation/provisioning", "./grafana-automation/dashboards"]
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_provisioning_files_lie_where_grafana_looks():
    folders = {"datasources", "dashboards", "alerting", "plugins", "access-control"}
    assert {path.relative_to(PROVISIONING).parts[0] for path in provisioned()} <= folders
    assert all(yaml.safe_load(path.read_text(encoding="utf-8"))["apiVersion"] == 1 for path in provisioned())


def test_no_provisioning_file_waits_for_a_variable():
    named = {}
    for path in sorted((PROVISIONING / "dashboards").iterdir()):
        text = re.sub(r"#.*", "", path.read_text(encoding="utf-8")).replace("$$", "")
        named |= dict.fromkeys(re.findall(r"\$\{?([A-Z][A-Z_]+)", text), path.name)
    assert named == {}


def test_dashboards_are_read_from_the_mounted_folder():
    for path in (PROVISIONING / "dashboards").glob("*.y*ml"):
        for provider in yaml.safe_load(path.read_text(encoding="utf-8"))["providers"]:
            inside = Path(provider["options"]["path"]).relative_to("/var/lib/powerview/dashboards")
            found = list((ROOT / "grafana-automation/dashboards" / inside).glob("*.json"))
            assert found, f"{path.name} names {inside}, where there is no dashboard"


# ── what compose.yaml says about InfluxDB, asked of a real one ───────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def hardened(influx, services, tmp_path_factory):
    """An InfluxDB that runs with the settings of compose.yaml."""
    settings = {k: v for k, v in services["influxdb"]["environment"].items() if k.startswith("INFLUXD_")}
    server = InfluxServer(tmp_path_factory.mktemp("hardened"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        server.start()
    yield server
    server.stop()


def flux_calls(server: InfluxServer, address: str) -> requests.Response:
    flux = f'import "http"\nimport "array"\narray.from(rows: [{{x: http.post(url: "{address}", data: bytes(v: "x"))}}])'
    return requests.post(
        f"{server.url}/api/v2/query", params={"org": server.org}, data=flux, timeout=LONG,
        headers={"Authorization": f"Token {server.token}", "Content-Type": "application/vnd.flux"},
    )  # fmt: skip


def test_a_query_cannot_reach_what_only_the_server_can(influx, hardened):
    assert flux_calls(influx, f"{influx.url}/health").text.splitlines()[1] == ",_result,0,200"  # so it would
    refused = flux_calls(hardened, f"{influx.url}/health")
    assert refused.status_code >= 400
    assert 'error calling function \\"post\\"' in refused.text


# ── health checks, each one's very command ───────────────────────────────────────────────────────────────────────────


def health_check(service: dict, port: int, folder: Path) -> int:
    """The exit status of a service's health check; the port that it asks is `port` of this machine.

    As podman starts a container from a shell that names a proxy.
    """
    words = service["healthcheck"]["test"]
    assert words[0] == "CMD"
    inside = service["ports"][0].split(":")[-1]
    (folder / ".curlrc").write_text(f"connect-to = 127.0.0.1:{inside}:127.0.0.1:{port}\n", encoding="utf-8")
    proxies = {"http_proxy": "http://127.0.0.1:1", "no_proxy": service["environment"]["no_proxy"]}
    place = {"PATH": os.environ["PATH"], "CURL_HOME": str(folder), **proxies}
    return subprocess.run(words[1:], env=place, capture_output=True, timeout=LONG).returncode


def test_influxdb_is_healthy_while_it_answers(services, influx, tmp_path):
    server = InfluxServer(tmp_path / "data")
    server.start()
    try:
        assert health_check(services["influxdb"], server.port, tmp_path) == 0
    finally:
        server.stop()
    assert health_check(services["influxdb"], server.port, tmp_path) != 0


def test_grafana_is_healthy_while_it_answers(services, tmp_path):
    with GrafanaContract("12.4") as server:
        port = urlsplit(server.url).port
        assert health_check(services["grafana"], port, tmp_path) == 0
    assert health_check(services["grafana"], port, tmp_path) != 0


@pytest.mark.skipif("GRAFANA" not in os.environ, reason="no real Grafana is named (GRAFANA, GRAFANA_HOME)")
def test_a_real_grafana_is_healthy_while_it_answers(services, tmp_path):
    with running_grafana(tmp_path, "of-grafana") as server:
        assert health_check(services["grafana"], server.port, tmp_path) == 0
    assert health_check(services["grafana"], server.port, tmp_path) != 0


@pytest.mark.parametrize("status", [500, 503, 404])
def test_a_server_that_answers_with_an_error_is_not_healthy(services, tmp_path, status):
    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert {health_check(service, server.server_port, tmp_path) for service in services.values()} == {22}
    finally:
        server.shutdown()
        server.server_close()
