"""Loggers that have fallen silent, wherever in the tree they deliver.

A logger is a device's folder; its serial number is the same when it moves to another campaign or client. The tree is
looked at every five minutes, so nothing is opened, and of a folder's files only as many are asked for their times as
it takes to find a recent one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from powerview.inbox import ERROR_DIR, PARSED_DIR
from powerview.monitoring.item import Item, bad, each
from powerview.monitoring.journals import settled_since
from powerview.names import is_tsv, refused_names
from powerview.seconds import A_DAY
from powerview.settings import Settings

SILENT_HOURS = 36
"""How long a silence may last."""
FORGOTTEN_DAYS = 30
"""After this a logger is taken to have been unmounted."""
NAME = "silent loggers"


@dataclass(frozen=True)
class Place:
    """Where a logger delivers or delivered: its folder, and its newest arrival there in UTC seconds."""

    client: str
    campaign: str
    device: str
    arrived: float


def silent_loggers(settings: Settings) -> Iterator[Item]:
    """An item for each logger from which nothing has arrived for 36 hours; after 30 days it is forgotten.

    Raises OSError if the tree itself cannot be read.
    """
    now = time.time()
    silent, forgotten = now - SILENT_HOURS * 3600, now - FORGOTTEN_DAYS * A_DAY
    last: dict[str, Place] = {}
    for place in _places(settings, silent, forgotten):
        if place.device not in last or place.arrived > last[place.device].arrived:
            last[place.device] = place
    candidates = {d: place for d, place in last.items() if forgotten < place.arrived < silent}
    if candidates:  # the journal knows better where a client sets the times of its files
        for record in _recently_settled(settings, silent):
            candidates.pop(record.get("device"), None)
    places = sorted(candidates.values(), key=lambda place: place.device)
    yield from each(NAME, places, lambda place: _silent(place, now), f"none of {len(last)}")


def _silent(place: Place, now: float) -> Item:
    return bad(
        NAME, "logger_silent", place.device, device=place.device, place=f"{place.client}/{place.campaign}",
        hours=(now - place.arrived) // 3600,
    )  # fmt: skip


def _recently_settled(settings: Settings, since: float) -> list[dict]:
    try:
        return list(settled_since(settings.log_dir, since))
    except OSError:  # another line of `check` shows it
        return []


def _places(settings: Settings, enough: float, too_old: float) -> Iterator[Place]:
    for client, client_path in _folders(str(settings.data_dir)):
        for campaign, campaign_path in _folders_or_none(client_path):
            for device, path in _folders_or_none(campaign_path):
                if refused_names(client, campaign, device, admin_bucket=settings.influxdb_bucket):
                    continue
                arrived = _newest(path, enough, too_old)
                if arrived is not None:
                    yield Place(client, campaign, device, arrived)


def _folders(path: str) -> list[tuple[str, str]]:
    with os.scandir(path) as entries:
        return [(entry.name, entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _folders_or_none(path: str) -> list[tuple[str, str]]:
    try:
        return _folders(path)
    except OSError:  # taken away meanwhile, or closed, which another line of `check` shows
        return []


def _newest(device: str, enough: float, too_old: float) -> float | None:
    # The newest arrival in a device's folder, exact only if it is before `enough`; None if there was none since
    # `too_old`. A folder in which nothing has changed since then needs no look at its files.
    newest = None
    for folder in (device, f"{device}/{PARSED_DIR}", f"{device}/{ERROR_DIR}"):
        try:
            if os.stat(folder, follow_symlinks=False).st_mtime < too_old:
                continue
            names = os.listdir(folder)
        except OSError:
            continue  # there is none
        names.sort(reverse=True)  # most often the newest first; whatever the order, the result is the same
        for name in filter(is_tsv, names):
            arrived = _arrival(f"{folder}/{name}")
            if arrived >= enough:
                return arrived
            newest = max(arrived, newest or 0.0)
    return newest if newest and newest > too_old else None


def _arrival(path: str) -> float:
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return 0.0  # moved on meanwhile
    # The client may have set a time that lies ahead.
    return status.st_mtime if status.st_mtime <= time.time() else status.st_ctime
