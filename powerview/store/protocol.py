"""What a store is: it takes deliveries, one for each file.

A Delivery is one file's way into the store. It is done when the store has confirmed that everything is kept; until
then nothing of it counts as stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a run with nothing to do needs no pandas
    from powerview.store.beside import Beside
    from powerview.store.stored import Stored


Span = tuple[int, int]
"""First and last UTC second of some points."""


class StoreAway(Exception):
    """The store is away, or refuses us; the file stays pending. The text names what to look at."""


class BadLines(Exception):
    """The store will never take some lines of this file; what it could take of the others is stored."""


class Delivery(Protocol):
    """One file's way into the store."""

    def send(self, series: str, lines: bytes, span: Span) -> None:
        """Hand over points of one series, in their order; may return before they are stored."""

    def finish(self) -> None:
        """Nothing more comes."""

    @property
    def done(self) -> bool:
        """Whether `result` would return, or raise, at once."""

    def result(self) -> None:
        """Wait until all is stored. Raises StoreAway or BadLines."""


class Store(Protocol):
    """Takes deliveries; a context manager."""

    def deliver(self, bucket: str, precision: str = "s") -> Delivery:
        """Begin a delivery into a bucket, made if it is missing. Times are in `precision`. Raises StoreAway."""

    def stored(self, bucket: str, campaign: str) -> Stored | None:
        """What is stored of a campaign; None from a store that is only ever appended to."""

    def beside(self, bucket: str) -> Beside | None:
        """What is made of readings in a bucket; None where they cannot be asked for, or there is no such bucket."""

    def answers(self) -> bool:
        """Whether the store can be reached now."""

    def report(self, bucket: str, lines: bytes) -> None:
        """Write points about uploads, times in nanoseconds, at once; no delivery depends on it. Raises StoreAway."""
