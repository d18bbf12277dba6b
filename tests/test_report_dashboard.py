"""The report's figures are those that the dashboard's queries give on a real InfluxDB, panel by panel."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import make_site
import numpy as np
import openpyxl
import pandas as pd
import pytest
from master_views import PARIS, Grafana
from sample_tree import SAMPLES, serial
from test_export import powerview
from trees import Site, v002

from powerview.channels import sheet_for
from powerview.mv2 import Channel
from powerview.reporting.export import source_of, wanted
from powerview.reporting.load import duration_curve, hours_above
from powerview.reporting.report.content import content_of
from powerview.reporting.report.parts import Report
from powerview.reporting.report.words import Words
from powerview.reporting.sheet_source import SheetSource
from powerview.reporting.study import Study, study_of

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
SHEETED, PLAIN, ROOF = "with-sheet", "without", "roof"
MINUTES, MINUTES_SHEETED = "minutes", "minutes-with-sheet"
METER = "meter-comes-later"
WITH_SHEET = {SHEETED, MINUTES_SHEETED, METER}
CASES = {
    "bakery with its sheet": (SHEETED, date(2026, 3, 23), date(2026, 5, 3)),
    "part of it": (SHEETED, date(2026, 3, 28), date(2026, 4, 17)),
    "bakery without": (PLAIN, date(2026, 3, 23), date(2026, 5, 3)),
    "summer": (ROOF, date(2025, 7, 29), date(2025, 8, 4)),
    "october": (ROOF, date(2025, 10, 22), date(2025, 10, 26)),
    "readings of each minute": (MINUTES, date(2025, 11, 7), date(2025, 11, 11)),
    "readings of each minute with a sheet": (MINUTES_SHEETED, date(2025, 11, 7), date(2025, 11, 11)),
}
"""Campaign and local days, no more than three months: beyond, the dashboard computes shares by the hour."""


MINUTES_LABELS = ("Ph 1 V", "Ph 2 V", "Ph 3 V", "Ph 4 V", "Meter kW", "Oven L1 W", "Oven L2 W", "Roof W")
MINUTES_SHEET = """\
device,place,unit,name,role,group,factor
02009999,1,V,U1,,Mains,
02009999,2,V,,,Mains,
02009999,4,V,,hidden,,
02009999,5,,Meter,main,,
02009999,6,,,,Oven,
02009999,7,,,,Oven,-1
02009999,8,,Roof,production,,0.5
"""
"""Two of the phases are in a group, one is hidden."""


METERS = (
    ("02000001", ("Oven W",), 8, range(24)), ("02000001", ("Oven W",), 9, range(24)),
    ("02000002", ("Grid L1 kW",), 8, range(12)), ("02000002", ("Grid L1 kW",), 9, range(18)),
    ("02000003", ("Grid L2 kW",), 9, range(6, 24)),
)  # fmt: skip
METER_SHEET = """\
device,place,name,role,group
02000001,1,Oven,,Kitchen
02000002,1,,main,Meter
02000003,1,,main,Meter
"""
"""On the 8th the meter has one of its phases; on the 9th both, from 6 to 18 o'clock."""


def each_minute() -> list[tuple[str, bytes]]:
    """Files of a logger that is set to a minute: dips and spikes shorter than ten minutes, a phase without a wire."""
    chance = np.random.default_rng(3)
    files = []
    for day in (8, 9, 10):
        rows = []
        for minute in range(20, 1420):
            volts = 230 + chance.normal(0, 9, 3) + 8 * np.sin(minute / 90)
            volts[0] = 120.5 if minute % 700 == 13 else volts[0]
            volts[2] = 160.5 if minute == 777 else 114 + chance.random()
            cells = [*volts, 400, chance.normal(2, 1), *chance.normal([900, -400, -300], 300)]
            stamp = f"{day:02}/11/25 {minute // 60:02}:{minute % 60:02}:00"
            rows.append(" ".join([stamp, *(f"{cell:.2f}" for cell in cells)]))
        files.append((f"T_2511{day + 1:02}_031500.tsv", v002(*rows, labels=MINUTES_LABELS, master="02009999")))
    return files


