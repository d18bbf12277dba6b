"""The form of a logger file: what its opening line, its JSON header and its end mark decide."""

from __future__ import annotations

import io
import itertools

import golden
import pytest
from trees import PREAMBLE, v002, v003

from powerview.mv2 import SEND_AGAIN, UPDATE_FIRST, NotReadable, read_recording, scan

LOCAL = PREAMBLE.replace(b'"UTC"', b'"Local"')
ROW = "01/07/25 12:00:00 240.50 1.0"
NOON = 1_751_371_200


def why_not(data: bytes) -> NotReadable:
    with pytest.raises(NotReadable) as error:
        golden.read(data)
    return error.value


@pytest.mark.parametrize(
    ("version", "clock", "lines", "end"),
    list(itertools.product([b"V002", b"V003"], ["utc", "local"], ["one line", "several"], [b"END_DATA\n", b""])),
)
def test_under_a_json_header_the_header_decides_and_the_marker_is_a_name(version, clock, lines, end):
    preamble = PREAMBLE if clock == "utc" else LOCAL
    if lines == "several":
        preamble = preamble.replace(b"{", b"{\n").replace(b",", b",\n").replace(b"}", b"\n}")
    recording = golden.read(v003(ROW, preamble=preamble, end=end).replace(b"V003", version))
    assert (recording.header.model, recording.header.version) == (f"MV_T302_{version.decode()}", version[1:].decode())
    assert recording.times.tolist() == [NOON if clock == "utc" else NOON - 7200]
    assert (recording.torn, recording.incomplete) == ((None, False) if end else ("END_DATA is missing", True))


def test_without_a_header_stamps_are_local_and_no_end_is_promised():
    recording = golden.read(v002(ROW))
    assert (recording.times.tolist(), recording.torn, recording.incomplete) == ([NOON - 7200], None, False)
    assert not golden.read(v002(ROW) + b"01/07").incomplete


def test_a_header_without_a_clock_is_refused_with_advice():
    reason = why_not(v003(ROW, preamble=PREAMBLE.replace(b'"DataTimeSettings":"UTC",', b"")))
    assert str(reason) == f"line 2: without DataTimeSettings the header does not name the clock. {UPDATE_FIRST}"


def test_what_a_marker_of_v003_without_a_header_means_is_not_guessed():
    reason = why_not(v003(ROW, preamble=b""))
    assert "MV_T302_V003, but the file does not begin with START_HEADER: nothing names its clock" in str(reason)


@pytest.mark.parametrize("cut", range(1, len(v003(end=b""))))
def test_a_file_cut_inside_its_header_may_still_be_completed(cut):
    assert why_not(v003()[:cut]).incomplete


def test_a_file_cut_behind_its_header_may_still_be_completed_and_one_that_is_whole_not():
    assert why_not(v003(end=b"")).incomplete
    assert not why_not(v003()).incomplete
    assert not why_not(v002()).incomplete
    assert not why_not(b"").incomplete


def test_the_header_keeps_what_the_journal_records():
    preamble = PREAMBLE.replace(b"}", b',"FileVersion":3,"MasterType":"Mono"}')
    header = golden.read(v003(ROW, preamble=preamble)).header
    assert (header.file_version, header.master_type, header.zone) == ("3", "Mono", None)
    assert golden.read(v003(ROW, preamble=LOCAL)).header.zone.key == "Europe/Paris"
    header = golden.read(v002(ROW)).header
    assert (header.file_version, header.master_type, header.zone.key) == (None, None, "Europe/Paris")


@pytest.mark.parametrize(
    ("value", "kept"),
    [(b'"a\\u0000b\\\\"', "a b/"), (b'"' + b"x" * 500 + b'"', "x" * 40), (b"[[1]]", None), (b'"\\ud800"', "?")],
)
def test_what_the_journal_records_is_harmless_text(value, kept):
    preamble = PREAMBLE.replace(b"}", b',"MasterType":' + value + b"}")
    assert golden.read(v003(ROW, preamble=preamble)).header.master_type == kept


# ── another header behind the first ──────────────────────────────────────────────────────────────────────────────────

SEVERAL = LOCAL.replace(b",", b",\n")


@pytest.mark.parametrize("preamble", [LOCAL, SEVERAL, SEVERAL.replace(b"\n", b"\r\n")])
@pytest.mark.parametrize("first", [v003(ROW), v003(ROW, end=b""), v003(ROW, end=b"02/07/25 1"), v002(ROW)])
def test_nothing_is_read_behind_a_header_with_another_clock_however_it_is_laid_out(first, preamble):
    recording = golden.read(first + v003("01/07/25 15:00:00 3.5 4.5", preamble=preamble))
    line = first.count(b"\n") + 1
    assert recording.unread == (
        f"line {line}: another header begins here, with other channels or time settings. The rows above it are stored; "
        f"upload the rest, from line {line} on, as a file of its own."
    )
    assert (recording.rows, recording.incomplete) == (1, False)


