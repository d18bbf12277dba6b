"""What the provisioning tests share: a Grafana (the contract server in two personalities, and a real one wherever one
is named), a real InfluxDB, both behind recording proxies, a tree on disk, and a way to run the playbooks.

Each test has a Grafana of its own and an InfluxDB organisation of its own, so names may be the same everywhere.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from grafana_contract import GrafanaContract
from grafana_server import provision, running_grafana
from recording_proxy import Journal, RecordingProxy

ROOT = Path(__file__).resolve().parent.parent
PLAYBOOKS = ROOT / "grafana-automation" / "playbooks"
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
    password: str
    influx: object
    influx_org: str
    journal: Journal
    data: Path
    env: dict[str, str]
    home: Path
    secrets: list[str] = field(default_factory=list)

    def campaigns(self, *names: str) -> None:
        """Make campaign folders: `campaigns("acme/roof")`."""
        for name in names:
            (self.data / name).mkdir(parents=True, exist_ok=True)

    def start(self, playbook: str, *options: str, cwd: Path | None = None, **env: str) -> subprocess.Popen:
        """Start a playbook in a process group of its own."""
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(PLAYBOOKS / f"{playbook}.yml"), *options]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), **self.env, **env}
        return subprocess.Popen(
            command, env=environment, cwd=cwd or self.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip

    def run(self, *options: str, playbook: str = "create_grafana_resources", **env: str) -> Run:
        """Run a playbook to its end; the journal begins anew."""
        self.journal.clear()
        process = self.start(playbook, *options, **env)
        output, _ = process.communicate(timeout=300)
        return finished(process.returncode, output)

    def org(self, name: str) -> GrafanaClient:
        """The admin's client for one organisation."""
        number = self.grafana.get(f"/api/orgs/name/{name}")["id"]
        return GrafanaClient(self.grafana.url, *self.grafana.session.auth, org=number)

    def as_user(self, login: str, password: str = "of-one-person", org: int = 1) -> GrafanaClient:
        """Somebody else's client."""
        return GrafanaClient(self.grafana.url, login, password, org)

    def influx_call(self, method: str, path: str, **kwargs):
        """One call of InfluxDB's API as its admin, not recorded."""
        return self.influx.call(method, path, **kwargs)

    def tokens(self) -> dict[str, dict]:
        """InfluxDB's tokens of this test's organisation by id."""
        listed = self.influx_call("GET", "/api/v2/authorizations", params={"orgID": self.influx_org}).json()
        return {t["id"]: t for t in listed["authorizations"]}

    def bucket_id(self, name: str) -> str | None:
        """The id of a bucket in this test's organisation, None if there is none."""
        listed = self.influx_call("GET", "/api/v2/buckets", params={"orgID": self.influx_org, "limit": 100}).json()
        return next((b["id"] for b in listed["buckets"] if b["name"] == name), None)


def finished(status: int, output: str) -> Run:
    """Read what a playbook printed."""
    recap = RECAP.search(output)
    return Run(status, output, list(dict.fromkeys(TOLD.findall(output))), int(recap[2]) if recap else None)


def kill(process: subprocess.Popen) -> None:
    """End a run and all its children as the kernel would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(params=PERSONALITIES)
def world(request, influx, tmp_path) -> Iterator[World]:
    """One test's world, for each Grafana that can be had. The contract server must see no violation until its end."""
    with ExitStack() as stack:
        yield (made := make_world(request.param, influx, tmp_path, stack))
        if made.contract:
            assert made.contract.violations == []


def make_world(kind: str, influx, folder: Path, stack: ExitStack) -> World:
    """A world on the Grafana of this kind; `stack` takes it down."""
    password = f"grafana-{uuid.uuid4().hex[:12]}"
    contract = stack.enter_context(GrafanaContract(kind, password)) if kind != "real" else None
    if contract:
        contract.provision(MASTER)
    url = contract.url if contract else stack.enter_context(_real(folder / "grafana", password)).url
    org = f"org-{uuid.uuid4().hex[:12]}"
    org_id = influx.call("POST", "/api/v2/orgs", json={"name": org}).json()["id"]
    journal = Journal()
    to_grafana = stack.enter_context(RecordingProxy("grafana", url, journal))
    to_influx = stack.enter_context(RecordingProxy("influxdb", influx.url, journal))
    data, home = folder / "data", folder / "home"
    data.mkdir()
    home.mkdir()
    env = {
        "GRAFANA_URL": to_grafana.url,
        "GRAFANA_PASSWORD": password,
        "INFLUXDB_HOST": to_influx.url,
        "INFLUXDB_URL": influx.url,
        "INFLUXDB_ORG": org,
        "INFLUXDB_ADMIN_TOKEN": influx.token,
        "POWERVIEW_DATA_DIR": str(data),
    }
    client = GrafanaClient(url, "admin", password)
    return World(kind, contract, client, password, influx, org_id, journal, data, env, home, [password, influx.token])


def _real(folder: Path, password: str):
    dashboards = folder / "dashboards"
    dashboards.mkdir(parents=True)
    (dashboards / "master.json").write_text(json.dumps(MASTER))
    provision(folder, dashboards)
    return running_grafana(folder, password)
