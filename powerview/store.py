"""Where line protocol goes: InfluxDB, or files when none is configured.

A Delivery is one file's way into the store. It is done when the store has said that everything is kept; until then
nothing of it counts as stored.
"""

from __future__ import annotations

import os
import threading
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Full, Queue
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from powerview.settings import Settings

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


class StoreAway(Exception):
    """The store is away, or refuses us; the file stays pending. The text names what to look at."""


class BadLines(Exception):
    """The store will never take some lines of this file; what it could take of the others is stored."""


class Delivery(Protocol):
    """One file's way into the store."""

    def send(self, series: str, lines: bytes) -> None:
        """Hand over points of one series, in their order; may return before they are stored."""

    def finish(self) -> None:
        """Say that nothing more comes."""

    @property
    def done(self) -> bool:
        """Whether `result` would return, or raise, at once."""

    def result(self) -> None:
        """Wait until all is stored. Raises StoreAway or BadLines."""


class Store(Protocol):
    """Takes deliveries; a context manager."""

    def deliver(self, bucket: str, precision: str = "s") -> Delivery:
        """Begin a delivery into a bucket, made if it is missing. Times are in `precision`. Raises StoreAway."""


@contextmanager
def open_store(settings: Settings, output: Path | None = None, *, dry_run: bool = False) -> Iterator[Store]:
    """The store that the settings name: InfluxDB, or else files; files in `output`, anew, if that is given."""
    if dry_run:
        store = Nowhere()
    elif output is not None:
        store = FileStore(output, anew=True)
    elif settings.influxdb_host:
        store = InfluxStore(settings)
    else:
        store = FileStore(line_protocol_folder(settings.data_dir))
    try:
        yield store
    finally:
        store.close()


class Nowhere:
    """A store that keeps nothing, for a look at what would be stored; its own delivery."""

    done = True

    def deliver(self, bucket: str, precision: str = "s") -> Delivery:  # noqa: ARG002
        return self

    def send(self, series: str, lines: bytes) -> None:  # noqa: ARG002
        pass

    def finish(self) -> None:
        pass

    def result(self) -> None:
        pass

    def close(self) -> None:
        pass


def line_protocol_folder(data_dir: Path) -> Path:
    """Where line protocol files lie when no InfluxDB is configured: beside the tree."""
    return data_dir.parent / "line-protocol"


# ── InfluxDB ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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
            with telling_influxdb(self.settings, f"bucket {bucket!r}"):
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
                    with telling_influxdb(self._store.settings, f"bucket {jobs[0].target[0]!r}"):
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
                bad.append(_message(error))
            elif error.status in (400, 413):
                first, second = _halves(body)
                if not second:
                    bad.append(f"{_message(error)}: {body[:200].decode(errors='replace').strip()}")
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
            raise StoreAway(_not_influxdb(self._store.settings, status))


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
        if error.status == 404 and not _message(error).startswith("organization"):  # `organization name "x" not found`
            return None
        raise


@contextmanager
def telling_influxdb(settings: Settings, what: str) -> Iterator[None]:
    """Turn what InfluxDB's client raises into StoreAway, naming the variable to look at; `what` is being worked on."""
    from influxdb_client.client.exceptions import InfluxDBError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except InfluxDBError as error:
        if getattr(error, "status", None) == 0:  # the client's way of telling that TLS failed
            raise StoreAway(_no_answer(settings, _message(error))) from error
        raise StoreAway(_refusal(settings, what, error)) from error
    except (HTTPError, OSError) as error:
        raise StoreAway(_no_answer(settings, _short(error))) from error
    except (ValueError, TypeError, AttributeError) as error:  # an answer that the client cannot read
        raise StoreAway(_not_influxdb(settings, _short(error))) from error


def _no_answer(settings: Settings, said: str) -> str:
    return (
        f"InfluxDB does not answer at {settings.influxdb_host} ({said}): is it running, and is INFLUXDB_HOST right? "
        f"(set in {settings.env_file})"
    )


