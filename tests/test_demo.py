"""The made-up bakery of `make demo`: its files hold what its true figures say, and every kind of incident."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from datetime import date

import make_site
import numpy as np
import pandas as pd
import pytest
import sample_tree
from trees import ROOT, Site
from waiting import LONG

from powerview.reporting.campaign import read_tree
from powerview.reporting.figures import figures_of
from powerview.reporting.preview import write_preview


@pytest.fixture(scope="module")
def site() -> make_site.Site:
    return make_site.make_site()


@pytest.fixture(scope="module")
def bakery(site, tmp_path_factory) -> Site:
    installation = Site(tmp_path_factory.mktemp("bakery"))
    make_site.write_files(site, installation.data)
    return installation


def test_the_command_writes_the_same_files_every_time(bakery, tmp_path):
    command = [sys.executable, ROOT / "demo/make_site.py", tmp_path / "data"]
    subprocess.run([*command, "--sheet", "--figures", tmp_path / "kwh.csv"], check=True, timeout=LONG, cwd="/")
    again = {str(p.relative_to(tmp_path / "data")): p.read_bytes() for p in (tmp_path / "data").rglob("*.tsv")}
    assert again == bakery.files()
    assert all(b"made up" in content for content in again.values())
    assert (tmp_path / "data/made-up-bakery/ovens-and-roof/channels.csv").read_bytes() == make_site.SHEET.read_bytes()
    written = pd.read_csv(tmp_path / "kwh.csv", index_col="day")
    pd.testing.assert_frame_equal(
        written, make_site.true_figures(make_site.make_site()).rename(index=str), check_exact=False, atol=1e-5
    )


def test_the_sheet_lists_every_clamp_as_the_files_name_it(bakery):
    [campaign], _ = read_tree(bakery.settings())
    found = [(c.device, str(c.idx), c.name, c.unit) for c in campaign.series]
    with make_site.SHEET.open(encoding="utf-8", newline="") as file:
        sheet = list(csv.DictReader(file))
    assert [(row["device"], row["place"], row["logger"], row["unit"]) for row in sheet] == found
    assert (len(found), len({device for device, *_ in found})) == (24, 4)
    assert {row["role"] for row in sheet} == {"", "main", "part", "production"}


def test_the_files_add_up_to_the_true_figures(bakery, site):
    [campaign], _ = read_tree(bakery.settings())
    truth = make_site.true_figures(site)
    figures = figures_of(campaign.series, make_site.ZONE)
    assert figures.days.dates == list(truth.index)
    assert figures.share > 0.997
    for group in ("Meter", "Deck oven", "Rack oven", "Mixer", "Solar", "Lights", "Cold room", "Voie6"):
        kwh = sum(each.kwh for each in figures.channels if each.channel.name.startswith(group))
        if group == "Voie6":  # this clamp sits the wrong way round
            group, kwh = "Coffee machine", -kwh
        np.testing.assert_allclose(kwh, truth[group], atol=1e-6)
    np.testing.assert_allclose(truth["drawn"] - truth["fed in"], truth["Meter"], atol=1e-6)


def test_it_lives_as_a_bakery_does(site):
    truth = make_site.true_figures(site)
    ovens = truth["Deck oven"] + truth["Rack oven"]
    idle = {day for day, kwh in ovens.items() if kwh < 5}
    assert idle == {*(day for day in truth.index if day.weekday() == 0), date(2026, 5, 1)}
    assert len(truth) == 42
    assert truth["fed in"].sum() > 500
    assert (truth["rest"] > 0).all()  # what no clamp measures is never negative
    assert truth["drawn"].sum() > 3 * truth["fed in"].sum()


def test_the_ingest_lane_meets_each_incident(site, tmp_path):
    installation = Site(tmp_path)
    make_site.write_files(site, installation.data)
    assert installation.run().returncode == 0
    records = [record for record in installation.records() if record.get("left_out") or record["status"] != "OK"]
    assert [(r["path"].split("_")[1], r["status"], r["left_out"]) for r in records] == [
        ("260401", "OK", {"restart markers": 1}),
        ("260410", "PARTIAL", {"cut rows": 1}),
        ("260417", "OK", {"unset clock": 2}),
    ]


@pytest.mark.slow
def test_the_page_shows_the_bakery_first_and_lists_its_incidents(site, tmp_path):
    sample_tree.lay_out_by_subject(tmp_path / "data", "real-samples")
    make_site.write_files(site, tmp_path / "data")
    write_preview(Site(tmp_path).settings(), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    campaigns = re.split("<section", page)[1:]
    assert re.findall("<h2>(.*)</h2>", page)[0] == "ovens-and-roof"
    subjects = list((tmp_path / "data" / "real-samples").iterdir())
    assert len(campaigns) == 1 + len(subjects) > 8
    assert "<b>99.7 %</b>" in campaigns[0]
    assert re.findall("<li>(.*)</li>", campaigns[0]) == [
        "No readings of any device from 16 Apr 2026 13:10 to 15:50 (2 h 40 min).",
        "Logger 02009001 restarted on 31 Mar 2026 09:03.",
        "Logger 02009001 had lost its clock until 16 Apr 2026 15:50: its rows without a known time do not count.",
        "Voie6, channel 6 of 04009003, is negative nearly all the time: it feeds in, or its clamp sits the wrong way "
        "round.",
    ]
    [clock_lost] = [campaign for campaign in campaigns if "<h2>clock-lost</h2>" in campaign]
    assert "Shown first: the longest stretch with readings, 29 Jul 2025 11:10" in clock_lost


def test_readings_cover_all_but_the_power_cut(bakery, site):
    [campaign], _ = read_tree(bakery.settings())
    for s in campaign.series.values():
        gaps = np.diff(s.times)
        assert gaps.max() == 600 + (2 * 60 + 40) * 60
        assert np.count_nonzero(gaps != 600) == 1
        assert len(s.times) == 42 * 144 - 6 - 16  # an hour less in March


def test_six_weeks_can_end_with_any_day():
    site = make_site.make_site(date(2025, 11, 9))
    truth = make_site.true_figures(site)
    assert (truth.index[0], truth.index[-1]) == (date(2025, 9, 29), date(2025, 11, 9))
    assert len(site.readings) == 42 * 144 + 6 - 16


@pytest.mark.slow
def test_the_page_of_make_demo_is_by_the_sheet_that_the_lane_put_into_force(site, tmp_path):
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndemo: setup")[2].partition("\n\n")[0]
    assert "make_site.py demo/out/data --sheet" in recipe
    installation = Site(tmp_path)
    device = make_site.write_files(site, installation.data)[0].parent
    sheet = device.parent / "channels.csv"
    sheet.write_bytes(make_site.SHEET.read_bytes())
    assert installation.run().returncode == 0
    sheet.write_bytes(b"no longer a sheet")
    write_preview(installation.settings(), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    kwh = make_site.true_figures(site).sum()
    shown = {title: number for number, title in re.findall("<b>([^<]*) kWh</b><span>([^<]*)", page)}
    assert shown == {t: f"{kwh[t]:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
                     for t in ("drawn", "fed in", "production", "rest")}  # fmt: skip
