"""What each task of the playbooks does: arguments in, a result as Ansible takes it out. Nothing here knows Ansible.

What each takes and returns is in `TASKS`; what a client is, in `run.py`. In check mode nothing is written, and the
messages name what would be.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from powerview.settings import SettingsError, load_settings, require_grafana, require_language
from powerview_grafana import (
    admin,
    dashboards,
    data_sources,
    folders,
    organisations,
    overview,
    people,
    removal,
    report,
    servers,
    teams,
    tree,
    update,
)
from powerview_grafana.run import NOT_UNDERSTOOD, Run, not_understood
from powerview_grafana.servers import ServerError
from powerview_grafana.tree import UsageError

CLIENTS = {"type": "list", "elements": "dict", "required": True}
TEXT = {"type": "str", "default": ""}


def _tree(run: Run, client: str, campaign: str) -> dict:
    """The admins and the clients that the tree asks for."""
    servers.grafana(run.settings)  # says which setting it misses
    found = tree.wanted(run.settings.data_dir, run.settings.influxdb_bucket, client, campaign)
    return {"clients": found["clients"], "messages": found["refused"]}


def _noun(make: Callable[[Run, list[dict]], Any]) -> Callable[..., dict]:
    def task(run: Run, clients: list[dict]) -> dict:
        make(run, clients)
        return {"clients": clients}

    return task


def _admin(run: Run, clients: list[dict]) -> dict:
    """What belongs to the admins."""
    admin.make(run, clients)
    return {"clients": clients, "notes": run.notes}


def _dashboards(run: Run, clients: list[dict]) -> dict:
    """A clone of the Master for each campaign."""
    problem = dashboards.make(run, clients)
    return {"clients": clients, "problem": problem}


def _report(run: Run, clients: list[dict], problem: str, notes: list[str]) -> dict:
    """Messages of all that was done; fails if something could not be finished."""
    done = [line for client in clients for line in report.lines(client, run.check)]
    failed = report.unfinished(clients, problem, run.check)
    if run.check:
        return {"messages": done + notes + failed[1 if problem else 0 :], **_failed(failed[:1] if problem else [])}
    return {"messages": done + notes, **_failed(failed)}


def _update(run: Run, clients: list[dict], master: str) -> dict:
    """Bring the Master's changes to the campaigns; `master`: `file` to take dashboards/master.json first."""
    update.take_file(run, clients, master)
    taken = [line for c in clients if not c["team"] for line in report.lines(c, run.check)]
    failed = [c for c in clients if c["failed"]]
    if failed:
        return {"messages": taken, **_failed(report.unfinished(failed))}
    updated, failed = update.make(run, clients)
    return {"messages": taken + updated, **_failed([f"powerview: not finished: {'; '.join(failed)}"] if failed else [])}


def _removal(run: Run, client: str, campaign: str, confirm: str, delete_bucket: str) -> dict:
    """Delete a campaign's dashboard or all of a client's objects; `confirm` and `delete_bucket` repeat their names."""
    found = removal.find(run, client, campaign, confirm, delete_bucket)
    left = [f"powerview: left {what}" for what in found["left"]]
    things = ", ".join(call["what"] for call in found["calls"])
    if not things:
        return {"messages": left}
    run.changes.append((f"{confirm}: {things}", "there", None))
    if run.check:
        return {"messages": [f"powerview: would delete {confirm}: {things}", *left]}
    removal.delete(run, found["calls"])
    return {"messages": [f"powerview: deleted {confirm}: {things}", *left]}


def _person(run: Run, client: str, user: str, password: str, state: str, ask: Callable[[str], str]) -> dict:
    """A person is in a client's team (`present`), or not (`absent`)."""
    if state == "absent":
        return {"messages": people.remove(run, client, user)}
    return {"messages": people.add(run, client, user, password, ask)}


def _failed(lines: list[str]) -> dict:
    # The first word of a message is there once, whatever it is made of.
    first, *others = lines or [""]
    return (
        {"failed": True, "msg": "; ".join([first, *(o.removeprefix("powerview: ") for o in others)])} if lines else {}
    )


class Task(NamedTuple):
    """What a task does; its arguments as Ansible checks them; what it returns besides that of every task."""

    do: Callable[..., dict]
    arguments: dict[str, dict]
    returns: dict[str, str]


ALWAYS = {
    "changed": "whether anything was written, in check mode: would be",
    "diff": "what was, or would be, for `--diff`: a part for each thing",
    "messages": "lines for people and for provisioning.log",
}
"""What every task returns. One that could not do something returns `failed` too, and `msg` with the reason."""
CLIENTS_RETURNED = {"clients": "the clients, with what was found and done, for the next task"}
TASKS: dict[str, Task] = {
    "tree": Task(_tree, {"client": TEXT, "campaign": TEXT}, CLIENTS_RETURNED),
    "organisations": Task(_noun(organisations.make), {"clients": CLIENTS}, CLIENTS_RETURNED),
    "admin": Task(_admin, {"clients": CLIENTS}, {**CLIENTS_RETURNED, "notes": "what the admins should know"}),
    "teams": Task(_noun(teams.make), {"clients": CLIENTS}, CLIENTS_RETURNED),
    "folders": Task(_noun(folders.make), {"clients": CLIENTS}, CLIENTS_RETURNED),
    "data_sources": Task(_noun(data_sources.make), {"clients": CLIENTS}, CLIENTS_RETURNED),
    "dashboards": Task(
        _dashboards,
        {"clients": CLIENTS},
        {**CLIENTS_RETURNED, "problem": "why the Master cannot be cloned, or nothing"},
    ),
    "overviews": Task(_noun(overview.make), {"clients": CLIENTS}, CLIENTS_RETURNED),
    "report": Task(
        _report,
        {"clients": CLIENTS, "problem": TEXT, "notes": {"type": "list", "elements": "str", "default": []}},
        {},
    ),
    "updates": Task(_update, {"clients": CLIENTS, "master": TEXT}, {}),
    "removal": Task(_removal, {"client": TEXT, "campaign": TEXT, "confirm": TEXT, "delete_bucket": TEXT}, {}),
    "person": Task(
        _person,
        {
            "client": TEXT,
            "user": TEXT,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        {},
    ),
}
"""Each task by its name without `powerview_`."""


def do(task: str, arguments: dict, check: bool = False, **more: Any) -> dict:
    """Do one task. What a person can do something about is a result that `failed`, with a whole sentence."""
    run = None
    try:
        settings = load_settings()
        require_grafana(settings)
        require_language(settings)
        run = Run(settings, check)
        result = TASKS[task].do(run, **arguments, **more)
    except (SettingsError, UsageError, ServerError) as error:
        result = {"failed": True, "msg": f"powerview: {error}"}
    except NOT_UNDERSTOOD as error:
        result = {"failed": True, "msg": f"powerview: {not_understood(error)}"}
    changes = run.changes if run else []
    return {"changed": bool(changes), "diff": [_difference(*change) for change in changes], "messages": [], **result}


def _difference(what: str, before: Any, after: Any) -> dict:
    shown = ["" if side is None else json.dumps(side, indent=2, ensure_ascii=False) + "\n" for side in (before, after)]
    return {"before_header": what, "after_header": what, "before": shown[0], "after": shown[1]}
