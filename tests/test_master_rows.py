"""The Master's rows on load: their queries on a real InfluxDB, their numbers against pandas on the same files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import totals_made
from master_views import OCTOBER, PARIS, SUMMER, UNMADE, channel, means, store, within

from powerview.channels.sums import Windows
from powerview.reporting.load import profile_of

pytest_plugins = ("master_fixture",)

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
MARCH = (datetime(2026, 3, 20, 23, tzinfo=UTC), datetime(2026, 4, 2, 22, tzinfo=UTC))
AUTUMN = (datetime(2026, 10, 15, 22, tzinfo=UTC), datetime(2026, 11, 2, 23, tzinfo=UTC))
LATE = (datetime(2026, 3, 27, 22, tzinfo=UTC), datetime(2026, 4, 10, 7, tzinfo=UTC))
"""Over the change of the clocks in Australia."""
LONG = timedelta(days=100)


def total_of(readings: pd.DataFrame, every: str = "10min") -> pd.Series:
    """The total of each step with readings."""
    return means(readings, every).groupby("time").value.sum()


def local(series: pd.Series) -> pd.DatetimeIndex:
    """The times of a series on the dashboard's clock."""
    return series.index.tz_convert(PARIS)


def noise(count: int, seed: int = 1) -> list[float]:
    """A load of both signs that follows no pattern."""
    return np.random.default_rng(seed).normal(800, 1500, count).round(1).tolist()


@pytest.fixture(params=[MARCH, AUTUMN], ids=["march", "autumn"])
def changing(request, made, influx, client):
    """A campaign over a change of the clocks with a day's gap; its span, and its total by ten minutes."""
    first, stop = request.param
    count = int((stop - first) / timedelta(minutes=10))
    values = noise(count)
    gap = range(500, 650)
    for begin, end in ((0, gap.start), (gap.stop, count)):
        store(influx, client, "made", channel(), first + timedelta(minutes=10 * begin), values[begin:end], 600)
    times = pd.date_range(first, stop, freq="10min", inclusive="left")
    return made, request.param, pd.Series(values, times).drop(times[gap])


# --- load profile ---


def test_each_cell_is_the_mean_of_its_local_hours(changing):
    grafana, span, total = changing
    hourly = total.resample("1h").mean().dropna()
    cells = hourly.groupby([local(hourly).strftime("%H:00"), local(hourly).strftime("%a")])
    for place, expected in (
        ("Mean power by hour and weekday, kW", cells.mean().unstack() / 1000),
        ("Hours behind each cell", cells.count().unstack()),
    ):
        found = grafana.table(place, span).set_index("hour")[DAYS]
        pd.testing.assert_frame_equal(found, expected[DAYS], check_names=False, check_dtype=False)


ODD_ZONES = ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Adelaide", "Australia/Lord_Howe", "America/St_Johns"]


@pytest.mark.parametrize("zone", ODD_ZONES)
@pytest.mark.parametrize("changing", [MARCH, AUTUMN, LATE], indirect=True, ids=["march", "autumn", "april"])
def test_where_the_clock_is_half_an_hour_off_hours_are_those_of_the_clock(changing, zone):
    # Ten minutes belong to the hour in which they begin; in Lord Howe the clock passes half an hour twice.
    grafana, span, total = changing
    clock = total.index.tz_convert(zone)
    instance = [clock.tz_localize(None).floor("1h"), clock.tz_localize(None) - total.index.tz_localize(None)]
    hourly = total.groupby(instance).mean().droplevel(1)
    hour, day = hourly.index.strftime("%H:00"), hourly.index.strftime("%a")
    weekend = np.where(hourly.index.day_of_week >= 5, "Saturday and Sunday", "Monday to Friday")
    for place, expected in (
        ("Mean power by hour and weekday, kW", hourly.groupby([hour, day]).mean().unstack() / 1000),
        ("Hours behind each cell", hourly.groupby([hour, day]).count().unstack()),
        ("Mean day", hourly.groupby([hour, weekend]).mean().unstack()),
    ):
        found = grafana.table(place, span, timezone=zone).set_index("hour")[expected.columns]
        pd.testing.assert_frame_equal(found, expected, check_names=False, check_dtype=False)
    profile = profile_of(Windows(total.index.as_unit("s").asi8, total.to_numpy()), ZoneInfo(zone))
    cells = hourly.groupby([day, hour]).mean().unstack().loc[DAYS]
    np.testing.assert_allclose(profile.cells, cells.to_numpy())
    np.testing.assert_array_equal(profile.hours, hourly.groupby([day, hour]).count().unstack().loc[DAYS])


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu"])
def test_so_are_those_of_a_choice_over_a_year(made, influx, client, zone):
    span = (datetime(2025, 3, 2, 22, tzinfo=UTC), datetime(2025, 9, 1, 22, tzinfo=UTC))
    values = noise(7 * 144)
    store(influx, client, "made", channel(), span[0] + LONG, values, 600)
    times = pd.date_range(span[0] + LONG, periods=len(values), freq="10min").tz_convert(zone)
    clock = pd.Series(values, times.tz_localize(None)).resample("1h").mean()
    expected = clock.groupby([clock.index.strftime("%H:00"), clock.index.strftime("%a")]).mean().unstack() / 1000
    chosen = {"channel": [channel()["channel"]], "timezone": zone}
    found = made.table("Mean power by hour and weekday, kW", span, **chosen).set_index("hour")[DAYS]
    pd.testing.assert_frame_equal(found, expected[DAYS], check_names=False)


