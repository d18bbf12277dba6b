"""The Master's rows on voltage, data and units: their queries on a real InfluxDB, their numbers against pandas."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import totals_made
from dashboard_queries import panels
from master_views import ALL_YEAR, DASHBOARD, OCTOBER, PARIS, SUMMER, channel, means, store, within

pytest_plugins = ("master_fixture",)

TEN = timedelta(minutes=10)
JUNE = datetime(2025, 6, 1, tzinfo=UTC)


def phase(name: str = "Ph 1") -> dict[str, str]:
    """The tags of a voltage."""
    return {**channel(name), "unit": "V", "channel_idx": name[-1]}


# --- voltage ---


@pytest.mark.parametrize("span", [SUMMER, OCTOBER, ALL_YEAR], ids=["summer", "october", "all year"])
def test_voltages_by_week_are_those_of_the_files(roof, truth, span):
    volts = means(within(truth, "roof", span, "V"))
    highest = within(truth, "roof", span, "V").groupby("channel").value.max()
    volts = volts[volts.channel.map(highest) >= 150]
    day = volts.time.dt.tz_convert(PARIS).dt.normalize()
    monday = (day - pd.to_timedelta(day.dt.day_of_week, unit="D")).dt.strftime("%Y-%m-%d")
    narrow = ((volts.value < 207) | (volts.value > 253)).groupby([monday, volts.channel]).sum()
    wide = ((volts.value < 195.5) | (volts.value > 253)).groupby([monday, volts.channel]).sum()
    count = volts.groupby([monday, volts.channel]).value.count()
    rows = roof.rows("Voltage by week A", span)
    found = {
        (monday_of(row["Week"]), row["channel"]): (float(row["Means"]), float(row["Outside"]), float(row["Far"]))
        for row in rows
    }
    assert found == {key: (count[key], narrow[key], wide[key]) for key in count.index}
    assert all(float(r["Share"]) == pytest.approx(float(r["Outside"]) / float(r["Means"])) for r in rows)


def monday_of(moment: str) -> str:
    """The Monday before a moment, on the dashboard's clock."""
    day = pd.Timestamp(moment).tz_convert(PARIS)
    return str((day - pd.Timedelta(days=day.weekday())).date())


@pytest.mark.parametrize("monday", ["2026-03-23", "2026-10-19"])
def test_a_week_in_which_the_clocks_change_begins_at_its_midnight(made, influx, client, monday):
    start = datetime.fromisoformat(monday).replace(tzinfo=PARIS)
    stop = start + timedelta(days=14)
    count = int((stop.astimezone(UTC) - start.astimezone(UTC)) / TEN)
    store(influx, client, "made", phase(), start.astimezone(UTC), [230.0] * count, 600)
    rows = made.rows("Voltage by week A", (start.astimezone(UTC), stop.astimezone(UTC)))
    first = 1008 + (6 if start.month == 10 else -6)
    assert [(r["Week"][:16], r["Means"]) for r in rows] == [
        (f"{start.astimezone(UTC):%Y-%m-%dT%H:%M}", str(first)),
        (f"{(start + timedelta(days=7)).astimezone(UTC):%Y-%m-%dT%H:%M}", "1008"),
    ]


def test_ten_minutes_count_as_their_mean_and_limits_are_inside(made, influx, client):
    # Five minutes at 200 V and five at 220 V are 210 V for EN 50160.
    store(influx, client, "made", phase(), JUNE, [200.0] * 5 + [220.0] * 5, 60)
    values = [207.0, 253.0, 206.9, 253.1, 195.5, 195.4]
    store(influx, client, "made", phase(), JUNE + TEN, values, 600)
    (row,) = made.rows("Voltage by week A", (JUNE, JUNE + timedelta(hours=12)))
    assert (row["Means"], row["Outside"], row["Far"]) == ("7", "4", "2")


def test_extremes_of_the_voltage_have_their_times(roof, truth):
    volts = means(within(truth, "roof", ALL_YEAR, "V")).sort_values("time", kind="stable")
    rows = {r["channel"]: r for r in roof.rows("Lowest and highest voltage A", ALL_YEAR)}
    by_channel = dict(list(volts.groupby("channel")))
    assert set(rows) == {name for name, own in by_channel.items() if own.value.max() >= 150}
    for name, row in rows.items():
        own = by_channel[name]
        low, high = own.loc[own.value.idxmin()], own.loc[own.value.idxmax()]
        assert (float(row["Lowest"]), float(row["Highest"])) == pytest.approx((low.value, high.value))
        assert (pd.Timestamp(row["At"]), pd.Timestamp(row["Since"])) == (low.time, high.time)


