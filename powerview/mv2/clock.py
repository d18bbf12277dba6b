"""Logger time to UTC: the one place where stamps become instants.

A logger writes `DD/MM/YY HH:MM:SS`, either in UTC or in the local time of a zone. Local time has two oddities a year:
an hour that is there twice (October) and an hour that is missing (March). Only the order of a file's rows distinguishes
the two passes of the doubled hour, so stamps are resolved for a whole file at once.

Instants are numpy int64 seconds: "wall" seconds count the stamp as if it were UTC, "UTC" seconds are the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from powerview.seconds import A_DAY

NO_TIME = np.iinfo(np.int64).min
"""In place of an instant: the stamp is no date, or the row has no place in time."""
STAMP_LENGTH = 17
_STEP = 900  # no zone in use changes its clock off a quarter of an hour
_DRIFT = 60  # seconds that a logger's clock may be off its own rhythm
_PART = 1 << 16  # rows looked at together, so that memory does not grow with the file

_SHAPE = np.frombuffer(b"00/00/00 00:00:00", np.uint8)
_DIGITS = np.flatnonzero(ord("0") == _SHAPE)
_MARKS = np.flatnonzero(ord("0") != _SHAPE)
_MONTHS = np.arange("2000-01", "2100-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
"""The first day of each month of the century, and of the one behind it, in days since 1970."""


def look_like_stamps(text: np.ndarray) -> np.ndarray:
    """Which rows of a matrix of 17 bytes have digits and marks where `DD/MM/YY HH:MM:SS` has them."""
    digits = text[:, _DIGITS] - np.uint8(ord("0"))  # what is below "0" wraps around to large numbers
    return (digits <= 9).all(axis=1) & (text[:, _MARKS] == _SHAPE[_MARKS]).all(axis=1)


def parse_stamps(text: np.ndarray) -> np.ndarray:
    """Rows of 17 bytes that look like stamps to wall seconds; NO_TIME for one that names no day or no time of day.

    Always day first: a month-first reading of 03/08/25 is wrong and fails only after the 12th.
    """
    digits = text[:, _DIGITS].astype(np.int64) - ord("0")
    day, month, year, hour, minute, second = (digits[:, ::2] * 10 + digits[:, 1::2]).T
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60) & (second < 60)
    at = np.where(valid, year * 12 + month - 1, 0)
    date = _MONTHS[at] + day - 1
    valid &= date < _MONTHS[at + 1]
    return np.where(valid, date * A_DAY + hour * 3600 + minute * 60 + second, NO_TIME)


def parts(length: int) -> Iterator[slice]:
    """A file's rows, some at a time, so that memory hardly grows with the file."""
    return (slice(start, start + _PART) for start in range(0, length, _PART))


def turn_to_utc(wall: np.ndarray, rows: np.ndarray, zone: ZoneInfo | None, begin: int | None) -> int:
    """Turn the chosen `rows` (a mask) of a file from wall seconds into UTC seconds, in place.

    Returns how many stamps the zone leaves out. `zone` None means that the stamps are UTC. In the hour that is there
    twice the largest step back begins the second pass, or, where a row comes once an hour, the stamp that comes again;
    an hour passed only once is the first, or the second if the file begins inside it: `begin` is its first stamp. A
    local time that does not exist is read with the offset before the change (winter time), which keeps the rows in
    order.
    """
    if zone is None or not len(wall):
        return 0
    places, stamps = [], []
    missing = 0
    for part in parts(len(wall)):
        at = part.start + np.flatnonzero(rows[part])
        local = wall[at]
        first, second = _offsets(local, zone)
        wall[at] = local - first
        doubled = first > second
        places.append(at[doubled])
        stamps.append(local[doubled])
        missing += int(np.count_nonzero(first < second))
    _place_second_passes(wall, rows, np.concatenate(places), np.concatenate(stamps), zone, begin)
    return missing


