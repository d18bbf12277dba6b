"""Requests to the servers: an answer, or the reason why there was none."""

from __future__ import annotations

import requests

from powerview.monitoring.texts import Phrase

TIMEOUT = 10

Answer = requests.Response | Phrase | str


def get(address: str, **options: object) -> Answer:
    """The answer to a GET request, or why there was none; `options` as requests takes them."""
    return ask("GET", address, **options)


def ask(method: str, address: str, *, follow: bool = False, **options: object) -> Answer:
    """The answer, or why there was none; the reason never repeats the address. InfluxDB and Grafana do not redirect."""
    try:
        return requests.request(method, address, timeout=TIMEOUT, allow_redirects=follow, **options)
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
