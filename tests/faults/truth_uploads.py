"""What the store must hold once many uploads are settled, by the plain reading of each (truth.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

from faults.truth import Contents, Place, Points, Tags, Unreadable, Upload, contents_of_file, place_of

Labels = dict[tuple[str, str, Place], Tags]
"""By client, campaign and place."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def points_of(uploads: list[Upload], local: str, arrived: datetime, admin_bucket: str = "powerview") -> Points:
    """Everything that the store must hold once all uploads are settled.

    For each device and second the latest upload that has a row there counts, and no other: what it lacks is not filled
    from an earlier one. A place (device, position, unit) goes by the label of the latest upload that has it.
    `local` is the zone of stamps in files that name none, `arrived` when the uploads arrived (aware).
    """
    store: Points = {}
    rows: dict[tuple[str, str, str, int], dict[Place, float]] = {}
    labels: Labels = {}
    latest: dict[tuple[str, str, str], set[Place]] = {}
    for upload, contents in in_order(uploads, local, arrived, admin_bucket):
        where = (upload.client, upload.campaign)
        for tags in contents.columns:
            labels[*where, place_of(tags)] = tags
        for device in {device for device, _, _ in map(place_of, contents.columns)}:
            latest[*where, device] = {p for p in map(place_of, contents.columns) if p[0] == device}
        for when, values in contents.rows.items():
            for device in {device for device, _, _ in map(place_of, contents.columns)}:
                rows[*where, device, when] = {place: v for place, v in values.items() if place[0] == device}
        store.update(contents.events)
    labels = distinct(labels, latest)
    for (client, campaign, _, when), values in rows.items():
        for place, value in values.items():
            store[client, campaign, labels[client, campaign, place], when] = value
    return store


def in_order(
    uploads: list[Upload], local: str, arrived: datetime, admin_bucket: str
) -> Iterator[tuple[Upload, Contents]]:
    """The uploads that can be read, in their order, each with what it says."""
    for upload in sorted(uploads, key=upload_order):
        if not is_refused(upload, admin_bucket):
            with suppress(Unreadable):
                yield upload, contents_of_file(upload, ZoneInfo(local), arrived)


def renames_of(uploads: list[Upload], local: str, arrived: datetime, admin_bucket: str = "powerview") -> Points:
    """When labels of places changed: at a second counts what the latest upload says whose rows begin and end around it.

    A place whose label is another one than before has a point at the second from which that counts.
    """
    files: dict[tuple[str, str, str], list[tuple[int, int, dict[Place, str]]]] = {}
    for upload, contents in in_order(uploads, local, arrived, admin_bucket):
        for device in {place_of(tags)[0] for tags in contents.columns} if contents.rows else ():
            names = {place_of(tags): dict(tags)["channel_name"] for tags in contents.columns}
            mine = {place: name for place, name in names.items() if place[0] == device}
            where = (upload.client, upload.campaign, device)
            files.setdefault(where, []).append((min(contents.rows), max(contents.rows), mine))
    found: Points = {}
    for (client, campaign, _), spans in files.items():
        called: dict[Place, str] = {}
        for second in sorted({first for first, _, _ in spans} | {last + 1 for _, last, _ in spans}):
            around = [names for first, last, names in spans if first <= second <= last]
            for place, name in around[-1].items() if around else ():
                if called.setdefault(place, name) != name:
                    tags = {
                        "campaign": campaign, "device": place[0], "channel_idx": place[1], "unit": place[2],
                        "event": "renamed", "former": called[place], "channel_name": name,
                    }  # fmt: skip
                    tags = tuple(sorted((key, value) for key, value in tags.items() if value))
                    found[client, "powerview_events", tags, second] = 1.0
                    called[place] = name
    return found


def distinct(labels: Labels, latest: dict[tuple[str, str, str], set[Place]]) -> Labels:
    """The labels, with its position behind one that another place of the device has as well, of the same unit.

    The places of the device's latest upload keep theirs.
    """
    found = {}
    for (client, campaign, place), tags in labels.items():
        device, position, unit = place
        same = [
            other
            for where, other, theirs in ((key[:2], key[2], dict(tags)) for key, tags in labels.items())
            if where == (client, campaign) and other[0] == device and other[2] == unit and other != place
            and theirs["channel"] == dict(tags)["channel"]
        ]  # fmt: skip
        if same and place not in latest[client, campaign, device]:
            tags = tuple((k, f"{v} ({position})" if k == "channel" else v) for k, v in tags)
        found[client, campaign, place] = tags
    return found


def is_refused(upload: Upload, admin_bucket: str = "powerview") -> bool:
    """Whether a name of the upload's folders is one that must be refused."""
    folders = (upload.client, upload.campaign, upload.device)
    return (
        not all(NAME.fullmatch(name) for name in folders)
        or upload.client.lower() in ("admin", "general", "powerview-master", admin_bucket.lower())
        or upload.campaign in ("powerview_events", "powerview_totals", "powerview_channels", "parsed", "error")
        or upload.device in ("parsed", "error")
    )


def upload_order(upload: Upload) -> tuple:
    """The order of uploads: the stamp in the name (none comes first), the name, the number of a sibling.

    Two folders may hold files of one name, and a slave may deliver through either: then the folder's name decides.
    """
    stamp = re.search(r"[0-9]{6}_[0-9]{6}", upload.name)
    parts = re.fullmatch(r"(.*?)(?:\.([0-9]+))?\.tsv", upload.name, re.DOTALL)
    number = int(parts.group(2) or 0)
    return (stamp.group() if stamp else "", parts.group(1), number, upload.client, upload.campaign, upload.device)
