"""Where the readings of an export come from: InfluxDB, some days at a time, or the files of a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.channels.things import Clamp
from powerview.mv2 import Channel
from powerview.reporting.places import Series
from powerview.seconds import A_DAY
from powerview.settings import Settings
from powerview.store import StoreAway
from powerview.store.answers import reporting_influxdb
from powerview.store.csv_answer import csv_answer

SLICE_READINGS = 200_000
"""About how many readings are asked of InfluxDB at a time."""

STRETCH = 28 * A_DAY
"""So many seconds of files become a table at a time."""

TAGS = {"channel_idx": "idx", "device": "device", "channel_name": "name", "unit": "unit", "channel": "channel"}
"""InfluxDB's tag for each field of a Channel; what distinguishes a series from all others of a campaign."""


ALL_TIME = 0, int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
"""In UTC seconds."""


Ends = dict[Channel, tuple[int, int]]
"""Of each channel the UTC seconds of its first and its last reading."""


class NotExported(Exception):
    """It cannot be exported. The text is the reason and what to do."""


class NotThere(NotExported):
    """There are no such readings, or the name cannot be a campaign's. The text names what was looked for, and where."""


@dataclass(frozen=True)
class Wanted:
    """What to export: `start` and `stop` are UTC seconds, the first one is in, the last one is not.

    They are midnights of the zone, if they are not the begin and the end of all time.
    """

    client: str
    campaign: str
    start: int
    stop: int
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"{self.client}/{self.campaign}"


class Source(Protocol):
    """Where the readings of a Wanted come from."""

    channels: list[Channel]
    """Its channels that have readings there, in the order of the columns."""

    clamps: Sequence[Clamp]
    """Each channel as the sheet shows it; none if the readings are exported as they are."""

    absent: Sequence[Clamp]
    """The same of the campaign's other channels, those without a reading there."""

    def frames(self) -> Iterator[pd.DataFrame]:
        """The readings in time: index UTC seconds (each one once), a column for each channel in their order."""

    def spans(self) -> dict[str, tuple[int, int]]:
        """The first and the last reading of each device of the whole campaign, in UTC seconds."""


def _no_readings(want: Wanted, where: str, spans: dict[str, tuple[int, int]]) -> NotThere:
    if not spans:
        return NotThere(f"there are no readings of {want} in {where}: is the name right, was anything read?")
    ends = [
        datetime.fromtimestamp(e, want.zone)
        for e in (min(f for f, _ in spans.values()), max(t for _, t in spans.values()))
    ]
    first, last = (moment.date().isoformat() for moment in ends)
    return NotThere(
        f"there are no readings of {want} for these days in {where}: its readings are from {first} to {last}"
    )


def _between(series: Series, start: int, stop: int) -> Series:
    # The readings of a stretch of time, without a copy.
    begin, end = np.searchsorted(series.times, [start, stop])
    return Series(series.times[begin:end], series.values[begin:end], series.steps[begin:end])


def _spans(ends: Ends) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for channel, (first, last) in ends.items():
        begin, end = found.get(channel.device, (first, last))
        found[channel.device] = (min(begin, first), max(end, last))
    return found


def ordered(channels: list[Channel]) -> list[Channel]:
    """Channels in the order of an export's columns."""
    return sorted(channels, key=lambda c: (c.device, c.idx, c.name, c.unit or "", c.channel))


class FileSource:
    """From the files of the tree. Raises NotThere, and OSError if the tree cannot be read."""

    clamps: Sequence[Clamp] = ()
    absent: Sequence[Clamp] = ()

    def __init__(self, settings: Settings, want: Wanted) -> None:
        from powerview.reporting.campaign import read_tree

        campaigns, _ = read_tree(settings, want.client, want.campaign)
        series = campaigns[0].series if campaigns else {}
        self._ends = {channel: (int(s.times[0]), int(s.times[-1])) for channel, s in series.items()}
        found = {c: _between(s, want.start, want.stop) for c, s in series.items()}
        found = {channel: readings for channel, readings in found.items() if len(readings.times)}
        if not found:
            raise _no_readings(want, f"the files of {settings.data_dir}", self.spans())
        self.channels = ordered(list(found))
        self._found = [found[channel] for channel in self.channels]

    def frames(self) -> Iterator[pd.DataFrame]:
        """STRETCH seconds at a time; the readings are in memory, but a table of all of them is large."""
        begin = min(int(s.times[0]) for s in self._found) // STRETCH * STRETCH
        last = max(int(s.times[-1]) for s in self._found)
        for start in range(begin, last + 1, STRETCH):
            parts = [_between(s, start, start + STRETCH) for s in self._found]
            frame = pd.DataFrame({i: pd.Series(part.values, part.times) for i, part in enumerate(parts)})
            if len(frame):
                yield frame.sort_index()

    def spans(self) -> dict[str, tuple[int, int]]:
        """Of all files."""
        return _spans(self._ends)

    def ends(self) -> Ends:
        """The first and the last reading of each channel of the campaign, of all files."""
        return self._ends


