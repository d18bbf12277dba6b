"""One logger file to one Recording."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import golden
import pandas as pd
import pytest
from trees import PREAMBLE, ROOT, day_rows, v002, v003
from waiting import LONG

from powerview import mv2
from powerview.mv2 import AS_WRITTEN, SEND_AGAIN, UPDATE_FIRST, Changed, Channel, NotReadable, read_recording, scan
from powerview.store.line_protocol import escape_tag

LOCAL = PREAMBLE.replace(b'"UTC"', b'"Local"')


def rows(data: bytes, **how) -> list[tuple[str, ...]]:
    """The rows that count: `MM-DD HH:MM:SS` in UTC, then the cells, in the file's order."""
    recording = golden.read(data, **how)
    return [row for block in recording.blocks() for row in zip(map(short, block.index), *cells(block), strict=True)]


def cells(block: pd.DataFrame) -> list[list[str | None]]:
    return [block[column].tolist() for column in block]


def short(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%m-%d %H:%M:%S")


def left_out(data: bytes, **how) -> dict[str, int]:
    recording = golden.read(data, **how)
    list(recording.blocks())
    return dict(+recording.left_out)


def events(data: bytes, **how) -> list[tuple[str, str]]:
    return [(event.kind, short(event.time)) for event in golden.read(data, **how).events]


def why_not(data: bytes) -> str:
    with pytest.raises(NotReadable) as error:
        golden.read(data)
    return str(error.value)


def channels(*labels: str, devices: list[str] | None = None) -> list[tuple]:
    header = golden.read(v002("01/07/25 00:00:00" + " 1.0" * len(labels), labels=labels, devices=devices)).header
    return [(c.idx, c.device, c.name, c.unit, c.channel) for c in header.channels]


# ── formats ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_v002_file_has_local_stamps():
    assert rows(v002("01/07/25 12:00:00 240.50 1.0")) == [("07-01 10:00:00", "240.50", "1.0")]


def test_a_v003_file_says_that_its_stamps_are_utc():
    assert rows(v003("01/07/25 12:00:00 240.50 1.0")) == [("07-01 12:00:00", "240.50", "1.0")]


def test_a_v003_file_can_say_that_its_stamps_are_local_and_where():
    new_york = LOCAL.replace(b"Europe/Paris", b"America/New_York")
    assert rows(v003("01/07/25 12:00:00 240.50 1.0", preamble=new_york)) == [("07-01 16:00:00", "240.50", "1.0")]


def test_the_header_says_what_stands_above_the_readings():
    header = golden.read(v003(*day_rows())).header
    assert header == mv2.Header(
        model="MV_T302_V003", version="003", master="02001311", zone=None, end_mark=b"END_DATA",
        channels=(
            Channel(1, "02001311", "Ph 1", "V", "SN: 02001311 - Ch: Ph 1"),
            Channel(2, "02001311", "Voie1", "W", "SN: 02001311 - Ch: Voie1"),
        ),
        first_row=len(v003(end=b"")), lines=6,
        rows=(b"02001311\t02001311\t02001311", b"MV_T302_V003\tPh 1 V\tVoie1 W"),
    )  # fmt: skip


@pytest.mark.parametrize("model", [b"MV_T202_V002", b"MV_T999_V002", b"MV_X1_V002"])
def test_any_model_number_will_do(model):
    assert golden.read(v002(*day_rows()).replace(b"MV_T302_V002", model)).header.model == model.decode()


@pytest.mark.parametrize("file", [v002(*day_rows()), v003(*day_rows())])
@pytest.mark.parametrize("version", [b"V001", b"V004", b"V999"])
def test_another_version_is_refused_by_its_name(file, version):
    data = file.replace(b"V002", version).replace(b"V003", version)
    line = 2 if file == v002(*day_rows()) else 6
    marker = f"MV_T302_{version.decode()}"
    assert why_not(data) == f"line {line}: {marker}: versions 002 and 003 are known. {UPDATE_FIRST}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", f"the file is empty. {SEND_AGAIN}"),
        (b"\n", f"the file ends inside its header, after line 1. {SEND_AGAIN}"),
        (b"02001283", f"line 1 of the header ends without a newline: this is not a complete MV2 file. {SEND_AGAIN}"),
        (b"02001283\t02001283\n", f"the file ends inside its header, after line 1. {SEND_AGAIN}"),
        (
            b"02001283\t02001283\nMV_T302_V00",
            f"line 2 of the header ends without a newline: this is not a complete MV2 file. {SEND_AGAIN}",
        ),
        (v002(), f"there is no complete row behind line 2, the header: nothing. {SEND_AGAIN}"),
        (v003(), f"there is no complete row behind line 6, the header: nothing. {SEND_AGAIN}"),
        (
            v002("31/02/25 00:00:00 1 2", "30/02/25 00:00:00 1 2"),
            f"there is no complete row behind line 2, the header: 2 bad stamps. {SEND_AGAIN}",
        ),
        (
            v002("hello") + b"01/07/25 00:00:00\t1",
            "there is no complete row behind line 2, the header: 1 malformed rows, 1 cut rows; "
            f"line 3 has 1 cells, the header has 3. {AS_WRITTEN}",
        ),
        (
            v003("01/07/2025 12:00:00 1 2", "2025-07-01 12:10:00 1 2"),
            "there is no complete row behind line 6, the header: 2 malformed rows; "
            f"line 7 does not begin with a stamp DD/MM/YY HH:MM:SS. {AS_WRITTEN}",
        ),
        (
            v002("01/07/25 12:00:00 1 2 3"),
            "there is no complete row behind line 2, the header: 1 malformed rows; "
            f"line 3 has 4 cells, the header has 3. {AS_WRITTEN}",
        ),
        (
            v002(*day_rows()).replace(b"\n", b"\r"),
            f"line 1 ends with a carriage return alone, where a newline is wanted. {AS_WRITTEN}",
        ),
        (
            b"a,b\n1,2\n",
            "line 2: MV_<model>_V<version> must be in the first cell, not '1,2': this is not an MV2 logger file. "
            "Only .tsv files of MV2 loggers belong here.",
        ),
        (
            b"x\n" + b"y" * 50 + b"\n",
            f"line 2: MV_<model>_V<version> must be in the first cell, not '{'y' * 40}': this is not an MV2 logger "
            "file. Only .tsv files of MV2 loggers belong here.",
        ),
        (
            v002(*day_rows()).replace(b"MV_", b"XX_"),
            "line 2: MV_<model>_V<version> must be in the first cell, not 'XX_T302_V002': this is not an MV2 logger "
            "file. Only .tsv files of MV2 loggers belong here.",
        ),
        (
            v002(*day_rows()).replace(b"V002", b"V003"),
            "MV_T302_V003, but the file does not begin with START_HEADER: nothing names its clock. " + SEND_AGAIN,
        ),
        (
            v002(*day_rows()).decode().encode("utf-16"),
            "the file is UTF-16 text; MV2 loggers write ASCII. Save it as UTF-8 and upload it again.",
        ),
        (
            v002(*day_rows()).decode().encode("utf-16-le"),
            f"line 1 contains NUL bytes: this is not an MV2 file, or its beginning was lost. {SEND_AGAIN}",
        ),
        (
            b"\0" * 5000 + v002(*day_rows()),
            f"line 1 contains NUL bytes: this is not an MV2 file, or its beginning was lost. {SEND_AGAIN}",
        ),
        (
            b"1\t1\t1\nMV_T302_V002\tV\n",
            f"line 1 has 3 cells, line 2 has 2: each column needs a serial number above its label. {SEND_AGAIN}",
        ),
        (b"02001283\nMV_T302_V002\n", f"line 2: there is a time column, but no channel. {SEND_AGAIN}"),
        (
            b"\t02001283\nMV_T302_V002\tV\n",
            f"line 1: the first cell must hold the serial number of the logger. {SEND_AGAIN}",
        ),
        (
            b"1\t1\nMV_T302_V002\t" + b"long name " * 30 + b"\n",
            "lines 1 and 2: 'long name long name '… is longer than 255 characters. Shorten it there and upload "
            "the file again.",
        ),
        (
            b"1" + b"\t1" * 1001 + b"\nMV_T302_V002" + b"\tV" * 1001 + b"\n",
            "line 2 has more than 1000 channels: this is not an MV2 logger file. Only .tsv files of MV2 loggers belong "
            "here.",
        ),
        (
            b"x" * (1 << 20) + b"\n",
            f"line 1 of the header is longer than 1 MiB: this is not a complete MV2 file. {SEND_AGAIN}",
        ),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_what_is_wrong_where_and_what_to_do(data, reason):
    assert why_not(data) == reason