def _place_second_passes(
    utc: np.ndarray, chosen: np.ndarray, places: np.ndarray, wall: np.ndarray, zone: ZoneInfo, begin: int | None
) -> None:  # fmt: skip
    # `places` are the rows inside doubled hours, `wall` their stamps; in `utc` all are in the first pass so far.
    nights = wall // A_DAY
    begins_inside = begin // A_DAY if begin is not None and is_doubled(begin, zone) else None
    for night in np.unique(nights):
        # Rows of another time may lie between those of the hour: its second pass, once begun, goes on behind them.
        rows = np.flatnonzero(nights == night)
        if _is_hourly(utc, chosen, places[rows], wall[rows], zone):
            late = rows[1:]
        else:
            late = rows[_second_pass(wall[rows], begins_file=night == begins_inside) :]
        utc[places[late]] = wall[late] - _offsets(wall[late], zone)[1]


def nearest_to_utc(wall: np.ndarray, zone: ZoneInfo | None, not_before: np.ndarray) -> np.ndarray:
    """Stamps outside the order of readings (restart markers), as wall seconds, to UTC seconds.

    In the doubled hour each is the first instant that is not before its `not_before`, a reading's UTC seconds.
    """
    if zone is None or not len(wall):
        return wall.copy()
    first, second = (wall - offsets for offsets in _offsets(wall, zone))
    return np.where((first >= not_before) | (first >= second), first, second)


def _second_pass(wall: np.ndarray, *, begins_file: bool) -> int:
    # Where, among a night's rows inside the doubled hour, the second pass begins: at the largest step back. A restart
    # may repeat an old stamp, which is a smaller one.
    steps = np.diff(wall)
    if len(steps) and steps.min() < 0:
        return int(np.argmin(steps)) + 1
    return 0 if begins_file else len(wall)


def _is_hourly(utc: np.ndarray, chosen: np.ndarray, places: np.ndarray, wall: np.ndarray, zone: ZoneInfo) -> bool:
    # Whether a night's rows inside the doubled hour are one of each pass, with one stamp: what lies above and below
    # them is as far away as the hour is long. A stamp that a restart repeats has other neighbours.
    if len(places) != 2 or wall[0] != wall[1] or places[1] != places[0] + 1:
        return False
    first, second = int(places[0]), int(places[1])
    length = _offset(int(wall[0]), zone, 0) - _offset(int(wall[0]), zone, 1)
    steps = [(first - 1, first, length)] if first else []
    steps += [(second, second + 1, 2 * length)] if second + 1 < len(utc) else []
    return bool(steps) and all(
        chosen[one] and chosen[other] and abs(utc[other] - utc[one] - wanted) <= _DRIFT for one, other, wanted in steps
    )


def is_doubled(wall: int, zone: ZoneInfo | None) -> bool:
    """Whether a local time is there twice."""
    return zone is not None and _offset(wall, zone, 0) > _offset(wall, zone, 1)


def _offsets(wall: np.ndarray, zone: ZoneInfo) -> tuple[np.ndarray, np.ndarray]:
    # The zone's offset from UTC at each wall time, by the first and by the second reading of it (`fold`); they differ
    # only where the clock changes. Asked once for each day, and for each quarter of an hour on days with a change.
    days, day_of = np.unique(wall // A_DAY, return_inverse=True)
    at_midnight = np.array([_offset(day * A_DAY, zone, 0) for day in days.tolist()])
    at_next = np.array([_offset((day + 1) * A_DAY, zone, 1) for day in days.tolist()])
    first = at_midnight[day_of]
    second = first.copy()
    changing = np.flatnonzero((at_midnight != at_next)[day_of])
    quarters, quarter_of = np.unique(wall[changing] // _STEP, return_inverse=True)
    for fold, offsets in ((0, first), (1, second)):
        known = np.array([_offset(q * _STEP, zone, fold) for q in quarters.tolist()], dtype=np.int64)
        offsets[changing] = known[quarter_of] if len(known) else 0
    return first, second


@lru_cache(maxsize=4096)
def _offset(wall: int, zone: ZoneInfo, fold: int) -> int:
    local = datetime(1970, 1, 1) + timedelta(seconds=wall)
    return int(local.replace(tzinfo=zone, fold=fold).utcoffset().total_seconds())
