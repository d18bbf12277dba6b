"""Preview and export by a channels.csv: names, groups, roles and totals, against plain pandas on the same readings."""

from __future__ import annotations

import csv
import io
import re
import shutil

import make_site
import numpy as np
import openpyxl
import pandas as pd
import pytest
from test_export import powerview
from trees import Site, v002, v003

from powerview.channels import Sheet, read_sheet
from powerview.channels.days import days_between
from powerview.channels.sums import windows_of
from powerview.channels.things import clamps_of
from powerview.mv2 import Channel
from powerview.reporting.campaign import Campaign, read_tree
from powerview.reporting.figures import figures_of, totals_of
from powerview.reporting.places import Series
from powerview.reporting.preview import write_preview
from powerview.reporting.shown import ThingDays, shown
from powerview.reporting.view import View, view_of

PARIS = make_site.ZONE
JULY = 1_751_320_800  # 1 July 2025, midnight in Paris


def channel(idx: int, unit: str | None = "W", device: str = "7", name: str = "") -> Channel:
    name = name or f"Voie{idx}"
    return Channel(idx, device, name, unit, f"SN: {device} - Ch: {name}")


def series(times, values) -> Series:
    times = np.asarray(times)
    return Series(times, np.asarray(values, float), np.full(len(times), 600))


def sheet(*lines: str) -> Sheet:
    return read_sheet("\n".join(["device,place,unit,name,role,group,factor", *lines, ""]).encode())


def totals(found: dict[Channel, Series], by: Sheet) -> dict[str, np.ndarray]:
    seen = shown(found, by)
    days = figures_of(found, PARIS).days
    result = totals_of([(seen.roles[c], c.unit, windows_of(s.times, s.values)) for c, s in seen.series.items()], days)
    return result.columns() if result else {}


# ── the made-up bakery ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def made_up() -> make_site.Site:
    return make_site.make_site()


@pytest.fixture(scope="module")
def bakery(made_up, tmp_path_factory) -> Site:
    site = Site(tmp_path_factory.mktemp("bakery"))
    make_site.write_files(made_up, site.data)
    shutil.copyfile(make_site.SHEET, site.data / make_site.CLIENT / make_site.CAMPAIGN / "channels.csv")
    return site


def bakery_view(bakery: Site) -> View:
    [campaign], _ = read_tree(bakery.settings())
    return view_of(campaign, PARIS, 600_000)


def test_the_preview_has_the_true_figures_of_the_bakery(bakery, made_up):
    view, truth = bakery_view(bakery), make_site.true_figures(made_up)
    assert list(view.totals) == ["drawn", "fed in", "production", "rest"]
    for title, kwh in view.totals.items():
        assert kwh == pytest.approx(truth[title].sum(), abs=1e-6)
    by_name = {view.names[f.channel]: f for f in view.figures.channels}
    assert set(truth) - set(view.totals) == {name for name, f in by_name.items() if f.kwh is not None}
    for name in set(truth) - set(view.totals):
        np.testing.assert_allclose(by_name[name].kwh, truth[name], atol=1e-6)
    assert view.not_counted == "Voltage L1, Voltage L2, Voltage L3 (V)"
    assert {view.names[c]: role for c, role in view.roles.items()}["Solar"] == "production"


