"""What the provisioning tests share: a Grafana (the contract server in two personalities, and a real one wherever one
is named), a real InfluxDB, both behind recording proxies, a tree on disk, and a way to run the playbooks.

Each test has a Grafana of its own and an InfluxDB organisation of its own, so names may be the same everywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from grafana_automation import FOLDER, login
from grafana_contract import GrafanaContract
from grafana_server import provision, running_grafana
from play_in_process import play
from provisioning_by_hand import MASTER, By, GrafanaClient, import_master, make_own_login
from recording_proxy import Journal, RecordingProxy
from waiting import LONG

from powerview.settings import load_settings

ROOT = FOLDER.parent
PLAYBOOKS = FOLDER / "playbooks"
PASSWORD = f"grafana-{uuid.uuid4().hex[:12]}"
PERSONALITIES = ["12.4", "13", *(["real"] if os.environ.get("GRAFANA") else [])]
RECAP = re.compile(r"^localhost\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
TOLD = re.compile(r'"(powerview: (?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Run:
    """One run of a playbook: its exit status, all that it printed, the lines for people, and the recap's `changed`."""

    status: int
    output: str
    logged: list[str]
    changed: int | None


@dataclass
class World:
    """Everything one test needs. `grafana` is the admin's client, behind no proxy: what a test does is not recorded."""

    kind: str
    contract: GrafanaContract | None
    grafana: GrafanaClient
    influx: object
    influx_org: str
    journal: Journal
    to_grafana: RecordingProxy
    data: Path
    env: dict[str, str]
    home: Path

    def let_grafana_die(self) -> list[str]:
        """Grafana ends at the next write, to it or to InfluxDB; returns the writes that are tried from now on."""
        attempts: list[str] = []

        def die(_number: int, what: str) -> None:
            attempts.append(what)
            self.to_grafana.go_away()

        self.journal.before = die
        return attempts

    def campaigns(self, *names: str) -> None:
        """Make campaign folders: `campaigns("acme/roof")`."""
        for name in names:
            (self.data / name).mkdir(parents=True, exist_ok=True)

    def start(self, playbook: str, *options: str, playbooks: Path = PLAYBOOKS, **env: str) -> subprocess.Popen:
        """Start a playbook, in a folder of no meaning and in a process group of its own."""
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(playbooks / f"{playbook}.yml"), *options]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), **self.env, **env}
        return subprocess.Popen(
            command, env=environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip

    def run(self, *options: str, playbook: str = "create_grafana_resources", **env: str) -> Run:
        """Run a playbook's tasks in this process, one after the other; the journal begins anew."""
        self.journal.clear()
        return self._in_process(playbook, "--check" in options, env)

    def _in_process(self, playbook: str, check: bool, env: dict[str, str]) -> Run:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), **self.env, **env}
        return Run(*play(PLAYBOOKS / f"{playbook}.yml", check, environment))

    def run_ansible(self, *options: str, playbook: str = "create_grafana_resources", **more) -> Run:
        """The same by ansible-playbook itself. What is named beside the playbook goes to `start`."""
        self.journal.clear()
        process = self.start(playbook, *options, **more)
        output, _ = process.communicate(timeout=LONG)
        return finished(process.returncode, output)

    def org(self, name: str) -> int:
        """The number of an organisation."""
        return self.grafana.get(f"/api/orgs/name/{name}")["id"]

    def add_person(self, login: str, team: str = "", org: int = 1) -> GrafanaClient:
        """Make a login by hand, and put it into a team; its client."""
        body = {"login": login, "name": login, "password": "of-one-person", "OrgId": org}
        number = self.grafana.call("POST", "/api/admin/users", body)["id"]
        if team:
            (found,) = self.admin(org).get(f"/api/teams/search?name={team}")["teams"]
            self.admin(org).call("POST", f"/api/teams/{found['id']}/members", {"userId": number})
        return self.person(login, org)

    def person(self, login: str, org: int = 1) -> GrafanaClient:
        """The client of somebody whose password is `of-one-person`."""
        return GrafanaClient(self.grafana.url, login, "of-one-person", org)

    def user_id(self, login: str) -> int:
        """A login's number."""
        return self.grafana.get(f"/api/users/lookup?loginOrEmail={login}")["id"]

    def influx_call(self, method: str, path: str, **kwargs):
        """One call of InfluxDB's API as its admin, not recorded."""
        return self.influx.call(method, path, **kwargs)

    def make_everything(self) -> None:
        """What a first run makes for the whole tree, made by hand."""
        make_everything(self.env, self.influx)

    def to_do(self) -> list[str]:
        """What a run would still find to do."""
        run = self._in_process("create_grafana_resources", True, {})
        return [line for line in run.logged if line.startswith(("powerview: would create", "powerview: would repair"))]

    def own_login(self) -> str:
        """The name of the playbooks' own login."""
        return login.own(load_settings(self.env, Path("/nonexistent")))[0]

    def state(self, org: int = 1) -> dict:
        """All that stands in one of Grafana's organisations, and in InfluxDB's, by names instead of numbers."""
        return {**in_grafana(self.admin(org)), **self.in_influx()}

    def admin(self, org: int = 1) -> GrafanaClient:
        """The admin's client for one organisation."""
        return GrafanaClient(self.grafana.url, "admin", PASSWORD, org)

    def in_influx(self) -> dict:
        """Buckets, and tokens by their description with the buckets that they may read."""
        listed = self.influx_call("GET", "/api/v2/buckets", params={"orgID": self.influx_org, "limit": 100}).json()
        names = {b["id"]: b["name"] for b in listed["buckets"] if b["type"] == "user"}
        tokens = sorted((t["description"], t["status"], _may(t, names)) for t in self.tokens().values())
        return {"buckets": sorted(names.values()), "tokens": tokens}

    def tokens(self) -> dict[str, dict]:
        """InfluxDB's tokens of this test's organisation by id."""
        listed = self.influx_call("GET", "/api/v2/authorizations", params={"orgID": self.influx_org}).json()
        return {t["id"]: t for t in listed["authorizations"]}

    def bucket_id(self, name: str) -> str | None:
        """The id of a bucket in this test's organisation, None if there is none."""
        listed = self.influx_call("GET", "/api/v2/buckets", params={"orgID": self.influx_org, "limit": 100}).json()
        return next((b["id"] for b in listed["buckets"] if b["name"] == name), None)


