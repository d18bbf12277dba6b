"""Where line protocol goes: a real InfluxDB, servers that are none, files."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
import uuid
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from influx_server import free_port
from waiting import LONG, wait_until

from powerview.settings import Settings, load_settings
from powerview.store import BadLines, FileStore, InfluxStore, StoreAway, connection, influxdb, open_store
from powerview.store.buckets import SHARD_SECONDS
from powerview.store.first_writes import FirstWrites

ENV_FILE = Path("/nowhere/.env")


SPAN = (0, 0)
"""The days of what is sent, where they do not matter."""


def settings_for(url: str, token: str = "token", **more: str) -> Settings:
    return load_settings({"INFLUXDB_HOST": url, "INFLUXDB_ADMIN_TOKEN": token, **more}, ENV_FILE)


@pytest.fixture
def settings(influx) -> Settings:
    return settings_for(influx.url, influx.token, INFLUXDB_ORG=influx.org)


def send(settings: Settings, bucket: str, *parts: tuple[str, bytes]) -> None:
    """One delivery, waited for. Raises what its result raises."""
    with open_store(settings) as opened:
        delivery = opened.deliver(bucket)
        for series, lines in parts:
            delivery.send(series, lines, SPAN)
        delivery.finish()
        delivery.result()
        assert delivery.done


def lines(series: str, count: int, start: int = 0, value: str = "1.5") -> tuple[str, bytes]:
    return series, b"".join(b"%s value=%s %d\n" % (series.encode(), value.encode(), start + i) for i in range(count))


def values(influx, bucket: str) -> dict[tuple[str, int], float]:
    return {(measurement, seconds): value for (measurement, _, seconds), value in influx.points(bucket).items()}


# ── InfluxDB ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_sent_stands_in_the_bucket_once_the_result_is_there(influx, client, settings):
    send(settings, client, lines("a", 3), lines("b", 2))
    assert values(influx, client) == {("a", 0): 1.5, ("a", 1): 1.5, ("a", 2): 1.5, ("b", 0): 1.5, ("b", 1): 1.5}


def test_a_bucket_is_made_once_and_keeps_everything(influx, client, settings):
    for _ in range(2):
        send(settings, client, lines("a", 1))
    (bucket,) = influx.call("GET", "/api/v2/buckets", params={"name": client}).json()["buckets"]
    assert bucket["retentionRules"] == [kept(0, SHARD_SECONDS)]
    assert bucket["description"] == "Readings of a PowerView client"


def kept(seconds: int, shard: int) -> dict:
    """A retention rule as InfluxDB tells it."""
    return {"type": "expire", "everySeconds": seconds, "shardGroupDurationSeconds": shard}


def test_a_bucket_with_influxdbs_own_shards_gets_ours_and_keeps_its_readings(influx, client, settings):
    influx.make_bucket(client)  # as InfluxDB's setup and the playbook make them
    before = lines("a", 40, start=1_750_000_000 // 86_400 * 86_400)
    influx.write(client, before[1])  # into a shard of a week
    days = b"".join(b"b value=1 %d\n" % (1_740_000_000 + day * 86_400) for day in range(300))
    send(settings, client, ("b", days))
    (bucket,) = influx.call("GET", "/api/v2/buckets", params={"name": client}).json()["buckets"]
    assert bucket["retentionRules"] == [kept(0, SHARD_SECONDS)]
    found = values(influx, client)
    assert (sum(name == "a" for name, _ in found), sum(name == "b" for name, _ in found)) == (40, 300)


@pytest.mark.parametrize("rule", [kept(0, 30 * 86_400), kept(4000 * 86_400, 7 * 86_400)], ids=["shards", "retention"])
def test_what_somebody_chose_for_a_bucket_stays(influx, client, organisation, rule):
    name, org = organisation
    influx.call("POST", "/api/v2/buckets", json={"orgID": org, "name": client, "retentionRules": [rule]})
    send(settings_for(influx.url, influx.token, INFLUXDB_ORG=name), client, lines("a", 1, start=int(time.time())))
    (bucket,) = influx.call("GET", "/api/v2/buckets", params={"orgID": org, "name": client}).json()["buckets"]
    assert bucket["retentionRules"] == [rule]


@pytest.fixture
def organisation(influx):
    """An organisation of its own, its id and a way to make buckets in it."""
    name = f"org-{uuid.uuid4().hex[:8]}"
    org = influx.call("POST", "/api/v2/orgs", json={"name": name}).json()["id"]
    yield name, org
    influx.call("DELETE", f"/api/v2/orgs/{org}")


def test_a_bucket_whose_name_speaks_of_an_organization_is_made_like_any_other(influx, organisation):
    name, org = organisation
    send(settings_for(influx.url, influx.token, INFLUXDB_ORG=name), "organization1", lines("a", 1))
    (bucket,) = influx.call("GET", "/api/v2/buckets", params={"orgID": org, "name": "organization1"}).json()["buckets"]
    assert bucket["name"] == "organization1"


def test_a_bucket_is_found_among_more_than_a_hundred(influx, organisation):
    name, org = organisation
    for number in range(120):
        influx.call("POST", "/api/v2/buckets", json={"orgID": org, "name": f"client-{number:03}", "retentionRules": []})
    settings = settings_for(influx.url, influx.token, INFLUXDB_ORG=name)
    send(settings, "client-119", lines("a", 1))
    send(settings, "client-120", lines("a", 1))
    found = influx.call("GET", "/api/v2/buckets", params={"orgID": org, "limit": 100, "offset": 100}).json()["buckets"]
    assert [b["name"] for b in found if b["name"] > "client-117"] == ["client-118", "client-119", "client-120"]


def test_another_organisations_bucket_of_the_same_name_is_another_bucket(influx, client, organisation):
    influx.make_bucket(client)
    name, org = organisation
    send(settings_for(influx.url, influx.token, INFLUXDB_ORG=name), client, lines("a", 1))
    assert influx.points(client) == {}
    assert [b["name"] for b in influx.call("GET", "/api/v2/buckets", params={"orgID": org}).json()["buckets"]] == [
        "_monitoring", "_tasks", client
    ]  # fmt: skip


def test_a_delivery_larger_than_one_body_arrives_whole_and_in_order(influx, client, settings, monkeypatch):
    monkeypatch.setattr(connection, "BODY_BYTES", 1000)
    parts = [lines(f"m{series}", 40, start=40 * block) for block in range(5) for series in range(7)]
    send(settings, client, *parts, *[lines(f"m{series}", 200, value="2.5") for series in range(7)])
    assert values(influx, client) == {(f"m{series}", i): 2.5 for series in range(7) for i in range(200)}


def test_deliveries_of_one_series_are_written_in_their_order(influx, client, settings):
    with open_store(settings) as opened:
        deliveries = []
        for number in range(30):
            deliveries.append(opened.deliver(client))
            for series in range(5):
                deliveries[-1].send(*lines(f"m{series}", 1, value=f"{number}.0"), SPAN)
            deliveries[-1].finish()
        for delivery in deliveries:
            delivery.result()
    assert values(influx, client) == {(f"m{series}", 0): 29.0 for series in range(5)}


def test_a_delivery_of_nothing_is_done_at_once(influx, client, settings):
    send(settings, client)
    assert influx.points(client) == {}


def test_bodies_for_another_machine_are_compressed(influx, client, settings, monkeypatch):
    monkeypatch.setattr(connection, "_is_local", lambda _: False)
    send(settings, client, lines("a", 3))
    assert len(influx.points(client)) == 3


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("http://localhost:8086", True),
        ("http://127.0.0.1", True),
        ("http://127.1.2.3:1", True),
        ("http://[::1]:8086", True),
        ("http://influx:8086", False),
        ("http://10.0.0.1", False),
    ],
)
def test_an_address_of_this_machine_is_known_as_such(host, local):
    assert connection._is_local(host) is local


# ── lines that it will never take ────────────────────────────────────────────────────────────────────────────────────


def test_lines_that_cannot_be_parsed_are_named_and_the_others_stored(influx, client, settings):
    influx.make_bucket(client)
    influx.warm(client, 0)
    good, bad = lines("a", 40), ("a", b"a value=nan 7\n")
    with pytest.raises(BadLines) as error:
        send(settings, client, (good[0], good[1][:200] + bad[1] + good[1][200:]))
    assert str(error.value) == "unable to parse 'a value=nan 7': invalid number: a value=nan 7"
    assert len(values(influx, client)) == 40


def test_no_more_than_ten_bad_lines_are_looked_for_and_three_told(influx, client, settings):
    with pytest.raises(BadLines) as error:
        send(settings, client, ("a", b"".join(b"a value=x%d 7\n" % i for i in range(100))))
    logged = [f"unable to parse 'a value=x{i} 7': invalid boolean: a value=x{i} 7" for i in range(3)]
    assert str(error.value) == "; ".join(logged) + " (and 7 more)"


def test_lines_of_another_type_are_reported_and_the_others_stored(influx, client, settings):
    influx.make_bucket(client)
    influx.write(client, "a value=1i 7\n")
    with pytest.raises(BadLines, match="field type conflict.* dropped=1"):
        send(settings, client, ("a", b"a value=1.5 8\n"), lines("b", 2))
    assert values(influx, client) == {("a", 7): 1.0, ("b", 0): 1.5, ("b", 1): 1.5}


def test_bad_lines_of_one_delivery_are_not_those_of_the_next(influx, client, settings):
    with open_store(settings) as opened:
        bad, good = opened.deliver(client), opened.deliver(client)
        bad.send("a", b"a value=x 7\n", SPAN)
        good.send("a", b"a value=1.5 7\n", SPAN)
        bad.finish()
        good.finish()
        with pytest.raises(BadLines):
            bad.result()
        good.result()


@pytest.mark.parametrize("body", [b"a\n", b"a\nb\n", b"a\nb\nc\n", b"a" * 50 + b"\nb\n", b"a\n" + b"b" * 50 + b"\n"])
def test_a_body_is_halved_between_lines_and_nothing_is_lost(body):
    first, second = connection._halves(body)
    assert first + second == body
    assert first.endswith(b"\n")
    assert bool(second) == (body.count(b"\n") > 1)


def test_lines_of_other_weeks_are_stored_beside_lines_of_another_type(influx, client, settings):
    influx.make_bucket(client)
    influx.write(client, "a value=1i 1751364600\n")
    weeks = {n: 1_751_364_000 + n * 604_800 for n in range(-3, 4)}
    influx.warm(client, *(weeks[n] + 100 for n in weeks if n))
    with pytest.raises(BadLines, match="field type conflict"):
        send(settings, client, ("a", b"".join(b"a value=1.5 %d\n" % seconds for seconds in weeks.values())))

    def found(seconds: int) -> list[str]:
        # one query shows values of one type only, so it must not reach over the week of the other type
        rows = influx.query(f'from(bucket: "{client}") |> range(start: {seconds - 5}, stop: {seconds + 5})')
        return [row["_value"] for row in rows]

    # InfluxDB answers 422 as soon as one week's shard refuses, while it still writes the others
    wait_until(
        lambda: all(found(weeks[n]) == ["1.5"] for n in weeks if n), LONG, lambda: str([*map(found, weeks.values())])
    )
    assert found(weeks[0]) == []


def test_lines_that_are_too_old_for_a_bucket_are_reported_and_the_others_stored(influx, client, settings):
    org = influx.call("GET", "/api/v2/orgs", params={"org": influx.org}).json()["orgs"][0]["id"]
    rules = [{"type": "expire", "everySeconds": 30 * 86_400}]
    influx.call("POST", "/api/v2/buckets", json={"orgID": org, "name": client, "retentionRules": rules})
    now = int(time.time())
    influx.warm(client, *(now - days * 86_400 for days in (1, 10)))
    body = b"".join(b"a value=1.5 %d\n" % (now - days * 86_400) for days in (1, 10, 40, 400))
    with pytest.raises(BadLines, match="violates a Retention Policy"):
        send(settings, client, ("a", body))
    assert values(influx, client) == {("a", now - days * 86_400): 1.5 for days in (1, 10)}


# ── a server that is away or refuses us ──────────────────────────────────────────────────────────────────────────────


def why_not(settings: Settings, bucket: str = "acme") -> str:
    with pytest.raises(StoreAway) as error:
        send(settings, bucket, lines("a", 1))
    assert "token-that" not in str(error.value)
    return str(error.value)


def test_shards_that_cannot_be_changed_keep_no_reading_waiting():
    weekly = ACME.replace(b"[]", b'[{"type":"expire","everySeconds":0,"shardGroupDurationSeconds":604800}]')
    assert weekly != ACME
    with answering(WRITTEN, buckets=(200, JSON, weekly)) as server:  # it answers PATCH with 501
        send(settings_for(server.url), "acme", lines("a", 1))
        assert server.bodies == [lines("a", 1)[1]]


def test_a_failure_of_ours_on_a_connection_is_reported_and_nobody_waits_for_ever(influx, client, settings, monkeypatch):
    def fails(*_arguments):
        raise MemoryError("no more")

    monkeypatch.setattr("powerview.store.connection.Connection._post", fails)
    assert why_not(settings, client) == (
        "PowerView failed while it wrote to InfluxDB (MemoryError: no more): report it"
    )


def test_a_server_that_speaks_no_tls_is_named_with_the_cause(influx):
    secure = influx.url.replace("http:", "https:")
    assert why_not(settings_for(secure)).startswith(f"no secure connection to InfluxDB at {secure} (SSLError [SSL: ")


def test_a_token_that_it_does_not_know_is_named(influx, client):
    settings = settings_for(influx.url, "token-that-is-wrong", INFLUXDB_ORG=influx.org)
    assert why_not(settings, client) == (
        f"InfluxDB at {influx.url} does not accept the token in INFLUXDB_ADMIN_TOKEN (401, set in {ENV_FILE})"
    )


def test_an_organisation_that_it_does_not_have_is_named(influx, client):
    settings = settings_for(influx.url, influx.token, INFLUXDB_ORG="nobody")
    assert why_not(settings, client) == (
        f"InfluxDB at {influx.url} does not find bucket '{client}' of INFLUXDB_ORG 'nobody' (404, set in {ENV_FILE}): "
        'organization name "nobody" not found'
    )


def test_a_token_that_may_only_read_is_named(influx, client):
    bucket = influx.make_bucket(client)
    org = influx.call("GET", "/api/v2/orgs", params={"org": influx.org}).json()["orgs"][0]["id"]
    rights = [{"action": "read", "resource": {"type": "buckets", "id": bucket, "orgID": org}}]
    made = influx.call("POST", "/api/v2/authorizations", json={"orgID": org, "permissions": rights}).json()
    settings = settings_for(influx.url, made["token"], INFLUXDB_ORG=influx.org)
    said = why_not(settings, client)
    assert said.startswith(f"the token in INFLUXDB_ADMIN_TOKEN has no access to bucket '{client}' (403, set in ")
    assert made["token"] not in said


def test_a_server_that_is_not_there_is_named():
    port = free_port()
    said = why_not(settings_for(f"http://127.0.0.1:{port}"))
    assert said.startswith(f"InfluxDB does not answer at http://127.0.0.1:{port} (")
    assert said.endswith(f"): is it running, and is INFLUXDB_HOST right? (set in {ENV_FILE})")


def test_a_host_that_does_not_exist_is_named():
    said = why_not(settings_for("http://powerview.invalid:8086"))
    assert said.startswith("InfluxDB does not answer at http://powerview.invalid:8086 (")


ACME = b'{"buckets":[{"id":"1","orgID":"2","name":"acme","retentionRules":[]}]}'


class Answers(ThreadingHTTPServer):
    """A server that answers each write with the next of `answers` (the last one again and again), and keeps bodies.

    What is asked of it is answered with 501.
    """

    daemon_threads = True

    def __init__(self, *answers: tuple[int, dict[str, str], bytes], buckets: tuple | None = None) -> None:
        self.answers = list(answers)
        self.buckets = buckets or (200, {"Content-Type": "application/json"}, ACME)
        self.bodies: list[bytes] = []
        self.ports: list[int] = []
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._say(*self.server.buckets)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/api/v2/query"):
            return self._say(501, {}, b"")
        self.server.bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        self.server.ports.append(self.client_address[1])
        answers = self.server.answers
        return self._say(*(answers.pop(0) if len(answers) > 1 else answers[0]))

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for header in headers.items():
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


@contextmanager
def answering(*answers, **how):
    with Answers(*answers, **how) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


JSON = {"Content-Type": "application/json"}
WRITTEN = (204, {}, b"")
WHERE = f"(set in {ENV_FILE})"
NO_INFLUXDB = "what answers at URL is not InfluxDB 2"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (429, {"Retry-After": "300", **JSON}, b'{"code":"too many requests","message":"slow down"}'),
            "InfluxDB at URL is busy (429, asks to retry in 300 s): slow down",
        ),
        ((503, JSON, b'{"message":"not ready"}'), "InfluxDB at URL is busy (503): not ready"),
        (
            (500, JSON, b'{"code":"internal error","message":"disk is full"}'),
            "InfluxDB at URL failed (500): disk is full. Its own log shows why",
        ),
        ((502, {}, b""), "InfluxDB at URL failed (502): Bad Gateway. Its own log shows why"),
        ((200, {}, b"<html>hello</html>"), f"{NO_INFLUXDB} (200): check INFLUXDB_HOST {WHERE}"),
        ((302, {"Location": "/login"}, b""), f"{NO_INFLUXDB} (302 Found): check INFLUXDB_HOST {WHERE}"),
        ((404, {}, b"404 page not found"), f"{NO_INFLUXDB} (404 404 page not found): check INFLUXDB_HOST {WHERE}"),
        ((405, {}, b"no"), f"{NO_INFLUXDB} (405 no): check INFLUXDB_HOST {WHERE}"),
        (
            (401, JSON, b'{"code":"unauthorized","message":"unauthorized access"}'),
            f"InfluxDB at URL does not accept the token in INFLUXDB_ADMIN_TOKEN (401, set in {ENV_FILE})",
        ),
        (
            (404, JSON, b'{"code":"not found","message":"bucket \\"acme\\" not found"}'),
            f"InfluxDB at URL does not find bucket 'acme' of INFLUXDB_ORG 'powerview' (404, set in {ENV_FILE}): "
            'bucket "acme" not found',
        ),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_say_written_keeps_everything_pending(answer, said):
    with answering(answer) as server:
        assert why_not(settings_for(server.url)).replace(server.url, "URL") == said
        assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "buckets",
    [(200, {}, b"<html>hello</html>"), (200, JSON, b"{}"), (200, JSON, b"[]"), (200, JSON, b'{"buckets":'),
     (200, JSON, b"null"), (404, {}, b"404 page not found"), (301, {"Location": "/"}, b"")],
)  # fmt: skip
def test_what_answers_like_no_influxdb_at_all_is_reported_and_no_traceback(buckets):
    with answering((404, {}, b"404 page not found"), buckets=buckets) as server:
        said = why_not(settings_for(server.url))
    assert "INFLUXDB_HOST" in said or "INFLUXDB_ORG" in said


# ── a server such as InfluxDB Cloud ──────────────────────────────────────────────────────────────────────────────────


class _Cloud(BaseHTTPRequestHandler):
    """Makes buckets only as a plan of InfluxDB Cloud allows, and takes writes no faster than it allows."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = [{"name": name, "id": "0" * 16, "retentionRules": []} for name in self.server.made]
        self._answer(
            200,
            {
                "buckets": [b for b in found if f"name={b['name']}" in self.path],
                "orgs": [{"id": "1" * 16, "name": "powerview"}],
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "/buckets" in self.path:
            self._make(json.loads(body))
        elif self.path.startswith("/api/v2/query"):
            self._answer(501, None)
        elif self.server.busy:
            self.server.busy -= 1
            self._answer(429, {"code": "too many requests", "message": "write limit of the plan"}, {"Retry-After": "1"})
        else:
            self.server.written.append(body)
            self._answer(204, None)

    def _make(self, bucket: dict) -> None:
        if len(bucket["name"]) < 2:
            self._answer(422, {"code": "unprocessable entity", "message": "name must be at least 2 characters"})
        elif any("shardGroupDurationSeconds" in rule for rule in bucket["retentionRules"]):
            self._answer(400, {"code": "invalid", "message": "shard-group duration is not supported"})
        elif any(rule["everySeconds"] == 0 for rule in bucket["retentionRules"]):
            self._answer(403, {"code": "forbidden", "message": "the plan limits the retention to 30 days"})
        else:
            self.server.made.append(bucket["name"])
            self._answer(201, {"name": bucket["name"], "id": "0" * 16, "retentionRules": []})

    def _answer(self, status: int, content: dict | None, headers: dict | None = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for header in {**JSON, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


@pytest.fixture
def cloud():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Cloud) as server:
        server.daemon_threads = True
        server.made, server.written, server.busy = [], [], 2
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_on_influxdb_cloud_a_bucket_is_made_without_what_it_refuses_and_a_busy_server_is_waited_for(cloud):
    send(settings_for(cloud.url), "acme", lines("a", 2))
    assert cloud.made == ["acme"]
    assert cloud.written == [lines("a", 2)[1]]


def test_a_name_that_influxdb_cloud_refuses_is_named_with_the_remedy(cloud):
    assert why_not(settings_for(cloud.url), "a") == (
        "InfluxDB refuses bucket 'a' (422: name must be at least 2 characters): InfluxDB Cloud wants names of two "
        "characters. Rename the client's folder"
    )


def test_a_server_that_asks_for_patience_is_asked_again_after_it():
    busy = (429, {"Retry-After": "1", **JSON}, b'{"message":"limit of the plan"}')
    with answering(busy, busy, WRITTEN) as server:
        started = time.monotonic()
        send(settings_for(server.url), "acme", lines("a", 1))
        assert time.monotonic() - started >= 2
        assert len(server.bodies) == 3


def test_a_run_does_not_wait_for_ever_for_a_busy_server(monkeypatch):
    monkeypatch.setattr(influxdb, "MOST_WAIT", 2)
    busy = (429, {"Retry-After": "1", **JSON}, b'{"message":"limit of the plan"}')
    with answering(busy) as server:
        assert why_not(settings_for(server.url)).endswith("asks to retry in 1 s): limit of the plan")
        assert len(server.bodies) == 3


def test_a_run_that_ends_does_not_wait_for_a_busy_server(monkeypatch):
    monkeypatch.setattr(influxdb, "LONGEST_WAIT", 10 * LONG)
    monkeypatch.setattr(influxdb, "MOST_WAIT", 10 * LONG)
    with answering((429, {"Retry-After": f"{10 * LONG}", **JSON}, b"{}")) as server:
        opened = InfluxStore(settings_for(server.url))
        delivery = opened.deliver("acme")
        delivery.send(*lines("a", 1), SPAN)
        delivery.finish()
        wait_until(lambda: server.bodies, LONG, lambda: "nothing was sent")
        opened.close()
        threads = [each._thread for each in opened._connections]
        wait_until(lambda: not any(thread.is_alive() for thread in threads), LONG, lambda: "a connection waits")


def test_a_body_that_a_proxy_finds_too_large_is_sent_in_halves():
    _, body = lines("a", 8)
    with answering((413, {}, b"too large"), WRITTEN, (413, {}, b"too large"), WRITTEN, WRITTEN) as server:
        send(settings_for(server.url), "acme", ("a", body))
        assert server.bodies[0] == server.bodies[1] + server.bodies[2] == body
        assert server.bodies[2] == server.bodies[3] + server.bodies[4]


def test_a_series_stays_on_one_connection_so_that_a_slow_write_never_lands_late():
    with answering(WRITTEN) as server, open_store(settings_for(server.url)) as opened:
        for number in range(12):
            delivery = opened.deliver("acme")
            for series in range(6):
                delivery.send(*lines(f"m{series}", number + series, value="1" * (number + 1)), SPAN)
            delivery.finish()
            delivery.result()
        carried: dict[bytes, set[int]] = {}
        for body, port in zip(server.bodies, server.ports, strict=True):
            for line in body.splitlines():
                carried.setdefault(line.split(b" ")[0], set()).add(port)
    assert [len(ports) for ports in carried.values()] == [1] * 6
    assert len(set.union(*carried.values())) == 2


class _Slow(BaseHTTPRequestHandler):
    """Notes how many writes are under way at once, for each bucket and day."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = ACME
        self.send_response(200)
        for header in {**JSON, "Content-Length": str(len(body))}.items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/api/v2/query"):
            self.send_error(501)
            return
        days = {int(line.rsplit(b" ", 1)[1]) // 86_400 for line in body.splitlines()}
        with self.server.lock:
            first = days - self.server.seen
            self.server.raced |= first & self.server.busy
            self.server.busy |= days
        time.sleep(0.02)  # no condition to wait for: the length of the answer is the test
        with self.server.lock:
            self.server.busy -= days
            self.server.seen |= days
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments) -> None:
        pass


def test_no_two_connections_are_the_first_to_write_to_a_day_at_the_same_time(monkeypatch):
    monkeypatch.setattr(connection, "BODY_BYTES", 500)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        server.lock, server.busy, server.seen, server.together, server.raced = (
            threading.Lock(),
            set(),
            set(),
            set(),
            set(),
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with open_store(settings_for(f"http://127.0.0.1:{server.server_port}")) as opened:
                delivery = opened.deliver("acme")
                for block in range(4):
                    for series in range(6):
                        seconds = [86_400 * (4 * block + day) + i for day in range(4) for i in range(3)]
                        part = "".join(f"m{series} value=1 {second}\n" for second in seconds).encode()
                        delivery.send(f"m{series}", part, (seconds[0], seconds[-1]))
                delivery.finish()
                delivery.result()
        finally:
            server.shutdown()
            thread.join()
    assert server.seen == set(range(16))
    assert server.raced == set()


def test_a_day_that_was_not_written_to_for_minutes_has_a_first_write_again(monkeypatch):
    first_writes = FirstWrites()
    one, two, three = Future(), Future(), Future()
    assert first_writes.of_others("acme", [7], 0, one) == set()
    assert first_writes.of_others("acme", [7, 8], 1, two) == {one}
    assert first_writes.of_others("acme", [8], 0, three) == {two}
    assert first_writes.of_others("globex", [7], 1, two) == set()
    one.set_result([])
    assert first_writes.of_others("acme", [7], 1, two) == set()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 241)
    assert first_writes.of_others("acme", [7], 0, three) == set()
    assert first_writes.of_others("acme", [7], 1, two) == {three}


def test_after_one_refusal_nothing_more_is_sent():
    with answering((500, {}, b"")) as server, open_store(settings_for(server.url)) as opened:
        first = opened.deliver("acme")
        first.send(*lines("a", 1), SPAN)
        first.finish()
        with pytest.raises(StoreAway):
            first.result()
        with pytest.raises(StoreAway, match="failed .500."):
            opened.deliver("acme")
        assert len(server.bodies) == 1


def test_a_run_that_ends_early_drops_what_is_not_yet_on_its_way():
    with answering(WRITTEN) as server:
        opened = InfluxStore(settings_for(server.url))
        delivery = opened.deliver("acme")
        delivery.send(*lines("a", 1), SPAN)
        opened.close()
        delivery.finish()
        assert server.bodies == []
        assert not delivery.done


def test_an_answer_that_never_comes_is_not_waited_for_for_ever(monkeypatch):
    asked = threading.Event()

    class Silent(_Answer):
        def do_POST(self) -> None:
            asked.set()
            self.rfile.read()

    with answering(WRITTEN) as server, open_store(settings_for(server.url)) as opened:
        server.RequestHandlerClass = Silent
        delivery = opened.deliver("acme")  # the bucket is found by now
        monkeypatch.setattr(connection, "ANSWER_MS", 200)
        delivery.send(*lines("a", 1), SPAN)
        delivery.finish()
        with pytest.raises(StoreAway) as error:
            delivery.result()
        assert asked.wait(LONG)
    said = str(error.value)
    assert said.startswith(f"InfluxDB does not answer at {server.url} (")
    assert "timed out" in said


def test_a_result_is_waited_for(influx, client, settings):
    with open_store(settings) as opened:
        delivery = opened.deliver(client)
        delivery.send(*lines("a", 5000), SPAN)
        assert not delivery.done
        delivery.finish()
        wait_until(lambda: delivery.done, LONG, lambda: "no answer")
        delivery.result()
    assert len(influx.points(client)) == 5000


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "line-protocol"


def write(opened: FileStore, bucket: str, *parts: bytes) -> None:
    delivery = opened.deliver(bucket)
    for part in parts:
        delivery.send("series", part, SPAN)
    assert not delivery.done
    delivery.finish()
    assert delivery.done
    delivery.result()


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_without_an_influxdb_files_beside_the_tree_are_the_store(tmp_path):
    settings = load_settings({"POWERVIEW_DATA_DIR": str(tmp_path / "data")}, ENV_FILE)
    for _ in range(2):
        with open_store(settings) as opened:
            write(opened, "acme", b"a value=1 1\n", b"b value=2 2\n")
            write(opened, "globex", b"c value=3 3\n")
    both = b"a value=1 1\nb value=2 2\n" * 2
    assert contents(tmp_path / "line-protocol") == {"acme.lp": both, "globex.lp": b"c value=3 3\n" * 2}


def test_files_for_a_look_are_begun_anew_by_each_run(folder):
    settings = load_settings({"INFLUXDB_HOST": "http://localhost:1", "INFLUXDB_ADMIN_TOKEN": "t"}, ENV_FILE)
    for number in range(2):
        with open_store(settings, folder) as opened:
            write(opened, "acme", b"a value=1 %d\n" % number)
            write(opened, "acme", b"b value=1 %d\n" % number)
    assert contents(folder) == {"acme.lp": b"a value=1 1\nb value=1 1\n"}


def test_a_dry_run_writes_nothing_anywhere(tmp_path):
    settings = load_settings({"POWERVIEW_DATA_DIR": str(tmp_path / "data")}, ENV_FILE)
    with open_store(settings, dry_run=True) as opened:
        delivery = opened.deliver("acme")
        delivery.send("a", b"a value=1 1\n", SPAN)
        delivery.finish()
        delivery.result()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [b"a value=1 1\nb val", b"b val", b"x" * 200_000, b"a value=1 1\n" + b"x" * 200_000])
def test_half_a_line_that_a_killed_run_left_is_cut_away(folder, left):
    folder.mkdir()
    (folder / "acme.lp").write_bytes(left)
    opened = FileStore(folder)
    write(opened, "acme", b"c value=3 3\n")
    opened.close()
    assert contents(folder) == {"acme.lp": left[: left.rfind(b"\n") + 1] + b"c value=3 3\n"}


def test_a_file_that_is_a_symlink_is_not_written_through(folder, tmp_path):
    folder.mkdir()
    (folder / "acme.lp").symlink_to(tmp_path / "precious")
    with pytest.raises(StoreAway) as error:
        FileStore(folder).deliver("acme")
    assert str(error.value).startswith(
        f"line protocol files cannot be written in {folder}: Too many levels of symbolic"
    )
    assert not (tmp_path / "precious").exists()


def test_a_folder_that_cannot_be_made_is_reported(folder):
    folder.write_text("no folder")
    with pytest.raises(StoreAway) as error:
        FileStore(folder).deliver("acme")
    assert str(error.value) == (
        f"line protocol files cannot be written in {folder}: File exists. Make room, or let this user write there, or "
        "name an InfluxDB in INFLUXDB_HOST"
    )


def test_a_full_disk_leaves_whole_lines_and_is_reported(folder, monkeypatch):
    opened = FileStore(folder)
    write(opened, "acme", b"a value=1 1\n")
    real = os.write
    room = [10]

    def full(descriptor: int, data) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        taken = real(descriptor, bytes(data)[: room[0]])
        room[0] -= taken
        return taken

    monkeypatch.setattr(os, "write", full)
    delivery = opened.deliver("acme")
    delivery.send("b", b"b value=2 2\n", SPAN)
    delivery.send("c", b"c value=3 3\n", SPAN)
    delivery.finish()
    with pytest.raises(StoreAway, match="No space left on device. Make room"):
        delivery.result()
    monkeypatch.undo()
    opened.close()
    assert contents(folder) == {"acme.lp": b"a value=1 1\n"}


def test_the_files_are_not_for_everybody(folder):
    opened = FileStore(folder)
    write(opened, "acme", b"a value=1 1\n")
    opened.close()
    assert (folder / "acme.lp").stat().st_mode & 0o007 == 0
