"""No two connections may be the first to write to a shard at the same time: InfluxDB could lose one of the writes.

A shard's cache in memory is made by the first write to it, after a start, in a new shard, and in one that lay idle. The
flag that says so is set before the cache is there (`tsdb/engine/tsm1/cache.go`, `init`, read in v2.9.1): a second write
in that moment goes into an empty cache that keeps nothing, though it is answered with 204.

So whoever writes first to a day of a bucket is waited for, by whoever comes second on another connection. A shard is a
day long or longer, and none ends within a day of UTC. docs/promises.md describes how InfluxDB can lose such a write in
another way; therefore whoever writes first to a shard looks at once whether it is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from powerview.store.buckets import SHARD_SECONDS

WARM_SECONDS = 240
"""How long after a write a shard's cache is there for certain: InfluxDB empties it after ten minutes without one."""

MOST_KEPT = 50_000

YEAR_ONE = 62_135_596_800
"""Seconds from the first of January of the year 1 to that of 1970: InfluxDB counts shards from there."""


@dataclass
class _First:
    answer: Future
    connection: int
    last: float


class FirstWrites:
    """Which days of which buckets were written to lately, and who was the first."""

    def __init__(self) -> None:
        self._days: dict[tuple[str, int], _First] = {}
        self._shards: dict[tuple[str, int], float] = {}

    def of_others(self, bucket: str, days: Iterable[int], connection: int, answer: Future) -> set[Future]:
        """The answers that a write by `connection` must wait for; where it is the first itself, its own is kept."""
        now = time.monotonic()
        found: set[Future] = set()
        for day in days:
            first = self._days.get((bucket, day))
            if first is None or now - first.last > WARM_SECONDS:
                self._days[bucket, day] = _First(answer, connection, now)
                continue
            first.last = now
            if first.connection != connection and not first.answer.done():
                found.add(first.answer)
        self._forget(now)
        return found

    def is_first(self, bucket: str, first: int, last: int) -> bool:
        """Whether these UTC seconds reach into a shard of ours that nothing was written to lately; remembers that."""
        now = time.monotonic()
        shards = range((first + YEAR_ONE) // SHARD_SECONDS, (last + YEAR_ONE) // SHARD_SECONDS + 1)
        cold = any(now - self._shards.get((bucket, each), float("-inf")) > WARM_SECONDS for each in shards)
        self._shards |= dict.fromkeys([(bucket, each) for each in shards], now)
        return cold

    def _forget(self, now: float) -> None:
        if len(self._days) > MOST_KEPT:
            self._days = {day: first for day, first in self._days.items() if now - first.last <= WARM_SECONDS}
