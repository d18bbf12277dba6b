"""The plain reading is right by itself, and the parser's reader agrees with it on whole, cut and damaged files."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import golden
import pytest

from faults import made_up, trees, truth
from faults.truth import Upload
from powerview.mv2 import clock, scan

PARIS = ZoneInfo("Europe/Paris")
ARRIVED = datetime.fromtimestamp(golden.ARRIVED, UTC)


def told_by_truth(data: bytes, zone: ZoneInfo = PARIS) -> truth.Points | None:
    """The points of a file by the plain reading; None if it cannot be read."""
    return by_truth(Upload("client", "campaign", "1", "x.tsv", data), ARRIVED, zone)


def by_truth(upload: Upload, arrived: datetime, zone: ZoneInfo = PARIS) -> truth.Points | None:
    try:
        return truth.points_of_file(upload, zone, arrived)
    except truth.Unreadable:
        return None


def told_by_parser(data: bytes, zone: ZoneInfo = PARIS) -> truth.Points | None:
    """The points of a file by the parser's reader and encoder; None if it cannot be read."""
    return by_parser(Upload("client", "campaign", "1", "x.tsv", data), ARRIVED, zone)


def by_parser(upload: Upload, arrived: datetime, zone: ZoneInfo = PARIS) -> truth.Points | None:
    try:
        lines = golden.points(golden.read(upload.data, zone, arrived.timestamp(), upload.name, upload.device))
    except golden.NotReadable:
        return None
    points = {}
    for (series, seconds), value in lines.items():
        measurement, *tags = re.split(r"(?<!\\),", series)
        pairs = tuple(sorted(tuple(plain(part) for part in re.split(r"(?<!\\)=", tag)) for tag in tags))
        points["client", plain(measurement), pairs, seconds] = float(value)
    return points


def plain(escaped: str) -> str:
    """A name of line protocol without its escapes."""
    return re.sub(r"\\([,= ])", r"\1", escaped)


def rows(text: str) -> bytes:
    """A V002 file of one channel: lines `DD/MM/YY HH:MM:SS value`."""
    body = [re.sub(r"^(\S+ \S+) ", r"\1\t", line.strip()) for line in text.strip().splitlines()]
    return "\n".join(["1\t1", "MV_T302_V002\tA V", *body, ""]).encode()


def short(points: truth.Points) -> list[str]:
    """Readings as `HH:MM:SS value` in UTC, events as `HH:MM:SS restart`, in the order of time."""
    logged = []
    for (_, measurement, tags, seconds), value in points.items():
        what = dict(tags)["event"] if measurement == "powerview_events" else value
        logged.append(f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S} {what}")
    return sorted(logged)


