"""What Grafana and InfluxDB hold of what the tree asks for: a few reads of lists, then one read of each permission."""

from __future__ import annotations

from collections.abc import Iterable

from powerview_grafana.addresses import MAIN_ORG, classic_address, path, stored_address
from powerview_grafana.dashboard import is_v2
from powerview_grafana.servers import GONE, Get, Server, ServerError

PAGE = 5000
TEAMS_PAGE = 1000
EXISTS = (404, 406)  # 406: it is there, stored in a schema that this address does not speak


def organisations(grafana: Server, isolation: str, clients: list[str]) -> dict[str, dict]:
    """The organisation of each client: {"org": its number or None, "joined": whether our login is its admin}.

    With isolation `team` that is the main organisation. This is also the one read that tries the login: a wrong
    password tried many times at once would make Grafana lock the login for minutes.
    """
    memberships = grafana.get("/api/user/orgs", MAIN_ORG).body
    if isolation == "team":
        return {c: {"org": MAIN_ORG, "joined": True} for c in clients}
    if main := [m["name"] for m in memberships if m["orgId"] == MAIN_ORG and m["name"] in clients]:
        raise ServerError(
            f"Grafana's main organisation is called {main[0]} like a client, who would be let in where the admins' "
            f"data are: rename it (Administration, Organizations)."
        )
    admin_of = {m["name"]: m["orgId"] for m in memberships if m["role"] == "Admin"}
    others = [c for c in clients if c not in admin_of]
    answers = grafana.get_all([Get(path("api", "orgs", "name", c), MAIN_ORG, GONE) for c in others])
    numbers = {c: a.body["id"] if a.status == 200 else None for c, a in zip(others, answers, strict=True)}
    return {c: {"org": admin_of.get(c, numbers.get(c)), "joined": c in admin_of} for c in clients}


def in_grafana(grafana: Server, subjects: list[dict], orgs: dict[str, dict]) -> dict[str, dict]:
    """By client, what Grafana holds of what `tree.describe` names. A client without an organisation has nothing."""
    reachable = {c: o["org"] for c, o in orgs.items() if o["joined"]}
    held = {org: _Organisation(grafana, org) for org in sorted({*reachable.values(), MAIN_ORG})}
    things = [
        _thing(kind, held[org], uid)
        for subject in subjects
        if (org := reachable.get(subject["client"]))
        for kind, uid in _uids(subject, held[org])
    ]
    _confirm_missing(grafana, things)
    _read_details(grafana, things)
    by_key = {(t["org"], t["kind"], t["uid"]): t for t in things}
    return {s["client"]: _of_client(s, reachable.get(s["client"]), held, by_key) for s in subjects}


def in_influxdb(influxdb: Server, org: str, buckets: Iterable[str]) -> dict:
    """The organisation's id, the ids of the buckets that exist, and all tokens (without their secrets)."""
    answer = influxdb.get(path("api", "v2", "orgs", org=org), also=GONE)
    if answer.status == 404 or not answer.body.get("orgs"):
        raise ServerError(
            f"InfluxDB at {influxdb.url} (INFLUXDB_HOST) has no organisation {org!r} that this token may see: "
            f"look at INFLUXDB_ORG and INFLUXDB_ADMIN_TOKEN."
        )
    org_id = answer.body["orgs"][0]["id"]
    names = sorted(set(buckets))
    gets = [Get(path("api", "v2", "authorizations", orgID=org_id))]
    gets += [Get(path("api", "v2", "buckets", orgID=org_id, name=name), also=GONE) for name in names]
    tokens, *answers = influxdb.get_all(gets)
    return {
        "org_id": org_id,
        "buckets": {n: b for n, a in zip(names, answers, strict=True) if (b := _bucket_id(a.body, n))},
        "tokens": [
            {k: t.get(k) for k in ("id", "status", "description", "permissions")} for t in tokens.body["authorizations"]
        ],
    }


def classic(grafana: Server, uid: str, org: int) -> tuple[dict | None, bool]:
    """A dashboard as classic JSON (None if there is none), and whether it is stored in schema v2 instead."""
    converted, stored = grafana.get_all(
        [Get(classic_address(uid), org, EXISTS), Get(stored_address(uid, org), org, (403, 404, 406))]
    )
    if converted.status == 404:
        return None, False
    in_v2 = is_v2(converted.status, converted.body, stored.body)
    return (None if in_v2 else converted.body["dashboard"]), in_v2


def hits(grafana: Server, org: int) -> list[dict]:
    """All folders and dashboards of an organisation, as Grafana's search lists them."""
    return _pages(grafana, org, _search_page, PAGE, grafana.get(_search_page(1), org).body)