class InfluxSource:
    """From InfluxDB, by stretches of time. Raises NotThere and StoreAway."""

    clamps: Sequence[Clamp] = ()
    absent: Sequence[Clamp] = ()

    def __init__(self, settings: Settings, client, want: Wanted) -> None:
        self._settings, self._client, self._want = settings, client, want
        self._got = 0
        self._ends: Ends | None = None
        with self._asking():
            if client.buckets_api().find_bucket_by_name(want.client) is None:
                raise NotThere(
                    f"InfluxDB at {settings.influxdb_host} has no bucket {want.client}: nothing of that client was "
                    f"stored (is the name right? --data exports from files)"
                )
            counts = self._counts()
            days = self._days() if counts else {}
        if not counts:
            raise _no_readings(want, f"InfluxDB at {settings.influxdb_host}", self.spans())
        self.channels = ordered(list(counts))
        self._readings = sum(counts.values())
        self._slices = list(_slices(days))

    def _asking(self):
        return reporting_influxdb(self._settings, f"bucket {self._want.client!r}")

    def _query(self, start: int, stop: int, then: str) -> str:
        # Only static predicates, so that InfluxDB's storage filters; names were checked, they need no escape.
        return (
            f'from(bucket: "{self._want.client}") |> range(start: {_flux_time(start)}, stop: {_flux_time(stop)})'
            f' |> filter(fn: (r) => r._measurement == "{self._want.campaign}" and r._field == "value")'
            f" |> {then}"
        )

    def _counts(self) -> dict[Channel, int]:
        query = self._query(self._want.start, self._want.stop, "count()")
        tables = self._client.query_api().query(query)
        return {_channel(record.values): record.get_value() for table in tables for record in table.records}

    def _days(self) -> dict[int, int]:
        # For each UTC day that has readings its begin in UTC seconds, and how many they are.
        days = 'aggregateWindow(every: 1d, fn: count, createEmpty: false, timeSrc: "_start")'
        sums = f'{days} |> keep(columns: ["_time", "_value"]) |> group(columns: ["_time"]) |> sum()'
        tables = self._client.query_api().query(self._query(self._want.start, self._want.stop, sums))
        found = [record for table in tables for record in table.records]
        return {int(record.get_time().timestamp()): record.get_value() for record in found}

    def frames(self) -> Iterator[pd.DataFrame]:
        """Some days after the others, SLICE_READINGS at a time or a single day's."""
        place = {channel: i for i, channel in enumerate(self.channels)}
        for start, stop in self._slices:
            frame = self._slice(max(start, self._want.start), min(stop, self._want.stop), place)
            if len(frame):
                yield frame
        if self._got < self._readings:  # more is no fault: logger files come in meanwhile
            raise StoreAway(f"InfluxDB counted {self._readings} readings and gave {self._got}: try again")

    def spans(self) -> dict[str, tuple[int, int]]:
        """Asked of InfluxDB."""
        return _spans(self.ends())

    def ends(self) -> Ends:
        """The first and the last reading of each channel of the campaign, asked of InfluxDB once."""
        if self._ends is None:
            with self._asking():
                first, last = self._times("first()"), self._times("last()")
            self._ends = {channel: (first[channel], last[channel]) for channel in first.keys() & last.keys()}
        return self._ends

    def _times(self, which: str) -> dict[Channel, int]:
        tables = self._client.query_api().query(self._query(*ALL_TIME, which))
        return {_channel(r.values): int(r.get_time().timestamp()) for table in tables for r in table.records}

    def _slice(self, start: int, stop: int, place: dict[Channel, int]) -> pd.DataFrame:
        columns = ["_time", "_value", *TAGS]
        query = self._query(start, stop, f"keep(columns: {_flux_list(columns)}) |> group()")
        with self._asking():
            with csv_answer(self._client, self._settings, query) as answer:
                try:
                    found = pd.read_csv(answer, dtype=dict.fromkeys(TAGS, "str"), keep_default_na=False)
                except pd.errors.EmptyDataError:  # they were deleted meanwhile
                    return pd.DataFrame()
            wide, count = _wide(found.reindex(columns=columns, fill_value=""), place)
            self._got += count
            return wide


def _slices(days: dict[int, int]) -> Iterator[tuple[int, int]]:
    # Stretches of days, from their first second to behind their last, that hold about SLICE_READINGS each.
    start = end = None
    held = 0
    for day, readings in sorted(days.items()):
        if start is not None and held + readings > SLICE_READINGS:
            yield start, end
            start, held = None, 0
        start = day if start is None else start
        # The first one may begin within its UTC day, at a local midnight; it ends with it all the same.
        end, held = (day // A_DAY + 1) * A_DAY, held + readings
    if start is not None:
        yield start, end


def _flux_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _flux_list(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _channel(tags: dict[str, str | None]) -> Channel:
    fields = {field: tags.get(tag) or None for tag, field in TAGS.items()}
    return Channel(**(fields | {"idx": int(fields["idx"])}))


def _wide(found: pd.DataFrame, place: dict[Channel, int]) -> tuple[pd.DataFrame, int]:
    # A column for each channel, and how many readings that are. What a file has brought meanwhile is left out.
    series = found.groupby(list(TAGS), sort=False).ngroup()
    tags = found.loc[~series.duplicated(), list(TAGS)].to_dict("records")  # numbered as they first come
    columns = np.array([place.get(_channel(each), -1) for each in tags])[series]
    times = pd.to_datetime(found["_time"], format="ISO8601", utc=True).dt.as_unit("s").astype("int64")
    readings = pd.DataFrame({"time": times, "column": columns, "value": found["_value"].astype(float)})
    readings = readings[readings["column"] >= 0]
    wide = readings.pivot(index="time", columns="column", values="value").reindex(columns=range(len(place)))
    return wide, len(readings)
