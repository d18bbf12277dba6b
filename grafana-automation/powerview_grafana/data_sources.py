"""A bucket, a token that can read it and nothing else, and a data source with it, for each client."""

from __future__ import annotations

from typing import Any

from powerview_grafana import found
from powerview_grafana.addresses import data_source_address, path
from powerview_grafana.run import Run, open_clients
from powerview_grafana.servers import GONE, Get, ServerError

AUTHORIZATION = "powerviewAuthorization"
"""The key in a data source's jsonData that keeps the id of its InfluxDB token (the token itself is never shown)."""
WRITTEN = (200, 409)  # 409: another run was quicker


def make(run: Run, clients: list[dict]) -> None:
    """Make and repair them. A client whose data source cannot be made is `failed`."""
    settle(run, open_clients(clients))


def settle(run: Run, clients: list[dict]) -> None:
    """The same for these clients, or for the admins, whose data source no client may read."""
    run.each_with(clients, lambda: _held(run, clients), lambda client, held: _settle(run, client, *held))


def description(client: str, grafana_url: str) -> str:
    """How our token for one client is called in InfluxDB. The address keeps two Grafanas on one InfluxDB apart."""
    return f"powerview: grafana reads {client} ({grafana_url})"


def authorization(data_source: dict | None) -> str | None:
    """The id of the token that a data source of ours works with."""
    return ((data_source or {}).get("jsonData") or {}).get(AUTHORIZATION)


def only_bucket(token: dict) -> str | None:
    """The id of the one bucket that a token may read, None if it may do anything else."""
    may = [(p["action"], p["resource"].get("type"), p["resource"].get("id")) for p in token["permissions"]]
    return may[0][2] if len(may) == 1 and may[0][:2] == ("read", "buckets") else None


def _held(run: Run, clients: list[dict]) -> tuple[dict, dict[int, list], dict[str, dict | None]]:
    orgs = sorted({c["org"] for c in clients if c["org"]})
    listed = run.grafana.get_all([Get("/api/datasources", org) for org in orgs])
    answers = run.ask(clients, lambda c: data_source_address(c["data_source_uid"]))
    return (
        found.in_influxdb(run.influxdb, run.settings.influxdb_org, [c["bucket"] for c in clients]),
        {org: answer.body for org, answer in zip(orgs, listed, strict=True)},
        {client: answer.body if answer.found else None for client, answer in answers.items()},
    )


def _settle(run: Run, client: dict, influx: dict, listed: dict[int, list], sources: dict[str, dict | None]) -> None:
    steps, bucket_id, present = client["steps"], influx["buckets"].get(client["bucket"]), sources.get(client["client"])
    good, old = _token(run, client, present, bucket_id, influx)
    body = _body(run, client, present)
    right = present is not None and _contains(present, body)
    taken = [d["uid"] for d in listed.get(client["org"], []) if d["name"] == body["name"] and d["uid"] != body["uid"]]
    if taken and not run.check:
        raise ServerError(_name_taken(body["name"], taken[0]))
    if not bucket_id:
        run.change(client, steps, "bucket", None, client["bucket"])
    if not good:
        run.change(client, steps, "token")
    if not right:
        run.change(client, steps, "data source", _shown(present, body), body)
    if good and old:
        run.change(client, steps, "left-over tokens", old, [])
    if taken:
        raise ServerError(_name_taken(body["name"], taken[0]))
    if run.check:
        return
    if not good:
        made = _make_token(run, client, influx, bucket_id)
        _write_with(run, client, body, present is not None, made)
    elif not right:
        _write(run, client, body, present is not None)
    for token in old:
        _delete_token(run, token)


def _body(run: Run, client: dict, present: dict | None) -> dict:
    # What is sent to Grafana, without the token and its id. What a person added to jsonData stays. In an organisation
    # of their own, or for the admins, whether it is the default is nobody's harm; with isolation `team` no client's may
    # be.
    kept, settings = present or {}, run.settings
    ours = {
        "version": "Flux",
        "organization": settings.influxdb_org,
        "defaultBucket": client["bucket"],
        "httpMode": "POST",
    }
    return {
        "uid": client["data_source_uid"],
        "name": client["data_source"],
        "type": "influxdb",
        "access": "proxy",
        "url": settings.influxdb_url,
        "basicAuth": False,
        "isDefault": False if _is_never_default(run, client) else bool(kept.get("isDefault")),
        "jsonData": {**(kept.get("jsonData") or {}), **ours},
    }


