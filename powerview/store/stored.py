"""What InfluxDB holds of a campaign already: which series, at which seconds; moving one, deleting points of one.

A delete takes a stretch of time and tags that are equal; both ends belong to the stretch (tried on 2.9.1). A tag that
a series lacks cannot be asked for: `unit=""` matches nothing. So a delete for a channel without a unit also meets its
namesakes with one; the stretches are therefore broken where a namesake has a point.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from powerview.mv2 import Channel
from powerview.store import line_protocol
from powerview.store.answers import reporting_influxdb
from powerview.store.protocol import BadLines, Delivery

if TYPE_CHECKING:
    from powerview.store.influxdb import InfluxStore

BEGIN, END = -(10 * 366 * 86_400), 140 * 366 * 86_400
"""UTC seconds before and behind every stamp that a logger can write: two digits make a year, 1969 to 2068."""

CHUNK = 100_000


class Stored:
    """A campaign's series in the client's bucket. Every method raises StoreAway."""

    def __init__(self, store: InfluxStore, bucket: str, campaign: str) -> None:
        self._store = store
        self._bucket, self._campaign = bucket, campaign

    def channels(self, device: str, first: int = BEGIN, last: int = END) -> set[Channel]:
        """The channels of a device that have a point from `first` to `last`, UTC seconds, both included."""
        query = self._from(f'r.device == "{_text(device)}"', first, last + 1) + " |> last() |> group()"
        found: set[Channel] = set()
        for frame in self._frames(query, ["channel", "channel_idx", "channel_name", "device", "unit"]):
            found |= {
                Channel(int(idx), device, name, unit or None, channel)
                for channel, idx, name, device, unit in frame.itertuples(index=False)
                if idx.isdecimal()
            }
        return found

    def times(self, channel: Channel, first: int = BEGIN, last: int = END) -> np.ndarray:
        """The UTC seconds (int64, sorted) of a channel's points from `first` to `last`, both included."""
        parts = [times for times, _ in self._points(channel, first, last)]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)

    def count(self, devices: Iterable[str], first: int, last: int) -> int:
        """How many points these devices have from `first` to `last`, UTC seconds, both included."""
        wanted = " or ".join(f'r.device == "{_text(device)}"' for device in devices)
        query = self._from(f"({wanted})", first, last + 1) + " |> count() |> group() |> sum()"
        return sum(int(count) for frame in self._frames(query, ["_value"]) for count in frame["_value"])

    def move(self, old: Channel, new: Channel) -> None:
        """Make all points of one channel points of another; what the other has at a second stays.

        Values go through InfluxDB's own text of a float, which is the shortest that means the same number. Moving
        twice, or again after it was broken off, ends the same.
        """
        taken = self.times(new)
        series = line_protocol.series_key(new, self._campaign)
        delivery = self._store.deliver(self._bucket)
        try:
            for times, values in self._points(old, BEGIN, END):
                free = np.flatnonzero(~np.isin(times, taken))
                lines = [f"{series} value={values[i]} {times[i]}\n" for i in free.tolist()]
                if lines:
                    delivery.send(series, "".join(lines).encode(), (int(times[free].min()), int(times[free].max())))
        finally:
            delivery.finish()
        _but_for_what_expires(delivery)
        self.delete(old, self.times(old))

    def delete(self, channel: Channel, seconds: np.ndarray) -> None:
        """Delete a channel's points at these UTC seconds (sorted), and no other point."""
        if not len(seconds):
            return
        first, last = int(seconds[0]), int(seconds[-1])
        others = [np.setdiff1d(self.times(channel, first, last), seconds)]
        others += [self.times(namesake, first, last) for namesake in self._namesakes(channel)]
        tags = {"_measurement": self._campaign, "channel": channel.channel, "channel_idx": channel.idx,
                "channel_name": channel.name, "device": channel.device}  # fmt: skip
        predicate = " AND ".join(f'{key}="{_quoted(str(value))}"' for key, value in (tags | _unit(channel)).items())
        with self._reporting():
            for start, stop in _stretches(seconds, np.concatenate(others)):
                self._store.client.delete_api().delete(
                    _moment(start), _moment(stop), predicate, bucket=self._bucket, org=self._store.settings.influxdb_org
                )

    def _namesakes(self, channel: Channel) -> list[Channel]:
        if channel.unit:
            return []
        same = (channel.idx, channel.name, channel.channel)
        return [c for c in self.channels(channel.device) if c.unit and (c.idx, c.name, c.channel) == same]

    def _points(self, channel: Channel, first: int, last: int) -> Iterator[tuple[np.ndarray, list[str]]]:
        tags = {"channel": channel.channel, "channel_idx": str(channel.idx), "device": channel.device}
        wanted = [f'r.{key} == "{_text(value)}"' for key, value in tags.items()]
        wanted.append(f'r.unit == "{_text(channel.unit)}"' if channel.unit else "not exists r.unit")
        query = self._from(" and ".join(wanted), first, last + 1)
        for frame in self._frames(f'{query} |> keep(columns: ["_time", "_value"])', ["_time", "_value"]):
            times = pd.to_datetime(frame["_time"], format="ISO8601", utc=True).dt.as_unit("s").astype("int64")
            yield times.to_numpy(), frame["_value"].tolist()

    def _from(self, wanted: str, start: int, stop: int) -> str:
        return (
            f'from(bucket: "{_text(self._bucket)}") |> range(start: {_flux_time(start)}, stop: {_flux_time(stop)})'
            f' |> filter(fn: (r) => r._measurement == "{_text(self._campaign)}" and r._field == "value" and {wanted})'
        )

    def _frames(self, query: str, columns: list[str]) -> Iterator[pd.DataFrame]:
        # Frames of text with these columns; a column that no table has is empty.
        from influxdb_client import Dialect

        plain = Dialect(header=True, annotations=[], delimiter=",", date_time_format="RFC3339")
        with (
            self._reporting(),
            contextlib.closing(self._store.client.query_api().query_raw(query, dialect=plain)) as answer,
        ):
            try:
                chunks = pd.read_csv(answer, dtype="str", keep_default_na=False, chunksize=CHUNK)
            except pd.errors.EmptyDataError:
                return
            for chunk in chunks:
                yield chunk.reindex(columns=columns, fill_value="")

    def _reporting(self):
        return reporting_influxdb(self._store.settings, f"bucket {self._bucket!r}")


def _but_for_what_expires(delivery: Delivery) -> None:
    # A bucket that keeps readings for a time still shows some that are older, and takes them no more.
    try:
        delivery.result()
    except BadLines as bad:
        if "retention policy" not in str(bad):
            raise


def _unit(channel: Channel) -> dict[str, str]:
    return {"unit": channel.unit} if channel.unit else {}


def _stretches(seconds: np.ndarray, others: np.ndarray) -> Iterable[tuple[int, int]]:
    # The longest stretches, first and last second, that hold some of `seconds` and none of `others`. A second of both
    # is left out: better one point too many than one too few.
    seconds = np.setdiff1d(seconds, others)
    if not len(seconds):
        return []
    broken = np.diff(np.searchsorted(np.unique(others), seconds)) != 0
    starts = seconds[np.concatenate([[True], broken])]
    stops = seconds[np.concatenate([broken, [True]])]
    return zip(starts.tolist(), stops.tolist(), strict=True)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _flux_time(seconds: int) -> str:
    return _moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(text: str) -> str:
    """Text inside a Flux string: `${` would be filled in."""
    return _quoted(text).replace("${", "\\${")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
