"""The questions that the playbooks ask: each reads settings, disk and servers anew and answers with plain data.

An answer that could not be had is `{"error": sentence}`: the playbook fails with the sentence, and with nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from powerview.settings import Settings, SettingsError, load_settings
from powerview_grafana import found, servers, tree
from powerview_grafana.dashboard import IN_V2, SAVE_AS_CLASSIC, master_problem
from powerview_grafana.plan import plan
from powerview_grafana.servers import Server, ServerError
from powerview_grafana.tree import UsageError

MASTER_FILE = Path(__file__).resolve().parents[1] / "dashboards" / "master.json"


def ask(question: str, *terms: Any, **options: Any) -> Any:
    """Answer one question. Errors that a person can do something about come back as `{"error": sentence}`."""
    try:
        return QUESTIONS[question](load_settings(), *terms, **options)
    except (SettingsError, UsageError, ServerError) as error:
        return {"error": str(error)}


def wanted(settings: Settings, client: str = "", campaign: str = "") -> dict:
    """What the tree asks for (`tree.wanted`), and the settings that the playbooks need and that are no secrets."""
    servers.influxdb(settings), servers.grafana(settings)  # each says which setting it misses
    narrowed = tree.wanted(settings.data_dir, settings.influxdb_bucket, str(client), str(campaign))
    return {"error": "", "settings": public(settings), **narrowed}


def public(settings: Settings) -> dict:
    """The settings that may be shown."""
    return {
        "grafana_url": settings.grafana_url,
        "influxdb_host": settings.influxdb_host or "",
        "influxdb_url": settings.influxdb_url,
        "influxdb_org": settings.influxdb_org,
        "isolation": settings.isolation,
        "timezone": settings.timezone.key,
    }


def organisations(settings: Settings, clients: list[dict]) -> dict:
    """With isolation `org`, the clients whose organisation is missing or has not let our login in."""
    orgs = found.organisations(servers.grafana(settings), settings.isolation, [c["client"] for c in clients])
    todo = [{"client": c, **o} for c, o in orgs.items() if not o["joined"]]
    return {"error": "", "todo": todo}


def to_do(settings: Settings, wanted: dict) -> dict:
    """What is missing or wrong: {"admin": …, "clients": […]} as in `plan.plan`."""
    grafana, influxdb = servers.grafana(settings), servers.influxdb(settings)
    admin, clients = wanted["admin"], wanted["clients"]
    orgs = found.organisations(grafana, settings.isolation, [c["client"] for c in clients])
    _master(grafana)  # refused before anything is written
    subjects = [admin, *clients]
    orgs[admin["client"]] = {"org": found.MAIN_ORG, "joined": True}
    influx = found.in_influxdb(influxdb, settings.influxdb_org, [s["bucket"] for s in subjects])
    held = found.in_grafana(grafana, subjects, orgs)
    work = plan(subjects, held, influx, public(settings))
    return {
        "error": "",
        "influxdb_org_id": influx["org_id"],
        "admin": [w for w in work if w["client"] == admin["client"]],
        "clients": [w for w in work if w["client"] != admin["client"]],
    }


def master(settings: Settings) -> dict:
    """The Master as Grafana has it now."""
    content = _master(servers.grafana(settings))
    if content is None:
        raise UsageError("Grafana has no Master (uid powerview-master) any more: run the playbook again.")
    return {"error": "", "dashboard": content}


def master_file(settings: Settings) -> dict:  # noqa: ARG001, every question gets the settings
    """The Master as the project brings it."""
    content = json.loads(MASTER_FILE.read_text(encoding="utf-8"))
    if problem := "elements" in content and IN_V2 or master_problem(content):
        raise UsageError(f"{MASTER_FILE}: {problem}")
    return {"error": "", "dashboard": {k: v for k, v in content.items() if k not in ("id", "version")}}


def classic(settings: Settings, uid: str, org: int) -> dict:
    """A campaign's dashboard as classic JSON, without its ids."""
    content, in_v2 = found.classic(servers.grafana(settings), uid, org)
    if in_v2:
        raise UsageError(f"dashboard {uid} {IN_V2}: move it back into its client's folder by hand.")
    return {"error": "", "dashboard": {k: v for k, v in (content or {}).items() if k not in ("id", "version")}}


def headers(settings: Settings, server: str, org: int | None = None) -> dict[str, str]:
    """The headers of a call to `grafana` or `influxdb`; they hold the secret."""
    return _server(settings, server).headers(org)


def read(settings: Settings, server: str, *parts: str, org: int | None = None, **query: str) -> Any:
    """The JSON of one address, None where there is nothing (404)."""
    answer = _server(settings, server).get(servers.path(*parts, **query), org, found.GONE)
    return answer.body if answer.status == 200 else None


def failure(result: dict, task: str, settings: dict) -> str:
    """A sentence for a `uri` task that failed: which server to look at, and what it said. `settings` is `public`."""
    url, status = str(result.get("url", "")), result.get("status", 0)
    at_influxdb = bool(settings["influxdb_host"]) and url.startswith(settings["influxdb_host"] + "/")
    if not url:
        return f"{task}: {result.get('msg', 'no reason given')}"
    names = ("InfluxDB", "INFLUXDB_HOST", "INFLUXDB_ADMIN_TOKEN") if at_influxdb else (
        "Grafana", "GRAFANA_URL", "GRAFANA_USERNAME, GRAFANA_PASSWORD")  # fmt: skip
    address = settings["influxdb_host"] if at_influxdb else settings["grafana_url"]
    server = Server(names[0], address, names[1], names[2], "")
    if status <= 0:
        return server.no_answer(str(result.get("msg", "")).rpartition("Request failed: ")[2])
    said = result.get("json") or {}
    return server.refusal(f"“{task}”", status, str(said.get("message", ""))[:200])


def _master(grafana: Server) -> dict | None:
    content, in_v2 = found.classic(grafana, tree.MASTER_UID, found.MAIN_ORG)
    if problem := f"the Master {IN_V2}. {SAVE_AS_CLASSIC}" if in_v2 else master_problem(content or {"panels": []}):
        raise UsageError(problem)
    return content


def _server(settings: Settings, name: str) -> Server:
    return {"grafana": servers.grafana, "influxdb": servers.influxdb}[name](settings)


QUESTIONS: dict[str, Callable] = {
    f.__name__: f for f in (wanted, organisations, to_do, master, master_file, classic, headers, read)
}
