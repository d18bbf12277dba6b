"""The dashboard "Loggers" in a real Grafana, wherever GRAFANA and GRAFANA_HOME name one."""

from __future__ import annotations

import os
import time

import pytest
import requests
from dashboard_queries import queries
from grafana_server import provision, running_grafana
from trees import ROOT
from waiting import LONG, wait_until

from powerview.ingest import uploads as fleet
from powerview.ingest.journal import Outcome, Status

pytestmark = pytest.mark.skipif(not os.environ.get("GRAFANA"), reason="no real Grafana: GRAFANA names none")

DASHBOARDS = ROOT / "grafana-automation" / "dashboards" / "provisioned"
PASSWORD = "of-one-test-run"
SOURCE = """apiVersion: 1
datasources:
  - {{name: powerview-master, uid: powerview-master, type: influxdb, access: proxy, url: "{url}",
     jsonData: {{version: Flux, organization: {org}, defaultBucket: {bucket}}}, secureJsonData: {{token: "{token}"}}}}
"""


def point(outcome: Outcome) -> bytes:
    """The points of an upload that is settled."""
    return fleet.points(outcome, (outcome.settled_as or outcome.path).rsplit("/", 1)[-1])


def upload(device: str, hours_ago: float, **kwargs) -> Outcome:
    """A file of acme/roof that arrived so long ago."""
    arrived = time.time() - hours_ago * 3600
    given = {"status": Status.OK, "rows": 145, "readings": 4350, "last": int(arrived) - 600, "seconds": 0.5, **kwargs}
    return Outcome(path=f"acme/roof/{device}/{hours_ago}.tsv", arrived=arrived, **given)


def test_every_panel_is_drawn(influx, client, tmp_path):
    influx.make_bucket(client)
    fleet_now = [upload("0200", 1), upload("0400", 40, status=Status.PARTIAL, reason="the last row is cut")]
    influx.write(client, b"".join(map(point, fleet_now)), "ns")
    provision(tmp_path, DASHBOARDS)
    sources = tmp_path / "provisioning" / "datasources"
    sources.mkdir()
    sources.joinpath("source.yml").write_text(
        SOURCE.format(url=influx.url, org=influx.org, bucket=client, token=influx.token)
    )
    with running_grafana(tmp_path, PASSWORD) as server:
        assert _failing(server.url) == {}


def _failing(url: str) -> dict[str, str]:
    # Every query of the dashboard as Grafana has it, asked as a browser asks. It answers before it has read its files.
    address = f"{url}/api/dashboards/uid/powerview-loggers"
    found = {}

    def is_there() -> bool:
        answer = requests.get(address, auth=("admin", PASSWORD), timeout=LONG)
        found.update(answer.json() if answer.status_code == 200 else {})
        return bool(found)

    wait_until(is_there, LONG, lambda: "Grafana has read no dashboard")
    failing = {}
    for place, query in queries(found["dashboard"]).items():
        flux = query.flux.replace("${timezone}", "Europe/Paris").replace("${client}", "acme")
        target = {"refId": "A", "datasource": {"uid": "powerview-master"}, "query": flux, "intervalMs": 60000,
                  "maxDataPoints": 1000}  # fmt: skip
        body = {"from": "now-7d", "to": "now", "queries": [target]}
        answer = requests.post(f"{url}/api/ds/query", json=body, auth=("admin", PASSWORD), timeout=LONG)
        result = answer.json()["results"]["A"]
        may_be_empty = place.startswith(("Errors A", "Loggers "))
        if answer.status_code != 200 or not (may_be_empty or any(f["data"]["values"] for f in result["frames"])):
            failing[place] = str(result)[:300]
    return failing
