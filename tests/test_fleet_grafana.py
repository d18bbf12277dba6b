"""The dashboard "Loggers" and the alert in a real Grafana, wherever GRAFANA and GRAFANA_HOME name one."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from dashboard_queries import queries
from grafana_server import provision, running_grafana
from influx_server import wait_until
from trees import ROOT

from powerview.ingest import uploads as fleet
from powerview.ingest.journal import Outcome, Status

pytestmark = pytest.mark.skipif(not os.environ.get("GRAFANA"), reason="no real Grafana: GRAFANA names none")

ALERTS = ROOT / "grafana-automation" / "provisioning" / "alerting" / "powerview.yml"
DASHBOARDS = ROOT / "grafana-automation" / "dashboards"
PASSWORD = "of-one-test-run"
SOURCE = """apiVersion: 1
datasources:
  - {{name: powerview-master, uid: powerview-master, type: influxdb, access: proxy, url: "{url}",
     jsonData: {{version: Flux, organization: {org}, defaultBucket: {bucket}}}, secureJsonData: {{token: "{token}"}}}}
"""


def point(outcome: Outcome) -> bytes:
    """The points of an upload that is settled."""
    return fleet.points(outcome, (outcome.settled_as or outcome.path).rsplit("/", 1)[-1])


@contextmanager
def receiver():
    """A webhook that keeps what it is told: its address and the list."""
    told: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", told
    finally:
        server.shutdown()
        server.server_close()


def lay_alerts(folder: Path, hurried: bool = True) -> None:
    """The project's alerting files in a Grafana's folder; hurried: minutes become seconds."""
    target = folder / "provisioning" / "alerting"
    target.mkdir(parents=True)
    text = ALERTS.read_text(encoding="utf-8")
    if hurried:
        for slow, quick in (("interval: 5m", "interval: 10s"), ("group_wait: 1m", "group_wait: 1s"),
                            ("group_interval: 15m", "group_interval: 1s"), ("for: 30m", "for: 10s")):  # fmt: skip
            assert slow in text
            text = text.replace(slow, quick)
    (target / ALERTS.name).write_text(text, encoding="utf-8")


def grafana(folder: Path, webhook: str, email: str = "nobody@localhost"):
    """A real Grafana with the addresses that compose would hand on."""
    return running_grafana(folder, PASSWORD, POWERVIEW_ALERT_EMAIL=email, POWERVIEW_ALERT_WEBHOOK=webhook)


def rules(url: str) -> dict[str, dict]:
    """Title → what Grafana says of the rule."""
    said = requests.get(f"{url}/api/prometheus/grafana/api/v1/rules", auth=("admin", PASSWORD), timeout=10).json()
    return {rule["name"]: rule for group in said["data"]["groups"] for rule in group["rules"]}


def upload(device: str, hours_ago: float, **kwargs) -> Outcome:
    """A file of acme/roof that arrived so long ago."""
    arrived = time.time() - hours_ago * 3600
    given = {"status": Status.OK, "rows": 145, "readings": 4350, "last": int(arrived) - 600, "seconds": 0.5, **kwargs}
    return Outcome(path=f"acme/roof/{device}/{hours_ago}.tsv", arrived=arrived, **given)


def test_the_alert_reaches_the_admin_and_every_panel_is_drawn(influx, client, tmp_path):
    influx.make_bucket(client)
    fleet_now = [upload("0200", 1), upload("0400", 40, status=Status.PARTIAL, reason="the last row is cut")]
    params = {"org": influx.org, "bucket": client, "precision": "ns"}
    influx.call("POST", "/api/v2/write", params=params, data=b"".join(map(point, fleet_now)))
    provision(tmp_path, DASHBOARDS)
    lay_alerts(tmp_path)
    sources = tmp_path / "provisioning" / "datasources"
    sources.mkdir()
    sources.joinpath("source.yml").write_text(
        SOURCE.format(url=influx.url, org=influx.org, bucket=client, token=influx.token)
    )
    with receiver() as (webhook, told), grafana(tmp_path, webhook) as server:
        wait_until(lambda: told, 120, lambda: f"no alert came: {rules(server.url)}\n{server.log()[-2000:]}")
        (alert,) = told[0]["alerts"]
        assert alert["labels"]["alertname"] == "Logger silent"
        assert alert["annotations"]["summary"] == "Logger 0400 of acme (roof) has delivered nothing for 40 hours."
        assert "/d/powerview-loggers" in alert["panelURL"]
        assert {name: rule["health"] for name, rule in rules(server.url).items()} == {
            "Logger silent": "ok", "InfluxDB cannot be asked": "ok",
        }  # fmt: skip
        assert _failing(server.url) == {}


def _failing(url: str) -> dict[str, str]:
    # Every query of the dashboard as Grafana has it, asked as a browser asks.
    found = requests.get(f"{url}/api/dashboards/uid/powerview-loggers", auth=("admin", PASSWORD), timeout=10).json()
    failing = {}
    for place, query in queries(found["dashboard"]).items():
        flux = query.flux.replace("${timezone}", "Europe/Paris").replace("${client}", "acme")
        target = {"refId": "A", "datasource": {"uid": "powerview-master"}, "query": flux, "intervalMs": 60000,
                  "maxDataPoints": 1000}  # fmt: skip
        body = {"from": "now-7d", "to": "now", "queries": [target]}
        answer = requests.post(f"{url}/api/ds/query", json=body, auth=("admin", PASSWORD), timeout=30)
        result = answer.json()["results"]["A"]
        may_be_empty = place.startswith(("Errors A", "Loggers "))
        if answer.status_code != 200 or not (may_be_empty or any(f["data"]["values"] for f in result["frames"])):
            failing[place] = str(result)[:300]
    return failing


def test_before_the_first_sweep_nobody_is_paged_but_a_lasting_failure_is_told(tmp_path):
    lay_alerts(tmp_path)
    with receiver() as (webhook, told), grafana(tmp_path, webhook) as server:
        wait_until(lambda: told, 120, lambda: f"no alert came: {rules(server.url)}\n{server.log()[-2000:]}")
        assert [alert["labels"]["alertname"] for said in told for alert in said["alerts"]] == [
            "InfluxDB cannot be asked"
        ]
        assert rules(server.url)["Logger silent"]["state"] == "inactive"


def test_an_empty_address_keeps_grafana_from_starting(tmp_path):
    lay_alerts(tmp_path, hurried=False)
    with (
        pytest.raises(RuntimeError, match="could not find addresses"),
        grafana(tmp_path, "http://127.0.0.1:1/", email=""),
    ):
        pass


def test_grafana_starts_with_what_compose_sets_when_env_names_nobody(tmp_path):
    lay_alerts(tmp_path, hurried=False)
    with grafana(tmp_path, "http://influxdb:8086/health") as server:
        assert set(rules(server.url)) == {"Logger silent", "InfluxDB cannot be asked"}