def _is_never_default(run: Run, client: dict) -> bool:
    return bool(client["team"]) and run.settings.isolation == "team"


def _token(run: Run, client: dict, source: dict | None, bucket_id: str | None, influx: dict) -> tuple[bool, list[str]]:
    # Whether the data source uses a token that is as it must be, and the ids of ours that are left over.
    used = authorization(source)
    stored = ((source or {}).get("secureJsonFields") or {}).get("token")
    token = next((t for t in influx["tokens"] if t["id"] == used), None)
    is_active = bool(token) and token["status"] == "active"
    good = bool(stored and is_active and bucket_id and only_bucket(token) == bucket_id)
    ours = description(client["client"], run.settings.grafana_url)
    prefix = description(client["client"], "").removesuffix(")")
    old = [
        t["id"]
        for t in influx["tokens"]
        if not (good and t["id"] == used)
        and (t["description"] == ours or (t["id"] == used and str(t["description"]).startswith(prefix)))
    ]
    return good, old


def _make_token(run: Run, client: dict, influx: dict, bucket_id: str | None) -> dict:
    influxdb, org_id = run.influxdb, influx["org_id"]
    if not bucket_id:
        body = {"orgID": org_id, "name": client["bucket"], "retentionRules": []}
        # 422: the parser was quicker.
        run.write("Create the bucket", "POST", path("api", "v2", "buckets"), body, server=influxdb, also=(422,))
        bucket_id = found.bucket_id(influxdb, org_id, client["bucket"])
    if not bucket_id:
        raise ServerError(f"InfluxDB at {influxdb.url} made no bucket {client['bucket']}: run again.")
    resource = {"type": "buckets", "id": bucket_id, "orgID": org_id}
    body = {
        "orgID": org_id,
        "description": description(client["client"], run.settings.grafana_url),
        "permissions": [{"action": "read", "resource": resource}],
    }
    return run.write("Create the token", "POST", path("api", "v2", "authorizations"), body, server=influxdb).body


def _write_with(run: Run, client: dict, body: dict, is_there: bool, token: dict) -> None:
    # A write that fails may have been done all the same. Where nobody can say, the next run deletes what is left over.
    json_data = {**body["jsonData"], AUTHORIZATION: token["id"]}
    try:
        _write(run, client, {**body, "jsonData": json_data}, is_there, {"token": token["token"]})
    except ServerError:
        _take_back(run, client, token["id"])
        raise


def _take_back(run: Run, client: dict, token: str) -> None:
    # Delete a token that nothing uses. Why the data source could not be written is the reason that counts.
    try:
        now = run.grafana.get(data_source_address(client["data_source_uid"]), client["org"], GONE).body
        if authorization(now) != token:
            _delete_token(run, token)
    except ServerError:
        return


def _write(run: Run, client: dict, body: dict, is_there: bool, secrets: dict | None = None) -> None:
    # Without secrets Grafana keeps those that it has.
    full = {**body, "secureJsonData": secrets} if secrets else body
    org, sources = client["org"], path("api", "datasources")
    own = data_source_address(body["uid"])
    if not is_there:
        made = run.write("Create the data source", "POST", sources, full, org=org, also=WRITTEN)
        if made.status == 200:
            # The first data source of an organisation becomes its default, whatever the call says.
            if _is_never_default(run, client) and made.body["datasource"].get("isDefault"):
                run.write("Take it away as the organisation's default", "PUT", own, body, org=org)
            return
    run.write("Change the data source", "PUT", own, full, org=org)


def _delete_token(run: Run, token: str) -> None:
    address = path("api", "v2", "authorizations", token)
    run.write("Delete a token that nothing uses", "DELETE", address, server=run.influxdb, also=GONE)


def _contains(present: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(_contains(present.get(k), v) for k, v in wanted.items())
    return present == wanted


def _shown(present: dict | None, body: dict) -> dict | None:
    return present and {k: present.get(k) for k in body}


def _name_taken(name: str, uid: str) -> str:
    return (
        f"Grafana has another data source called {name} (uid {uid}): rename or delete that one "
        f"(Connections, Data sources)."
    )
