"""What InfluxDB holds of a campaign already: which series, at which seconds; moving one, deleting points of one.

A delete takes a stretch of time and tags that are equal; both ends belong to the stretch (tried on 2.9.1). A tag that
a series lacks cannot be asked for: `unit=""` matches nothing. So a delete for a channel without a unit also meets its
namesakes with one; the stretches are therefore broken where a namesake has a point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from powerview.mv2 import Channel
from powerview.store import line_protocol
from powerview.store.in_bucket import (
    BEGIN,
    END,
    InBucket,
    but_for_what_expires,
    flux_text,
    predicate_of,
    seconds_of,
    stretches,
)  # fmt: skip
from powerview.store.protocol import StoreAway

if TYPE_CHECKING:
    from powerview.store.influxdb import InfluxStore

MOST_COPIES = 3
"""How often readings are copied to another label, where InfluxDB does not have what it confirmed."""


class Stored(InBucket):
    """A campaign's series in the client's bucket. Every method raises StoreAway."""

    def __init__(self, store: InfluxStore, bucket: str, campaign: str) -> None:
        super().__init__(store, bucket)
        self._campaign = campaign

    def channels(self, devices: Iterable[str] | None = None, first: int = BEGIN, last: int = END) -> set[Channel]:
        """The channels of these devices, or of all, with a point from `first` to `last`, UTC seconds, both included."""
        wanted = "exists r.device" if devices is None else _one_of(devices)
        query = self._from(wanted, first, last + 1) + " |> last() |> group()"
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
        query = self._from(_one_of(devices), first, last + 1) + " |> count() |> group() |> sum()"
        return sum(int(count) for frame in self._frames(query, ["_value"]) for count in frame["_value"])

    def move(self, old: Channel, new: Channel) -> None:
        """Make all points of one channel points of another; what the other has at a second stays.

        Values go through InfluxDB's own text of a float, which is the shortest that means the same number. Moving
        twice, or again after it was broken off, ends the same.

        InfluxDB can lose a write that it confirmed (docs/promises.md), and these go where nothing was written lately:
        nothing is deleted before its copy is seen.
        """
        for _ in range(MOST_COPIES):
            all_taken = self._copy(old, new)
            there = self.times(old)
            if not all_taken or not len(np.setdiff1d(there, self.times(new))):
                self.delete(old, there)
                return
        raise StoreAway(
            f"InfluxDB confirmed {MOST_COPIES} times that it has the readings of {old.channel} as {new.channel}, and "
            f"does not have them all: look at its own log and disk"
        )

    def _copy(self, old: Channel, new: Channel) -> bool:
        # Whether all were taken that the new channel lacked; the others expire.
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
        return but_for_what_expires(delivery)

    def delete(self, channel: Channel, seconds: np.ndarray) -> None:
        """Delete a channel's points at these UTC seconds (sorted), and no other point."""
        if not len(seconds):
            return
        first, last = int(seconds[0]), int(seconds[-1])
        others = [np.setdiff1d(self.times(channel, first, last), seconds)]
        others += [self.times(namesake, first, last) for namesake in self._namesakes(channel)]
        tags = {"_measurement": self._campaign, "channel": channel.channel, "channel_idx": channel.idx,
                "channel_name": channel.name, "device": channel.device}  # fmt: skip
        predicate = predicate_of(tags | _unit(channel))
        for start, stop in stretches(seconds, np.concatenate(others)):
            self._delete(predicate, start, stop)

    def _namesakes(self, channel: Channel) -> list[Channel]:
        if channel.unit:
            return []
        same = (channel.idx, channel.name, channel.channel)
        return [c for c in self.channels([channel.device]) if c.unit and (c.idx, c.name, c.channel) == same]

    def _points(self, channel: Channel, first: int, last: int) -> Iterator[tuple[np.ndarray, list[str]]]:
        tags = {"channel": channel.channel, "channel_idx": str(channel.idx), "device": channel.device}
        wanted = [f'r.{key} == "{flux_text(value)}"' for key, value in tags.items()]
        wanted.append(f'r.unit == "{flux_text(channel.unit)}"' if channel.unit else "not exists r.unit")
        query = self._from(" and ".join(wanted), first, last + 1)
        for frame in self._frames(f'{query} |> keep(columns: ["_time", "_value"])', ["_time", "_value"]):
            yield seconds_of(frame["_time"]), frame["_value"].tolist()

    def _from(self, wanted: str, start: int, stop: int) -> str:
        return self._points_of(f'r._measurement == "{flux_text(self._campaign)}" and {wanted}', start, stop)


def _one_of(devices: Iterable[str]) -> str:
    wanted = " or ".join(f'r.device == "{flux_text(device)}"' for device in devices)
    return f"({wanted})"


def _unit(channel: Channel) -> dict[str, str]:
    return {"unit": channel.unit} if channel.unit else {}