CASES = {
    "an unterminated row never counts": (rows("01/10/25 12:00:00 1.0") + b"01/10/25 12:10:00\t2", ["10:00:00 1.0"]),
    "the later of two equal stamps wins": (
        rows("01/10/25 12:00:00 1.0\n01/10/25 12:00:00 2.0"), ["10:00:00 2.0"]),
    "the later row wins whole, with its missing cells": (
        rows("01/10/25 12:00:00 1.0\n01/10/25 12:00:00 ---\n01/10/25 12:10:00 2.0"), ["10:10:00 2.0"]),
    "a row that steps back behind a marker does not win": (
        rows("01/10/25 10:10:00 240.69\n01/10/25 10:16:38 0\n01/10/25 10:10:00 235.84\n01/10/25 10:20:00 1.0"),
        ["08:10:00 240.69", "08:10:00 restart", "08:20:00 1.0"]),
    "a marker between its neighbours keeps its stamp": (
        rows("01/10/25 10:10:00 1.0\n01/10/25 10:16:38 0\n01/10/25 10:20:00 1.1"),
        ["08:10:00 1.0", "08:16:38 restart", "08:20:00 1.1"]),
    "a marker outside its neighbours takes the next reading's time": (
        rows("01/10/25 10:10:00 1.0\n01/10/25 12:16:38 0\n01/10/25 10:20:00 1.1"),
        ["08:10:00 1.0", "08:20:00 1.1", "08:20:00 restart"]),
    "a marker at the end keeps its stamp": (
        rows("01/10/25 10:10:00 1.0\n01/10/25 10:16:38 0"), ["08:10:00 1.0", "08:16:38 restart"]),
    "an unset clock is an event at the next reading": (
        rows("01/01/20 01:00:02 9.0\n01/10/25 10:10:00 1.0"), ["08:10:00 1.0", "08:10:00 clock_unset"]),
    "an unset clock with nothing behind it leaves nothing": (rows("01/01/20 01:00:02 9.0"), []),
    "the double hour is resolved by the order of rows": (
        rows("26/10/25 01:50:00 1.0\n26/10/25 02:30:00 2.0\n26/10/25 02:00:00 3.0\n26/10/25 03:00:00 4.0"),
        ["00:30:00 2.0", "01:00:00 3.0", "02:00:00 4.0", "23:50:00 1.0"]),
    "the second pass goes on behind a row of another time": (
        rows("26/10/25 02:30:00 1.0\n26/10/25 02:00:00 2.0\n26/10/25 01:00:00 3.0\n26/10/25 02:30:00 4.0"),
        ["00:30:00 1.0", "01:00:00 2.0", "01:30:00 4.0", "23:00:00 3.0"]),
    "a file that begins inside the double hour began in its second pass": (
        rows("26/10/25 02:30:00 1.0\n26/10/25 03:00:00 2.0"), ["01:30:00 1.0", "02:00:00 2.0"]),
    "the hour passed once is summer's": (
        rows("26/10/25 01:50:00 1.0\n26/10/25 02:30:00 2.0"), ["00:30:00 2.0", "23:50:00 1.0"]),
    "a reading an hour is there twice in the double hour": (
        rows("26/10/25 01:00:00 1.0\n26/10/25 02:00:00 2.0\n26/10/25 02:00:00 3.0\n26/10/25 03:00:00 4.0"),
        ["00:00:00 2.0", "01:00:00 3.0", "02:00:00 4.0", "23:00:00 1.0"]),
    "a file of a reading an hour may begin in the double hour": (
        rows("26/10/25 02:00:10 2.0\n26/10/25 02:00:00 3.0\n26/10/25 03:00:00 4.0"),
        ["00:00:10 2.0", "01:00:00 3.0", "02:00:00 4.0"]),
    "and with one stamp": (
        rows("26/10/25 02:00:00 2.0\n26/10/25 02:00:00 3.0\n26/10/25 03:00:20 4.0"),
        ["00:00:00 2.0", "01:00:00 3.0", "02:00:20 4.0"]),
    "and may end there": (
        rows("26/10/25 01:00:00 1.0\n26/10/25 02:00:00 2.0\n26/10/25 02:00:00 3.0"),
        ["00:00:00 2.0", "01:00:00 3.0", "23:00:00 1.0"]),
    "the same stamp twice in the double hour is no second pass where rows come more often": (
        rows("26/10/25 01:50:00 1.0\n26/10/25 02:00:00 2.0\n26/10/25 02:00:00 3.0\n26/10/25 03:00:00 4.0"),
        ["00:00:00 3.0", "02:00:00 4.0", "23:50:00 1.0"]),
    "nor behind a gap": (
        rows("26/10/25 00:00:00 1.0\n26/10/25 02:00:00 2.0\n26/10/25 02:00:00 3.0"),
        ["00:00:00 3.0", "22:00:00 1.0"]),
    "nor with a marker between": (
        rows("26/10/25 01:00:00 1.0\n26/10/25 02:00:00 2.0\n26/10/25 02:00:00 0\n26/10/25 02:00:00 3.0"),
        ["00:00:00 3.0", "00:00:00 restart", "23:00:00 1.0"]),
    "nor where there is nothing else": (rows("26/10/25 02:00:00 2.0\n26/10/25 02:00:00 3.0"), ["01:00:00 3.0"]),
    "an hour that March leaves out is winter's": (
        rows("30/03/25 01:50:00 1.0\n30/03/25 02:30:00 2.0"), ["00:50:00 1.0", "01:30:00 2.0"]),
    "a leap day is a day": (rows("29/02/24 12:00:00 1.0\n29/02/25 12:00:00 2.0"), ["11:00:00 1.0"]),
    "cells that are no finite numbers are left out": (
        rows("01/10/25 12:00:00 nan\n01/10/25 12:01:00 1e999\n01/10/25 12:02:00 1_0\n01/10/25 12:03:00 1e2"),
        ["10:03:00 100.0"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_both_readings_say_what_was_written_out_by_hand(name):
    data, wanted = CASES[name]
    assert short(told_by_truth(data)) == wanted
    assert short(told_by_parser(data)) == wanted


def test_channels_of_one_name_on_one_device_are_reported_apart_by_their_place():
    head = b"1\t1\t1\t2\t1\nMV_T302_V002\tChambre 2\tChambre 2\tChambre 2\tChambre 2 V\n"
    head += b"01/10/25 12:00:00\t1.0\t2.0\t3.0\t4.0\n"
    logged = {
        (dict(tags)["channel"], dict(tags).get("unit")): value for (_, _, tags, _), value in told_by_truth(head).items()
    }
    assert logged == {
        ("SN: 1 - Ch: Chambre 2 (1)", None): 1.0,
        ("SN: 1 - Ch: Chambre 2 (2)", None): 2.0,
        ("SN: 2 - Ch: Chambre 2", None): 3.0,
        ("SN: 1 - Ch: Chambre 2", "V"): 4.0,
    }
    assert told_by_parser(head) == told_by_truth(head)


@pytest.mark.parametrize("sample", trees.samples(), ids=lambda sample: sample.name)
def test_both_readings_of_a_sample_agree(sample):
    assert told_by_parser(sample.read_bytes()) == told_by_truth(sample.read_bytes())


@pytest.mark.slow
def test_both_readings_agree_on_every_cut_of_a_files_end():
    for sample in trees.samples():
        data = sample.read_bytes()
        for end in range(max(0, len(data) - 75), len(data)) if len(data) < 8000 else ():
            assert told_by_parser(data[:end]) == told_by_truth(data[:end]), f"{sample.name} cut at byte {end}"


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[pytest.mark.slow] if seed else []) for seed in range(8)])
def test_both_readings_agree_on_damaged_files(seed):
    chance = random.Random(seed)
    whole = [s.read_bytes() for s in trees.samples() if 500 < s.stat().st_size < 30_000]
    for number in range(60):
        data = trees.damaged(chance.choice(whole), chance)
        assert told_by_parser(data) == told_by_truth(data), f"seed {seed}, damaged file {number}"


