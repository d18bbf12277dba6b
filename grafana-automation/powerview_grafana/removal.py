"""What is removed of a client or a campaign, and what is left."""

from __future__ import annotations

from pathlib import Path

from powerview_grafana import found
from powerview_grafana.addresses import MAIN_ORG, classic_address, path
from powerview_grafana.plan import AUTHORIZATION, description
from powerview_grafana.servers import GONE, Get, Server
from powerview_grafana.tree import UsageError, describe

OUR_DASHBOARDS = "pv-b-"
CLIENT_FOLDERS = "pv-f-"
IN_A_FOLDER = {
    "dashboard": "dashboards that its search does not list yet",
    "folder": "folders that its search does not list yet",
    "alertrule": "alert rules",
    "librarypanel": "library panels",
    "library_element": "library panels",
}
"""What Grafana counts in a folder, by the names of its versions without their plural."""


def check_confirmation(client: str, campaign: str, confirm: str, delete_bucket: str) -> None:
    """Raise UsageError unless the variables say the same thing twice."""
    name = f"{client}/{campaign}" if campaign else client
    if confirm != name:
        raise UsageError(f"POWERVIEW_CONFIRM is {confirm!r}: it must be {name!r}, or nothing is deleted.")
    if delete_bucket and campaign:
        raise UsageError(
            "POWERVIEW_DELETE_BUCKET is set, but the bucket holds all of the client's campaigns: unset it, or unset "
            "POWERVIEW_CAMPAIGN to delete the whole client."
        )
    if delete_bucket and delete_bucket != client:
        raise UsageError(f"POWERVIEW_DELETE_BUCKET is {delete_bucket!r}: it must be the bucket's name, {client!r}.")


def of_campaign(grafana: Server, wanted: dict, data: Path) -> dict:
    """The one dashboard to delete, and what is left of the campaign: {"calls": […], "left": […]}."""
    (client,) = wanted["clients"]
    (campaign,) = client["campaigns"]
    name = f"{client['client']}/{campaign['campaign']}"
    org = _organisation(grafana, wanted)
    there = found.in_grafana(grafana, [client], {client["client"]: org})[client["client"]]["dashboards"]
    calls = [_call(grafana, "dashboard", org["org"], "api", "dashboards", "uid", uid) for uid, d in there.items() if d]
    left = [f"{name}: its readings, measurement {campaign['campaign']} in bucket {client['bucket']}"]
    return {"calls": calls, "left": left + _on_disk(name, data / name)}


def of_client(grafana: Server, influxdb: Server, influx: dict, wanted: dict, data: Path, delete_bucket: bool) -> dict:
    """The calls that delete a client's objects, in their order, and what is left: {"calls": […], "left": […]}.

    A folder with anything that PowerView did not make for the client is left, and so is an organisation with anything
    else in it. Raises UsageError if our login may not see what is in the organisation.
    """
    (client,) = wanted["clients"]
    name = client["client"]
    org = _organisation(grafana, wanted)
    held: dict = {"first": [], "last": [], "left": [], "data_source": None}
    if org["joined"]:
        held = _in_grafana(grafana, wanted, org)
    tokens, left = _tokens(client, held["data_source"], influx, wanted["settings"]["grafana_url"])
    # The token goes before the data source, which may alone know it: else a run that is killed in between leaves it.
    calls = held["first"] + [_call(influxdb, "token", None, "api", "v2", "authorizations", token) for token in tokens]
    if held["data_source"]:
        calls.append(_call(grafana, "data source", org["org"], "api", "datasources", "uid", client["data_source_uid"]))
    bucket = influx["buckets"].get(name)
    if bucket and delete_bucket:
        calls.append(_call(influxdb, "bucket with all readings", None, "api", "v2", "buckets", bucket))
    elif bucket:
        left.append(f"{name}: bucket {name} with its readings (POWERVIEW_DELETE_BUCKET={name} deletes it)")
    return {"calls": calls + held["last"], "left": held["left"] + left + _on_disk(name, data / name)}


