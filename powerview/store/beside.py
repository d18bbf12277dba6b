"""What the lane makes of a campaign's readings and keeps beside them in the client's bucket: totals, channels by name.

All of it can be made anew from the readings at any time. A value is the sum of means of ten minutes; its time is when
the ten minutes begin.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from powerview.mv2 import Channel
from powerview.names import CHANNELS, TOTALS
from powerview.store import line_protocol
from powerview.store.campaign import (
    BEGIN,
    END,
    Campaign,
    but_for_what_expires,
    flux_text,
    predicate_of,
    seconds_of,
    stretches,
)  # fmt: skip

WINDOW = "10m"
TAGS = ("channel", "device", "figure", "role", "unit")
"""The tags of what is made, but for `campaign`, in the order of their keys."""

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


def series(measurement: str, campaign: str, **tags: str | None) -> Series:
    """A series that is made, by its tags; a tag that is empty is none."""
    found = {"campaign": campaign, **{key: line_protocol.stored_text(tags.get(key) or "") for key in TAGS}}
    return Series(measurement, tuple((key, value) for key, value in found.items() if value))


class Beside(Campaign):
    """A campaign's readings as means of ten minutes, and what is made of them. Every method raises StoreAway."""

    def channels(self) -> dict[Channel, tuple[int, int]]:
        """Every channel that has readings, with the UTC seconds of the first and the last of them.

        Where an interrupted rename has left two series of one place, it is the one with the later reading.
        """
        readings = self._points_of(f'r._measurement == "{flux_text(self._campaign)}"', BEGIN, END)
        # Spelled out twice: of a variable that is used twice, InfluxDB's storage finds neither the first nor the last.
        columns = ["_time", "channel", "channel_idx", "channel_name", "device", "unit"]
        keep = f"keep(columns: {json.dumps(columns)})"
        query = f"union(tables: [{readings} |> first() |> {keep}, {readings} |> last() |> {keep}]) |> group()"
        spans: dict[Channel, tuple[int, int]] = {}
        for frame in self._frames(query, columns):
            rows = zip(seconds_of(frame["_time"]).tolist(), *(frame[c].tolist() for c in columns[1:]), strict=True)
            for second, label, idx, name, device, unit in rows:
                if idx.isdecimal():
                    channel = Channel(int(idx), device, name, unit or None, label)
                    first, last = spans.get(channel, (second, second))
                    spans[channel] = min(first, second), max(last, second)
        latest = {place_of(c): c for c in sorted(spans, key=lambda c: (spans[c][1], c.channel))}
        return {channel: spans[channel] for _, channel in sorted(latest.items(), key=lambda item: _sortable(item[0]))}

    def means(self, places: Collection[Place], start: int, stop: int) -> dict[Place, Values]:
        """The means of these places in each ten minutes with a reading; `stop` is not included."""
        if not places:
            return {}
        wanted = f'r._measurement == "{flux_text(self._campaign)}" and ({" or ".join(_filters(places))})'
        query = (
            f"{self._points_of(wanted, start, stop)} |> aggregateWindow(every: {WINDOW}, fn: mean, createEmpty: false, "
            f'timeSrc: "_start") |> keep(columns: ["_time", "_value", "channel_idx", "device", "unit"]) |> group()'
        )
        return self._read_means(query, places)

    def made(self) -> set[Series]:
        """What is made of this campaign already."""
        keep = f"keep(columns: {json.dumps(['_measurement', *TAGS])})"
        query = f"{self._of_ours(BEGIN, END)} |> last() |> {keep} |> group()"
        return {
            series(measurement, self._campaign, **dict(zip(TAGS, tags, strict=True)))
            for frame in self._frames(query, ["_measurement", *TAGS])
            for measurement, *tags in frame.itertuples(index=False)
        }

    def counts(self, start: int, stop: int) -> dict[Series, int]:
        """How many values each series that is made has there; `stop` is not included."""
        query = f"{self._of_ours(start, stop)} |> count() |> group()"
        found = {}
        for frame in self._frames(query, ["_measurement", *TAGS, "_value"]):
            for measurement, *tags, count in frame.itertuples(index=False):
                found[series(measurement, self._campaign, **dict(zip(TAGS, tags, strict=True)))] = int(count)
        return found

    def write(self, found: Iterable[tuple[Series, Values]]) -> dict[Series, np.ndarray]:
        """Store values, and wait until they are; returns the times of each series. Raises BadLines, too."""
        delivery = self._store.deliver(self._bucket)
        written = {}
        try:
            for each, (times, values) in found:
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

    def _of_ours(self, start: int, stop: int) -> str:
        measurements = f'(r._measurement == "{TOTALS}" or r._measurement == "{CHANNELS}")'
        return self._points_of(f'{measurements} and r.campaign == "{flux_text(self._campaign)}"', start, stop)

    def _read_means(self, query: str, places: Collection[Place]) -> dict[Place, Values]:
        # Times and tags come again and again: as categories they cost little memory, and each is parsed once. The tags'
        # are named, for pandas takes the zeros off serial numbers otherwise.
        from influxdb_client import Dialect

        tags = {
            tag: pd.CategoricalDtype(sorted({str(place[i] or "") for place in places}))
            for i, tag in enumerate(("device", "channel_idx", "unit"))
        }
        plain = Dialect(header=True, annotations=[], delimiter=",", date_time_format="RFC3339")
        with (
            self._reporting(),
            contextlib.closing(self._store.client.query_api().query_raw(query, dialect=plain)) as answer,
        ):
            try:
                frame = pd.read_csv(
                    answer, dtype={"_value": float, "_time": "category", **tags},
                    usecols=lambda name: name in ("_time", "_value", *tags), na_filter=False,
                )  # fmt: skip
            except pd.errors.EmptyDataError:
                return {}
        if "unit" not in frame:
            frame["unit"] = pd.Categorical.from_codes(np.zeros(len(frame), np.int8), [""])
        return dict(_by_place(frame, list(tags)))