@pytest.fixture(scope="module")
def stored(influx, tmp_path_factory) -> SimpleNamespace:
    """The made-up bakery with and without its sheet, and the V002 samples, stored by the lane as one client's."""
    environment = {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token, "INFLUXDB_ORG": influx.org}
    site = Site(tmp_path_factory.mktemp("report"), environment)
    client = f"client-{uuid.uuid4().hex[:12]}"
    make_site.write_files(make_site.make_site(), site.data)
    (site.data / client).mkdir()
    shutil.copytree(site.data / make_site.CLIENT / make_site.CAMPAIGN, site.data / client / PLAIN)
    (site.data / make_site.CLIENT / make_site.CAMPAIGN).rename(site.data / client / SHEETED)
    shutil.copyfile(make_site.SHEET, site.data / client / SHEETED / "channels.csv")
    for file in (SAMPLES / "v002").glob("*.tsv"):
        site.put(f"{client}/{ROOF}/{serial(file)}/{file.name}", file.read_bytes())
    for campaign in (MINUTES, MINUTES_SHEETED):
        for name, data in each_minute():
            site.put(f"{client}/{campaign}/02009999/{name}", data)
    site.put(f"{client}/{MINUTES_SHEETED}/channels.csv", MINUTES_SHEET.encode())
    for device, labels, day, hours in METERS:
        rows = [f"{day:02}/11/25 {hour:02}:{minute}0:00 {hour}.5" for hour in hours for minute in range(6)]
        site.put(f"{client}/{METER}/{device}/T_2511{day + 1:02}_031500.tsv", v002(*rows, labels=labels, master=device))
    site.put(f"{client}/{METER}/channels.csv", METER_SHEET.encode())
    done = site.run()
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(site=site, client=client)


@pytest.fixture(scope="module", params=CASES)
def seen(request, influx, stored) -> SimpleNamespace:
    """One of CASES."""
    return look(influx, stored, *CASES[request.param])


def look(influx, stored: SimpleNamespace, campaign: str, first: date, last: date) -> SimpleNamespace:
    """Some days of a campaign: the study of what InfluxDB has, and Grafana's look at the same days."""
    settings = stored.site.settings()
    want = wanted(settings, stored.client, campaign, first, last)
    span = datetime.fromtimestamp(want.start, UTC), datetime.fromtimestamp(want.stop, UTC)
    sheet = sheet_for(settings.data_dir, settings.state_dir, want.client, want.campaign)
    assert (sheet is None) == (campaign not in WITH_SHEET)
    sources = {}
    for name, from_files in (("influxdb", False), ("files", True)):
        with source_of(settings, want, from_files=from_files) as source:
            sources[name] = study_of(SheetSource(source, sheet) if sheet else source, want)
    grafana = Grafana(influx, stored.client, campaign)
    # On the dashboard a channel that the sheet gives no name has its device with it.
    given = {name for line in sheet.lines for name in (line.name, line.group)} if sheet else ()
    names = {c: c.name if c.name in given else c.channel for c in shown(sources["influxdb"])}
    return SimpleNamespace(study=sources["influxdb"], files=sources["files"], span=span, grafana=grafana, names=names)


def shown(study: Study) -> list[Channel]:
    """Everything that a study shows."""
    channels = [p.shown for p in study.powers] + [p.channel for p in study.phases] + study.never_connected
    return list(dict.fromkeys(channels))


def test_the_study_of_influxdb_is_that_of_the_files(seen):
    files, study = seen.files, seen.study
    assert (files.first, files.stop, files.readings) == (study.first, study.stop, study.readings)
    assert [p.shown for p in files.powers] == [p.shown for p in study.powers]
    assert (files.peaks, files.phases, files.not_counted) == (study.peaks, study.phases, study.not_counted)
    assert [d.gaps for d in files.devices] == [d.gaps for d in study.devices]


def test_energy(seen):
    totals = seen.study.totals
    ours = {"Energy": totals.total, "Drawn": totals.drawn, "Fed in": totals.fed_in, "Production": totals.production,
            "Rest": totals.rest}  # fmt: skip
    for tile, windows in ours.items():
        found = [float(r["_value"]) / 1000 for r in seen.grafana.rows(f"{tile} A", seen.span)]
        assert found == ([] if windows is None else [pytest.approx(windows.mean.sum() / 6000, abs=1e-9)]), tile