NO_JSON = "line 2: the header is not valid JSON: "


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b'{"DataTimeSettings":"UTC"', f"{NO_JSON}Expecting ',' delimiter: line 1 column 26 (char 25). {SEND_AGAIN}"),
        (b"[]", f"line 2: the header must be a JSON object. {SEND_AGAIN}"),
        (b"{}", f"line 2: without DataTimeSettings the header does not name the clock. {UPDATE_FIRST}"),
        (b'{"DataTimeSettings":"Local"}', f"line 2: TimeZoneName '' is not the name of a time zone. {UPDATE_FIRST}"),
        (b"[" * 500_000, f"{NO_JSON}numbers or brackets without end. {SEND_AGAIN}"),
        (b'{"DataTimeSettings":' + b"9" * 5000 + b"}", f"{NO_JSON}numbers or brackets without end. {SEND_AGAIN}"),
        (
            b'{"DataTimeSettings":"GPS","TimeZoneName":"Europe/Paris"}',
            f"line 2: DataTimeSettings 'GPS': UTC and local are known. {UPDATE_FIRST}",
        ),
        (
            b'{"DataTimeSettings":"Local","TimeZoneName":"Europe/Nowhere"}',
            f"line 2: TimeZoneName 'Europe/Nowhere' is not the name of a time zone. {UPDATE_FIRST}",
        ),
        (
            b'{"DataTimeSettings":"Local","TimeZoneName":"../../etc/passwd"}',
            f"line 2: TimeZoneName '../../etc/passwd' is not the name of a time zone. {UPDATE_FIRST}",
        ),
        (
            b'{"DataTimeSettings":"Local","TimeZoneName":"Europe"}',
            f"line 2: TimeZoneName 'Europe' is not the name of a time zone. {UPDATE_FIRST}",
        ),
        (
            b'{"DataTimeSettings":"Local","TimeZoneName":"' + b"A" * 5000 + b'"}',
            f"line 2: TimeZoneName '{'A' * 40}' is not the name of a time zone. {UPDATE_FIRST}",
        ),
        (
            b'{"DataTimeSettings":"Local","TimeZoneName":""}',
            f"line 2: TimeZoneName '' is not the name of a time zone. {UPDATE_FIRST}",
        ),
    ],
)  # fmt: skip
def test_a_json_header_that_says_no_zone_is_refused(said, reason):
    assert why_not(b"START_HEADER\n" + said + b"\nEND_HEADER\nSTART_DATA\n").startswith(reason)


def test_a_json_header_of_several_lines_is_read():
    preamble = PREAMBLE.replace(b",", b",\n")
    assert golden.read(v003(*day_rows(), preamble=preamble)).rows == 3


def test_marks_that_are_missing_are_named():
    assert (
        why_not(PREAMBLE.replace(b"START_DATA", b"DATA"))
        == f"line 4: START_DATA is missing here, after END_HEADER. {SEND_AGAIN}"
    )
    assert why_not(b"START_HEADER\n{}\n") == f"the file ends inside its header, after line 2. {SEND_AGAIN}"
    endless = b"START_HEADER\n" + b"{}\n" * 600_000
    assert why_not(endless) == f"line 524290: there is no END_HEADER within 1 MiB. {SEND_AGAIN}"


