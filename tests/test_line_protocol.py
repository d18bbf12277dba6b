"""A Recording to InfluxDB line protocol, and what a real InfluxDB makes of it."""

from __future__ import annotations

import golden
import pytest
import requests
from trees import v002

from powerview.mv2 import Channel, Event
from powerview.mv2.cells import finite
from powerview.store import line_protocol


def lines_of(data: bytes, campaign: str = "roof") -> list[str]:
    """All lines of a file."""
    return b"".join(lines for _, lines in golden.encoded(golden.read(data), campaign)).decode().splitlines()


def test_a_file_becomes_one_point_for_each_cell_channel_by_channel():
    data = v002(
        "01/07/25 12:00:00 240.50 -0.0", "01/07/25 12:10:00 241.00 1e3", labels=("Ph 1 V", "Chambre 2"),
        devices=["02001283", "04000466"],
    )  # fmt: skip
    first = (
        "roof,campaign=roof,channel=SN:\\ 02001283\\ -\\ Ch:\\ Ph\\ 1,"
        "channel_idx=1,channel_name=Ph\\ 1,device=02001283,unit=V"
    )
    second = (
        "roof,campaign=roof,channel=SN:\\ 04000466\\ -\\ Ch:\\ Chambre\\ 2,"
        "channel_idx=1,channel_name=Chambre\\ 2,device=04000466"
    )
    assert lines_of(data) == [
        f"{first} value=240.50 1751364000",
        f"{first} value=241.00 1751364600",
        f"{second} value=-0.0 1751364000",
        f"{second} value=1e3 1751364600",
    ]


def test_events_come_behind_the_readings_in_a_measurement_of_their_own():
    data = v002("01/01/20 01:00:00 1.5 2.5", "01/07/25 12:00:00 240.50 1.5", "01/07/25 12:05:00 0 0")
    assert lines_of(data)[2:] == [
        "powerview_events,campaign=roof,device=02001283,event=clock_unset count=1 1751364000",
        "powerview_events,campaign=roof,device=02001283,event=restart count=1 1751364300",
    ]


def test_cells_that_were_left_out_write_nothing():
    data = v002("01/07/25 12:00:00 x 1.5", "01/07/25 12:10:00 y 2.5", "01/07/25 12:20:00 z w")
    assert [line.rsplit(" ", 2)[1:] for line in lines_of(data)] == [
        ["value=1.5", "1751364000"], ["value=2.5", "1751364600"]
    ]  # fmt: skip


def test_each_series_comes_with_the_lines_that_it_is_the_beginning_of():
    recording = golden.read(v002("01/07/25 12:00:00 1.5 2.5", "01/07/25 12:05:00 0 0"))
    for series, lines in golden.encoded(recording, "roof"):
        assert all(line.startswith(f"{series} ") for line in lines.decode().splitlines())


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Voie1", "Voie1"),
        ("a b", "a\\ b"),
        ("a,b=c", "a\\,b\\=c"),
        ("\"a\" 'b'", "\"a\"\\ 'b'"),
        ("a\\b\\", "a/b/"),
        ("a\\,b", "a/\\,b"),
        ("a\nb\rc\0d\x85e\u2028f", "a\\ b\\ c\\ d\\ e\\ f"),
        ("#a", "#a"),
        ("Été °C", "Été\\ °C"),
        ("{{ x }} $(id) `id` ${HOME}", "{{\\ x\\ }}\\ $(id)\\ `id`\\ ${HOME}"),
    ],
)
def test_a_tag_says_what_the_text_said_as_far_as_line_protocol_can(text, escaped):
    assert line_protocol.escape_tag(text) == escaped


def test_a_measurement_may_hold_an_equals_sign():
    assert line_protocol.escape_measurement("a b,c=d\\") == "a\\ b\\,c=d/"


def test_tags_without_a_value_are_left_out():
    key = line_protocol.series_key(Channel(1, "02001283", "Cave", None, "SN: 02001283 - Ch: Cave"), "roof")
    assert (
        key
        == "roof,campaign=roof,channel=SN:\\ 02001283\\ -\\ Ch:\\ Cave,channel_idx=1,channel_name=Cave,device=02001283"
    )


