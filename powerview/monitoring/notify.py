"""Whom to notify: the addresses of POWERVIEW_ALERT_URLS by Apprise, and the ping of POWERVIEW_PING_URL.

Those URLs hold passwords. Nothing that Apprise, requests or a server writes about one is shown, but what is on a short
list of things that cannot hold a secret.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from powerview.monitoring.http import ask, status_of, why
from powerview.monitoring.texts import in_english
from powerview.settings import Settings

SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}(?=://)", re.IGNORECASE)
STATUS = re.compile(r"\berror=(\d{3})\b")


class Recipient:
    """One address of POWERVIEW_ALERT_URLS: `label` may be shown, `key` may be kept, neither holds a secret."""

    def __init__(self, position: int, url: str, total: int) -> None:
        self._url = url
        scheme = SCHEME.match(url)
        self.label = f"address {position} of {total} ({scheme[0] if scheme else 'no URL'})"
        self.key = hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def send(self, title: str, body: str, *, over: bool = False) -> str:
        """Send a message; returns why it was not delivered, an empty text if it was."""
        try:
            import apprise  # late: a quarter of a second, and most sweeps have nothing to send
        except ImportError:
            return "Apprise is not installed: pip install -r requirements.txt"
        asset = apprise.AppriseAsset(
            app_id="PowerView", app_desc="PowerView", app_url="", image_url_mask="", image_url_logo="",
            async_mode=False, storage_mode=apprise.PersistentStoreMode.MEMORY,
        )  # fmt: skip
        with _captured_log() as log:
            try:
                sender = apprise.Apprise(asset=asset)
                if not sender.add(self._url):
                    return "Apprise does not know such an address, or a part of it is missing"
                kind = apprise.NotifyType.SUCCESS if over else apprise.NotifyType.FAILURE
                if sender.notify(title=title, body=body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT):
                    return ""
            except Exception as error:  # noqa: BLE001 - any of a hundred plug-ins; its text may hold the address
                return f"Apprise failed ({type(error).__name__})"
        return _reason(log)


def recipients(settings: Settings) -> list[Recipient]:
    """Everybody who is to be notified."""
    return [Recipient(n, url, len(settings.alert_urls)) for n, url in enumerate(settings.alert_urls, 1)]


def ping(settings: Settings, trouble: str = "") -> str:
    """Call POWERVIEW_PING_URL, or with `trouble` the same with /fail behind its path; returns what came back, an empty
    text if it was received."""
    url = settings.ping_url
    if trouble:
        try:
            parts = urlsplit(url)
        except ValueError:
            return "it is no URL"
        url = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))
    answer = ask("POST" if trouble else "GET", url, outside=True, data=trouble.encode("utf-8", "replace"))
    if 200 <= status_of(answer) < 300:
        return ""
    return f"answered {status_of(answer)}" if status_of(answer) else in_english(why(answer))


def _reason(log: list[str]) -> str:
    for line in log:
        status = STATUS.search(line)
        if status:
            return f"answered {status[1]}"
    if any("onnection error" in line for line in log):
        return "no connection, or the login was refused"
    return "it was not accepted"


class _Capture(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    # What is logged meanwhile, by Apprise or by what it calls, goes nowhere else: it repeats addresses.
    root, capture = logging.getLogger(), _Capture()
    handlers, root.handlers = root.handlers, [capture]
    try:
        yield capture.lines
    finally:
        root.handlers = handlers