def test_phases_never_connected_are_named_and_left_out(odd):
    names = [r["channel"][-4:] for r in odd.rows("Phases never connected A", SUMMER)]
    assert names == ["Ph 2", "Ph 3"]
    for place in ("Voltage by week A", "Lowest and highest voltage A"):
        assert {r["channel"][-4:] for r in odd.rows(place, SUMMER)} == {"Ph 1"}


def test_only_volts_are_voltages(made, influx, client):
    for place, unit, value in ((1, "V", 230.0), (2, "A", 114.0), (3, "mV", 114.0), (4, "kV", 300.0)):
        tags = {**channel(f"Ph {place}", place=place), "unit": unit}
        store(influx, client, "made", tags, JUNE, [value] * 144, 600)
    span = (JUNE, JUNE + timedelta(days=1))
    for place in ("Phase voltages A", "Voltage by week A", "Lowest and highest voltage A"):
        assert {r["channel"][-4:] for r in made.rows(place, span)} == {"Ph 1"}, place
    assert made.rows("Phases never connected A", span) == made.rows("Wiring to check A", span) == []


def test_the_limits_of_the_voltage_are_drawn():
    (panel,) = [p for p in panels(DASHBOARD) if p["title"] == "Phase voltages"]
    defaults = panel["fieldConfig"]["defaults"]
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 207, 253]
    assert [step["color"] for step in defaults["thresholds"]["steps"]] == ["red", "transparent", "red"]
    assert defaults["custom"]["thresholdsStyle"] == {"mode": "dashed"}


# --- coverage and gaps ---


@pytest.mark.parametrize("campaign", ["roof", "cold_store"])
@pytest.mark.parametrize("span", [SUMMER, OCTOBER, ALL_YEAR], ids=["summer", "october", "all year"])
def test_coverage_is_that_of_the_files(request, truth, campaign, span):
    grafana = request.getfixturevalue(campaign)
    readings = truth[truth.campaign == grafana.campaign]
    begin = max(readings.time.min().floor("10min"), pd.Timestamp(span[0]))
    end = min(readings.time.max().floor("10min") + TEN, pd.Timestamp(span[1]))
    wanted = (end - begin) / TEN
    if wanted <= 0:
        assert grafana.rows("Coverage A", span) == grafana.rows("Coverage by device A", span) == []
        return
    inside = readings[(readings.time >= begin) & (readings.time < end)]
    windows = inside.groupby("device").time.apply(lambda times: times.dt.floor("10min").nunique())
    expected = windows.reindex(sorted(readings.device.unique()), fill_value=0) / wanted
    rows = grafana.rows("Coverage by device A", span)
    assert {r["Device"]: float(r["Coverage"]) for r in rows} == pytest.approx(expected.to_dict())
    missing = ((1 - expected) * wanted / 6).to_dict()
    assert {r["Device"]: float(r["Missing"]) for r in rows} == pytest.approx(missing, abs=1e-9)
    assert grafana.number("Coverage A", span) == pytest.approx(expected.mean())


def test_twelve_minutes_of_an_hour_are_no_complete_hour(made, influx, client):
    for hour in range(4):
        store(influx, client, "made", channel(), JUNE + timedelta(hours=hour), [1.0] * 12, 60)
    store(influx, client, "made", channel(), JUNE + timedelta(hours=4), [1.0] * 6, 600)
    span = (JUNE - timedelta(days=1), JUNE + timedelta(hours=5))
    assert made.number("Coverage A", span) == pytest.approx((4 * 2 + 6) / 30)


def test_a_device_is_covered_by_any_of_its_channels(made, influx, client):
    store(influx, client, "made", channel("Voie2", place=2), JUNE, [1.0] * 3, 600)
    store(influx, client, "made", {**channel("Ph 3", place=3), "unit": "V"}, JUNE + 2 * TEN, [230.0] * 4, 600)
    store(influx, client, "made", channel(device="02000002"), JUNE, [1.0] * 12, 600)
    span = (JUNE, JUNE + timedelta(hours=2))
    rows = {r["Device"]: float(r["Coverage"]) for r in made.rows("Coverage by device A", span)}
    assert rows == {"02009999": 0.5, "02000002": 1}
    states = [r["_value"] for r in made.rows("Coverage over time A", span) if r["device"] == "02009999"]
    assert states == ["2"] * 6 + ["0"] * 6


