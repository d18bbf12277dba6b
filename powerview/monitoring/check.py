"""Is everything in place? One line for each item, with what is wrong and what to do; nothing is changed anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from powerview.ingest.journal import now_text
from powerview.monitoring.item import BAD, Item
from powerview.monitoring.machine import SFTPGO_ENVIRONMENT, configuration, machine
from powerview.monitoring.servers import servers
from powerview.monitoring.uploads import uploads
from powerview.settings import Settings


def run_check(settings: Settings, *, as_json: bool = False, sftpgo: tuple[Path, ...] = SFTPGO_ENVIRONMENT) -> int:
    """Look at everything and print it; returns the exit status, 1 if anything is bad. `sftpgo` is where SFTPGo's
    environment stands, files or folders of files: what is set in one wins over those behind it."""
    items = list(look(settings, sftpgo))
    bad = any(item.state == BAD for item in items)
    if as_json:
        print(json.dumps({"time": now_text(), "ok": not bad, "items": [asdict(i) for i in items]}, ensure_ascii=False))
    else:
        print("\n".join(item.line() for item in items))
    return int(bad)


def look(settings: Settings, sftpgo: tuple[Path, ...]) -> Iterator[Item]:
    """Every item, in the order in which one builds on the other."""
    yield from configuration(settings)
    yield from servers(settings)
    yield from machine(settings, sftpgo)
    yield from uploads(settings)
