"""What the lane makes of a campaign's readings and keeps beside them in the client's bucket: totals, channels by name.

All of it can be made again from the readings at any time. A value is the sum of means of ten minutes; its time is when
the ten minutes begin. The low of a day is at its midnight.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from powerview.mv2 import Channel
from powerview.names import CHANNELS, TOTALS
from powerview.store import line_protocol
from powerview.store.in_bucket import (
    BEGIN,
    END,
    but_for_what_expires,
    flux_text,
    predicate_of,
    seconds_of,
    stretches,
)  # fmt: skip
from powerview.store.protocol import Span
from powerview.store.renamed import Renamed

WINDOW = "10m"
TAGS = ("campaign", "channel", "device", "figure", "role", "unit", "zone")
"""The tags of what is made, in the order of their keys."""

MEANS_OF = ("device", "channel_idx", "unit", "_measurement")
FEW = 12
"""So many places of a campaign are asked for one by one."""

Place = tuple[str, int, str | None]
"""Which clamp: device, position, unit."""

Values = tuple[np.ndarray, np.ndarray]
"""UTC seconds in time, each once, and the value at each."""


@dataclass(frozen=True, order=True)
class Series:
    """A series that is made: its measurement and tags, without those that it lacks, as they are in the store."""

    measurement: str
    tags: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """Measurement and tags as line protocol takes them."""
        return line_protocol.series_text(self.measurement, dict(self.tags))


def series(measurement: str, **tags: str | None) -> Series:
    """A series that is made, by its tags; a tag that is empty is none."""
    found = {key: line_protocol.stored_text(tags.get(key) or "") for key in TAGS}
    return Series(measurement, tuple((key, value) for key, value in found.items() if value))


class Beside(Renamed):
    """Campaigns' readings as means of ten minutes, and what is made of them. Every method raises StoreAway."""

    def channels(self, campaigns: Collection[str]) -> dict[str, dict[Channel, Span]]:
        """Every channel that has readings, with the UTC seconds of the first and the last of them.

        Where an interrupted rename has left two series of one place, it is the one with the later reading.
        """
        # Spelled out twice: of a variable that is used twice, InfluxDB's storage finds neither the first nor the last.
        readings = self._points_of(_one_of("_measurement", campaigns), BEGIN, END)
        columns = ["_time", "_measurement", "channel", "channel_idx", "channel_name", "device", "unit"]
        keep = f"keep(columns: {json.dumps(columns)})"
        query = f"union(tables: [{readings} |> first() |> {keep}, {readings} |> last() |> {keep}]) |> group()"
        spans: dict[str, dict[Channel, Span]] = {campaign: {} for campaign in campaigns}
        for frame in self._frames(query, columns):
            rows = zip(seconds_of(frame["_time"]).tolist(), *(frame[c].tolist() for c in columns[1:]), strict=True)
            for second, campaign, label, idx, name, device, unit in rows:
                if idx.isdecimal():
                    channel = Channel(int(idx), device, name, unit or None, label)
                    first, last = spans[campaign].get(channel, (second, second))
                    spans[campaign][channel] = min(first, second), max(last, second)
        return {campaign: _latest(found) for campaign, found in spans.items()}

    def means(self, wanted: Mapping[str, Collection[Place]], start: int, stop: int) -> dict[tuple[str, Place], Values]:
        """The means of these places of campaigns in each ten minutes with a reading; `stop` is not included.

        There may be places that were not asked for.
        """
        filters = [found for campaign, places in wanted.items() for found in _filters(campaign, places)]
        if not filters:
            return {}
        columns = ["_time", "_value", *MEANS_OF]
        readings = self._points_of(f"({' or '.join(filters)})", start, stop)
        query = (
            f'{readings} |> aggregateWindow(every: {WINDOW}, fn: mean, createEmpty: false, timeSrc: "_start")'
            f" |> keep(columns: {json.dumps(columns)}) |> group()"
        )
        asked = [(*place, campaign) for campaign, places in wanted.items() for place in places]
        tags = {tag: {str(place[i] or "") for place in asked} for i, tag in enumerate(MEANS_OF)}
        return {
            (campaign, (device, int(idx), unit or None)): values
            for (device, idx, unit, campaign), values in self._read_values(query, tags)
        }

    def figure(self, name: str, campaigns: Collection[str], start: int, stop: int) -> dict[str, Values]:
        """A figure of campaigns, as it is stored; `stop` is not included."""
        points = self._of_ours(campaigns, start, stop, name)
        query = f'{points} |> keep(columns: ["_time", "_value", "campaign"]) |> group()'
        return {campaign: values for (campaign,), values in self._read_values(query, {"campaign": campaigns})}

    def made(self, campaigns: Collection[str]) -> set[Series]:
        """What is made of these campaigns already."""
        columns = ["_measurement", *TAGS]
        query = f"{self._of_ours(campaigns, BEGIN, END)} |> last() |> keep(columns: {json.dumps(columns)}) |> group()"
        rows = (row for frame in self._frames(query, columns) for row in frame.itertuples(index=False))
        return {series(measurement, **dict(zip(TAGS, tags, strict=True))) for measurement, *tags in rows}

    def counts(self, campaigns: Collection[str], start: int, stop: int, figure: str = "") -> dict[Series, int]:
        """How many values each series that is made has there, or each of a figure; `stop` is not included."""
        columns = ["_value", "_measurement", *TAGS]
        points = self._of_ours(campaigns, start, stop, figure)
        query = f"{points} |> count() |> keep(columns: {json.dumps(columns)}) |> group()"
        rows = (row for frame in self._frames(query, columns) for row in frame.itertuples(index=False))
        return {series(kind, **dict(zip(TAGS, tags, strict=True))): int(count) for count, kind, *tags in rows}

    def write(self, found: Iterable[tuple[Series, Values]]) -> dict[Series, np.ndarray]:
        """Store values, and wait until they are; returns the times of each series. Raises BadLines, too.

        A sum beyond all numbers is no value: InfluxDB would refuse it, and the campaign's other sums with it.
        """
        delivery = self._store.deliver(self._bucket)
        written = {}
        try:
            for each, (times, values) in found:
                finite = np.isfinite(values)
                times, values = times[finite], values[finite]
                written[each] = times
                if len(times):
                    start = f"{each.text} value="
                    pairs = zip((values + 0.0).tolist(), times.tolist(), strict=True)  # + 0.0: no -0.0
                    lines = "".join([f"{start}{value!r} {time}\n" for value, time in pairs])
                    delivery.send(each.text, lines.encode(), (int(times[0]), int(times[-1])))
        finally:
            delivery.finish()
        but_for_what_expires(delivery)
        return written

    def keep_only(self, each: Series, times: np.ndarray, start: int, stop: int) -> None:
        """Delete the values of a series that are from `start` to before `stop` and not at one of these times."""
        tags = {"_measurement": each.measurement, **dict(each.tags)}
        wanted = " and ".join(f'r.{key} == "{flux_text(value)}"' for key, value in tags.items())
        if "unit" not in tags:
            wanted += " and not exists r.unit"
        query = f'{self._points_of(wanted, start, stop)} |> keep(columns: ["_time"]) |> group()'
        there = [seconds_of(frame["_time"]) for frame in self._frames(query, ["_time"])]
        if there:
            for first, last in stretches(np.setdiff1d(np.concatenate(there), times), times):
                self._delete(predicate_of(tags), first, last)

    def delete(self, each: Series) -> None:
        """Delete a series; one without a unit takes its namesakes with a unit along."""
        self._delete(predicate_of({"_measurement": each.measurement, **dict(each.tags)}), BEGIN, END)

    def delete_channels(self, campaign: str) -> None:
        """Delete all channels by name of a campaign."""
        self._delete(predicate_of({"_measurement": CHANNELS, "campaign": campaign}), BEGIN, END)

    def _of_ours(self, campaigns: Collection[str], start: int, stop: int, figure: str = "") -> str:
        wanted = f"{_one_of('_measurement', [TOTALS] if figure else [TOTALS, CHANNELS])} and "
        wanted += f"{_one_of('figure', [figure])} and " if figure else ""
        return self._points_of(wanted + _one_of("campaign", campaigns), start, stop)

    def _read_values(self, query: str, tags: Mapping[str, Collection[str]]) -> Iterator[tuple[tuple, Values]]:
        # By the values of these tags, of which only those given are wanted. Times and tags come again and again: as
        # categories they cost little memory, and each is parsed once. The tags' are named, for pandas takes the zeros
        # off serial numbers otherwise.
        kinds = {tag: pd.CategoricalDtype(sorted(values)) for tag, values in tags.items()}
        with self._raw(query) as answer:
            try:
                frame = pd.read_csv(
                    answer, dtype={"_value": float, "_time": "category", **kinds},
                    usecols=lambda name: name in ("_time", "_value", *kinds), na_filter=False,
                )  # fmt: skip
            except pd.errors.EmptyDataError:
                return
        for tag in kinds:
            if tag not in frame:
                frame[tag] = pd.Categorical.from_codes(np.zeros(len(frame), np.int8), [""])
        yield from _by_tags(frame, list(kinds))