def test_there_are_no_lines_for_no_events():
    header = golden.read(v002("01/07/25 12:00:00 1.5 2.5")).header
    assert list(line_protocol.events(header, "roof", [])) == []
    assert list(line_protocol.events(header, "roof", [Event("restart", 5)])) == [
        (
            "powerview_events,campaign=roof,device=02001283,event=restart",
            b"powerview_events,campaign=roof,device=02001283,event=restart count=1 5\n",
        )
    ]


# ── a real InfluxDB ──────────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = [
    *("a,b", "a=b", "a b", "a\\", "a\\,b", 'a"b', "a'b", "a\rb", "a\x0bb\x0cc", "a\x1eb", "a\x85b", "a\u2028b", "a\0b"),
    *("#a", "a,value=1", "a value=9 1", "_field", "_measurement", "time", "nan", "true", "1", "-", ".", "//", 'r["a"]'),
    *("{{ a }}", "${a}", "$(id)", "`id`", "Été °C", "\N{PILE OF POO}", "\u202ea", "\N{NO-BREAK SPACE}a", "a\x7fb"),
    *("x" * 255, "é" * 255),
]


def as_stored(text: str) -> str:
    """What a text from a header is in InfluxDB: what would end a line is a blank, a backslash is a slash."""
    return "".join(" " if ord(c) < 32 or c in "\x7f\x85\u2028\u2029" else c for c in text).replace("\\", "/")


def test_hostile_labels_and_serials_reach_influxdb_as_one_series_each(influx, client):
    influx.make_bucket(client)
    labels = [f"{text} W" if len(text) < 250 else text for text in HOSTILE]
    devices = [f"{number}{text}"[:255].replace("\0", "") for number, text in enumerate(HOSTILE)]
    data = v002("01/07/25 12:00:00" + "".join(f" {n}.5" for n in range(len(labels))), labels=labels, devices=devices)
    for _, lines in golden.encoded(golden.read(data), "roof"):
        influx.write(client, lines)
    expected = {}
    for number, channel in enumerate(golden.read(data).header.channels):
        tags = {
            "campaign": "roof", "channel": as_stored(channel.channel), "channel_idx": "1",
            "channel_name": as_stored(channel.name), "device": as_stored(channel.device),
        }  # fmt: skip
        if len(channel.name) < 250:
            tags["unit"] = "W"
        expected["roof", tuple(sorted(tags.items())), 1_751_364_000] = number + 0.5
    assert len(expected) == len(HOSTILE)
    assert influx.points(client) == expected


NUMBERS = [
    *(
        "+5",
        "-5",
        "5.",
        "-5.",
        ".5",
        "-.5",
        "+.5",
        "1e3",
        "1E3",
        "1e+3",
        "1e-3",
        "1.e3",
        ".5e3",
        "1e308",
        "1e-400",
        "0e999",
    ),
    *("-0.0", "0", "-0", "00", "007", "249.37", "1e0000003", "4.9e-324", "1.7976931348623157e308"),
    *("9" * 300, "0" * 300, "0." + "3" * 300, "9" * 300 + "." + "9" * 300, "0." + "3" * 5000),
]


@pytest.mark.parametrize("text", NUMBERS, ids=lambda text: text[:24])
def test_influxdb_takes_every_number_that_the_reader_passes_on(influx, client, text):
    influx.make_bucket(client)
    influx.write(client, f"m value={finite(text)} 1751364000\n")
    assert [repr(value) for value in influx.points(client).values()] == [repr(float(text))]


@pytest.mark.parametrize("text", ["+5", "1e999", "nan", "inf", "0x10", "1_0", "1e", ".", "-", "", "5\0", "9" * 400])
def test_what_the_reader_leaves_out_or_rewrites_influxdb_does_refuse(influx, client, text):
    influx.make_bucket(client)
    assert finite(text) != text
    with pytest.raises(requests.HTTPError, match="400"):
        influx.write(client, f"m value={text} 1751364000\n")