def test_the_hour_that_the_clocks_change_is_there_twice_or_not(changing):
    grafana, span, _ = changing
    hours = grafana.table("Hours behind each cell", span).set_index("hour").Sun
    weeks = 2 if span == MARCH else 3
    assert hours["02:00"] - weeks == (1 if span == AUTUMN else -1)
    assert (hours.drop("02:00") == weeks).all()


def test_the_mean_day_has_weekdays_and_weekends_apart(changing):
    grafana, span, total = changing
    hourly = total.resample("1h").mean().dropna()
    weekend = np.where(local(hourly).day_of_week >= 5, "Saturday and Sunday", "Monday to Friday")
    expected = hourly.groupby([local(hourly).strftime("%H:00"), weekend]).mean().unstack()
    found = grafana.table("Mean day", span).set_index("hour")[expected.columns]
    pd.testing.assert_frame_equal(found, expected, check_names=False, check_index_type=False)


def test_profiles_are_those_of_the_files(roof, truth):
    hourly = total_of(within(truth, "roof", SUMMER)).resample("1h").mean().dropna()
    cells = hourly.groupby([local(hourly).strftime("%H:00"), local(hourly).strftime("%a")]).mean().unstack() / 1000
    found = roof.table("Mean power by hour and weekday, kW", SUMMER).set_index("hour")
    pd.testing.assert_frame_equal(found[cells.columns], cells, check_names=False, check_index_type=False)


# --- drawn and fed in ---


@pytest.mark.parametrize("chosen", [{}, {"device": ["02009999"]}], ids=["the whole", "a choice"])
@pytest.mark.parametrize("longer", [timedelta(), LONG], ids=["three months", "longer"])
def test_drawn_minus_fed_in_is_the_energy(changing, longer, chosen):
    grafana, (start, stop), total = changing
    span = (start - longer, stop)
    by_the_hour = longer and chosen
    steps = total if not by_the_hour else total.resample("1h").mean().dropna()
    hours = 1 if by_the_hour else 1 / 6
    drawn, fed, net = (grafana.number(f"{tile} A", span, **chosen) for tile in ("Drawn", "Fed in", "Energy"))
    assert drawn == pytest.approx(steps.clip(lower=0).sum() * hours)
    assert fed == pytest.approx(-steps.clip(upper=0).sum() * hours)
    assert drawn - fed == pytest.approx(net, abs=1e-6)
    assert fed > 0


@pytest.mark.parametrize(("watts", "drawn", "fed", "above"), [(600.0, 2000, 0, 20 / 6), (-600.0, 0, 2000, 0)])
def test_what_flows_one_way_only_is_nothing_the_other_way(made, influx, client, watts, drawn, fed, above):
    start = datetime(2025, 6, 1, 6, tzinfo=UTC)
    store(influx, client, "made", channel(), start, [watts] * 20, 600)
    span = (start, start + timedelta(days=1))
    found = [made.number(f"{tile} A", span) for tile in ("Drawn", "Fed in")]
    assert found == [pytest.approx(drawn), pytest.approx(fed)]
    hours = made.number("Hours above the subscribed power A", span, subscribed="0.5")
    assert hours == pytest.approx(above)


