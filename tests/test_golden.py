"""The samples, read as their expected files say (see golden.py)."""

from __future__ import annotations

import golden
import pytest

ALL = golden.samples() + golden.cases()


def test_each_sample_has_an_expected_file_and_each_expected_file_its_sample():
    expected = {golden.expected_file(sample) for sample in ALL}
    found = [file for folder in (golden.SAMPLES, golden.CASES) for file in folder.rglob("*" + golden.SUFFIX)]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_a_sample_gives_what_its_expected_file_says(sample):
    assert golden.text_of(sample) == golden.expected_file(sample).read_text(encoding="utf-8")


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_an_expected_file_lists_the_points_it_was_written_from(sample):
    try:
        written = golden.points(golden.read_sample(sample))
    except golden.NotReadable:
        written = {}
    assert golden.expected_points(golden.expected_file(sample).read_text(encoding="utf-8")) == written


def test_the_night_of_october_has_both_of_its_hours():
    text = golden.expected_file(golden.SAMPLES / "v002/T302_251026_031500.tsv").read_text(encoding="utf-8")
    night = [line.split("\t")[:2] for line in text.splitlines() if line.startswith(("2025-10-26 00", "2025-10-26 01"))]
    assert night == [
        ["2025-10-26 00:00:00Z", "246.24"],
        ["2025-10-26 00:10:00Z", "246.29"],
        ["2025-10-26 00:20:00Z", "247.21"],
        ["2025-10-26 00:30:00Z", "247.65"],
        ["2025-10-26 00:40:00Z", "248.02"],
        ["2025-10-26 00:50:00Z", "248.62"],
        ["2025-10-26 01:00:00Z", "249.65"],
        ["2025-10-26 01:10:00Z", "249.89"],
        ["2025-10-26 01:20:00Z", "249.77"],
        ["2025-10-26 01:30:00Z", "249.77"],
        ["2025-10-26 01:40:00Z", "249.55"],
        ["2025-10-26 01:50:00Z", "249.37"],
    ]
