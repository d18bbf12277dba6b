"""The Master with a channels.csv in force: names, groups and roles of the made-up bakery, against its true figures."""

from __future__ import annotations

from datetime import timedelta

import make_site
import pandas as pd
import pytest
import totals_made
from master_views import PARIS, SPRING, channel, store

pytest_plugins = ("master_fixture",)

MINUTES = timedelta(minutes=10)
MIDDLE = SPRING[0] + timedelta(days=20, hours=5, minutes=20)


def name_of(clamp: dict[str, str]) -> str:
    """What people see of a clamp."""
    return clamp["group"] or clamp["name"] or f"SN: {clamp['device']} - Ch: {clamp['logger']}"


@pytest.fixture(scope="module")
def kwh(baked) -> pd.DataFrame:
    """The true figures: a row for each local day, columns by the names that people see."""
    names = {clamp["logger"]: name_of(clamp) for clamp in baked.clamps if not clamp["group"] and not clamp["name"]}
    return make_site.true_figures(baked).rename(columns=names)


@pytest.fixture(scope="module")
def parts(baked) -> list[str]:
    """The names of the circuits behind the meter."""
    return sorted({name_of(c) for c in baked.clamps if c["unit"] == "W" and c["role"] not in ("main", "production")})


def test_the_tiles_are_the_true_figures(bakery, kwh, parts):
    for tile, expected in (
        ("Energy", kwh["drawn"] - kwh["fed in"]), ("Drawn", kwh["drawn"]), ("Fed in", kwh["fed in"]),
        ("Production", kwh["production"]), ("Rest", kwh["rest"]), ("Energy of the parts", kwh[parts].sum(axis=1)),
    ):  # fmt: skip
        assert bakery.number(f"{tile} A", SPRING) / 1000 == pytest.approx(expected.sum(), rel=1e-9), tile


def test_each_tile_adds_up_from_period_to_period(bakery):
    for tile in ("Energy A", "Drawn A", "Fed in A", "Production A", "Rest A", "Energy of the parts A"):
        pieces = [bakery.number(tile, span) for span in ((SPRING[0], MIDDLE), (MIDDLE, SPRING[1]))]
        assert sum(pieces) == pytest.approx(bakery.number(tile, SPRING), rel=1e-12), tile
    drawn, fed, net = (bakery.number(f"{tile} A", SPRING) for tile in ("Drawn", "Fed in", "Energy"))
    assert drawn - fed == pytest.approx(net, rel=1e-12)


def test_energy_per_day_is_that_of_the_meter(bakery, kwh):
    expected = (kwh["drawn"] - kwh["fed in"]) * 1000
    assert bakery.days(SPRING) == pytest.approx({str(day): energy for day, energy in expected.items()})


def test_peak_mean_and_power_now_are_the_meters(bakery, baked):
    meter = baked.readings[[i for i, clamp in enumerate(baked.clamps) if clamp["role"] == "main"]].sum(axis=1)
    assert bakery.number("Peak power A", SPRING) == pytest.approx(meter.max())
    assert bakery.number("Mean power A", SPRING) == pytest.approx(meter.mean())
    (row,) = bakery.rows("Power now A", SPRING)
    last = pd.Timestamp(meter.index[-1], unit="s", tz="UTC").tz_convert(PARIS)
    assert (row["at"], float(row["_value"])) == (f"{last:%d/%m/%Y %H:%M}", pytest.approx(meter.iloc[-1]))


def test_shares_are_those_of_the_circuits_by_name(bakery, kwh, parts):
    rows = {r["channel"]: float(r["_value"]) / 1000 for r in bakery.rows("Share by channel A", SPRING)}
    expected = kwh[parts].sum()
    assert rows == pytest.approx(expected[expected > 0].to_dict())


def test_energy_per_day_by_channel_is_that_of_each_circuit(bakery, kwh, parts):
    for chosen, names in (({}, parts), ({"channel": ["Meter", "Lights"]}, ["Meter", "Lights"])):
        rows = bakery.rows("Energy per day by channel A", SPRING, **chosen)
        days = [str(pd.Timestamp(row["_time"]).tz_convert(PARIS)) for row in rows]
        assert days == [str(pd.Timestamp(day).tz_localize(PARIS)) for day in kwh.index]
        found = pd.DataFrame(rows).drop(columns="_time").apply(pd.to_numeric)
        assert sorted(found.columns) == sorted(names)
        pd.testing.assert_frame_equal(found[names] / 1000, kwh[names].reset_index(drop=True), check_names=False)


def test_the_total_has_a_curve_for_each_role(bakery, baked):
    day = (SPRING[0] + timedelta(days=3), SPRING[0] + timedelta(days=4))
    frame = pd.DataFrame(bakery.rows("Total power A", day)).set_index("_time")
    assert sorted(frame.columns) == ["parts", "production", "rest", "total"]
    found = frame.apply(pd.to_numeric)
    assert (found.total + found.production - found.parts - found.rest).abs().max() < 1e-6
    seconds = [int(moment.timestamp()) for moment in day]
    within = baked.readings.loc[seconds[0] : seconds[1] - 1]
    meter = within[[i for i, clamp in enumerate(baked.clamps) if clamp["role"] == "main"]].sum(axis=1)
    assert found.total.tolist() == pytest.approx(meter.tolist())


def test_names_are_offered_and_chosen(bakery, kwh, parts):
    names = [r["_value"] for r in bakery.rows("variable channel", SPRING)]
    assert names == sorted([*parts, "Meter", "Solar", "Voltage L1", "Voltage L2", "Voltage L3"])
    energy = bakery.number("Energy A", SPRING, channel=["Deck oven", "Lights"])
    assert energy / 1000 == pytest.approx(kwh[["Deck oven", "Lights"]].sum().sum())
    curves = {r["channel"] for r in bakery.rows("Power by channel A", SPRING)}
    assert curves == {*parts, "Meter", "Solar"}


