"""What a person should know before believing a campaign's figures, in plain sentences: gaps, restarts, odd channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from powerview.channels.things import WATTS
from powerview.mv2 import Channel
from powerview.reporting.campaign import Campaign, File
from powerview.reporting.figures import Figures
from powerview.reporting.gaps import missing_between
from powerview.reporting.language import ENGLISH, Language

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


def left_out_text(counts: Counter[str], language: Language = ENGLISH) -> str:
    """`1 restart marker, 2 rows without a known time`; an unknown kind is named as it is."""
    return ", ".join(f"{n} {_left_out(kind, n, language)}" for kind, n in counts.most_common() if n)


def _left_out(kind: str, n: int, language: Language) -> str:
    return language.count(n, *LEFT_OUT[kind]) if kind in LEFT_OUT else kind


def remarks_of(campaign: Campaign, figures: Figures, zone: ZoneInfo, language: Language = ENGLISH) -> list[str]:
    """The remarks about a campaign with readings; times are those of a zone."""
    return [
        *_gaps(figures, zone, language),
        *_loggers(campaign.files, zone, language),
        *_at_most(_names(campaign.earlier_names, language), "{n} more channels had other names before.", language),
        *_at_most(_wrong_way_round(figures, language), "{n} more channels are negative nearly all the time.", language),
    ]


def _at_most(sentences: Iterable[str], rest: str, language: Language) -> list[str]:
    # `rest` has a place for the number of those that are not named.
    found = list(sentences)
    return found if len(found) <= MOST else [*found[:MOST], language.text(rest, n=len(found) - MOST)]


def _gaps(figures: Figures, zone: ZoneInfo, language: Language) -> Iterator[str]:
    devices: dict[tuple[int, int], list[str]] = {}
    for device in figures.devices:
        for gap in missing_between(device.covered, figures.first, figures.stop):
            devices.setdefault(gap, []).append(device.device)
    every = {device.device for device in figures.devices}
    longest = sorted(devices, key=lambda gap: gap[0] - gap[1])
    for begin, end in sorted(longest[:MOST]):
        whose, period = _whose(devices[begin, end], every, language), _period(begin, end, zone, language)
        text = (
            "No readings of {whose} from {begin} to {clock} ({duration})."
            if "clock" in period
            else "No readings of {whose} from {begin} to {end} ({duration})."
        )
        yield language.text(text, whose=whose, duration=language.duration(end - begin), **period)
    if rest := longest[MOST:]:
        longest_of_them = language.duration(rest[0][1] - rest[0][0])
        yield language.text("{n} more gaps, the longest of {duration}.", n=len(rest), duration=longest_of_them)


def _whose(devices: list[str], every: set[str], language: Language) -> str:
    if len(devices) == len(every) > 1:
        return language.text("any device")
    return _both(devices, language) if len(devices) < 3 else language.text("{n} devices", n=len(devices))


def _both(names: list[str], language: Language) -> str:
    *first, last = names
    for name in reversed(first):
        last = language.text("{first} and {last}", first=name, last=last)
    return last


def _loggers(files: list[File], zone: ZoneInfo, language: Language) -> Iterator[str]:
    # An upload that was sent again brings its events again, with the same times.
    for logger in dict.fromkeys(file.logger for file in files if file.logger):
        own = [file for file in files if file.logger == logger]
        events = {(event.kind, event.time) for file in own for event in file.events}
        yield from _restarts(logger, sorted(time for kind, time in events if kind == "restart"), zone, language)
        untils = dict.fromkeys(language.moment(time, zone) for kind, time in sorted(events) if kind == "clock_unset")
        without = "Logger {logger} had lost its clock until {until}: its rows without a known time do not count."
        lost = [language.text(without, logger=logger, until=until) for until in untils]
        yield from lost[:MOST]
        if more := len(lost[MOST:]):
            yield language.text("Logger {logger} had lost its clock {n} more times.", logger=logger, n=more)


def _restarts(logger: str, times: list[int], zone: ZoneInfo, language: Language) -> Iterator[str]:
    if len(times) == 1:
        yield language.text(
            "Logger {logger} restarted on {begin}.", logger=logger, begin=language.moment(times[0], zone)
        )
    elif times:
        period = _period(times[0], times[-1], zone, language)
        text = (
            "Logger {logger} restarted {n} times, from {begin} to {clock}."
            if "clock" in period
            else "Logger {logger} restarted {n} times, from {begin} to {end}."
        )
        yield language.text(text, logger=logger, n=len(times), **period)


def _names(earlier: dict[Channel, list[str]], language: Language) -> Iterator[str]:
    for channel, names in earlier.items():
        text = "{name}, channel {place} of {device}, was called {names} before."
        yield language.text(
            text, name=channel.name, place=channel.idx, device=channel.device, names=_both(names, language)
        )


def _wrong_way_round(figures: Figures, language: Language) -> Iterator[str]:
    for each in figures.channels:
        channel, watts = each.channel, each.mean * WATTS.get(each.channel.unit, 0)
        if watts < -FAINT_WATTS and each.negative >= MOSTLY:
            text = (
                "{name}, channel {place} of {device}, is negative nearly all the time: it feeds in, or its clamp sits "
                "the wrong way round."
            )
            yield language.text(text, name=channel.name, place=channel.idx, device=channel.device)


def _period(begin: int, end: int, zone: ZoneInfo, language: Language) -> dict[str, str]:
    # When something began, and when it ended: by the clock alone if that was on the same day.
    first, last = (language.moment(seconds, zone).rpartition(" ") for seconds in (begin, end))
    return {"begin": "".join(first), **({"clock": last[2]} if first[0] == last[0] else {"end": "".join(last)})}