def test_the_page_shows_names_roles_and_totals_and_no_label(bakery, made_up, tmp_path):
    write_preview(bakery.settings(), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8").split("<script>")[0]
    assert "Voie6" not in page
    assert "Meter L1" not in re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert "<b>7\N{NARROW NO-BREAK SPACE}462 kWh</b><span>drawn</span>" in page
    assert "Not counted: Voltage L1, Voltage L2, Voltage L3 (V)." in page
    assert "devices, 24 channels" in page
    assert "<td>Meter<td>main" in page
    assert "wrong way round" not in page


@pytest.mark.slow
def test_the_workbook_by_the_sheet_has_the_true_figures_of_each_day(bakery, made_up, tmp_path):
    file, truth = tmp_path / "x.xlsx", make_site.true_figures(made_up)
    names = (make_site.CLIENT, make_site.CAMPAIGN)
    done = powerview(bakery, "export", *names, "--sheet", "--format", "xlsx", "-o", file)
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows = openpyxl.load_workbook(file)["kWh per day"].iter_rows(values_only=True)
    found = pd.DataFrame(rows, columns=[title.removesuffix(" W") for title in header]).set_index("day")
    assert list(found) == ["drawn", "fed in", "production", "rest", "Meter", "Deck oven", "Rack oven", "Mixer",
                           "Cold room", "Freezer", "Proofer", "Solar", "Lights", "Coffee machine"]  # fmt: skip
    assert [day.date() for day in found.index] == list(truth.index)
    for title in found:
        np.testing.assert_allclose(found[title], truth[title], atol=1e-6)


def test_the_export_by_the_sheet_names_columns_and_applies_factors(bakery, made_up):
    names = (make_site.CLIENT, make_site.CAMPAIGN)
    done = powerview(bakery, "export", *names, "--sheet", "--from", "2026-04-01", "--to", "2026-04-01")
    plain = powerview(bakery, "export", *names, "--from", "2026-04-01", "--to", "2026-04-01")
    found, raw = (pd.read_csv(io.StringIO(x.stdout)) for x in (done, plain))
    titles = [f"{c['name'] or c['logger']} {c['unit']}" for c in made_up.clamps]
    assert list(found) == ["time", *titles]
    factors = [float(c["factor"] or 1) for c in made_up.clamps]
    np.testing.assert_allclose(found.iloc[:, 1:], raw.iloc[:, 1:] * factors)
    assert found["Coffee machine W"].min() > 0


@pytest.mark.slow
def test_influxdb_and_files_give_the_same_export_by_the_sheet(influx, client, tmp_path, made_up):
    site = Site(tmp_path, {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token})
    files = make_site.write_files(made_up, tmp_path / "made")
    for file in files[:3]:
        site.put(f"{client}/bakery/{made_up.logger}/{file.name}", file.read_bytes())
    site.put(f"{client}/bakery/channels.csv", make_site.SHEET.read_bytes())
    assert site.run().returncode == 0
    (site.data / client / "bakery/channels.csv").write_bytes(b"broken")  # the one in force counts
    found = []
    for i, options in enumerate(([], ["--data", site.data])):
        file = tmp_path / f"{i}.xlsx"
        done = powerview(site, "export", client, "bakery", "--sheet", "--format", "xlsx", "-o", file, *options)
        assert (done.returncode, done.stderr) == (0, "")
        rows = list(openpyxl.load_workbook(file)["kWh per day"].iter_rows(values_only=True))
        found.append((rows[0], [row[0] for row in rows], np.array([row[1:] for row in rows[1:]], float)))
    assert found[0][:2] == found[1][:2]
    np.testing.assert_allclose(found[0][2], found[1][2])


# ── totals against pandas ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("day", ["2025-03-30", "2025-10-26", "2025-07-01"])
@pytest.mark.parametrize("seed", [1, 2])
def test_totals_are_what_pandas_makes_of_readings_with_gaps(day, seed):
    random = np.random.default_rng(seed)
    start = int(pd.Timestamp(day, tz=PARIS).timestamp()) - 86_400
    found = {}
    for idx in range(1, 8):
        times = start + np.arange(0, 3 * 86_400, 300) + int(random.integers(0, 5))
        times = times[random.random(len(times)) < 0.7]
        found[channel(idx, "kW" if idx == 2 else "W")] = series(times, random.normal(0, 1000, len(times)))
    by = sheet("7,1,,,main,M,", "7,2,,,main,M,-1", "7,3,,,main,,", "7,4,,,production,,", "7,5,,,,P,", "7,6,,,part,P,2")
    ten = {}
    for c, s in found.items():
        watts = pd.Series(s.values * {"kW": 1000, "W": 1}[c.unit], index=s.times // 600 * 600)
        ten[c.idx] = watts.groupby(level=0).mean()
    group_m, group_p = ten[1] - ten[2], ten[5] + 2 * ten[6]
    total = pd.concat([group_m.dropna(), ten[3]], axis=1).sum(axis=1, min_count=1)
    parts = pd.concat([group_p.dropna(), ten[7]], axis=1).sum(axis=1, min_count=1)
    rest = total + ten[4].reindex(total.index).fillna(0) - parts.reindex(total.index).fillna(0)
    expected = {"drawn": total.clip(lower=0), "fed in": -total.clip(upper=0), "production": ten[4], "rest": rest}
    got = totals(found, by)
    assert list(got) == list(expected)
    for title, watts in expected.items():
        local = pd.to_datetime(watts.index, unit="s", utc=True).tz_convert(PARIS)
        kwh = (watts / 6000).groupby(local.date).sum()
        np.testing.assert_allclose(got[title], kwh, err_msg=title)
    net = (total / 6000).groupby(pd.to_datetime(total.index, unit="s", utc=True).tz_convert(PARIS).date).sum()
    np.testing.assert_allclose(got["drawn"] - got["fed in"], net, atol=1e-9)


def test_a_day_of_sun_and_a_day_of_load_do_not_cancel_out():
    found = {channel(1): series([JULY, JULY + 600], [-6000, 6000])}
    got = {title: kwh.tolist() for title, kwh in totals(found, sheet("7,1,,,main,,")).items()}
    assert got == {"drawn": [1.0], "fed in": [1.0], "rest": [0.0]}


def test_without_main_channels_the_total_is_that_of_the_parts_and_there_is_no_rest():
    found = {channel(i): series([JULY], [6000 * i]) for i in (1, 2, 3)}
    got = {title: kwh.tolist() for title, kwh in totals(found, sheet("7,3,,,production,,")).items()}
    assert got == {"drawn": [3.0], "fed in": [0.0], "production": [3.0]}


def test_watts_kilowatts_and_megawatts_are_one_unit():
    found = {channel(1, "W"): series([JULY], [600]), channel(2, "kW"): series([JULY], [3]),
             channel(3, "MW"): series([JULY], [0.001])}  # fmt: skip
    assert totals(found, sheet())["drawn"].tolist() == pytest.approx([4.6 / 6])
    seen = shown(found, sheet("7,1,,,,G,", "7,2,,,,G,", "7,3,,,,G,"))
    [(group, s)] = seen.series.items()
    assert (group.name, group.unit, s.values.tolist()) == ("G", "W", [4600])


def test_a_group_with_a_missing_member_has_no_value_there():
    found = {channel(1): series([JULY, JULY + 600], [1, 2]), channel(2): series([JULY + 601, JULY + 1200], [10, 20])}
    seen = shown(found, sheet("7,1,,,,G,", "7,2,,,,G,"))
    [(group, s)] = seen.series.items()
    assert (group.name, s.times.tolist(), s.values.tolist()) == ("G", [JULY + 600], [12])


def test_a_group_whose_members_never_meet_is_named_as_not_counted():
    found = {channel(1): series([JULY], [1]), channel(2): series([JULY + 600], [10])}
    seen = shown(found, sheet("7,1,,,,G,", "7,2,,,,G,"))
    assert (seen.series, seen.not_counted) == ({}, "G (its channels are never there together)")


def test_a_meter_that_is_never_whole_leaves_no_total_and_no_parts_for_it(tmp_path):
    found = {channel(i): series([JULY + 600 * i], [6000]) for i in (1, 2, 3)}
    sheet_of_all = sheet("7,1,,,main,G,", "7,2,,,main,G,", "7,3,,Oven,,,")
    view = view_of(Campaign("acme", "roof", series=found, sheet=sheet_of_all), PARIS, 1000)
    assert (view.totals, view.not_counted) == ({}, "G (its channels are never there together)")
    days = ThingDays(clamps_of(found, sheet_of_all), PARIS)
    days.add(pd.DataFrame({i: pd.Series(s.values, s.times) for i, s in enumerate(found.values())}))
    ((_, kwh),) = days.days()
    assert (days.titles, kwh.tolist()) == (["drawn", "fed in", "rest"], pytest.approx([np.nan] * 4 + [1], nan_ok=True))


def test_one_group_in_two_roles_or_units_is_more_than_one_thing():
    found = {channel(i, u): series([JULY], [i]) for i, u in ((1, "W"), (2, "W"), (3, "V"), (4, "V"))}
    seen = shown(found, sheet("7,1,,,main,G,", "7,2,,,part,G,", "7,3,,,part,G,", "7,4,,,part,G,"))
    assert [(c.name, c.unit, seen.roles[c], s.values.tolist()) for c, s in seen.series.items()] == [
        ("G", "W", "main", [1]), ("G", "W", "part", [2]), ("Voie3", "V", "part", [3]), ("Voie4", "V", "part", [4])
    ]  # fmt: skip


@pytest.mark.parametrize("unit", ["V", "A", "kWh", "°C", None])
def test_only_power_adds_up(unit):
    found = {channel(i, unit): series([JULY], [i]) for i in (1, 2)}
    seen = shown(found, sheet("7,1,,L1,,G,", "7,2,,,,G,2"))
    assert [(c.name, c.device, s.values.tolist()) for c, s in seen.series.items()] == [
        ("L1", "7", [1]), ("Voie2", "7", [4])
    ]  # fmt: skip


def test_hidden_channels_are_counted_in_one_line_and_are_nowhere_else():
    found = {
        channel(1): series([JULY], [6000]),
        channel(2): series([JULY], [6000]),
        channel(3, None): series([JULY], [1]),
    }
    seen = shown(found, sheet("7,1,,Secret,hidden,,"))
    assert [c.idx for c in seen.series] == [c.idx for c in seen.clamps] == [2, 3]
    assert seen.not_counted == "Voie3 (no unit); 1 hidden channel"
    assert totals(found, sheet("7,1,,,hidden,,"))["drawn"].tolist() == [1.0]


def test_without_a_sheet_everything_is_as_it_was():
    found = {channel(1): series([JULY], [1])}
    seen = shown(found, None)
    assert seen.series is found
    assert (seen.roles, seen.not_counted) == ({}, None)


def test_days_on_which_nothing_is_measured_have_no_energy():
    found = {channel(1): series([JULY, JULY + 2 * 86_400], [6000, 6000])}
    assert totals(found, sheet("7,1,,,main,,"))["drawn"].tolist() == [1, 0, 1]
    assert len(days_between(JULY, JULY + 2 * 86_400, PARIS).dates) == 3


# ── page and export in odd cases ─────────────────────────────────────────────────────────────────────────────────────

PATH = "acme/roof/channels.csv"


@pytest.fixture
def roof(site) -> Site:
    rows = [f"01/07/25 {h:02}:00:00 240.5 {h}.0" for h in range(24)]
    site.put("acme/roof/02001283/a.tsv", v002(*rows))
    return site


def page(site: Site) -> str:
    write_preview(site.settings(), site.root / "page.html")
    text = (site.root / "page.html").read_text(encoding="utf-8").partition("<script>")[0]
    return re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)


def test_hidden_channels_are_in_exports_only(roof):
    roof.put(PATH, b"device,place,name,role\n02001283,1,Secret,hidden\n02001283,2,Oven,main\n")
    assert "Secret" not in page(roof)
    assert "1 hidden channel" in page(roof)
    header = powerview(roof, "export", "acme", "roof", "--sheet").stdout.partition("\n")[0]
    assert header == "time,Secret V,Oven W"


def test_a_sheet_that_hides_everything_leaves_a_sentence(roof):
    roof.put(PATH, b"device,place,role\n02001283,1,hidden\n02001283,2,hidden\n")
    assert "Every channel is hidden by channels.csv" in page(roof)


def test_a_bad_sheet_beside_the_files_is_a_remark(roof):
    roof.put(PATH, b"device,place,role\n02001283,1,mian\n")
    text = page(roof)
    assert "channels.csv is not used: line 2: role &#39;mian&#39; is not known" in text
    assert "Voie1" in text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no channels.csv is in force for acme/roof: python -m powerview channels acme roof writes one"),
        (b"device,place,role\n1,1,x\n", "channels.csv of acme/roof is not understood: line 2: role 'x' is not known"),
    ],
)
def test_an_export_by_a_sheet_that_is_not_there_says_so(roof, content, sentence):
    if content:
        roof.put(PATH, content)
    done = powerview(roof, "export", "acme", "roof", "--sheet")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert sentence in done.stderr