def _one_of(tag: str, values: Iterable[str]) -> str:
    return "(" + " or ".join(f'r.{tag} == "{flux_text(value)}"' for value in values) + ")"


def _latest(spans: dict[Channel, Span]) -> dict[Channel, Span]:
    # Of each place the channel with the latest reading, by place.
    latest = {place_of(c): c for c in sorted(spans, key=lambda c: (spans[c][1], c.channel))}
    return {channel: spans[channel] for _, channel in sorted(latest.items(), key=lambda item: sortable(item[0]))}


def place_of(channel: Channel) -> Place:
    """Which clamp a channel is."""
    return channel.device, channel.idx, channel.unit


def sortable(place: Place) -> tuple[str, int, str]:
    """What places are sorted by."""
    return place[0], place[1], place[2] or ""


def _filters(campaign: str, places: Collection[Place]) -> Iterator[str]:
    # Many places of a campaign: all that have one of their units, since a long filter takes longer than what it leaves
    # out.
    of: dict[tuple[str | None, str | None], list[int]] = {}
    for device, idx, unit in places:
        of.setdefault((device if len(places) <= FEW else None, unit), []).append(idx)
    for (device, unit), positions in of.items():
        wanted = [f'r._measurement == "{flux_text(campaign)}"']
        wanted.append(f'r.unit == "{flux_text(unit)}"' if unit else "not exists r.unit")
        if device is not None:
            wanted.append(f'r.device == "{flux_text(device)}"')
            wanted.append(_one_of("channel_idx", map(str, sorted(positions))))
        yield f"({' and '.join(wanted)})"


def _by_tags(frame: pd.DataFrame, tags: list[str]) -> Iterator[tuple[tuple[str, ...], Values]]:
    times = seconds_of(pd.Series(frame["_time"].cat.categories))[frame["_time"].cat.codes.to_numpy()]
    values = frame["_value"].to_numpy()
    number = frame.groupby(tags, observed=True, sort=False).ngroup().to_numpy()  # -1: was not asked for
    order = np.lexsort((times, number))[np.count_nonzero(number < 0) :]
    ends = np.flatnonzero(np.append(np.diff(number[order]) != 0, True)) + 1
    for rows in np.split(order, ends[:-1]) if len(order) else ():
        last = np.append(np.diff(times[rows]) != 0, True)  # two series of one place: see `channels`
        yield tuple(str(frame[tag].iat[rows[0]]) for tag in tags), (times[rows[last]], values[rows[last]])
