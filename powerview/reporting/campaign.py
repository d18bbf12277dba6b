"""The files of a tree, campaign by campaign, merged as the store would merge them: for a look, and for an export.

A series is told from others by what InfluxDB tells it by: every field of a `Channel`. Where two files differ about a
reading, the later upload stands; a cell that the later file lacks stays what the earlier one said.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from powerview import inbox, mv2
from powerview.inbox import ERROR_DIR, REASON, Claim, Inbox, Refusal, Upload
from powerview.mv2 import Channel
from powerview.names import refused_names
from powerview.settings import Settings

USUAL_STEP = 600
"""Seconds over which a logger takes a mean unless it is told otherwise, and the longest that a reading stands for."""


@dataclass
class File:
    """What one file gave. `reason` says why it is not whole or was not read; `first` and `last` are UTC seconds."""

    upload: Upload
    status: str
    reason: str = ""
    rows: int = 0
    readings: int = 0
    first: int | None = None
    last: int | None = None
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def tells(self) -> bool:
        """Whether there is more to say of it than that it was read."""
        return self.status != "whole" or bool(self.left_out)


@dataclass(frozen=True)
class Series:
    """The readings of one channel, in time: UTC seconds, values, and the seconds that each stands for at most."""

    times: np.ndarray
    values: np.ndarray
    steps: np.ndarray


@dataclass
class Campaign:
    """One campaign: its files in the order of their uploads, its channels in the order in which they first came."""

    client: str
    name: str
    files: list[File] = field(default_factory=list)
    series: dict[Channel, Series] = field(default_factory=dict)


def read_tree(settings: Settings, client: str = "", campaign: str = "") -> tuple[list[Campaign], list[Refusal]]:
    """Every campaign below POWERVIEW_DATA_DIR, or this client's, or this one; and the files that are refused.

    Read are pending and parsed files, and what could be stored of those in error/. Raises OSError if the tree cannot
    be read.
    """
    tree = Inbox(settings.data_dir, settings.influxdb_bucket)
    uploads, refusals = _uploads(tree)
    found: dict[tuple[str, str], list[Upload]] = {}
    for upload in uploads:
        if client in ("", upload.client) and campaign in ("", upload.campaign):
            found.setdefault((upload.client, upload.campaign), []).append(upload)
    return [_read_campaign(settings, *names, files) for names, files in sorted(found.items())], refusals


def _uploads(tree: Inbox) -> tuple[list[Upload], list[Refusal]]:
    # In the order of the uploads. A pending file whose name was there before counts as what it would be called next.
    keyed, refusals = [], []
    for item in tree.pending():
        if isinstance(item, Refusal):
            refusals.append(item)
        else:
            renamed = dataclasses.replace(item, name=tree.settled_name(item))
            keyed.append((inbox.upload_order(renamed), item))
    keyed += [(inbox.upload_order(upload), upload) for upload in (*tree.settled(), *_in_error(tree))]
    return [upload for _, upload in sorted(keyed, key=lambda pair: pair[0])], refusals


def _in_error(tree: Inbox) -> Iterator[Upload]:
    # Symlinks are not followed here, nor when such a file is opened.
    for folder, below, names in os.walk(tree.root):
        parts = Path(folder).relative_to(tree.root).parts
        if len(parts) == 4:
            below.clear()
        if len(parts) != 4 or parts[3] != ERROR_DIR or refused_names(*parts[:3], admin_bucket=tree.admin_bucket):
            continue
        yield from (Upload(*parts[:3], name, ERROR_DIR) for name in names if name.lower().endswith(".tsv"))


def _read_campaign(settings: Settings, client: str, name: str, uploads: list[Upload]) -> Campaign:
    campaign = Campaign(client, name)
    pieces: dict[Channel, list[Series]] = {}
    for upload in uploads:
        campaign.files.append(_read_file(settings, upload, pieces))
    campaign.series = {channel: _merged(parts) for channel, parts in pieces.items()}
    return campaign


def _read_file(settings: Settings, upload: Upload, pieces: dict[Channel, list[Series]]) -> File:
    reason = _reason(settings.data_dir, upload) if upload.state == ERROR_DIR else ""
    try:
        with Claim(settings.data_dir, upload) as claim:
            recording = mv2.read_recording(claim.file, timezone=settings.timezone, now=time.time())
            frame = recording.frame()
    except mv2.NotReadable as error:
        return File(upload, "not readable", reason or str(error))
    except (inbox.Pending, mv2.Changed) as error:
        return File(upload, "waiting", str(error))
    _take(recording, frame, pieces)
    status = (
        "not readable" if upload.state == ERROR_DIR or recording.unread else "partial" if recording.torn else "whole"
    )
    reason = reason or recording.unread or recording.torn or ""
    return File(upload, status, reason, recording.rows, recording.readings, recording.first, recording.last,
                +recording.left_out)  # fmt: skip


def _reason(root: Path, upload: Upload) -> str:
    try:
        with Claim(root, dataclasses.replace(upload, name=upload.name + REASON)) as claim:
            text = claim.file.read(4096).decode("utf-8", "replace")
    except inbox.Pending:
        return f"no reason lies beside it ({upload.name}{REASON})"
    return text.strip().removeprefix(f"{dataclasses.replace(upload, state='').path}: ")


def _take(recording: mv2.Recording, frame: pd.DataFrame, pieces: dict[Channel, list[Series]]) -> None:
    times = frame.index.as_unit("s").asi8
    cells = frame.to_numpy()
    step = usual_step(times)
    for column, channel in enumerate(recording.header.channels):
        there = np.isfinite(cells[:, column])
        if there.any():
            part = Series(times[there], cells[there, column], np.full(np.count_nonzero(there), step))
            pieces.setdefault(channel, []).append(part)


def usual_step(times: np.ndarray) -> int:
    """The seconds between a file's rows, most often; never more than ten minutes, and those where nothing says it."""
    steps = np.diff(times)
    return min(int(np.median(steps)), USUAL_STEP) if len(steps) else USUAL_STEP


def _merged(parts: list[Series]) -> Series:
    times = np.concatenate([part.times for part in parts])
    order = np.argsort(times, kind="stable")
    times = times[order]
    last = np.append(times[1:] != times[:-1], True)
    kept = order[last]
    values, steps = (np.concatenate([getattr(part, name) for part in parts])[kept] for name in ("values", "steps"))
    return Series(times[last], values, steps)
