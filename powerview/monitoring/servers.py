"""InfluxDB and Grafana: do they answer, do they accept our logins, may those do what PowerView does?"""

from __future__ import annotations

import time
from collections.abc import Iterator

from powerview.monitoring.http import Answer, ask, body, get, status_of, why
from powerview.monitoring.item import Item, bad, good, unknown
from powerview.monitoring.texts import ALL_ACCESS, in_english
from powerview.settings import Settings

MASTER, ADMIN_DATASOURCE = "powerview-master", "powerview-master"
STORED_MASTER = f"/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/{MASTER}"
PROBE = "powerview_watch writable=1 {day}\n"
"""One point a day, at midnight UTC: however often it is written, the bucket holds it once."""
DAY = 86_400


def servers(settings: Settings, *, write: bool) -> Iterator[Item]:
    """Every item about the two servers. With `write` a point is really written, which shows a read-only disk."""
    yield from _influxdb(settings, write)
    yield from _grafana(settings)


def _influxdb(settings: Settings, write: bool) -> Iterator[Item]:
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
    organisations = get(f"{settings.influxdb_host}/api/v2/orgs", headers=headers)
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
    lines = PROBE.format(day=now - now % DAY) if write else "# is this token allowed to write?\n"
    answer = ask("POST", address, headers=headers, params=params, data=lines.encode())
    if status_of(answer) == 204:
        return good("token", f"may write to {settings.influxdb_bucket}, make buckets and tokens")
    if status_of(answer) == 404:
        return bad("token", "bucket_missing", bucket=settings.influxdb_bucket)
    return bad("token", "write_refused", bucket=settings.influxdb_bucket, why=why(answer))


def _grafana(settings: Settings) -> Iterator[Item]:
    health = get(f"{settings.grafana_url}/api/health")
    if status_of(health) != 200 or "database" not in body(health):
        yield bad("Grafana", "grafana_away", url=settings.grafana_url, why=why(health))
        return
    yield good("Grafana", f"answers at {settings.grafana_url}, {body(health).get('version', '')}")
    if not settings.grafana_password:
        return
    login = grafana_login(settings)
    organisation = get(f"{settings.grafana_url}/api/orgs/1/users", **login)
    status = status_of(organisation)
    if status != 200:
        key = {401: "login_refused", 403: "login_no_admin"}.get(status, "login_untried")
        yield bad("Grafana's admin", key, user=settings.grafana_username, why=why(organisation))
        return
    yield good("Grafana's admin", f"{settings.grafana_username} can log in")
    yield _master(settings, login)
    yield _admin_datasource(settings, login)


def grafana_login(settings: Settings) -> dict[str, object]:
    """How every request to Grafana logs in, as options of `requests`: this is the one place that decides it."""
    return {
        "auth": (settings.grafana_username, settings.grafana_password),
        "headers": {"X-Grafana-Org-Id": "1"},
    }


def _master(settings: Settings, login: dict[str, object]) -> Item:
    address = f"{settings.grafana_url}/api/dashboards/uid/{MASTER}"
    answer = get(address, params={"apiVersion": "v1beta1"}, **login)
    status = status_of(answer)
    if status == 404:
        return bad("Master", "master_missing")
    dashboard = body(answer).get("dashboard", {})
    if status == 406 or "elements" in dashboard:
        return bad("Master", "master_new_schema")
    if _stored_version(get(f"{settings.grafana_url}{STORED_MASTER}", **login)).startswith("v2"):
        return bad("Master", "master_new_schema")
    if status != 200 or "panels" not in dashboard:
        return bad("Master", "master_unreadable", why=why(answer))
    return good("Master", f"there and classic, {len(dashboard['panels'])} panels")


def _stored_version(answer: Answer) -> str:
    # Grafana 13 converts a dashboard of the new schema where the old address is asked, with loss; this answer shows it.
    status = body(answer).get("status")
    conversion = status.get("conversion") if isinstance(status, dict) else None
    return str(conversion.get("storedVersion", "")) if isinstance(conversion, dict) else ""


def _admin_datasource(settings: Settings, login: dict[str, object]) -> Item:
    answer = get(f"{settings.grafana_url}/api/datasources/uid/{ADMIN_DATASOURCE}/health", **login)
    if status_of(answer) == 200:
        return good("Grafana reads InfluxDB", f"at {settings.influxdb_url}")
    if status_of(answer) == 404:
        return bad("Grafana reads InfluxDB", "source_missing")
    return bad("Grafana reads InfluxDB", "source_broken", url=settings.influxdb_url, why=why(answer))
