"""What is missing or wrong: the difference between what the tree asks for and what the servers hold.

A plan names, for each client, the steps that are needed and nothing else; the roles do them in the order of DESIGN:
team, folder, its permissions, bucket, token, data source, dashboards, their permissions.
"""

from __future__ import annotations

from typing import Any

VIEW = 1
AUTHORIZATION = "powerviewAuthorization"
"""The key in a data source's jsonData that keeps the id of its InfluxDB token (the token itself is never shown)."""


def plan(subjects: list[dict], held: dict[str, dict], influx: dict, settings: dict) -> list[dict]:
    """The subjects (`tree.describe`) that need work, each with what the roles need to do it.

    `held` is `found.in_grafana`'s answer, `influx` `found.in_influxdb`'s; `settings` has `influxdb_url`,
    `influxdb_org`, `grafana_url` and `isolation`.
    """
    planned = [_subject(s, held[s["client"]], influx, settings) for s in subjects]
    return [p for p in planned if p["steps"] or p["dashboards"] or p["problem"]]


def told(planned: dict, would: bool = False) -> list[str]:
    """One line for each thing done, or that would be: `powerview: repaired acme/roof: permissions`."""
    client, steps = planned["client"], planned["steps"]
    things = [(client, "folder" in steps, steps)] if steps else []
    things += [(f"{client}/{d['campaign']}", "dashboard" in d["steps"], d["steps"]) for d in planned["dashboards"]]
    lines = [("create", name) if new else ("repair", f"{name}: {', '.join(s)}") for name, new, s in things]
    return [f"powerview: {f'would {verb}' if would else verb.rstrip('e') + 'ed'} {what}" for verb, what in lines]


def description(client: str, grafana_url: str) -> str:
    """How our token for one client is called in InfluxDB. The address keeps two Grafanas on one InfluxDB apart."""
    return f"powerview: grafana reads {client} ({grafana_url})"


def data_source_body(subject: dict, present: dict | None, settings: dict) -> dict:
    """What is sent to Grafana to make or change a data source, without the token and its id.

    What a person added to jsonData stays. In an organisation of their own, or for the admins, whether it is the
    default is nobody's harm; with isolation `team` no client's may be.
    """
    kept = present or {}
    ours = {
        "version": "Flux",
        "organization": settings["influxdb_org"],
        "defaultBucket": subject["bucket"],
        "httpMode": "POST",
    }
    never_default = subject["team"] and settings["isolation"] == "team"
    return {
        "uid": subject["data_source_uid"],
        "name": subject["data_source"],
        "type": "influxdb",
        "access": "proxy",
        "url": settings["influxdb_url"],
        "basicAuth": False,
        "isDefault": False if never_default else bool(kept.get("isDefault")),
        "jsonData": {**(kept.get("jsonData") or {}), **ours},
    }


def _subject(subject: dict, held: dict, influx: dict, settings: dict) -> dict:
    bucket_id = influx["buckets"].get(subject["bucket"])
    token = _token(subject, held["data_source"], bucket_id, influx, settings)
    team = [{"teamId": held["team_id"], "permission": VIEW}] if subject["team"] else []
    open_folders = [f["uid"] for f in held["other_folders"] if _rows(f["detail"]) != _wanted_rows(team)]
    steps = [
        *(["team"] if subject["team"] and held["team_id"] is None else []),
        *_folder_steps(held, team),
        *(["permissions of the alerts' folder"] if open_folders else []),
        *([] if bucket_id else ["bucket"]),
        *_data_source_steps(subject, held["data_source"], token, settings),
    ]
    taken = held["name_taken_by"]
    return {
        **{k: v for k, v in subject.items() if k != "campaigns"},
        "org": held["org"],
        "team_id": held["team_id"],
        "steps": steps,
        "open_folders": open_folders,
        "bucket_id": bucket_id,
        "description": description(subject["client"], settings["grafana_url"]),
        "data_source_there": held["data_source"] is not None,
        "data_source_body": data_source_body(subject, held["data_source"], settings),
        "old_tokens": token["old"],
        "dashboards": _dashboards(subject, held, team),
        "problem": taken and _name_taken(subject, taken),
    }


def _folder_steps(held: dict, team: list[dict]) -> list[str]:
    folder = held["folder"]
    if folder is None:
        return ["folder", "permissions"]
    place = ["folder's place"] if folder["place"] else []
    return place + ([] if _rows(folder["detail"]) == _wanted_rows(team) else ["permissions"])


def _dashboards(subject: dict, held: dict, team: list[dict]) -> list[dict]:
    found = []
    for campaign in subject["campaigns"]:
        steps = _dashboard_steps(held["dashboards"][campaign["uid"]], subject["folder_uid"], team)
        if steps:
            found.append({**campaign, "steps": steps})
    return found


def _dashboard_steps(present: dict | None, folder_uid: str, team: list[dict]) -> list[str]:
    if present is None:
        return ["dashboard", "permissions"]
    place = [] if present["place"] in (folder_uid, None) else ["place"]
    return place + ([] if _rows(present["detail"]) == _wanted_rows(team) else ["permissions"])


def _rows(rows: list[dict]) -> set[tuple]:
    own = (r for r in rows if not r.get("inherited"))
    return {(r.get("teamId") or 0, r.get("userId") or 0, r.get("role") or "", r["permission"]) for r in own}


def _wanted_rows(team: list[dict]) -> set[tuple]:
    return {(row["teamId"], 0, "", row["permission"]) for row in team}


def _token(subject: dict, data_source: dict | None, bucket_id: str | None, influx: dict, settings: dict) -> dict:
    """Which of the bucket's tokens the data source uses, and which are left over: {"good": bool, "old": [ids]}."""
    used = ((data_source or {}).get("jsonData") or {}).get(AUTHORIZATION)
    stored = ((data_source or {}).get("secureJsonFields") or {}).get("token")
    authorization = next((t for t in influx["tokens"] if t["id"] == used), None)
    good = bool(stored and authorization and bucket_id and _reads_only(authorization, bucket_id))
    ours = description(subject["client"], settings["grafana_url"])
    prefix = description(subject["client"], "").removesuffix(")")
    old = [
        t["id"]
        for t in influx["tokens"]
        if not (good and t["id"] == used)
        and (t["description"] == ours or (t["id"] == used and str(t["description"]).startswith(prefix)))
    ]
    return {"good": good, "old": old}


def _reads_only(authorization: dict, bucket_id: str) -> bool:
    may = [(p["action"], p["resource"].get("type"), p["resource"].get("id")) for p in authorization["permissions"]]
    return authorization["status"] == "active" and may == [("read", "buckets", bucket_id)]


def _data_source_steps(subject: dict, present: dict | None, token: dict, settings: dict) -> list[str]:
    steps = [] if token["good"] else ["token"]
    if present is None or not _contains(present, data_source_body(subject, present, settings)):
        steps.append("data source")
    if token["good"] and token["old"]:
        steps.append("left-over tokens")
    return steps


def _contains(present: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(_contains(present.get(k), v) for k, v in wanted.items())
    return present == wanted


def _name_taken(subject: dict, uid: str) -> str:
    return (
        f"Grafana has another data source called {subject['data_source']} (uid {uid}): rename or delete that one "
        f"(Connections, Data sources)."
    )
