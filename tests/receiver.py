"""A small HTTP server that takes what `watch` sends: messages of Apprise's json:// and pings."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from influx_server import free_port

SECRET = "s3cr3t-of-the-address"


@dataclass(frozen=True)
class Ping:
    """One call of the dead man's switch."""

    fail: bool
    text: str


class Receiver:
    """`messages` are the texts received, `titles` their titles; `status` is what it answers. A context manager.

    `stop` and `start` are a network that goes and comes back: the port stays the same.
    """

    def __init__(self) -> None:
        self.status = 200
        self.messages: list[str] = []
        self.titles: list[str] = []
        self.kinds: list[str] = []
        self.pings: list[Ping] = []
        self.refused = 0
        self.port = free_port()  # nobody takes it while this is stopped
        self._server = self._listen(self.port)
        self.alert_url = f"json://user:{SECRET}@127.0.0.1:{self.port}/{SECRET}"
        self.ping_url = f"http://127.0.0.1:{self.port}/ping/{SECRET}"

    def __enter__(self) -> Receiver:
        self._serve()
        return self

    def __exit__(self, *_exc) -> None:
        self.stop()

    def stop(self) -> None:
        """Nobody answers any more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def start(self) -> None:
        """Answer again."""
        self._server = self._listen(self.port)
        self._serve()

    def _listen(self, port: int) -> ThreadingHTTPServer:
        return ThreadingHTTPServer(("127.0.0.1", port), _handler(self))

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def receive(self, path: str, body: bytes) -> int:
        """Take one request; returns the status to answer with."""
        if path in (f"/ping/{SECRET}", f"/ping/{SECRET}/fail"):
            self.pings.append(Ping(path.endswith("/fail"), body.decode()))
            return 200
        if self.status != 200:
            self.refused += 1
            return self.status
        message = json.loads(body)
        self.titles.append(message["title"])
        self.messages.append(message["message"])
        self.kinds.append(message["type"])
        return 200


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(receiver.receive(self.path, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_arguments) -> None:
            pass

    return Handler
