"""Which rows count, and what restarts and unset clocks they show.

Whether a row counts can depend on a later one (equal stamps, the doubled hour of October), so all rows of a file are
judged together, by their stamps alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from powerview.mv2 import clock
from powerview.mv2.scan import Scan
from powerview.seconds import A_DAY

_NAME_STAMP = re.compile(r"(?<!\d)(\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])_\d{6}(?!\d)", re.ASCII)


def _wall(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp())


UNSET_YEAR = 2020
"""A logger that has lost its clock starts at 01/01/20 01:00:00."""
UNSET_FIRST_DAY = range(_wall(2020, 1, 1), _wall(2020, 1, 2))
UNSET_MONTH = range(_wall(2020, 1, 1), _wall(2020, 2, 1))
_FAR = np.iinfo(np.int64).max
JUMP = A_DAY
"""Seconds; an unset clock was set where the stamp moves by more than this."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the logger: `restart` or `clock_unset`, at UTC seconds."""

    kind: str
    time: int


@dataclass
class Verdict:
    """What became of each row of a scan, and what the rows show."""

    utc: np.ndarray
    """UTC seconds of each row; those of a row that does not count mean nothing."""
    counts: np.ndarray
    """Whether it counts as a reading."""
    events: list[Event]
    left_out: Counter[str]
    missing_hour: int
    """How many stamps lie in the hour that March leaves out."""


def judge(scan: Scan, zone: ZoneInfo | None, arrived: float, name: str) -> Verdict:
    """Decide which rows of a file count.

    `arrived` is when the file arrived (UTC seconds): what is more than a day ahead of it had no set clock. `name` is
    the file's name: its stamp shows whether it may hold readings of years before 2020. The stamps of the scan are
    turned into UTC where they are, to save memory.
    """
    if _newest_first(scan.wall, scan.marker):
        verdict = _judge_in_order(scan.wall[::-1], scan.marker[::-1], zone, arrived, name)
        verdict.utc, verdict.counts = verdict.utc[::-1], verdict.counts[::-1]
        return verdict
    return _judge_in_order(scan.wall, scan.marker, zone, arrived, name)


def _newest_first(wall: np.ndarray, marker: np.ndarray) -> bool:
    # Somebody sorted the file: nearly every row steps back. The order of its rows is then that of time, reversed.
    back = forward = 0
    for before, readings in _with_one_before(wall, ~marker):
        steps = np.diff(readings, prepend=before)
        back += int(np.count_nonzero(steps < 0))
        forward += int(np.count_nonzero(steps > 0))
    return back >= 3 and back > 3 * forward


