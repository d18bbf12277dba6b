"""What a sheet makes of a campaign's channels: each clamp by its name, role and factor, groups as one thing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from powerview.channels.sheet import HIDDEN, PART, Sheet

if TYPE_CHECKING:  # a run with nothing to do needs no pandas
    from powerview.mv2 import Channel

WATTS = {"mW": 0.001, "W": 1.0, "kW": 1e3, "MW": 1e6}
"""The units of power, in W. Only what is measured in one of them has energy and a base load."""


@dataclass(frozen=True)
class Clamp:
    """One channel as the sheet has it: `shown` is the channel under its name, `name` what the sheet calls it, if so."""

    channel: Channel
    shown: Channel
    role: str = PART
    group: str = ""
    factor: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Thing:
    """What people see as one: a lone clamp or a group. `places` are its members' in the list of clamps, `scales` what
    each member's reading is multiplied with to be in the unit of `shown`; `group` is empty for a lone clamp."""

    shown: Channel
    role: str
    places: tuple[int, ...]
    scales: tuple[float, ...]
    group: str = ""


def clamps_of(channels: Iterable[Channel], sheet: Sheet | None) -> list[Clamp]:
    """Each channel as the sheet has it, hidden ones too; without a sheet, or a line in it, as its logger calls it."""
    found = []
    for channel in channels:
        line = sheet.line_of(channel) if sheet else None
        if line is None:
            found.append(Clamp(channel, channel))
            continue
        shown = dataclasses.replace(channel, name=line.name or channel.name)
        found.append(Clamp(channel, shown, line.role, line.group, line.factor, line.name))
    return found


def things_of(clamps: list[Clamp]) -> list[Thing]:
    """What is shown of them, in their order: members of a group have one role and measure a power.

    Only power adds up. A phase's voltage in a group, or anything else there, is shown by itself.
    """
    found: dict[tuple, list[int]] = {}
    for place, clamp in enumerate(clamps):
        if clamp.role == HIDDEN:
            continue
        grouped = clamp.group and clamp.shown.unit in WATTS
        found.setdefault((clamp.role, clamp.group) if grouped else (place,), []).append(place)
    return [_thing([clamps[place] for place in places], tuple(places)) for places in found.values()]


def _thing(members: list[Clamp], places: tuple[int, ...]) -> Thing:
    first = members[0]
    units = list(dict.fromkeys(clamp.shown.unit for clamp in members))
    unit = units[0] if len(units) == 1 else "W"
    scales = tuple(c.factor * (WATTS[c.shown.unit] / WATTS[unit] if len(units) > 1 else 1) for c in members)
    shown = dataclasses.replace(first.shown, unit=unit)
    group = first.group if unit in WATTS else ""
    if group:
        devices = ", ".join(dict.fromkeys(clamp.shown.device for clamp in members))
        shown = dataclasses.replace(shown, name=group, device=devices)
    return Thing(shown, first.role, places, scales, group)