# ── encodings and line ends ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("file", [v002, v003])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_labels_are_utf_8_or_else_cp1252_and_lines_end_in_any_way(file, encoding, newline):
    data = file("01/07/25 12:00:00 1.5 20.5", labels=("Phase été V", "Cuve €1 °C"))
    data = data.decode().replace("\n", newline).encode(encoding)
    recording = golden.read(data)
    assert [(c.name, c.unit) for c in recording.header.channels] == [("Phase été", "V"), ("Cuve €1", "°C")]
    assert [row[1:] for row in rows(data)] == [("1.5", "20.5")]
    assert (recording.torn, left_out(data)) == (None, {})


def test_bytes_that_are_in_no_code_page_do_not_stop_a_file():
    data = v002("01/07/25 12:00:00 1.5", labels=["Cuve V"]).replace(b"Cuve", b"C\x81uve\xe9")
    assert golden.read(data).header.channels[0].name == "C\N{REPLACEMENT CHARACTER}uveé"


def test_blank_lines_count_for_nothing():
    data = v002(*day_rows()).replace(b"\n01", b"\n\n\r\n \n01")
    assert (len(rows(data)), left_out(data), golden.read(data).torn) == (3, {}, None)


# ── labels ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("label", "name", "unit"),
    [
        ("Ph 1 V", "Ph 1", "V"),
        ("Voie3 W", "Voie3", "W"),
        ("Puissance totale kW", "Puissance totale", "kW"),
        ("Index kWh", "Index", "kWh"),
        ("Réactive var", "Réactive", "var"),
        ("Apparente VA", "Apparente", "VA"),
        ("Fréquence Hz", "Fréquence", "Hz"),
        ("Départ °C", "Départ", "°C"),
        ("Humidité %", "Humidité", "%"),
        ("Courant A", "Courant", "A"),
        ("Chambre 2", "Chambre 2", None),
        ("Chambre", "Chambre", None),
        ("W", "W", None),
        ("Cave w", "Cave w", None),
        ("Cave  W", "Cave", "W"),
        ("  Cave W  ", "Cave", "W"),
        ("CaveW", "CaveW", None),
        ("", "1", None),
    ],
)
def test_the_last_word_of_a_label_is_its_unit_if_it_is_one(label, name, unit):
    assert channels(label) == [(1, "02001283", name, unit, f"SN: 02001283 - Ch: {name}")]


def test_channels_are_counted_for_each_device_and_known_by_serial_and_label():
    devices = ["02001283", "04000466", "04000466", "04000477"]
    assert channels("Voie1 W", "Voie1 W", "Voie2 W", "Voie1 W", devices=devices) == [
        (1, "02001283", "Voie1", "W", "SN: 02001283 - Ch: Voie1"),
        (1, "04000466", "Voie1", "W", "SN: 04000466 - Ch: Voie1"),
        (2, "04000466", "Voie2", "W", "SN: 04000466 - Ch: Voie2"),
        (1, "04000477", "Voie1", "W", "SN: 04000477 - Ch: Voie1"),
    ]


def test_two_channels_of_one_name_and_unit_on_one_device_are_reported_apart_by_their_number():
    assert channels("Cave W", "Cave V", "Cave W", "Cave") == [
        (1, "02001283", "Cave", "W", "SN: 02001283 - Ch: Cave (1)"),
        (2, "02001283", "Cave", "V", "SN: 02001283 - Ch: Cave"),
        (3, "02001283", "Cave", "W", "SN: 02001283 - Ch: Cave (3)"),
        (4, "02001283", "Cave", None, "SN: 02001283 - Ch: Cave"),
    ]


@pytest.mark.parametrize(
    "labels",
    [
        ["P W", "P W", "P (2) W"],
        ["P (2) W", "P W", "P W"],
        ["a\\b W", "a/b W"],
        ["", "1"],
        ["A W", "A W", "A (1) W", "A (2) W"],
    ],
)
def test_no_two_channels_of_a_unit_have_one_label_in_influxdb(labels):
    found = [(escape_tag(label), unit) for _, _, _, unit, label in channels(*labels)]
    assert len(set(found)) == len(labels)


def test_a_column_without_a_serial_belongs_to_the_master():
    assert channels("Cave W", "Toit W", devices=["", "04000466"]) == [
        (1, "02001283", "Cave", "W", "SN: 02001283 - Ch: Cave"),
        (1, "04000466", "Toit", "W", "SN: 04000466 - Ch: Toit"),
    ]


# ── which rows count ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"01/07/25 12:00:00\t1.5\n", {"malformed rows": 1}),
        (b"01/07/25 12:00:00\t1.5\t2.5\t3.5\n", {"malformed rows": 1}),
        (b"01/07/25 12:00:00\t1.5\t2.5\t\n", {"malformed rows": 1}),
        (b"01/07/2025 12:00:00\t1.5\t2.5\n", {"malformed rows": 1}),
        (b"1/7/25 12:00:00\t1.5\t2.5\n", {"malformed rows": 1}),
        (b"2025-07-01 12:00:00\t1.5\t2.5\n", {"malformed rows": 1}),
        (b"01/07/25 12:00\t1.5\t2.5\n", {"malformed rows": 1}),
        (b"01/07/25T12:00:00\t1.5\t2.5\n", {"malformed rows": 1}),
        (b" 01/07/25 12:00:00\t1.5\t2.5\n", {"malformed rows": 1}),
        (b"01/07/25 12:00:00 \t1.5\t2.5\n", {"malformed rows": 1}),
        ("٠١/07/25 12:00:00\t1.5\t2.5\n".encode(), {"malformed rows": 1}),
        (b"hello\n", {"malformed rows": 1}),
        (b"\0\0\0\0\n", {"malformed rows": 1}),
        (b"31/06/25 12:00:00\t1.5\t2.5\n", {"bad stamps": 1}),
        (b"01/13/25 12:00:00\t1.5\t2.5\n", {"bad stamps": 1}),
        (b"01/07/25 24:00:00\t1.5\t2.5\n", {"bad stamps": 1}),
        (b"01/07/25 12:00:61\t1.5\t2.5\n", {"bad stamps": 1}),
    ],
)
def test_a_row_of_another_shape_or_without_a_date_is_left_out_and_counted(line, reason):
    good = "01/07/25 10:00:00 7.5 8.5", "01/07/25 11:00:00 5.5 6.5"
    data = v002(good[0]) + line + v002(good[1]).split(b"\n", 2)[2]
    assert rows(data) == [("07-01 08:00:00", "7.5", "8.5"), ("07-01 09:00:00", "5.5", "6.5")]
    assert left_out(data) == reason
    assert golden.read(data).torn == ("there are malformed rows" if "malformed rows" in reason else None)


