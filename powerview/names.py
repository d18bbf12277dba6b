"""Which names a client, a campaign and a device may have, and the order in which files were uploaded.

These names become InfluxDB buckets, measurements, Flux strings, URLs and Grafana titles.
"""

from __future__ import annotations

import re

PARSED_DIR, ERROR_DIR = "parsed", "error"
"""The folders below a device's in which settled files lie."""

EVENTS, TOTALS, CHANNELS = "powerview_events", "powerview_totals", "powerview_channels"
"""The measurements beside the campaigns': restarts and clock faults; totals; channels as a sheet shows them."""

_KEPT = {EVENTS: "restarts", TOTALS: "totals", CHANNELS: "channels with their names"}

LONGEST_NAME = 255
"""Bytes in the name of a file, and characters in a label or serial number."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_NAME_RULE = "names are letters, digits, `_`, `.` and `-`, begin with a letter or digit, and have 64 characters at most"
_STAMP = re.compile(r"(?<!\d)\d{6}_\d{6}(?!\d)")
_NUMBERED = re.compile(r"(.*)\.(\d{1,9})", re.DOTALL)


def refused_names(client: str, campaign: str = "", device: str = "", *, admin_bucket: str) -> str | None:
    """Why these names cannot become a bucket, a measurement, a title; None if they can. Empty ones are not looked at.

    `admin_bucket` is the bucket that belongs to the admins.
    """
    for what, name in (("client", client), ("campaign", campaign), ("device", device)):
        if name and not _NAME.fullmatch(name):
            return f"the {what}'s folder {name!r} has a name that is not allowed: {_NAME_RULE}. Rename the folder."
    if client.casefold() in ("admin", "powerview-master", admin_bucket.casefold()):
        return f"a client cannot be called {client}: that name is reserved for the admins. Rename the folder."
    if client.casefold() == "general":
        return f"a client cannot be called {client}: Grafana has a folder of that name. Rename the folder."
    if campaign in _KEPT:
        return f"a campaign cannot be called {campaign}: {_KEPT[campaign]} are kept under that name. Rename the folder."
    for what, name in (("campaign", campaign), ("device", device)):
        if name in (PARSED_DIR, ERROR_DIR):
            return f"a {what} cannot be called {name}: PowerView keeps its files under that name. Rename the folder."
    return None


def upload_order(name: str) -> tuple[str, str, int]:
    """Sort key of a file's name: the order of uploads, by the stamp in the name (files without one first)."""
    stem, number = _split(name.removeprefix("PARSED_"))
    stamp = _STAMP.search(stem)
    return stamp[0] if stamp else "", stem, number


def _split(name: str) -> tuple[str, int]:
    # X.tsv → (X, 0), X.10.tsv → (X, 10)
    stem = name[: -len(".tsv")]
    numbered = _NUMBERED.fullmatch(stem)
    return (numbered[1], int(numbered[2])) if numbered else (stem, 0)


def is_tsv(name: str) -> bool:
    """Whether this names a logger file; dot files, such as SFTPGo's unfinished uploads, are none."""
    return name[-4:].lower() == ".tsv" and not name.startswith(".")
