"""An export as CSV or Parquet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from sys import executable
from typing import BinaryIO
from zoneinfo import ZoneInfo

import pandas as pd

from powerview.channels import guarded
from powerview.mv2 import Channel
from powerview.reporting.sources import Source
from powerview.settings import SettingsError

PROJECT = Path(__file__).resolve().parents[2]
REQUIREMENTS = "requirements-export.txt"
"""What some forms of export need, and nothing else."""


def source_titles(source: Source) -> list[str]:
    """The columns' titles: of an export by a channels.csv names, else the loggers' labels with their devices."""
    return names_of([clamp.shown for clamp in source.clamps]) if source.clamps else titles(source.channels)


def names_of(channels: list[Channel]) -> list[str]:
    """Names with their units, and where two are the same the device and position, too; none is `time`."""
    plain = [f"{c.name} {c.unit or ''}".rstrip() for c in channels]
    twice = {title for title, count in Counter(["time", *plain]).items() if count > 1}
    return _unique([f"{t} ({c.device} {c.idx})" if t in twice else t for t, c in zip(plain, channels, strict=True)])


def titles(channels: list[Channel]) -> list[str]:
    """The columns' titles: the channel with its unit, and what else it takes to distinguish two of them."""
    plain = [f"{c.channel} {c.unit or ''}".rstrip() for c in channels]
    return _unique(
        [t if plain.count(t) == 1 else f"{t} (column {c.idx})" for t, c in zip(plain, channels, strict=True)]
    )


def _unique(found: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for title in found:
        seen[title] += 1
        unique.append(title if seen[title] == 1 else f"{title} ({seen[title]})")
    return unique


def write_csv(source: Source, zone: ZoneInfo, file: BinaryIO) -> None:
    """UTF-8 CSV: `time` in ISO 8601, local with its offset, then a column for each channel; empty where none is."""
    header = ["time", *map(guarded, source_titles(source))]
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
    names = source_titles(source)
    schema = pa.schema([("time", pa.timestamp("ms", tz=zone.key)), *((name, pa.float64()) for name in names)])
    with pa.parquet.ParquetWriter(file, schema) as writer:
        for frame in source.frames():
            columns = [pa.array(frame.index.to_numpy() * 1000, schema.field("time").type)]
            columns += [pa.array(frame[column].to_numpy(), pa.float64(), from_pandas=True) for column in frame.columns]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def missing(form: str, package: str, requirements: str = REQUIREMENTS) -> SettingsError:
    """The error about a package that is not installed, with the command that installs it."""
    return SettingsError(f"{form} needs the package {package}: {executable} -m pip install -r {PROJECT / requirements}")
