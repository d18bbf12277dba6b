"""InfluxDB 2 through its Python client, each body in a synchronous write of its own.

Two connections, each with a thread, take bodies from a short queue; whoever put a body there holds a Future for its
answer.
"""

from __future__ import annotations

import csv
import io
import threading
import zlib
from concurrent.futures import Future
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from powerview.seconds import A_DAY
from powerview.settings import Settings
from powerview.store import connection
from powerview.store.answers import reporting_influxdb
from powerview.store.buckets import find_bucket, provide_bucket
from powerview.store.connection import Body, Connection
from powerview.store.csv_answer import csv_answer
from powerview.store.first_writes import FirstWrites
from powerview.store.protocol import BadLines, Delivery, Span, StoreAway

if TYPE_CHECKING:
    from powerview.store.beside import Beside
    from powerview.store.stored import Stored

CONNECTIONS = 2
"""Two keep InfluxDB busy, four are no faster. A series stays on one, so that a slow write never lands late."""

MOST_WAIT, LONGEST_WAIT = 900, 120
"""Seconds that one run waits in all, and at one time, for a server that answers 429 or 503 with Retry-After."""


class InfluxStore:
    """InfluxDB 2 as a store; its deliveries are written by two connections."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.away: StoreAway | None = None
        self.client = influx_client(settings)
        self._buckets: set[str] = set()
        self._closing = threading.Event()
        self._waited = 0.0
        self._first_writes = FirstWrites()
        self._connections = [Connection(self, influx_client(settings)) for _ in range(CONNECTIONS)]

    def deliver(self, bucket: str, precision: str = "s") -> Delivery:
        """Begin a delivery. Raises StoreAway, and does so at once when an earlier write found the server away."""
        if self.away:
            raise self.away
        self._provide(bucket)
        return _InfluxDelivery(self._connections, self._first_writes, bucket, precision)

    def stored(self, bucket: str, campaign: str) -> Stored:
        """What is stored of a campaign. Raises StoreAway."""
        from powerview.store.stored import Stored

        if self.away:
            raise self.away
        self._provide(bucket)
        return Stored(self, bucket, campaign)

    def beside(self, bucket: str) -> Beside | None:
        """What is made of readings in a bucket; None if there is no such bucket. Raises StoreAway."""
        from powerview.store.beside import Beside

        if self.away:
            raise self.away
        with reporting_influxdb(self.settings, f"bucket {bucket!r}"):
            buckets, org = self.client.buckets_api(), self.settings.influxdb_org
            if bucket not in self._buckets and find_bucket(buckets, bucket, org) is None:
                return None
        self._provide(bucket)
        return Beside(self, bucket)

    def answers(self) -> bool:
        """Whether InfluxDB can be reached now."""
        return self.away is None and self.client.ping()

    def report(self, bucket: str, lines: bytes) -> None:
        """Write points about uploads, times in nanoseconds, at once; no delivery depends on it. Raises StoreAway."""
        if self.away:
            raise self.away
        self._provide(bucket)
        points = {(line.split(b",", 1)[0].decode(), int(line.rsplit(b" ", 1)[1])) for line in lines.splitlines()}
        first, last = (find(time for _, time in points) for find in (min, max))
        for _ in range(2):  # a second time where InfluxDB lost the first (`first_writes`)
            with reporting_influxdb(self.settings, f"bucket {bucket!r}"):
                write = self.client.write_api(write_options=_at_once()).write
                write(bucket, self.settings.influxdb_org, lines, write_precision="ns")
            if not self._first_writes.is_first(bucket, first // 10**9, last // 10**9) or self._has(bucket, points):
                return

    def _has(self, bucket: str, points: set[tuple[str, int]]) -> bool:
        # Whether these points, measurement and nanoseconds, are there: a count would take those of earlier runs for
        # them. Whoever cannot be asked has them.
        from powerview.store.in_bucket import flux_text

        first, last = (find(time for _, time in points) for find in (min, max))
        query = (
            f'from(bucket: "{flux_text(bucket)}") |> range(start: time(v: {first}), stop: time(v: {last + 1})) '
            "|> map(fn: (r) => ({measurement: r._measurement, at: int(v: r._time)})) |> group()"
        )
        with (
            suppress(StoreAway),
            reporting_influxdb(self.settings, f"bucket {bucket!r}"),
            csv_answer(self.client, self.settings, query) as answer,
        ):
            rows = csv.DictReader(io.TextIOWrapper(answer, "utf-8", newline=""))
            return points <= {(row["measurement"], int(row["at"])) for row in rows}
        return True

    def lacks(self, client, bucket: str, span: Span, lines: bytes) -> bool:
        """Whether a bucket has fewer points in a span, UTC seconds, than the lines that were written there.

        Whoever cannot be asked lacks nothing: readings are counted once more by a later run.
        """
        from influxdb_client import Dialect

        from powerview.store.in_bucket import flux_text

        first, stop = span[0] * 10**9, (span[1] + 1) * 10**9
        stretch = f"range(start: time(v: {first}), stop: time(v: {stop}))"
        query = f'from(bucket: "{flux_text(bucket)}") |> {stretch} |> count() |> group() |> sum()'
        with (
            suppress(StoreAway),
            reporting_influxdb(self.settings, f"bucket {bucket!r}"),
            closing(client.query_api().query_raw(query, dialect=Dialect(header=False, annotations=[]))) as answer,
        ):
            rows = answer.read().decode().split()
            return answer.status == 200 and sum(int(row.rsplit(",", 1)[1]) for row in rows) < lines.count(b"\n")
        return False

    def _provide(self, bucket: str) -> None:
        if bucket not in self._buckets:
            with reporting_influxdb(self.settings, f"bucket {bucket!r}"):
                provide_bucket(self.client.buckets_api(), bucket, self.settings.influxdb_org)
            self._buckets.add(bucket)

    def close(self) -> None:
        """Drop the writes that have not begun, and let those under way end, if that is soon."""
        self._closing.set()
        self.away = self.away or StoreAway("the run ended before this was sent")
        for each in self._connections:
            each.close()
        self.client.close()

    def may_retry(self, error) -> bool:
        """Whether a refused write is to be tried again; waits as long as a busy server asks for (Retry-After).

        InfluxDB Cloud refuses a write above its plan's rate so, several times in a row; InfluxDB OSS never does.
        """
        after = (getattr(error, "headers", None) or {}).get("Retry-After", "")
        if error.status not in (429, 503) or not after.isdecimal():
            return False
        seconds = min(max(int(after), 1), LONGEST_WAIT)
        if int(after) > LONGEST_WAIT or self._waited + seconds > MOST_WAIT:
            return False
        self._waited += seconds
        return not self._closing.wait(seconds)


class _InfluxDelivery:
    def __init__(self, connections: list[Connection], first_writes: FirstWrites, bucket: str, precision: str) -> None:
        self._connections = connections
        self._first_writes = first_writes
        self._bucket, self._precision = bucket, precision
        self._waiting: list[list[bytes]] = [[] for _ in connections]
        self._size = [0 for _ in connections]
        self._days: list[set[int]] = [set() for _ in connections]
        self._spans: list[list[int]] = [[] for _ in connections]
        self._answers: list[Future[list[str]]] = []
        self._finished = False

    def send(self, series: str, lines: bytes, span: Span) -> None:
        which = zlib.crc32(series.encode()) % len(self._connections)
        self._waiting[which].append(lines)
        self._size[which] += len(lines)
        self._days[which].update(range(span[0] // A_DAY, span[1] // A_DAY + 1))
        self._spans[which] += span
        if self._size[which] >= connection.BODY_BYTES:
            self._put(which)

    def finish(self) -> None:
        for which, waiting in enumerate(self._waiting):
            if waiting:
                self._put(which)
        self._finished = True

    @property
    def done(self) -> bool:
        return self._finished and all(answer.done() for answer in self._answers)

    def result(self) -> None:
        bad = [line for answer in self._answers for line in answer.result()]
        if bad:
            more = f" (and {len(bad) - 3} more)" if len(bad) > 3 else ""
            raise BadLines("; ".join(bad[:3]) + more)

    def _put(self, which: int) -> None:
        body = Body(self._bucket, self._precision, b"".join(self._waiting[which]))
        body.span = min(self._spans[which]), max(self._spans[which])
        body.first = self._first_writes.is_first(self._bucket, *body.span)
        body.after = self._first_writes.of_others(self._bucket, self._days[which], which, body.answer)
        self._waiting[which], self._size[which], self._days[which], self._spans[which] = [], 0, set(), []
        self._answers.append(body.answer)
        self._connections[which].queue.put(body)


def _at_once():
    from influxdb_client.client.write_api import SYNCHRONOUS

    return SYNCHRONOUS


def influx_client(settings: Settings):
    """InfluxDB's Python client, imported late: it takes a quarter of a second."""
    from influxdb_client import InfluxDBClient

    return InfluxDBClient(
        url=settings.influxdb_host,
        token=settings.influxdb_admin_token,
        org=settings.influxdb_org,
        timeout=(connection.CONNECT_MS, connection.ANSWER_MS),
    )
