"""Bringing the Master's changes to dashboards that were cloned from it earlier."""

from __future__ import annotations

from powerview_grafana import found
from powerview_grafana.dashboard import clone, differs
from powerview_grafana.servers import Get, Server


def outdated(grafana: Server, wanted: dict, master: dict) -> list[dict]:
    """The campaigns' dashboards that are there and not as the Master would have them, each with its content to be.

    Title and tags stay as they are in Grafana. A dashboard that was saved in the new schema counts as outdated: its
    classic content cannot be read back whole.
    """
    clients = wanted["clients"]
    orgs = found.organisations(grafana, wanted["settings"]["isolation"], [c["client"] for c in clients])
    held = found.in_grafana(grafana, clients, orgs)
    present = [(c, p, d) for c in clients for p in c["campaigns"] if (d := held[c["client"]]["dashboards"][p["uid"]])]
    gets = [Get(found.classic_address(d["uid"]), d["org"], found.EXISTS) for _, _, d in present]
    answers = grafana.get_all(gets)
    updates = []
    for (client, campaign, dashboard), answer in zip(present, answers, strict=True):
        now = answer.body["dashboard"] if answer.status == 200 else {}
        to_be = clone(
            master, client["client"], campaign["campaign"], campaign["uid"], client["data_source_uid"],
            wanted["settings"]["timezone"],
        )  # fmt: skip
        # With the version that was read, Grafana refuses to put it over what somebody has saved since. One in the new
        # schema tells none, and nothing of it was to be kept.
        read = {"version": now["version"]} if now else {}
        kept = {k: v for k in ("title", "tags") if (v := now.get(k, dashboard.get(k))) is not None}
        if parts := differs(to_be, now) if now else ["saved in the new schema"]:
            updates.append(
                {
                    "name": f"{client['client']}/{campaign['campaign']}",
                    "org": dashboard["org"],
                    "folder_uid": client["folder_uid"],
                    "parts": parts,
                    "dashboard": {**to_be, **kept, **read},
                    "overwrite": not read,
                }
            )
    return updates
