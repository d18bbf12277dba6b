"""Requests to the servers: an answer, or the reason why there was none."""

from __future__ import annotations

import requests

TIMEOUT = 10


def get(address: str, **kwargs) -> requests.Response | str:
    return ask("GET", address, **kwargs)


def ask(method: str, address: str, **kwargs) -> requests.Response | str:
    # The answer, or why there was none; a redirect is no answer of these servers.
    try:
        return requests.request(method, address, timeout=TIMEOUT, allow_redirects=False, **kwargs)
    except requests.ConnectionError:
        return "no connection"
    except requests.Timeout:
        return f"no answer within {TIMEOUT} s"
    except requests.RequestException as error:
        return type(error).__name__


def body(answer: requests.Response | str) -> dict:
    try:
        said = answer.json() if isinstance(answer, requests.Response) else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def answer_text(answer: requests.Response | str) -> str:
    if isinstance(answer, str):
        return answer
    message = body(answer).get("message", "")
    return f"{answer.status_code} {str(message)[:150]}".strip()
