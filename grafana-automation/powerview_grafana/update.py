"""Bringing the Master's changes to dashboards that were cloned from it earlier, and a newer overview to clients."""

from __future__ import annotations

from powerview_grafana import found, master, overview
from powerview_grafana.addresses import classic_address
from powerview_grafana.dashboard import clone, differs, removed_panels
from powerview_grafana.dashboards import save_over
from powerview_grafana.organisations import of_clients
from powerview_grafana.run import Run
from powerview_grafana.servers import Get, ServerError
from powerview_grafana.spans import OPEN
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
    messages: list[str] = []
    failed: list[str] = []
    for client, thing, name, to_be, answer in _wanted(run, content, ours):
        try:
            messages += _update(run, client, thing, name, to_be, answer)
        except ServerError as error:
            failed.append(f"{name}: {error}")
            if error.away:
                break
    return messages, failed


def _wanted(run: Run, content: dict, clients: list[dict]):
    # Each dashboard that is there, as it is to be: client, campaign or overview, name, content, Grafana's answer.
    things = [(c, thing) for c in clients if c["org"] for thing in [*c["campaigns"], c["overview"]]]
    gets = [Get(classic_address(thing["uid"]), c["org"], found.READABLE) for c, thing in things]
    answers = [(c, thing, a) for (c, thing), a in zip(things, run.grafana.get_all(gets), strict=True) if a.found]
    shown = {c["client"]: a.body["dashboard"] for c, t, a in answers if t is c["overview"] and a.status == 200}
    message = f"From Master, version {content.get('version')}"
    for client, thing, answer in answers:
        listed = overview.listed(shown.get(client["client"]))
        if thing is client["overview"]:
            if answer.status != 200:  # its own list cannot be read
                listed = {c["campaign"]: (c["uid"], OPEN) for c in client["campaigns"]}
            name, to_be = f"{client['client']}'s overview", overview.content(run.settings, client, listed)
            yield client, thing, name, (to_be, "From dashboards/overview.json"), answer
        else:
            name = f"{client['client']}/{thing['campaign']}"
            own = _with_own_span(content, thing, listed, answer)
            zone, source = run.settings.timezone.key, client["data_source_uid"]
            to_be = clone(own, client["client"], thing["campaign"], thing["uid"], source, zone)
            yield client, thing, name, (to_be, message), answer


def _with_own_span(content: dict, campaign: dict, listed: overview.Listed, answer) -> dict:
    # The Master, with the time range that a run has set for a campaign that is over.
    _, span = listed.get(campaign["campaign"], ("", OPEN))
    shown = answer.body["dashboard"].get("time") if answer.status == 200 else span.time
    return {**content, "time": span.time} if span != OPEN and shown == span.time else content


def _update(run: Run, client: dict, thing: dict, name: str, wanted: tuple[dict, str], answer) -> list[str]:
    to_be, message = wanted
    uid = thing["uid"]
    now = answer.body["dashboard"] if answer.status == 200 else _in_new_schema(run, uid, client["org"])
    parts = differs(to_be, now) if answer.status == 200 else ["saved in the new schema"]
    if not parts:
        return []
    if removed := removed_panels(to_be, now):
        parts = [f"{p} (without {', '.join(removed)})" if p == "panels" else p for p in parts]
    if not run.change(client, thing["steps"], ", ".join(parts), {p: now.get(p) for p in parts}, None):
        return [f"powerview: would update {name}: {', '.join(parts)}"]
    # With the version that was read, Grafana refuses to put it over what somebody has saved since.
    kept = {k: v for k in ("title", "tags", "version") if (v := now.get(k)) is not None}
    if save_over(run, "Update the dashboard", client, {**to_be, **kept}, message):
        return [f"powerview: updated {name}: {', '.join(parts)}"]
    return [f"powerview: {name} was changed meanwhile and is left: run again"]


def _in_new_schema(run: Run, uid: str, org: int) -> dict:
    stored = found.stored(run.grafana, uid, org)
    version = stored.get("metadata", {}).get("generation")
    spec = stored.get("spec", {})
    return {"version": version, "title": spec.get("title"), "tags": spec.get("tags")}
