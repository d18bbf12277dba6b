"""Which rows count where the clock was not set, ran ahead, or passed an hour twice; decimal commas; lost zeros."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import golden
import numpy as np
import pytest
from trees import day_rows, v002, v003

from powerview.mv2 import NotReadable, Recording


def stamps(recording: Recording) -> list[str]:
    return [datetime.fromtimestamp(t, UTC).strftime("%y%m%d %H:%M") for t in recording.times.tolist()]


def counted(*rows: str, **how) -> list[str]:
    """The times in UTC of the rows that count in a file with UTC stamps."""
    return stamps(golden.read(v003(*(f"{row} 1.5 2.5" for row in rows)), **how))


def seconds(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()


# ── the unset clock ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unset_clock_runs_on_until_the_stamp_jumps_even_past_january():
    days = [f"{day:02}/01/20 12:00:00" for day in range(1, 32)] + [f"{day:02}/02/20 12:00:00" for day in range(1, 29)]
    assert counted(*days, "25/11/25 10:00:00") == ["251125 10:00"]


def test_a_jump_ends_an_unset_clock_and_what_it_jumps_to_counts_whatever_the_year():
    assert counted("01/01/20 12:00:00", "05/02/20 12:00:00", "06/02/20 12:00:00") == ["200205 12:00", "200206 12:00"]


def test_a_restart_marker_of_that_day_begins_an_unset_clock_too():
    recording = golden.read(v003("01/01/20 23:00:00 0 0", "02/02/20 00:00:00 1.5 1", "25/11/25 10:00:00 1.5 1"))
    assert stamps(recording) == ["200202 00:00", "251125 10:00"]
    arrived = seconds(2020, 3, 1)
    rows = "01/01/20 23:00:00 0 0", "02/01/20 10:00:00 1.5 1", "05/01/20 10:00:00 1.5 1"
    assert stamps(golden.read(v003(*rows), arrived=arrived)) == ["200105 10:00"]


@pytest.mark.parametrize(
    ("name", "arrived", "readings"),
    [
        ("", seconds(2020, 2, 1), 1),
        ("", seconds(2021, 1, 1), 0),
        ("T302_200110_031500.tsv", seconds(2020, 2, 1), 1),
        ("T302_210110_031500.tsv", seconds(2020, 2, 1), 0),
        ("T302_200110_031500.tsv", seconds(2026, 2, 1), 0),
    ],
)
def test_rows_of_january_2020_are_readings_only_where_name_and_arrival_are_of_that_year(name, arrived, readings):
    assert len(counted("10/01/20 03:00:00", name=name, arrived=arrived)) == readings


@pytest.mark.parametrize(
    ("name", "readings"),
    [
        ("T302_180301_031500.tsv", 2),
        ("PARSED_T302_191231_031500.tsv", 2),
        ("T302_200301_031500.1.tsv", 2),
        ("T302_210301_031500.tsv", 0),
        ("T302_251125_101500.tsv", 0),
        ("T302_181301_031500.tsv", 0),
        ("T302_180332_031500.tsv", 0),
        ("1180301_031500.tsv", 0),
        ("history of 2018.tsv", 0),
    ],
)
def test_years_before_2020_are_readings_where_the_files_name_shows_it(name, readings):
    assert len(counted("28/02/17 10:00:00", "28/02/18 10:00:00", name=name)) == readings


def test_a_history_that_runs_through_new_year_2020_loses_that_january_and_no_more():
    found = counted("31/12/19 12:00:00", *(f"{d:02}/01/20 12:00:00" for d in range(1, 32)), "01/02/20 12:00:00",
                    name="T302_200301_031500.tsv")  # fmt: skip
    assert found == ["191231 12:00", "200201 12:00"]


# ── ahead ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ahead_is_measured_against_the_files_arrival():
    rows = "24/11/25 10:00:00", "25/11/25 10:00:00", "25/11/25 10:00:01"
    assert counted(*rows, arrived=seconds(2025, 11, 24, 10)) == ["251124 10:00", "251125 10:00"]
    assert len(counted(*rows, arrived=seconds(2025, 11, 24, 11))) == 3


def test_ahead_is_measured_in_utc_west_of_greenwich_too():
    data = v002("24/11/25 05:00:00 1.5 2.5", "24/11/25 05:00:01 1.5 2.5")
    recording = golden.read(data, zone=ZoneInfo("America/New_York"), arrived=seconds(2025, 11, 23, 10))
    assert (stamps(recording), recording.left_out) == (["251124 10:00"], {"unset clock": 1})


def test_a_row_that_only_its_second_pass_puts_ahead_is_left_out_and_counted():
    data = v002(*(f"26/10/25 {time}:00 1.5 2.5" for time in ("02:05", "02:20", "02:10")))
    recording = golden.read(data, arrived=seconds(2025, 10, 25, 0, 30))
    assert (stamps(recording), recording.left_out) == (["251026 00:05", "251026 00:20"], {"unset clock": 1})


# ── the doubled hour ─────────────────────────────────────────────────────────────────────────────────────────────────


def minutes(start: str, count: int) -> list[str]:
    """One-minute stamps of the night in October, from a time in UTC on, as the logger in Paris wrote them."""
    first = int(datetime.fromisoformat(f"2025-10-26T{start}Z").timestamp())
    there = (datetime.fromtimestamp(first + 60 * n, golden.ZONE) for n in range(count))
    return [time.strftime("%d/%m/%y %H:%M:%S") for time in there]


def local(*rows: str) -> Recording:
    return golden.read(v002(*(row if row.count(" ") > 1 else f"{row} 1.5 2.5" for row in rows)))


def test_a_restart_in_the_first_pass_that_repeats_an_old_stamp_does_not_begin_the_second():
    rows = minutes("00:00", 123)
    rows[12:12] = ["26/10/25 02:11:30 0 0", rows[10]]
    recording = local(*rows)
    assert stamps(recording) == [f"251026 {n // 60:02}:{n % 60:02}" for n in range(123)]
    assert recording.left_out == {"restart markers": 1, "repeated stamps": 1}


def test_a_marker_above_the_hour_shows_that_the_file_does_not_begin_inside_it():
    assert stamps(local("26/10/25 01:55:00 0 0", "26/10/25 02:10:00")) == ["251026 00:10"]


def test_a_marker_inside_the_hour_shows_that_the_file_begins_there():
    assert stamps(local("26/10/25 02:05:00 0 0", "26/10/25 02:10:00")) == ["251026 01:10"]


@pytest.mark.parametrize(
    "above",
    ["01/01/20 01:00:00 0 0", "01/01/20 01:00:00", "01/01/40 00:00:00", "01/01/40 00:00:00 0 0", "25/10/40 00:00:00"],
)
def test_a_row_without_a_set_clock_at_the_top_shows_nothing(above):
    assert stamps(local(above, "26/10/25 02:10:00")) == ["251026 01:10"]


# ── newest first ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_written_newest_first_is_read_as_the_same_file_in_order():
    rows = minutes("00:00", 121)[::10] + ["26/10/25 03:10:00", "26/10/25 03:20:00"]
    forward, backward = local(*rows), local(*rows[::-1])
    assert len(forward.times) == 15
    assert stamps(backward) == stamps(forward)[::-1]
    assert (backward.left_out, backward.events) == (forward.left_out, forward.events)


def test_markers_and_an_unset_clock_in_a_file_written_newest_first():
    rows = ["24/10/25 10:00:00", "24/10/25 10:05:00 0 0", "01/01/20 01:00:00", "01/01/20 01:10:00",
            "24/10/25 10:30:00", "24/10/25 10:40:00", "24/10/25 10:50:00", "24/10/25 11:00:00"]  # fmt: skip
    forward, backward = local(*rows), local(*rows[::-1])
    assert (stamps(backward)[::-1], backward.events) == (stamps(forward), forward.events)


@pytest.mark.parametrize(("more", "wins"), [([], "4.0"), (["09:50"], "2.0")])
def test_three_of_four_steps_back_are_too_few_to_be_newest_first_and_four_of_five_are_enough(more, wins):
    times = ["10:30", "10:20", "10:10", "10:20", "10:00", *more]
    data = v003(*(f"01/07/25 {time}:00 {number}.0 1" for number, time in enumerate(times, 1)))
    assert [row[0] for row in cells(data) if row[0] in ("2.0", "4.0")] == [wins]


def test_two_steps_back_are_too_few_to_be_newest_first_and_three_are_enough():
    night = [f"26/10/25 02:{minute}:00" for minute in (50, 40, 30, 20)]
    assert stamps(local(*night[:3])) == ["251026 00:50", "251026 01:40", "251026 01:30"]
    assert stamps(local(*night)) == ["251026 01:50", "251026 01:40", "251026 01:30", "251026 01:20"]


# ── cells ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def cells(data: bytes) -> list[list[str | None]]:
    recording = golden.read(data)
    return [row for block in recording.blocks() for row in block.to_numpy().tolist()]


def test_a_comma_in_a_file_without_points_is_a_decimal_point():
    data = v002("01/07/25 12:00:00 242,25 -3", "01/07/25 12:10:00 1,2,3 ,5", labels=("Ph. 1 V", "Voie 1.2 W"))
    assert cells(data) == [["242.25", "-3"], [None, "0.5"]]
    assert golden.read(data).torn is None


@pytest.mark.parametrize("point", ["1.5", "x.y"])
def test_beside_a_point_anywhere_in_the_rows_a_comma_is_no_number(point):
    data = v002("01/07/25 12:00:00 242,25 -3", f"01/07/25 12:10:00 2 {point}")
    assert cells(data)[0] == [None, "-3"]


def test_a_point_in_a_row_that_is_none_says_nothing_of_commas():
    assert cells(v002("hello 1.5", "01/07/25 12:00:00 242,25 3"))[0] == ["242.25", "3"]


def test_a_file_none_of_whose_cells_is_a_number_is_refused_and_shows_one():
    with pytest.raises(NotReadable) as error:
        golden.read(v002("01/07/25 11:00:00 0 0", "01/07/25 12:00:00 1.234,5 n/a", "01/07/25 12:10:00 x y"))
    assert str(error.value) == (
        "line 4: '1.234,5' is no number, nor is any other cell of the 2 rows that count. Save the file with plain "
        "numbers, such as 242.25, and upload it again."
    )


def test_one_number_far_down_makes_a_file_readable():
    rows = [row.rsplit(" ", 2)[0] + " x y" for row in day_rows(count=144)]
    assert golden.read(v002(*rows, "02/07/25 00:00:00 x 1")).rows == 145


def test_a_file_of_markers_and_unset_clocks_alone_is_readable():
    assert golden.read(v002("01/01/20 01:00:00 x y", "01/07/25 12:00:00 0 0")).rows == 0


# ── serials without their zeros ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("master", "slave", "folder", "found", "restored"),
    [
        ("2001905", "4001913", "02001905", ["02001905", "04001913"], 2),
        ("2001905", "04001913", "02001905", ["02001905", "04001913"], 1),
        ("2001905", "Garage", "02001905", ["02001905", "Garage"], 1),
        ("02001905", "4001913", "02001905", ["02001905", "4001913"], 0),
        ("2001905", "4001913", "02001906", ["2001905", "4001913"], 0),
        ("2001905", "4001913", "2001905", ["2001905", "4001913"], 0),
        ("2001905", "4001913", "", ["2001905", "4001913"], 0),
        ("roof", "4001913", "0roof", ["roof", "4001913"], 0),
    ],
)
def test_serials_get_their_zeros_back_where_the_folder_shows_them(master, slave, folder, found, restored):
    recording = golden.read(v002("01/07/25 12:00:00 1 2", master=master, devices=[master, slave]), folder=folder)
    assert [recording.header.master] + [c.device for c in recording.header.channels] == [found[0], *found]
    assert recording.notes.total() == restored


# ── some of the rows ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("most", [1, 3, 4096])
def test_blocks_give_the_rows_that_a_mask_keeps(most):
    data = v003(*day_rows(count=20), "01/07/25 03:10:00 0 0", "01/07/25 03:05:00 x 1.5")
    recording = golden.read(data)
    whole = [pair for block in recording.blocks() for pair in zip(block.index, block.to_numpy().tolist(), strict=True)]
    assert [time for time, _ in whole] == recording.times.tolist()
    for keep in (recording.times > recording.times[7], recording.times % 1200 == 0, np.zeros(21, np.bool_)):
        blocks = list(recording.blocks(most, keep))
        kept = [pair for block in blocks for pair in zip(block.index, block.to_numpy().tolist(), strict=True)]
        assert kept == [pair for pair, wanted in zip(whole, keep, strict=True) if wanted]
        assert all(0 < len(block) <= most for block in blocks)
        assert recording.readings == sum(cell is not None for _, row in kept for cell in row)
