"""What the tree on disk asks of Grafana: clients, their campaigns, and the uids under which Grafana knows them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from powerview.names import refused_names
from powerview_grafana.addresses import (
    ADMIN_FOLDER_UID,
    CLIENT_DASHBOARDS,
    CLIENT_DATA_SOURCES,
    CLIENT_FOLDERS,
    MASTER_UID,
    OVERVIEWS,
)


class UsageError(Exception):
    """The person who started the run asked for something that cannot be; the text says what and what to do."""


def wanted(data: Path, admin_bucket: str, client: str = "", campaign: str = "") -> dict:
    """The admins and the clients with their campaigns that Grafana should show (`clients`), and the names on disk that
    were refused, each with its reason (`refused`).

    `client` and `campaign` narrow it to one client or one campaign, which need not exist on disk. A client without
    campaigns is left out. Raises UsageError for a campaign without a client, for one of these two that is refused, and
    for a tree that cannot be read.
    """
    if campaign and not client:
        raise UsageError(
            f"POWERVIEW_CAMPAIGN is {campaign!r} but POWERVIEW_CLIENT is not set: a campaign belongs to a client."
        )
    if client:
        _check_given(client, campaign, admin_bucket)
    refused: list[str] = []
    pairs = [(client, campaign)] if campaign else _folders(data, client, admin_bucket, refused)
    clients: dict[str, list[str]] = {}
    for owner, name in pairs:
        if reason := refused_names(owner, name, admin_bucket=admin_bucket):
            refused.append(f"{f'{owner}/{name}'!r}: {reason}")
        else:
            clients.setdefault(owner, []).append(name)
    described = [describe(name, sorted(names)) for name, names in sorted(clients.items())]
    return {
        "clients": [begun(d) for d in (describe_admin(admin_bucket), *described)],
        "refused": [f"powerview: refused {r}" for r in refused],
    }


def check_named(client: str, campaign: str, admin_bucket: str) -> None:
    """Raise UsageError unless a client is named that may exist, and a campaign if there is one."""
    if not client:
        raise UsageError("POWERVIEW_CLIENT is not set: it names the client.")
    if reason := refused_names(client, campaign, admin_bucket=admin_bucket):
        raise UsageError(reason)


def begun(described: dict) -> dict:
    """A client as the first task takes it (`run.py` says what the fields mean)."""
    campaigns = [{**c, "steps": []} for c in described["campaigns"]]
    overview = described["overview"] and {**described["overview"], "steps": []}
    return {
        **described, "campaigns": campaigns, "overview": overview, "org": None, "team_id": None, "steps": [],
        "failed": "", "stopped": "", "is_closed": False,
    }  # fmt: skip


def describe(client: str, campaigns: list[str]) -> dict:
    """One client: what belongs to it in Grafana and InfluxDB, by its titles and uids."""
    return {
        "client": client,
        "team": client,
        "folder": client,
        "folder_uid": CLIENT_FOLDERS + _digest(client),
        "data_source": client,
        "data_source_uid": CLIENT_DATA_SOURCES + _digest(client),
        "bucket": client,
        "campaigns": [{"campaign": c, "uid": CLIENT_DASHBOARDS + _digest(f"{client}/{c}")} for c in campaigns],
        "overview": {"campaign": "", "uid": OVERVIEWS + _digest(client)},
    }


def describe_admin(admin_bucket: str) -> dict:
    """The same for the admins, whose folder no team may see and whose one dashboard is the Master."""
    return {
        "client": "admin",
        "team": "",
        "folder": "admin",
        "folder_uid": ADMIN_FOLDER_UID,
        "data_source": MASTER_UID,
        "data_source_uid": MASTER_UID,
        "bucket": admin_bucket,
        "campaigns": [{"campaign": "Master", "uid": MASTER_UID}],
        "overview": None,
    }


def _check_given(client: str, campaign: str, admin_bucket: str) -> None:
    if reason := refused_names(client, campaign, admin_bucket=admin_bucket):
        name = f"{client}/{campaign}" if campaign else client
        raise UsageError(f"refused {name!r}: {reason}")


def _folders(data: Path, client: str, admin_bucket: str, refused: list[str]) -> Iterator[tuple[str, str]]:
    for name in [client] if client else _tree(data):
        reason = refused_names(name, admin_bucket=admin_bucket)
        try:
            campaigns = [] if reason else _real_folders(data / name)
        except FileNotFoundError:
            continue  # it is not there yet, or no longer
        except OSError as error:
            reason = f"the client's folder cannot be read: {error.strerror}."
        if reason:
            refused.append(f"{name!r}: {reason}")
        else:
            yield from ((name, campaign) for campaign in campaigns)


def _tree(data: Path) -> list[str]:
    try:
        return _real_folders(data)
    except OSError as error:
        raise UsageError(f"the tree {data} cannot be read: {error.strerror}. Is POWERVIEW_DATA_DIR right?") from error


def _real_folders(folder: Path) -> list[str]:
    # Names need not be UTF-8: Python carries the other bytes as surrogates, and the rule for names refuses them.
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))


def _digest(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:32]