def test_energy_by_group_and_its_shares(seen):
    rows = {r["channel"]: float(r["_value"]) / 1000 for r in seen.grafana.rows("Share by channel A", seen.span)}
    parts = {seen.names[p.shown]: p.windows.mean.sum() / 6000 for p in seen.study.powers if p.role == "part"}
    assert rows == pytest.approx({name: kwh for name, kwh in parts.items() if kwh > 0})


def test_energy_by_day(seen):
    days, total = seen.study.days, seen.study.totals.total
    by_day = dict(zip(map(str, days.dates), (1000 * days.energy(total)).tolist(), strict=True))
    bars = seen.grafana.days(seen.span)
    assert bars == pytest.approx({day: wh for day, wh in by_day.items() if day in bars}, abs=1e-6)
    assert set(bars) == {day for day, covered in zip(by_day, days.covered(total), strict=True) if covered}


def test_energy_by_group_and_day(seen):
    rows = seen.grafana.rows("Energy per day by channel A", seen.span)
    if seen.grafana.campaign not in WITH_SHEET:
        assert rows == []  # without a sheet each channel would have to be added up anew
        return
    found = pd.DataFrame(rows).set_index("_time").apply(pd.to_numeric) / 1000
    ours = {seen.names[p.shown]: seen.study.days.energy(p.windows) for p in seen.study.powers if p.role == "part"}
    assert set(found.columns) == set(ours)
    for name, kwh in ours.items():
        assert found[name].tolist() == pytest.approx(kwh.tolist()), name


def test_coverage_and_gaps(seen):
    rows = {r["Device"]: r for r in seen.grafana.rows("Coverage by device A", seen.span)}
    assert {d: float(r["Coverage"]) for d, r in rows.items()} == pytest.approx(
        {d.device: d.share for d in seen.study.devices}
    )
    assert {d: float(r["Missing"]) for d, r in rows.items()} == pytest.approx(
        {d.device: d.missing / 3600 for d in seen.study.devices}, abs=1e-9
    )
    assert seen.grafana.number("Coverage A", seen.span) == pytest.approx(seen.study.coverage)
    gaps = {(r["Device"], seconds(r["From"]), seconds(r["To"]))
            for r in seen.grafana.rows("Gaps of more than an hour A", seen.span)}  # fmt: skip
    assert gaps == {(d.device, *gap) for d in seen.study.devices for gap in d.gaps}


@pytest.mark.parametrize(("first", "last", "hours"), [(8, 8, 0), (9, 9, 12), (8, 9, 12)])
def test_without_its_meter_a_campaign_has_no_total_and_its_parts_are_none(influx, stored, tmp_path, first, last, hours):
    days = date(2025, 11, first), date(2025, 11, last)
    seen = look(influx, stored, METER, *days)
    total = seen.study.totals.total
    assert len(total.begin) == 6 * hours
    for tile in ("Energy", "Drawn", "Peak power", "Rest"):
        assert bool(seen.grafana.rows(f"{tile} A", seen.span)) == bool(hours), tile
    if hours:
        assert seen.grafana.number("Energy A", seen.span) == pytest.approx(total.mean.sum() / 6)
    assert (seen.study.peaks is None) == (not hours)
    assert seen.study.not_counted.never_whole == ([] if hours else ["Meter"])
    assert [p.shown.name for p in seen.study.powers] == (["Kitchen", "Meter"] if hours else ["Kitchen"])
    source_days = [f"--{end}={day}" for end, day in zip(("from", "to"), days, strict=True)]
    for data in ([], ["--data", stored.site.data]):
        arguments = ["export", stored.client, METER, *source_days, "--sheet", "--format", "xlsx", *data]
        file = tmp_path / f"{len(data)}.xlsx"
        done = powerview(stored.site, *arguments, "-o", file)
        assert (done.returncode, done.stderr) == (0, "")
        header, *rows = openpyxl.load_workbook(file)["kWh per day"].iter_rows(values_only=True)
        drawn = [row[header.index("drawn")] for row in rows]
        by_day = seen.study.days.energy(total).tolist()
        assert drawn == [pytest.approx(kwh) if kwh else None for kwh in by_day]


def test_a_campaign_whose_meter_is_never_whole_has_a_report_without_a_total(influx, stored):
    seen = look(influx, stored, METER, date(2025, 11, 8), date(2025, 11, 8))
    content = str(content_of(Report(seen.study, Words("en"))))
    assert "The total is the sum of the main channels" in content
    assert "Meter (its channels are never there together)" in content
    assert "'Drawn'" not in content
    assert "'Load profile'" not in content


