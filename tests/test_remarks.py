"""What the preview page remarks about a campaign, and which part of its time it opens with."""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

import pytest
from trees import Site, day_rows, v002, v003

from powerview.reporting import remarks
from powerview.reporting.axis import longest_stretch
from powerview.reporting.campaign import read_tree
from powerview.reporting.figures import figures_of
from powerview.reporting.language import ENGLISH
from powerview.reporting.remarks import left_out_text, remarks_of

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def of(site: Site) -> list[str]:
    [campaign], _ = read_tree(site.settings())
    return remarks_of(campaign, figures_of(campaign.series, PARIS), PARIS)


def at(clock: str, *cells: object, day: str = "01/07/25") -> str:
    return " ".join([f"{day} {clock}:00", *map(str, cells)])


SLAVES = ["02001283", "04000466"]


def test_a_whole_campaign_has_no_remark(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows(count=144)))
    assert of(site) == []


def test_a_gap_of_all_devices_is_one_remark(site):
    rows = [at("10:00", 1.0, 2.0), at("10:10", 1.0, 2.0), at("12:00", 1.0, 2.0), at("00:00", 1.0, 2.0, day="02/07/25")]
    site.put("acme/roof/02001283/a.tsv", v002(*rows, devices=SLAVES))
    assert of(site) == [
        "No readings of any device from 01 Jul 2025 10:20 to 12:00 (1 h 40 min).",
        "No readings of any device from 01 Jul 2025 12:10 to 02 Jul 2025 00:00 (11 h 50 min).",
    ]


def test_a_device_that_comes_late_and_one_that_leaves_are_named(site):
    master = [at(clock, 240.0, 1.0) for clock in ("10:00", "10:10", "10:20")]
    site.put("acme/roof/02001283/a.tsv", v002(*master))
    site.put("acme/roof/02001284/a.tsv", v002(at("10:20", 1.0, 2.0), at("10:30", 1.0, 2.0), master="02001284"))
    assert of(site) == [
        "No readings of 02001284 from 01 Jul 2025 10:00 to 10:20 (20 min).",
        "No readings of 02001283 from 01 Jul 2025 10:30 to 10:40 (10 min).",
    ]


def test_many_gaps_are_counted_and_the_longest_are_named(site, monkeypatch):
    monkeypatch.setattr(remarks, "MOST", 1)
    rows = [at(clock, 240.0, 1.0) for clock in ("10:00", "10:20", "10:50", "11:40")]
    site.put("acme/roof/02001283/a.tsv", v002(*rows))
    assert of(site) == [
        "No readings of 02001283 from 01 Jul 2025 11:00 to 11:40 (40 min).",
        "2 more gaps, the longest of 20 min.",
    ]


def test_restarts_and_a_lost_clock_are_named_once_although_the_upload_comes_twice(site):
    rows = [at("10:00", 240.0, 1.0), "01/07/25 10:03:17 0 0", at("10:10", 240.0, 1.0), at("10:20", 240.0, 1.0)]
    lost = ["01/01/20 01:00:02 240.0 1.0", "01/01/20 01:00:58 240.0 1.0", at("10:30", 240.0, 1.0)]
    site.put("acme/roof/02001311/a.tsv", v003(*rows))
    site.put("acme/roof/02001311/b.tsv", v003(*rows, *lost))
    assert of(site) == [
        "Logger 02001311 restarted on 01 Jul 2025 12:03.",
        "Logger 02001311 had lost its clock until 01 Jul 2025 12:30: its rows without a known time do not count.",
    ]


def test_many_restarts_are_counted(site):
    rows = [at("10:00", 240.0, 1.0), *(f"01/07/25 10:0{m}:00 0 0" for m in (2, 5, 7)), at("10:10", 240.0, 1.0)]
    site.put("acme/roof/02001311/a.tsv", v003(*rows))
    assert of(site) == ["Logger 02001311 restarted 3 times, from 01 Jul 2025 12:02 to 12:07."]