def test_a_silent_device_is_not_covered_and_one_that_is_not_chosen_does_not_count(made, influx, client):
    store(influx, client, "made", channel(), JUNE, [1.0] * 288, 600)
    store(influx, client, "made", channel(device="02000002"), JUNE, [1.0] * 144, 600)
    second = (JUNE + timedelta(days=1), JUNE + timedelta(days=5))
    rows = {r["Device"]: float(r["Coverage"]) for r in made.rows("Coverage by device A", second)}
    assert rows == {"02009999": 1, "02000002": 0}
    assert made.number("Coverage A", second) == 0.5
    assert made.number("Coverage A", second, device=["02009999"]) == 1
    assert made.rows("Coverage A", (JUNE - timedelta(days=9), JUNE - timedelta(days=2))) == []


def test_a_renamed_channel_does_not_cover_more_than_all(made, influx, client):
    store(influx, client, "made", channel("Voie1"), JUNE, [1.0] * 11, 60)
    store(influx, client, "made", channel("Oven"), JUNE + timedelta(minutes=11), [1.0] * 9, 60)
    assert made.number("Coverage A", (JUNE, JUNE + timedelta(days=1))) == 1


def test_gaps_of_more_than_an_hour_are_listed_with_begin_end_and_length(made, influx, client):
    # Readings at minutes 0 to 50, then gaps of 60 and of 70 minutes, and one device that ends before the other.
    other = channel(device="02000002")
    for first, last in ((0, 50), (120, 170), (250, 600)):
        count = (last - first) // 10 + 1
        store(influx, client, "made", channel(), JUNE + timedelta(minutes=first), [1.0] * count, 600)
    store(influx, client, "made", other, JUNE + timedelta(minutes=90), [1.0] * 20, 600)
    rows = made.rows("Gaps of more than an hour A", (JUNE - timedelta(days=1), JUNE + timedelta(days=1)))
    minutes = [(r["Device"], *(minute(r[key]) for key in ("From", "To")), float(r["Length"]) / 60) for r in rows]
    assert minutes == [("02000002", 290, 610, 320), ("02000002", 0, 90, 90), ("02009999", 180, 250, 70)]
    chosen = made.rows("Gaps of more than an hour A", (JUNE, JUNE + timedelta(days=1)), device=["02009999"])
    assert [r["Device"] for r in chosen] == ["02009999"]


def minute(moment: str) -> float:
    """Minutes since the begin of June."""
    return (pd.Timestamp(moment) - pd.Timestamp(JUNE)) / pd.Timedelta(minutes=1)


@pytest.mark.parametrize("days", [1, 100])
def test_gaps_are_those_of_ten_minutes_over_any_range(made, influx, client, days):
    for first, count in ((0, 50), (690, 6), (870, 30)):
        store(influx, client, "made", channel(), JUNE + timedelta(minutes=first), [1.0] * count, 600)
    rows = made.rows("Gaps of more than an hour A", (JUNE - timedelta(days=days - 1), JUNE + timedelta(days=1)))
    assert [(minute(r["From"]), minute(r["To"])) for r in rows] == [(500, 690), (750, 870)]


@pytest.fixture(params=["kept", "being made", "not made yet"])
def gaps(request, made, influx, client):
    """Two devices with gaps of all lengths, the campaign's begins and ends kept by the lane or not; and readings."""
    dice = random.Random(3)
    covered = {"02000001": [], "02000002": []}
    lines = []
    for device, minutes in covered.items():
        begin = 600 if device == "02000002" else 0
        while begin < 14 * 1440:
            count = dice.choice([1, 1, 2, 30, 200])
            minutes += range(begin, begin + 10 * count, 10)
            begin += 10 * count + dice.choice([10, 60, 70, 80, 700, 1500])
        series = f"made,campaign=made,channel=SN:\\ {device},channel_idx=1,channel_name=a,device={device},unit=W"
        lines += [f"{series} value=1 {at(minute)}" for minute in minutes]
    influx.write(client, "\n".join(lines))
    totals_made.make(influx, client, "made")
    if request.param == "being made":
        influx.write(client, f"powerview_totals,campaign=made,figure=being_made value=1 {at(0)}")
    until = {"kept": JUNE, "being made": JUNE + timedelta(days=9), "not made yet": JUNE + timedelta(days=99)}
    for figure in ("begin", "end"):
        influx.call("POST", "/api/v2/delete", params={"bucket": client, "org": influx.org},
                    json={"start": (JUNE - TEN).isoformat(), "stop": (until[request.param] - TEN).isoformat(),
                          "predicate": f'_measurement="powerview_totals" AND figure="{figure}"'})  # fmt: skip
    (ready,) = made.rows("variable ready", SUMMER)
    return made, covered, {"ready": ready["_value"]}


def at(minutes: int) -> int:
    """UTC seconds of a minute since the begin of June."""
    return int(JUNE.timestamp()) + minutes * 60