def seconds(moment: str) -> int:
    return int(pd.Timestamp(moment).timestamp())


def test_the_profile(seen):
    profile = seen.study.profile
    for place, ours in (("Mean power by hour and weekday, kW", profile.cells / 1000),
                        ("Hours behind each cell", np.where(profile.hours, profile.hours, np.nan))):  # fmt: skip
        table = seen.grafana.table(place, seen.span).set_index("hour")
        table = table.reindex([f"{hour:02}:00" for hour in range(24)], axis=0).reindex(DAYS, axis=1)
        np.testing.assert_allclose(table.to_numpy(float).T, ours)
    table = seen.grafana.table("Mean day", seen.span).set_index("hour")
    table = table.reindex([f"{hour:02}:00" for hour in range(24)])
    for column, ours in (("Monday to Friday", profile.weekdays), ("Saturday and Sunday", profile.weekends)):
        np.testing.assert_allclose(table[column].to_numpy(float), ours)


def test_base_load_and_peaks(seen):
    peaks, total = seen.study.peaks, seen.study.totals.total
    ours = {"Base load": peaks.base, "Base load's share of the energy": peaks.base_share,
            "Load factor": peaks.load_factor, "Mean power": peaks.mean}  # fmt: skip
    found = {tile: [float(r["_value"]) for r in seen.grafana.rows(f"{tile} A", seen.span)] for tile in ours}
    assert found == {tile: [] if value is None else [pytest.approx(value)] for tile, value in ours.items()}
    rows = seen.grafana.rows("The ten highest means A", seen.span)
    assert [float(r["Power"]) for r in rows] == pytest.approx([watts for _, watts in peaks.highest])
    by_time = {seconds(r["Begin"]): float(r["Power"]) for r in rows}
    assert by_time == pytest.approx(dict(peaks.highest))
    above = seen.grafana.number("Hours above the subscribed power A", seen.span, subscribed="1,5")
    assert above == pytest.approx(hours_above(total, 1500))
    curve = seen.grafana.table("Load duration curve", seen.span)
    places = (curve.Hours * 6).round().astype(int) - 1
    assert curve.Power.tolist() == pytest.approx(duration_curve(total)[places].tolist())
    assert len(places) > 5


def test_voltages(seen):
    rows = {(r["channel"], monday(r["Week"])): [float(r[key]) for key in ("Means", "Outside", "Far")]
            for r in seen.grafana.rows("Voltage by week A", seen.span)}  # fmt: skip
    assert rows == {
        (seen.names[phase.channel], week.monday): [week.means, week.narrow, week.wide]
        for phase in seen.study.phases
        for week in phase.weeks
    }
    assert rows
    ends = {r["channel"]: (float(r["Lowest"]), seconds(r["At"]), float(r["Highest"]), seconds(r["Since"]))
            for r in seen.grafana.rows("Lowest and highest voltage A", seen.span)}  # fmt: skip
    ours = {seen.names[p.channel]: (p.lowest, p.lowest_at, p.highest, p.highest_at) for p in seen.study.phases}
    assert set(ends) == set(ours)
    for name, found in ours.items():
        assert ends[name] == pytest.approx(found, rel=1e-12), name
    never = {r["channel"] for r in seen.grafana.rows("Phases never connected A", seen.span)}
    assert never == {seen.names[channel] for channel in seen.study.never_connected}


def test_a_dip_of_a_minute_is_no_lowest_voltage_and_a_spike_connects_no_phase(seen):
    if seen.grafana.campaign in (MINUTES, MINUTES_SHEETED):
        assert min(phase.lowest for phase in seen.study.phases) > 200
        assert [channel.name for channel in seen.study.never_connected] == ["Ph 3"]
        # Voltages in a group are not added up, and a hidden one is nowhere.
        names = ["U1", "Ph 2"] if seen.grafana.campaign == MINUTES_SHEETED else ["Ph 1", "Ph 2", "Ph 4"]
        assert [phase.channel.name for phase in seen.study.phases] == names


def monday(moment: str) -> date:
    day = pd.Timestamp(moment).tz_convert(PARIS).date()
    return day - timedelta(days=day.weekday())
