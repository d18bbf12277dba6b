"""The server, or the network before it, fails."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from influx_server import InfluxServer

from faults import proxy, trees
from faults.catalog import expect, fault, pending
from faults.proxy import Plan, writes_only
from faults.site import Site

AWAY = 75
MIDDLE = range(3, 5)
"""Numbers of the writes that are hit where a fault comes in the middle."""


def send(site: Site) -> None:
    """Loggers whose files contradict each other, and one file of several bodies."""
    site.put(*trees.fleet(), trees.bulky())


def under(site: Site, plan: Plan, status: int = AWAY) -> str:
    """Run with that plan; returns how it ended."""
    send(site)
    site.proxy.plan = plan
    expect(site.parse(), status)
    return f"status {status}, {pending(site)}"


@fault("down", quick=True)
def down(site: Site) -> str:
    send(site)
    site.proxy.down()
    expect(site.parse(), AWAY)
    assert site.pending() == len(site.uploads)
    return f"status 75, {pending(site)}"


@fault("down in the middle", quick=True)
def down_in_the_middle(site: Site) -> str:
    return under(site, writes_only(lambda request: request.proxy.cut_off(), MIDDLE))


@fault("back after three failed runs")
def back_later(site: Site) -> str:
    send(site)
    site.proxy.down()
    for _ in range(3):
        expect(site.parse(), AWAY)
    said = [line for line in site.log() if " OK " not in line]
    return f"status 75 three times, {len(said)} log lines, {pending(site)}"


@fault("401: the token is not known", quick=True)
def unknown_token(site: Site) -> str:
    send(site)
    ended = expect(site.parse(INFLUXDB_ADMIN_TOKEN="of-another-server"), AWAY)
    assert "INFLUXDB_ADMIN_TOKEN" in ended.err, ended.err
    assert "of-another-server" not in ended.err + ended.out + "".join(site.log())
    return f"status 75, names INFLUXDB_ADMIN_TOKEN, {pending(site)}"


@fault("403: the token may only read")
def reading_token(site: Site) -> str:
    send(site)
    right = {"action": "read", "resource": {"type": "buckets", "orgID": site.org_id}}
    body = {"orgID": site.org_id, "permissions": [right]}
    token = site.server.call("POST", "/api/v2/authorizations", json=body).json()["token"]
    ended = expect(site.parse(INFLUXDB_ADMIN_TOKEN=token), AWAY)
    assert "INFLUXDB_ADMIN_TOKEN" in ended.err, ended.err
    assert token not in ended.err + ended.out + "".join(site.log())
    return f"status 75, names INFLUXDB_ADMIN_TOKEN, {pending(site)}"


@fault("404: the organisation is not known")
def unknown_organisation(site: Site) -> str:
    send(site)
    ended = expect(site.parse(INFLUXDB_ORG="nobody"), AWAY)
    assert "INFLUXDB_ORG" in ended.err, ended.err
    return f"status 75, names INFLUXDB_ORG, {pending(site)}"


@fault("404: the bucket goes in the middle")
def bucket_goes(site: Site) -> str:
    send(site)
    bucket = site.server.make_bucket("company1")
    seen = []

    def plan(request: proxy.Request) -> None:
        if request.is_write and "bucket=company1" in request.path:
            seen.append(request.number)
            if len(seen) == 2:
                site.server.call("DELETE", f"/api/v2/buckets/{bucket}")
        proxy.hand_on(request)

    site.proxy.plan = plan
    expect(site.parse(), AWAY)
    what = f"status 75, {pending(site)}; what was in the bucket came back by --again"
    site.proxy.heal()
    expect(site.parse("--again"), 0)
    return what


@fault("429 with Retry-After, several times in a row", quick=True)
def too_many(site: Site) -> str:
    refusal = proxy.refuse(429, "too many requests", "slow down", Retry_After="1")
    return under(site, writes_only(refusal, MIDDLE), status=0) + ", waited each time"


@fault("429 that asks for an hour")
def too_many_for_long(site: Site) -> str:
    refusal = proxy.refuse(429, "too many requests", "slow down", Retry_After="3600")
    return under(site, writes_only(refusal, MIDDLE))


@fault("500 on one write")
def internal_error(site: Site) -> str:
    return under(site, writes_only(proxy.refuse(500, "internal error", "engine: cache full"), MIDDLE))


@fault("503 on everything", quick=True)
def unavailable(site: Site) -> str:
    return under(site, proxy.refuse(503, "unavailable", "starting up"))


@fault("another web server answers")
def another_server(site: Site) -> str:
    return under(site, proxy.refuse(200, "welcome", "to the printer"))


@fault("413 for bodies over 100 kB")
def too_large(site: Site) -> str:
    refusal = proxy.refuse(413, "request too large", "request entity too large")

    def plan(request: proxy.Request) -> None:
        (refusal if request.is_write and request.length > 100_000 else proxy.hand_on)(request)

    return under(site, plan, status=0) + ", bodies halved"


@fault("422: older than the bucket keeps")
def too_old(site: Site) -> str:
    send(site)
    rules = [{"type": "expire", "everySeconds": 86_400}]
    body = {"orgID": site.org_id, "name": "company0", "retentionRules": rules}
    bucket = site.server.call("POST", "/api/v2/buckets", json=body).json()["id"]
    expect(site.parse(), 1)
    refused = back_from_error(site, "InfluxDB rejected")
    for_ever = {"retentionRules": [{"type": "expire", "everySeconds": 0}]}
    site.server.call("PATCH", f"/api/v2/buckets/{bucket}", json=for_ever)
    return f"status 1, {refused} files in error/ with the reason; moved back when the bucket keeps everything"


@fault("422 on one batch: a field of another type")
def other_type(site: Site) -> str:
    send(site)
    site.server.make_bucket("company0")
    site.server.write("company0", "campaign0,channel=x value=1i 1767225600")  # where bulky() begins
    expect(site.parse(), 1)
    refused = back_from_error(site, "InfluxDB rejected")
    ends = {"start": "1970-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z", "predicate": '_measurement="campaign0"'}
    site.server.call("POST", "/api/v2/delete", params={"org": site.org, "bucket": "company0"}, json=ends)
    expect(site.parse("--again"), 0, 1)
    return f"status 1, {refused} files in error/ with the reason; moved back when the stray field is gone"


def back_from_error(site: Site, reason: str) -> int:
    """Do what an admin does once the cause is gone: move files from error/ back. Returns how many."""
    files = sorted(site.data.rglob("error/*.tsv"))
    assert files, "nothing went to error/"
    for file in files:
        note = Path(f"{file}.reason.txt")
        assert reason in note.read_text(), note.read_text()
        note.unlink()
        file.rename(file.parent.parent / file.name)
    return len(files)


@fault("an answer that never comes")
def silence(site: Site) -> str:
    return under(site, writes_only(proxy.stay_silent, MIDDLE))


@fault("stored, but the answer never comes")
def silence_after_storing(site: Site) -> str:
    return under(site, writes_only(proxy.store_and_stay_silent, MIDDLE))


@fault("an answer cut", quick=True)
def answer_cut(site: Site) -> str:
    return under(site, writes_only(proxy.cut_the_answer, MIDDLE))


@fault("a request cut", quick=True)
def request_cut(site: Site) -> str:
    return under(site, writes_only(proxy.cut_the_request, MIDDLE))


@fault("two seconds for every answer")
def slow(site: Site) -> str:
    site.put(*trees.fleet(loggers=2))
    site.proxy.plan = proxy.answer_late(2)
    expect(site.parse(), 0)
    return f"status 0, {pending(site)}"


@fault("InfluxDB killed in the middle of each run")
def server_killed(site: Site) -> str:
    # A server of its own: the others go on. Every write that it answered must be there when it is started again.
    with TemporaryDirectory(prefix="powerview-fault-") as folder:
        server = InfluxServer(Path(folder)).start()
        try:
            return kill_again_and_again(site, server)
        finally:
            server.stop()


def kill_again_and_again(site: Site, server: InfluxServer) -> str:
    """Kill the server at the 2nd, 5th and 9th write of three runs; the store of the last is then the site's own."""
    whole = site.server, site.org_id, site.proxy
    send(site)
    with proxy.FaultProxy(server.url) as between:
        server_org = server.call("GET", "/api/v2/orgs", params={"org": server.org}).json()["orgs"][0]["id"]
        site.server, site.org_id, site.proxy = server, server_org, between
        for number in (2, 5, 9):
            between.writes = 0
            between.plan = kill_at(server, number)
            expect(site.parse(INFLUXDB_ORG=server.org), AWAY)
            server.start()
        between.plan = proxy.hand_on
        expect(site.parse(INFLUXDB_ORG=server.org), 0)
        judged = site.judge()
    site.server, site.org_id, site.proxy = whole
    assert (judged.lost, judged.wrong, judged.unfinished) == (0, 0, 0), judged
    expect(site.parse("--again"), 0)
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
