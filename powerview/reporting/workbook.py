"""An export as a workbook for spreadsheets: the readings, kWh per day, coverage. Dates are dates, numbers are numbers.

Rows go to disk as they come, so that memory does not grow with the campaign. Labels come from outside: they are always
text, also where they begin with `=`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.channels.things import WATTS
from powerview.reporting.figures import DayTotals
from powerview.reporting.shown import ThingDays
from powerview.reporting.sources import NotExported, Source
from powerview.reporting.tables import missing, names_of, source_titles
from powerview.seconds import A_DAY

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
"""What a sheet holds: ECMA-376, part 1, 18.3.1.73 and Excel's published limits."""

UNIX_EPOCH = 25_569
"""1 January 1970 as spreadsheets count days."""

WIDTH = 19
"""Of a column, in characters: a moment fits."""


class TooLarge(NotExported):
    """A sheet does not hold so much. The text names what does."""


def write_workbook(source: Source, zone: ZoneInfo, file: BinaryIO) -> None:
    """An .xlsx file with the sheets `readings`, `kWh per day` and `coverage`; empty where there is nothing.

    Spreadsheets know no time zones: `readings` has local time and UTC, in which the doubled hour of October is clear.
    Raises TooLarge, and SettingsError if xlsxwriter is not installed.
    """
    try:
        from xlsxwriter import Workbook
        from xlsxwriter.exceptions import FileCreateError
    except ImportError as error:
        raise missing("A workbook", "xlsxwriter") from error
    names = source_titles(source)
    if len(names) + 2 > MOST_COLUMNS:
        raise TooLarge(
            f"a sheet holds {MOST_COLUMNS} columns, and there are {len(names)} channels: --format csv has room."
        )
    with TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.xlsx"
        book = Workbook(whole, {"constant_memory": True, "tmpdir": folder})
        book.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC)})  # the same input makes the same bytes
        book.use_zip64()
        totals = DayTotals(source.channels, zone)
        things = ThingDays(source.clamps, zone, source.absent) if source.clamps else None
        _readings(book, source, names, zone, *filter(None, (totals, things)))
        if things:
            _days(book, "kWh per day", "0.00", [*things.titles, *names_of(things.power)], things.days())
        else:
            power = [i for i, channel in enumerate(source.channels) if channel.unit in WATTS]
            kwh_of_days = ((day, kwh[power]) for day, kwh, _ in totals.days())
            _days(book, "kWh per day", "0.00", [names[i] for i in power], kwh_of_days)
        _days(book, "coverage", "0.0 %", names, ((d, share) for d, _, share in totals.days()))
        try:
            book.close()
        except FileCreateError as error:
            raise error.args[0] from error
        with whole.open("rb") as finished:  # on a full disk xlsxwriter's own archive would complain a second time
            shutil.copyfileobj(finished, file)


def _readings(
    book: Workbook, source: Source, names: list[str], zone: ZoneInfo, *all_days: DayTotals | ThingDays
) -> None:
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet = _sheet(book, "readings", [f"time ({zone.key})", "time (UTC)", *names], frozen=2)
    row = 1
    for frame in source.frames():
        if row + len(frame) > MOST_ROWS:
            raise TooLarge(
                f"a sheet holds {MOST_ROWS} rows, and there are more times with readings: choose days with --from and "
                f"--to, or --format csv, which has room."
            )
        for days in all_days:
            days.add(frame)
        utc = pd.to_datetime(frame.index, unit="s", utc=True)
        times = zip(_serials(utc.tz_convert(zone)), _serials(utc), strict=True)
        for (local, universal), values in zip(times, frame.to_numpy(float), strict=True):
            sheet.write_number(row, 0, local, moment)
            sheet.write_number(row, 1, universal, moment)
            for column in np.flatnonzero(np.isfinite(values)).tolist():
                sheet.write_number(row, column + 2, values[column])
            row += 1


def _days(book: Workbook, title: str, form: str, names: list[str], rows: Iterable[tuple[date, np.ndarray]]) -> None:
    day_format, number_format = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": form})
    sheet = _sheet(book, title, ["day", *names], frozen=1)
    for row, (day, values) in enumerate(rows, 1):
        sheet.write_number(row, 0, (day - date(1970, 1, 1)).days + UNIX_EPOCH, day_format)
        for column in np.flatnonzero(np.isfinite(values)).tolist():
            sheet.write_number(row, column + 1, values[column], number_format)


def _sheet(book: Workbook, title: str, header: list[str], frozen: int) -> Worksheet:
    sheet = book.add_worksheet(title)
    sheet.set_column(0, len(header) - 1, WIDTH)
    sheet.freeze_panes(1, frozen)
    wrapped = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    for column, text in enumerate(header):
        sheet.write_string(0, column, text, wrapped)
    return sheet


def _serials(times: pd.DatetimeIndex) -> list[float]:
    # Moments as spreadsheets count them: days, on the clock of the zone.
    seconds = times.tz_localize(None).as_unit("s").asi8
    return (seconds / A_DAY + UNIX_EPOCH).tolist()
