"""The questions that the playbooks ask: each reads settings, disk and servers anew and answers with plain data.

An answer that could not be had is `{"error": sentence}`: the playbook fails with the sentence, and with nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from powerview.names import refused_names
from powerview.settings import Settings, SettingsError, load_settings
from powerview_grafana import found, people, removal, servers, tree, update
from powerview_grafana.addresses import MAIN_ORG, MASTER_UID, path
from powerview_grafana.dashboard import IN_V2, SAVE_AS_CLASSIC, master_problem
from powerview_grafana.plan import plan
from powerview_grafana.servers import Server, ServerError
from powerview_grafana.tree import UsageError

MASTER_FILE = Path(__file__).resolve().parents[1] / "dashboards" / "master.json"


NO_ANSWER = re.compile(r"(?:Request failed|Connection failure): (?:<urlopen error )?(?:\[Errno -?\d+\] )?(.*?)>?$")
"""The reason in what the `uri` module says when there was no answer."""
TOLD = (SettingsError, UsageError, ServerError)
"""Errors that a person can do something about; their texts are whole sentences."""


def ask(question: str, *terms: Any, **options: Any) -> Any:
    """Answer one question. For `read` alone, which is asked in the middle of a task, the errors in TOLD are raised."""
    try:
        return QUESTIONS[question](load_settings(), *terms, **options)
    except TOLD as error:
        if question == "read":
            raise
        return {"error": str(error)}


def wanted(settings: Settings, client: str = "", campaign: str = "") -> dict:
    """What the tree asks for (`tree.wanted`), and the settings that the playbooks need and that are no secrets."""
    servers.grafana(settings)  # says which setting it misses
    narrowed = tree.wanted(settings.data_dir, settings.influxdb_bucket, str(client), str(campaign))
    return {"error": "", "settings": public(settings), **narrowed}


def public(settings: Settings) -> dict:
    """The settings that may be shown."""
    return {
        "grafana_url": settings.grafana_url,
        "grafana_username": settings.grafana_username,
        "influxdb_host": settings.influxdb_host or "",
        "influxdb_url": settings.influxdb_url,
        "influxdb_org": settings.influxdb_org,
        "isolation": settings.isolation,
        "timezone": settings.timezone.key,
    }


def to_do(settings: Settings, wanted: dict) -> dict:
    """What is missing or wrong: `organisations` that are missing or have not let our login in, and then, as in
    `plan.plan`, what the `admin` and the `clients` need."""
    influxdb, grafana = servers.influxdb(settings), servers.grafana(settings)
    admin, clients = wanted["admin"], wanted["clients"]
    orgs = found.organisations(grafana, settings.isolation, [c["client"] for c in clients])
    _master(grafana)  # refused before anything is written
    closed = [c for c, o in orgs.items() if o["org"] and not o["joined"]]  # nobody can say what is missing in there
    subjects = [admin, *(c for c in clients if c["client"] not in closed)]
    orgs[admin["client"]] = {"org": MAIN_ORG, "joined": True}
    influx = found.in_influxdb(influxdb, settings.influxdb_org, [s["bucket"] for s in subjects])
    held = found.in_grafana(grafana, subjects, orgs)
    work = plan(subjects, held, influx, public(settings))
    return {
        "error": "",
        "influxdb_org_id": influx["org_id"],
        "organisations": [{"client": c, "org": o["org"]} for c, o in orgs.items() if not o["joined"]],
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


def updates(settings: Settings, wanted: dict) -> dict:
    """The dashboards to which the Master's changes are still to be brought (`update.outdated`)."""
    grafana = servers.grafana(settings)
    content = _master(grafana)
    if content is None:
        raise UsageError("Grafana has no Master (uid powerview-master): run create_grafana_resources.yml first.")
    return {"error": "", "updates": update.outdated(grafana, wanted, content), "version": content.get("version")}


def removal_of(settings: Settings, client: str, campaign: str, confirm: str, delete_bucket: str) -> dict:
    """What is to be deleted, and what is left, as in `removal.of_client` or `removal.of_campaign`."""
    client, campaign, grafana = str(client), str(campaign), servers.grafana(settings)
    _named(settings, client, campaign)
    removal.check_confirmation(client, campaign, str(confirm), str(delete_bucket))
    on_disk = tree.wanted(settings.data_dir, settings.influxdb_bucket, client, campaign)["clients"]
    described = {"settings": public(settings), "clients": on_disk or [tree.describe(client, [])]}
    if campaign:
        return {"error": "", **described, **removal.of_campaign(grafana, described, settings.data_dir)}
    influxdb = servers.influxdb(settings)
    influx = found.in_influxdb(influxdb, settings.influxdb_org, [client])
    what = removal.of_client(grafana, influxdb, influx, described, settings.data_dir, bool(delete_bucket))
    return {"error": "", **described, **what}


def person(settings: Settings, client: str, user: str, has_password: bool, is_new: bool = False) -> dict:
    """What is to be done to put a person into a client's team (`people.to_do`)."""
    client, user = str(client), str(user)
    _named(settings, client, "")
    people.check_user(user)
    todo = people.to_do(servers.grafana(settings), settings.isolation, client, user, has_password, is_new)
    return {"error": "", "settings": public(settings), **todo}


def read(settings: Settings, server: str, *parts: str, org: int | None = None, **query: str) -> Any:
    """The JSON of one address, None where there is nothing (404). Raises ServerError."""
    answer = _server(settings, server).get(path(*parts, **query), org, servers.GONE)
    return answer.body if answer.status == 200 else None


def failure(settings: Settings, task: str, result: dict) -> str:
    """A sentence for a task that failed: for a `uri` task which server to look at, and what it said."""
    result = next((r for r in result.get("results", ()) if r.get("failed")), result)
    url, status = str(result.get("url", "")), result.get("status", 0)
    if not url:
        return str(result.get("msg", f"{task}: no reason given")).rpartition("lookup plugin 'powerview' failed: ")[2]
    addresses = {"influxdb": settings.influxdb_host or "", "grafana": settings.grafana_url}
    # One may stand below the other: https://pv.org and https://pv.org/grafana.
    above = [name for name, address in addresses.items() if address and url.startswith(address + "/")]
    server = _server(settings, max(above, key=lambda name: len(addresses[name]), default="grafana"))
    if status <= 0:
        reason = NO_ANSWER.search(str(result.get("msg", "")))
        return server.no_answer(reason[1] if reason else "no answer")
    said = result.get("json") or {}
    return server.refusal(f'the task "{task}"', status, str(said.get("message", ""))[:200])


def _named(settings: Settings, client: str, campaign: str) -> None:
    if not client:
        raise UsageError("POWERVIEW_CLIENT is not set: it names the client.")
    if reason := refused_names(client, campaign, admin_bucket=settings.influxdb_bucket):
        raise UsageError(reason)


def _master(grafana: Server) -> dict | None:
    content, in_v2 = found.classic(grafana, MASTER_UID, MAIN_ORG)
    if problem := f"the Master {IN_V2}. {SAVE_AS_CLASSIC}" if in_v2 else master_problem(content or {"panels": []}):
        raise UsageError(problem)
    return content


def _server(settings: Settings, name: str) -> Server:
    return {"grafana": servers.grafana, "influxdb": servers.influxdb}[name](settings)


QUESTIONS: dict[str, Callable] = {
    question.__name__: question
    for question in (
        wanted,
        to_do,
        master,
        master_file,
        classic,
        updates,
        removal_of,
        person,
        read,
        failure,
    )  # fmt: skip
}
