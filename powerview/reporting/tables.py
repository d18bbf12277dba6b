"""An export as CSV or Parquet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from sys import executable
from typing import BinaryIO
from zoneinfo import ZoneInfo

import pandas as pd

from powerview.mv2 import Channel
from powerview.reporting.sources import Source
from powerview.settings import SettingsError

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements-export.txt"
"""What some forms of export need, and nothing else."""


def titles(channels: list[Channel]) -> list[str]:
    """The columns' titles: the channel with its unit, and what else it takes to distinguish two of them."""
    plain = [f"{c.channel} {c.unit or ''}".rstrip() for c in channels]
    seen: Counter[str] = Counter()
    unique = []
    for title, channel in zip(plain, channels, strict=True):
        title = title if plain.count(title) == 1 else f"{title} (column {channel.idx})"
        seen[title] += 1
        unique.append(title if seen[title] == 1 else f"{title} ({seen[title]})")
    return unique


def write_csv(source: Source, zone: ZoneInfo, file: BinaryIO) -> None:
    """UTF-8 CSV: `time` in ISO 8601, local with its offset, then a column for each channel; empty where none is."""
    header = ["time", *titles(source.channels)]
    for frame in source.frames():
        local = pd.to_datetime(frame.index, unit="s", utc=True).tz_convert(zone)
        frame.insert(0, "time", [stamp.isoformat() for stamp in local])
        text = frame.to_csv(None, header=header or False, index=False, lineterminator="\n")
        file.write(text.encode("utf-8", "replace"))
        header = None


def write_parquet(source: Source, zone: ZoneInfo, file: BinaryIO) -> None:
    """Parquet: `time`, a timestamp that carries the zone, then a column of doubles for each channel.

    Raises SettingsError if pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise missing("Parquet", "pyarrow") from error
    names = titles(source.channels)
    schema = pa.schema([("time", pa.timestamp("ms", tz=zone.key)), *((name, pa.float64()) for name in names)])
    with pa.parquet.ParquetWriter(file, schema) as writer:
        for frame in source.frames():
            columns = [pa.array(frame.index.to_numpy() * 1000, schema.field("time").type)]
            columns += [pa.array(frame[column].to_numpy(), pa.float64(), from_pandas=True) for column in frame.columns]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def missing(form: str, package: str) -> SettingsError:
    """The error about a package that is not installed."""
    return SettingsError(f"{form} needs the package {package}: {executable} -m pip install -r {REQUIREMENTS}")