HOSTILE = ["=1+1", "<script>alert(1)</script>", "{{ 7*7 }}", "@v0{custom}"]


def test_hostile_names_are_text_on_the_page_and_in_exports(site):
    labels = ["a W", "b W", "c W", "d W"]
    rows = [f"01/07/25 00:{m}0:00 1.0 2.0 3.0 4.0" for m in range(3)]
    site.put("acme/roof/02001311/a.tsv", v003(*rows, labels=labels))
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(["device", "place", "name"])
    writer.writerows(["02001311", i, name] for i, name in enumerate(HOSTILE, 1))
    site.put(PATH, lines.getvalue().encode())
    text = page(site)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{ 7*7 }}" in text
    header = next(csv.reader(io.StringIO(powerview(site, "export", "acme", "roof", "--sheet").stdout)))
    assert header == ["time", "'=1+1 W", *(f"{name} W".replace("@v0", "'@v0") for name in HOSTILE[1:])]
    file = site.root / "x.xlsx"
    assert powerview(site, "export", "acme", "roof", "--sheet", "--format", "xlsx", "-o", file).returncode == 0
    for opened in openpyxl.load_workbook(file).worksheets:
        assert {cell.data_type for cell in next(opened.iter_rows())} == {"s"}


def test_two_columns_of_one_name_are_told_apart(roof):
    rows = ["01/07/25 00:00:00 1.0 2.0"]
    roof.put("acme/roof/02009999/b.tsv", v002(*rows, labels=["x W", "y W"], master="02009999"))
    roof.put(PATH, b"device,place,name\n02001283,2,Oven\n02009999,1,Oven\n02009999,2,time\n02001283,1,Oven\n")
    header = powerview(roof, "export", "acme", "roof", "--sheet").stdout.partition("\n")[0]
    assert header == "time,Oven V,Oven W (02001283 2),Oven W (02009999 1),time W"


