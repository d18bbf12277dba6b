"""Bodies of small files are joined into one write: each file gets its own answer, in its own order."""

from __future__ import annotations

import threading
import zlib

import pytest
from faults import proxy as proxies
from faults.proxy import FaultProxy, Request
from test_ingest import run, statuses
from test_store import SPAN, lines, settings_for, values
from trees import Site, v002
from waiting import LONG, wait_until

from powerview.ingest.journal import Status
from powerview.store import BadLines, influxdb, open_store
from powerview.store.buckets import SHARD_SECONDS
from powerview.store.connection import Body

FOLDER = "roof/02001283"
SUMMER, DECEMBER = 1_751_364_000, 1_764_586_800
TOO_LARGE = proxies.refuse(413, "request too large", "request entity too large")


class Gate:
    """A proxy's plan that holds the first write to a bucket until `wanted` bodies were handed to the connection, so
    that those behind it wait together; none is handed on before that write has begun.

    `bodies` are the writes as they came; `refuse` may answer one of them.
    """

    def __init__(self, monkeypatch, bucket: str, wanted: int, refuse=lambda _: None) -> None:
        self.bodies: list[bytes] = []
        self._bucket, self._wanted, self._refuse = bucket, wanted, refuse
        self._handed = [0]
        real = influxdb._InfluxDelivery._put

        def put(delivery, which: int) -> None:
            real(delivery, which)
            self._handed[0] += 1
            wait_until(lambda: self.bodies, LONG, lambda: "the first body was not written")

        monkeypatch.setattr(influxdb._InfluxDelivery, "_put", put)

    def __call__(self, request: Request) -> None:
        becomes = proxies.hand_on
        ours = request.is_write and f"bucket={self._bucket}&" in request.path + "&"
        if ours and not request.body().startswith(b"powerview_totals"):
            self.bodies.append(request.body())
            if len(self.bodies) == 1:
                wait_until(lambda: self._handed[0] >= self._wanted, LONG, lambda: f"{self._handed[0]} bodies came")
            becomes = self._refuse(request.body()) or proxies.hand_on
        becomes(request)

    def counts(self) -> list[int]:
        """How many lines each write had."""
        return [body.count(b"\n") for body in self.bodies]


@pytest.fixture
def between(influx):
    with FaultProxy(influx.url) as proxy:
        yield proxy


@pytest.fixture
def held_site(influx_site, between) -> Site:
    influx_site.environment["INFLUXDB_HOST"] = between.url
    return influx_site


def put(site: Site, client: str, day: int, *rows: str, label: str = "Voie1 W"):
    return site.put(f"{client}/{FOLDER}/T_2512{day:02}_031500.tsv", v002(*rows, labels=(label,)))


def path(client: str, day: int, state: str = "") -> str:
    return f"{client}/{FOLDER}/{state}T_2512{day:02}_031500.tsv"


JULY, IN_DECEMBER = ("01/07/25 12:00:00 1.5",), ("01/12/25 12:00:00 2.5", "01/12/25 12:10:00 2.5")


@pytest.mark.parametrize("bad", [3, 4])
def test_the_bad_lines_of_one_file_are_not_blamed_on_its_neighbour(
    influx, held_site, between, client, monkeypatch, bad
):
    influx.make_bucket(client, SHARD_SECONDS)
    influx.warm(client, SUMMER)
    influx.write(client, f"roof,channel=x value=1i {DECEMBER}\n")  # the field of that quarter has another type
    good = 7 - bad
    put(held_site, client, 2, *JULY)
    put(held_site, client, good, *JULY)
    put(held_site, client, bad, *IN_DECEMBER)
    between.plan = gate = Gate(monkeypatch, client, 3)
    assert statuses(run(held_site)) == [
        (Status.ERROR if day == bad else Status.OK, path(client, day)) for day in (2, 3, 4)
    ]
    assert gate.counts()[:2] == [1, 3], "the bodies were not joined: the test shows nothing"
    assert sorted(p for p in held_site.files() if p.endswith(".tsv")) == sorted(
        path(client, day, "error/" if day == bad else "parsed/") for day in (2, 3, 4)
    )


