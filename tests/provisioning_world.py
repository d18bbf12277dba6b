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
import requests
from grafana_automation import FOLDER, login, tree
from grafana_contract import GrafanaContract
from grafana_server import provision, running_grafana
from play_in_process import play
from recording_proxy import Journal, RecordingProxy

from powerview.settings import load_settings

ROOT = FOLDER.parent
PLAYBOOKS = FOLDER / "playbooks"
PASSWORD = f"grafana-{uuid.uuid4().hex[:12]}"
PERSONALITIES = ["12.4", "13", *(["real"] if os.environ.get("GRAFANA") else [])]
RECAP = re.compile(r"^localhost\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
TO_MASTER = {"type": "influxdb", "uid": "powerview-master"}
FLUX = (
    "from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop)"
    ' |> filter(fn: (r) => r._measurement == "${campaign}" and r.channel =~ /^${channels:regex}$/)'
    " |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)"
)
CHANNELS = 'import "influxdata/influxdb/schema" schema.tagValues(bucket: v.defaultBucket, tag: "channel")'
MASTER = {
    "uid": "powerview-master",
    "title": "Master",
    "schemaVersion": 39,
    "tags": ["powerview"],
    "panels": [
        {
            "id": 1,
            "type": "timeseries",
            "title": "Power",
            "gridPos": {"h": 8, "w": 24, "x": 0, "y": 0},
            "datasource": TO_MASTER,
            "fieldConfig": {"defaults": {"unit": "watt", "displayName": "{{ channel }}"}, "overrides": []},
            "targets": [{"refId": "A", "datasource": TO_MASTER, "query": FLUX}],
        }
    ],
    "templating": {
        "list": [
            {"name": "campaign", "type": "constant", "hide": 2, "query": "", "current": {}, "options": []},
            {"name": "timezone", "type": "constant", "hide": 2, "query": "", "current": {}, "options": []},
            {
                "name": "channels",
                "type": "query",
                "datasource": TO_MASTER,
                "query": CHANNELS,
                "refresh": 2,
                "includeAll": True,
                "multi": True,
                "current": {"text": ["SN: 1 - Ch: Somebody's"], "value": ["SN: 1 - Ch: Somebody's"]},
                "options": [{"text": "SN: 1 - Ch: Somebody's", "value": "SN: 1 - Ch: Somebody's"}],
            },
        ]
    },
    "annotations": {
        "list": [{"name": "Restarts", "enable": True, "iconColor": "red", "datasource": TO_MASTER, "query": FLUX}]
    },
    "time": {"from": "now-7d", "to": "now"},
}
TOLD = re.compile(r'"(powerview: (?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Run:
    """One run of a playbook: its exit status, all that it printed, the lines for people, and the recap's `changed`."""

    status: int
    output: str
    told: list[str]
    changed: int | None


class GrafanaClient:
    """Grafana's API as its admin, or somebody else, uses it."""

    def __init__(self, url: str, login: str, password: str, org: int = 1) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.auth = (login, password)
        self.session.headers["X-Grafana-Org-Id"] = str(org)

    def call(self, method: str, path: str, body: dict | None = None, ok: tuple[int, ...] = (200,)):
        """One call; the JSON of its answer, or the status where other ones than 200 are expected."""
        answer = self.session.request(method, self.url + path, json=body, timeout=60)
        assert answer.status_code in ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if ok == (200,) else answer.status_code

    def get(self, path: str):
        """Read one address."""
        return self.call("GET", path)

    def dashboard(self, uid: str) -> dict:
        """A dashboard's JSON."""
        return self.get(f"/api/dashboards/uid/{uid}?apiVersion=v1beta1")["dashboard"]


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
        output, _ = process.communicate(timeout=300)
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
        return [line for line in run.told if line.startswith(("powerview: would create", "powerview: would repair"))]

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
    """The state (`World.state`) that a run leaves for the clients and campaigns of `clients`, and for the admins."""
    described = [tree.describe(client, campaigns) for client, campaigns in clients.items()]
    admin = [tree.describe_admin("powerview")] if master else []
    team = {d["client"]: [(d["client"], 1)] for d in described} | {"admin": []}
    return {
        "teams": sorted(clients),
        "folders": {d["folder_uid"]: (d["folder"], "", team[d["client"]]) for d in admin + described},
        "data sources": {d["data_source_uid"]: _expected_data_source(world, d) for d in admin + described},
        "dashboards": {
            c["uid"]: (c["campaign"], sorted(["powerview", d["client"]]) if d["team"] else ["powerview"],
                       d["folder_uid"], team[d["client"]])
            for d in admin + described for c in d["campaigns"]
        },
    }  # fmt: skip


def expected_in_influx(world: World, clients: list[str]) -> dict:
    """The same for InfluxDB: a bucket and one token for each client, and for the admins."""
    owners = {"admin": "powerview", **{c: c for c in clients}}
    url = world.env["GRAFANA_URL"]
    tokens = [(f"powerview: grafana reads {o} ({url})", "active", (("read", b),)) for o, b in owners.items()]
    return {"buckets": sorted(owners.values()), "tokens": sorted(tokens)}


def _expected_data_source(world: World, subject: dict) -> dict:
    # In an organisation of its own it is the first data source, which Grafana makes the default.
    is_default = {"isDefault": world.env.get("POWERVIEW_ISOLATION") == "org"} if subject["team"] else {}
    return {
        "name": subject["data_source"],
        "type": "influxdb",
        "access": "proxy",
        "url": world.env["INFLUXDB_URL"],
        **is_default,
        "jsonData": {
            "version": "Flux",
            "organization": world.env["INFLUXDB_ORG"],
            "defaultBucket": subject["bucket"],
            "httpMode": "POST",
        },
        "has_token": True,
    }


def make_everything(env: dict[str, str], influx) -> None:
    """What the playbook makes for the tree on disk, made by hand with the admin's login; what is there is left."""
    By(env, influx).hand()


class By:
    """An admin who makes by hand what the playbook would make."""

    def __init__(self, env: dict[str, str], influx) -> None:
        self.env, self.influx = env, influx
        self.grafana = GrafanaClient(env["GRAFANA_URL"], "admin", env["GRAFANA_PASSWORD"])
        self.org = influx.call("GET", "/api/v2/orgs", params={"org": env["INFLUXDB_ORG"]}).json()["orgs"][0]["id"]

    def hand(self) -> None:
        """Make all of it."""
        self.close("folders/powerview-admin", [])
        self.data_source("admin", "powerview-master", "powerview-master", "powerview")
        data = Path(self.env["POWERVIEW_DATA_DIR"])
        for client in sorted(p.name for p in data.iterdir() if any(p.iterdir())):
            folder = uid_of("f", client)
            rows = [{"teamId": self.team(client), "permission": 1}]
            if not self.is_there(f"/api/folders/{folder}"):
                self.grafana.call("POST", "/api/folders", {"uid": folder, "title": client})
                self.close(f"folders/{folder}", rows)
            self.data_source(client, uid_of("d", client), client, client)
            for campaign in sorted(p.name for p in (data / client).iterdir()):
                self.dashboard(client, campaign, folder, rows)

    def is_there(self, path: str) -> bool:
        """Whether Grafana has it."""
        return self.grafana.call("GET", path, ok=(200, 404, 406)) != 404

    def close(self, what: str, rows: list[dict]) -> None:
        """Set who may see it."""
        self.grafana.call("POST", f"/api/{what}/permissions", {"items": rows})

    def team(self, client: str) -> int:
        """The client's team, made if need be; its number."""
        if teams := self.grafana.get(f"/api/teams/search?name={client}")["teams"]:
            return teams[0]["id"]
        return self.grafana.call("POST", "/api/teams", {"name": client})["teamId"]

    def data_source(self, owner: str, uid: str, name: str, bucket: str) -> None:
        """Bucket, token and data source."""
        if self.is_there(f"/api/datasources/uid/{uid}"):
            return
        found = self.influx.call("GET", "/api/v2/buckets", params={"orgID": self.org, "limit": 100}).json()["buckets"]
        bucket_id = next((b["id"] for b in found if b["name"] == bucket), None)
        if not bucket_id:
            body = {"orgID": self.org, "name": bucket, "retentionRules": []}
            bucket_id = self.influx.call("POST", "/api/v2/buckets", json=body).json()["id"]
        resource = {"type": "buckets", "id": bucket_id, "orgID": self.org}
        body = {
            "orgID": self.org,
            "description": f"powerview: grafana reads {owner} ({self.env['GRAFANA_URL']})",
            "permissions": [{"action": "read", "resource": resource}],
        }
        token = self.influx.call("POST", "/api/v2/authorizations", json=body).json()
        source = {
            "uid": uid, "name": name, "type": "influxdb", "access": "proxy", "url": self.env["INFLUXDB_URL"],
            "basicAuth": False, "isDefault": False, "secureJsonData": {"token": token["token"]},
            "jsonData": {
                "version": "Flux", "organization": self.env["INFLUXDB_ORG"], "defaultBucket": bucket,
                "httpMode": "POST", "powerviewAuthorization": token["id"],
            },
        }  # fmt: skip
        self.grafana.call("POST", "/api/datasources", source)

    def dashboard(self, client: str, campaign: str, folder: str, rows: list[dict]) -> None:
        """The small Master as one campaign's dashboard."""
        uid = uid_of("b", f"{client}/{campaign}")
        if self.is_there(f"/api/dashboards/uid/{uid}?apiVersion=v1beta1"):
            return
        body = {"dashboard": by_hand(client, campaign), "folderUid": folder, "message": "by hand", "overwrite": False}
        self.grafana.call("POST", "/api/dashboards/db", body)
        self.close(f"dashboards/uid/{uid}", rows)


def by_hand(client: str, campaign: str, timezone: str = "Europe/Paris") -> dict:
    """The small Master as DESIGN wants a campaign's dashboard to be."""
    own = {"type": "influxdb", "uid": uid_of("d", client)}
    made = json.loads(json.dumps(MASTER).replace(json.dumps(TO_MASTER), json.dumps(own)))
    for variable, value in zip(made["templating"]["list"], (campaign, timezone), strict=False):
        choice = {"text": value, "value": value}
        variable |= {
            "query": value,
            "current": {"selected": False, **choice},
            "options": [{"selected": True, **choice}],
        }
    made["templating"]["list"][2] |= {"current": {}, "options": []}
    about = {"uid": uid_of("b", f"{client}/{campaign}"), "title": campaign, "tags": ["powerview", client]}
    return {**made, **about, "timezone": timezone}


def uid_of(kind: str, name: str) -> str:
    """The uid of a client's folder (f) or data source (d), or of a campaign's dashboard (b)."""
    return f"pv-{kind}-{hashlib.sha1(name.encode()).hexdigest()[:32]}"


def make_own_login(grafana: GrafanaClient, env: dict[str, str]) -> None:
    """The playbooks' own login, which a first run makes (a test of its own shows that)."""
    name, password = login.own(load_settings(env, Path("/nonexistent")))
    body = {"login": name, "name": login.NAME, "password": password, "OrgId": 1}
    number = grafana.call("POST", "/api/admin/users", body)["id"]
    grafana.call("PUT", f"/api/admin/users/{number}/permissions", {"isGrafanaAdmin": True})
    grafana.call("PATCH", f"/api/orgs/1/users/{number}", {"role": "Admin"})


def finished(status: int, output: str) -> Run:
    """Read what a playbook printed."""
    recap = RECAP.search(output)
    told = [json.loads(f'"{line}"') for line in dict.fromkeys(TOLD.findall(output))]
    return Run(status, output, told, int(recap[2]) if recap else None)


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


def import_master(grafana: GrafanaClient) -> None:
    """The small Master in the folder `admin`, which is open as Grafana opens a new folder."""
    grafana.call("POST", "/api/folders", {"uid": "powerview-admin", "title": "admin"}, ok=(200, 409, 412))
    body = {"dashboard": {**MASTER, "id": None}, "folderUid": "powerview-admin", "overwrite": False, "message": ""}
    grafana.call("POST", "/api/dashboards/db", body)
    grafana.call("POST", "/api/dashboards/uid/powerview-master/permissions", {"items": []})


def real_grafana(folder: Path, template: Path | None = None, dashboards: Path | None = None):
    """A real Grafana that provisions these dashboards, if any; a template's data save half its start."""
    folder.mkdir(parents=True, exist_ok=True)
    if template:
        shutil.copytree(template / "data", folder / "data")
    if dashboards:
        provision(folder, dashboards)
    return running_grafana(folder, PASSWORD)
