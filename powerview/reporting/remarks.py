"""What a person should know before believing a campaign's figures, in plain sentences: gaps, restarts, odd channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from powerview.channels.sums import WINDOW
from powerview.channels.things import WATTS
from powerview.mv2 import Channel
from powerview.reporting.campaign import Campaign, File
from powerview.reporting.figures import Figures
from powerview.reporting.gaps import missing_between
from powerview.reporting.places import Series

MOST = 5
"""So many gaps, channels or events of a kind are named; others are counted."""

MOSTLY = 0.95
FAINT_WATTS = 10
"""A clamp on a wire without a current shows a few watts, of either sign."""

LEFT_OUT = {
    "restart markers": ("restart marker", "restart markers"),
    "unset clock": ("row without a known time", "rows without a known time"),
    "repeated stamps": ("row with a repeated time", "rows with a repeated time"),
    "cut rows": ("row that was cut off", "rows that were cut off"),
    "malformed rows": ("malformed row", "malformed rows"),
    "bad stamps": ("row with an impossible time", "rows with an impossible time"),
    "cells": ("cell that is no number", "cells that are no numbers"),
}
"""How a count of what was left out reads for one and for several."""


def left_out_text(counts: Counter[str]) -> str:
    """`1 restart marker, 2 rows without a known time`; an unknown kind is named as it is."""
    return ", ".join(f"{n} {LEFT_OUT.get(kind, (kind, kind))[n != 1]}" for kind, n in counts.most_common() if n)


def remarks_of(campaign: Campaign, figures: Figures, zone: ZoneInfo) -> list[str]:
    """The remarks about a campaign with readings; times are those of a zone."""
    return [
        *_gaps(campaign.series, figures, zone),
        *_loggers(campaign.files, zone),
        *_at_most(_names(campaign.earlier_names), "{} more channels had other names before."),
        *_at_most(_wrong_way_round(figures), "{} more channels are negative nearly all the time."),
    ]


def _at_most(sentences: Iterable[str], rest: str) -> list[str]:
    # `rest` has a place for the number of those that are not named.
    found = list(sentences)
    return found if len(found) <= MOST else [*found[:MOST], rest.format(len(found) - MOST)]


def _gaps(series: dict[Channel, Series], figures: Figures, zone: ZoneInfo) -> Iterator[str]:
    devices: dict[tuple[int, int], list[str]] = {}
    for device in dict.fromkeys(channel.device for channel in series):
        times = np.concatenate([s.times for channel, s in series.items() if channel.device == device])
        windows = np.unique(times // WINDOW) * WINDOW
        for gap in missing_between(windows, figures.first, figures.stop):
            devices.setdefault(gap, []).append(device)
    every = {channel.device for channel in series}
    longest = sorted(devices, key=lambda gap: gap[0] - gap[1])
    for begin, end in sorted(longest[:MOST]):
        whose = _whose(devices[begin, end], every)
        yield f"No readings of {whose} from {_period(begin, end, zone)} ({duration(end - begin)})."
    if rest := longest[MOST:]:
        yield f"{len(rest)} more gaps, the longest of {duration(rest[0][1] - rest[0][0])}."


def _whose(devices: list[str], every: set[str]) -> str:
    if len(devices) == len(every) > 1:
        return "any device"
    return " and ".join(devices) if len(devices) < 3 else f"{len(devices)} devices"


def _loggers(files: list[File], zone: ZoneInfo) -> Iterator[str]:
    # An upload that was sent again brings its events again, with the same times.
    for logger in dict.fromkeys(file.logger for file in files if file.logger):
        own = [file for file in files if file.logger == logger]
        events = {(event.kind, event.time) for file in own for event in file.events}
        restarts = sorted(time for kind, time in events if kind == "restart")
        if len(restarts) == 1:
            yield f"Logger {logger} restarted on {moment(restarts[0], zone)}."
        elif restarts:
            yield f"Logger {logger} restarted {len(restarts)} times, from {_period(restarts[0], restarts[-1], zone)}."
        untils = dict.fromkeys(moment(time, zone) for kind, time in sorted(events) if kind == "clock_unset")
        without = "its rows without a known time do not count"
        lost = [f"Logger {logger} had lost its clock until {until}: {without}." for until in untils]
        yield from lost[:MOST]
        if more := len(lost[MOST:]):
            yield f"Logger {logger} had lost its clock {more} more times."


def _names(earlier: dict[Channel, list[str]]) -> Iterator[str]:
    for channel, names in earlier.items():
        yield f"{channel.name}, channel {channel.idx} of {channel.device}, was called {' and '.join(names)} before."


def _wrong_way_round(figures: Figures) -> Iterator[str]:
    for each in figures.channels:
        watts = each.mean * WATTS.get(each.channel.unit, 0)
        if watts < -FAINT_WATTS and each.negative >= MOSTLY:
            yield (f"{each.channel.name}, channel {each.channel.idx} of {each.channel.device}, is negative nearly all "
                   f"the time: it feeds in, or its clamp sits the wrong way round.")  # fmt: skip


def moment(seconds: int, zone: ZoneInfo) -> str:
    """A moment in UTC seconds as people of a zone write it."""
    return datetime.fromtimestamp(seconds, zone).strftime("%d %b %Y %H:%M")


def _period(begin: int, end: int, zone: ZoneInfo) -> str:
    one_day = moment(begin, zone).split(" ")[:3] == moment(end, zone).split(" ")[:3]
    return f"{moment(begin, zone)} to {moment(end, zone).split(' ')[-1] if one_day else moment(end, zone)}"


def duration(seconds: int) -> str:
    """`10 min`, `2 h 40 min`, `16 days`."""
    if seconds >= 3 * 86_400:
        return f"{round(seconds / 86_400)} days"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (hours and f"{hours} h", minutes and f"{minutes} min") if part) or "0 min"
