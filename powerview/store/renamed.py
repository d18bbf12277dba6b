"""When a channel got another label: points in the measurement of events, beside restarts and lost clocks.

The readings of a place are one series under its latest label (docs/data.md), so nothing else in the bucket shows what
it was called before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from powerview.names import EVENTS
from powerview.store import line_protocol
from powerview.store.in_bucket import BEGIN, END, InBucket, but_for_what_expires, flux_text, predicate_of, seconds_of

RENAMED = "renamed"
COLUMNS = ["_time", "device", "channel_idx", "unit", "former", "channel_name"]


@dataclass(frozen=True, order=True)
class Rename:
    """A place had one label and has another from `time` on, in UTC seconds. Without a unit `unit` is empty."""

    time: int
    device: str
    idx: int
    unit: str
    former: str
    name: str


class Renamed(InBucket):
    """The renames of campaigns. Every method raises StoreAway."""

    def renames(self, campaign: str) -> set[Rename]:
        """Every rename that is stored of a campaign."""
        query = self._points_of(_wanted(campaign), BEGIN, END, "count") + " |> group()"
        return {
            Rename(second, device, int(idx), unit, former, name)
            for frame in self._frames(query, COLUMNS)
            for second, device, idx, unit, former, name in zip(
                seconds_of(frame["_time"]).tolist(), *(frame[c].tolist() for c in COLUMNS[1:]), strict=True
            )
        }

    def write_renames(self, campaign: str, found: Iterable[Rename]) -> None:
        """Store renames, and wait until they are. Raises BadLines, too."""
        delivery = self._store.deliver(self._bucket)
        try:
            for each in sorted(found):
                series = line_protocol.series_text(EVENTS, _tags(campaign, each))
                delivery.send(series, f"{series} count=1 {each.time}\n".encode(), (each.time, each.time))
        finally:
            delivery.finish()
        but_for_what_expires(delivery)

    def delete_rename(self, campaign: str, each: Rename) -> None:
        """Delete a rename; one without a unit takes its namesakes of that second with a unit along."""
        tags = {key: value for key, value in _tags(campaign, each).items() if value}
        self._delete(predicate_of({"_measurement": EVENTS, **tags}), each.time, each.time)


def _tags(campaign: str, each: Rename) -> dict[str, str]:
    # In the order of their keys.
    return {
        "campaign": campaign, "channel_idx": str(each.idx), "channel_name": each.name, "device": each.device,
        "event": RENAMED, "former": each.former, "unit": each.unit,
    }  # fmt: skip


def _wanted(campaign: str) -> str:
    return f'r._measurement == "{EVENTS}" and r.event == "{RENAMED}" and r.campaign == "{flux_text(campaign)}"'
