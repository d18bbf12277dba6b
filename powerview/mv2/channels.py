"""The columns of a file as channels: device, name, unit.

Labels are typed by people and cleaned here, once, so that what is compared, shown and stored is the same text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

UNITS = frozenset(
    ("V", "mV", "kV", "A", "mA", "kA", "W", "mW", "kW", "MW", "VA", "kVA", "var", "kvar", "VAr", "kVAr")
    + ("Wh", "kWh", "MWh", "VAh", "kVAh", "varh", "kvarh", "Hz", "°C", "%", "%RH", "ppm", "Pa", "hPa", "kPa")
    + ("bar", "mbar", "m3", "m³", "m3/h", "m³/h", "l/h", "l/min", "lx", "W/m2", "W/m²", "m/s")
)
"""Last words of a label that are units; any other last word belongs to the channel's name."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ufeff]")


@dataclass(frozen=True)
class Channel:
    """One column of a file."""

    idx: int
    """1… in the order of the columns of one device."""
    device: str
    """Serial of the device that measures it: the master's, or a slave's own."""
    name: str
    unit: str | None
    channel: str
    """Distinguishes it from every other channel of the file: `SN: <device> - Ch: <name>`."""


def clean(text: str) -> str:
    """A label or serial without what line protocol cannot carry: it has no escape for a backslash or a line's end."""
    return _CONTROL.sub(" ", text).replace("\\", "/").strip()


def channels(devices: list[str], labels: list[str]) -> tuple[Channel, ...]:
    """The channels under these serials and labels, which are cleaned, one of each for every column."""
    return tuple(_unique([(device, *_name_and_unit(label)) for device, label in zip(devices, labels, strict=True)]))


def told_apart(latest: Iterable[Channel], others: Iterable[Channel]) -> tuple[Channel, ...]:
    """The channels of places that a device's latest upload lacks, such that no two of the device share label and unit.

    `latest` are the latest upload's channels, which keep their labels; of the others one whose label is taken gets its
    position behind it.
    """
    others = tuple(others)
    labels = [(c.channel, c.unit) for c in (*latest, *others)]
    same = Counter(labels)
    return tuple(replace(c, channel=f"{c.channel} ({c.idx})") if same[c.channel, c.unit] > 1 else c for c in others)


def restored_zeros(serials: list[str], folder: str) -> tuple[list[str], int]:
    """Serials with the leading zeros that a spreadsheet cut, and how many of them had lost some.

    They had if the master's, the first, is the folder's without its zeros.
    """
    if not (folder.isascii() and folder.isdigit()) or serials[0] != folder.lstrip("0") or serials[0] == folder:
        return serials, 0
    whole = [s.zfill(len(folder)) if s.isascii() and s.isdigit() else s for s in serials]
    return whole, len(set(serials) - set(whole))


def _name_and_unit(label: str) -> tuple[str, str | None]:
    # rsplit takes any blank, a no-break one too
    name, last = label.rsplit(None, 1) if len(label.split(None, 1)) > 1 else (label, "")
    return (name, last) if last in UNITS else (label, None)


def _unique(columns: list[tuple[str, str, str | None]]) -> Iterator[Channel]:
    # Queries group by the label, so no two channels with the same unit may have the same label.
    counted: Counter[str] = Counter()
    places = []
    for device, name, unit in columns:
        counted[device] += 1
        # a column without a label is known by its place
        places.append((device, name or str(counted[device]), unit, counted[device]))
    labels = [f"SN: {device} - Ch: {name}" for device, name, _, _ in places]
    same = Counter((label, unit) for label, (_, _, unit, _) in zip(labels, places, strict=True))
    taken: set[tuple[str, str | None]] = set()
    for label, (device, name, unit, idx) in zip(labels, places, strict=True):
        if same[label, unit] > 1:
            label += f" ({idx})"
        while (label, unit) in taken:
            label += f" ({idx})"
        taken.add((label, unit))
        yield Channel(idx=idx, device=device, name=name, unit=unit, channel=label)
