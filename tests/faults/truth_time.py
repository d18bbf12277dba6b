"""The rows of one file in time, read slowly and plainly: which count as readings, and what events they show.

Part of the second reading of the logger files (truth.py), written from the contracts alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

DAY = timedelta(days=1)
NEW_YEAR_2020 = datetime(2020, 1, 1)


@dataclass
class Row:
    """One complete row: its stamp as written, its cells, where it lies in time (UTC), and whether its clock was set."""

    written: datetime
    cells: list[bytes]
    utc: datetime | None = None
    clock_was_set: bool = True

    @property
    def is_marker(self) -> bool:
        return all(cell == b"0" for cell in self.cells)

    @property
    def is_reading(self) -> bool:
        return self.clock_was_set and not self.is_marker


def place_in_time(rows: list[Row], zone: tzinfo, arrived: datetime, name: str) -> list[Row]:
    """Give every row its UTC time, find the rows whose clock was not set; returns the rows in the order of time.

    `arrived` is when the file arrived (aware), `name` the file's name.
    """
    rows = in_order(rows)
    find_unset_clock(rows, arrived, name)
    for row in rows:
        if to_utc(row.written, zone, 0) > arrived + DAY:
            row.clock_was_set = False
    began = begins_inside(rows, zone)
    place_readings(rows, zone, began)
    for row in rows:
        if row.is_reading and row.utc > arrived + DAY:
            row.clock_was_set = False
    place_markers(rows, zone, began)
    for row in rows:
        if row.is_marker and row.clock_was_set and row.utc > arrived + DAY:
            row.clock_was_set = False
    return rows


def in_order(rows: list[Row]) -> list[Row]:
    """The rows, turned around if the file was written newest first: nearly every reading steps back."""
    stamps = [row.written for row in rows if not row.is_marker]
    pairs = list(zip(stamps, stamps[1:], strict=False))
    back = sum(later < earlier for earlier, later in pairs)
    forward = sum(later > earlier for earlier, later in pairs)
    return rows[::-1] if back >= 3 and back > 3 * forward else rows


def find_unset_clock(rows: list[Row], arrived: datetime, name: str) -> None:
    """A logger without a set clock starts on 1 January 2020 and runs on until the stamp jumps by more than a day."""
    year = year_of(name)
    history = year is not None and year <= 2020
    later = arrived.year > 2020 or (year is not None and year > 2020)
    running, before = False, None
    for row in rows:
        jumped = before is None or abs(row.written - before) > DAY
        before = row.written
        if jumped:
            running = False
        if row.written.date() == NEW_YEAR_2020.date() and (jumped or not history):
            running = True
        if running or (later and (row.written.year, row.written.month) == (2020, 1)):
            row.clock_was_set = False
        if row.written < NEW_YEAR_2020 and not history:
            row.clock_was_set = False


def year_of(name: str) -> int | None:
    """The year of the stamp YYMMDD_HHMMSS in a file's name."""
    stamp = re.search(r"(?<![0-9])([0-9]{2})([0-9]{2})([0-9]{2})_[0-9]{6}(?![0-9])", name)
    if stamp is None or not 1 <= int(stamp[2]) <= 12 or not 1 <= int(stamp[3]) <= 31:
        return None
    return 2000 + int(stamp[1])


# The hour that is there twice


def place_readings(rows: list[Row], zone: tzinfo, began: date | None) -> None:
    """Readings in UTC: in the doubled hour of a night the largest step back begins the second pass.

    Where a row comes once an hour nothing steps back: its stamp is there twice.
    """
    nights: dict[date, list[Row]] = {}
    for row in rows:
        if row.is_reading:
            row.utc = to_utc(row.written, zone, 0)
            if is_double(row.written, zone):
                nights.setdefault(row.written.date(), []).append(row)
    for night, inside in nights.items():
        start = 1 if is_hourly(inside, rows, zone) else second_pass(inside)
        if start is None:
            start = 0 if began == night else len(inside)
        for row in inside[start:]:
            row.utc = to_utc(row.written, zone, 1)


