"""InfluxDB and Grafana: do they answer, do they accept our logins, may those do what PowerView does?"""

from __future__ import annotations

from collections.abc import Iterator

import requests

from powerview.monitoring.http import answer_text, ask, body, get
from powerview.monitoring.item import BAD, GOOD, UNKNOWN, Item
from powerview.settings import Settings

MASTER, ADMIN_DATASOURCE = "powerview-master", "powerview-master"
STORED_MASTER = f"/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/{MASTER}"
NEW_SCHEMA = Item(
    "Master", BAD, "it was saved in Grafana's new schema",
    "Export it as classic JSON (Share, Export, classic model) and import that over it.",
)  # fmt: skip


def servers(settings: Settings) -> Iterator[Item]:
    """Every item about the two servers."""
    yield from _influxdb(settings)
    yield from _grafana(settings)


def _influxdb(settings: Settings) -> Iterator[Item]:
    if not settings.influxdb_host:
        yield Item(
            "InfluxDB", BAD, "none is named", "Set INFLUXDB_HOST; until then readings go to line protocol files."
        )
        return
    look_at = f"Is it running, and is INFLUXDB_HOST ({settings.influxdb_host}) right?"
    health = get(f"{settings.influxdb_host}/health")
    if not isinstance(health, requests.Response) or health.status_code != 200:
        yield Item("InfluxDB", BAD, f"does not answer at {settings.influxdb_host} ({answer_text(health)})", look_at)
        return
    version = body(health).get("version", "")
    if body(health).get("name") != "influxdb":
        yield Item("InfluxDB", BAD, f"what answers at {settings.influxdb_host} is no InfluxDB 2", look_at)
        return
    yield Item("InfluxDB", GOOD, f"answers at {settings.influxdb_host}, {version}")
    if settings.influxdb_admin_token:
        yield from _influxdb_rights(settings)


def _influxdb_rights(settings: Settings) -> Iterator[Item]:
    headers = {"Authorization": f"Token {settings.influxdb_admin_token}"}
    organisations = get(f"{settings.influxdb_host}/api/v2/orgs", headers=headers)
    if getattr(organisations, "status_code", 0) != 200:
        found = f"INFLUXDB_ADMIN_TOKEN is not accepted ({answer_text(organisations)})"
        yield Item("token", BAD, found, _all_access(settings))
        return
    known = {org.get("name"): org.get("id") for org in body(organisations).get("orgs", [])}
    if settings.influxdb_org not in known:
        sees = ", ".join(map(str, known)) or "none"
        yield Item("organisation", BAD, f"the token sees {sees}, not {settings.influxdb_org}",
                   "Set INFLUXDB_ORG, or make the token in that organisation.")  # fmt: skip
        return
    yield Item("organisation", GOOD, settings.influxdb_org)
    yield _may_do_all(settings, headers, known[settings.influxdb_org]) or _may_write(settings, headers)


def _may_do_all(settings: Settings, headers: dict[str, str], org_id: str) -> Item | None:
    """What the token lacks of what the parser (buckets) and the playbooks (buckets, tokens) do; None if nothing.

    InfluxDB tells a token nothing of its own rights, but says which is missing when it is asked for a token: whether
    it may make one, then each right that it would pass on. The last one can be passed on by nobody, so no token is
    made. The answer to a token that may do all is 403, about that last one.
    """
    everywhere = [("write", "buckets"), ("read", "buckets"), ("read", "authorizations")]
    rights = [{"action": a, "resource": {"type": t, "orgID": org_id}} for a, t in everywhere]
    nobodys = {"action": "read", "resource": {"type": "instance"}}
    wanted = {"orgID": org_id, "status": "inactive", "description": "asked by check", "permissions": [*rights, nobodys]}
    answer = ask("POST", f"{settings.influxdb_host}/api/v2/authorizations", headers=headers, json=wanted)
    status = getattr(answer, "status_code", 0)
    if status == 403 and "read:instance" in str(body(answer).get("message")):
        return None
    if status in (401, 403):
        found = f"may not do all that PowerView does: make buckets, write to them, make tokens ({answer_text(answer)})"
        return Item("token", BAD, found, _all_access(settings))
    return Item("token", UNKNOWN, f"what it may do cannot be told ({answer_text(answer)})", _all_access(settings))


def _all_access(settings: Settings) -> str:
    return (
        "Make an all-access token on InfluxDB's page (Load Data, API Tokens, Generate, All Access) and set it in "
        f"{settings.env_file}."
    )


