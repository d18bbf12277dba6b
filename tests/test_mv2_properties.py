"""What holds for the reader whatever the bytes are (hypothesis)."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import golden
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from trees import PREAMBLE, day_rows, v002, v003

from powerview.mv2 import NotReadable, Recording
from powerview.mv2.cells import plain_numbers
from powerview.store import line_protocol

Reading = tuple[str, int, str]
"""Channel, UTC seconds, value."""


def read(data: bytes) -> Recording | str:
    """The Recording of a file, or why it is not readable."""
    try:
        return golden.read(data)
    except NotReadable as error:
        return str(error)


def readings(data: bytes, block_rows: int = 4096) -> list[Reading]:
    """Every reading of a file in the order of its rows; none if it is not readable."""
    recording = read(data)
    if isinstance(recording, str):
        return []
    names = [channel.channel for channel in recording.header.channels]
    return [
        (names[column], int(time), value)
        for block in recording.blocks(block_rows)
        for time, row in zip(block.index, block.values.tolist(), strict=True)
        for column, value in enumerate(row)
        if value is not None
    ]


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────

SEEDS = [
    v002(*day_rows()),
    v003(*day_rows()),
    v002(
        "01/01/20 01:00:00 1.5 2.5", "26/10/25 01:50:00 1.5 2.5", "26/10/25 02:50:00 1.5 +.5",
        "26/10/25 02:00:00 0 0", "26/10/25 02:10:00 x 1",
    ),
    v003("21/01/26 10:10:00 1 2", "21/01/26 10:20:00 0 0", "21/01/26 10:10:00 3 4", "21/01/26 10:10:00 5 6"),
    v003(*day_rows(), preamble=PREAMBLE.replace(b'"UTC"', b'"Local"')),
    v002("01/07/25 12:00:00 1.5", labels=["Été °C"]).replace(b"\n", b"\r\n"),
]  # fmt: skip
PIECES = [
    *(
        b"\0",
        b"\n",
        b"\r\n",
        b"\r",
        b"\t",
        b"\t\t",
        b" ",
        b"0",
        b"-",
        b"+",
        b".",
        b"e",
        b"nan",
        b"9" * 400,
        b'"',
        b"\xff",
    ),
    *(b"\xef\xbb\xbf", b"\xff\xfe", "é".encode(), "\u2028".encode(), b"{", b"}", b"MV_T302_V002\tW", b"MV_T302_V003"),
    *(b"MV_T302_V004", b"START_HEADER\n", b"END_HEADER\n", b"START_DATA\n", b"END_DATA\n", b"\t0\t0\n"),
    b'{"DataTimeSettings":"Local","TimeZoneName":"Australia/Lord_Howe"}\n',
    *(b"31/02/25 12:00:00", b"01/01/20 00:00:00", b"31/12/68 23:59:59", b"01/01/69 00:00:00"),
    *(b"26/10/25 02:30:00\t1\t2\n", b"30/03/25 02:30:00\t1\t2\n", b"99/99/99 99:99:99\t1\t2\n"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file in which some stretches were replaced by others."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 60)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=20) | st.sampled_from(SEEDS))
        data = data[:start] + piece + data[stop:]
    return data


numbers = st.from_regex(r"[+-]?([0-9]{1,4}(\.[0-9]{0,3})?|\.[0-9]{1,3})([eE][+-]?[0-9]{1,2})?", fullmatch=True)
cells = st.sampled_from(["0", "0.0", "-0.0", "", "x"]) | numbers
START = datetime(2025, 10, 20)


@st.composite
def logger_files(draw: st.DrawFn) -> bytes:
    """A whole file of either format whose stamps only grow, with markers and rows of an unset clock in between."""
    width = draw(st.integers(1, 4))
    time, rows = START, []
    for minutes in draw(st.lists(st.integers(1, 700), max_size=25)):
        time += timedelta(minutes=minutes)
        kind = draw(st.sampled_from(["reading"] * 6 + ["marker", "unset"]))
        stamp = "01/01/20 01:00:02" if kind == "unset" else time.strftime("%d/%m/%y %H:%M:%S")
        values = ["0"] * width if kind == "marker" else draw(st.lists(cells, min_size=width, max_size=width))
        rows.append(f"{stamp}\t" + "\t".join(values))
    labels = [f"Voie{n} W" for n in range(width)]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return draw(st.sampled_from([v002, v003]))(*rows, labels=labels).replace(b"\n", end.encode())


# ── no bytes whatever ────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.binary(max_size=400) | damaged())
@settings(max_examples=1500)
@example(b'START_HEADER\n{"DataTimeSettings":"Local","TimeZoneName":"\\ud800"}\nEND_HEADER\nSTART_DATA\n')
@example(b'START_HEADER\n{"DataTimeSettings":"Local","TimeZoneName":"a\\u0000b"}\nEND_HEADER\nSTART_DATA\n')
@example(b'START_HEADER\n{"DataTimeSettings":"Local","TimeZoneName":"."}\nEND_HEADER\nSTART_DATA\n')
@example(b'START_HEADER\n\xff\xfe{\x00}\x00\nEND_HEADER\nSTART_DATA\n')  # fmt: skip
def test_no_bytes_raise_anything_but_not_readable_and_every_value_is_a_finite_number(data):
    recording = read(data)
    if isinstance(recording, str):
        assert recording
        assert "\n" not in recording
        return
    lines = [part for _, part in golden.encoded(recording, golden.CAMPAIGN)]
    count = 0
    for line in b"".join(lines).decode().removesuffix("\n").split("\n") if lines else ():
        _, value, seconds = line.rsplit(" ", 2)
        assert math.isfinite(float(value.split("=")[1]))
        assert 1_577_836_800 <= int(seconds) <= golden.ARRIVED + 86_400
        count += value.startswith("value=")
    assert count == recording.readings


@given(st.text(max_size=12) | st.sampled_from(["Europe", "posixrules", "tzdata", "zone.tab", "../UTC", "/etc/passwd"]))
@settings(max_examples=300)
def test_no_name_of_a_time_zone_raises_anything_but_not_readable(name):
    said = json.dumps({"DataTimeSettings": "Local", "TimeZoneName": name})
    data = v003(*day_rows(), preamble=f"START_HEADER\n{said}\nEND_HEADER\nSTART_DATA\n".encode())
    recording = read(data)
    if isinstance(recording, str):
        assert "is not the name of a time zone" in recording
    else:
        assert recording.rows == 3


@given(logger_files() | damaged(), st.integers(1, 9))
@settings(max_examples=300)
def test_the_size_of_the_blocks_changes_no_reading(data, block_rows):
    assert readings(data, block_rows) == readings(data)


@given(numbers | st.floats(allow_nan=False, allow_infinity=False).map(repr))
@settings(max_examples=500)
def test_a_number_keeps_its_value_and_unless_influxdb_refuses_its_form_its_text(cell):
    value = readings(v002(f"01/07/25 12:00:00 {cell} 1.5"))[0][2]
    assert float(value) == float(cell)
    assert math.copysign(1, float(value)) == math.copysign(1, float(cell))
    if not cell.startswith("+") and not cell.removeprefix("-").startswith("."):
        assert value == cell


PLAIN = re.compile(rb"-?[0-9]+(\.[0-9]+)?")


@pytest.mark.slow
@given(st.lists(st.text("0129.-+e \0", max_size=6).map(str.encode) | numbers.map(str.encode), min_size=1, max_size=6))
@settings(max_examples=2000)
@example([b"1" * 299])
@example([b"1" * 300])
@example([b"1\x80"])
@example([b"1\xff"])
def test_plain_numbers_are_proved_over_all_bytes_as_one_by_one(found):
    each = all(PLAIN.fullmatch(cell) and len(cell) < 300 for cell in found)
    assert plain_numbers(b"\t" + b"".join(cell + b"\t" for cell in found)) == each


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\t\n", exclude_categories=["Cs"]), max_size=40),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=300)
def test_whatever_the_labels_are_no_two_channels_have_one_series_and_none_ends_its_line(labels):
    assume(all(len(label) <= 255 for label in labels))
    recording = golden.read(v002("01/07/25 12:00:00\t" + "\t".join("1.5" for _ in labels), labels=labels))
    series = [line_protocol.series_key(channel, "campaign") for channel in recording.header.channels]
    assert len(set(series)) == len(labels)
    for text in series:
        assert len(text.splitlines()) == 1
        assert "\\" not in text.replace("\\ ", "").replace("\\,", "").replace("\\=", "")


# ── cuts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(logger_files(), st.data())
@settings(max_examples=150)
def test_a_file_cut_anywhere_has_no_reading_that_the_whole_file_has_not(data, draw):
    whole = set(readings(data))
    for cut in draw.draw(st.lists(st.integers(0, len(data)), min_size=1, max_size=12)):
        assert set(readings(data[:cut])) <= whole


@pytest.mark.parametrize("data", SEEDS)
def test_a_small_file_cut_at_any_byte_has_no_stamp_that_the_whole_file_has_not(data):
    whole = {(channel, time) for channel, time, _ in readings(data)}
    for cut in range(len(data)):
        assert {(channel, time) for channel, time, _ in readings(data[:cut])} <= whole


@cache
def sample_readings(sample) -> tuple[bytes, frozenset[Reading], frozenset[int]]:
    """A sample, its readings, and the instants of its stamps that come twice."""
    data = sample.read_bytes()
    found = readings(data)
    stamps = [line[:17] for line in data.split(b"\n") if line.count(b"\t") and not line.endswith(b"\t0\t0\t0\t0\t0\t0")]
    twice = {stamp for stamp in stamps if stamps.count(stamp) > 1}
    return data, frozenset(found), frozenset(instants(twice))


def instants(stamps: set[bytes]) -> set[int]:
    """Every instant that a stamp can mean."""
    read = (datetime.strptime(s.decode(), "%d/%m/%y %H:%M:%S") for s in stamps if s[2:3] == b"/")
    zones = ((time.replace(tzinfo=golden.ZONE), time.replace(tzinfo=UTC)) for time in read)
    return {int(time.timestamp()) for pair in zones for time in pair}


def cuts(data: bytes) -> list[int]:
    """Where to cut: every byte of the last two rows, and places spread over the file."""
    two_rows = len(data) - data[:-2].rfind(b"\n", 0, data[:-2].rfind(b"\n"))
    spread = range(0, len(data), max(1, len(data) // 30))
    return sorted({*spread, *range(max(0, len(data) - min(two_rows, 120)), len(data))})


@pytest.mark.parametrize("sample", golden.samples(), ids=lambda sample: sample.name)
def test_a_sample_cut_anywhere_has_no_reading_that_the_whole_has_not(sample):
    data, whole, twice = sample_readings(sample)
    for cut in cuts(data):
        for channel, time, value in set(readings(data[:cut])) - whole:
            # of a stamp that comes twice the cut may have taken the row that wins: its own stands until the rest comes
            assert time in twice, (cut, channel, time, value)


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    zone=st.sampled_from(
        ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/Santiago"]
    ),
    change=st.sampled_from(["2025-03-30", "2025-10-26", "2025-03-09", "2025-11-02", "2025-04-06", "2025-10-05"]),
    hours_before=st.integers(3, 30),
    steps=st.lists(st.integers(1, 15), min_size=20, max_size=120),
)
@settings(max_examples=150)
def test_rows_at_most_a_quarter_of_an_hour_apart_are_at_their_true_time(zone, change, hours_before, steps):
    there = ZoneInfo(zone)
    time = datetime.fromisoformat(f"{change}T12:00Z") - timedelta(hours=hours_before)
    assume(time.astimezone(there).utcoffset() == (time + timedelta(hours=1)).astimezone(there).utcoffset())
    true = []
    for minutes in steps:
        time += timedelta(minutes=minutes)
        true.append(time)
    first = true[0].astimezone(there)
    assume(first.replace(fold=0).utcoffset() == first.replace(fold=1).utcoffset())  # does not begin inside the hour
    rows = [t.astimezone(there).strftime("%d/%m/%y %H:%M:%S 1.5 2.5") for t in true]
    recording = golden.read(v002(*rows), zone=there)
    assert [int(t) for block in recording.blocks() for t in block.index] == [int(t.timestamp()) for t in true]
