"""InfluxDB's answers to queries as CSV; one that breaks off is StoreAway, also where it looks whole.

The status 200 is sent before the rows. Where a query fails behind it (a limit of time or memory, a shard that cannot be
read, a server that is being stopped), an empty line ends the rows, and a table of its own has the columns `error` and
`reference` (seen on 2.9.1: "Flux annotated CSV", errors). Whoever took such rows for all of them would delete too much.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from powerview.settings import Settings
from powerview.store.answers import broken_off
from powerview.store.protocol import StoreAway

FAILED = b"\r\n\r\n,error,reference\r\n"
BLANK = len(b"\r\n\r\n")
CHUNK, LONGEST_REASON = 1 << 16, 4096


@contextlib.contextmanager
def csv_answer(client, settings: Settings, query: str) -> Iterator[BinaryIO]:
    """The rows that answer a Flux query, with a header and without annotations; times as RFC 3339.

    Raises at the end StoreAway if they broke off, and what InfluxDB's client raises.
    """
    from influxdb_client import Dialect

    plain = Dialect(header=True, annotations=[], delimiter=",", date_time_format="RFC3339")
    with contextlib.closing(client.query_api().query_raw(query, dialect=plain)) as answer:
        rows = _Rows(answer)
        yield io.BufferedReader(rows, CHUNK)
        if rows.failure:
            raise StoreAway(broken_off(settings, rows.failure))


class _Rows(io.RawIOBase):
    # An answer up to where it says that it failed; `failure` is the reason then.

    def __init__(self, answer: BinaryIO) -> None:
        self.failure = ""
        self._answer = answer
        self._ready = b""
        self._held = FAILED[:BLANK]  # so that an answer which begins with its failure is known
        self._not_theirs = BLANK
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._ready and not self._ended:
            self._fetch()
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _fetch(self) -> None:
        data = self._answer.read(CHUNK)
        self._held += data
        place = self._held.find(FAILED)
        self._ended = place >= 0 or not data
        if place >= 0:
            self.failure = self._reason(self._held[place + len(FAILED) :])
            self._ready = self._held[: place + 2]
        elif self._ended:
            self._ready = self._held
        else:
            kept = len(FAILED) - 1  # what may be the begin of it
            self._ready, self._held = self._held[:-kept], self._held[-kept:]
        ours = min(self._not_theirs, len(self._ready))
        self._ready, self._not_theirs = self._ready[ours:], self._not_theirs - ours

    def _reason(self, table: bytes) -> str:
        while len(table) < LONGEST_REASON and (more := self._answer.read(LONGEST_REASON)):
            table += more
        row = next(csv.reader(io.StringIO(table.decode(errors="replace"))), [])
        return row[1] if len(row) > 1 and row[1] else "no reason is given"