@pytest.mark.parametrize("span", [(-5000, 60_000), (0, 20_160), (605, 9003), (4000, 4100), (7200, 7300), (5005, 5455)])
def test_gaps_between_any_two_moments_are_those_of_plain_loops(gaps, span):
    grafana, covered, ready = gaps
    last = max(max(minutes) for minutes in covered.values()) + 10
    first, stop = max(-(-span[0] // 10) * 10, 0), min(span[1] // 10 * 10, last)
    expected = []
    for device, minutes in covered.items():
        edges = [first - 10, *(m for m in minutes if first <= m < stop), stop]
        pairs = zip(edges, edges[1:], strict=False)
        expected += [(device, a + 10, b, float((b - a - 10) * 60)) for a, b in pairs if b - a - 10 > 60]
    rows = grafana.rows("Gaps of more than an hour A", tuple(JUNE + timedelta(minutes=m) for m in span), **ready)
    found = [(r["Device"], minute(r["From"]), minute(r["To"]), float(r["Length"])) for r in rows]
    assert sorted(found) == sorted(expected)
    assert [row[3] for row in found] == sorted((row[3] for row in found), reverse=True)
    chosen = grafana.rows(
        "Gaps of more than an hour A", tuple(JUNE + timedelta(minutes=m) for m in span), device=["02000002"], **ready
    )
    assert len(chosen) == sum(device == "02000002" for device, *_ in expected)


def test_no_gap_is_listed_where_there_is_none(made, influx, client):
    store(influx, client, "made", channel(), JUNE + timedelta(minutes=7), [1.0] * 1440, 600)
    for days in (3, 100):
        span = (JUNE - timedelta(days=days), JUNE + timedelta(days=20))
        assert made.rows("Gaps of more than an hour A", span) == []


# --- wiring and names ---


def test_odd_clamps_are_named_and_no_others(odd):
    rows = {r["channel"].split("Ch: ")[1]: r["Doubt"] for r in odd.rows("Wiring to check A", SUMMER)}
    assert rows == {"Solar": "negative", "Unused": "idle", "Wrong input": "volts", "Ph 2": "half"}


def test_doubts_have_extremes_in_watts_and_the_share_below_zero(made, influx, client):
    kilo = {**channel(), "unit": "kW"}
    store(influx, client, "made", kilo, JUNE, [-2.0, -1.0, -3.0, 1.0], 600)
    (row,) = made.rows("Wiring to check A", (JUNE, JUNE + timedelta(days=1)))
    assert (row["Doubt"], float(row["Negative"])) == ("negative", 0.75)
    assert (float(row["Lowest"]), float(row["Highest"])) == (-3000, 1000)


@pytest.mark.parametrize(
    ("unit", "values", "doubt"),
    [
        ("W", [-1.0, 1.0], []), ("W", [-5.0, 5.0], []), ("W", [-0.9, 0.9], ["idle"]),
        ("kW", [0.0005, 0.0009], ["idle"]), ("kW", [0.5, 0.9], []), ("W", [189.0, 230.0], []),
        ("W", [190.0, 270.0], ["volts"]), ("V", [79.0], []), ("V", [100.0, 149.0], ["half"]), ("V", [114.0, 150.0], []),
    ],
)  # fmt: skip
def test_doubts_begin_and_end_at_their_limits(made, influx, client, unit, values, doubt):
    store(influx, client, "made", {**channel(), "unit": unit}, JUNE, values, 600)
    assert [r["Doubt"] for r in made.rows("Wiring to check A", (JUNE, JUNE + timedelta(days=1)))] == doubt


def test_channels_that_changed_are_listed_with_their_times(odd):
    rows = odd.rows("Channels that changed A", ALL_YEAR)
    found = [(r["Place"], r["Label"], r["Unit"], r["From"], r["To"]) for r in rows]
    start = SUMMER[0]
    assert found == [
        ("1", "Voie1", "W", stamp(start), stamp(start + timedelta(days=2) - TEN)),
        ("1", "Oven", "W", stamp(start + timedelta(days=2, hours=3)), stamp(start + timedelta(days=3, hours=3) - TEN)),
    ]


def test_a_label_that_moved_to_another_input_is_listed(made, influx, client):
    for hours, place in ((0, 2), (5, 4)):
        store(influx, client, "made", channel(place=place), JUNE + timedelta(hours=hours), [1.0] * 6, 600)
    store(influx, client, "made", channel("Oven", place=7), JUNE, [1.0], 600)
    rows = made.rows("Channels that changed A", SUMMER)
    assert [(r["Place"], r["Label"], r["From"]) for r in rows] == [
        ("2", "Voie1", stamp(JUNE)), ("4", "Voie1", stamp(JUNE + timedelta(hours=5)))
    ]  # fmt: skip


def test_a_position_with_another_unit_is_listed(made, influx, client):
    for hours, unit in ((0, "V"), (5, "A")):
        tags = {**channel("Ph 1"), "unit": unit}
        store(influx, client, "made", tags, JUNE + timedelta(hours=hours), [1.0] * 6, 600)
    assert [(r["Place"], r["Unit"]) for r in made.rows("Channels that changed A", SUMMER)] == [("1", "V"), ("1", "A")]


def stamp(moment: datetime) -> str:
    """A moment as InfluxDB writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


# --- units ---


def test_watts_kilowatts_and_megawatts_are_one(odd):
    span = (SUMMER[0], SUMMER[0] + timedelta(days=1))
    whole = 500 - 300 + 0.2 + 231 + 2000 + 10_000
    for tile in ("Power now A", "Mean power A", "Peak power A"):
        assert odd.number(tile, span) == pytest.approx(whole)
    assert odd.number("Energy A", span) == pytest.approx(24 * whole)
    assert odd.number("Drawn A", span) == pytest.approx(24 * whole)
    assert odd.days(span) == pytest.approx({"2025-07-29": 22 * whole, "2025-07-30": 2 * whole})
    assert {round(float(r["total"]), 6) for r in odd.rows("Total power A", span)} == {round(whole, 6)}
    curves = {r["channel"].split("Ch: ")[1]: float(r["_value"]) for r in odd.rows("Power by channel A", span)}
    assert (curves["Press"], curves["Furnace"], curves["Voie1"]) == pytest.approx((2000, 10_000, 500))
    shares = {r["channel"].split("Ch: ")[1]: float(r["_value"]) for r in odd.rows("Share by channel A", span)}
    assert (shares["Press"], shares["Furnace"]) == pytest.approx((48_000, 240_000))


@pytest.mark.parametrize(("unit", "watts"), [("mW", 0.25), ("W", 250), ("kW", 250_000), ("MW", 250_000_000)])
def test_every_unit_of_power_counts_in_a_choice_as_in_the_whole(made, influx, client, unit, watts):
    store(influx, client, "made", {**channel(), "unit": unit}, JUNE, [250.0] * 6, 600)
    span = (JUNE, JUNE + timedelta(hours=1))
    for chosen in ({}, {"channel": [channel()["channel"]]}):
        for tile in ("Power now A", "Mean power A", "Energy A"):
            assert made.number(tile, span, **chosen) == pytest.approx(watts), tile
        (row,) = made.rows("Share by channel A", span, **chosen)
        assert float(row["_value"]) == pytest.approx(watts)
    assert made.rows("Not counted: channels in other units A", span) == []


def test_what_is_not_counted_is_named(odd):
    (row,) = odd.rows("Not counted: channels in other units A", SUMMER)
    sn = "02009999 "
    assert row["channels"] == (f"{sn}Nameless (?); {sn}Ph 1, {sn}Ph 2, {sn}Ph 3 (V); {sn}Meter (kWh); {sn}Room (°C)")
    chosen = ["SN: 02009999 - Ch: Room", "SN: 02009999 - Ch: Press"]
    (row,) = odd.rows("Not counted: channels in other units A", SUMMER, channel=chosen)
    assert row["channels"] == f"{sn}Room (°C)"


def test_other_units_have_curves_of_their_own(odd):
    assert [r["_value"] for r in odd.rows("variable other", SUMMER)] == ["kWh", "°C"]
    rows = odd.rows("Other units ${other:raw} A", SUMMER, other=["°C"])
    assert {(r["channel"][-4:], r["_value"]) for r in rows if r["_value"]} == {("Room", "19.5")}


# --- power now ---


def test_an_old_reading_is_dated_and_not_called_now(odd):
    (row,) = odd.rows("Power now A", (SUMMER[0], SUMMER[0] + timedelta(days=1)))
    assert set(row) == {"at", "_value"}
    assert row["at"] == "30/07/2025 01:50"


def test_a_reading_of_today_is_called_now(made, influx, client):
    now = datetime.now(UTC).replace(microsecond=0)
    for hours, name in ((35, "now"), (37, "_value")):
        store(influx, client, "made", channel(), now - timedelta(hours=hours), [50.0], 600)
        (row,) = made.rows("Power now A", (now - timedelta(days=3), now - timedelta(hours=hours) + TEN))
        at = (now - timedelta(hours=hours)).astimezone(PARIS)
        assert row == {"at": f"{at:%d/%m/%Y %H:%M}", name: "50"}
