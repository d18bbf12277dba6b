"""Calls of Grafana and InfluxDB: many reads at once over kept connections, one write after the other, and errors that
name the server, what it refused and the variable to look at.

Python's own HTTP client is used because it does nothing by itself: no proxy gets our login, no redirect is followed
with it, no ~/.netrc replaces it, and certificates are checked against the system's authorities.
"""

from __future__ import annotations

import csv
import http.client
import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from powerview.settings import Settings, SettingsError

TIMEOUT_SECONDS = 30
CONNECTIONS = 8
GONE = (404,)
EXISTS = (409, 412)
"""What Grafana answers for something that is there already: 12.4 says 412, 13 says 409."""


class ServerError(Exception):
    """A server is away, refuses us, or answers what it should not. The text names the server and the variable.

    `away` is the server's name if it gave no answer: there is no use in asking it again.
    """

    def __init__(self, text: str, away: str = "") -> None:
        super().__init__(text)
        self.away = away


@dataclass(frozen=True)
class Get:
    """One address to read: the path with its query, and in Grafana the organisation. `also` are statuses beside 200."""

    path: str
    org: int | None = None
    also: tuple[int, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came back: the status, and the JSON (None where there is none)."""

    status: int
    body: Any = None

    @property
    def found(self) -> bool:
        """Whether there is something."""
        return self.status != 404


@dataclass(frozen=True)
class Server:
    """One of the two servers. `variable` names its address, `login` says what to look at when it refuses the login, and
    `locks` why it may refuse a right one."""

    name: str
    url: str
    variable: str
    login: str
    authorization: str = field(repr=False)
    has_organisations: bool = False
    locks: str = ""

    def headers(self, org: int | None = None) -> dict[str, str]:
        """The headers of a call; they hold the secret. Raises ServerError for a call that has to name an organisation.

        Grafana takes a call that names none to mean the one that our login looked at last: any client's. Calls that
        concern the whole server name the main organisation.
        """
        named = {}
        if self.has_organisations:
            if not str(org).isdecimal():
                raise ServerError(f"a call of {self.name} names no organisation, and was not made: run again.")
            named = {"X-Grafana-Org-Id": str(org)}
        return {"Authorization": self.authorization, "Accept": "application/json", **named}

    def get(self, path: str, org: int | None = None, also: tuple[int, ...] = ()) -> Answer:
        """Read one address. Raises ServerError for a status that is neither 200 nor in `also`."""
        return self.get_all([Get(path, org, also)])[0]

    def get_all(self, gets: Sequence[Get]) -> list[Answer]:
        """Read many addresses at once; the answers are in the order of `gets`. Raises the first ServerError."""
        own = threading.local()

        def read(get: Get) -> Answer:
            if not hasattr(own, "connection"):
                own.connection = self._connect()
            return self._read(own.connection, get)

        with ThreadPoolExecutor(max(1, min(CONNECTIONS, len(gets)))) as pool:
            return list(pool.map(read, gets))

    def write(
        self, task: str, method: str, path: str, body: Any = None, org: int | None = None, also: tuple[int, ...] = ()
    ) -> Answer:
        """One write; an error names it by its `task`. Raises ServerError for a status that is neither 2xx nor in
        `also`, and for an answer that cannot be understood."""
        connection = self._connect()
        try:
            status, reason, answer = self._send(connection, method, path, org, body)
        finally:
            connection.close()
        if status in also or 200 <= status < 300:
            return Answer(status, answer)
        raise ServerError(self.refusal(f'the task "{task}"', status, _message(answer) or reason))

    def query(self, flux: str, path: str) -> list[dict[str, str]]:
        """The rows of a Flux query at this address, which changes nothing; none if what it reads is not there."""
        headers = self.headers() | {"Content-Type": "application/vnd.flux", "Accept": "application/csv"}
        connection = self._connect()
        try:
            status, reason, raw = self._exchange(connection, "POST", path, headers, flux.encode())
        finally:
            connection.close()
        if status in GONE:
            return []
        if status != 200:
            raise ServerError(self.refusal("a query", status, _message(_json(raw)) or reason))
        lines = raw.decode("utf-8", "replace").splitlines()
        return list(csv.DictReader(line for line in lines if line.strip()))

    def _read(self, connection: http.client.HTTPConnection, get: Get) -> Answer:
        status, reason, body = self._send(connection, "GET", get.path, get.org)
        if status in get.also:
            return Answer(status, body)
        if status != 200:
            what = f"GET {get.path.partition('?')[0]}"
            raise ServerError(self.refusal(what, status, _message(body) or reason))
        if body is None:
            raise ServerError(f"what answers at {self.url} ({self.variable}) is not {self.name}: set its address.")
        return Answer(status, body)

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            context = ssl.create_default_context()  # the system's authorities, a company's own among them
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)

    def _send(self, connection, method: str, path: str, org: int | None, body: Any = None) -> tuple[int, str, Any]:
        headers, content = self.headers(org), None
        if body is not None:
            content, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        status, reason, raw = self._exchange(connection, method, path, headers, content)
        return status, reason, _json(raw)

    def _exchange(self, connection, method: str, path: str, headers: dict, content: bytes | None):
        target = urlsplit(self.url).path.rstrip("/") + path
        try:
            connection.request(method, target, content, headers)
            answer = connection.getresponse()
            return answer.status, answer.reason, answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ServerError(self.no_answer(_cause(error)), away=self.name) from error

    def refused(self, task: str, answer: Answer) -> ServerError:
        """The error for an answer to a write that `also` let through, and that means no after all."""
        return ServerError(self.refusal(f'the task "{task}"', answer.status, _message(answer.body)))

    def no_answer(self, cause: str) -> str:
        """The sentence for a server that cannot be reached."""
        return f"{self.name} does not answer at {self.url} ({self.variable}): {cause}. Is it running?"

    def refusal(self, what: str, status: int, message: str) -> str:
        """The sentence for an answer that is not what it should be, to the call `what`."""
        if status == 401:
            return f"{self.name} at {self.url} refuses the login: {self.login}.{self.locks}"
        if status == 403:
            reason = f" ({message.rstrip('.')})" if message else ""
            return f"{self.name} at {self.url} forbids {what} to this login{reason}: {self.login}."
        if 300 <= status < 400:
            return f"{self.name} is not at {self.url}, it sends us elsewhere ({status}): look at {self.variable}."
        where = f"{self.name} at {self.url} ({self.variable})"
        if status < 500:
            return f"{where} refused {what} ({status}): {message.rstrip('.')}."
        return f"{where} answered {what} with {status} ({message}): look at its log."


def grafana(settings: Settings) -> Server:
    """Grafana with its admin's login. Raises SettingsError without GRAFANA_PASSWORD."""
    if not settings.grafana_password:
        raise SettingsError(f"GRAFANA_PASSWORD is not set: set it in {settings.env_file} or in the environment.")
    return grafana_as(settings, settings.grafana_username, settings.grafana_password)


def grafana_as(settings: Settings, login: str, password: str) -> Server:
    """Grafana with any login."""
    authorization = "Basic " + b64encode(f"{login}:{password}".encode()).decode()
    look_at = "look at GRAFANA_USERNAME, GRAFANA_PASSWORD"
    return Server("Grafana", settings.grafana_url, "GRAFANA_URL", look_at, authorization, True, _locks(password))


def _locks(password: str) -> str:
    locked = (
        " If they are right, the login is locked: five wrong passwords, whoever typed them, lock it for five minutes."
    )
    if "$" not in password:
        return locked
    return f"{locked} Or it is the $ in the password: compose and Grafana may replace it and what is behind it."


def influxdb(settings: Settings) -> Server:
    """InfluxDB with the admins' token. Raises SettingsError without INFLUXDB_HOST or INFLUXDB_ADMIN_TOKEN."""
    for name, value in (
        ("INFLUXDB_HOST", settings.influxdb_host),
        ("INFLUXDB_ADMIN_TOKEN", settings.influxdb_admin_token),
    ):
        if not value:
            raise SettingsError(
                f"{name} is not set, and without it no token can be made for a data source: "
                f"set it in {settings.env_file} or in the environment."
            )
    authorization = f"Token {settings.influxdb_admin_token}"
    return Server("InfluxDB", settings.influxdb_host, "INFLUXDB_HOST", "look at INFLUXDB_ADMIN_TOKEN", authorization)


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _message(body: Any) -> str:
    return str(body.get("message") or "")[:200] if isinstance(body, dict) else ""
