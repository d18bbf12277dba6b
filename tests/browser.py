"""Debian's Chromium, driven by Playwright, which brings no browser of its own here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from waiting import LONG

WITHOUT_A_DESKTOP = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@dataclass
class Seen:
    """A page in the browser, with what it complained about and what it asked the network for."""

    page: object
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def window(*, width: int = 1400, scheme: str = "light", language: str = "en-GB") -> Iterator[Seen]:
    """An empty page of headless Chromium. Without one the test is skipped, and in CI it fails."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no chromium on PATH: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=WITHOUT_A_DESKTOP, timeout=LONG * 1000)
        phone = width < 600
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=phone, is_mobile=phone,
            locale=language,
        )  # fmt: skip
        context.set_default_timeout(LONG * 1000)
        seen = Seen(context.new_page())
        seen.page.on("console", lambda said: said.type in ("error", "warning") and seen.complaints.append(said.text))
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on("dialog", lambda dialog: (seen.complaints.append(dialog.message), dialog.dismiss()))
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        yield seen
        browser.close()


@contextmanager
def opened(file: Path, *, width: int = 1400, scheme: str = "light") -> Iterator[Seen]:
    """A file in headless Chromium."""
    with window(width=width, scheme=scheme) as seen:
        seen.page.goto(file.as_uri())
        yield seen