def _with_one_before(times: np.ndarray, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    # The times of the chosen rows, some at a time, each with the one before (the first with itself).
    before = None
    for part in clock.parts(len(times)):
        some = times[part][rows[part]]
        if len(some):
            yield some[0] if before is None else before, some
            before = some[-1]


def _judge_in_order(
    wall: np.ndarray, marker: np.ndarray, zone: ZoneInfo | None, arrived: float, name: str
) -> Verdict:  # fmt: skip
    latest = arrived + A_DAY
    unset = _unset(wall, arrived, name)
    unset |= _ahead(wall, zone, latest)
    begin = int(wall[np.argmin(unset)]) if not unset.all() else None
    markers = np.flatnonzero(marker & ~unset)
    stamps = wall[markers]
    reading = ~marker
    reading &= ~unset
    missing_hour = clock.turn_to_utc(wall, reading, zone, begin)
    utc = wall
    late = utc > latest
    late &= reading  # only the second pass of a doubled hour can be
    reading &= ~late
    unset |= late
    utc[~reading] = clock.NO_TIME
    own = clock.nearest_to_utc(stamps, zone, _not_before(utc, stamps, markers, reading, zone, begin))
    utc[markers] = np.where(own <= latest, own, clock.NO_TIME)
    events = sorted(_events(utc, marker, unset & ~marker, reading), key=lambda e: (e.time, e.kind))
    repeated = _drop_repeated(utc, reading)
    left_out = Counter({
        "restart markers": int(np.count_nonzero(marker)),
        "unset clock": int(np.count_nonzero(unset & ~marker)),
        "repeated stamps": repeated,
    })  # fmt: skip
    return Verdict(utc, reading, events, left_out, missing_hour)


# ── the clock of the logger ──────────────────────────────────────────────────────────────────────────────────────────


def _unset(wall: np.ndarray, arrived: float, name: str) -> np.ndarray:
    # Which rows, markers included, come from a clock that was not set.
    stamp = _NAME_STAMP.search(name)
    year = 2000 + int(stamp[1]) if stamp else None
    history = year is not None and year <= UNSET_YEAR
    unset = _runs_of_unset_clock(wall, at_jumps_only=history)
    if (year or 0) > UNSET_YEAR or arrived >= _wall(UNSET_YEAR + 1, 1, 1):
        unset |= (wall >= UNSET_MONTH.start) & (wall < UNSET_MONTH.stop)
    if not history:
        unset |= wall < UNSET_MONTH.start
    return unset


def _runs_of_unset_clock(wall: np.ndarray, *, at_jumps_only: bool) -> np.ndarray:
    # From a row of 1 January 2020 on the clock runs unset, for days if need be, until the stamp jumps. In a history
    # that runs through that New Year nothing jumps.
    unset = np.zeros(len(wall), np.bool_)
    begins = np.flatnonzero((wall >= UNSET_FIRST_DAY.start) & (wall < UNSET_FIRST_DAY.stop))
    if not len(begins):
        return unset
    jumps = np.flatnonzero(_jumps(wall))
    if at_jumps_only:
        begins = begins[np.isin(begins, jumps)]
    ends = np.append(jumps, len(wall))
    at = 0
    while at < len(begins):
        end = ends[np.searchsorted(ends, begins[at], side="right")]
        unset[begins[at] : end] = True
        at = int(np.searchsorted(begins, end))
    return unset


def _jumps(wall: np.ndarray) -> np.ndarray:
    # Which rows are more than JUMP away from the row before them; the first is.
    jumps = np.ones(len(wall), np.bool_)
    for part in clock.parts(len(wall) - 1):
        jumps[1:][part] = np.abs(wall[1:][part] - wall[:-1][part]) > JUMP
    return jumps


def _ahead(wall: np.ndarray, zone: ZoneInfo | None, latest: float) -> np.ndarray:
    # Which rows lie behind `latest`, markers included.
    ahead = wall > latest - A_DAY  # no zone is a day away from UTC
    suspects = wall[ahead]
    ahead[ahead] = clock.nearest_to_utc(suspects, zone, np.full(len(suspects), clock.NO_TIME)) > latest
    return ahead


# ── restarts and unset clocks as events ──────────────────────────────────────────────────────────────────────────────


def _not_before(
    utc: np.ndarray, stamps: np.ndarray, markers: np.ndarray, reading: np.ndarray, zone: ZoneInfo | None,
    begin: int | None,
) -> np.ndarray:  # fmt: skip
    # The instant that each marker is not before: the reading above it. One above all readings of a file that begins
    # inside a doubled hour is in the second pass, like them, unless what follows is in the first.
    above = _before(utc, reading, markers)
    if begin is None or not clock.is_doubled(begin, zone):
        return above
    second = clock.nearest_to_utc(stamps, zone, np.full(len(stamps), _FAR))
    following = _behind(utc, reading, markers)
    fits = (following == clock.NO_TIME) | (second <= following)
    at_the_top = (above == clock.NO_TIME) & (stamps // A_DAY == begin // A_DAY)
    return np.where(at_the_top & fits, _FAR, above)


def _before(utc: np.ndarray, rows: np.ndarray, where: np.ndarray) -> np.ndarray:
    # For each place (in order) the time of the last of `rows` above it; NO_TIME if there is none.
    found = np.empty(len(where), np.int64)
    last, done = clock.NO_TIME, 0
    for part in clock.parts(len(utc) if len(where) else 0):
        at = part.start + np.flatnonzero(rows[part])
        upto = int(np.searchsorted(where, part.stop))
        times = np.append(last, utc[at])
        found[done:upto] = times[np.searchsorted(at, where[done:upto])]
        last, done = times[-1], upto
    return found


def _behind(utc: np.ndarray, rows: np.ndarray, where: np.ndarray) -> np.ndarray:
    # For each place, which is none of `rows`, the time of the first of them below it; NO_TIME if there is none.
    return _before(utc[::-1], rows[::-1], len(utc) - 1 - where[::-1])[::-1]


def _events(utc: np.ndarray, marker: np.ndarray, unset: np.ndarray, reading: np.ndarray) -> Iterator[Event]:
    # A marker's stamp is only believed between its neighbours': some loggers write local time there in a UTC file.
    yield from (Event("clock_unset", t) for t in _times(_behind(utc, reading, np.flatnonzero(unset))))
    markers = np.flatnonzero(marker)
    if not len(markers):
        return
    own, following = utc[markers], _behind(utc, reading, markers)
    believed = (_before(utc, reading, markers) <= own) & (own <= following) & (own != clock.NO_TIME)
    in_order = own >= _before(utc, utc != clock.NO_TIME, markers)
    at_the_end = np.where(in_order, own, clock.NO_TIME)
    times = np.where(following == clock.NO_TIME, at_the_end, np.where(believed, own, following))
    yield from (Event("restart", t) for t in _times(times))


def _times(times: np.ndarray) -> list[int]:
    return np.unique(times[times != clock.NO_TIME]).tolist()


# ── the same stamp twice ─────────────────────────────────────────────────────────────────────────────────────────────


def _drop_repeated(utc: np.ndarray, reading: np.ndarray) -> int:
    # Of rows with the same stamp the later one counts, unless it steps back behind the row before it, markers
    # included: some loggers, after a restart, repeat an old stamp with the mean of half an interval.
    at = _rows_of_repeated_stamps(utc, reading)
    if not len(at):
        return 0
    times = utc[at]
    kept = times >= _before(utc, utc != clock.NO_TIME, at)
    kept[np.unique(times, return_index=True)[1]] = True  # the first of each stamp
    found, times = at[kept], times[kept]
    last = len(found) - 1 - np.unique(times[::-1], return_index=True)[1]
    reading[at] = False
    reading[found[last]] = True
    return len(at) - len(last)


def _rows_of_repeated_stamps(utc: np.ndarray, reading: np.ndarray) -> np.ndarray:
    # The readings whose stamp may come twice. Where time only grows none does, and most files are so.
    late, latest = [], clock.NO_TIME
    for part in clock.parts(len(utc)):
        times = utc[part][reading[part]]
        highest = np.maximum.accumulate(np.append(latest, times))
        late.append(times[times <= highest[:-1]])
        latest = highest[-1]
    late = np.unique(np.concatenate(late))
    if not len(late):
        return late
    return np.concatenate(
        [part.start + np.flatnonzero(reading[part] & np.isin(utc[part], late)) for part in clock.parts(len(utc))]
    )