def in_grafana(grafana: GrafanaClient) -> dict:
    """All that stands in one organisation, by names instead of numbers."""
    teams = {t["id"]: t["name"] for t in grafana.get("/api/teams/search?perpage=1000")["teams"]}
    hits = grafana.get("/api/search?limit=5000")
    folders = {h["uid"]: h for h in hits if h["type"] == "dash-folder"}
    dashboards = {h["uid"]: h for h in hits if h["type"] == "dash-db"}
    return {
        "teams": sorted(teams.values()),
        "folders": {
            uid: (h["title"], h.get("folderUid", ""), _rows(grafana.get(f"/api/folders/{uid}/permissions"), teams))
            for uid, h in folders.items()
        },
        "data sources": {d["uid"]: _data_source(grafana, d["uid"]) for d in grafana.get("/api/datasources")},
        "dashboards": {
            uid: (h["title"], sorted(h["tags"]), h.get("folderUid", ""),
                  _rows(grafana.get(f"/api/dashboards/uid/{uid}/permissions"), teams))
            for uid, h in dashboards.items()
        },
    }  # fmt: skip


def _rows(rows: list[dict], teams: dict[int, str]) -> list[tuple]:
    own = [r for r in rows if not r.get("inherited")]
    return sorted((teams.get(r.get("teamId")) or r.get("role") or r.get("userLogin", ""), r["permission"]) for r in own)


def _data_source(grafana: GrafanaClient, uid: str) -> dict:
    shown = grafana.get(f"/api/datasources/uid/{uid}")
    json_data = {k: v for k, v in shown["jsonData"].items() if k != "powerviewAuthorization"}
    kept = {k: shown[k] for k in ("name", "type", "access", "url", "isDefault")}
    if uid == "powerview-master":
        del kept["isDefault"]  # the admins' choice, and nobody's harm
    return {**kept, "jsonData": json_data, "has_token": shown["secureJsonFields"].get("token", False)}


def _may(token: dict, buckets: dict[str, str]) -> tuple:
    return tuple((p["action"], buckets.get(p["resource"].get("id"), "?")) for p in token["permissions"])


def expected(world: World, clients: dict[str, list[str]], org: int = 1, master: bool = True) -> dict:
    """The state (`World.state`) that a run leaves for the clients and campaigns of `clients`, and for the admins.

    Titles and uids are written here once more, not asked of PowerView: other people's bookmarks hold them.
    """
    folders = {uid("f", client): (client, "", [(client, 1)]) for client in clients}
    sources = {uid("d", client): _expected_data_source(world, client, client) for client in clients}
    dashboards = {
        uid(kind, name): (title, sorted([client, "powerview"]),
                          uid("f", client), [(client, 1)])
        for client, campaigns in clients.items()
        for kind, name, title in [("o", client, "Overview"), *(("b", f"{client}/{c}", c) for c in campaigns)]
    }  # fmt: skip
    if master:
        folders["powerview-admin"] = ("admin", "", [])
        sources["powerview-master"] = _expected_data_source(world, "powerview-master", "powerview")
        dashboards["powerview-master"] = ("Master", ["powerview"], "powerview-admin", [])
    return {"teams": sorted(clients), "folders": folders, "data sources": sources, "dashboards": dashboards}