ZONES = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"]


@pytest.mark.parametrize("zone", ZONES)
def test_both_readings_agree_on_every_night_of_a_clock_change(zone):
    for night in trees.clock_changes(ZoneInfo(zone), 2025):
        data = trees.v002(trees.local_stretch(night - timedelta(hours=5), 60, ZoneInfo(zone)), *trees.columns("1"))
        agreed = told_by_truth(data, ZoneInfo(zone))
        assert told_by_parser(data, ZoneInfo(zone)) == agreed
        assert len({seconds for *_, seconds in agreed}) == 60, f"{zone}, {night}: readings overwrite each other"


QUICK, MANY = 300, 3000


def test_where_blocks_and_parts_begin_changes_nothing(monkeypatch):
    chance = random.Random(7)
    for number in range(250):
        upload, arrived = made_up.upload(chance)
        wanted = by_parser(upload, arrived)
        with monkeypatch.context() as small:
            longest = max(map(len, upload.data.split(b"\n"))) + 1
            small.setattr(scan, "BLOCK_BYTES", longest + chance.randrange(60))
            small.setattr(clock, "_PART", chance.choice([1, 2, 5]))
            assert by_parser(upload, arrived) == wanted, f"file {number}: {upload.name}, {arrived}, {upload.data!r}"


@pytest.mark.parametrize(
    ("seed", "count"), [(seed, QUICK) for seed in range(8)]
    + [pytest.param(seed, MANY, marks=pytest.mark.slow) for seed in range(100, 110)],
)  # fmt: skip
def test_both_readings_agree_on_made_up_files(seed, count):
    chance = random.Random(seed)
    for number in range(count):
        upload, arrived = made_up.upload(chance)
        wanted, found = by_truth(upload, arrived), by_parser(upload, arrived)
        assert found == wanted, f"seed {seed}, file {number}: {upload.name}, {arrived}, {upload.data!r}"
