"""The server, or the network before it, fails."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from influx_server import InfluxServer

from faults import proxy, trees
from faults.catalog import expect, fault, pending
from faults.house import House
from faults.proxy import Plan, writes_only

AWAY = 75
MIDDLE = range(3, 5)
"""Numbers of the writes that are hit where a fault comes in the middle."""


def send(house: House) -> None:
    """Loggers whose files contradict each other, and one file of several bodies."""
    house.put(*trees.fleet(), trees.bulky())


def under(house: House, plan: Plan, status: int = AWAY) -> str:
    """Run with that plan; returns how it ended."""
    send(house)
    house.proxy.plan = plan
    expect(house.parse(), status)
    return f"status {status}, {pending(house)}"


@fault("down", quick=True)
def down(house: House) -> str:
    send(house)
    house.proxy.down()
    expect(house.parse(), AWAY)
    assert house.pending() == len(house.uploads)
    return f"status 75, {pending(house)}"


@fault("down in the middle", quick=True)
def down_in_the_middle(house: House) -> str:
    return under(house, writes_only(lambda request: request.proxy.cut_off(), MIDDLE))


@fault("back after three failed runs")
def back_later(house: House) -> str:
    send(house)
    house.proxy.down()
    for _ in range(3):
        expect(house.parse(), AWAY)
    said = [line for line in house.log() if " OK " not in line]
    return f"status 75 three times, {len(said)} log lines, {pending(house)}"


@fault("401: the token is not known", quick=True)
def unknown_token(house: House) -> str:
    send(house)
    ended = expect(house.parse(INFLUXDB_ADMIN_TOKEN="of-another-server"), AWAY)
    assert "INFLUXDB_ADMIN_TOKEN" in ended.err, ended.err
    assert "of-another-server" not in ended.err + ended.out + "".join(house.log())
    return f"status 75, names INFLUXDB_ADMIN_TOKEN, {pending(house)}"


@fault("403: the token may only read")
def reading_token(house: House) -> str:
    send(house)
    right = {"action": "read", "resource": {"type": "buckets", "orgID": house.org_id}}
    body = {"orgID": house.org_id, "permissions": [right]}
    token = house.server.call("POST", "/api/v2/authorizations", json=body).json()["token"]
    ended = expect(house.parse(INFLUXDB_ADMIN_TOKEN=token), AWAY)
    assert "INFLUXDB_ADMIN_TOKEN" in ended.err, ended.err
    assert token not in ended.err + ended.out + "".join(house.log())
    return f"status 75, names INFLUXDB_ADMIN_TOKEN, {pending(house)}"


@fault("404: the organisation is not known")
def unknown_organisation(house: House) -> str:
    send(house)
    ended = expect(house.parse(INFLUXDB_ORG="nobody"), AWAY)
    assert "INFLUXDB_ORG" in ended.err, ended.err
    return f"status 75, names INFLUXDB_ORG, {pending(house)}"


@fault("404: the bucket goes in the middle")
def bucket_goes(house: House) -> str:
    send(house)
    bucket = house.server.make_bucket("company1")
    seen = []

    def plan(request: proxy.Request) -> None:
        if request.is_write and "bucket=company1" in request.path:
            seen.append(request.number)
            if len(seen) == 2:
                house.server.call("DELETE", f"/api/v2/buckets/{bucket}")
        proxy.hand_on(request)

    house.proxy.plan = plan
    expect(house.parse(), AWAY)
    what = f"status 75, {pending(house)}; what was in the bucket came back by --again"
    house.proxy.heal()
    expect(house.parse("--again"), 0)
    return what


@fault("429 with Retry-After, several times in a row", quick=True)
def too_many(house: House) -> str:
    refusal = proxy.refuse(429, "too many requests", "slow down", Retry_After="1")
    return under(house, writes_only(refusal, MIDDLE), status=0) + ", waited each time"


@fault("429 that asks for an hour")
def too_many_for_long(house: House) -> str:
    refusal = proxy.refuse(429, "too many requests", "slow down", Retry_After="3600")
    return under(house, writes_only(refusal, MIDDLE))


@fault("500 on one write")
def internal_error(house: House) -> str:
    return under(house, writes_only(proxy.refuse(500, "internal error", "engine: cache full"), MIDDLE))


@fault("503 on everything", quick=True)
def unavailable(house: House) -> str:
    return under(house, proxy.refuse(503, "unavailable", "starting up"))


@fault("another web server answers")
def another_server(house: House) -> str:
    return under(house, proxy.refuse(200, "welcome", "to the printer"))


@fault("413 for bodies over 100 kB")
def too_large(house: House) -> str:
    refusal = proxy.refuse(413, "request too large", "request entity too large")

    def plan(request: proxy.Request) -> None:
        (refusal if request.is_write and request.length > 100_000 else proxy.hand_on)(request)

    return under(house, plan, status=0) + ", bodies halved"


@fault("422: older than the bucket keeps", quick=True)
def too_old(house: House) -> str:
    send(house)
    rules = [{"type": "expire", "everySeconds": 86_400}]
    body = {"orgID": house.org_id, "name": "company0", "retentionRules": rules}
    bucket = house.server.call("POST", "/api/v2/buckets", json=body).json()["id"]
    expect(house.parse(), 1)
    refused = back_from_error(house, "InfluxDB rejected")
    for_ever = {"retentionRules": [{"type": "expire", "everySeconds": 0}]}
    house.server.call("PATCH", f"/api/v2/buckets/{bucket}", json=for_ever)
    return f"status 1, {refused} files in error/ with the reason; moved back when the bucket keeps everything"


@fault("422 on one batch: a field of another type")
def other_type(house: House) -> str:
    send(house)
    house.server.make_bucket("company0")
    house.server.write("company0", "campaign0,channel=x value=1i 1767225600")  # where bulky() begins
    expect(house.parse(), 1)
    refused = back_from_error(house, "InfluxDB rejected")
    ends = {"start": "1970-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z", "predicate": '_measurement="campaign0"'}
    house.server.call("POST", "/api/v2/delete", params={"org": house.org, "bucket": "company0"}, json=ends)
    expect(house.parse("--again"), 0, 1)
    return f"status 1, {refused} files in error/ with the reason; moved back when the stray field is gone"


def back_from_error(house: House, reason: str) -> int:
    """Do what an admin does once the cause is gone: move files from error/ back. Returns how many."""
    files = sorted(house.data.rglob("error/*.tsv"))
    assert files, "nothing went to error/"
    for file in files:
        note = Path(f"{file}.reason.txt")
        assert reason in note.read_text(), note.read_text()
        note.unlink()
        file.rename(file.parent.parent / file.name)
    return len(files)


@fault("an answer that never comes")
def silence(house: House) -> str:
    return under(house, writes_only(proxy.stay_silent, MIDDLE))


@fault("stored, but the answer never comes")
def silence_after_storing(house: House) -> str:
    return under(house, writes_only(proxy.store_and_stay_silent, MIDDLE))


@fault("an answer cut", quick=True)
def answer_cut(house: House) -> str:
    return under(house, writes_only(proxy.cut_the_answer, MIDDLE))


@fault("a request cut", quick=True)
def request_cut(house: House) -> str:
    return under(house, writes_only(proxy.cut_the_request, MIDDLE))


@fault("two seconds for every answer")
def slow(house: House) -> str:
    house.put(*trees.fleet(loggers=2))
    house.proxy.plan = proxy.answer_late(2)
    expect(house.parse(), 0)
    return f"status 0, {pending(house)}"


@fault("InfluxDB killed in the middle of each run")
def server_killed(house: House) -> str:
    # A server of its own: the others go on. Every write that it answered must be there when it is started again.
    with TemporaryDirectory(prefix="powerview-fault-") as folder:
        server = InfluxServer(Path(folder)).start()
        try:
            return kill_again_and_again(house, server)
        finally:
            server.stop()


def kill_again_and_again(house: House, server: InfluxServer) -> str:
    """Kill the server at the 2nd, 5th and 9th write of three runs; the store of the last is then the house's own."""
    whole = house.server, house.org_id, house.proxy
    send(house)
    with proxy.FaultProxy(server.url) as between:
        server_org = server.call("GET", "/api/v2/orgs", params={"org": server.org}).json()["orgs"][0]["id"]
        house.server, house.org_id, house.proxy = server, server_org, between
        for number in (2, 5, 9):
            between.writes = 0
            between.plan = kill_at(server, number)
            expect(house.parse(INFLUXDB_ORG=server.org), AWAY)
            server.start()
        between.plan = proxy.hand_on
        expect(house.parse(INFLUXDB_ORG=server.org), 0)
        judged = house.judge()
    house.server, house.org_id, house.proxy = whole
    assert (judged.lost, judged.wrong, judged.unfinished) == (0, 0, 0), judged
    expect(house.parse("--again"), 0)
    return "status 75 three times; all there after the fourth run"


def kill_at(server: InfluxServer, number: int) -> Plan:
    """Kill the server when that write arrives."""

    def plan(request: proxy.Request) -> None:
        if request.is_write and request.number == number:
            server.kill()
            request.reset()
        else:
            proxy.hand_on(request)

    return plan
