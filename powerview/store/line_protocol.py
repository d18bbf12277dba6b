"""A Recording to InfluxDB line protocol, channel by channel.

One point is `campaign,tags value=<text> <seconds>`: the value is the logger's own text, so nothing is rounded. What
one channel writes before its values is the same for all of them, so it is made once; rows of one channel stand
together, which the server stores fastest and gzip shrinks most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from powerview.names import EVENTS

if TYPE_CHECKING:  # for the words only: inbox needs this module, and a sweep with nothing to do needs no pandas
    import pandas as pd

    from powerview.mv2 import Channel, Event, Header

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def readings(header: Header, campaign: str, block: pd.DataFrame) -> Iterator[tuple[str, bytes, int]]:
    """The points of a block of rows (see Recording.blocks): for each channel its series, its lines, how many they are.

    The series, which is measurement and tags, distinguishes its points from all others of the bucket.
    """
    ends = [f" {seconds}\n" for seconds in block.index.tolist()]
    pieces = [""] * (3 * len(ends))  # a line is three of them; joined once for each channel
    pieces[2::3] = ends
    for channel, cells in zip(header.channels, block.to_numpy().T.tolist(), strict=True):
        series = series_key(channel, campaign)
        start = f"{series} value="
        if None in cells:
            lines = [start + cell + end for cell, end in zip(cells, ends, strict=True) if cell is not None]
        else:
            pieces[0::3] = [start] * len(ends)
            pieces[1::3] = cells
            lines = pieces
        if lines:
            yield series, "".join(lines).encode(), len(ends) if lines is pieces else len(lines)


@lru_cache(maxsize=4096)
def series_key(channel: Channel, campaign: str) -> str:
    """Measurement and tags of one channel, escaped; the order of the tags is InfluxDB's own, by key."""
    tags = {
        "campaign": campaign,
        "channel": channel.channel,
        "channel_idx": str(channel.idx),
        "channel_name": channel.name,
        "device": channel.device,
        "unit": channel.unit,
    }
    return series_text(campaign, tags)


def events(header: Header, campaign: str, found: list[Event]) -> Iterator[tuple[str, bytes]]:
    """The points of restarts and clock faults: for each its series and its line."""
    for event in found:
        series = series_text(EVENTS, {"campaign": campaign, "device": header.master, "event": event.kind})
        yield series, f"{series} count=1 {event.time}\n".encode()


def escape_measurement(text: str) -> str:
    """A measurement's name as line protocol takes it."""
    return stored_text(text).replace(",", "\\,").replace(" ", "\\ ")


def escape_tag(text: str) -> str:
    """A tag's value as line protocol takes it.

    A backslash cannot be escaped and would swallow the character after it, so it becomes a slash; a character that
    would end the line becomes a blank.
    """
    return stored_text(text).replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def stored_text(text: str) -> str:
    """A name or a tag's value as it is in the store afterwards."""
    return _CONTROL.sub(" ", text).replace("\\", "/")


def series_text(measurement: str, tags: Mapping[str, str | None]) -> str:
    """Measurement and tags, which come in the order of their keys, as line protocol takes them."""
    pairs = [f"{key}={escape_tag(value)}" for key, value in tags.items() if value]
    return ",".join([escape_measurement(measurement), *pairs])
