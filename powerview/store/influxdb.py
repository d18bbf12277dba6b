"""InfluxDB 2 through its Python client, each body in a synchronous write of its own."""

from __future__ import annotations

import threading
import traceback
import zlib
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import NamedTuple
from urllib.parse import urlsplit

from powerview.settings import Settings
from powerview.store.answers import message, not_influxdb, reporting_influxdb
from powerview.store.protocol import BadLines, Delivery, StoreAway

BODY_BYTES = 1 << 20
"""A body is sent when it has so many bytes: about 8 000 points, where InfluxDB is fastest."""

CONNECTIONS = 2
"""Two keep InfluxDB busy, four are no faster. A series stays on one, so that a slow write never lands late."""

SHARD_SECONDS, INFLUXDBS_OWN = 13 * 7 * 86_400, 7 * 86_400
"""What a shard of a bucket holds: a quarter of a year. InfluxDB's own size for what is kept forever is a week, and a
question about a year must then open each series 53 times instead of five."""

CONNECT_MS, ANSWER_MS = 5_000, 30_000
CLOSE_SECONDS = 1
MOST_BAD_LINES = 10


class InfluxStore:
    """InfluxDB 2 through its Python client, each body in a synchronous write of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.away: StoreAway | None = None
        self._buckets: set[str] = set()
        self._client = influx_client(settings)
        self._connections = [_Connection(self, influx_client(settings)) for _ in range(CONNECTIONS)]

    def deliver(self, bucket: str, precision: str = "s") -> Delivery:
        """Begin a delivery. Raises StoreAway, and does so at once when an earlier write found the server away."""
        if self.away:
            raise self.away
        if bucket not in self._buckets:
            with reporting_influxdb(self.settings, f"bucket {bucket!r}"):
                _provide_bucket(self._client.buckets_api(), bucket, self.settings.influxdb_org)
            self._buckets.add(bucket)
        return _InfluxDelivery(self._connections, bucket, precision)

    def close(self) -> None:
        """Drop the writes that have not begun, and let those under way end, if that is soon."""
        self.away = self.away or StoreAway("the run ended before this was sent")
        for connection in self._connections:
            connection.close()
        self._client.close()


class _InfluxDelivery:
    def __init__(self, connections: list[_Connection], bucket: str, precision: str) -> None:
        self._connections = connections
        self._target = (bucket, precision)
        self._waiting: list[list[bytes]] = [[] for _ in connections]
        self._size = [0 for _ in connections]
        self._bad: list[str] = []
        self._away: StoreAway | None = None
        self._open = 1  # bodies without an answer, and one for `finish`
        self._changed = threading.Condition()

    def send(self, series: str, lines: bytes) -> None:
        which = zlib.crc32(series.encode()) % len(self._connections)
        self._waiting[which].append(lines)
        self._size[which] += len(lines)
        if self._size[which] >= BODY_BYTES:
            self._put(which)

    def finish(self) -> None:
        for which, waiting in enumerate(self._waiting):
            if waiting:
                self._put(which)
        self.answered()

    @property
    def done(self) -> bool:
        return self._open == 0

    def result(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.done)
        if self._away:
            raise self._away
        if self._bad:
            more = f" (and {len(self._bad) - 3} more)" if len(self._bad) > 3 else ""
            raise BadLines("; ".join(self._bad[:3]) + more)

    def answered(self, bad: list[str] | None = None, away: StoreAway | None = None) -> None:
        """Told by a connection: one body has its answer."""
        with self._changed:
            self._open -= 1
            self._bad += bad or []
            self._away = self._away or away
            self._changed.notify_all()

    def _put(self, which: int) -> None:
        with self._changed:
            self._open += 1
        body = b"".join(self._waiting[which])
        self._waiting[which], self._size[which] = [], 0
        self._connections[which].queue.put(_Job(self, self._target, body))


class _Job(NamedTuple):
    # A body on its way: whose it is, and its bucket and precision.
    delivery: _InfluxDelivery
    target: tuple[str, str]
    body: bytes


class _Connection:
    # One connection to the server with a thread of its own; the queue is short, so that memory stays small.

    def __init__(self, store: InfluxStore, client) -> None:
        from influxdb_client.service.write_service import WriteService

        self.queue: Queue[_Job | None] = Queue(maxsize=8)
        self._store = store
        self._client = client
        self._service = WriteService(client.api_client)
        self._gzip = not _is_local(store.settings.influxdb_host)
        self._thread = threading.Thread(target=self._run, daemon=True, name="influxdb")
        self._thread.start()

    def close(self) -> None:
        # Whoever ends a run does not wait for a server that hangs: the thread ends with the process.
        with suppress(Full):
            self.queue.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            self._client.close()

    def _run(self) -> None:
        job = self.queue.get()
        while job:
            jobs, job = self._with_waiting(job)
            bad: list[list[str]] = [[] for _ in jobs]
            if not self._store.away:
                try:
                    with reporting_influxdb(self._store.settings, f"bucket {jobs[0].target[0]!r}"):
                        self._write_together(jobs, bad)
                except StoreAway as away:
                    self._store.away = away
                except Exception as error:  # noqa: BLE001 - a file waits for an answer, whatever went wrong here
                    traceback.print_exc()
                    what = f"PowerView failed while it wrote to InfluxDB ({type(error).__name__}: {error}): report it"
                    self._store.away = StoreAway(what)
            for (delivery, _, _), said in zip(jobs, bad, strict=True):
                delivery.answered(said, self._store.away)
            job = job or self.queue.get()

    def _with_waiting(self, job: _Job) -> tuple[list[_Job], _Job | None]:
        # With the bodies that wait behind it, up to a full one: each answer is a sync of the server's disk, and small
        # files cost as many. Also the next job, if one was taken that goes elsewhere.
        jobs, size = [job], len(job.body)
        while size < BODY_BYTES:
            try:
                following = self.queue.get_nowait()
            except Empty:
                break
            if following is None or following.target != job.target:
                if following is None:
                    self.queue.put(None)  # the end, for the next look
                return jobs, following
            jobs.append(following)
            size += len(following.body)
        return jobs, None

    def _write_together(self, jobs: list[_Job], bad: list[list[str]]) -> None:
        # What the server refuses is some file's fault: each is then written by itself, in the same order.
        from influxdb_client.rest import ApiException

        if len(jobs) > 1:
            try:
                self._post(jobs[0].target, b"".join(job.body for job in jobs))
                return
            except ApiException as error:
                if error.status not in (400, 413, 422):
                    raise
        for job, said in zip(jobs, bad, strict=True):
            self._write(job.target, job.body, said)

    def _write(self, target: tuple[str, str], body: bytes, bad: list[str]) -> None:
        # A body that cannot be parsed (400) is refused whole: halves of it are tried until the bad line is found.
        from influxdb_client.rest import ApiException

        if len(bad) >= MOST_BAD_LINES:
            return
        try:
            self._post(target, body)
        except ApiException as error:
            if error.status == 422:
                bad.append(message(error))
            elif error.status in (400, 413):
                first, second = _halves(body)
                if not second:
                    bad.append(f"{message(error)}: {body[:200].decode(errors='replace').strip()}")
                    return
                self._write(target, first, bad)
                self._write(target, second, bad)
            else:
                raise

    def _post(self, target: tuple[str, str], body: bytes) -> None:
        bucket, precision = target
        extra = {}
        if self._gzip:
            deflate = zlib.compressobj(level=1, wbits=31)
            body = deflate.compress(body) + deflate.flush()
            extra["content_encoding"] = "gzip"
        _, status, _ = self._service.post_write_with_http_info(
            self._store.settings.influxdb_org, bucket, body, precision=precision,
            content_type="text/plain; charset=utf-8", _request_timeout=(CONNECT_MS, ANSWER_MS), **extra,
        )  # fmt: skip
        if status != 204:  # https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite: 204 says "written"
            raise StoreAway(not_influxdb(self._store.settings, status))


def influx_client(settings: Settings):
    """InfluxDB's Python client, imported late: it takes a quarter of a second."""
    from influxdb_client import InfluxDBClient

    return InfluxDBClient(
        url=settings.influxdb_host,
        token=settings.influxdb_admin_token,
        org=settings.influxdb_org,
        timeout=(CONNECT_MS, ANSWER_MS),
    )


