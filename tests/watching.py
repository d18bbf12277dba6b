"""Sweeps of `watch`, five simulated minutes apart, of an installation whose items are real or a test's own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from receiver import Receiver
from trees import Site

from powerview.monitoring import watch
from powerview.monitoring.item import Item, good
from powerview.monitoring.uploads import uploads
from powerview.settings import Settings

SWEEP = 300
HOUR = 3600
DAY = 24 * HOUR


class Clock:
    """time.time, moved by hand."""

    def __init__(self, monkeypatch) -> None:
        self.now = time.time()
        monkeypatch.setattr(time, "time", lambda: self.now)


@dataclass
class Sweeps:
    """`watch` at the end of each sweep. `look` yields the items, by default those of the real check."""

    settings: Settings
    clock: Clock
    receiver: Receiver
    sftpgo: tuple[Path, ...] = ()
    statuses: list[int] = field(default_factory=list)

    def one(self) -> list[str]:
        """The next sweep; returns the messages that it sent."""
        before = len(self.receiver.messages)
        self.clock.now += SWEEP
        self.statuses.append(watch.run_watch(self.settings, sftpgo=self.sftpgo))
        return self.receiver.messages[before:]

    def during(self, seconds: float) -> list[str]:
        """All sweeps of so much time; returns the messages that they sent."""
        end = self.clock.now + seconds
        messages = []
        while self.clock.now + SWEEP <= end:
            messages += self.one()
        return messages


def deliver(site: Site, place: str, at: float, state: str = "parsed") -> None:
    """A logger's file arrived at this moment and was settled."""
    stamp = time.strftime("%y%m%d_%H%M%S", time.gmtime(at))
    file = site.put(f"{place}/{state}/T302_{stamp}.tsv", b"x")
    os.utime(file, (at, at))


def scripted(monkeypatch, settings: Settings, items: Callable[[float], Iterable[Item]], clock: Clock) -> None:
    """Let `watch` see these items, which depend on the time, and the real ones about uploads."""

    def look(_settings, _sftpgo, *, write):
        yield from items(clock.now)
        yield from uploads(settings)
        yield good("check", "everything was looked at")

    monkeypatch.setattr(watch, "look", look)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own in `folder`. Skips the test where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("only root, on a machine of its own, can mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as filling, suppress(OSError):
        while True:
            filling.write(b"\0" * (1 << 20)) or filling.write(b"\0")
