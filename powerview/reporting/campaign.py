"""The files of a tree, campaign by campaign, merged as the store merges them: for the preview page and for exports."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from powerview import inbox, mv2
from powerview.channels import NAME, NotUnderstood, Sheet, sheet_for
from powerview.inbox import ERROR_DIR, REASON, Claim, Inbox, Refusal, Upload
from powerview.mv2 import Channel, Event
from powerview.names import refused_names
from powerview.reporting.places import Places, Series
from powerview.settings import Settings


@dataclass
class File:
    """What was read of one file. `reason` is why it is not whole or was not read; `first`, `last` are UTC seconds."""

    upload: Upload
    status: str
    reason: str = ""
    rows: int = 0
    readings: int = 0
    first: int | None = None
    last: int | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    logger: str = ""
    """The master's serial number, as the file has it."""
    events: list[Event] = field(default_factory=list)

    @property
    def has_remarks(self) -> bool:
        """Whether something was left out, or the file is not whole."""
        return self.status != "whole" or bool(self.left_out)


@dataclass
class Campaign:
    """One campaign: its files in the order of their uploads, its channels in the order in which they first came.

    `earlier_names` has the channels that were called otherwise before; `sheet` is the channels.csv by which
    it is shown, `sheet_problems` why one is not.
    """

    client: str
    name: str
    files: list[File] = field(default_factory=list)
    series: dict[Channel, Series] = field(default_factory=dict)
    earlier_names: dict[Channel, list[str]] = field(default_factory=dict)
    sheet: Sheet | None = None
    sheet_problems: list[str] = field(default_factory=list)


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
    places = Places()
    files = [_read_file(settings, upload, places) for upload in uploads]
    campaign = Campaign(client, name, files, places.series(), places.earlier_names())
    try:
        campaign.sheet = sheet_for(settings.data_dir, settings.state_dir, client, name)
    except NotUnderstood as error:
        campaign.sheet_problems = [f"{NAME} is not used: {error}"]
    return campaign


def _read_file(settings: Settings, upload: Upload, places: Places) -> File:
    in_error = upload.state == ERROR_DIR
    reason = _reason(settings.data_dir, upload) if in_error else ""
    try:
        with Claim(settings.data_dir, upload) as claim:
            recording = mv2.read_recording(
                claim.file, timezone=settings.timezone, arrived=claim.arrived, name=upload.name, folder=upload.device
            )
            frame = recording.frame()
    except mv2.NotReadable as error:
        return File(upload, "not readable", reason or str(error))
    except (inbox.Pending, mv2.Changed) as error:
        return File(upload, "waiting", str(error))
    places.add(recording.header.channels, frame.index.as_unit("s").asi8, frame.to_numpy())
    return File(
        upload,
        "not readable" if in_error or recording.unread else "partial" if recording.torn else "whole",
        reason or recording.unread or recording.torn or "",
        recording.rows,
        recording.readings,
        recording.first,
        recording.last,
        +recording.left_out,
        recording.header.master,
        recording.events,
    )


def _reason(root: Path, upload: Upload) -> str:
    try:
        with Claim(root, dataclasses.replace(upload, name=upload.name + REASON)) as claim:
            text = claim.file.read(4096).decode("utf-8", "replace")
    except inbox.Pending:
        return f"there is no reason beside it ({upload.name}{REASON})"
    return text.strip().removeprefix(f"{dataclasses.replace(upload, state='').path}: ")