@pytest.mark.parametrize(
    ("end", "torn"),
    [
        (b"01/07/25 12:00:00\t240.5\t24", "the last row is cut"),
        (b"01/07/25 12:00:00\t240.5\t249.37", "the last row is cut"),
        (b"01/07/25 12:00:00\t240.5\t", "the last row is cut"),
        (b"01/07/25 12:00:00\t240.5", "the last row is cut"),
        (b"01/07/25 12:0", "the last row is cut"),
        (b"01/07/25 12:00:00\t0\t0", "the last row is cut"),
        (b"01/07/25 12:00:00\t240.5\t249.37\r", "the last row is cut"),
        (b"0", "the last row is cut"),
    ],
)
def test_a_last_row_without_its_newline_never_counts(end, torn):
    data = v002("01/07/25 11:00:00 5.5 6.5") + end
    assert rows(data) == [("07-01 09:00:00", "5.5", "6.5")]
    assert (golden.read(data).torn, left_out(data), events(data)) == (torn, {"cut rows": 1}, [])


@pytest.mark.parametrize("end", [b"END_DATA\n", b"END_DATA", b"END_DATA\r\n", b"\nEND_DATA\n\n"])
def test_a_v003_file_is_whole_with_its_end_mark(end):
    assert golden.read(v003(*day_rows(), end=end)).torn is None


@pytest.mark.parametrize("end", [b"", b"END_DAT", b"END_DAT\n", b"xEND_DATA\n", b"01/07/25 12:00:00\t240.5"])
def test_a_v003_file_without_its_end_mark_is_torn_and_its_rows_count(end):
    data = v003(*day_rows(), end=end)
    assert (golden.read(data).torn, len(rows(data))) == ("END_DATA is missing", 3)


def test_a_v002_file_may_end_anywhere_behind_a_newline():
    assert golden.read(v002(*day_rows())).torn is None


def test_a_header_that_comes_again_changes_nothing():
    once = v002("01/07/25 10:00:00 1.5 2.5")
    data = once + v002("01/07/25 11:00:00 3.5 4.5")
    assert rows(data) == [("07-01 08:00:00", "1.5", "2.5"), ("07-01 09:00:00", "3.5", "4.5")]
    assert golden.read(data).unread is None


def test_nothing_is_read_behind_another_header():
    once = v002("01/07/25 10:00:00 1.5 2.5")
    data = once + v002("01/07/25 11:00:00 3.5 4.5", labels=("Ph 1 V", "Cave W"))
    assert rows(data) == [("07-01 08:00:00", "1.5", "2.5")]
    assert golden.read(data).unread == (
        "line 5: another header begins here, with other channels or time settings. The rows above it are stored; "
        "upload the rest, from line 4 on, as a file of its own."
    )


def test_nothing_is_read_behind_a_header_with_another_clock():
    once = v003("01/07/25 10:00:00 1.5 2.5", end=b"")
    data = once + v003("01/07/25 12:00:00 3.5 4.5", preamble=LOCAL)
    assert rows(data) == [("07-01 10:00:00", "1.5", "2.5")]
    assert golden.read(data).unread.startswith("line 8: another header begins here, with other channels or time sett")


def test_a_v003_header_that_comes_again_whole_changes_nothing():
    data = v003("01/07/25 10:00:00 1.5 2.5", end=b"") + v003("01/07/25 12:00:00 3.5 4.5")
    assert [row[0] for row in rows(data)] == ["07-01 10:00:00", "07-01 12:00:00"]
    assert golden.read(data).unread is None


# ── cells ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cell_of_a_megabyte_of_digits_holds_nobody_up():
    data = v002("01/07/25 12:00:00 X 1.5").replace(
        b"X", b"1" * (1 << 19) + b"x"
    )  # a regular expression could take days
    assert rows(data) == [("07-01 10:00:00", None, "1.5")]


@pytest.mark.parametrize(
    "cell",
    ["0.0", "-0.0", "0", "-0", "249.37", "-3.0", "1e3", "1E3", "1e+3", "1e-3", "5.", "-5.", "007", "1" * 300,
     "0." + "1" * 300, "1.7976931348623157e308", "4.9e-324"],
)  # fmt: skip
def test_a_number_travels_as_the_logger_wrote_it(cell):
    assert rows(v002(f"01/07/25 12:00:00 {cell} 1.5")) == [("07-01 10:00:00", cell, "1.5")]


@pytest.mark.parametrize(
    ("cell", "text"),
    [("+5", "5"), ("+5.25", "5.25"), (".5", "0.5"), ("-.5", "-0.5"), ("+.5", "0.5"), (" 5.5", "5.5"), ("5.5 ", "5.5")],
)
def test_a_number_in_a_form_that_influxdb_does_not_take_is_given_the_form_it_takes(cell, text):
    data = v002("01/07/25 12:00:00 X 1.5").replace(b"X", cell.encode())
    assert rows(data) == [("07-01 10:00:00", text, "1.5")]


