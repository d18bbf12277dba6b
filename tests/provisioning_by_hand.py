"""What an admin makes by hand in Grafana and InfluxDB, for tests: his client of Grafana, a small Master, and all that a
first run of the playbook makes, worked out here anew instead of taken from the playbook's own code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import requests
from grafana_automation import login
from waiting import LONG

from powerview.settings import load_settings

OVERVIEW = Path(__file__).resolve().parent.parent / "grafana-automation" / "dashboards" / "overview.json"
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


class GrafanaClient:
    """Grafana's API as its admin, or somebody else, uses it."""

    def __init__(self, url: str, login: str, password: str, org: int = 1) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy, no netrc
        self.session.auth = (login, password)
        self.session.headers["X-Grafana-Org-Id"] = str(org)

    def call(self, method: str, path: str, body: dict | None = None, ok: tuple[int, ...] = (200,)):
        """One call; the JSON of its answer, or the status where other ones than 200 are expected."""
        answer = self.session.request(method, self.url + path, json=body, timeout=LONG)
        assert answer.status_code in ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if ok == (200,) else answer.status_code

    def get(self, path: str):
        """Read one address."""
        return self.call("GET", path)

    def dashboard(self, uid: str) -> dict:
        """A dashboard's JSON."""
        return self.get(f"/api/dashboards/uid/{uid}?apiVersion=v1beta1")["dashboard"]


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
            campaigns = sorted(p.name for p in (data / client).iterdir())
            for campaign in campaigns:
                self.dashboard(client, campaign, folder, rows)
            self.overview(client, campaigns, folder, rows)

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

    def overview(self, client: str, campaigns: list[str], folder: str, rows: list[dict]) -> None:
        """The client's first page, the home page of its team."""
        uid = uid_of("o", client)
        if not self.is_there(f"/api/dashboards/uid/{uid}?apiVersion=v1beta1"):
            content = overview_by_hand(client, campaigns)
            body = {"dashboard": content, "folderUid": folder, "message": "by hand", "overwrite": False}
            self.grafana.call("POST", "/api/dashboards/db", body)
            self.close(f"dashboards/uid/{uid}", rows)
        home = {"homeDashboardUID": uid}
        self.grafana.call("PUT", f"/api/teams/{self.team(client)}/preferences", home)


def overview_by_hand(client: str, campaigns: list[str], timezone: str = "Europe/Paris") -> dict:
    """The project's overview as a client's first page."""
    own = json.dumps({"type": "influxdb", "uid": uid_of("d", client)})
    made = json.loads(OVERVIEW.read_text(encoding="utf-8"))
    made = json.loads(json.dumps(made).replace(json.dumps(TO_MASTER), own))
    listed = ", ".join(f'{{campaign: "{c}", uid: "{uid_of("b", f"{client}/{c}")}", from: 0, to: 0}}' for c in campaigns)
    for variable, value in zip(made["templating"]["list"], (listed, timezone), strict=True):
        choice = {"text": value, "value": value}
        variable |= {
            "query": value,
            "current": {"selected": False, **choice},
            "options": [{"selected": True, **choice}],
        }
    about = {"uid": uid_of("o", client), "tags": ["powerview", client], "timezone": timezone}
    return {**{k: v for k, v in made.items() if k not in ("id", "version")}, **about}


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


def import_master(grafana: GrafanaClient) -> None:
    """The small Master in the folder `admin`, which is open as Grafana opens a new folder."""
    grafana.call("POST", "/api/folders", {"uid": "powerview-admin", "title": "admin"}, ok=(200, 409, 412))
    body = {"dashboard": {**MASTER, "id": None}, "folderUid": "powerview-admin", "overwrite": False, "message": ""}
    grafana.call("POST", "/api/dashboards/db", body)
    grafana.call("POST", "/api/dashboards/uid/powerview-master/permissions", {"items": []})
