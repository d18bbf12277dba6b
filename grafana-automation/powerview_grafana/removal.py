"""What is removed of a client or a campaign, and what is left."""

from __future__ import annotations

from pathlib import Path

from powerview_grafana import found, login, organisations, teams
from powerview_grafana.addresses import (
    CLIENT_DASHBOARDS,
    CLIENT_FOLDERS,
    MAIN_ORG,
    classic_address,
    data_source_address,
    path,
)
from powerview_grafana.dashboard import constants
from powerview_grafana.data_sources import authorization, description, only_bucket
from powerview_grafana.run import Run
from powerview_grafana.servers import GONE, Get, Server
from powerview_grafana.tree import UsageError, check_named, describe, wanted

IN_A_FOLDER = {
    "dashboard": "dashboards that its search does not list yet",
    "folder": "folders that its search does not list yet",
    "alertrule": "alert rules",
    "librarypanel": "library panels",
    "library_element": "library panels",
}
"""What Grafana counts in a folder, by the names of its versions without their plural."""


def check_confirmation(client: str, campaign: str, confirm: str, delete_bucket: str) -> None:
    """Raise UsageError unless the names are confirmed by the same once more."""
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


def find(run: Run, client: str, campaign: str, confirm: str, delete_bucket: str) -> dict:
    """The calls that delete a campaign's dashboard or a client's objects, in their order, and what is left:
    {"calls": […], "left": […]}. Raises UsageError unless it is confirmed."""
    settings = run.settings
    check_named(client, campaign, settings.influxdb_bucket)
    check_confirmation(client, campaign, confirm, delete_bucket)
    on_disk = [c for c in wanted(settings.data_dir, settings.influxdb_bucket, client, campaign)["clients"] if c["team"]]
    (described,) = on_disk or [describe(client, [])]
    org = _organisation(run, client)
    described["org"] = org["org"] if org["joined"] else None
    if campaign:
        return _of_campaign(run, described)
    return _of_client(run, described, bool(delete_bucket))


def delete(run: Run, calls: list[dict]) -> None:
    """Make the calls, one after the other. What is gone already is no failure."""
    for call in calls:
        server = None if call["org"] else run.influxdb
        run.write(f"Delete the {call['what']}", "DELETE", call["path"], server=server, org=call["org"], also=GONE)


def _of_campaign(run: Run, client: dict) -> dict:
    (campaign,) = client["campaigns"]
    name = f"{client['client']}/{campaign['campaign']}"
    there = found.that_exist(run.grafana, client["org"], [campaign["uid"]])
    calls = [_call("dashboard", client["org"], "api", "dashboards", "uid", uid) for uid in there]
    left = [f"{name}: its readings, measurement {campaign['campaign']} in bucket {client['bucket']}"]
    return {"calls": calls, "left": left + _on_disk(name, run.settings.data_dir / name)}


def _of_client(run: Run, client: dict, delete_bucket: bool) -> dict:
    # A folder with anything that PowerView did not make for the client is left, and so is an organisation with anything
    # else in it.
    name, org = client["client"], client["org"]
    influx = found.in_influxdb(run.influxdb, run.settings.influxdb_org, [name])
    held: dict = {"first": [], "last": [], "left": [], "data_source": None}
    if org:
        held = _in_grafana(run, client)
    tokens, left = _tokens(client, held["data_source"], influx, run.settings.grafana_url)
    # The token goes before the data source, which may alone know it: else a run that is killed in between leaves it.
    calls = held["first"] + [_call("token", None, "api", "v2", "authorizations", token) for token in tokens]
    if held["data_source"]:
        calls.append(_call("data source", org, "api", "datasources", "uid", client["data_source_uid"]))
    bucket = influx["buckets"].get(name)
    if bucket and delete_bucket:
        calls.append(_call("bucket with all readings", None, "api", "v2", "buckets", bucket))
    elif bucket:
        left.append(f"{name}: bucket {name} with its readings (POWERVIEW_DELETE_BUCKET={name} deletes it)")
    left = held["left"] + left + _on_disk(name, run.settings.data_dir / name)
    return {"calls": calls + held["last"], "left": left}


def _organisation(run: Run, client: str) -> dict:
    # Where our login is no Admin it sees nothing: all would seem gone, and the token would go without the rest.
    org = organisations.of_clients(run.grafana, run.settings.isolation, [client])[client]
    if org["org"] and not org["joined"]:
        ours = login.name(run.grafana, run.settings)
        raise UsageError(
            f"{ours}, PowerView's login, is no Admin of {client}'s organisation in Grafana, and nothing was deleted. "
            f"Make it one (Administration, Organizations), or run create_grafana_resources.yml while the client has a "
            f"folder, which does it."
        )
    return org


def _in_grafana(run: Run, client: dict) -> dict:
    # What to delete before token and data source, the data source, what to delete after it, and what is left.
    grafana, name, org, folder = run.grafana, client["client"], client["org"], client["folder_uid"]
    listed = found.hits(grafana, org)
    ours, unsure = _dashboards(grafana, org, client, listed)
    overview = client["overview"]["uid"]
    ours.add(overview)
    there = found.that_exist(grafana, org, sorted(ours))
    has_folder = grafana.get(path("api", "folders", folder), org, GONE).found
    source = grafana.get(data_source_address(client["data_source_uid"]), org, GONE)
    foreign = [h["title"] for h in listed if h.get("folderUid") == folder and h["uid"] not in ours]
    if has_folder and not foreign:
        foreign = _unlisted(grafana, org, folder, there, {h["uid"]: h.get("folderUid") for h in listed})
    first = [
        _call("overview" if uid == overview else "dashboard", org, "api", "dashboards", "uid", uid) for uid in there
    ]
    left = [f"{name}: its folder, with what PowerView did not make for it: {', '.join(foreign)}"] if foreign else []
    left += [
        f"{name}: dashboard {h['title']} (uid {h['uid']}), which may be its own: delete it in Grafana if it is"
        for h in unsure
    ]
    if has_folder and not foreign:
        first.append(_call("folder", org, "api", "folders", folder))
    last = []
    if team := teams.of_clients(grafana, [client])[name]:
        left += _members(run, org, team, name)
        last.append(_call("team", org, "api", "teams", team))
    if run.settings.isolation == "org" and (foreign or _others(grafana, org, client, listed, ours, team)):
        left.append(f"{name}: its organisation, with what PowerView did not make in it")
    elif run.settings.isolation == "org":
        last.append(_call("organisation", MAIN_ORG, "api", "orgs", org))
    return {"first": first, "last": last, "left": left, "data_source": source.body if source.found else None}