def test_sun_and_load_of_one_step_are_netted_and_of_two_are_not(made, influx, client):
    start = datetime(2025, 6, 1, 6, tzinfo=UTC)
    store(influx, client, "made", channel("Load"), start, [600.0, 600.0], 600)
    store(influx, client, "made", channel("Sun", place=2), start, [-900.0, 0.0], 600)
    span = (start, start + timedelta(days=1))
    assert made.number("Drawn A", span) == pytest.approx(100)
    assert made.number("Fed in A", span) == pytest.approx(50)


def test_drawn_and_fed_in_of_parts_add_up(changing):
    grafana, (start, stop), _ = changing
    middle = start + (stop - start) / 2
    middle = middle.replace(minute=0)
    for tile in ("Drawn A", "Fed in A", "Energy A"):
        parts = grafana.number(tile, (start, middle)) + grafana.number(tile, (middle, stop))
        assert grafana.number(tile, (start, stop)) == pytest.approx(parts)


@pytest.mark.parametrize("days", [93, 172.97])
def test_a_long_range_has_every_ten_minutes(made, influx, client, days):
    stop = datetime(2025, 11, 20, 9, 10, tzinfo=UTC)
    count = int(days * 144)
    start = stop - timedelta(minutes=10 * count)
    values = noise(count)
    store(influx, client, "made", channel(), start, values, 600)
    total = pd.Series(values, pd.date_range(start, stop, freq="10min", inclusive="left"))
    assert made.number("Drawn A", (start, stop)) == pytest.approx(total.clip(lower=0).sum() / 6)
    assert made.number("Peak power A", (start, stop)) == max(values)
    curve = made.table("Load duration curve", (start, stop))
    assert curve.Hours.max() == pytest.approx(count / 6, abs=4)


# --- base load and peaks ---


@pytest.mark.parametrize("longer", [timedelta(), LONG], ids=["three months", "longer"])
def test_the_base_load_is_the_median_of_covered_days(changing, longer):
    grafana, (start, stop), steps = changing
    span = (start - longer, stop)
    step = pd.Timedelta(minutes=10)
    day = local(steps).normalize()
    length = (day + pd.DateOffset(days=1)) - day
    covered = (steps.groupby(day).count() * step) >= 0.9 * pd.Series(length, day).groupby(level=0).first()
    assert not covered.all()
    expected = steps.groupby(day).quantile(0.05)[covered].median()
    assert grafana.number("Base load A", span) == pytest.approx(expected)
    assert grafana.number("Base load's share of the energy A", span) == pytest.approx(expected / steps.mean())
    assert grafana.number("Load factor A", span) == pytest.approx(steps.mean() / steps.max())


SPANS = [
    (timedelta(), timedelta()), (timedelta(minutes=10), timedelta(minutes=-10)), (timedelta(hours=2), timedelta(1)),
    (timedelta(hours=2, minutes=25), timedelta(hours=-2, minutes=5)), (timedelta(hours=30), timedelta(hours=30)),
    (timedelta(days=2), timedelta(days=-8)), (timedelta(days=2, hours=2), timedelta(days=-10)),
]  # fmt: skip
"""How much later a range begins, and how much later it ends, than a campaign."""


@pytest.mark.parametrize("zone", ["Europe/Paris", "Asia/Kathmandu", "Australia/Lord_Howe"])
@pytest.mark.parametrize("changing", [MARCH, AUTUMN, LATE], indirect=True, ids=["march", "autumn", "april"])
def test_the_base_load_of_days_whose_lows_are_kept_is_that_of_every_ten_minutes(changing, influx, client, zone):
    grafana, (start, stop), total = changing
    totals_made.make(influx, client, "made", zone=zone)
    UNMADE.discard((client, "made"))
    for later, longer in SPANS:
        span = (start + later, stop + longer)
        inside = total[(total.index >= span[0]) & (total.index < span[1])]
        expected = totals_made.lows(inside, zone).median()
        for ready in ("yes", "no"):
            rows = grafana.rows("Base load A", span, timezone=zone, ready=ready)
            found = [float(row["_value"]) for row in rows]
            assert found == ([] if pd.isna(expected) else [pytest.approx(expected, rel=1e-12)]), (span, ready)
            shares = grafana.rows("Base load's share of the energy A", span, timezone=zone, ready=ready)
            assert len(shares) == len(found)
            if shares:
                assert float(shares[0]["_value"]) == pytest.approx(expected / inside.mean())


