"""What the lane must make of the readings, added up slowly and plainly: totals, and channels as a sheet shows them.

Written from the docs alone, like truth.py: plain loops, nothing from powerview/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from faults.truth import Place, Points, Tags, place_of

WATTS = {"mW": 0.001, "W": 1, "kW": 1000, "MW": 1_000_000}
Sheet = Sequence[Mapping[str, str]]
"""The lines of a channels.csv by column; columns may be missing."""

Values = dict[int, float]
"""By the second in which ten minutes begin."""


def made_of(
    points: Points, sheets: Mapping[tuple[str, str], Sheet] | None = None, zone: str = "Europe/Paris"
) -> Points:
    """Everything in powerview_totals and powerview_channels, of all readings and the sheets by client and campaign."""
    campaigns: dict[tuple[str, str], dict[Tags, dict[int, list[float]]]] = {}
    for (bucket, measurement, tags, second), value in points.items():
        if measurement != "powerview_events":
            windows = campaigns.setdefault((bucket, measurement), {}).setdefault(tags, {})
            windows.setdefault(second - second % 600, []).append(value)
    found: Points = {}
    for (bucket, campaign), channels in campaigns.items():
        means = {tags: {w: sum(v) / len(v) for w, v in windows.items()} for tags, windows in channels.items()}
        sheet = (sheets or {}).get((bucket, campaign))
        things = things_of(means, sheet)
        totals = totals_of(things)
        for figure, values in totals.items():
            tags = (("campaign", campaign), ("figure", figure))
            found |= {(bucket, "powerview_totals", tags, second): value for second, value in values.items()}
        for second, value in lows_of(totals.get("total", {}), ZoneInfo(zone)).items():
            found[bucket, "powerview_totals", (("campaign", campaign), ("figure", "low"), ("zone", zone)), second] = (
                value
            )
        for tags, values in counts_of(campaign, means, sheet).items():
            found |= {(bucket, "powerview_totals", tags, second): value for second, value in values.items()}
        for role, name, device, unit, values in things if sheet is not None else ():
            tags = [("campaign", campaign), ("channel", name), ("device", device), ("role", role)]
            tags += [("unit", unit)] if unit else []
            found |= {(bucket, "powerview_channels", tuple(tags), second): value for second, value in values.items()}
    return found


def counts_of(campaign: str, means: Mapping[Tags, Values], sheet: Sheet | None) -> dict[Tags, Values]:
    """How many clamps of each device have a reading, and where that begins and ends; how many hidden ones have one."""
    hidden = {
        (line["device"], line["place"], line.get("unit") or "") for line in sheet or () if line.get("role") == "hidden"
    }
    found: dict[Tags, Values] = {}
    for clamp, values in means.items():
        device, place, unit = place_of(clamp)
        of = [(("campaign", campaign), ("device", device), ("figure", "covered"))]
        if {(device, place, unit or "?"), (device, place, "")} & hidden:
            of.append((("campaign", campaign), ("figure", "hidden")))
        for tags in of:
            for second in values:
                found.setdefault(tags, {})[second] = found.setdefault(tags, {}).get(second, 0) + 1
    for tags, values in list(found.items()):
        for figure, beside in (("begin", -600), ("end", 600)) if ("figure", "covered") in tags else ():
            edges = {second: value for second, value in values.items() if second + beside not in values}
            found[(*tags[:2], ("figure", figure))] = edges
    return found


def lows_of(total: Values, zone: ZoneInfo) -> Values:
    """By its midnight, of each local day with 90 % of its ten minutes, below what the total is for 5 % of them."""
    days: dict[int, list[float]] = {}
    ends: dict[int, int] = {}
    for second, value in total.items():
        day = datetime.fromtimestamp(second, zone).replace(hour=0, minute=0, second=0)
        midnight = int(day.timestamp())
        ends[midnight] = int((day + timedelta(days=1)).astimezone(UTC).timestamp())
        days.setdefault(midnight, []).append(value)
    found = {}
    for midnight, values in days.items():
        if len(values) * 600 >= 0.9 * (ends[midnight] - midnight):
            values.sort()
            at = 0.05 * (len(values) - 1)
            low = values[int(at)]
            found[midnight] = low + (values[min(int(at) + 1, len(values) - 1)] - low) * (at - int(at))
    return found


def things_of(means: Mapping[Tags, Values], sheet: Sheet | None) -> list[tuple[str, str, str, str, Values]]:
    """Role, name, first device, unit (W for power) and values of each thing that is not hidden."""
    lines = {(line["device"], line["place"], line.get("unit") or ""): line for line in sheet or ()}
    groups: dict[tuple, list[tuple[str, str, str, Values]]] = {}
    for tags in sorted(means, key=lambda tags: _sortable(place_of(tags))):
        device, place, unit = place_of(tags)
        line = lines.get((device, place, unit or "?")) or lines.get((device, place, "")) or {}
        role = line.get("role") or "part"
        if role == "hidden":
            continue
        factor = float(line.get("factor") or 1) * WATTS.get(unit, 1)
        unit = "W" if unit in WATTS else unit
        group = line.get("group") if unit == "W" else ""  # only power adds up
        name = group or line.get("name") or dict(tags)["channel"]
        key = (role, group, unit) if group else (role, tags, unit)
        values = {second: mean * factor for second, mean in means[tags].items()}
        groups.setdefault(key, []).append((name, device, place, values))
    found = []
    taken: set[tuple[str, str]] = set()
    for (role, _, unit), members in groups.items():
        whole = set.intersection(*(set(values) for *_, values in members))
        sums = {second: sum(values[second] for *_, values in members) for second in whole}
        name, device, place, _ = members[0]
        found.append((role, _unique(name, device, place, unit, taken), device, unit, sums))
    return found


def _unique(name: str, device: str, place: str, unit: str, taken: set[tuple[str, str]]) -> str:
    # A name that has no unit is shared with nobody, others with things of another unit.
    numbers = [f"{name} ({device} {place}, {number})" for number in range(2, 1000)]
    for candidate in (name, f"{name} ({device})", f"{name} ({device} {place})", *numbers):
        units = [other for known, other in taken if known == candidate]
        if not units or (unit and unit not in units and "" not in units):
            taken.add((candidate, unit))
            return candidate
    raise AssertionError(f"a thousand things are called {name}")


def totals_of(things: list[tuple[str, str, str, str, Values]]) -> dict[str, Values]:
    """The figures of these things."""
    by_role: dict[str, list[Values]] = {}
    for role, _, _, unit, values in things:
        if unit == "W":
            by_role.setdefault(role, []).append(values)
    if not by_role:
        return {}
    sums = {role: _added(by_role.get(role, [])) for role in ("main", "part", "production")}
    total = sums["main"] if "main" in by_role else sums["part"]
    figures = {
        "total": total,
        "drawn": {second: max(value, 0.0) for second, value in total.items()},
        "fed_in": {second: max(-value, 0.0) for second, value in total.items()},
    }
    if "production" in by_role:
        figures["production"] = sums["production"]
    if "main" in by_role and "part" in by_role:
        figures["parts"] = sums["part"]
    if "main" in by_role:
        figures["rest"] = {
            second: value + sums["production"].get(second, 0) - sums["part"].get(second, 0)
            for second, value in total.items()
        }
    return figures


def differences(found: Points, wanted: Points) -> list[str]:
    """What is missing, too much or not the same, up to the last digits of a sum."""
    texts = [f"missing {key} {wanted[key]}" for key in wanted.keys() - found.keys()]
    texts += [f"too much {key} {found[key]}" for key in found.keys() - wanted.keys()]
    for key in wanted.keys() & found.keys():
        if abs(found[key] - wanted[key]) > 1e-9 * max(1, abs(wanted[key])):
            texts.append(f"{key} is {found[key]}, not {wanted[key]}")
    return texts


def _added(parts: list[Values]) -> Values:
    found: Values = {}
    for values in parts:
        for second, value in values.items():
            found[second] = found.get(second, 0) + value
    return found


def _sortable(place: Place) -> tuple[str, int, str]:
    return place[0], int(place[1]), place[2]