@pytest.mark.parametrize("bad", [1, 2])
def test_a_line_that_cannot_be_parsed_is_its_own_deliverys_fault(influx, between, client, monkeypatch, bad):
    influx.make_bucket(client, SHARD_SECONDS)
    influx.warm(client, 0)
    between.plan = gate = Gate(monkeypatch, client, 3)
    with open_store(settings_for(between.url, influx.token, INFLUXDB_ORG=influx.org)) as store:
        deliveries = [store.deliver(client) for _ in range(3)]
        for number, delivery in enumerate(deliveries):
            delivery.send("a", lines("a", 1, number, "x=1" if number == bad else "1.5")[1], (0, 0))
            delivery.finish()
        for number, delivery in enumerate(deliveries):
            if number == bad:
                with pytest.raises(BadLines):
                    delivery.result()
            else:
                delivery.result()
    assert gate.counts()[:2] == [1, 2]
    assert values(influx, client) == {("a", number): 1.5 for number in range(3) if number != bad}


def test_bodies_that_are_too_large_together_are_sent_one_by_one(influx, held_site, between, client, monkeypatch):
    influx.make_bucket(client, SHARD_SECONDS)
    influx.warm(client, DECEMBER)
    for day in (2, 3, 4):
        put(held_site, client, day, f"01/12/25 12:{day}0:00 {day}.5")

    def refuse(body: bytes):
        return TOO_LARGE if body.count(b"\n") > 1 else None

    between.plan = gate = Gate(monkeypatch, client, 3, refuse)
    assert statuses(run(held_site)) == [(Status.OK, path(client, day)) for day in (2, 3, 4)]
    assert gate.counts() == [1, 2, 1, 1]
    assert sorted(influx.points(client).values()) == [2.5, 3.5, 4.5]


def test_behind_a_refusal_nothing_more_is_written(influx, held_site, between, client, monkeypatch):
    for day in (2, 3, 4):
        put(held_site, client, day, f"01/12/25 12:{day}0:00 {day}.5")
    failed = proxies.refuse(500, "internal error", "engine: cache full")
    between.plan = gate = Gate(monkeypatch, client, 3, lambda _: failed)
    done = run(held_site)
    assert (done.status, statuses(done), gate.counts()) == (75, [], [1])
    assert sorted(held_site.files()) == [path(client, day) for day in (2, 3, 4)]


def connection_of(label: str) -> int:
    series = f"roof,campaign=roof,channel=SN:\\ 02001283\\ -\\ Ch:\\ {label},channel_idx=1"
    series += f",channel_name={label},device=02001283,unit=W"
    return zlib.crc32(series.encode()) % influxdb.CONNECTIONS


def test_no_file_is_settled_before_what_was_uploaded_before_it(influx, held_site, between, client, monkeypatch):
    slow = "Voie1"
    quick = next(f"Voie{n}" for n in range(2, 20) if connection_of(f"Voie{n}") != connection_of(slow))
    for day, device, label in ((2, "02001283", slow), (3, "02001283", quick), (4, "02001283", quick)):
        name = f"{client}/{'roof' if day == 2 else 'cellar'}/{device}/T_2512{day:02}_031500.tsv"
        held_site.put(name, v002(f"{day:02}/12/25 12:00:00 {day}.5", labels=(f"{label} W",)))
    deliveries, early = [], []
    real = influxdb._InfluxDelivery._put

    def handed_on(delivery, which: int) -> None:
        real(delivery, which)
        deliveries.append(delivery)
        if len(deliveries) == 3:  # the loop goes on when the second file is stored and the first is not
            wait_until(lambda: deliveries[1].done, LONG, lambda: "the other connection wrote nothing")

    monkeypatch.setattr(influxdb._InfluxDelivery, "_put", handed_on)

    def plan(request: Request) -> None:
        of_client = request.is_write and f"bucket={client}" in request.path
        if of_client and request.body().startswith(b"roof"):
            wait_until(lambda: len(deliveries) == 3 and deliveries[1].done, LONG, lambda: "only one file was sent")
            between.closing.wait(1)  # time in which the quick ones could be settled
            early.extend(p for p in held_site.files() if "/parsed/" in p)
        proxies.hand_on(request)

    between.plan = plan
    done = run(held_site)
    assert early == []
    assert [outcome.path[-17:-11] for outcome in done.outcomes] == ["251202", "251203", "251204"]