def _refusal(settings: Settings, what: str, error) -> str:
    status = getattr(error, "status", None) or getattr(error.response, "status", None)
    host, where = settings.influxdb_host, f"set in {settings.env_file}"
    said = _message(error)
    if status is None:  # raised by the client, which looks for the organisation's id before it makes a bucket
        return (
            f"{what} cannot be made in InfluxDB at {host}: INFLUXDB_ORG {settings.influxdb_org!r} is missing, or the "
            f"token in INFLUXDB_ADMIN_TOKEN may not see it ({where}): {said}"
        )
    if status == 401:
        return f"InfluxDB at {host} does not know the token in INFLUXDB_ADMIN_TOKEN (401, {where})"
    if status == 403:
        return f"the token in INFLUXDB_ADMIN_TOKEN may not work on {what} (403, {where}): {said}"
    if status == 404:
        return (
            f"InfluxDB at {host} does not find {what} of INFLUXDB_ORG {settings.influxdb_org!r} (404, {where}): {said}"
        )
    if status in (429, 503):
        after = (getattr(error, "headers", None) or {}).get("Retry-After")
        return f"InfluxDB at {host} is busy ({status}{f', asks to come back in {after} s' if after else ''}): {said}"
    if status and status >= 500:
        return f"InfluxDB at {host} failed ({status}): {said}. Its own log says why"
    return _not_influxdb(settings, f"{status} {said}")


def _not_influxdb(settings: Settings, said: object) -> str:
    return (
        f"what answers at {settings.influxdb_host} is no InfluxDB 2 ({said}): look at INFLUXDB_HOST "
        f"(set in {settings.env_file})"
    )


def _message(error) -> str:
    text = str(getattr(error, "message", None) or getattr(error, "reason", None) or error)
    return " ".join(text.split())[:300]


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _halves(body: bytes) -> tuple[bytes, bytes]:
    middle = body.find(b"\n", len(body) // 2) + 1
    if middle in (0, len(body)):
        middle = body.rfind(b"\n", 0, len(body) - 1) + 1
    return (body[:middle], body[middle:]) if middle else (body, b"")


def _is_local(host: str) -> bool:
    name = urlsplit(host).hostname or ""
    return name in ("localhost", "::1") or name.startswith("127.")


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class FileStore:
    """Line protocol files, `<bucket>.lp` with times in seconds, in one folder: what any InfluxDB takes.

    They are appended to; with `anew` each is begun anew when a run first writes to it.
    """

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        self.folder = folder
        self._anew = anew
        self._files: dict[str, int] = {}

    def deliver(self, bucket: str, precision: str = "s") -> Delivery:  # noqa: ARG002 - whoever writes knows it
        """Begin a delivery. Raises StoreAway if the folder or the file cannot be written."""
        with self._telling():
            if bucket not in self._files:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._files[bucket] = self._open(self.folder / f"{bucket}.lp")
            return _FileDelivery(self, self._files[bucket])

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._files.values():
            os.close(descriptor)

    def _open(self, path: Path) -> int:
        anew = os.O_TRUNC if self._anew else 0
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | anew, 0o640)
        _cut_unfinished_line(descriptor)
        return descriptor

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreAway(
                f"line protocol files cannot be written in {self.folder}: {error.strerror or error}. Make room, or let "
                f"this user write there, or name an InfluxDB in INFLUXDB_HOST"
            ) from error


class _FileDelivery:
    def __init__(self, store: FileStore, descriptor: int) -> None:
        self._store = store
        self._descriptor = descriptor
        self._away: StoreAway | None = None
        self.done = False

    def send(self, series: str, lines: bytes) -> None:  # noqa: ARG002 - the order of the file is the order of writing
        if self._away:
            return
        try:
            with self._store._telling():
                rest = memoryview(lines)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        except StoreAway as away:
            with suppress(OSError):
                _cut_unfinished_line(self._descriptor)
            self._away = away

    def finish(self) -> None:
        try:
            with self._store._telling():
                os.fsync(self._descriptor)
        except StoreAway as away:
            self._away = self._away or away
        self.done = True

    def result(self) -> None:
        if self._away:
            raise self._away


def _cut_unfinished_line(descriptor: int) -> None:
    # A run that was killed while it wrote left half a line. Its file is still pending, so nothing is lost with it.
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65_536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    os.ftruncate(descriptor, end)
