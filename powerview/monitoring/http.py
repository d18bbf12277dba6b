"""Requests to the servers: an answer, or the reason why there was none."""

from __future__ import annotations

import ssl

import requests
from requests.adapters import HTTPAdapter

from powerview.monitoring.texts import Phrase

TIMEOUT = 10

Answer = requests.Response | Phrase | str


class _SystemsAuthorities(HTTPAdapter):
    # requests knows the authorities that it brings; a company's own is in the system's store.
    def init_poolmanager(self, *arguments, **options) -> None:
        super().init_poolmanager(*arguments, ssl_context=ssl.create_default_context(), **options)


def get(address: str, **options: object) -> Answer:
    """The answer of InfluxDB or Grafana to a GET request, or why there was none; `options` as requests takes them."""
    return ask("GET", address, **options)


def ask(method: str, address: str, *, outside: bool = False, **options: object) -> Answer:
    """The answer, or why there was none; the reason never repeats the address.

    InfluxDB and Grafana are asked as the playbooks ask them: past any proxy, without a login of `.netrc`, following no
    redirect. What is `outside` may be behind a proxy, and may have moved.
    """
    try:
        with requests.Session() as session:
            session.trust_env = outside
            session.mount("https://", _SystemsAuthorities())
            return session.request(method, address, timeout=TIMEOUT, allow_redirects=outside, **options)
    except requests.exceptions.SSLError:
        return Phrase("not_trusted")
    except requests.ConnectionError:
        return Phrase("no_connection")
    except requests.Timeout:
        return Phrase("no_answer", TIMEOUT)
    except (requests.RequestException, ValueError) as error:  # an address that is none
        return type(error).__name__


def status_of(answer: Answer) -> int:
    """The status of the answer, 0 if there was none."""
    return answer.status_code if isinstance(answer, requests.Response) else 0


def body(answer: Answer) -> dict:
    """The JSON object in the answer, an empty one if there is none."""
    try:
        found = answer.json() if isinstance(answer, requests.Response) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def why(answer: Answer) -> Phrase | str:
    """What to show of an answer that is not as it should be."""
    if not isinstance(answer, requests.Response):
        return answer
    return f"{answer.status_code} {str(body(answer).get('message', ''))[:150]}".strip()