def _may_write(settings: Settings, headers: dict[str, str]) -> Item:
    # A comment is no point: the server looks at token and bucket, and stores nothing.
    address = f"{settings.influxdb_host}/api/v2/write"
    params = {"org": settings.influxdb_org, "bucket": settings.influxdb_bucket, "precision": "s"}
    answer = ask("POST", address, headers=headers, params=params, data=b"# is this token allowed to write?\n")
    status = getattr(answer, "status_code", 0)
    if status == 204:
        return Item("token", GOOD, f"may write to {settings.influxdb_bucket}, make buckets and tokens")
    if status == 404:
        return Item("token", BAD, f"the bucket {settings.influxdb_bucket} (INFLUXDB_BUCKET) is missing",
                    "The first upload makes it.")  # fmt: skip
    return Item("token", BAD, f"cannot write to {settings.influxdb_bucket} ({answer_text(answer)})",
                "InfluxDB's own log says why.")  # fmt: skip


def _grafana(settings: Settings) -> Iterator[Item]:
    look_at = f"Is it running, and is GRAFANA_URL ({settings.grafana_url}) right?"
    health = get(f"{settings.grafana_url}/api/health")
    if getattr(health, "status_code", 0) != 200 or "database" not in body(health):
        yield Item("Grafana", BAD, f"does not answer at {settings.grafana_url} ({answer_text(health)})", look_at)
        return
    yield Item("Grafana", GOOD, f"answers at {settings.grafana_url}, {body(health).get('version', '')}")
    if not settings.grafana_password:
        return
    login = (settings.grafana_username, settings.grafana_password)
    headers = {"X-Grafana-Org-Id": "1"}
    organisation = get(f"{settings.grafana_url}/api/orgs/1/users", auth=login, headers=headers)
    status = getattr(organisation, "status_code", 0)
    if status != 200:
        what = "is refused" if status == 401 else "is no administrator" if status == 403 else "cannot be tried"
        found = f"the login of {settings.grafana_username} {what} ({answer_text(organisation)})"
        yield Item("Grafana's admin", BAD, found, "Set GRAFANA_USERNAME and GRAFANA_PASSWORD.")
        return
    yield Item("Grafana's admin", GOOD, f"{settings.grafana_username} can log in")
    yield _master(settings, login, headers)
    yield _admin_datasource(settings, login, headers)


def _master(settings: Settings, login: tuple[str, str], headers: dict[str, str]) -> Item:
    address = f"{settings.grafana_url}/api/dashboards/uid/{MASTER}"
    answer = get(address, params={"apiVersion": "v1beta1"}, auth=login, headers=headers)
    status = getattr(answer, "status_code", 0)
    if status == 404:
        return Item("Master", BAD, "the dashboard is not there", "The next sweep imports it: on-upload.sh sweep.")
    dashboard = body(answer).get("dashboard", {})
    if status == 406 or "elements" in dashboard:
        return NEW_SCHEMA
    stored = get(f"{settings.grafana_url}{STORED_MASTER}", auth=login, headers=headers)
    if _stored_version(stored).startswith("v2"):
        return NEW_SCHEMA
    if status != 200 or "panels" not in dashboard:
        return Item(
            "Master", BAD, f"it cannot be read ({answer_text(answer)})", "Look at it in Grafana: Dashboards, admin."
        )
    return Item("Master", GOOD, f"there and classic, {len(dashboard['panels'])} panels")


def _stored_version(answer: requests.Response | str) -> str:
    # Grafana 13 converts a dashboard of the new schema where the old address is asked, with loss; this one tells.
    status = body(answer).get("status")
    conversion = status.get("conversion") if isinstance(status, dict) else None
    return str(conversion.get("storedVersion", "")) if isinstance(conversion, dict) else ""


def _admin_datasource(settings: Settings, login: tuple[str, str], headers: dict[str, str]) -> Item:
    address = f"{settings.grafana_url}/api/datasources/uid/{ADMIN_DATASOURCE}"
    answer = get(f"{address}/health", auth=login, headers=headers)
    status = getattr(answer, "status_code", 0)
    if status == 200:
        return Item("Grafana reads InfluxDB", GOOD, f"at {settings.influxdb_url}")
    if status == 404:
        return Item("Grafana reads InfluxDB", BAD, "the data source powerview-master is not there",
                    "The next sweep makes it: on-upload.sh sweep.")  # fmt: skip
    return Item("Grafana reads InfluxDB", BAD, f"it cannot ({answer_text(answer)})",
                f"INFLUXDB_URL ({settings.influxdb_url}) must be InfluxDB's address as Grafana sees it.")  # fmt: skip