def test_a_renamed_channel_has_its_earlier_names(site):
    site.put("acme/roof/02001283/a.tsv", v002(at("10:00", 240.0, 1.0)))
    site.put("acme/roof/02001283/b.tsv", v002(at("10:10", 240.0, 1.0), labels=["Ph 1 V", "Oven W"]))
    assert of(site) == ["Oven, channel 2 of 02001283, was called Voie1 before."]


def test_many_renamed_channels_are_counted_and_some_are_named(site):
    cells = " ".join(["1.0"] * 8)
    site.put("acme/roof/02001283/a.tsv", v002(f"01/07/25 10:00:00 {cells}", labels=[f"Voie{i} W" for i in range(8)]))
    site.put("acme/roof/02001283/b.tsv", v002(f"01/07/25 10:10:00 {cells}", labels=[f"Oven{i} W" for i in range(8)]))
    found = of(site)
    assert found[0] == "Oven0, channel 1 of 02001283, was called Voie0 before."
    assert (len(found), found[-1]) == (6, "3 more channels had other names before.")


def test_a_clock_that_is_lost_over_and_over_is_counted(site):
    rows = []
    for hour in range(10, 18):
        rows += ["01/01/20 01:00:02 240.0 1.0", at(f"{hour}:00", 240.0, 1.0)]
    site.put("acme/roof/02001283/T302_250701_200000.tsv", v002(*rows))
    found = [remark for remark in of(site) if "clock" in remark]
    assert len(found) == 6
    assert found[0].startswith("Logger 02001283 had lost its clock until 01 Jul 2025 10:00:")
    assert found[-1] == "Logger 02001283 had lost its clock 3 more times."


@pytest.mark.parametrize(
    ("watts", "remarked"), [((-40.0, -20.0), True), ((-40.0, 1.0), False), ((-4.0, -2.0), False), ((40.0, 20.0), False)]
)
def test_a_channel_that_is_negative_nearly_always_is_remarked(site, watts, remarked):
    rows = [at(clock, 240.0, value) for clock, value in zip(("10:00", "10:10"), watts, strict=True)]
    site.put("acme/roof/02001283/a.tsv", v002(*rows))
    sentence = (
        "Voie1, channel 2 of 02001283, is negative nearly all the time: it feeds in, or its clamp sits the wrong "
    )
    assert of(site) == ([f"{sentence}way round."] if remarked else [])


def test_what_was_left_out_reads_as_a_sentence_does():
    assert left_out_text(Counter({"restart markers": 2, "cells": 1, "something new": 3, "cut rows": 0})) == (
        "3 something new, 2 restart markers, 1 cell that is no number"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(600, "10 min"), (9600, "2 h 40 min"), (7200, "2 h"), (2 * 86_400, "48 h"), (300_000, "3 days")],
)
def test_durations(seconds, text):
    assert ENGLISH.duration(seconds) == text


def stretch(site: Site) -> tuple[int, int] | None:
    [campaign], _ = read_tree(site.settings())
    figures = figures_of(campaign.series, PARIS)
    found = longest_stretch(campaign.series, figures)
    return found and (found[0] - figures.first, found[1] - figures.first)


def test_the_page_opens_with_the_longest_stretch_of_a_campaign_of_slivers(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows("01/07/25")))
    site.put("acme/roof/02001283/b.tsv", v002(*day_rows("11/07/25", 144)))
    assert stretch(site) == (10 * 86_400, 11 * 86_400)
    site.put("acme/roof/02001284/a.tsv", v002(*day_rows("01/07/25"), master="02001284"))
    assert stretch(site) is None  # the other device would seem to have nothing


def test_a_campaign_without_a_long_gap_is_shown_whole(site):
    for day in ("01/07/25", "02/07/25", "04/07/25"):
        site.put(f"acme/roof/02001283/{day[:2]}.tsv", v002(*day_rows(day, 144)))
    assert stretch(site) is None