class _Organisation:
    """The lists of one organisation: teams by name, data sources by uid, folders and dashboards by uid."""

    def __init__(self, grafana: Server, org: int) -> None:
        self.org = org
        first = [
            Get(_teams_page(1), org),
            Get(_search_page(1), org),
            Get("/api/datasources", org),
        ]
        teams, listed, data_sources = (a.body for a in grafana.get_all(first))
        self.teams = {t["name"]: t["id"] for t in _pages(grafana, org, _teams_page, TEAMS_PAGE, teams)}
        self.hits = {h["uid"]: h for h in _pages(grafana, org, _search_page, PAGE, listed)}
        self.data_sources = {d["uid"]: d for d in data_sources}

    def folders_called(self, titles: list[str]) -> list[str]:
        """The uids of the folders with one of these titles."""
        return [uid for uid, hit in self.hits.items() if hit["type"] == "dash-folder" and hit["title"] in titles]


def _teams_page(page: int) -> str:
    return path("api", "teams", "search", perpage=TEAMS_PAGE, page=page)


def _search_page(page: int) -> str:
    return path("api", "search", limit=PAGE, page=page)


def _pages(grafana: Server, org: int, address, size: int, first) -> list[dict]:
    def rows(body) -> list[dict]:
        return body["teams"] if isinstance(body, dict) else body

    found = latest = rows(first)
    page = 1
    while len(latest) == size:
        page += 1
        latest = rows(grafana.get(address(page), org).body)
        found = found + latest
    return found


def _uids(subject: dict, held: _Organisation) -> list[tuple[str, str]]:
    dashboards = [("dashboard", c["uid"]) for c in subject["campaigns"]]
    others = [("folder", uid) for uid in held.folders_called(subject["other_folders"])]
    return [("folder", subject["folder_uid"]), ("data source", subject["data_source_uid"]), *dashboards, *others]


def _thing(kind: str, held: _Organisation, uid: str) -> dict:
    listed = held.data_sources if kind == "data source" else held.hits
    hit = listed.get(uid)
    # A search says `folderUid` for a dashboard's folder and for a folder's parent alike; at the root there is none.
    place = "" if hit is None else hit.get("folderUid", "")
    about = {"title": hit.get("title"), "tags": hit.get("tags")} if hit else {}
    return {"org": held.org, "kind": kind, "uid": uid, "there": hit is not None, "place": place, **about}


def _confirm_missing(grafana: Server, things: list[dict]) -> None:
    # The index behind the search of newer versions runs behind: what it does not list is asked for by name.
    missing = [t for t in things if not t["there"] and t["kind"] != "data source"]
    answers = grafana.get_all([Get(_address(t), t["org"], EXISTS) for t in missing])
    for thing, answer in zip(missing, answers, strict=True):
        thing["there"] = answer.status != 404
        thing["place"] = None  # nobody knows, unless the answer tells
        if answer.status == 200:
            inner = answer.body.get("meta", answer.body)
            thing["place"] = inner.get("folderUid", inner.get("parentUid", "")) or ""


def _read_details(grafana: Server, things: list[dict]) -> None:
    present = [t for t in things if t["there"]]
    answers = grafana.get_all([Get(_detail_address(t), t["org"], GONE) for t in present])
    for thing, answer in zip(present, answers, strict=True):
        thing["there"] = answer.status == 200  # what the index still lists may be gone
        thing["detail"] = answer.body


def _address(thing: dict) -> str:
    if thing["kind"] == "folder":
        return path("api", "folders", thing["uid"])
    return classic_address(thing["uid"])


def _detail_address(thing: dict) -> str:
    if thing["kind"] == "folder":
        return path("api", "folders", thing["uid"], "permissions")
    if thing["kind"] == "dashboard":
        return path("api", "dashboards", "uid", thing["uid"], "permissions")
    return path("api", "datasources", "uid", thing["uid"])


def _of_client(subject: dict, org: int | None, held: dict[int, _Organisation], by_key: dict) -> dict:
    def thing(kind: str, uid: str) -> dict | None:
        found = by_key.get((org, kind, uid))
        return found if found and found["there"] else None

    source = thing("data source", subject["data_source_uid"])
    others = held[org].data_sources.values() if org else ()
    taken = [d["uid"] for d in others if d["name"] == subject["data_source"] and d["uid"] != subject["data_source_uid"]]
    return {
        "org": org,
        "team_id": held[org].teams.get(subject["team"]) if org else None,
        "folder": thing("folder", subject["folder_uid"]),
        "other_folders": [
            f
            for uid in (held[org].folders_called(subject["other_folders"]) if org else ())
            if (f := thing("folder", uid))
        ],
        "data_source": source and source["detail"],
        "name_taken_by": taken[0] if taken else "",
        "dashboards": {c["uid"]: thing("dashboard", c["uid"]) for c in subject["campaigns"]},
    }


def _bucket_id(body: dict, name: str) -> str | None:
    return next((b["id"] for b in body.get("buckets", ()) if b["name"] == name), None)