def is_hourly(inside: list[Row], rows: list[Row], zone: tzinfo) -> bool:
    """Whether the two readings inside the hour are alone there, with one stamp, and their neighbours an hour away."""
    if len(inside) != 2 or inside[0].written != inside[1].written:
        return False
    place = next(place for place, row in enumerate(rows) if row is inside[0])
    if rows[place + 1] is not inside[1]:
        return False
    hour = to_utc(inside[0].written, zone, 1) - to_utc(inside[0].written, zone, 0)
    above, below = rows[max(0, place - 1) : place], rows[place + 2 : place + 3]
    return bool(above or below) and all(
        row.is_reading and abs(abs(row.utc - inside[0].utc) - distance) <= timedelta(minutes=1)
        for row, distance in [(row, hour) for row in above] + [(row, 2 * hour) for row in below]
    )


def second_pass(inside: list[Row]) -> int | None:
    """Where among a night's readings inside the hour the largest step back is; None if none steps back."""
    found, largest = None, timedelta()
    for place in range(1, len(inside)):
        back = inside[place - 1].written - inside[place].written
        if back > largest:
            found, largest = place, back
    return found


def begins_inside(rows: list[Row], zone: tzinfo) -> date | None:
    """The night in whose doubled hour the file begins, markers counted; None if it begins elsewhere."""
    first = next((row for row in rows if row.clock_was_set), None)
    return first.written.date() if first and is_double(first.written, zone) else None


def place_markers(rows: list[Row], zone: tzinfo, began: date | None) -> None:
    """Markers in UTC: in the doubled hour the first instant that is not before the reading above."""
    earlier = readings_before(rows)
    later = readings_before(rows[::-1])[::-1]
    for row, before, after in zip(rows, earlier, later, strict=True):
        if not row.is_marker or not row.clock_was_set:
            continue
        first, second = (to_utc(row.written, zone, fold) for fold in (0, 1))
        row.utc = first
        if first < second:
            if before is not None and first < before:
                row.utc = second
            if before is None and began == row.written.date() and (not after or second <= after):
                row.utc = second


def is_double(written: datetime, zone: tzinfo) -> bool:
    """Whether a local time is there twice (the clock goes back over it)."""
    return to_utc(written, zone, 0) < to_utc(written, zone, 1)


def to_utc(written: datetime, zone: tzinfo, fold: int) -> datetime:
    """A local time in UTC. One that the spring leaves out (fold 0) counts with the offset of the winter before."""
    return written.replace(tzinfo=zone, fold=fold).astimezone(UTC)


# Readings and events


def kept_rows(rows: list[Row]) -> list[Row]:
    """The readings that count: of two with one stamp the later, unless it steps back behind the row before it."""
    kept: dict[datetime, Row] = {}
    before: Row | None = None
    for row in rows:
        if not row.clock_was_set:
            continue
        steps_back = before is not None and row.utc < before.utc
        if not row.is_marker and not (row.utc in kept and steps_back):
            kept[row.utc] = row
        before = row
    return list(kept.values())


def events(rows: list[Row]) -> list[tuple[str, datetime]]:
    """Restarts and clock faults, each with its time; none where no time is left."""
    earlier = readings_before(rows)
    later = readings_before(rows[::-1])[::-1]
    found, above = [], None
    for row, before, after in zip(rows, earlier, later, strict=True):
        if row.is_marker:
            found.append(("restart", marker_time(row, before, after, above)))
        elif not row.clock_was_set:
            found.append(("clock_unset", after))
        if row.clock_was_set:
            above = row.utc
    return [(event, when) for event, when in found if when is not None]


def marker_time(
    row: Row, before: datetime | None, after: datetime | None, above: datetime | None
) -> datetime | None:  # fmt: skip
    """A marker's own time if it lies between its neighbours', else the next reading's.

    With no reading behind it, its own unless that is before the row above.
    """
    if not row.clock_was_set:
        return after
    if after is None:
        return row.utc if above is None or above <= row.utc else None
    return row.utc if (before is None or before <= row.utc) and row.utc <= after else after


def readings_before(rows: list[Row]) -> list[datetime | None]:
    """For each row the time of the last reading before it."""
    times, last = [], None
    for row in rows:
        times.append(last)
        if row.is_reading:
            last = row.utc
    return times