def test_lows_that_are_kept_are_read_for_whole_days_of_their_zone(changing, influx, client):
    grafana, (start, stop), total = changing
    truth = grafana.number("Base load A", (start, stop))
    midnights = total.index.tz_convert(PARIS).normalize().unique()
    lines = (
        f"powerview_totals,campaign=made,figure=low,zone=Europe/Paris value=7 {int(t.timestamp())}" for t in midnights
    )
    influx.write(client, "\n".join(lines))
    assert grafana.number("Base load A", (start, stop)) == 7
    assert grafana.number("Base load A", (start + timedelta(hours=1), stop - timedelta(hours=1))) == 7
    assert grafana.number("Base load A", (start, stop), ready="no") == pytest.approx(truth)
    assert grafana.number("Base load A", (start, stop), device=["02009999"]) == pytest.approx(truth)
    elsewhere = totals_made.lows(total, "Asia/Kathmandu").median()
    assert grafana.number("Base load A", (start, stop), timezone="Asia/Kathmandu") == pytest.approx(elsewhere)


def test_a_short_day_is_covered_by_its_own_hours(made, influx, client):
    # 21 hours are 91 % of the day of 23 hours, and less than 90 % of any other.
    day = datetime(2026, 3, 29, tzinfo=PARIS)
    span = (day.astimezone(UTC), (day + timedelta(days=1)).astimezone(UTC))
    store(influx, client, "made", channel(), span[0], [100.0] * 6 * 21, 600)
    assert made.number("Base load A", span) == 100


@pytest.mark.parametrize(("readings", "answers"), [(130, 1), (129, 0)])
def test_a_day_with_less_than_90_percent_has_no_base_load(made, influx, client, readings, answers):
    start = datetime(2025, 5, 31, 22, tzinfo=UTC)
    store(influx, client, "made", channel(), start, [100.0] * readings, 600)
    assert len(made.rows("Base load A", (start, start + timedelta(days=1)))) == answers


def test_the_duration_curve_is_the_total_from_high_to_low(roof, truth):
    total = total_of(within(truth, "roof", SUMMER)).sort_values(ascending=False)
    curve = roof.table("Load duration curve", SUMMER)
    nth = 7 * 144 // 1000 + 1
    assert curve.Power.tolist() == pytest.approx(total.tolist()[::nth])
    assert curve.Hours.tolist() == pytest.approx([(i + 1) / 6 for i in range(0, len(total), nth)])


@pytest.mark.parametrize("span", [SUMMER, OCTOBER], ids=["summer", "october"])
def test_the_ten_highest_means_have_their_times(roof, truth, span):
    total = total_of(within(truth, "roof", span)).sort_values(ascending=False).head(10)
    rows = roof.rows("The ten highest means A", span)
    assert [float(r["Power"]) for r in rows] == pytest.approx(total.tolist())
    assert {(pd.Timestamp(r["Begin"]), round(float(r["Power"]), 6)) for r in rows} == {
        (time, round(watts, 6)) for time, watts in total.items()
    }
    assert {r["Minutes"] for r in rows} == {"10"}


@pytest.mark.parametrize(("typed", "kilowatts"), [("1.5", 1.5), (" 1,5 ", 1.5), ("2", 2), ("0", 0)])
def test_hours_above_what_the_viewer_types(changing, typed, kilowatts):
    grafana, span, total = changing
    hours = grafana.number("Hours above the subscribed power A", span, subscribed=typed)
    assert hours == pytest.approx((total > kilowatts * 1000).sum() / 6)
    assert hours > 0


@pytest.mark.parametrize("typed", ["", "36 kVA", "-1", "a lot", '"', "1.5.2", "1e3", "|> drop"])
def test_what_is_no_number_of_kilowatts_gives_no_hours(roof, typed):
    assert roof.rows("Hours above the subscribed power A", SUMMER, subscribed=typed) == []


# --- Power ---


def test_curves_of_many_channels_have_fewer_points_each(made, influx, client):
    begin = datetime(2025, 6, 1, 22, tzinfo=UTC)
    span = (begin, begin + timedelta(days=30))
    for count in (30, 100):
        for place in range(1, count + 1):
            store(influx, client, "made", channel(f"Voie{place}", place=place), begin, [6.0] * 720, 3600)
        rows = made.rows("Power by channel A", span)
        curves = pd.DataFrame(rows).groupby("channel")["_value"].count()
        assert len(curves) == count
        assert curves.min() >= 200
        assert curves.sum() <= 30_000