def uid(kind: str, name: str) -> str:
    """The uid of a client's folder (f), data source (d) or overview (o), or of a campaign's dashboard (b)."""
    return f"pv-{kind}-{hashlib.sha1(name.encode()).hexdigest()[:32]}"


def expected_in_influx(world: World, clients: list[str]) -> dict:
    """The same for InfluxDB: a bucket and one token for each client, and for the admins."""
    owners = {"admin": "powerview", **{c: c for c in clients}}
    url = world.env["GRAFANA_URL"]
    tokens = [(f"powerview: grafana reads {o} ({url})", "active", (("read", b),)) for o, b in owners.items()]
    return {"buckets": sorted(owners.values()), "tokens": sorted(tokens)}


def _expected_data_source(world: World, name: str, bucket: str) -> dict:
    # In an organisation of its own it is the first data source, which Grafana makes the default. Whether the admins' is
    # the default is their choice.
    choice = {} if name == "powerview-master" else {"isDefault": world.env.get("POWERVIEW_ISOLATION") == "org"}
    return {
        "name": name,
        "type": "influxdb",
        "access": "proxy",
        "url": world.env["INFLUXDB_URL"],
        **choice,
        "jsonData": {
            "version": "Flux",
            "organization": world.env["INFLUXDB_ORG"],
            "defaultBucket": bucket,
            "httpMode": "POST",
        },
        "has_token": True,
    }


def make_everything(env: dict[str, str], influx) -> None:
    """What the playbook makes for the tree on disk, made by hand with the admin's login; what is there is left."""
    By(env, influx).hand()


def finished(status: int, output: str) -> Run:
    """Read what a playbook printed."""
    recap = RECAP.search(output)
    logged = [json.loads(f'"{line}"') for line in dict.fromkeys(TOLD.findall(output))]
    return Run(status, output, logged, int(recap[2]) if recap else None)


def kill(process: subprocess.Popen) -> None:
    """End a run and all its children as the kernel would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


# One personality at once, the others with the slow tests: what differs between versions has tests of its own.
QUICKLY = pytest.mark.parametrize(
    "world", ["12.4", *(pytest.param(kind, marks=pytest.mark.slow) for kind in PERSONALITIES[1:])], indirect=True
)

# What only the contract server can be brought to do.
ON_CONTRACT = pytest.mark.parametrize("world", ["12.4", "13"], indirect=True)
QUICKLY_ON_CONTRACT = pytest.mark.parametrize(
    "world", ["12.4", pytest.param("13", marks=pytest.mark.slow)], indirect=True
)


def make_world(
    kind: str, influx, folder: Path, stack: ExitStack, template: Path | None = None, dashboards: Path | None = None
) -> World:
    """A world on the Grafana of this kind; `stack` takes it down.

    It has the small Master, as imported by hand, unless a real Grafana is to provision `dashboards` and to get the
    project's Master from a run. A real Grafana begins as `template` was left.
    """
    contract = stack.enter_context(GrafanaContract(kind, PASSWORD)) if kind != "real" else None
    url = contract.url if contract else stack.enter_context(real_grafana(folder / "grafana", template, dashboards)).url
    org = f"org-{uuid.uuid4().hex[:12]}"
    org_id = influx.call("POST", "/api/v2/orgs", json={"name": org}).json()["id"]
    journal = Journal()
    to_grafana = stack.enter_context(RecordingProxy("grafana", url, journal))
    to_influx = stack.enter_context(RecordingProxy("influxdb", influx.url, journal))
    data, home = folder / "data", folder / "home"
    data.mkdir(parents=True)
    home.mkdir()
    env = {
        "GRAFANA_URL": to_grafana.url,
        "GRAFANA_PASSWORD": PASSWORD,
        "INFLUXDB_HOST": to_influx.url,
        "INFLUXDB_URL": influx.url,
        "INFLUXDB_ORG": org,
        "INFLUXDB_ADMIN_TOKEN": influx.token,
        "POWERVIEW_DATA_DIR": str(data),
    }
    client = GrafanaClient(url, "admin", PASSWORD)
    if contract:
        contract.provision(MASTER)
    elif not dashboards:
        import_master(client)
    make_own_login(client, env)
    return World(kind, contract, client, influx, org_id, journal, to_grafana, data, env, home)


def real_grafana(folder: Path, template: Path | None = None, dashboards: Path | None = None):
    """A real Grafana that provisions these dashboards, if any; a template's data save half its start."""
    folder.mkdir(parents=True, exist_ok=True)
    if template:
        shutil.copytree(template / "data", folder / "data")
    if dashboards:
        provision(folder, dashboards)
    return running_grafana(folder, PASSWORD)