def _provide_bucket(buckets, name: str, org: str) -> None:
    # InfluxDB's setup and the playbook make buckets too, without a word about shards: what they made is fitted here,
    # before most of its readings come. What somebody chose otherwise stays.
    from influxdb_client import BucketRetentionRules
    from influxdb_client.rest import ApiException

    forever = BucketRetentionRules(type="expire", every_seconds=0, shard_group_duration_seconds=SHARD_SECONDS)
    bucket = _bucket(buckets, name, org)
    if bucket is None:
        told = "Readings of a PowerView client"
        try:
            buckets.create_bucket(bucket_name=name, org=org, description=told, retention_rules=forever)
        except ApiException as error:
            if error.status != 422 or not _bucket(buckets, name, org):  # 422: somebody else has just made it
                raise
    elif _has_influxdbs_own_shards(bucket):
        bucket.retention_rules = [forever]
        with suppress(ApiException):  # who refuses this may take readings all the same, or says better why not
            buckets.update_bucket(bucket)


def _has_influxdbs_own_shards(bucket) -> bool:
    rules = [(rule.every_seconds, rule.shard_group_duration_seconds) for rule in bucket.retention_rules or ()]
    return rules == [(0, INFLUXDBS_OWN)]


def _bucket(buckets, name: str, org: str):
    # Asked for by name, since a plain listing shows 20 of them; within the organisation, since a token of the whole
    # server sees other organisations' buckets of that name. InfluxDB answers 404 when there is none.
    from influxdb_client.rest import ApiException

    try:
        return next(iter(buckets.find_buckets(name=name, org=org).buckets), None)
    except ApiException as error:
        if error.status == 404 and not message(error).startswith("organization"):  # `organization name "x" not found`
            return None
        raise


def _halves(body: bytes) -> tuple[bytes, bytes]:
    middle = body.find(b"\n", len(body) // 2) + 1
    if middle in (0, len(body)):
        middle = body.rfind(b"\n", 0, len(body) - 1) + 1
    return (body[:middle], body[middle:]) if middle else (body, b"")


def _is_local(host: str) -> bool:
    name = urlsplit(host).hostname or ""
    return name in ("localhost", "::1") or name.startswith("127.")