@pytest.mark.parametrize(
    "cell",
    [b"", b" ", b"-", b"+", b".", b"nan", b"NaN", b"inf", b"-inf", b"Infinity", b"1e999", b"-1e999", b"9" * 400, b"1e",
     b"e5", b"1,5", b"1_0", b"0x10", b"5i", b"1 5", b"1.2.3", b"--1", b"+-1", b"5\0", b"5\x009", b"\0", b"24\r5",
     b'"5"', b"'5", b"#5", b"\xff", "٥".encode(), "½".encode(), "−5".encode(), b"true", b"N/A", b"\\N"],
)  # fmt: skip
def test_a_cell_that_is_no_finite_number_is_left_out_and_the_rest_of_its_row_counts(cell):
    data = v002("01/07/25 12:00:00 X 1.5", "01/07/25 12:10:00 2.5 3.5").replace(b"X", cell)
    assert rows(data) == [("07-01 10:00:00", None, "1.5"), ("07-01 10:10:00", "2.5", "3.5")]
    assert left_out(data) == {"cells": 1}
    assert golden.read(data).torn is None


def test_the_only_cell_of_a_row_may_be_missing():
    data = v002("01/07/25 12:00:00 ", "01/07/25 12:10:00 1.5", labels=["V"])
    assert rows(data) == [("07-01 10:00:00", None), ("07-01 10:10:00", "1.5")]


def test_readings_are_counted_without_the_cells_that_were_left_out():
    recording = golden.read(v002("01/07/25 12:00:00 x 1.5", "01/07/25 12:10:00 2.5 3.5"))
    for _ in range(2):
        list(recording.blocks())
        assert (recording.rows, recording.readings, recording.left_out) == (2, 3, Counter(cells=1))


def test_the_frame_holds_all_readings_as_floats_in_the_order_of_time():
    data = v002("01/07/25 12:10:00 2.5 x", "01/07/25 12:00:00 0.5 1.5")
    expected = pd.DataFrame(
        {"SN: 02001283 - Ch: Ph 1": [0.5, 2.5], "SN: 02001283 - Ch: Voie1": [1.5, float("nan")]},
        index=pd.to_datetime(["2025-07-01 10:00:00", "2025-07-01 10:10:00"], utc=True).rename("time"),
    )
    pd.testing.assert_frame_equal(golden.read(data).frame(), expected)


def test_the_frame_of_a_file_without_readings_is_empty():
    assert golden.read(v002("01/07/25 12:00:00 0 0")).frame().shape == (0, 2)


# ── the clock of the logger ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_row_of_an_unset_clock_is_left_out_counted_and_an_event():
    data = v002("01/01/20 01:00:02 233.28 1.5", "01/01/20 23:59:59 233.29 1.5", "01/07/25 12:00:00 240.5 1.5")
    assert rows(data) == [("07-01 10:00:00", "240.5", "1.5")]
    assert left_out(data) == {"unset clock": 2}
    assert events(data) == [("clock_unset", "07-01 10:00:00")]


def test_in_a_file_that_came_later_no_row_of_january_2020_is_a_reading():
    data = v002("02/01/20 00:00:00 240.5 1.5", "31/01/20 23:59:59 240.5 1.5", "01/02/20 00:00:00 240.6 1.5")
    assert rows(data) == [("01-31 23:00:00", "240.6", "1.5")]
    assert left_out(data) == {"unset clock": 2}


def test_a_year_of_the_last_century_is_an_unset_clock():
    data = v002("01/07/99 12:00:00 1.5 2.5", "01/07/25 12:00:00 240.5 1.5")
    assert (len(rows(data)), left_out(data)) == (1, {"unset clock": 1})


def test_a_row_more_than_a_day_ahead_is_left_out_counted_and_an_event():
    now = datetime(2025, 7, 1, 10, tzinfo=UTC).timestamp()
    data = v002("02/07/25 12:00:01 1.5 2.5", "02/07/25 12:00:00 3.5 4.5")
    assert rows(data, arrived=now) == [("07-02 10:00:00", "3.5", "4.5")]
    assert left_out(data, arrived=now) == {"unset clock": 1}
    assert events(data, arrived=now) == [("clock_unset", "07-02 10:00:00")]


def test_an_unset_clock_with_no_reading_behind_it_is_no_event():
    data = v002("01/07/25 12:00:00 240.5 1.5", "01/01/20 01:00:02 233.28 1.5")
    assert (events(data), left_out(data)) == ([], {"unset clock": 1})


def test_a_file_of_nothing_but_an_unset_clock_has_no_readings():
    recording = golden.read(v002("01/01/20 01:00:02 233.28 1.5"))
    assert (recording.rows, recording.first, recording.last, recording.events) == (0, None, None, [])
    assert (list(recording.blocks()), recording.readings) == ([], 0)


# ── the doubled hour ─────────────────────────────────────────────────────────────────────────────────────────────────


def night(*times: str) -> bytes:
    return v002(*(f"26/10/25 {time}:00 {number}.5 1.5" for number, time in enumerate(times)))


def when(data: bytes, **how) -> list[str]:
    return [row[0][6:11] for row in rows(data, **how)]


def test_both_passes_of_the_hour_are_kept():
    data = night("01:50", "02:00", "02:50", "02:00", "02:50", "03:00")
    assert when(data) == ["23:50", "00:00", "00:50", "01:00", "01:50", "02:00"]
    assert left_out(data) == {}


def test_a_file_that_begins_inside_the_hour_once_passed_is_in_winter_time():
    assert when(night("02:10", "02:50", "03:00")) == ["01:10", "01:50", "02:00"]


def test_rows_that_are_no_readings_do_not_part_the_passes():
    unset = "01/01/20 01:00:00 1.5 2.5\n"
    marker = "26/10/25 02:50:30 0 0\n"
    ahead = "01/01/40 00:00:00 1.5 2.5\n"
    for between in (unset, marker, ahead, "hello\n", "31/02/25 00:00:00 1 2\n"):
        data = night("01:50", "02:40", "02:50", "02:00", "02:10")
        data = data.replace(
            b"26/10/25 02:00", between.replace(" ", "\t").replace("\t", " ", 1).encode() + b"26/10/25 02:00"
        )
        assert when(data) == ["23:50", "00:40", "00:50", "01:00", "01:10"]