def place_of(channel: Channel) -> Place:
    """Which clamp a channel is."""
    return channel.device, channel.idx, channel.unit


def _sortable(place: Place) -> tuple[str, int, str]:
    return place[0], place[1], place[2] or ""


def _filters(places: Collection[Place]) -> Iterator[str]:
    # One for each device and unit: InfluxDB's storage looks at them series by series.
    of: dict[tuple[str, str | None], list[int]] = {}
    for device, idx, unit in places:
        of.setdefault((device, unit), []).append(idx)
    for (device, unit), positions in of.items():
        which = " or ".join(f'r.channel_idx == "{idx}"' for idx in sorted(positions))
        unit_is = f'r.unit == "{flux_text(unit)}"' if unit else "not exists r.unit"
        yield f'(r.device == "{flux_text(device)}" and {unit_is} and ({which}))'


def _by_place(frame: pd.DataFrame, tags: list[str]) -> Iterator[tuple[Place, Values]]:
    texts = pd.Series(frame["_time"].cat.categories)
    times = seconds_of(texts)[frame["_time"].cat.codes.to_numpy()]
    values = frame["_value"].to_numpy()
    number = frame.groupby(tags, observed=True, sort=False).ngroup().to_numpy()
    order = np.lexsort((times, number))
    ends = np.flatnonzero(np.append(np.diff(number[order]) != 0, True)) + 1
    for rows in np.split(order, ends[:-1]) if len(order) else ():
        device, idx, unit = (str(frame[tag].iat[rows[0]]) for tag in tags)
        last = np.append(np.diff(times[rows]) != 0, True)  # two series of one place: see `channels`
        yield (device, int(idx), unit or None), (times[rows[last]], values[rows[last]])


def mapped(values: Mapping[Place, Values], places: Iterable[Place]) -> list[Values]:
    """The values of places in their order; none where there are none."""
    nothing = np.zeros(0, np.int64), np.zeros(0)
    return [values.get(place, nothing) for place in places]
