"""Grafana: does it answer, does it let the playbooks in, can the Master be cloned, does it reach InfluxDB?

What the playbooks ask as well is asked by their own code, with their login and in their words: that code is in
`grafana-automation/`, which is not on Python's path.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from powerview.monitoring.http import body, get, status_of, why
from powerview.monitoring.item import Item, bad, good
from powerview.settings import Settings

AUTOMATION = Path(__file__).resolve().parents[2] / "grafana-automation"
ADMIN_DATASOURCE = "powerview-master"
LOGIN = "Grafana's login"
PROBLEM_OF = {LOGIN: "grafana_login", "Master": "master_unusable", "Loggers": "loggers_missing"}
"""What the playbooks' code looks at, and the texts for what it may find wrong."""
READABLE = (400, 404, 500)


def grafana(settings: Settings) -> Iterator[Item]:
    """Every item about Grafana."""
    health = get(f"{settings.grafana_url}/api/health")
    if status_of(health) != 200 or "database" not in body(health):
        yield bad("Grafana", "grafana_away", url=settings.grafana_url, why=why(health))
        return
    yield good("Grafana", f"answers at {settings.grafana_url}, {body(health).get('version', '')}")
    if settings.grafana_password:
        yield from _inside(settings)


def _inside(settings: Settings) -> Iterator[Item]:
    if str(AUTOMATION) not in sys.path:
        sys.path.append(str(AUTOMATION))
    from powerview_grafana import checks, login
    from powerview_grafana.servers import ServerError

    try:
        server = login.of_the_playbooks(settings)
        server.get("/api/orgs/1/users", 1)  # for admins only
    except ServerError as error:
        yield bad(LOGIN, PROBLEM_OF[LOGIN], problem=str(error))
        return
    for finding in checks.look(settings):
        if finding.problem:
            yield bad(finding.name, PROBLEM_OF[finding.name], problem=finding.problem)
        else:
            yield good(finding.name, finding.found)
    try:
        yield _admin_datasource(settings, server)
    except ServerError as error:
        yield bad("Grafana reads InfluxDB", "source_unread", why=str(error))


def _admin_datasource(settings: Settings, server) -> Item:
    answer = server.get(f"/api/datasources/uid/{ADMIN_DATASOURCE}/health", 1, READABLE)
    if answer.status == 200:
        return good("Grafana reads InfluxDB", f"at {settings.influxdb_url}")
    if answer.status == 404:
        return bad("Grafana reads InfluxDB", "source_missing")
    message = answer.body.get("message", "") if isinstance(answer.body, dict) else ""
    found = f"{answer.status} {str(message)[:150]}".strip()
    return bad("Grafana reads InfluxDB", "source_broken", url=settings.influxdb_url, why=found)