def _organisation(grafana: Server, wanted: dict) -> dict:
    # Where our login is no Admin it sees nothing: all would seem gone, and the token would go without the rest.
    (client,) = wanted["clients"]
    name, settings = client["client"], wanted["settings"]
    org = found.organisations(grafana, settings["isolation"], [name])[name]
    if org["org"] and not org["joined"]:
        raise UsageError(
            f"{settings['grafana_username']} (GRAFANA_USERNAME) is no Admin of {name}'s organisation in Grafana, and "
            f"nothing was deleted. Make it one (Administration, Organizations), or run create_grafana_resources.yml "
            f"while the client has a folder, which does it."
        )
    return org


def _in_grafana(grafana: Server, wanted: dict, org: dict) -> dict:
    # What to delete before token and data source, the data source, what to delete after it, and what is left.
    (client,) = wanted["clients"]
    name, number, isolation = client["client"], org["org"], wanted["settings"]["isolation"]
    listed = found.hits(grafana, number)
    ours, unsure = _dashboards(grafana, number, client, listed)
    subject = {**client, "campaigns": [{"uid": uid} for uid in sorted(ours)]}
    held = found.in_grafana(grafana, [subject], {name: org})[name]
    foreign = [h["title"] for h in listed if h.get("folderUid") == client["folder_uid"] and h["uid"] not in ours]
    there = [uid for uid, dashboard in held["dashboards"].items() if dashboard]
    if held["folder"] and not foreign:
        foreign = _unlisted(grafana, number, client["folder_uid"], {uid: held["dashboards"][uid] for uid in there})
    first = [_call(grafana, "dashboard", number, "api", "dashboards", "uid", uid) for uid in there]
    left = [f"{name}: its folder, with what PowerView did not make for it: {', '.join(foreign)}"] if foreign else []
    left += [
        f"{name}: dashboard {h['title']} (uid {h['uid']}), which may be its own: delete it in Grafana if it is"
        for h in unsure
    ]
    if held["folder"] and not foreign:
        first.append(_call(grafana, "folder", number, "api", "folders", client["folder_uid"]))
    last = []
    if held["team_id"]:
        left += _members(grafana, number, held["team_id"], name, wanted["settings"]["grafana_username"])
        last.append(_call(grafana, "team", number, "api", "teams", held["team_id"]))
    if isolation == "org" and (foreign or _others(grafana, number, client, listed, ours)):
        left.append(f"{name}: its organisation, with what PowerView did not make in it")
    elif isolation == "org":
        last.append(_call(grafana, "organisation", MAIN_ORG, "api", "orgs", number))
    return {"first": first, "last": last, "left": left, "data_source": held["data_source"]}


def _dashboards(grafana: Server, org: int, client: dict, listed: list[dict]) -> tuple[set[str], list[dict]]:
    # The uids of the client's dashboards wherever people moved them, and the hits elsewhere that may be the client's.
    # A uid is made of client and campaign, so whoever has the campaign's name knows whose it is: the tree has it, the
    # title as long as nobody changes that, and else the constant that the clone was given.
    name, ours, renamed = client["client"], {c["uid"] for c in client["campaigns"]}, []
    for hit in listed:
        owners = [owner for owner in (name, *hit["tags"]) if hit["uid"] == _uid(owner, hit["title"])]
        if name in owners:
            ours.add(hit["uid"])
        elif not owners and hit["uid"].startswith(OUR_DASHBOARDS) and hit["uid"] not in ours:
            renamed.append(hit)
    unsure = []
    answers = grafana.get_all([Get(classic_address(h["uid"]), org, found.EXISTS) for h in renamed])
    for hit, answer in zip(renamed, answers, strict=True):
        campaign = _campaign(answer.body["dashboard"]) if answer.status == 200 else ""
        inside, tagged = hit.get("folderUid") == client["folder_uid"], name in hit["tags"]
        if hit["uid"] == _uid(name, campaign) or (not campaign and inside and tagged):
            ours.add(hit["uid"])
        elif not campaign and answer.status != 404 and not inside and (tagged or not _in_a_clients_folder(hit)):
            unsure.append(hit)
    return ours, unsure


