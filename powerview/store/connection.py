"""One connection to InfluxDB, with a thread that writes the bodies waiting in its queue.

The threads are daemons of our own and no executor's: the interpreter waits for an executor's threads, and a run that
ends must not wait for a server that hangs.
"""

from __future__ import annotations

import threading
import traceback
import zlib
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from powerview.store.answers import message, not_influxdb, reporting_influxdb
from powerview.store.protocol import Span, StoreAway

if TYPE_CHECKING:
    from powerview.store.influxdb import InfluxStore

BODY_BYTES = 1 << 20
"""A body is sent when it has so many bytes: about 8 000 points, where InfluxDB is fastest."""

CONNECT_MS, ANSWER_MS = 5_000, 30_000
CLOSE_SECONDS = 1
MOST_BAD_LINES = 10


@dataclass
class Body:
    # Lines on their way; the answer is what the server refused for good.
    bucket: str
    precision: str
    lines: bytes
    answer: Future[list[str]] = field(default_factory=Future)
    after: set[Future[list[str]]] = field(default_factory=set)
    """Answers that must have come before this is sent."""
    span: Span = (0, 0)
    first: bool = False
    """InfluxDB may lose it although it confirms it (`first_writes`): to be looked for at once."""

    @property
    def target(self) -> tuple[str, str]:
        return self.bucket, self.precision

    @property
    def must_wait(self) -> bool:
        return not all(answer.done() for answer in self.after)


class Connection:
    # One connection to the server with a thread of its own; the queue is short, so that memory stays small.

    def __init__(self, store: InfluxStore, client) -> None:
        from influxdb_client.service.write_service import WriteService

        self.queue: Queue[Body | None] = Queue(maxsize=8)
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
        body = self.queue.get()
        while body:
            bodies, body = self._with_waiting(body)
            self._answer(bodies)
            body = body or self.queue.get()

    def _answer(self, bodies: list[Body]) -> None:
        bad: list[list[str]] = [[] for _ in bodies]
        wait(bodies[0].after)
        if not self._store.away:
            try:
                with reporting_influxdb(self._store.settings, f"bucket {bodies[0].bucket!r}"):
                    self._write_together(bodies, bad)
                    self._look_for_first(bodies, bad)
            except StoreAway as away:
                self._store.away = away
            except Exception as error:  # noqa: BLE001 - a file waits for an answer, whatever went wrong here
                traceback.print_exc()
                what = f"PowerView failed while it wrote to InfluxDB ({type(error).__name__}: {error}): report it"
                self._store.away = StoreAway(what)
        for body, refused in zip(bodies, bad, strict=True):
            if self._store.away:
                body.answer.set_exception(self._store.away)
            else:
                body.answer.set_result(refused)

    def _with_waiting(self, body: Body) -> tuple[list[Body], Body | None]:
        # With the bodies that wait behind it, up to a full one: each answer is a sync of the server's disk, and small
        # files cost as many. Also the next body, if one was taken that goes elsewhere, or that must wait: only the
        # first of some may, which waits for what was handed over before it. Else two connections, each with one body
        # that the other waits for, would wait for ever.
        bodies, size = [body], len(body.lines)
        while size < BODY_BYTES:
            try:
                following = self.queue.get_nowait()
            except Empty:
                break
            if following is None or following.target != body.target or following.must_wait:
                if following is None:
                    self.queue.put(None)  # the end, for the next look
                return bodies, following
            bodies.append(following)
            size += len(following.lines)
        return bodies, None

    def _write_together(self, bodies: list[Body], bad: list[list[str]]) -> None:
        # What the server refuses is some file's fault: each is then written by itself, in the same order.
        from influxdb_client.rest import ApiException

        if len(bodies) > 1:
            try:
                self._post(bodies[0].target, b"".join(body.lines for body in bodies))
                return
            except ApiException as error:
                if error.status not in (400, 413, 422):
                    raise
        for body, refused in zip(bodies, bad, strict=True):
            self._write(body.target, body.lines, refused)

    def _look_for_first(self, bodies: list[Body], bad: list[list[str]]) -> None:
        for body, refused in zip(bodies, bad, strict=True):
            if body.first and not refused and self._store.lacks(self._client, body.bucket, body.span, body.lines):
                self._write(body.target, body.lines, refused)

    def _write(self, target: tuple[str, str], lines: bytes, bad: list[str]) -> None:
        # A body that cannot be parsed (400) is refused whole: halves of it are tried until the bad line is found.
        from influxdb_client.rest import ApiException

        if len(bad) >= MOST_BAD_LINES:
            return
        try:
            self._post(target, lines)
        except ApiException as error:
            if error.status == 422:
                bad.append(message(error))
            elif error.status in (400, 413):
                first, second = _halves(lines)
                if not second:
                    bad.append(f"{message(error)}: {lines[:200].decode(errors='replace').strip()}")
                    return
                self._write(target, first, bad)
                self._write(target, second, bad)
            else:
                raise

    def _post(self, target: tuple[str, str], lines: bytes) -> None:
        from influxdb_client.rest import ApiException

        while True:
            try:
                self._post_once(target, lines)
                return
            except ApiException as error:
                if not self._store.may_retry(error):
                    raise

    def _post_once(self, target: tuple[str, str], lines: bytes) -> None:
        bucket, precision = target
        extra = {}
        if self._gzip:
            deflate = zlib.compressobj(level=1, wbits=31)
            lines = deflate.compress(lines) + deflate.flush()
            extra["content_encoding"] = "gzip"
        _, status, _ = self._service.post_write_with_http_info(
            self._store.settings.influxdb_org, bucket, lines, precision=precision,
            content_type="text/plain; charset=utf-8", _request_timeout=(CONNECT_MS, ANSWER_MS), **extra,
        )  # fmt: skip
        if status != 204:  # https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite: 204 means written
            raise StoreAway(not_influxdb(self._store.settings, status))


def _halves(body: bytes) -> tuple[bytes, bytes]:
    middle = body.find(b"\n", len(body) // 2) + 1
    if middle in (0, len(body)):
        middle = body.rfind(b"\n", 0, len(body) - 1) + 1
    return (body[:middle], body[middle:]) if middle else (body, b"")


def _is_local(host: str) -> bool:
    name = urlsplit(host).hostname or ""
    return name in ("localhost", "::1") or name.startswith("127.")
