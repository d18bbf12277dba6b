"""Readings as a channels.csv has them: times their factors, each channel with what the sheet calls it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from powerview.channels import Sheet
from powerview.channels.things import Clamp, clamps_of
from powerview.reporting.sources import FileSource, InfluxSource, ordered


class SheetSource:
    """Another source's readings times the factors of a channels.csv."""

    def __init__(self, source: FileSource | InfluxSource, sheet: Sheet) -> None:
        self._source = source
        self.channels = source.channels
        self.clamps = clamps_of(source.channels, sheet)
        self._sheet = sheet

    @property
    def absent(self) -> Sequence[Clamp]:
        """Those without a reading there. May ask InfluxDB."""
        others = set(self._source.ends()) - set(self.channels)
        return clamps_of(ordered(list(others)), self._sheet)

    def frames(self) -> Iterator[pd.DataFrame]:
        """As the other source's."""
        factors = [clamp.factor for clamp in self.clamps]
        for frame in self._source.frames():
            yield frame * factors

    def spans(self) -> dict[str, tuple[int, int]]:
        """As the other source's."""
        return self._source.spans()
