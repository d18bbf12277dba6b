"""How a client's bucket is asked for points and how they are deleted: the Flux and the predicates that this takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pandas as pd

from powerview.seconds import A_DAY
from powerview.store.answers import reporting_influxdb
from powerview.store.csv_answer import csv_answer
from powerview.store.protocol import BadLines, Delivery

if TYPE_CHECKING:
    from powerview.store.influxdb import InfluxStore

BEGIN, END = -(10 * 366 * A_DAY), 140 * 366 * A_DAY
"""UTC seconds before and behind every stamp that a logger can write: two digits make a year, 1969 to 2068."""

CHUNK = 100_000


class InBucket:
    """What asks for points of a client's bucket. Every method raises StoreAway."""

    def __init__(self, store: InfluxStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def _points_of(self, wanted: str, start: int, stop: int, field: str = "value") -> str:
        return (
            f'from(bucket: "{flux_text(self._bucket)}") |> range(start: {flux_time(start)}, stop: {flux_time(stop)})'
            f' |> filter(fn: (r) => r._field == "{field}" and {wanted})'
        )

    def _frames(self, query: str, columns: list[str]) -> Iterator[pd.DataFrame]:
        # Frames of text with these columns; a column that no table has is empty.
        with self._raw(query) as answer:
            try:
                chunks = pd.read_csv(answer, dtype="str", keep_default_na=False, chunksize=CHUNK)
            except pd.errors.EmptyDataError:
                return
            for chunk in chunks:
                yield chunk.reindex(columns=columns, fill_value="")

    @contextlib.contextmanager
    def _raw(self, query: str) -> Iterator[BinaryIO]:
        with self._reporting(), csv_answer(self._store.client, self._store.settings, query) as answer:
            yield answer

    def _reporting(self):
        return reporting_influxdb(self._store.settings, f"bucket {self._bucket!r}")

    def _delete(self, predicate: str, start: int, stop: int) -> None:
        # Both ends, UTC seconds, belong to what is deleted.
        with self._reporting():
            self._store.client.delete_api().delete(
                _moment(start), _moment(stop), predicate, bucket=self._bucket, org=self._store.settings.influxdb_org
            )


def but_for_what_expires(delivery: Delivery) -> bool:
    """Wait for a delivery of points that are in the store already, or were made of some that are; returns whether all
    were taken. Raises StoreAway and BadLines.

    A bucket that keeps readings for a time still shows some that are older, and takes them no more.
    """
    try:
        delivery.result()
    except BadLines as bad:
        if "retention policy" not in str(bad):
            raise
        return False
    return True


def stretches(seconds: np.ndarray, others: np.ndarray) -> Iterable[tuple[int, int]]:
    """The longest stretches, first and last second, that hold some of `seconds` (sorted) and none of `others`.

    A second of both is left out: better one point too many than one too few.
    """
    seconds = np.setdiff1d(seconds, others)
    if not len(seconds):
        return []
    broken = np.diff(np.searchsorted(np.unique(others), seconds)) != 0
    starts = seconds[np.concatenate([[True], broken])]
    stops = seconds[np.concatenate([broken, [True]])]
    return zip(starts.tolist(), stops.tolist(), strict=True)


def seconds_of(times: pd.Series) -> np.ndarray:
    """UTC seconds of InfluxDB's RFC 3339 texts."""
    return pd.to_datetime(times, format="ISO8601", utc=True).dt.as_unit("s").astype("int64").to_numpy()


def predicate_of(tags: Mapping[str, object]) -> str:
    """What a delete takes: these tags have these values."""
    return " AND ".join(f'{key}="{_quoted(str(value))}"' for key, value in tags.items())


def flux_text(text: str) -> str:
    """Text inside a Flux string: `${` would be filled in."""
    return _quoted(text).replace("${", "\\${")


def flux_time(seconds: int) -> str:
    """UTC seconds as Flux writes a time."""
    return _moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
