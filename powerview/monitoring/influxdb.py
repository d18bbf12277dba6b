"""InfluxDB: does it answer, and may our token do what PowerView does?"""

from __future__ import annotations

import time
from collections.abc import Iterator

from powerview.monitoring.http import ask, body, get, status_of, why
from powerview.monitoring.item import Item, bad, good, unknown
from powerview.monitoring.texts import ALL_ACCESS, in_english
from powerview.seconds import A_DAY
from powerview.settings import Settings

PROBE = "powerview_watch writable=1 {day}\n"
"""One point a day, at midnight UTC: however often it is written, the bucket holds it once."""


def influxdb(settings: Settings, *, write: bool) -> Iterator[Item]:
    """Every item about InfluxDB. With `write` a point is really written, which shows a full or read-only disk."""
    if not settings.influxdb_host:
        yield bad("InfluxDB", "influxdb_unnamed")
        return
    health = get(f"{settings.influxdb_host}/health")
    if status_of(health) != 200:
        yield bad("InfluxDB", "influxdb_away", url=settings.influxdb_host, why=why(health))
        return
    if body(health).get("name") != "influxdb":
        yield bad("InfluxDB", "influxdb_other", url=settings.influxdb_host)
        return
    yield good("InfluxDB", f"answers at {settings.influxdb_host}, {body(health).get('version', '')}")
    if settings.influxdb_admin_token:
        yield from _influxdb_rights(settings, write)


def _influxdb_rights(settings: Settings, write: bool) -> Iterator[Item]:
    headers = {"Authorization": f"Token {settings.influxdb_admin_token}"}
    # Asked for by name, since a listing shows 20 of them; there is none of that name: 404 (tried on 2.9.1).
    address = f"{settings.influxdb_host}/api/v2/orgs"
    organisations = get(address, headers=headers, params={"org": settings.influxdb_org})
    if status_of(organisations) == 404:
        organisations = get(address, headers=headers, params={"limit": 100})
    if status_of(organisations) != 200:
        yield bad("token", "token_refused", why=why(organisations), env=str(settings.env_file))
        return
    known = {org.get("name"): org.get("id") for org in body(organisations).get("orgs", [])}
    if settings.influxdb_org not in known:
        seen = ", ".join(map(str, known)) or "none"
        yield bad("organisation", "organisation_unseen", seen=seen, wanted=settings.influxdb_org)
        return
    yield good("organisation", settings.influxdb_org)
    yield _may_do_all(settings, headers, known[settings.influxdb_org]) or _may_write(settings, headers, write)


def _may_do_all(settings: Settings, headers: dict[str, str], org_id: str) -> Item | None:
    """What the token lacks of what the parser (buckets) and the playbooks (buckets, tokens) do; None if nothing.

    InfluxDB does not show a token its own rights, but names the missing one when it is asked for a new token: whether
    it may make one, then each right that it would pass on. The last one can be passed on by nobody, so no token is
    made. The answer to a token that may do all is 403, about that last one.
    """
    everywhere = [("write", "buckets"), ("read", "buckets"), ("read", "authorizations")]
    rights = [{"action": a, "resource": {"type": t, "orgID": org_id}} for a, t in everywhere]
    nobodys = {"action": "read", "resource": {"type": "instance"}}
    wanted = {"orgID": org_id, "status": "inactive", "description": "asked by check", "permissions": [*rights, nobodys]}
    answer = ask("POST", f"{settings.influxdb_host}/api/v2/authorizations", headers=headers, json=wanted)
    if status_of(answer) == 403 and "read:instance" in str(body(answer).get("message")):
        return None
    if status_of(answer) in (401, 403):
        return bad("token", "token_limited", why=why(answer), env=str(settings.env_file))
    found = f"what it may do cannot be found out ({in_english(why(answer))})"
    return unknown("token", found, ALL_ACCESS.en.format(env=settings.env_file))


def _may_write(settings: Settings, headers: dict[str, str], write: bool) -> Item:
    # A comment is no point: the server looks at token and bucket, and stores nothing.
    address = f"{settings.influxdb_host}/api/v2/write"
    params = {"org": settings.influxdb_org, "bucket": settings.influxdb_bucket, "precision": "s"}
    now = int(time.time())
    lines = PROBE.format(day=now - now % A_DAY) if write else "# is this token allowed to write?\n"
    answer = ask("POST", address, headers=headers, params=params, data=lines.encode())
    if status_of(answer) == 204:
        return good("token", f"may write to {settings.influxdb_bucket}, make buckets and tokens")
    if status_of(answer) == 404:
        return bad("token", "bucket_missing", bucket=settings.influxdb_bucket)
    return bad("token", "write_refused", bucket=settings.influxdb_bucket, why=why(answer))