def test_an_unset_clock_at_the_top_does_not_hide_that_a_file_begins_inside_the_hour():
    data = v002("01/01/20 01:00:00 1.5 2.5", "26/10/25 02:10:00 1.5 2.5", "26/10/25 03:00:00 1.5 2.5")
    assert when(data) == ["01:10", "02:00"]


def test_stamps_that_march_leaves_out_are_noted():
    data = v002("30/03/25 01:50:00 1.5 2.5", "30/03/25 02:00:00 1.5 2.5", "30/03/25 03:10:00 1.5 2.5")
    assert when(data) == ["00:50", "01:00", "01:10"]
    assert golden.read(data).notes == Counter({"stamps in the hour that March leaves out": 1})


def test_the_zone_of_a_v002_file_is_the_one_that_is_set():
    data = v002("02/11/25 00:50:00 1.5 1", "02/11/25 01:10:00 1.5 1", "02/11/25 01:00:00 1.5 1")
    assert when(data, zone=ZoneInfo("America/New_York")) == ["04:50", "05:10", "06:00"]


def test_a_local_v003_file_has_the_hour_twice_as_well():
    data = night("01:50", "02:00", "02:50", "02:00", "02:50", "03:00").split(b"\n", 2)[2]
    data = v003(preamble=LOCAL, end=data + b"END_DATA\n")
    assert when(data) == ["23:50", "00:00", "00:50", "01:00", "01:50", "02:00"]


# ── restart markers ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_marker_is_an_event_and_never_a_reading():
    data = v002("01/07/25 12:00:00 240.5 1.5", "01/07/25 12:05:00 0 0", "01/07/25 12:10:00 240.6 1.5")
    assert [row[0] for row in rows(data)] == ["07-01 10:00:00", "07-01 10:10:00"]
    assert (events(data), left_out(data)) == ([("restart", "07-01 10:05:00")], {"restart markers": 1})


def test_a_row_of_zeros_with_a_point_is_a_reading_and_so_is_one_with_a_single_bare_zero():
    data = v002("01/07/25 12:00:00 0.0 0.0", "01/07/25 12:10:00 0 1.5", "01/07/25 12:20:00 0 0.0")
    assert (len(rows(data)), events(data)) == (3, [])


@pytest.mark.parametrize(
    "lines",
    [
        ["01/07/25 12:00:00 0 0", "01/07/25 12:00:00 240.5 1.5"],
        ["01/07/25 12:00:00 240.5 1.5", "01/07/25 12:00:00 0 0"],
    ],
)
def test_a_marker_with_the_stamp_of_a_reading_never_overwrites_it(lines):
    data = v002(*lines)
    assert rows(data) == [("07-01 10:00:00", "240.5", "1.5")]
    assert (events(data), left_out(data)) == ([("restart", "07-01 10:00:00")], {"restart markers": 1})


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["11:00:00 1.5 1", "12:01:15 0 0", "11:01:25 2.5 1"], ["11:01:25"]),  # local time in a UTC file
        (["11:00:00 1.5 1", "10:00:00 0 0", "11:01:25 2.5 1"], ["11:01:25"]),  # before the row before it
        (["11:00:00 1.5 1", "11:00:00 0 0", "11:01:25 2.5 1"], ["11:00:00"]),
        (["11:00:00 1.5 1", "11:01:25 0 0", "11:01:25 2.5 1"], ["11:01:25"]),
        (["11:00:00 1.5 1", "11:00:30 0 0", "11:00:20 0 0", "11:01:25 2.5 1"], ["11:00:20", "11:00:30"]),
        (["11:00:00 1.5 1", "11:00:30 0 0", "11:00:30 0 0", "11:01:25 2.5 1"], ["11:00:30"]),
        (["10:00:00 0 0", "11:00:00 1.5 1"], ["10:00:00"]),  # nothing above it
        (["12:00:00 0 0", "11:00:00 1.5 1"], ["11:00:00"]),
        (["11:00:00 1.5 1", "11:05:00 0 0"], ["11:05:00"]),  # nothing behind it
        (["11:00:00 1.5 1", "11:00:00 0 0"], ["11:00:00"]),
        (["11:00:00 1.5 1", "10:59:59 0 0"], []),
        (["11:00:00 1.5 1", "11:05:00 0 0", "11:04:00 0 0"], ["11:05:00"]),
        (["11:00:00 1.5 1", "11:05:00 0 0", "11:06:00 0 0"], ["11:05:00", "11:06:00"]),
        (["11:05:00 0 0"], ["11:05:00"]),  # nothing else at all
    ],
)
def test_a_markers_own_stamp_is_believed_only_between_its_neighbours(lines, expected):
    data = v003(*(f"01/07/25 {line}" for line in lines))
    assert events(data) == [("restart", f"07-01 {time}") for time in expected]


@pytest.mark.parametrize("stamp", ["01/01/20 01:00:35", "01/07/45 00:00:00"])
def test_a_marker_of_an_unset_clock_is_at_the_next_reading_or_nowhere(stamp):
    marker, reading = f"{stamp} 0 0", "01/07/25 11:00:00 1.5 1"
    assert events(v003(marker, reading)) == [("restart", "07-01 11:00:00")]
    assert events(v003(reading, marker)) == []
    assert events(v003(marker)) == []


def test_a_row_of_an_unset_clock_is_no_neighbour_of_a_marker():
    data = v003("01/07/25 11:00:00 1.5 1", "01/07/45 00:00:00 1.5 1", "01/07/25 11:05:00 0 0")
    assert events(data) == [("restart", "07-01 11:05:00")]