def _dashboards(grafana: Server, org: int, client: dict, listed: list[dict]) -> tuple[set[str], list[dict]]:
    # The uids of the client's dashboards wherever people moved them, and the hits elsewhere that may be the client's.
    # A uid is made of client and campaign, so whoever has the campaign's name knows whose it is: the tree has it, the
    # title as long as nobody changes that, and else the constant that the clone was given.
    name, ours, renamed = client["client"], {c["uid"] for c in client["campaigns"]}, []
    for hit in listed:
        owners = [owner for owner in (name, *hit["tags"]) if hit["uid"] == _uid(owner, hit["title"])]
        if name in owners:
            ours.add(hit["uid"])
        elif not owners and hit["uid"].startswith(CLIENT_DASHBOARDS) and hit["uid"] not in ours:
            renamed.append(hit)
    unsure = []
    answers = grafana.get_all([Get(classic_address(h["uid"]), org, found.READABLE) for h in renamed])
    for hit, answer in zip(renamed, answers, strict=True):
        campaign = constants(answer.body["dashboard"]).get("campaign", "") if answer.status == 200 else ""
        inside, tagged = hit.get("folderUid") == client["folder_uid"], name in hit["tags"]
        if hit["uid"] == _uid(name, campaign) or (not campaign and inside and tagged):
            ours.add(hit["uid"])
        elif not campaign and answer.status != 404 and not inside and (tagged or not _in_a_clients_folder(hit)):
            unsure.append(hit)
    return ours, unsure


def _unlisted(grafana: Server, org: int, folder: str, ours: list[str], listed: dict[str, str | None]) -> list[str]:
    # What a folder holds beside our dashboards, as Grafana counts it. The search runs behind in newer versions, and
    # lists neither alert rules nor library panels, with which Grafana refuses to delete a folder.
    counts = grafana.get(path("api", "folders", folder, "counts"), org, GONE)
    answers = grafana.get_all([Get(classic_address(uid), org, found.READABLE) for uid in ours])
    places = [
        a.body["meta"].get("folderUid") if a.status == 200 else listed.get(uid)
        for uid, a in zip(ours, answers, strict=True)
    ]
    known = {"dashboard": places.count(folder)}
    held = {kind.removesuffix("s"): count for kind, count in counts.body.items()} if counts.found else {}
    more = {kind: count - known.get(kind, 0) for kind, count in held.items()}
    return [f"{IN_A_FOLDER.get(kind, kind)} ({count})" for kind, count in sorted(more.items()) if count > 0]


def _uid(client: str, campaign: str) -> str:
    return describe(client, [campaign])["campaigns"][0]["uid"]


def _in_a_clients_folder(hit: dict) -> bool:
    return hit.get("folderUid", "").startswith(CLIENT_FOLDERS)


def _tokens(client: dict, data_source: dict | None, influx: dict, grafana_url: str) -> tuple[list[str], list[str]]:
    # The ids of the tokens to delete, and what is left. The token that our data source names is ours whatever address
    # Grafana had when it was made; another Grafana's, or one that reads more or elsewhere, is not.
    name, bucket = client["client"], influx["buckets"].get(client["bucket"])
    used = authorization(data_source)
    ours, left = [], []
    for token in influx["tokens"]:
        called, reads = str(token["description"]), only_bucket(token)
        like_ours = called.startswith(description(name, "").removesuffix(")"))
        named = token["id"] == used
        if called == description(name, grafana_url) or (named and reads and (like_ours or reads == bucket)):
            ours.append(token["id"])
        elif named:
            left.append(f"{name}: the token of its data source, which reads more or elsewhere: {called} ({used})")
        elif like_ours:
            left.append(f"{name}: a token made for another address of Grafana: {called} ({token['id']})")
    return ours, left


def _call(what: str, org: int | None, *parts: str | int) -> dict:
    # A call without an organisation is InfluxDB's.
    return {"what": what, "org": org, "path": path(*parts)}


def _others(grafana: Server, org: int, client: dict, listed: list[dict], ours: set[str], team: int | None) -> bool:
    sources = grafana.get("/api/datasources", org).body
    outside = [h for h in listed if h["uid"] not in ours and client["folder_uid"] not in (h["uid"], h.get("folderUid"))]
    others = [d for d in sources if d["uid"] != client["data_source_uid"]]
    return bool(outside or others or set(found.teams(grafana, org)) - {team})


def _members(run: Run, org: int, team_id: int, name: str) -> list[str]:
    answer = run.grafana.get(path("api", "teams", team_id, "members"), org)
    ourselves = {run.settings.grafana_username.lower(), login.own(run.settings)[0]}
    members = [m["login"] for m in answer.body if m["login"].lower() not in ourselves]
    return [f"{name}: the logins of its team: {', '.join(members)}"] if members else []


def _on_disk(name: str, folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return [f"{name}: its files in {folder}: while they lie there, the next run makes everything again"]
