"""Logger time to UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from powerview.mv2 import clock

PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
BEIRUT = ZoneInfo("Asia/Beirut")
HAVANA = ZoneInfo("America/Havana")


def wall(*stamps: str) -> np.ndarray:
    return clock.parse_stamps(np.frombuffer("".join(stamps).encode(), np.uint8).reshape(-1, 17))


def utc(*stamps: str, zone: ZoneInfo | None = PARIS) -> list[str]:
    """What the stamps of one file are in UTC, as `DD HH:MM`."""
    times, _ = to_utc(wall(*stamps), zone)
    return [datetime.fromtimestamp(t, UTC).strftime("%d %H:%M") for t in times.tolist()]


def to_utc(stamps: np.ndarray, zone: ZoneInfo | None) -> tuple[np.ndarray, int]:
    """The stamps of one file in UTC, and how many of them the zone leaves out."""
    times = stamps.copy()
    missing = clock.turn_to_utc(times, np.ones(len(times), bool), zone, int(times[0]) if len(times) else None)
    return times, missing


def night(date: str, *times: str) -> list[str]:
    return [f"{date} {time}:00" for time in times]


def left_out_by_march(*stamps: str, zone: ZoneInfo = PARIS) -> int:
    return to_utc(wall(*stamps), zone)[1]


# ── stamps ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stamp_is_read_day_first():
    assert wall("03/08/25 03:20:00").tolist() == [int(datetime(2025, 8, 3, 3, 20, tzinfo=UTC).timestamp())]


@pytest.mark.parametrize(
    "stamp",
    ["29/02/25 00:00:00", "31/04/25 00:00:00", "00/01/25 00:00:00", "01/13/25 00:00:00", "32/01/25 00:00:00",
     "01/01/25 24:00:00", "01/01/25 00:60:00", "08/03/25 00:00:60"],
)  # fmt: skip
def test_a_stamp_that_names_no_moment_has_no_time(stamp):
    assert wall(stamp, "01/01/25 00:00:00").tolist() == [clock.NO_TIME, 1_735_689_600]


def test_leap_days_are_days():
    assert np.diff(wall("28/02/28 00:00:00", "29/02/28 00:00:00", "01/03/28 00:00:00")).tolist() == [86_400, 86_400]


def test_no_stamps_give_no_times():
    assert wall().tolist() == []
    assert to_utc(wall(), PARIS)[0].tolist() == []


# ── zones ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_stamps_in_utc_stay_what_they_are():
    stamps = ["26/10/25 02:30:00", "26/10/25 02:00:00", "30/03/25 02:30:00"]
    assert utc(*stamps, zone=None) == ["26 02:30", "26 02:00", "30 02:30"]
    assert to_utc(wall(*stamps), None)[1] == 0


def test_local_time_is_two_hours_ahead_in_summer_and_one_in_winter():
    assert utc("01/07/25 12:00:00", "01/12/25 12:00:00") == ["01 10:00", "01 11:00"]


@pytest.mark.parametrize("zone", [PARIS, NEW_YORK, LORD_HOWE, BEIRUT, HAVANA, ZoneInfo("UTC"), ZoneInfo("Etc/GMT+12")])
def test_every_quarter_of_an_hour_of_three_years_comes_back(zone):
    true = np.arange(1_719_792_000, 1_814_400_000, 900)  # July 2024 to July 2027
    local = np.array([t + int(_offset(t, zone)) for t in true.tolist()])
    found, missing = to_utc(local, zone)
    assert np.array_equal(found, true)
    assert missing == 0


def _offset(seconds: int, zone: ZoneInfo) -> float:
    return datetime.fromtimestamp(seconds, zone).utcoffset().total_seconds()


# ── the hour that is there twice ─────────────────────────────────────────────────────────────────────────────────────


def test_a_step_back_begins_the_second_pass():
    passed = night("26/10/25", "01:50", "02:00", "02:50", "02:00", "02:50", "03:00")
    assert utc(*passed) == ["25 23:50", "26 00:00", "26 00:50", "26 01:00", "26 01:50", "26 02:00"]


def test_an_hour_passed_once_is_the_first():
    assert utc(*night("26/10/25", "01:50", "02:00", "02:50", "03:00")) == [
        "25 23:50", "26 00:00", "26 00:50", "26 02:00"
    ]  # fmt: skip


def test_an_hour_passed_once_is_the_second_if_the_file_begins_inside_it():
    assert utc(*night("26/10/25", "02:10", "02:50", "03:00")) == ["26 01:10", "26 01:50", "26 02:00"]


def test_a_file_that_begins_inside_the_first_pass_shows_it_by_the_step_back():
    assert utc(*night("26/10/25", "02:40", "02:50", "02:00", "02:10")) == [
        "26 00:40", "26 00:50", "26 01:00", "26 01:10"
    ]  # fmt: skip


def test_a_step_back_onto_a_time_never_passed_begins_the_second_pass():
    assert utc(*night("26/10/25", "01:50", "02:50", "02:40", "03:00")) == [
        "25 23:50", "26 00:50", "26 01:40", "26 02:00"
    ]  # fmt: skip


def test_a_second_step_back_stays_in_the_second_pass():
    assert utc(*night("26/10/25", "01:00", "02:30", "02:10", "02:20", "02:10")) == [
        "25 23:00", "26 00:30", "26 01:10", "26 01:20", "26 01:10"
    ]  # fmt: skip


def test_an_equal_stamp_is_no_step_back():
    assert utc(*night("26/10/25", "01:00", "02:30", "02:30", "02:40")) == [
        "25 23:00", "26 00:30", "26 00:30", "26 00:40"
    ]  # fmt: skip


def test_a_step_back_from_outside_the_hour_begins_nothing():
    assert utc(*night("26/10/25", "03:00", "02:10", "02:20")) == ["26 02:00", "26 00:10", "26 00:20"]


def test_the_hours_of_two_years_are_resolved_each_for_itself():
    both = night("27/10/24", "01:50", "02:00", "02:50", "02:00") + night("26/10/25", "02:00", "02:50", "03:00")
    assert utc(*both) == ["26 23:50", "27 00:00", "27 00:50", "27 01:00", "26 00:00", "26 00:50", "26 02:00"]


def test_two_hours_of_two_years_that_follow_each_other_are_two():
    assert utc("27/10/24 01:50:00", "27/10/24 02:50:00", "26/10/25 02:10:00", "26/10/25 02:50:00") == [
        "26 23:50", "27 00:50", "26 00:10", "26 00:50"
    ]  # fmt: skip


def test_new_york_has_it_from_one_to_two():
    passed = night("02/11/25", "00:50", "01:00", "01:50", "01:00", "01:50", "02:00")
    assert utc(*passed, zone=NEW_YORK) == ["02 04:50", "02 05:00", "02 05:50", "02 06:00", "02 06:50", "02 07:00"]


def test_lord_howe_has_half_an_hour_twice():
    passed = night("06/04/25", "01:20", "01:30", "01:50", "01:30", "01:50", "02:00")
    assert utc(*passed, zone=LORD_HOWE) == ["05 14:20", "05 14:30", "05 14:50", "05 15:00", "05 15:20", "05 15:30"]


def test_beirut_has_the_last_hour_of_a_day_twice():
    passed = [*night("25/10/25", "22:50", "23:10", "23:50", "23:10", "23:50"), *night("26/10/25", "00:00")]
    assert utc(*passed, zone=BEIRUT) == ["25 19:50", "25 20:10", "25 20:50", "25 21:10", "25 21:50", "25 22:00"]


# ── the hour that is left out ────────────────────────────────────────────────────────────────────────────────────────


def test_a_time_that_march_leaves_out_is_read_as_winter_time_and_counted():
    passed = night("30/03/25", "01:50", "02:00", "02:30", "03:40")
    assert utc(*passed) == ["30 00:50", "30 01:00", "30 01:30", "30 01:40"]
    assert left_out_by_march(*passed) == 2


def test_a_night_of_march_without_that_hour_counts_nothing():
    assert left_out_by_march(*night("30/03/25", "01:50", "03:00")) == 0


def test_lord_howe_leaves_out_half_an_hour():
    passed = night("05/10/25", "01:50", "02:10", "02:40")
    assert utc(*passed, zone=LORD_HOWE) == ["04 15:20", "04 15:40", "04 15:40"]
    assert left_out_by_march(*passed, zone=LORD_HOWE) == 1


# ── stamps outside the order of readings ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stamp", "reading_before", "expected"),
    [
        ("26/10/25 02:10:00", "00:00", "00:10"),
        ("26/10/25 02:10:00", "00:10", "00:10"),
        ("26/10/25 02:10:00", "00:20", "01:10"),
        ("26/10/25 02:10:00", "01:50", "01:10"),
        ("26/10/25 04:10:00", "01:50", "03:10"),
    ],
)
def test_a_marker_is_at_the_first_instant_that_is_not_before_the_reading_above_it(stamp, reading_before, expected):
    before = datetime.fromisoformat(f"2025-10-26T{reading_before}Z").timestamp()
    found = clock.nearest_to_utc(wall(stamp), PARIS, np.array([int(before)]))
    assert [datetime.fromtimestamp(t, UTC).strftime("%H:%M") for t in found.tolist()] == [expected]


def test_a_marker_in_utc_stays_where_it_is():
    stamps = wall("26/10/25 02:10:00")
    assert clock.nearest_to_utc(stamps, None, np.array([clock.NO_TIME])).tolist() == stamps.tolist()


def test_no_markers_give_no_times():
    assert clock.nearest_to_utc(wall(), PARIS, np.array([], np.int64)).tolist() == []


def test_rows_ten_minutes_apart_stay_so_through_both_changes_of_a_year():
    start = datetime(2025, 3, 29, tzinfo=UTC)
    true = [int((start + timedelta(minutes=10 * i)).timestamp()) for i in range(6 * 24 * 220)]
    local = [datetime.fromtimestamp(t, PARIS).strftime("%d/%m/%y %H:%M:%S") for t in true]
    assert to_utc(wall(*local), PARIS)[0].tolist() == true
