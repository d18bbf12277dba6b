"""What is logged of an upload: the line for people, the record for programs, the table at the end."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from trees import masked

from powerview import __version__
from powerview.ingest import journal
from powerview.ingest.journal import Journal, Outcome, Status

PATH = "acme/roof/02001283/T302_250701_031500.tsv"


def stored(status: str = Status.OK, path: str = PATH, **more) -> Outcome:
    """An outcome with some readings, 00:00 to 01:00 of 1 July 2025."""
    return Outcome(status, path, rows=7, readings=14, first=1_751_328_000, last=1_751_331_600, seconds=0.12, **more)


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "logs"


def logged(log: Path) -> list[str]:
    return masked((log / "uploads.log").read_text(encoding="utf-8")).splitlines()


def records(log: Path) -> list[dict]:
    return [json.loads(line) for line in (log / "uploads.jsonl").read_bytes().splitlines()]


# ── the line for people ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (stored(), f"OK      {PATH}: 7 rows, 14 readings, 2025-07-01 00:00:00Z to 2025-07-01 01:00:00Z; 0.12 s"),
        (
            stored(
                left_out=Counter({"restart markers": 1, "cells": 4, "cut rows": 0}),
                notes=["the folder is 1, the logger is 2", "3 stamps in the hour that March leaves out"],
                settled_as="acme/roof/02001283/parsed/T302_250701_031500.1.tsv",
            ),
            f"OK      {PATH}: 7 rows, 14 readings, 2025-07-01 00:00:00Z to 2025-07-01 01:00:00Z; left out: cells 4, "
            "restart markers 1; the folder is 1, the logger is 2; 3 stamps in the hour that March leaves out; now "
            "acme/roof/02001283/parsed/T302_250701_031500.1.tsv; 0.12 s",
        ),
        (
            stored(Status.PARTIAL, reason="the last row is cut", left_out=Counter({"cut rows": 1})),
            f"PARTIAL {PATH}: the last row is cut; 7 rows, 14 readings, 2025-07-01 00:00:00Z to 2025-07-01 01:00:00Z; "
            "left out: cut rows 1; 0.12 s",
        ),
        (
            Outcome(Status.OK, PATH, left_out=Counter({"unset clock": 3})),
            f"OK      {PATH}: 0 rows, 0 readings; left out: unset clock 3; 0.00 s",
        ),
        (
            Outcome(Status.ERROR, PATH, "the file is empty. Upload it again.",
                    settled_as="acme/roof/02001283/error/x.tsv"),
            f"ERROR   {PATH}: the file is empty. Upload it again; now acme/roof/02001283/error/x.tsv; 0.00 s",
        ),
        (Outcome(Status.REFUSED, PATH, "no: why."), f"REFUSED {PATH}: no: why."),
        (Outcome(Status.PENDING, PATH, "somebody writes it"), f"PENDING {PATH}: somebody writes it"),
    ],
)  # fmt: skip
def test_a_line_says_what_became_of_a_file_and_why(outcome, line):
    assert outcome.line() == line


def test_a_file_that_keeps_its_name_is_not_said_to_lie_elsewhere():
    assert "now" not in stored(settled_as="acme/roof/02001283/parsed/T302_250701_031500.tsv").line()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("été °C ⚡ 'quotes' \"too\"", "été °C ⚡ 'quotes' \"too\""),
        ("a\nb\r\tc\0d", "a\\nb\\r\\tc\\x00d"),
        ("a\\nb", "a\\\\nb"),
        ("\x1b[31mred\x9b", "\\x1b[31mred\\x9b"),
        ("\u202etxt\u2028\u200b", "\\u202etxt\\u2028\\u200b"),
        ("\udcff\udc80", "\\xff\\x80"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_could_end_a_line_or_hide_in_one_is_shown_by_its_escape(text, shown):
    assert journal.printable(text) == shown


def test_a_file_name_cannot_forge_a_line(log):
    name = "x\n2026-01-01 00:00:00+00:00 OK      acme/roof/02001283/good.tsv: 7 rows"
    Journal(log).file(Outcome(Status.REFUSED, f"a/b/c/{name}.tsv", f"{name}\r\x85\u2028no"))
    shown = "x\\n2026-01-01 00:00:00+00:00 OK      acme/roof/02001283/good.tsv: 7 rows"
    assert logged(log) == [f"TIME REFUSED a/b/c/{shown}.tsv: {shown}\\r\\x85\\u2028no"]
    assert [record["path"] for record in records(log)] == [f"a/b/c/{name}.tsv"]


# ── the record for programs ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_says_the_same_in_fields(log):
    outcome = stored(
        Status.PARTIAL, reason="the last row is cut", left_out=Counter({"cut rows": 1}), notes=["a note"],
        settled_as="acme/roof/02001283/parsed/x.tsv",
        logger={"model": "MV_T302_V002", "master_type": None, "file_version": "2", "zone": "UTC"},
    )  # fmt: skip
    Journal(log).file(outcome)
    (record,) = records(log)
    assert datetime.fromisoformat(record.pop("time")).utcoffset() is not None
    assert record == {
        "powerview": __version__,
        "status": "PARTIAL",
        "path": PATH,
        "client": "acme",
        "campaign": "roof",
        "device": "02001283",
        "file": "T302_250701_031500.tsv",
        "settled_as": "acme/roof/02001283/parsed/x.tsv",
        "rows": 7,
        "readings": 14,
        "first": "2025-07-01 00:00:00Z",
        "last": "2025-07-01 01:00:00Z",
        "left_out": {"cut rows": 1},
        "notes": ["a note"],
        "logger": {"model": "MV_T302_V002", "master_type": None, "file_version": "2", "zone": "UTC"},
        "reason": "the last row is cut",
        "seconds": 0.12,
    }


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("x.tsv", {"file": "x.tsv"}),
        ("acme/x.tsv", {"client": "acme", "file": "x.tsv"}),
        ("a/b/c/d/e/x.tsv", {"client": "a", "campaign": "b", "device": "c", "file": "x.tsv"}),
    ],
)
def test_a_record_of_a_file_at_another_depth_names_what_there_is(path, names):
    record = Outcome(Status.REFUSED, path, "why").record()
    assert {key: record[key] for key in ("client", "campaign", "device", "file") if key in record} == names


def test_bytes_that_are_no_utf_8_stay_in_a_record(log):
    Journal(log).file(Outcome(Status.REFUSED, "a/b/c/\udcff.tsv", "why"))
    assert records(log)[0]["file"] == "\udcff.tsv"
    assert logged(log) == ["TIME REFUSED a/b/c/\\xff.tsv: why"]


def test_a_run_that_left_files_pending_is_one_line(log):
    writer = Journal(log)
    writer.run("the server is away\nreally", 3)
    writer.run("still", 1)
    assert logged(log) == [
        "TIME PENDING 3 files: the server is away\\nreally",
        "TIME PENDING 1 file: still",
    ]
    assert [{k: v for k, v in record.items() if k != "time"} for record in records(log)] == [
        {"powerview": __version__, "status": "PENDING", "files": 3, "reason": "the server is away\nreally"},
        {"powerview": __version__, "status": "PENDING", "files": 1, "reason": "still"},
    ]


# ── the files ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lines_are_appended_and_the_log_is_not_for_everybody(log):
    for _ in range(2):
        Journal(log).file(Outcome(Status.REFUSED, PATH, "why"))
    assert logged(log) == [f"TIME REFUSED {PATH}: why"] * 2
    assert [(log / name).stat().st_mode & 0o777 & ~0o640 for name in ("uploads.log", "uploads.jsonl")] == [0, 0]


def test_a_line_that_a_full_disk_cut_is_ended_before_the_next(log):
    log.mkdir()
    (log / "uploads.log").write_text("half a li")
    Journal(log).file(Outcome(Status.REFUSED, PATH, "why"))
    assert logged(log) == ["half a li", f"TIME REFUSED {PATH}: why"]


def test_lines_of_many_writers_do_not_mix(log):
    def write(number: int) -> None:
        writer = Journal(log)
        for _ in range(100):
            writer.file(Outcome(Status.REFUSED, PATH, f"{number} " * 200))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    expected = sorted(f"TIME REFUSED {PATH}: " + f"{number} " * 200 for number in range(4) for _ in range(100))
    assert sorted(logged(log)) == expected
    assert len(records(log)) == 400


def test_a_log_that_cannot_be_written_is_reported_once_and_stops_nothing(log, capsys):
    log.write_text("no folder")
    writer = Journal(log)
    writer.file(stored())
    writer.file(stored())
    assert capsys.readouterr().err == f"{log}/uploads.log cannot be written: File exists. Uploads go on.\n"


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_without_files_says_so():
    assert journal.summary([]) == "Nothing to do: no file is pending."


def test_the_summary_has_a_line_for_each_campaign_and_one_for_each_file_that_was_not_simply_stored():
    shown = journal.summary(
        [
            stored(path="acme/roof/1/a.tsv"),
            stored(
                Status.PARTIAL, "acme/roof/2/b.tsv", reason="the last row is cut", left_out=Counter({"cut rows": 1})
            ),
            Outcome(Status.ERROR, "acme/cellar/1/c.tsv", "the file is empty."),
            Outcome(Status.REFUSED, "wrong\nplace.tsv", "no"),
            Outcome(Status.PENDING, "zenith/roof/1/d.tsv", "somebody writes it"),
            stored(path="zenith/roof/1/e.tsv", left_out=Counter({"cells": 2, "restart markers": 12_345})),
        ]
    )
    assert shown.splitlines() == [
        "campaign          files  OK  PARTIAL  ERROR  REFUSED  PENDING  rows  readings  left out",
        "acme/cellar           1   0        0      1        0        0     0         0",
        "acme/roof             2   1        1      0        0        0    14        28  cut rows 1",
        "wrong\\nplace.tsv      1   0        0      0        1        0     0         0",
        "zenith/roof           2   1        0      0        0        1     7        14  restart markers 12345, cells 2",
        "",
        "PARTIAL acme/roof/2/b.tsv: the last row is cut; 7 rows, 14 readings, 2025-07-01 00:00:00Z to 2025-07-01 "
        "01:00:00Z; left out: cut rows 1; 0.12 s",
        "ERROR   acme/cellar/1/c.tsv: the file is empty; 0.00 s",
        "REFUSED wrong\\nplace.tsv: no",
        "PENDING zenith/roof/1/d.tsv: somebody writes it",
    ]