def test_a_choice_has_its_own_production_and_no_rest(bakery, kwh):
    assert bakery.number("Production A", SPRING, channel=["Solar", "Mixer"]) / 1000 == pytest.approx(
        kwh["production"].sum()
    )
    assert bakery.rows("Rest A", SPRING, channel=["Solar", "Mixer"]) == []
    assert bakery.rows("Production A", SPRING, channel=["Mixer"]) == []


def test_the_table_has_the_names(bakery, baked):
    rows = {r["channel"]: float(r["Mean"]) for r in bakery.rows("Minimum, mean and maximum B", SPRING)}
    coffee = next(i for i, clamp in enumerate(baked.clamps) if clamp["name"] == "Coffee machine")
    assert rows["Coffee machine"] == pytest.approx(-baked.readings[coffee].mean())
    assert rows["Voltage L1"] == pytest.approx(baked.readings[0].mean())


def test_what_is_not_counted_has_the_names(bakery):
    (row,) = bakery.rows("Not counted: channels in other units A", SPRING)
    assert row["channels"] == "Voltage L1, Voltage L2, Voltage L3 (V)"


def test_hidden_channels_are_counted_and_nowhere_else(made, influx, client):
    for place, name in enumerate(("Meter", "Spare", "Room"), 1):
        store(influx, client, "made", channel(name, place=place), SPRING[0], [100.0 * place] * 144, 600)
    assert made.rows("Not counted: channels in other units B", SPRING) == []
    line = {"device": "02009999", "name": "", "role": "", "group": "", "factor": ""}
    sheet = [{**line, "place": "1", "role": "main", "factor": "2"}, {**line, "place": "2", "role": "hidden"}]
    totals_made.make(influx, client, "made", sheet)
    assert made.rows("Not counted: channels in other units B", SPRING) == [{"hidden": "1"}]
    assert made.number("Mean power A", SPRING) == 200
    names = {r["_value"] for r in made.rows("variable channel", SPRING)}
    assert {name.split("Ch: ")[1] for name in names} == {"Meter", "Room"}


# --- while a long campaign's sheet is being put into force ---


@pytest.fixture
def being_made(bakery):
    """The bakery while a part of its figures is old and a part is new."""
    series = f"powerview_totals,campaign={make_site.CAMPAIGN},figure="
    wrong = f"{series}total value=1e9 {int(MIDDLE.timestamp()) // 600 * 600 + 300}"
    bakery.influx.write(bakery.bucket, f"{series}being_made value=1 {int(SPRING[0].timestamp())}\n{wrong}")
    yield bakery
    for predicate, (start, stop) in (
        ('figure="being_made"', SPRING), ('figure="total"', (MIDDLE - timedelta(seconds=1), MIDDLE + MINUTES)),
    ):  # fmt: skip
        bakery.influx.call("POST", "/api/v2/delete", params={"bucket": bakery.bucket, "org": bakery.influx.org},
                           json={"start": start.isoformat(), "stop": stop.isoformat(),
                                 "predicate": f'_measurement="powerview_totals" AND {predicate}'})  # fmt: skip


def test_while_it_is_being_put_into_force_every_channel_counts_under_its_label(being_made, baked):
    (ready,) = being_made.rows("variable ready", SPRING)
    chosen = {"ready": ready["_value"]}
    assert being_made.view(SPRING).chosen["source"] == make_site.CAMPAIGN
    power = [i for i, clamp in enumerate(baked.clamps) if clamp["unit"] == "W"]
    labels = {f"SN: {baked.clamps[i]['device']} - Ch: {baked.clamps[i]['logger']}" for i in power}
    everything = baked.readings[power].sum(axis=1)
    assert being_made.number("Energy A", SPRING, **chosen) == pytest.approx(everything.sum() / 6)
    assert being_made.number("Peak power A", SPRING, **chosen) == pytest.approx(everything.max())
    assert sum(being_made.days(SPRING, **chosen).values()) == pytest.approx(everything.sum() / 6)
    assert {r["channel"] for r in being_made.rows("Share by channel A", SPRING, **chosen)} <= labels
    for panel in ("Rest A", "Energy per day by channel A"):
        assert being_made.rows(panel, SPRING, **chosen) == []


def test_afterwards_the_sheet_counts_again(bakery):
    assert [row["_value"] for row in bakery.rows("variable ready", SPRING)] == ["yes"]
    assert bakery.view(SPRING).chosen["source"] == "powerview_channels"


@pytest.mark.parametrize("measurement", ["powerview_channels,campaign={},channel=Oven,device=1,role=part,unit=W",
                                         "powerview_totals,campaign={},figure=being_made"])  # fmt: skip
def test_what_is_deleted_counts_no_more_while_another_campaign_has_it(made, influx, client, measurement):
    store(influx, client, "made", channel(), SPRING[0], [1.0], 600)
    seconds = int(SPRING[0].timestamp())
    influx.write(client, "".join(f"{measurement.format(name)} value=1 {seconds}\n" for name in ("made", "other")))

    def found() -> tuple[str, str]:
        return made.view(SPRING).chosen["source"], made.rows("variable ready", SPRING)[0]["_value"]

    assert found() == (("made", "no") if "being_made" in measurement else ("powerview_channels", "yes"))
    influx.call("POST", "/api/v2/delete", params={"bucket": client, "org": influx.org},
                json={"start": "2000-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z",
                      "predicate": f'_measurement="{measurement.split(",")[0]}" AND campaign="made"'})  # fmt: skip
    assert found() == ("made", "yes")
