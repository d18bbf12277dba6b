"""Logger time to UTC: the one place where stamps become instants.

A logger writes `DD/MM/YY HH:MM:SS`, either in UTC or in the local time of a zone. Local time has two oddities a year:
an hour that is there twice (October) and an hour that is missing (March). Only the order of a file's rows tells the
two passes of the doubled hour apart, so stamps are resolved for a whole file at once.

Instants are numpy int64 seconds: "wall" seconds count the stamp as if it were UTC, "UTC" seconds are the truth.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

NO_TIME = np.iinfo(np.int64).min
"""What stands for a stamp that is no date."""

A_DAY = 86_400
_STEP = 900  # no zone in use changes its clock off a quarter of an hour


def parse_stamps(stamps: list[bytes]) -> np.ndarray:
    """Stamps `DD/MM/YY HH:MM:SS` to wall seconds; NO_TIME for one that names no day or no time of day.

    The caller has checked the shape (digits where digits belong). Always day first: a month-first reading of
    03/08/25 is wrong and fails only after the 12th.
    """
    text = np.array(stamps, dtype="S17")
    parsed = pd.to_datetime(text.astype("U17"), format="%d/%m/%y %H:%M:%S", errors="coerce").to_numpy()
    seconds = parsed.astype("datetime64[s]").astype(np.int64)
    past_59 = text.view("S1").reshape(-1, 17)[:, 15] > b"5"  # %S takes 60 and 61 for seconds
    return np.where(np.isnat(parsed) | past_59, NO_TIME, seconds)


def to_utc(wall: np.ndarray, zone: ZoneInfo | None) -> tuple[np.ndarray, int]:
    """Wall seconds of a file's rows, in the file's order, to UTC seconds; and how many stamps the zone leaves out.

    `zone` None means that the stamps are UTC. In the hour that is there twice a step back begins the second pass;
    an hour passed only once is the first, or the second if the file begins inside it. A local time that does not
    exist is read with the offset before the change (winter time), which keeps the rows in order.
    """
    if zone is None or not len(wall):
        return wall.copy(), 0
    first, second = _offsets(wall, zone)
    doubled = np.flatnonzero(first > second)
    utc = wall - first
    for night in np.unique(wall[doubled] // A_DAY):
        # Rows of another time may stand between those of the hour: its second pass, once begun, goes on behind them.
        rows = doubled[wall[doubled] // A_DAY == night]
        late = rows[_second_pass(wall[rows], begins_file=rows[0] == 0) :]
        utc[late] = wall[late] - second[late]
    return utc, int(np.count_nonzero(first < second))


def nearest_to_utc(wall: np.ndarray, zone: ZoneInfo | None, not_before: np.ndarray) -> np.ndarray:
    """Stamps outside the order of readings (restart markers), as wall seconds, to UTC seconds.

    In the doubled hour each is the first instant that is not before its `not_before`, a reading's UTC seconds.
    """
    if zone is None or not len(wall):
        return wall.copy()
    first, second = (wall - offsets for offsets in _offsets(wall, zone))
    return np.where((first >= not_before) | (first >= second), first, second)


def _second_pass(wall: np.ndarray, *, begins_file: bool) -> int:
    # Where, among a night's rows inside the doubled hour, the second pass begins.
    back = np.flatnonzero(np.diff(wall) < 0)
    if len(back):
        return int(back[0]) + 1
    return 0 if begins_file else len(wall)


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


def _offset(wall: int, zone: ZoneInfo, fold: int) -> int:
    local = datetime(1970, 1, 1) + timedelta(seconds=wall)
    return int(local.replace(tzinfo=zone, fold=fold).utcoffset().total_seconds())
