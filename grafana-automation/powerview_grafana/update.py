"""Bringing the Master's changes to dashboards that were cloned from it earlier."""

from __future__ import annotations

from powerview_grafana import found, master
from powerview_grafana.addresses import classic_address
from powerview_grafana.dashboard import clone, differs, removed_panels
from powerview_grafana.dashboards import save_over
from powerview_grafana.organisations import of_clients
from powerview_grafana.run import Run
from powerview_grafana.servers import Get, ServerError
from powerview_grafana.tree import UsageError

NO_MASTER = "Grafana has no Master (uid powerview-master): run create_grafana_resources.yml first."
FROM_FILE = "file"


def take_file(run: Run, clients: list[dict], take: str) -> None:
    """Put dashboards/master.json in the place of Grafana's Master, if `take` is `file`. Raises UsageError for another
    word."""
    if take not in ("", FROM_FILE):
        raise UsageError(f"POWERVIEW_MASTER is {take!r}: it must be {FROM_FILE!r}, or not be set.")
    if take:
        run.each([c for c in clients if not c["team"]], lambda admin: master.take_file(run, admin))


def make(run: Run, clients: list[dict]) -> tuple[list[str], list[str]]:
    """Update each campaign's dashboard that is there and not as the Master would have it; returns a line for each, and
    those that could not be updated, each with its reason.

    Title and tags stay as they are in Grafana. What somebody saves meanwhile is left. A dashboard that was saved in
    the new schema counts as outdated: its classic content cannot be read back whole. Raises ServerError if the Master
    cannot be cloned.
    """
    if run.check and (admin := next((c for c in clients if not c["team"]), None)) and admin["campaigns"][0]["steps"]:
        content, problem = master.from_file(run.settings), ""
    else:
        content, problem = master.read(run.grafana)
    if problem:
        raise ServerError(problem)
    if content is None:
        raise UsageError(NO_MASTER)
    ours = [c for c in clients if c["team"]]
    homes = of_clients(run.grafana, run.settings.isolation, [c["client"] for c in ours])
    for client in ours:
        home = homes[client["client"]]
        client["org"] = home["org"] if home["joined"] else None
    said: list[str] = []
    failed: list[str] = []
    for client, campaign, answer in _present(run, ours):
        try:
            said += _update(run, content, client, campaign, answer)
        except ServerError as error:
            failed.append(f"{client['client']}/{campaign['campaign']}: {error}")
            if error.away:
                break
    return said, failed


def _present(run: Run, clients: list[dict]):
    wanted = [(c, campaign) for c in clients if c["org"] for campaign in c["campaigns"]]
    gets = [Get(classic_address(campaign["uid"]), c["org"], found.READABLE) for c, campaign in wanted]
    answers = run.grafana.get_all(gets)
    return [(c, campaign, a) for (c, campaign), a in zip(wanted, answers, strict=True) if a.found]


def _update(run: Run, content: dict, client: dict, campaign: dict, answer) -> list[str]:
    uid, name = campaign["uid"], f"{client['client']}/{campaign['campaign']}"
    zone = run.settings.timezone.key
    to_be = clone(content, client["client"], campaign["campaign"], uid, client["data_source_uid"], zone)
    now = answer.body["dashboard"] if answer.status == 200 else _in_new_schema(run, uid, client["org"])
    parts = differs(to_be, now) if answer.status == 200 else ["saved in the new schema"]
    if not parts:
        return []
    if removed := removed_panels(to_be, now):
        parts = [f"{p} (without {', '.join(removed)})" if p == "panels" else p for p in parts]
    if not run.change(client, campaign["steps"], ", ".join(parts), {p: now.get(p) for p in parts}, None):
        return [f"powerview: would update {name}: {', '.join(parts)}"]
    # With the version that was read, Grafana refuses to put it over what somebody has saved since.
    kept = {k: v for k in ("title", "tags", "version") if (v := now.get(k)) is not None}
    body = {
        "dashboard": {**to_be, **kept},
        "folderUid": client["folder_uid"],
        "message": f"From Master, version {content.get('version')}",
        "overwrite": False,
    }
    if save_over(run, "Update the dashboard", client["org"], body):
        return [f"powerview: updated {name}: {', '.join(parts)}"]
    return [f"powerview: {name} was changed meanwhile and is left: run again"]


def _in_new_schema(run: Run, uid: str, org: int) -> dict:
    stored = found.stored(run.grafana, uid, org)
    version = stored.get("metadata", {}).get("generation")
    spec = stored.get("spec", {})
    return {"version": version, "title": spec.get("title"), "tags": spec.get("tags")}