def test_a_marker_in_the_doubled_hour_is_in_the_pass_of_the_reading_above_it():
    data = v002(
        "26/10/25 02:50:00 1.5 1", "26/10/25 02:00:00 1.5 1", "26/10/25 02:05:00 0 0", "26/10/25 02:10:00 1.5 1"
    )  # fmt: skip
    assert events(data) == [("restart", "10-26 01:05:00")]


# ── the same stamp twice ─────────────────────────────────────────────────────────────────────────────────────────────


def test_of_two_rows_next_to_each_other_the_later_wins():
    data = v003("21/01/26 15:06:56 244.05 0.0", "21/01/26 15:06:56 243.87 0.0", "21/01/26 15:10:00 243.00 0.0")
    assert [row[1] for row in rows(data)] == ["243.87", "243.00"]
    assert left_out(data) == {"repeated stamps": 1}


def test_the_later_row_wins_whole_and_is_not_filled_from_the_earlier():
    assert rows(v003("21/01/26 15:06:56 244.05 7.5", "21/01/26 15:06:56 x 8.5")) == [("01-21 15:06:56", None, "8.5")]


def test_a_marker_that_became_a_row_of_zeros_gives_way_to_the_reading_behind_it():
    data = v003("21/01/26 15:00:00 244.05 1.5", "21/01/26 15:06:56 0.0 0.0", "21/01/26 15:06:56 243.87 1.5")
    assert [row[1] for row in rows(data)] == ["244.05", "243.87"]


def test_a_row_that_steps_back_to_an_old_stamp_after_a_restart_does_not_win():
    data = v003(
        "21/01/26 10:10:00 240.69 0.0", "21/01/26 10:16:38 0 0", "21/01/26 10:10:00 235.84 0.0",
        "21/01/26 10:10:00 0 0", "21/01/26 10:16:40 241.00 0.0",
    )  # fmt: skip
    assert rows(data) == [("01-21 10:10:00", "240.69", "0.0"), ("01-21 10:16:40", "241.00", "0.0")]
    assert left_out(data) == {"restart markers": 2, "repeated stamps": 1}


def test_a_row_that_steps_back_behind_a_reading_does_not_win():
    data = v003("21/01/26 10:10:00 1.5 0.0", "21/01/26 10:20:00 2.5 0.0", "21/01/26 10:10:00 3.5 0.0")
    assert [row[1] for row in rows(data)] == ["1.5", "2.5"]


def test_of_three_rows_that_which_steps_back_does_not_win_and_the_one_behind_it_does():
    data = v003(
        "21/01/26 10:10:00 1.5 0.0", "21/01/26 10:20:00 2.5 0.0", "21/01/26 10:10:00 3.5 0.0",
        "21/01/26 10:10:00 4.5 0.0",
    )  # fmt: skip
    assert [row[1] for row in rows(data)] == ["2.5", "4.5"]
    assert left_out(data) == {"repeated stamps": 2}


def test_a_row_that_steps_back_to_a_new_stamp_counts():
    data = v003("21/01/26 10:10:00 1.5 0.0", "21/01/26 10:30:00 2.5 0.0", "21/01/26 10:20:00 3.5 0.0")
    assert ([row[1] for row in rows(data)], left_out(data)) == (["1.5", "2.5", "3.5"], {})


def test_a_marker_of_an_unset_clock_is_no_row_to_step_back_behind():
    data = v003("21/01/26 10:10:00 1.5 0.0", "01/01/45 00:00:00 0 0", "21/01/26 10:10:00 3.5 0.0")
    assert [row[1] for row in rows(data)] == ["3.5"]


# ── blocks, changes, size ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("block_rows", [1, 2, 7, 4096])
def test_the_size_of_the_blocks_changes_nothing(block_rows):
    data = v002(*day_rows(count=20), "01/07/25 03:10:00 0 0", "01/07/25 03:20:00 x 1.5")
    blocks = list(golden.read(data).blocks(block_rows))
    assert [len(b) for b in blocks[:-1]] == [block_rows] * (len(blocks) - 1)
    whole = pd.concat(blocks)
    pd.testing.assert_frame_equal(whole, next(golden.read(data).blocks()))


def opened(data: bytes) -> tuple[io.BytesIO, mv2.Recording]:
    file = io.BytesIO(data)
    return file, read_recording(file, timezone=golden.ZONE, arrived=golden.ARRIVED)


def test_a_file_that_lost_rows_while_it_was_read_is_not_believed():
    file, recording = opened(v002(*day_rows(count=20)))
    file.truncate(300)
    with pytest.raises(Changed, match="bytes 55 to 645 are not what they were at the first look"):
        list(recording.blocks())


def test_new_content_under_old_stamps_is_never_handed_out():
    data = v002(*day_rows(count=20))
    for place in range(data.index(b"01/07"), len(data)):
        file, recording = opened(data)
        file.getbuffer()[place] ^= 1
        with pytest.raises(Changed):
            next(recording.blocks(rows=1))


def test_what_changed_behind_the_blocks_that_were_handed_out_is_never_handed_out():
    data = v002("01/07/25 12:00:00 1.5 2.5") + b"".join(
        f"{day:02}/{month:02}/24 12:{minute:02}:00\t{minute}.25\t-1.0\n".encode()
        for month in range(1, 13) for day in range(1, 29) for minute in range(60) for _ in range(2)
    )  # fmt: skip
    file, recording = opened(data)
    handed_out = recording.blocks(rows=100)
    before = [next(handed_out)]
    file.getbuffer()[-10] ^= 1
    with pytest.raises(Changed):
        before.extend(handed_out)
    assert 100 <= sum(map(len, before)) < recording.rows


def test_bytes_that_follow_later_are_not_read():
    file, recording = opened(v002(*day_rows(count=3)))
    file.seek(0, io.SEEK_END)
    file.write(b"01/07/25 12:00:00\t1.5\t2.5\n")
    assert sum(map(len, recording.blocks())) == 3


