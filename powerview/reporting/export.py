"""The readings of a campaign as a table: a row for each time, a column for each channel; CSV, Parquet or a workbook.

From InfluxDB they come by stretches of time, each written before the next one is asked for, so that memory does not
grow with the campaign. From the files of a tree they come through the ingest's own reader, and make the same table.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from powerview.channels import NAME, NotUnderstood, Sheet, sheet_for
from powerview.names import refused_names
from powerview.output import replacing
from powerview.reporting.sheet_source import SheetSource
from powerview.reporting.sources import (
    ALL_TIME,
    FileSource,
    InfluxSource,
    NotExported,
    NotThere,
    Source,
    Wanted,
)
from powerview.reporting.tables import write_csv, write_parquet
from powerview.reporting.workbook import write_workbook
from powerview.settings import Settings, require_influxdb
from powerview.store.influxdb import influx_client

__all__ = ["NotExported", "export", "wanted"]

FAR_AHEAD = datetime.fromtimestamp(ALL_TIME[1], UTC).date()
"""Days from here on are as good as the end of all time."""

WRITERS = {"csv": write_csv, "parquet": write_parquet, "xlsx": write_workbook}


def wanted(settings: Settings, client: str, campaign: str, first: date | None, last: date | None) -> Wanted:
    """What a person asked for: local days of POWERVIEW_TIMEZONE, both included, all of them by default.

    Raises NotThere for a name that no client or campaign can have: it never reaches a query.
    """
    reason = "a name is empty" if not client or not campaign else None
    reason = reason or refused_names(client, campaign, admin_bucket=settings.influxdb_bucket)
    if reason:
        raise NotThere(reason)
    if first and last and first > last:
        raise NotThere(f"--from {first} is later than --to {last}")
    start = max(_midnight(first, settings), ALL_TIME[0]) if first else ALL_TIME[0]
    stop = _midnight(last + timedelta(days=1), settings) if last and last < FAR_AHEAD else ALL_TIME[1]
    if start >= stop:
        raise NotThere(f"there are no readings of such days: readings are from 1970 to {FAR_AHEAD.year - 1}")
    return Wanted(client, campaign, start, stop, settings.timezone)


def _midnight(day: date, settings: Settings) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=settings.timezone).timestamp())


def export(
    settings: Settings, want: Wanted, form: str, output: Path | None, *, from_files: bool, by_sheet: bool = False
) -> None:
    """Write the readings to a file, whole or not at all, or to stdout; `by_sheet` as the campaign's channels.csv shows
    them.

    Raises NotThere, NotExported (the sheet), TooLarge (a workbook), SettingsError, StoreAway, and OSError of the tree
    or the file.
    """
    sheet = _sheet(settings, want) if by_sheet else None
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(source_of(settings, want, from_files=from_files))
        if sheet is not None:
            source = SheetSource(source, sheet)
        file = stack.enter_context(replacing(output)) if output else sys.stdout.buffer
        WRITERS[form](source, settings.timezone, file)
        file.flush()


@contextlib.contextmanager
def source_of(settings: Settings, want: Wanted, *, from_files: bool) -> Iterator[Source]:
    """Where the readings come from: InfluxDB, or the files of the tree, also where no InfluxDB is configured.

    Raises NotThere, SettingsError, StoreAway, and OSError of the tree.
    """
    if from_files or not settings.influxdb_host:
        yield FileSource(settings, want)
        return
    require_influxdb(settings)
    with influx_client(settings) as client:
        yield InfluxSource(settings, client, want)


def _sheet(settings: Settings, want: Wanted) -> Sheet:
    try:
        sheet = sheet_for(settings.data_dir, settings.state_dir, want.client, want.campaign)
    except NotUnderstood as error:
        raise NotExported(f"{NAME} of {want} is not understood: {error}") from error
    if sheet is None:
        raise NotExported(
            f"no {NAME} is in force for {want}: python -m powerview channels {want.client} {want.campaign} writes one, "
            f"and the next upload or sweep puts it into force"
        )
    return sheet
