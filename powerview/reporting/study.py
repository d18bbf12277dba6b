"""All figures of a campaign that the report shows, from its readings wherever they are.

Readings are taken some days at a time; what is kept are means of ten minutes and what else figures need, 16 bytes for
each ten minutes of a channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from powerview.channels import HIDDEN
from powerview.channels.days import Days, days_between
from powerview.channels.sums import NOTHING, WINDOW, Totals, Windows, scaled, thing_windows, totals_of
from powerview.channels.things import WATTS, Thing, clamps_of, things_of
from powerview.mv2 import Channel
from powerview.reporting.gaps import DeviceCoverage, coverage_of
from powerview.reporting.load import Peaks, Profile, peaks_of, profile_of
from powerview.reporting.shown import NotCounted, not_counted_of
from powerview.reporting.sources import Source, Wanted
from powerview.reporting.summaries import Summary, joined, summary_of
from powerview.reporting.voltage import Phase, phases_of


@dataclass(frozen=True)
class Power:
    """What is shown as one and is a power: a group or a lone channel, its role, and its windows in W."""

    shown: Channel
    role: str
    windows: Windows


@dataclass(frozen=True)
class Study:
    """The figures of a campaign. `first` and `stop` are the ends of its time in the range asked for, in UTC seconds:
    of whole ten minutes, from the first reading of all its devices to the last."""

    want: Wanted
    first: int
    stop: int
    days: Days
    """The local days of the readings, which the campaign's time lies in."""
    devices: list[DeviceCoverage]
    channels: int
    readings: int
    powers: list[Power]
    totals: Totals | None
    """None: nothing is measured in a unit of power."""
    peaks: Peaks | None
    profile: Profile | None
    phases: list[Phase]
    never_connected: list[Channel]
    not_counted: NotCounted
    has_groups: bool

    @property
    def coverage(self) -> float:
        """How much of the campaign's time has readings, on average over the devices."""
        return float(np.mean([device.share for device in self.devices]))

    @property
    def seconds(self) -> np.ndarray:
        """How many seconds of each day belong to the campaign's time; the first and the last day are seldom whole."""
        return np.diff(np.clip(self.days.midnights, self.first, self.stop))

    @property
    def covered(self) -> np.ndarray:
        """How many of these seconds have readings, on average over the devices."""
        covered = [self.days.covered(Windows(device.covered, device.covered)) for device in self.devices]
        return np.mean(covered, axis=0)


def study_of(source: Source, want: Wanted) -> Study:
    """The figures of a source's readings, with names, groups and roles if it is a SheetSource. Raises StoreAway."""
    summaries = summaries_of(source)
    windows = [summary.windows for summary in summaries]
    spans = source.spans()
    first, stop = _time(spans.values(), windows, want)
    days = days_between(first, stop - 1, want.zone)
    # The frames that come have the factors in them. What the total is, and when a group is whole, is decided by all
    # channels of the campaign, as on the dashboard.
    clamps = [replace(c, factor=1.0) for c in source.clamps or clamps_of(source.channels, None)]
    absent = [replace(c, factor=1.0) for c in source.absent]
    of_all = [*windows, *([NOTHING] * len(absent))]
    found = [(thing, thing_windows(thing, of_all)) for thing in things_of([*clamps, *absent])]
    totals = totals_of([(thing.role, thing.shown.unit, w) for thing, w in found])
    found = [(thing, w) for thing, w in found if any(place < len(clamps) for place in thing.places)]
    load = totals.total if totals and len(totals.total.begin) else None
    shown = {c.shown: summary for c, summary in zip(clamps, summaries, strict=True) if c.role != HIDDEN}
    phases, never = phases_of(shown, want.zone)
    return Study(
        want, first, stop, days,
        devices=coverage_of(_of_devices(source.channels, windows, spans), first, stop),
        channels=len(source.channels),
        readings=sum(s.readings for s in summaries),
        powers=list(_powers(found)),
        totals=totals,
        peaks=peaks_of(load, days) if load else None,
        profile=profile_of(load, want.zone) if load else None,
        phases=phases,
        never_connected=never,
        has_groups=any(len(thing.places) > 1 for thing, _ in found),
        not_counted=not_counted_of(clamps, [t for t, _ in found], [t.shown.name for t, w in found if not len(w.begin)]),
    )  # fmt: skip


def summaries_of(source: Source) -> list[Summary]:
    """What figures need of each channel's readings, in the order of a source's channels. Raises StoreAway."""
    parts: list[list[Summary]] = [[] for _ in source.channels]
    for frame in source.frames():
        times = frame.index.to_numpy()
        for i, own in enumerate(parts):
            values = frame.iloc[:, i].to_numpy(float)
            there = np.isfinite(values)
            if there.any():
                own.append(summary_of(times[there], values[there]))
    return [joined(own) for own in parts]


def _time(spans: Iterable[tuple[int, int]], windows: list[Windows], want: Wanted) -> tuple[int, int]:
    # From the first reading of all devices to the last, whole ten minutes, within the range asked for.
    begins, ends = zip(*spans, strict=True)
    first = max(min(begins) // WINDOW * WINDOW, want.start)
    stop = min(max(ends) // WINDOW * WINDOW + WINDOW, want.stop)
    return min(first, *(int(w.begin[0]) for w in windows)), max(stop, *(int(w.begin[-1]) + WINDOW for w in windows))


def _of_devices(
    channels: list[Channel], windows: list[Windows], spans: dict[str, tuple[int, int]]
) -> dict[str, list[Windows]]:
    # The windows of each device's channels; of one that has no reading in the range none.
    found = {device: [] for device in sorted(spans)}
    for channel, own in zip(channels, windows, strict=True):
        found.setdefault(channel.device, []).append(own)
    return found


def _powers(found: list[tuple[Thing, Windows]]) -> Iterator[Power]:
    for thing, windows in found:
        if thing.shown.unit in WATTS and len(windows.begin):
            yield Power(thing.shown, thing.role, scaled(windows, WATTS[thing.shown.unit]))
