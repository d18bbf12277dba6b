"""A proxy in front of a server under test: it writes down every call, and can fail or hold one back.

Several proxies may share one journal, so that the order of calls to different servers is known.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from waiting import LONG


def is_read(method: str, target: str) -> bool:
    """Whether a call only reads: a query of InfluxDB is a POST."""
    return method == "GET" or (method == "POST" and target.startswith("/api/v2/query"))


@dataclass(frozen=True)
class Call:
    """One call as it passed: `server` is the proxy's name, `status` what the client was answered."""

    server: str
    method: str
    target: str
    body: str
    status: int

    @property
    def is_write(self) -> bool:
        """Whether the call could change something."""
        return not is_read(self.method, self.target)

    def __str__(self) -> str:
        return f"{self.server} {self.method} {self.target} → {self.status}"


@dataclass
class Journal:
    """The calls of all proxies in their order.

    `before(number, what)` and `after(number, call)`, where set, are logged of each write, numbered from 1, and
    `before_read(what)` of each read. The first and the last may answer with a status: the call is then not passed on,
    and its client gets that status.
    """

    calls: list[Call] = field(default_factory=list)
    before: Callable[[int, str], int | None] | None = None
    after: Callable[[int, Call], None] | None = None
    before_read: Callable[[str], int | None] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    begun: int = 0

    @property
    def writes(self) -> list[str]:
        """The calls that could change something."""
        return [str(c) for c in self.calls if c.is_write]

    def clear(self) -> None:
        """Forget the calls; keep the hooks."""
        self.calls.clear()
        self.begun = 0


class RecordingProxy:
    """Listens on a free port of 127.0.0.1 (`url`) and passes everything on to `upstream`."""

    def __init__(self, name: str, upstream: str, journal: Journal) -> None:
        self.name, self.upstream, self.journal = name, urlsplit(upstream), journal
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.gone = False

    def __enter__(self) -> RecordingProxy:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_exc) -> None:
        self._server.shutdown()
        self._server.server_close()

    def go_away(self) -> None:
        """From now on nobody listens, and what is under way gets no answer: the server died."""
        self.gone = True
        self._server.server_close()

    def passed(self, upstream: http.client.HTTPConnection, method: str, target: str, headers, body: bytes):
        """Pass one call on; returns status, content type and body of the answer, and writes the call down."""
        what = f"{self.name} {method} {target}"
        if is_read(method, target):
            refused = self.journal.before_read and self.journal.before_read(what)
            if refused:
                return self._refuse(refused, method, target, body)
            return self._forward(upstream, method, target, headers, body)[0]
        with self.journal.lock:  # one write at a time: their numbers are their order
            self.journal.begun += 1
            number = self.journal.begun
            refused = self.journal.before and self.journal.before(number, what)
            if self.gone:
                raise ConnectionAbortedError("the server died")
            if refused is not None:
                return self._refuse(refused, method, target, body)
            answer, call = self._forward(upstream, method, target, headers, body)
            if self.journal.after:
                self.journal.after(number, call)
            return answer

    def _refuse(self, status: int, method: str, target: str, body: bytes):
        self.journal.calls.append(Call(self.name, method, target, body.decode(), status))
        return status, "application/json", json.dumps({"message": "a fault of the test"}).encode()

    def _forward(self, upstream, method: str, target: str, headers, body: bytes):
        kept = {k: v for k, v in headers.items() if k.lower() not in ("host", "connection", "content-length")}
        upstream.request(method, target, body=body or None, headers=kept)
        answer = upstream.getresponse()
        content = answer.read()
        call = Call(self.name, method, target, body.decode(), answer.status)
        self.journal.calls.append(call)
        return (answer.status, answer.headers.get("Content-Type", ""), content), call


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address) -> None:
        pass  # the client went away, as it does when a test kills it


def _handler(proxy: RecordingProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.upstream = http.client.HTTPConnection(proxy.upstream.hostname, proxy.upstream.port, timeout=LONG)

        def finish(self) -> None:
            self.upstream.close()
            super().finish()

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, content = proxy.passed(self.upstream, self.command, self.path, self.headers, body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

        def log_message(self, *_args) -> None:
            pass

    return Handler