def test_no_series_is_moved_while_points_of_it_are_on_their_way(influx, held_site, between, client):
    put(held_site, client, 5, "01/12/25 12:50:00 5.5", label="Oven W")
    run(held_site)
    put(held_site, client, 4, "01/12/25 12:40:00 4.5")  # late, so it is written as Oven
    put(held_site, client, 6, "01/12/25 12:00:00 6.5")  # renamed back, so Oven is moved
    moved: list[str] = []

    def plan(request: Request) -> None:
        if request.is_write and b"Ch:\\ Oven" in request.body():  # readings, not when the label changed
            between.closing.wait(1)  # time in which the series could be moved
            moved.append("behind the write" if moved else "no delete before the write")
        elif request.path.startswith("/api/v2/delete") and b"powerview_totals" not in request.body():
            moved.append("delete")
        proxies.hand_on(request)

    between.plan = plan
    assert run(held_site).status == 0
    assert moved == ["no delete before the write", "delete"]
    points = influx.points(client)
    assert {dict(tags)["channel_name"] for _, tags, _ in points} == {"Voie1"}
    assert sorted(points.values()) == [4.5, 5.5, 6.5]


def test_a_connection_that_is_closed_with_bodies_waiting_ends(influx, between, client):
    begun, may_go = threading.Event(), threading.Event()

    def plan(request: Request) -> None:
        if request.is_write:
            begun.set()
            may_go.wait(LONG)
        proxies.hand_on(request)

    between.plan = plan
    store = influxdb.InfluxStore(settings_for(between.url, influx.token, INFLUXDB_ORG=influx.org))
    for number in range(3):
        delivery = store.deliver(client)
        delivery.send(*lines("a", 1, number), SPAN)
        delivery.finish()
        assert begun.wait(LONG)
    closing = threading.Thread(target=store.close)
    closing.start()
    for each in store._connections:
        wait_until(lambda c=each: None in c.queue.queue or not c._thread.is_alive(), LONG, lambda: "it is not closed")
    may_go.set()
    closing.join(LONG)
    wait_until(lambda: not any(c._thread.is_alive() for c in store._connections), LONG, lambda: "a thread goes on")


def test_two_connections_that_wait_for_each_other_do_not_wait_for_ever(influx, between, client):
    begun, handed = [], threading.Event()

    def held(request: Request) -> None:
        if request.is_write:
            begun.append(request)
            handed.wait(LONG)
        proxies.hand_on(request)

    def body(connection, series: str, second: int, after=()) -> Body:
        given = Body(client, "s", f"{series} value=1 {second}\n".encode(), after=set(after))
        connection.queue.put(given)
        return given

    with open_store(settings_for(between.url, influx.token, INFLUXDB_ORG=influx.org)) as store:
        store.deliver(client)
        one, two = store._connections
        between.plan = held
        first = [body(one, "a", 1), body(two, "b", 1)]
        wait_until(lambda: len(begun) == 2, LONG, lambda: f"{len(begun)} writes began")
        middle = [body(one, "a", 2), body(two, "b", 2)]
        last = [body(one, "a", 3, [middle[1].answer]), body(two, "b", 3, [middle[0].answer])]
        handed.set()
        assert [each.answer.result(LONG) for each in (*first, *middle, *last)] == [[]] * 6
