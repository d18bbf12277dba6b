"""The Master's figures: its queries on a real InfluxDB, their numbers against pandas on the same files."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from dashboard_queries import View, duration, panels
from faults.truth_uploads import points_of
from master_views import ALL_YEAR, DASHBOARD, OCTOBER, PARIS, QUERIES, SUMMER, channel, energy, means, store, within

pytest_plugins = ("master_fixture",)


# --- numbers ---


@pytest.mark.parametrize("span", [SUMMER, OCTOBER], ids=["summer", "october"])
def test_energy_per_day_is_that_of_the_files(roof, truth, span):
    windows = means(within(truth, "roof", span))
    days = windows.time.dt.tz_convert(PARIS).dt.date.astype(str)
    expected = (windows.groupby(days).value.sum() / 6).to_dict()
    assert roof.days(span) == pytest.approx(expected)
    if span == OCTOBER:
        assert "2025-10-26" in expected


@pytest.mark.parametrize("span", [SUMMER, OCTOBER], ids=["summer", "october"])
def test_the_row_of_numbers_is_that_of_the_files(roof, truth, span):
    readings = within(truth, "roof", span)
    windows = means(readings)
    last = readings.sort_values("time").groupby("channel").last()
    last = last[last.time >= last.time.max() - timedelta(minutes=30)]
    assert roof.number("Power now A", span) == pytest.approx(last.value.sum())
    assert roof.number("Peak power A", span) == pytest.approx(windows.groupby("time").value.sum().max())
    assert roof.number("Mean power A", span) == pytest.approx(windows.groupby("time").value.sum().mean())
    assert roof.number("Energy A", span) == pytest.approx(energy(readings))


@pytest.mark.parametrize(("hours", "color"), [(30, "text"), (40, "orange"), (24 * 8, "red")])
def test_the_age_of_the_last_reading_has_the_color_of_its_delay(made, influx, client, hours, color):
    taken = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=hours)
    store(influx, client, "made", channel(), taken, [1.0], 600)
    age = made.number("Last reading A", SUMMER)
    (tile,) = [p for p in panels(DASHBOARD) if p["title"] == "Last reading"]
    defaults = tile["fieldConfig"]["defaults"]
    steps = [step for step in defaults["thresholds"]["steps"] if step["value"] is None or step["value"] <= age]
    assert (defaults["color"]["mode"], defaults["unit"], steps[-1]["color"]) == ("thresholds", "s", color)


def test_the_last_reading_is_as_old_as_it_is(roof, truth):
    newest = within(truth, "roof", ALL_YEAR, None).time.max().timestamp()
    before = time.time()
    age = roof.number("Last reading A", SUMMER)
    assert before - newest - 1 <= age <= time.time() - newest + 1


def test_curves_are_means_of_the_files(roof, truth):
    rows = [r for r in roof.rows("Power by channel A", OCTOBER) if r["_value"]]
    drawn = {(r["channel"], pd.Timestamp(r["_time"])): float(r["_value"]) for r in rows}
    step = duration(View(*OCTOBER, roof.bucket), QUERIES["Power by channel A"])
    windows = means(within(truth, "roof", OCTOBER), step)
    assert drawn == pytest.approx({(w.channel, w.time): w.value for w in windows.itertuples()})


def test_total_power_adds_the_channels_up_at_each_step(roof, truth):
    expected = means(within(truth, "roof", OCTOBER)).groupby("time").value.sum().to_dict()
    every_channel = sorted(set(within(truth, "roof", OCTOBER).channel))
    for chosen in ({}, {"channel": every_channel}):
        rows = roof.rows("Total power A", OCTOBER, **chosen)
        drawn = {pd.Timestamp(r["_time"]): float(r["total"]) for r in rows if r["total"]}
        assert drawn == pytest.approx(expected)


def test_voltages_are_those_of_the_phases(roof, truth):
    drawn = [float(r["_value"]) for r in roof.rows("Phase voltages A", SUMMER, channel=["none"]) if r["_value"]]
    windows = means(within(truth, "roof", SUMMER, "V"))
    assert sorted(drawn) == pytest.approx(sorted(windows.value))


def test_the_table_is_that_of_the_files(roof, truth):
    readings = within(truth, "roof", OCTOBER, None)
    place = "Minimum, mean and maximum"
    for ref, column, expected in (
        ("A", "Min", readings.groupby("channel").value.min()),
        ("B", "Mean", means(readings).groupby("channel").value.mean()),
        ("C", "Max", readings.groupby("channel").value.max()),
    ):
        rows = {r["channel"]: float(r[column]) for r in roof.rows(f"{place} {ref}", OCTOBER)}
        assert rows == pytest.approx(expected.to_dict())
    units = {r["channel"]: r["unit"] for r in roof.rows(f"{place} A", OCTOBER)}
    assert units == readings.groupby("channel").unit.first().to_dict()


def test_shares_are_energies_of_channels_that_took_some_largest_first(roof, truth):
    expected = means(within(truth, "roof", SUMMER)).groupby("channel").value.sum() / 6
    expected = expected[expected > 0].sort_values(ascending=False)
    rows = [(r["channel"], float(r["_value"])) for r in roof.rows("Share by channel A", SUMMER)]
    assert dict(rows) == pytest.approx(expected.to_dict())
    assert [value for _, value in rows] == sorted((value for _, value in rows), reverse=True)


def test_restarts_and_unset_clocks_are_reported_beside_the_curves(roof, samples):
    points = points_of(samples[1], "Europe/Paris", datetime.now(UTC))
    for place, event in (("annotation Restarts", "restart"), ("annotation Clock not set", "clock_unset")):
        expected = sorted(
            (seconds, dict(tags)["device"])
            for (_, measurement, tags, seconds) in points
            if measurement == "powerview_events" and dict(tags)["event"] == event and dict(tags)["campaign"] == "roof"
        )
        for span in (SUMMER, ALL_YEAR):
            every = int((span[1] - span[0]) / timedelta(microseconds=1)) * 1000 // 60 + 1
            shown: dict[int, list[tuple[int, str]]] = {}
            for found in expected:
                if span[0].timestamp() <= found[0] < span[1].timestamp():
                    shown.setdefault(found[0] * 10**9 // every, []).append(found)
            texts = [(of[0][0], of[0][1] + (f" +{len(of) - 1}" if len(of) > 1 else "")) for of in shown.values()]
            assert events_of(roof.rows(place, span)) == texts


def events_of(rows: list[dict[str, str]]) -> list[tuple[int, str]]:
    """Seconds and text of annotations."""
    return [(int(pd.Timestamp(r["_time"]).timestamp()), r["text"]) for r in rows]


def more_of(text: str) -> int:
    """How many others an annotation stands for."""
    return int(text.partition(" +")[2] or 0)


def test_many_restarts_do_not_hide_the_curves(made, influx, client):
    start = datetime(2025, 6, 1, tzinfo=UTC)
    first = int(start.timestamp())
    series = "powerview_events,campaign=made,event=restart,device=0200"
    influx.write(client, "\n".join(f"{series}{i % 2} count=1 {first + i * 600}" for i in range(2000)))
    found = events_of(made.rows("annotation Restarts", (start, start + timedelta(days=14))))
    assert 20 < len(found) <= 62
    assert sum(1 + more_of(text) for _, text in found) == 2000
    assert found[0] == (first, f"02000 +{more_of(found[0][1])}")
    hour = (start, start + timedelta(hours=1))
    assert [text for _, text in events_of(made.rows("annotation Restarts", hour))] == ["02000", "02001"] * 3


# --- energy, where it is easily wrong ---


@pytest.mark.parametrize("months", [0, 6], ids=["by ten minutes", "by the hour"])
@pytest.mark.parametrize(
    ("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-06-15", 24), ("2025-12-15", 24)]
)
def test_a_day_has_the_hours_of_its_time_zone(made, influx, client, day, hours, months):
    midnight = datetime.fromisoformat(day).replace(tzinfo=PARIS)
    start = midnight.astimezone(UTC) - timedelta(days=1)
    store(influx, client, "made", channel(), start, [600.0] * 6 * 24 * 3, 600)
    span = (start - timedelta(days=30 * months), start + timedelta(days=3 + 30 * months))
    assert made.days(span)[day] == pytest.approx(600 * hours)


@pytest.mark.parametrize(("zone", "minute"), [("Asia/Kolkata", 30), ("Asia/Kathmandu", 15)])
def test_days_begin_at_midnight_where_clocks_differ_by_a_part_of_an_hour(made, influx, client, zone, minute):
    midnight = datetime(2025, 6, 1, 18, minute, tzinfo=UTC)
    first = midnight + timedelta(minutes=-minute % 10)  # ten minutes belong to the day in which they begin
    store(influx, client, "made", channel(), first - timedelta(hours=1), [600.0] * 6, 600)
    store(influx, client, "made", channel(), first, [1200.0] * 144, 600)
    span = (midnight - timedelta(days=2), midnight + timedelta(days=3))
    for chosen in ({}, {"device": ["02009999"]}):
        rows = made.rows("Energy per day A", span, timezone=zone, **chosen)
        days = {pd.Timestamp(r["Day"]): float(r["Energy"]) for r in rows if r["Energy"]}
        assert days == {pd.Timestamp(midnight - timedelta(days=1)): 600, pd.Timestamp(midnight): 28_800}
        assert made.number("Base load A", span, timezone=zone, **chosen) == 1200


@pytest.mark.parametrize("first", ["2025-06-11", "2025-02-21"])
def test_a_day_without_readings_keeps_its_place_among_the_bars(made, influx, client, first):
    days = pd.date_range(first, "2025-06-21", tz=PARIS)
    for day in (days[0], days[-3]):
        store(influx, client, "made", channel(), day, [600.0] * 144, 600)
    bars = made.bars((days[0].tz_convert(UTC).to_pydatetime(), days[-1].tz_convert(UTC).to_pydatetime()))
    assert sorted(bars) == [str(day.date()) for day in days[:-1]]
    assert {day: energy for day, energy in bars.items() if energy} == {
        str(day.date()): "14400" for day in (days[0], days[-3])
    }


def test_a_gap_is_no_energy_and_a_minute_counts_as_a_minute(made, influx, client):
    start = datetime(2025, 6, 1, 6, tzinfo=UTC)
    store(influx, client, "made", channel(), start, [600.0] * 60, 60)  # while being installed
    store(influx, client, "made", channel(), start + timedelta(hours=5), [600.0] * 6, 600)
    span = (start - timedelta(hours=6), start + timedelta(hours=18))
    assert made.number("Energy A", span) == pytest.approx(1200)
    assert made.number("Mean power A", span) == pytest.approx(600)
    assert made.days(span) == pytest.approx({"2025-06-01": 1200})


@pytest.mark.parametrize("days", [94, 120.3, 172.97, 400])
def test_a_long_range_is_as_exact_as_a_short_one(made, influx, client, days):
    stop = datetime(2025, 11, 20, 9, 10, tzinfo=UTC)
    start = stop - timedelta(days=days)
    store(influx, client, "made", channel(), start, [600.0] * int(days * 144), 600)
    bars = made.days((start, stop))
    first, last = (pd.Timestamp(moment).tz_convert(PARIS).normalize() for moment in (start, stop))
    whole = pd.date_range(first, last, freq="D")[1:-1]
    hours = [(day + pd.DateOffset(days=1) - day) / pd.Timedelta(hours=1) for day in whole]
    assert [bars[str(day.date())] for day in whole] == pytest.approx([600 * h for h in hours])
    total = made.number("Energy A", (start, stop))
    assert sum(bars.values()) == pytest.approx(total)
    # Without a channels.csv the first and the last hour count whole.
    assert float(made.rows("Share by channel A", (start, stop))[0]["_value"]) == pytest.approx(total, abs=1000)


@pytest.mark.parametrize(("days", "by_the_hour"), [(93, 900), (94, 1200), (367, 1200)])
def test_in_long_ranges_a_choice_is_added_up_by_the_hour_and_the_whole_is_not(made, influx, client, days, by_the_hour):
    start = datetime(2025, 6, 1, 6, tzinfo=UTC)
    store(influx, client, "made", channel(), start, [600.0] * 9, 600)  # an hour and a half
    span = (start + timedelta(days=1) - timedelta(days=days), start + timedelta(days=1))
    assert made.number("Energy A", span) == pytest.approx(900)
    assert made.number("Energy A", span, channel=[channel()["channel"]]) == pytest.approx(by_the_hour)
    assert float(made.rows("Share by channel A", span)[0]["_value"]) == pytest.approx(by_the_hour)


@pytest.fixture
def moved(made, influx, client):
    """Ten days of 500 W in the second column, then ten of 800 W in the fourth: the same label, two series."""
    start = datetime(2025, 6, 1, tzinfo=UTC)
    for days, place, watts in ((0, "2", 500.0), (10, "4", 800.0)):
        tags = {**channel(), "channel_idx": place}
        store(influx, client, "made", tags, start + timedelta(days=days), [watts] * 1440, 600)
    return made, (start, start + timedelta(days=20))


def test_a_channel_that_moves_to_another_column_stays_one_channel(moved):
    grafana, span = moved
    assert grafana.number("Mean power A", span) == pytest.approx(650)
    curve = [(r["_time"], float(r["_value"])) for r in grafana.rows("Power by channel A", span)]
    assert curve == sorted(curve)
    assert [watts for _, watts in curve] == [500.0] * (len(curve) // 2) + [800.0] * (len(curve) // 2)
    table = [grafana.rows(f"Minimum, mean and maximum {ref}", span) for ref in "ABC"]
    assert [(len(rows), float(rows[0][what])) for rows, what in zip(table, ("Min", "Mean", "Max"), strict=True)] == [
        (1, 500), (1, 650), (1, 800)
    ]  # fmt: skip


def test_a_channel_that_is_renamed_does_not_count_twice_in_the_mean(made, influx, client):
    start = datetime(2025, 6, 1, tzinfo=UTC)
    for days, name in ((0, "Voie1"), (10, "Kitchen")):
        store(influx, client, "made", channel(name), start + timedelta(days=days), [500.0] * 1440, 600)
    assert made.number("Mean power A", (start, start + timedelta(days=20))) == pytest.approx(500)


def test_channels_of_one_name_are_rows_of_their_own_for_each_unit(made, influx, client):
    start = datetime(2025, 6, 1, tzinfo=UTC)
    for place, (unit, value) in enumerate((("V", 230.0), ("A", 0.04), ("W", 9.0)), 1):
        tags = {**channel("Ph 1"), "unit": unit, "channel_idx": str(place)}
        store(influx, client, "made", tags, start, [value] * 144, 600)
    for ref, what in zip("ABC", ("Min", "Mean", "Max"), strict=True):
        rows = made.rows(f"Minimum, mean and maximum {ref}", (start, start + timedelta(days=1)))
        found = {(r["channel"][-4:], r["unit"]): float(r[what]) for r in rows}
        assert found == pytest.approx({("Ph 1", "V"): 230.0, ("Ph 1", "A"): 0.04, ("Ph 1", "W"): 9.0})


@pytest.mark.parametrize("days", [1, 6.5, 7, 8.4, 14, 31])
def test_coverage_tells_of_every_third_reading_that_is_missing(made, influx, client, days):
    start = datetime(2025, 6, 1, tzinfo=UTC)
    whole, holes = ({**channel(device=device)} for device in ("02000001", "02000002"))
    span = (start, start + timedelta(days=days))
    readings = int(days * 144)
    store(influx, client, "made", whole, start, [1.0] * readings, 600)
    for first in (0, 1):
        store(influx, client, "made", holes, start + timedelta(minutes=10 * first), [1.0] * (readings // 3), 1800)
    rows = made.rows("Coverage over time A", span)
    assert {r["_value"] for r in rows if r["device"] == "02000001"} == {"2"}
    assert ("1" if days > 1 else "0") in {r["_value"] for r in rows if r["device"] == "02000002"}


def test_a_channel_that_stopped_long_ago_has_no_power_now(made, influx, client):
    start = datetime(2025, 6, 1, 6, tzinfo=UTC)
    store(influx, client, "made", channel("Voie1"), start, [100.0] * 7, 600)
    store(influx, client, "made", channel("Voie2"), start, [10.0] * 6, 600)  # ten minutes behind
    store(influx, client, "made", channel("Voie3"), start, [1.0] * 2, 600)
    assert made.number("Power now A", (start, start + timedelta(days=1))) == 110


# --- coverage ---


def test_coverage_tells_complete_partial_and_missing_from_each_other(made, influx, client):
    start = datetime(2025, 6, 1, tzinfo=UTC)
    store(influx, client, "made", channel(), start, [1.0] * 6 * 24 * 3, 600)
    store(influx, client, "made", channel(), start + timedelta(days=8), [1.0] * 70, 600)
    # 700 days in 700 steps of a day each
    rows = made.rows("Coverage over time A", (start - timedelta(days=1), start + timedelta(days=699)))
    states = [(r["_time"][:10], r["_value"], r["device"]) for r in rows][:11]
    assert states == [
        ("2025-05-31", "0", "02009999"),
        *[(f"2025-06-0{day}", "2", "02009999") for day in (1, 2, 3)],
        *[(f"2025-06-0{day}", "0", "02009999") for day in (4, 5, 6, 7, 8)],
        ("2025-06-09", "1", "02009999"),
        ("2025-06-10", "0", "02009999"),
    ]


def test_the_edges_of_a_range_do_not_look_like_missing_readings(made, influx, client):
    start = datetime(2025, 6, 1, tzinfo=UTC)
    store(influx, client, "made", channel(), start, [1.0] * 6 * 24 * 30, 600)
    span = (start + timedelta(days=1, minutes=37), start + timedelta(days=20, minutes=13))
    assert {r["_value"] for r in made.rows("Coverage over time A", span)} == {"2"}


def test_a_channel_with_a_new_name_does_not_look_like_a_gap(made, influx, client):
    start = datetime(2025, 6, 1, tzinfo=UTC)
    store(influx, client, "made", channel("Voie1"), start, [1.0] * 144, 600)
    store(influx, client, "made", channel("Cuisine"), start + timedelta(days=1), [1.0] * 144, 600)
    rows = made.rows("Coverage over time A", (start, start + timedelta(days=2)))
    times = [r["_time"] for r in rows]
    assert times == sorted(set(times))
    assert {r["_value"] for r in rows} == {"2"}


# --- variables ---


def test_variables_list_what_the_campaign_has(roof, truth):
    inside = within(truth, "roof", ALL_YEAR, None)
    values = {v: [r["_value"] for r in roof.rows(f"variable {v}", SUMMER)] for v in ("device", "unit", "channel")}
    assert values == {"device": sorted(set(inside.device)), "unit": ["V", "W"], "channel": sorted(set(inside.channel))}


def test_device_and_unit_narrow_the_channels(roof):
    rows = roof.rows("variable channel", SUMMER, device=["02001171"], unit=["V"])
    assert [r["_value"] for r in rows] == [f"SN: 02001171 - Ch: Ph {i}" for i in (1, 2, 3)]


def test_a_device_narrows_the_panels_while_all_channels_are_chosen(roof, truth):
    readings = within(truth, "roof", SUMMER)
    readings = readings[readings.device == "04000477"]
    assert roof.number("Energy A", SUMMER, device=["04000477"]) == pytest.approx(energy(readings))


def test_several_channels_can_be_chosen(roof, truth):
    chosen = ["SN: 04000466 - Ch: Voie1", "SN: 04000466 - Ch: Voie5"]
    readings = within(truth, "roof", SUMMER)
    readings = readings[readings.channel.isin(chosen)]
    assert roof.number("Energy A", SUMMER, channel=chosen) == pytest.approx(energy(readings))


@pytest.mark.parametrize("name", ["a.b", "a/b", "a|b", "(a) [b] {c}", "$a^", "C* + ?", "Chambre 2 é", '"a"'])
def test_any_label_can_be_chosen_and_chooses_itself_alone(made, influx, client, name):
    start = datetime(2025, 6, 1, 6, tzinfo=UTC)
    store(influx, client, "made", channel(name), start, [60.0], 600)
    store(influx, client, "made", channel("axb"), start, [6.0], 600)
    span = (start, start + timedelta(days=1))
    chosen = [f"SN: 02009999 - Ch: {name}"]
    assert made.number("Energy A", span, channel=chosen) == pytest.approx(10)
    assert made.number("Energy A", span, channel=[*chosen, "SN: 02009999 - Ch: axb"]) == pytest.approx(11)


def test_a_channel_without_a_unit_is_in_the_table(made, influx, client):
    start = datetime(2025, 6, 1, 6, tzinfo=UTC)
    store(influx, client, "made", {**channel("Cave"), "unit": ""}, start, [19.5], 600)
    span = (start, start + timedelta(days=1))
    assert [r["_value"] for r in made.rows("variable channel", span)] == ["SN: 02009999 - Ch: Cave"]
    assert [r["Max"] for r in made.rows("Minimum, mean and maximum C", span)] == ["19.5"]
