"""Reading what Grafana and InfluxDB have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from powerview_grafana.addresses import classic_address, dashboard_permissions, path, stored_address
from powerview_grafana.dashboard import is_v2
from powerview_grafana.servers import GONE, Get, Server, ServerError

PAGE = 5000
TEAMS_PAGE = 1000
READABLE = (404, 406)  # 406: it is there, stored in a schema that this address does not speak


def hits(grafana: Server, org: int) -> list[dict]:
    """All folders and dashboards of an organisation, as Grafana's search lists them (newer versions run behind)."""
    return _pages(grafana, org, lambda page: path("api", "search", limit=PAGE, page=page), PAGE)


def teams(grafana: Server, org: int) -> dict[int, str]:
    """The names of all teams of an organisation by their numbers."""
    found = _pages(grafana, org, lambda page: path("api", "teams", "search", perpage=TEAMS_PAGE, page=page), TEAMS_PAGE)
    return {team["id"]: team["name"] for team in found}


def in_influxdb(influxdb: Server, org: str, buckets: Iterable[str]) -> dict:
    """The organisation's id, the ids of the buckets that exist, and all tokens (without their secrets)."""
    org_id = influx_org(influxdb, org)
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


def influx_org(influxdb: Server, org: str) -> str:
    """The id of InfluxDB's organisation. Raises ServerError if the token sees none of this name."""
    answer = influxdb.get(path("api", "v2", "orgs", org=org), also=GONE)
    if not answer.found or not answer.body.get("orgs"):
        raise ServerError(
            f"InfluxDB at {influxdb.url} (INFLUXDB_HOST) has no organisation {org!r} that this token may see: "
            f"look at INFLUXDB_ORG and INFLUXDB_ADMIN_TOKEN."
        )
    return answer.body["orgs"][0]["id"]


def bucket_id(influxdb: Server, org_id: str, name: str) -> str | None:
    """The id of one bucket."""
    return _bucket_id(influxdb.get(path("api", "v2", "buckets", orgID=org_id, name=name), also=GONE).body, name)


def classic(grafana: Server, uid: str, org: int) -> tuple[dict | None, bool]:
    """A dashboard as classic JSON (None if there is none), and whether it is stored in schema v2 instead."""
    converted, stored = grafana.get_all(
        [Get(classic_address(uid), org, READABLE), Get(stored_address(uid, org), org, (403, 404, 406))]
    )
    if not converted.found:
        return None, False
    in_v2 = is_v2(converted.status, converted.body, stored.body)
    return (None if in_v2 else converted.body["dashboard"]), in_v2


def stored(grafana: Server, uid: str, org: int) -> dict:
    """A dashboard as newer versions of Grafana store it, empty if there is none or this Grafana does not know."""
    answer = grafana.get(stored_address(uid, org), org, (403, 404, 406))
    return answer.body if answer.status == 200 else {}


def that_exist(grafana: Server, org: int | None, uids: Sequence[str]) -> list[str]:
    """Which of these dashboards exist. The search would not do: it runs behind."""
    if not org:
        return []
    answers = grafana.get_all([Get(dashboard_permissions(uid), org, GONE) for uid in uids])
    return [uid for uid, answer in zip(uids, answers, strict=True) if answer.found]


def rows(listed: list[dict]) -> set[tuple]:
    """Who may see something, as Grafana lists its own permissions, without what it inherits."""
    own = (r for r in listed if not r.get("inherited"))
    return {(r.get("teamId") or 0, r.get("userId") or 0, r.get("role") or "", r["permission"]) for r in own}


def _pages(grafana: Server, org: int, address, size: int) -> list[dict]:
    found: list[dict] = []
    page = 1
    while True:
        body = grafana.get(address(page), org).body
        latest = body["teams"] if isinstance(body, dict) else body
        found += latest
        if len(latest) < size:
            return found
        page += 1


def _bucket_id(body: dict, name: str) -> str | None:
    return next((b["id"] for b in body.get("buckets", ()) if b["name"] == name), None)