def test_a_header_that_comes_again_in_another_layout_changes_nothing():
    again = v003("01/07/25 12:10:00 3.5 4.5", preamble=PREAMBLE.replace(b",", b",\n"))
    recording = golden.read(v003(ROW) + again)
    assert (recording.unread, recording.torn, recording.times.tolist()) == (None, None, [NOON, NOON + 600])
    assert recording.left_out == {}


@pytest.mark.parametrize("cut", [b"01/07/25 12:05:00\t7.5\t8", b"01/07/25 12:05:00\t7.5\t", b"01/07/25 12:0"])
@pytest.mark.parametrize("form", [v002, v003])
def test_a_cut_row_that_a_header_is_glued_to_never_counts_and_the_rows_behind_it_do(form, cut):
    whole = form(ROW)
    first = whole.removesuffix(b"END_DATA\n") + cut
    recording = golden.read(first + form("01/07/25 12:10:00 3.5 4.5"))
    noon = NOON - 7200 if form is v002 else NOON
    assert (recording.times.tolist(), recording.unread) == ([noon, noon + 600], None)
    assert recording.left_out == {"malformed rows": 1}
    assert recording.torn == "there are malformed rows"


def test_behind_a_header_that_comes_again_the_end_mark_must_come_again():
    recording = golden.read(v003(ROW) + v003("01/07/25 12:10:00 3.5 4.5", end=b""))
    assert (recording.rows, recording.torn, recording.incomplete) == (2, "END_DATA is missing", True)


def test_a_file_that_ends_inside_a_header_that_comes_again_is_torn():
    again = v003("01/07/25 12:10:00 3.5 4.5", preamble=PREAMBLE.replace(b",", b",\n"))
    for cut in range(len(b"START_HEADER"), len(again) - len(b"01/07/25 12:10:00\t3.5\t4.5\nEND_DATA\n")):
        recording = golden.read(v003(ROW) + again[:cut])
        assert (recording.rows, recording.unread, recording.incomplete) == (1, None, True), again[:cut]


def test_a_second_header_that_cannot_be_read_ends_the_reading():
    recording = golden.read(v003(ROW) + v003(ROW, preamble=PREAMBLE.replace(b"{", b"{{")))
    assert recording.unread.startswith(
        "line 9: another header begins here, which cannot be read: line 10: the header is not valid JSON: "
    )
    assert recording.unread.endswith(SEND_AGAIN)


def test_a_row_that_was_cut_before_another_file_was_appended_is_counted():
    recording = golden.read(v003(ROW, end=b"02/07/25 1") + v003("01/07/25 12:10:00 3.5 4.5"))
    assert (recording.rows, recording.left_out, recording.torn) == (
        2, {"malformed rows": 1}, "there are malformed rows"
    )  # fmt: skip


def test_a_file_with_a_byte_order_mark_that_was_appended_loses_nothing():
    recording = golden.read(v002(ROW) + b"\xef\xbb\xbf" + v002("01/07/25 12:10:00 3.5 4.5"))
    assert (recording.rows, recording.left_out, recording.unread) == (2, {}, None)


def test_lines_are_counted_on_behind_a_header_that_comes_again():
    twice = v003(ROW) + v003("01/07/25 12:10:00 3.5 4.5", preamble=PREAMBLE.replace(b",", b",\n"))
    recording = golden.read(twice + v003(ROW, preamble=LOCAL))
    assert recording.unread.startswith(f"line {twice.count(bytes([10])) + 1}: another header begins here")


def test_header_rows_behind_a_header_that_comes_again_need_their_serials():
    twice = v003(ROW, end=b"") + v003("01/07/25 12:10:00 3.5 4.5", end=b"MV_T302_V003\tPh 1 V\tVoie1 W\n")
    assert golden.read(twice).unread.startswith("line 15: another header begins here, with other channels")


def test_a_header_above_each_row_costs_what_it_weighs():
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size=-1):
            found = super().read(size)
            self.taken += len(found)
            return found

    def taken(count: int) -> int:
        file = Counting(v003(ROW) * count)
        found = read_recording(file, timezone=golden.ZONE, arrived=golden.ARRIVED)
        assert (found.unread, found.torn, found.left_out) == (None, None, {"repeated stamps": count - 1})
        return file.taken

    assert taken(400) < 2.2 * taken(200)


def test_behind_a_header_that_comes_again_long_lines_are_lines_as_well():
    junk = b"x" * 3 * scan.FIRST_BYTES + b"\n"
    recording = golden.read(v003(ROW) + v003(end=junk + v003("01/07/25 12:10:00 3.5 4.5")))
    assert recording.times.tolist() == [NOON, NOON + 600]
    assert (recording.left_out, recording.unread) == ({"malformed rows": 1}, None)


def test_a_byte_order_mark_is_no_part_of_a_serial_or_a_label():
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}"
    serials, labels = (
        "\t".join([mark * 2 + "02001283", mark + "02001283"]),
        "\t".join(["MV_T302_V002", mark + "Oven W"]),
    )
    header = golden.read(f"{serials}\n{labels}\n01/07/25 12:00:00\t1.5\n".encode()).header
    (channel,) = header.channels
    assert (header.master, channel.device, channel.name, channel.unit) == ("02001283", "02001283", "Oven", "W")
