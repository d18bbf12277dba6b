"""A file on its way into the store."""

from __future__ import annotations

from dataclasses import dataclass, field

from powerview.inbox import Claim, Upload
from powerview.ingest import points
from powerview.ingest.journal import Outcome
from powerview.ingest.late import Part
from powerview.ingest.places import Changes
from powerview.mv2 import Header, Recording
from powerview.store import Delivery, Span, Store


@dataclass
class Sent:
    """A file that was read and is on its way into the store; without a recording it cannot be read."""

    claim: Claim
    upload: Upload
    outcome: Outcome
    recording: Recording | None = None
    delivery: Delivery | None = None
    header: Header | None = None
    changes: Changes = field(default_factory=Changes)
    parts: list[Part] = field(default_factory=list)
    readings: int = 0
    span: Span | None = None
    """How many readings were sent, and their first and last UTC second."""
    started: float = 0.0

    @property
    def done(self) -> bool:
        """Whether the store has answered."""
        return self.delivery is None or self.delivery.done

    def overlaps(self, other: Sent) -> bool:
        """Whether both have rows of the same campaign and time."""
        one, two = self.recording, other.recording
        if not one or not two or one.first is None or two.first is None:
            return False
        same = (self.upload.client, self.upload.campaign) == (other.upload.client, other.upload.campaign)
        return same and one.first <= two.last and two.first <= one.last


def deliver(store: Store, sent: Sent) -> None:
    """Send a file's points; returns before all of them are stored. Raises StoreAway and Changed."""
    recording, header, campaign = sent.recording, sent.header, sent.upload.campaign
    sent.delivery = store.deliver(sent.upload.client)
    try:
        for series, lines, number, span in points.readings(recording, header, campaign, sent.parts):
            sent.delivery.send(series, lines, span)
            sent.readings += number
            sent.span = _joined(sent.span, span)
        for series, lines, span in points.events(recording, header, campaign):
            sent.delivery.send(series, lines, span)
    finally:
        sent.delivery.finish()


def _joined(one: Span | None, other: Span) -> Span:
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))