def test_remarks_are_about_what_is_shown_under_its_name(roof):
    rows = ["01/07/25 00:00:00 1.0 2.0", "01/07/25 20:00:00 1.0 2.0"]
    roof.put("acme/roof/02009999/b.tsv", v002(*rows, labels=["x W", "y W"], master="02009999"))
    roof.put("acme/roof/02001283/T302_250702_031500.tsv", v002("01/07/25 23:50:00 1.0 2.0", labels=["Ph 1 V", "New W"]))
    hidden = "02009999,1,,hidden\n02009999,2,,hidden\n"
    roof.put(PATH, f"device,place,name,role\n02001283,2,Oven,main\n{hidden}".encode())
    [campaign], _ = read_tree(roof.settings())
    remarks = " ".join(view_of(campaign, PARIS, 1000).remarks)
    assert "02009999" not in remarks
    assert "Oven, channel 2 of 02001283, was called Voie1 before." in remarks


def test_days_that_come_in_several_stretches_add_up_and_empty_ones_stay_empty():
    days = ThingDays(clamps_of([channel(1)], sheet("7,1,,,main,,")), PARIS)
    for begin in (JULY, JULY + 600, JULY + 2 * 86_400):
        days.add(pd.DataFrame({0: [6000.0]}, index=[begin]))
    days.add(pd.DataFrame({0: [6000.0, 6000.0]}, index=[JULY + 2 * 86_400 + 600, JULY + 4 * 86_400]))
    rows = np.array([kwh for _, kwh in days.days()])
    assert days.titles == ["drawn", "fed in", "rest"]
    assert rows[:, 0].tolist() == pytest.approx([2, np.nan, 2, np.nan, 1], nan_ok=True)
    assert rows[:, 3].tolist() == pytest.approx([2, np.nan, 2, np.nan, 1], nan_ok=True)