HUGE = 200_000_000
MEMORY = """
import io, sys, tracemalloc
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
import golden, trees

class Made(io.RawIOBase):
    # a file of `head`, then `size` bytes of `fill`, then `tail`, which is nowhere but here
    def __init__(self, head, fill, size, tail):
        self.parts, self.at = [(head, len(head)), (fill, size), (tail, len(tail))], 0
    readable = seekable = lambda self: True
    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, sum(size for _, size in self.parts))[whence]
        return self.at
    def tell(self):
        return self.at
    def readinto(self, buffer):
        start = self.at
        for text, size in self.parts:
            if start < size:
                there = min(len(buffer), size - start)
                buffer[:there] = (text * (there // len(text) + 2))[start % len(text):][:there]
                self.at += there
                return there
            start -= size
        return 0

file = {file}
tracemalloc.start()
recording = None
try:
    recording = golden.read_recording(file, timezone=golden.ZONE, arrived=golden.ARRIVED)
    read = {read}
    print(read, recording.rows, dict(+recording.left_out), recording.torn)
except golden.NotReadable as error:
    print(error)
print(tracemalloc.get_traced_memory()[1])
"""


def run_made(what: str) -> tuple[str, int]:
    """What the reader makes of a made file, and the most memory that it held, in a process of its own."""
    return run_reader(f"io.BufferedReader(Made({what}))")


def run_reader(file: str, read: str = "sum(map(len, recording.blocks()))") -> tuple[str, int]:
    """The same of a file opened by an expression, with what is read of it."""
    script = MEMORY.format(root=str(ROOT), file=file, read=read)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
    *said, most = done.stdout.splitlines()
    return "\n".join(said), int(most)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        pytest.param(
            f"trees.v002(*trees.day_rows()), b'x', {HUGE}, b'\\n01/07/25 12:00:00\\t1\\t2\\n'",
            "4 4 {'malformed rows': 1} there are malformed rows",
            id="a line of 200 MB between rows",
        ),
        pytest.param(
            f"trees.v002(*trees.day_rows()), b'x', {HUGE}, b''",
            "3 3 {'cut rows': 1} the last row is cut",
            id="a line of 200 MB that never ends",
        ),
        pytest.param(
            f"trees.v003(*trees.day_rows()), b'x', {HUGE}, b'\\n'",
            "3 3 {'malformed rows': 1} there are malformed rows",
            id="behind the end",
        ),
        pytest.param(
            f"trees.v002(*trees.day_rows()), b'\\0', {HUGE}, b''",
            "3 3 {'cut rows': 1} the last row is cut",
            id="a sparse file behind a good beginning",
        ),
        pytest.param(
            f"b'', b'\\0', {HUGE}, b''",
            f"line 1 contains NUL bytes: this is not an MV2 file, or its beginning was lost. {SEND_AGAIN}",
            id="a sparse file",
        ),
        pytest.param(
            f"b'', b'x', {HUGE}, b''",
            f"line 1 of the header is longer than 1 MiB: this is not a complete MV2 file. {SEND_AGAIN}",
            id="one line of 200 MB",
        ),
        pytest.param(
            f"b'START_HEADER\\n', b'[' * 999 + b'\\n', {HUGE}, b''",
            f"line 1051: there is no END_HEADER within 1 MiB. {SEND_AGAIN}",
            id="a header without an end",
        ),
        pytest.param(
            "trees.v002(), b'01/07/25 12:00:00\\t' + b'1' * 500_000 + b'\\t1.5\\n', 500_023 * 40, b''",
            "1 1 {'repeated stamps': 39, 'cells': 1} None",
            id="rows of half a megabyte each",
        ),
    ],
)
def test_no_file_costs_more_than_a_few_megabytes_whatever_its_size(what, said):
    found, most = run_made(what)
    assert (found, most < 16_000_000) == (said, True)


@pytest.mark.parametrize("preamble", [b"", PREAMBLE])
def test_memory_grows_by_24_bytes_a_row_at_most(tmp_path, preamble):
    stamps = [
        f"{day:02}/{month:02}/21 {hour:02}:{minute:02}:00"
        for month in range(4, 13) for day in range(1, 29) for hour in range(24) for minute in range(60)
    ]  # fmt: skip
    most = {}
    for count in (100_000, 360_000):
        file = tmp_path / f"{count}.tsv"
        file.write_bytes(preamble + v002(labels=["Cave V"]) + "\t1.5\n".join([*stamps[:count], ""]).encode())
        said, most[count] = run_reader(f"open({str(file)!r}, 'rb')", "len(recording.times)")
        assert said.startswith(f"{count} {count} ")
    assert (most[360_000] - most[100_000]) / 260_000 < 24


def test_memory_hardly_grows_with_the_number_of_equal_stamps():
    rows_of = "trees.v002(), b'01/07/25 12:00:00\\t240.5\\t1.5\\n', {}, b''"
    few, many = (run_made(rows_of.format(28 * count))[1] for count in (10_000, 110_000))
    assert many - few < 100_000 * 100  # bytes, of which the row itself has 28


SPLIT = "one file must not keep all others waiting. Split it, each part with the header, and upload the parts."


def test_more_than_five_million_rows_are_refused(monkeypatch):
    assert scan.MOST_LINES == 5_000_000
    monkeypatch.setattr(scan, "MOST_LINES", 4)
    data = v002(*day_rows(count=3), "hello")
    assert golden.read(data).rows == 3
    for more in (b"\n", b"x\n", b"02/07/25 12:00:00\t1\t2\n"):
        assert why_not(data + more) == f"the file has more than 4 rows: {SPLIT}"
    assert why_not(data + b"x" * (1 << 21) + b"\nx") == f"the file has more than 4 rows: {SPLIT}"


def test_more_than_a_gigabyte_is_refused_unread():
    said, most = run_made("trees.v002(*trees.day_rows()), b'x', 1_000_000_000, b''")
    assert said == f"the file has 1000000142 bytes, more than 1000000000: {SPLIT}"
    assert most < 1_000_000
