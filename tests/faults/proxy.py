"""A proxy between the parser and InfluxDB that breaks what it is logged to break.

`plan` is asked about each request and names what becomes of it; the default hands everything on. Plans may look at
the request, count, kill, move files: the parser waits for its answer meanwhile.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from influx_server import free_port
from waiting import LONG

Plan = Callable[["Request"], None]


class FaultProxy:
    """Listens on a free port of 127.0.0.1 and hands requests on to `upstream` as `plan` says.

    `down` closes the port and every connection, `up` opens the same port again. `writes` counts the writes seen.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.plan: Plan = hand_on
        self.writes = 0
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._counting = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> FaultProxy:
        self.up()
        return self

    def __exit__(self, *_) -> None:
        self.down()

    def up(self) -> None:
        """Listen (again)."""
        if self._server is None:
            self.closing.clear()
            self._server = _Server(("127.0.0.1", self.port), _handler(self))
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self) -> None:
        """Close the port and cut every connection. A plan calls `cut_off` instead: it runs in the server's thread."""
        self.cut_off()
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def cut_off(self) -> None:
        """As `down`, for plans."""
        self.closing.set()
        if self._server is not None:
            self._server.socket.close()
        for connection in list(self._connections):
            _reset(connection)

    def heal(self) -> None:
        """Listen, and hand everything on."""
        self.plan = hand_on
        if self.closing.is_set():
            self.down()
        self.up()

    def _count(self, request: Request) -> None:
        with self._counting:
            self.writes += request.is_write
            request.number = self.writes if request.is_write else 0


class Request(BaseHTTPRequestHandler):
    """One request on its way. `number` counts the writes from 1 and is 0 for all others."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: FaultProxy
    number = 0
    _body: bytes | None = None

    @property
    def is_write(self) -> bool:
        return self.path.startswith("/api/v2/write")

    @property
    def length(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def setup(self) -> None:
        super().setup()
        self.proxy._connections.add(self.connection)

    def finish(self) -> None:
        self.proxy._connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            self.close_connection = True  # the other side, or a plan, has closed it

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ValueError, http.client.HTTPException):
            self.close_connection = True  # cut by a plan, or the parser was killed

    def _relay(self) -> None:
        self._body = None
        self.proxy._count(self)
        self.proxy.plan(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _relay

    def log_message(self, *_) -> None:
        pass

    def body(self) -> bytes:
        """The request's body, read whole; a plan may look at it and hand the request on all the same."""
        if self._body is None:
            self._body = self.rfile.read(self.length)
        return self._body

    def ask(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Hand the request on; returns the server's status, headers and body."""
        connection = http.client.HTTPConnection(self.proxy.upstream.netloc, timeout=LONG)
        kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        try:
            connection.request(self.command, self.path, self.body(), kept)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send an answer to the parser."""
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """Cut the connection."""
        self.close_connection = True
        _reset(self.connection)

    def wait(self, seconds: float | None) -> None:
        """Wait until the parser hangs up or the proxy closes, at most so many seconds."""
        for _ in range(int((seconds or 600) / 0.05)):
            gone = select.select([self.connection], [], [], 0)[0]
            if gone or self.proxy.closing.wait(0.05):
                return


# What can become of a request


def hand_on(request: Request) -> None:
    """Nothing is wrong."""
    request.answer(*request.ask())


def refuse(status: int, code: str, message: str, **headers: str) -> Plan:
    """Answer with an error as InfluxDB words it, and hand nothing on."""

    def plan(request: Request) -> None:
        request.body()
        logged = json.dumps({"code": code, "message": message}).encode()
        extra = [(name.replace("_", "-"), value) for name, value in headers.items()]
        request.answer(status, [("Content-Type", "application/json"), *extra], logged)

    return plan


def stay_silent(request: Request) -> None:
    """Read everything and never answer."""
    request.body()
    request.wait(None)
    request.reset()


def store_and_stay_silent(request: Request) -> None:
    """The server stores it; its answer never comes."""
    request.ask()
    request.wait(None)
    request.reset()


def cut_the_answer(request: Request) -> None:
    """The server stores it; the connection ends in the middle of its answer."""
    request.ask()
    request.wfile.write(b"HTTP/1.1 20")
    request.reset()


def cut_the_request(request: Request) -> None:
    """The connection ends in the middle of the request: the server sees half a body."""
    half = request.rfile.read(request.length // 2)
    head = f"{request.command} {request.path} HTTP/1.1\r\n{request.headers.as_string()[:-1]}\r\n".replace("\n\n", "\n")
    with socket.create_connection((request.proxy.upstream.hostname, request.proxy.upstream.port)) as server:
        server.sendall("\r\n".join(head.splitlines()).encode() + b"\r\n\r\n" + half)
    request.reset()


def answer_late(seconds: float) -> Plan:
    """Every answer takes so long."""

    def plan(request: Request) -> None:
        answer = request.ask()
        request.proxy.closing.wait(seconds)
        request.answer(*answer)

    return plan


def writes_only(fault: Plan, numbers: range | None = None) -> Plan:
    """The fault for writes (those with these numbers), hand on everything else."""

    def plan(request: Request) -> None:
        hit = request.is_write and (numbers is None or request.number in numbers)
        (fault if hit else hand_on)(request)

    return plan


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, *_) -> None:
        pass  # connections are cut here all the time


def _handler(proxy: FaultProxy) -> type[Request]:
    return type("Request", (Request,), {"proxy": proxy})


def _reset(connection: socket.socket) -> None:
    # Closed with RST, as a host that fell over would.
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    except OSError:
        return  # it was closed before