def _unlisted(grafana: Server, org: int, folder: str, ours: dict[str, dict]) -> list[str]:
    # What a folder holds beside our dashboards, as Grafana counts it. The search runs behind in newer versions, and
    # lists neither alert rules nor library panels, with which Grafana refuses to delete a folder.
    counts = grafana.get(path("api", "folders", folder, "counts"), org, GONE)
    answers = grafana.get_all([Get(classic_address(uid), org, found.EXISTS) for uid in ours])
    places = [
        a.body["meta"].get("folderUid") if a.status == 200 else d["place"]
        for d, a in zip(ours.values(), answers, strict=True)
    ]
    known = {"dashboard": places.count(folder)}
    held = {kind.removesuffix("s"): count for kind, count in counts.body.items()} if counts.status == 200 else {}
    more = {kind: count - known.get(kind, 0) for kind, count in held.items()}
    return [f"{IN_A_FOLDER.get(kind, kind)} ({count})" for kind, count in sorted(more.items()) if count > 0]


def _campaign(dashboard: dict) -> str:
    variables = (dashboard.get("templating") or {}).get("list") or ()
    constants = (v for v in variables if v.get("type") == "constant" and v.get("name") == "campaign")
    return str(next(constants, {}).get("query") or "")


def _uid(client: str, campaign: str) -> str:
    return describe(client, [campaign])["campaigns"][0]["uid"]


def _in_a_clients_folder(hit: dict) -> bool:
    return hit.get("folderUid", "").startswith(CLIENT_FOLDERS)


def _tokens(client: dict, data_source: dict | None, influx: dict, grafana_url: str) -> tuple[list[str], list[str]]:
    # The ids of the tokens to delete, and what is left. The token that our data source names is ours whatever address
    # Grafana had when it was made; another Grafana's, or one that reads more or elsewhere, is not.
    name, bucket = client["client"], influx["buckets"].get(client["bucket"])
    used = ((data_source or {}).get("jsonData") or {}).get(AUTHORIZATION)
    ours, left = [], []
    for token in influx["tokens"]:
        called, reads = str(token["description"]), _only_bucket(token)
        like_ours = called.startswith(description(name, "").removesuffix(")"))
        named = token["id"] == used
        if called == description(name, grafana_url) or (named and reads and (like_ours or reads == bucket)):
            ours.append(token["id"])
        elif named:
            left.append(f"{name}: the token of its data source, which reads more or elsewhere: {called} ({used})")
        elif like_ours:
            left.append(f"{name}: a token made for another address of Grafana: {called} ({token['id']})")
    return ours, left


def _only_bucket(token: dict) -> str | None:
    # The id of the one bucket that a token may read, None if it may do anything else.
    may = [(p["action"], p["resource"].get("type"), p["resource"].get("id")) for p in token["permissions"]]
    return may[0][2] if len(may) == 1 and may[0][:2] == ("read", "buckets") else None


def _call(server: Server, what: str, org: int | None, *parts: str | int) -> dict:
    return {"what": what, "server": server.name.lower(), "org": org, "url": server.url + path(*parts)}


def _others(grafana: Server, org: int, client: dict, listed: list[dict], ours: set[str]) -> bool:
    data_sources, teams = grafana.get_all([Get("/api/datasources", org), Get(path("api", "teams", "search"), org)])
    outside = [h for h in listed if h["uid"] not in ours and client["folder_uid"] not in (h["uid"], h.get("folderUid"))]
    others = [d for d in data_sources.body if d["uid"] != client["data_source_uid"]]
    return bool(outside or others or [t for t in teams.body["teams"] if t["name"] != client["team"]])


def _members(grafana: Server, org: int, team_id: int, name: str, ourselves: str) -> list[str]:
    answer = grafana.get(path("api", "teams", team_id, "members"), org)
    members = [m["login"] for m in answer.body if m["login"] != ourselves]
    return [f"{name}: the logins of its team: {', '.join(members)}"] if members else []


def _on_disk(name: str, folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return [f"{name}: its files in {folder}: while they lie there, the next run makes everything again"]
