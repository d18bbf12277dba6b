"""Is everything in place? One line for each item, with what is wrong and what to do; nothing is changed anywhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from powerview.ingest.journal import now_text
from powerview.monitoring.grafana import grafana
from powerview.monitoring.influxdb import influxdb
from powerview.monitoring.item import BAD, SIGN, Item, bad, good
from powerview.monitoring.lanes import lanes
from powerview.monitoring.machine import SFTPGO_ENVIRONMENT, configuration, machine
from powerview.monitoring.uploads import uploads
from powerview.output import trouble
from powerview.settings import Settings

FIRST_FEW = 3
"""How many items of one name are shown to people; programs get all of them."""


def run_check(settings: Settings, *, as_json: bool = False, sftpgo: tuple[Path, ...] = SFTPGO_ENVIRONMENT) -> int:
    """Look at everything and print it; returns the exit status, 1 if anything is bad. `sftpgo` is where SFTPGo's
    environment is, files or folders of files: what is set in one wins over those behind it."""
    items = list(look(settings, sftpgo))
    all_well = not any(item.state == BAD for item in items)
    if as_json:
        records = [item.record() for item in items]
        print(json.dumps({"time": now_text(), "ok": all_well, "items": records}, ensure_ascii=False))
    else:
        print("\n".join(_lines(items)))
    return int(not all_well)


def look(settings: Settings, sftpgo: tuple[Path, ...], *, write: bool = False) -> Iterator[Item]:
    """Every item, in the order in which one builds on the other. With `write` a point is written to InfluxDB."""
    parts: dict[str, Callable[[], Iterable[Item]]] = {
        "settings": lambda: configuration(settings),
        "InfluxDB": lambda: influxdb(settings, write=write),
        "Grafana": lambda: grafana(settings),
        "machine": lambda: machine(settings, sftpgo),
        "lanes": lambda: lanes(settings),
        "uploads": lambda: uploads(settings),
    }
    all_parts = True
    for part, items in parts.items():
        try:
            yield from items()
        except Exception as error:  # noqa: BLE001 - one that fails is reported, and hides none of the others
            why = trouble(error) if isinstance(error, OSError) else type(error).__name__
            yield bad("check", "check_failed", part, part=part, why=why)
            all_parts = False
    if all_parts:
        yield good("check", "everything was looked at")


def _lines(items: Iterable[Item]) -> Iterator[str]:
    shown: Counter[str] = Counter()
    items = list(items)
    total = Counter(item.name for item in items if item.state == BAD)
    for item in items:
        if item.state == BAD:
            shown[item.name] += 1
            if shown[item.name] > FIRST_FEW:
                continue
        yield item.line()
        if item.state == BAD and shown[item.name] == FIRST_FEW < total[item.name]:
            yield f"{SIGN[BAD]} {item.name}: and {total[item.name] - FIRST_FEW} more"
