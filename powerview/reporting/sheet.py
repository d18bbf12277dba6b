"""`python -m powerview channels`: write a campaign's sheet, or bring it up to date."""

from __future__ import annotations

import os

from powerview import channels
from powerview.channels import disk
from powerview.channels.table import read_table, write_table
from powerview.channels.update import Measured, bring_up_to_date, empty_table
from powerview.inbox import Busy
from powerview.inbox.disk import identity, opened
from powerview.names import refused_names
from powerview.reporting.campaign import read_tree
from powerview.reporting.figures import figures_of
from powerview.settings import Settings


class NoSheet(Exception):
    """No sheet can be written. The text says why and what to do."""


def write_sheet(settings: Settings, client: str, campaign: str) -> list[str]:
    """Write channels.csv beside a campaign's devices in POWERVIEW_DATA_DIR, or bring it up to date.

    Returns what changed, the first sentence about all of it. Raises NoSheet if there is no such campaign,
    channels.NotUnderstood about the sheet that is there, OSError; then nothing was written.
    """
    path = settings.data_dir / client / campaign / channels.NAME
    clamps = _measured(settings, client, campaign)
    try:
        data, mark = disk.read_beside(settings.data_dir, client, campaign, quiet=True)
    except FileNotFoundError:
        data = mark = None
    except Busy as busy:
        raise NoSheet(f"{path}: {busy}. Try again then.") from busy
    table = read_table(data) if data is not None else empty_table(settings.language)
    table, changed = bring_up_to_date(table, clamps, settings.language)
    written = write_table(table)
    if written == data:
        return [f"{path} is up to date, and stays as it is.", *changed]
    try:
        _replace(settings, client, campaign, written, mark)
    except OSError as error:
        error.filename = str(path)
        raise
    lines = f"{len(table.rows)} {'line' if len(table.rows) == 1 else 'lines'}"
    what = "is written" if data is None else "is up to date again"
    return [f"{path} {what}: {lines}, with the mean and the largest value of each clamp.", *changed]


def _measured(settings: Settings, client: str, campaign: str) -> list[Measured]:
    reason = "a name is empty" if not client or not campaign else None
    reason = reason or refused_names(client, campaign, admin_bucket=settings.influxdb_bucket)
    if reason:
        raise NoSheet(reason)
    campaigns, _ = read_tree(settings, client, campaign)
    if not campaigns or not campaigns[0].series:
        raise NoSheet(f"there are no readings of {client}/{campaign} in the files of {settings.data_dir}")
    found = figures_of(campaigns[0].series, settings.timezone).channels
    return [Measured(f.channel.device, f.channel.idx, f.channel.unit, f.channel.name, f.mean, f.highest) for f in found]


def _replace(settings: Settings, client: str, campaign: str, content: bytes, mark: str | None) -> None:
    # What a person writes meanwhile must not be lost: then nothing is replaced.
    with opened(settings.data_dir, client, campaign) as folder, disk.beside(folder, channels.NAME) as file:
        if mark is None:
            disk.give_to(file, os.fstat(folder))
        file.write(content)
        if _mark(folder) != mark:
            raise NoSheet(f"somebody has changed {client}/{campaign}/{channels.NAME} meanwhile: run this again")


def _mark(folder: int) -> str | None:
    try:
        return identity(os.stat(channels.NAME, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return None
