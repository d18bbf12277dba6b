"""Reading from Grafana and InfluxDB: many addresses at once over kept connections, and errors that say what to look at.

Ansible's own `url` lookup reads one address after another on a new connection each, and fails on the first 404; the
measurement that asked for this module stands in `bench/provisioning.py`.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from powerview.settings import Settings, SettingsError

if TYPE_CHECKING:
    import requests  # late: it takes 0.1 s, and who only asks for headers needs none of it

TIMEOUT_SECONDS = 30
CONNECTIONS = 8
GONE = (404,)


class ServerError(Exception):
    """A server is away, refuses us, or answers what it should not. The text names the server and the variable."""


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
    body: Any


@dataclass(frozen=True)
class Server:
    """One of the two servers. `variable` names its address, `login` the variables of its login."""

    name: str
    url: str
    variable: str
    login: str
    authorization: str
    has_organisations: bool = False

    def headers(self, org: int | None = None) -> dict[str, str]:
        """The headers of a call; they hold the secret. Raises ServerError for a call that has to name an organisation.

        Grafana takes a call that names none to mean the one that our login looked at last: any client's. Calls that
        concern the whole server name the main organisation.
        """
        if not self.has_organisations:
            named = {}
        elif str(org).isdecimal():
            named = {"X-Grafana-Org-Id": str(org)}
        else:
            raise ServerError(f"a call of {self.name} names no organisation, and was not made: run again.")
        return {"Authorization": self.authorization, "Accept": "application/json", **named}

    def get(self, path: str, org: int | None = None, also: tuple[int, ...] = ()) -> Answer:
        """Read one address. Raises ServerError for a status that is neither 200 nor in `also`."""
        return self.get_all([Get(path, org, also)])[0]

    def get_all(self, gets: Sequence[Get]) -> list[Answer]:
        """Read many addresses at once; the answers stand in the order of `gets`. Raises the first ServerError."""
        own = threading.local()

        def read(get: Get) -> Answer:
            if not hasattr(own, "session"):
                own.session = _session()
            return self._read(own.session, get)

        with ThreadPoolExecutor(max(1, min(CONNECTIONS, len(gets)))) as pool:
            return list(pool.map(read, gets))

    def _read(self, session: requests.Session, get: Get) -> Answer:
        import requests

        try:
            answer = session.get(
                self.url + get.path, headers=self.headers(get.org), timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ServerError(self.no_answer(_cause(error))) from error
        try:
            body = answer.json()
        except ValueError:
            body = None
        if answer.status_code in get.also:
            return Answer(answer.status_code, body)
        if answer.status_code != 200:
            what = f"GET {get.path.partition('?')[0]}"
            raise ServerError(self.refusal(what, answer.status_code, _message(body) or answer.reason))
        if body is None:
            raise ServerError(f"what answers at {self.url} ({self.variable}) is not {self.name}: set its address.")
        return Answer(answer.status_code, body)

    def no_answer(self, cause: str) -> str:
        """The sentence for a server that cannot be reached."""
        return f"{self.name} does not answer at {self.url} ({self.variable}): {cause}. Is it running?"

    def refusal(self, what: str, status: int, message: str) -> str:
        """The sentence for an answer that is not what it should be, to the call `what`."""
        if status == 401:
            return f"{self.name} at {self.url} refuses the login: look at {self.login}."
        if status == 403:
            said = f" ({message.rstrip('.')})" if message else ""
            return f"{self.name} at {self.url} forbids {what} to this login{said}: look at {self.login}."
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
    login = f"{settings.grafana_username}:{settings.grafana_password}".encode()
    authorization = "Basic " + b64encode(login).decode()
    login_variables = "GRAFANA_USERNAME, GRAFANA_PASSWORD"
    return Server("Grafana", settings.grafana_url, "GRAFANA_URL", login_variables, authorization, True)


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
    return Server("InfluxDB", settings.influxdb_host, "INFLUXDB_HOST", "INFLUXDB_ADMIN_TOKEN", authorization)


def _session() -> requests.Session:
    import requests

    session = requests.Session()
    session.auth = lambda request: request  # without one, requests takes a login from ~/.netrc over ours
    return session


def _cause(error: requests.RequestException) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_SECONDS} s"
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _message(body: Any) -> str:
    return str(body.get("message", ""))[:200] if isinstance(body, dict) else ""
