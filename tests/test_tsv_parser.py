"""The command line, run as a person or the hook runs it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from influx_server import free_port
from sample_tree import lay_out
from trees import ROOT, Site, day_rows, masked, snapshot, v002
from waiting import LONG, wait_until

import tsv_parser

DEVICE = "acme/roof/02001283"
FILE = f"{DEVICE}/T302_250702_031500.tsv"
GOOD = v002(*day_rows())
LINE = f"{FILE}: 3 rows, 6 readings, 2025-06-30 22:00:00Z to 2025-06-30 22:20:00Z"
NO_SUCH_SECRET = "secret-token-1234"


def shown(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What was printed on stdout, durations masked."""
    return masked(done.stdout).splitlines()


# ── a run ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_stores_and_moves_what_is_pending_and_says_so(site):
    site.put(FILE, GOOD)
    done = site.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert shown(done) == [
        "campaign   files  OK  PARTIAL  ERROR  REFUSED  PENDING  rows  readings  left out",
        "acme/roof      1   1        0      0        0        0     3         6",
    ]
    assert site.logged() == [f"TIME OK      {LINE}; 0.00 s"]
    assert [(record["status"], record["path"]) for record in site.records()] == [("OK", FILE)]
    assert site.files() == {f"{DEVICE}/parsed/T302_250702_031500.tsv": GOOD}
    assert len(site.stored("acme")) == 6


def test_a_second_run_stores_moves_and_tells_nothing(site):
    site.put(FILE, GOOD)
    site.run()
    before = {folder: snapshot(site.root / folder) for folder in ("data", "line-protocol", "logs")}
    done = site.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "Nothing to do: no file is pending.\n", "")
    assert {folder: snapshot(site.root / folder) for folder in before} == before


def test_a_file_in_error_is_status_1_and_reported_with_its_reason(site):
    site.put(FILE, b"")
    done = site.run()
    assert (done.returncode, done.stderr) == (1, "")
    logged = (
        f"ERROR   {FILE}: the file is empty. The logger sends these readings again in a later file; if it does not, "
        "upload the file again; 0.00 s"
    )
    assert shown(done)[-2:] == ["", logged]
    assert site.logged() == [f"TIME {logged}"]


def test_a_refused_file_is_status_1_reported_and_left(site):
    site.put("acme/x.tsv", GOOD)
    done = site.run()
    assert done.returncode == 1
    logged = (
        "REFUSED acme/x.tsv: files belong in DATA/<client>/<campaign>/<device serial>/; this one is elsewhere and is "
        "left there"
    )
    assert shown(done)[-1] == logged
    assert site.logged() == [f"TIME {logged}"]
    assert site.files() == {"acme/x.tsv": GOOD}


def test_a_tree_of_bad_input_ends_in_error_or_is_left_and_the_good_file_goes_on(site):
    bad = {
        "empty": b"", "header": v002(), "text": b"hello\nworld\n", "utf16": GOOD.decode().encode("utf-16"),
        "nul": b"\0" * 4096, "long": b"x" * 20_000_000, "html": b"<html><body>404</body></html>\n", "json": b"{}\n",
        "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\0", "version": GOOD.replace(b"V002", b"V004"),
    }  # fmt: skip
    for name, content in bad.items():
        site.put(f"{DEVICE}/{name}.tsv", content)
    (site.data / DEVICE / "folder.tsv").mkdir()
    os.mkfifo(site.data / DEVICE / "fifo.tsv")
    (site.data / DEVICE / "link.tsv").symlink_to("/etc/passwd")
    site.put(FILE, GOOD)
    done = site.run()
    assert (done.returncode, done.stderr) == (1, "")
    files = site.files()
    assert {p.split("/")[-1].split(".")[0] for p in files if p.startswith(f"{DEVICE}/error/")} == set(bad)
    assert all(files[f"{DEVICE}/error/{name}.tsv"] == content for name, content in bad.items())
    assert all(len(files[f"{DEVICE}/error/{name}.tsv.reason.txt"]) > 60 for name in bad)
    assert files[f"{DEVICE}/parsed/T302_250702_031500.tsv"] == GOOD
    assert sorted(p.name for p in (site.data / DEVICE).iterdir()) == [
        "error", "fifo.tsv", "folder.tsv", "link.tsv", "parsed"
    ]  # fmt: skip


def test_memory_stays_small_whatever_the_file(site):
    with (site.data / "sparse").open("wb") as file:
        file.write(GOOD)
        file.truncate(800_000_000)
    (site.data / DEVICE).mkdir(parents=True)
    (site.data / "sparse").rename(site.data / FILE)
    limited = ["bash", "-c", 'ulimit -v 800000; exec "$@"', "bash", *site.command()]
    done = subprocess.run(
        limited, env={**site.environment, "OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert site.logged() == [
        f"TIME PARTIAL {FILE}: the last row is cut; {LINE[len(FILE) + 2 :]}; left out: cut rows 1; 0.00 s"
    ]


def test_nothing_but_a_terminal_gets_a_progress_bar(site):
    site.put(FILE, GOOD)
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    os.set_blocking(controller, False)
    done = subprocess.run(site.command(), env=site.environment, stdout=subprocess.PIPE, stderr=terminal, text=True)
    drawn = os.read(controller, 65_536).decode()
    os.close(terminal)
    os.close(controller)
    assert done.returncode == 0
    assert "1/1" in drawn
    assert "file" in drawn


@pytest.mark.parametrize("stdout_encoding", ["ascii", "utf-8"])
def test_names_that_the_output_cannot_show_stop_nothing(site, stdout_encoding):
    site.put(f"{DEVICE}/été.tsv", b"")
    site.put(f"{DEVICE}/x.tsv", b"").rename(site.data / DEVICE / os.fsdecode(b"\xff.tsv"))
    done = site.run(PYTHONIOENCODING=stdout_encoding)
    assert (done.returncode, done.stderr) == (1, "")
    summer = "été" if stdout_encoding == "utf-8" else r"\xe9t\xe9"
    names = [line.split(":")[0] for line in shown(done) if line.startswith("ERROR")]
    assert names == [f"ERROR   {DEVICE}/{summer}.tsv", rf"ERROR   {DEVICE}/\xff.tsv"]


def test_a_name_with_a_newline_forges_no_line(site):
    forged = "x\n2026-01-01 00:00:00+00:00 OK      y.tsv: 9 rows\r.tsv"
    site.put(f"{DEVICE}/{forged}", b"")
    done = site.run()
    assert done.returncode == 1
    (line,) = site.logged()
    assert line.startswith(f"TIME ERROR   {DEVICE}/x\\n2026-01-01 00:00:00+00:00 OK      y.tsv: 9 rows\\r.tsv: ")
    assert [record["file"] for record in site.records()] == [forged]
    assert not any(line.startswith("2026") for line in done.stdout.splitlines())


def test_a_log_that_cannot_be_written_keeps_no_reading_from_being_stored(site):
    site.put(FILE, GOOD)
    site.log.rmdir()
    site.log.write_text("no folder")
    done = site.run()
    assert done.returncode == 0
    assert done.stderr == f"{site.log}/uploads.log cannot be written: File exists. Uploads go on.\n"
    assert len(site.stored("acme")) == 6


# ── which files ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_tree_can_be_named(site, tmp_path):
    elsewhere = Site(tmp_path / "elsewhere")
    elsewhere.put(FILE, GOOD)
    assert site.run("-d", elsewhere.data).returncode == 0
    assert site.run("--dataFolder", elsewhere.data).stdout == "Nothing to do: no file is pending.\n"
    assert list(elsewhere.files()) == [f"{DEVICE}/parsed/T302_250702_031500.tsv"]
    assert len(elsewhere.stored("acme")) == 6


def test_each_tree_has_its_messages_logged_once_whichever_is_read_in_between(site, tmp_path):
    elsewhere = Site(tmp_path / "elsewhere")
    for tree in (site, elsewhere):
        tree.put("acme/x.tsv", GOOD)
    for _ in range(2):
        site.run()
        site.run("-d", elsewhere.data)
    assert len(site.logged()) == 2  # it is the same path below both trees


@pytest.mark.parametrize(
    "arguments",
    [
        ["-t", f"{DEVICE}/a.tsv", f"{DEVICE}/b.tsv"],
        ["-t", f"{DEVICE}/a.tsv", "-t", f"{DEVICE}/b.tsv"],
        ["--tsvFile", "DATA/a.tsv", "DATA/../02001283/b.tsv", "-d", "DATA/../../.."],
        ["-t", "DATA/b.tsv", "DATA/b.tsv", "DATA/a.tsv"],
    ],
)
def test_only_the_files_that_are_named_are_read(site, arguments):
    for name in "abc":
        site.put(f"{DEVICE}/{name}.tsv", GOOD)
    done = site.run(*[argument.replace("DATA", str(site.data / DEVICE)) for argument in arguments])
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(site.files()) == [f"{DEVICE}/c.tsv", f"{DEVICE}/parsed/a.tsv", f"{DEVICE}/parsed/b.tsv"]


def test_a_folder_a_fifo_and_a_symlink_that_are_named_are_refused(site):
    (site.data / DEVICE / "folder.tsv").mkdir(parents=True)
    os.mkfifo(site.data / DEVICE / "fifo.tsv")
    (site.data / DEVICE / "link.tsv").symlink_to("/etc/passwd")
    done = site.run("-t", *(f"{DEVICE}/{name}.tsv" for name in ("folder", "fifo", "link")))
    assert (done.returncode, done.stderr) == (1, "")
    assert shown(done)[-3:] == [
        f"REFUSED {DEVICE}/folder.tsv: this is a folder: name the files in it (such as FOLDER/*.tsv)",
        f"REFUSED {DEVICE}/fifo.tsv: fifo.tsv is not a regular file and is left alone",
        f"REFUSED {DEVICE}/link.tsv: it is a symlink or is reached through one, and those are not followed",
    ]


def test_a_named_file_that_is_not_there_or_not_in_the_tree_is_a_wrong_usage(site, tmp_path):
    done = site.run("-t", "none.tsv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tsv_parser.py: none.tsv: there is no such file\n"
    (tmp_path / "x.tsv").write_bytes(GOOD)
    done = site.run("-t", tmp_path / "x.tsv")
    assert done.returncode == 2
    assert done.stderr == (f"tsv_parser.py: {tmp_path}/x.tsv is not in the tree {site.data}: name its tree with -d\n")


def test_a_wrong_option_is_a_wrong_usage(site):
    done = site.run("--nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("tsv_parser.py: error: unrecognized arguments: --nonsense\n")


def test_the_help_says_what_each_option_does(site):
    done = site.run("--help")
    assert done.returncode == 0
    for option in ("--dataFolder DATA", "-t FILE", "--tsvFile FILE", "--dry-run", "--output DIR", "--again"):
        assert option in done.stdout


# ── a look ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_says_what_would_happen_and_touches_nothing(site, tmp_path):
    site.put(FILE, GOOD)
    site.put(f"{DEVICE}/T302_250703_031500.tsv", b"")
    site.put("acme/x.tsv", b"")
    before = snapshot(tmp_path)
    done = site.run("--dry-run", INFLUXDB_HOST=f"http://127.0.0.1:{free_port()}", INFLUXDB_ADMIN_TOKEN="t")
    assert (done.returncode, done.stderr) == (1, "")
    refused = (
        "REFUSED acme/x.tsv: files belong in DATA/<client>/<campaign>/<device serial>/; this one is elsewhere and is "
        "left there"
    )
    error = (
        f"ERROR   {DEVICE}/T302_250703_031500.tsv: the file is empty. The logger sends these readings again in a later "
        "file; if it does not, upload the file again; 0.00 s"
    )
    assert shown(done) == [
        f"would {refused}",
        f"would OK      {LINE}; 0.00 s",
        f"would {error}",
        "campaign    files  OK  PARTIAL  ERROR  REFUSED  PENDING  rows  readings  left out",
        "acme/roof       2   1        0      1        0        0     3         6",
        "acme/x.tsv      1   0        0      0        1        0     0         0",
        "",
        refused,
        error,
    ]
    assert snapshot(tmp_path) == before


def test_output_writes_files_for_a_look_anew_and_moves_nothing(site, tmp_path):
    site.put(FILE, GOOD)
    before = {folder: snapshot(tmp_path / folder) for folder in ("data", "logs", "state")}
    for _ in range(2):
        done = site.run("--output", tmp_path / "look", INFLUXDB_HOST="http://127.0.0.1:1")
        assert (done.returncode, done.stderr) == (0, "")
    assert [p.name for p in (tmp_path / "look").iterdir()] == ["acme.lp"]
    assert len((tmp_path / "look" / "acme.lp").read_text().splitlines()) == 6
    assert {folder: snapshot(tmp_path / folder) for folder in before} == before
    assert not site.lines.exists()


@pytest.mark.parametrize("folder", ["data", "data/acme", "line-protocol", "data/../line-protocol"])
def test_output_does_not_go_where_it_would_harm_what_is_kept(site, tmp_path, folder):
    site.put(FILE, GOOD)
    done = site.run("--output", f"{tmp_path}/{folder}")
    assert done.returncode == 78
    assert done.stderr == (
        f"tsv_parser.py: --output {tmp_path}/{folder}: that folder holds uploads or readings; name another one.\n"
    )
    assert list(site.files()) == [FILE]


def test_again_stores_once_more_what_was_parsed_and_moves_nothing(site):
    site.put(FILE, GOOD)
    site.run()
    site.put(f"{DEVICE}/pending.tsv", GOOD)
    before = snapshot(site.data)
    done = site.run("--again")
    assert (done.returncode, done.stderr) == (0, "")
    assert shown(done)[1] == "acme/roof      1   1        0      0        0        0     3         6"
    assert snapshot(site.data) == before
    assert len(site.stored("acme")) == 12
    assert site.logged()[-1] == f"TIME OK      {DEVICE}/parsed/T302_250702_031500.tsv{LINE[len(FILE) :]}; 0.00 s"


def test_again_stores_a_parsed_file_that_is_named(site):
    site.put(f"{DEVICE}/parsed/a.tsv", GOOD)
    site.put(f"{DEVICE}/parsed/b.tsv", GOOD)
    site.put(f"{DEVICE}/PARSED_c.tsv", GOOD)
    done = site.run("--again", "-t", f"{DEVICE}/parsed/a.tsv", f"{DEVICE}/PARSED_c.tsv")
    assert done.returncode == 0
    assert [record["path"] for record in site.records()] == [f"{DEVICE}/parsed/a.tsv", f"{DEVICE}/PARSED_c.tsv"]


# ── one at a time ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_run_waits_for_the_first_and_says_so(site):
    site.put(FILE, GOOD)
    with (site.state / "parser.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(
            site.command(), env=site.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert second.stderr.readline() == "tsv_parser.py: another run is in progress; waiting for it to end.\n"
        assert list(site.files()) == [FILE]
    out, err = second.communicate(timeout=LONG)
    assert (second.returncode, err) == (0, "")
    assert "acme/roof" in out


def test_a_look_waits_for_nobody(site, tmp_path):
    site.put(FILE, GOOD)
    with (site.state / "parser.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert site.run("--dry-run").returncode == 0
        assert site.run("--output", tmp_path / "look").returncode == 0


def test_a_run_that_is_terminated_ends_at_once_and_keeps_its_files(site):
    site.put(FILE, GOOD)
    with (site.state / "parser.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(site.command(), env=site.environment, stderr=subprocess.PIPE, text=True)
        assert waiting.stderr.readline()
        waiting.send_signal(signal.SIGTERM)
        assert (waiting.wait(LONG), waiting.stderr.read()) == (128 + signal.SIGTERM, "")
    assert list(site.files()) == [FILE]


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"INFLUXDB_HOST": "http://localhost:8086"},
            "INFLUXDB_ADMIN_TOKEN is not set, but INFLUXDB_HOST is (http://localhost:8086): set the token in "
            f"{ROOT}/.env or in the environment (InfluxDB's web page makes one: Load Data, API Tokens), or unset "
            "INFLUXDB_HOST to write line protocol files.",
        ),
        (
            {"INFLUXDB_HOST": "localhost:8086"},
            "INFLUXDB_HOST must be a URL such as http://localhost:8086, not 'localhost:8086': set it in "
            f"{ROOT}/.env or in the environment.",
        ),
        (
            {"INFLUXDB_HOST": "http://a", "INFLUXDB_ADMIN_TOKEN": f"{NO_SUCH_SECRET} x"},
            "INFLUXDB_ADMIN_TOKEN contains blanks or characters that no token has (its value is not shown): set it in "
            f"{ROOT}/.env or in the environment.",
        ),
        (
            {"POWERVIEW_TIMEZONE": "Paris"},
            "POWERVIEW_TIMEZONE must be the name of a time zone such as Europe/Paris, not 'Paris': set it in "
            f"{ROOT}/.env or in the environment.",
        ),
        (
            {"POWERVIEW_DATA_DIR": "/nowhere/data"},
            f"/nowhere/data is not a folder: POWERVIEW_DATA_DIR (set in {ROOT}/.env or the environment) must name "
            "the tree client/campaign/device/*.tsv.",
        ),
        (
            {"POWERVIEW_STATE_DIR": "/proc/nowhere"},
            "POWERVIEW_STATE_DIR /proc/nowhere cannot be used: No such file or directory. Make it, owned by the user "
            "that runs PowerView, or name another folder.",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_is_missing_or_wrong_is_named_with_where_to_set_it(site, environment, said):
    site.put(FILE, GOOD)
    done = site.run(**environment)
    assert (done.returncode, done.stdout, done.stderr) == (78, "", f"tsv_parser.py: {said}\n")
    assert list(site.files()) == [FILE]
    assert site.logged() == []


def test_a_tree_named_on_the_command_line_that_is_none_is_reported_as_such(site):
    done = site.run("-d", "/nowhere/data")
    assert (done.returncode, done.stderr) == (
        78, "tsv_parser.py: /nowhere/data is not a folder: -d must name the tree client/campaign/device/*.tsv.\n"
    )  # fmt: skip


# ── a PowerView that is not whole ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("broken", ["powerview/names.py", "powerview/ingest/loop.py", "pandas.py", "powerview.py"])
def test_a_fault_of_ours_at_the_start_does_not_end_like_a_file_in_error(site, tmp_path, broken):
    site.put(FILE, GOOD)
    home = tmp_path / "home"
    shutil.copytree(ROOT / "powerview", home / "powerview", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tsv_parser.py", home)
    if broken == "powerview.py":  # it is not there
        shutil.rmtree(home / "powerview")
    else:
        (home / broken).write_text("import no_such_package\n")
    done = subprocess.run(
        [sys.executable, home / "tsv_parser.py"], env=site.environment, capture_output=True, text=True
    )
    assert done.returncode == os.EX_SOFTWARE
    assert "ModuleNotFoundError: No module named" in done.stderr
    assert list(site.files()) == [FILE]


# ── InfluxDB ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def pending(site: Site, said: str) -> None:
    """The run ended with 75, said this in one sentence and left everything pending."""
    done = site.run()
    assert (done.returncode, done.stdout) == (75, "")
    assert done.stderr == f"tsv_parser.py: {said}. Files stay pending; the next run takes them.\n"
    assert sorted(site.files()) == [FILE, f"{DEVICE}/b.tsv"]
    assert site.logged() == [f"TIME PENDING 2 files: {said}"]
    everything = done.stderr + "".join(p.read_text() for p in site.log.iterdir())
    assert site.environment["INFLUXDB_ADMIN_TOKEN"] not in everything


@pytest.fixture
def two_files(influx_site, client) -> Site:
    """Two uploads of one device."""
    influx_site.put(FILE, GOOD)
    influx_site.put(f"{DEVICE}/b.tsv", GOOD)
    return influx_site


def test_a_wrong_token_keeps_every_file_pending(two_files):
    two_files.environment["INFLUXDB_ADMIN_TOKEN"] = NO_SUCH_SECRET
    host = two_files.environment["INFLUXDB_HOST"]
    pending(
        two_files, f"InfluxDB at {host} does not accept the token in INFLUXDB_ADMIN_TOKEN (401, set in {ROOT}/.env)"
    )


def test_a_wrong_organisation_keeps_every_file_pending(two_files):
    two_files.environment["INFLUXDB_ORG"] = "nobody"
    host = two_files.environment["INFLUXDB_HOST"]
    pending(
        two_files,
        f"InfluxDB at {host} does not find bucket 'acme' of INFLUXDB_ORG 'nobody' (404, set in {ROOT}/.env): "
        'organization name "nobody" not found',
    )


def test_a_wrong_address_keeps_every_file_pending(two_files):
    host = two_files.environment["INFLUXDB_HOST"] = f"http://127.0.0.1:{free_port()}"
    done = two_files.run()
    assert (done.returncode, done.stdout) == (75, "")
    assert done.stderr.startswith(f"tsv_parser.py: InfluxDB does not answer at {host} (")
    assert done.stderr.endswith(
        f"): is it running, and is INFLUXDB_HOST right? (set in {ROOT}/.env). Files stay pending; the next "
        "run takes them.\n"
    )
    assert done.stderr.count("\n") == 1
    assert sorted(two_files.files()) == [FILE, f"{DEVICE}/b.tsv"]


def test_pending_files_are_stored_once_the_server_is_right_again(influx, two_files, client):
    (two_files.data / "acme").rename(two_files.data / client)
    assert two_files.run(INFLUXDB_ADMIN_TOKEN=NO_SUCH_SECRET).returncode == 75
    done = two_files.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert len(influx.points(client)) == 6
    assert all("/parsed/" in path for path in two_files.files())


def test_influxdb_takes_a_line_protocol_file_in_one_call_and_then_holds_what_the_parser_stores(
    influx, tmp_path, client
):
    in_influxdb = {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token, "INFLUXDB_ORG": influx.org}
    sites = Site(tmp_path / "files"), Site(tmp_path / "server", in_influxdb)
    for site in sites:
        lay_out(site.data)
        (site.data / "acme").rename(site.data / client)
        for others in ("globex", "initech"):
            shutil.rmtree(site.data / others)
        assert site.run().returncode == 0
    influx.make_bucket(f"{client}-copy")
    influx.write(f"{client}-copy", (sites[0].lines / f"{client}.lp").read_bytes())
    stored = influx.points(client)
    assert stored == influx.points(f"{client}-copy")
    assert len(stored) > 8000


# ── two processes ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_runs_at_once_store_and_move_each_file_once(site):
    for number in range(20):
        site.put(f"{DEVICE}/{number}.tsv", GOOD)
    runs = [
        subprocess.Popen(site.command(), env=site.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in "ab"
    ]
    for each in runs:
        each.communicate(timeout=LONG)
    assert [each.returncode for each in runs] == [0, 0]
    assert sorted(site.files()) == sorted(f"{DEVICE}/parsed/{number}.tsv" for number in range(20))
    assert len(site.stored("acme")) == 20 * 6
    assert len(site.logged()) == 20


def test_a_run_killed_in_the_middle_leaves_files_that_the_next_one_stores(site):
    for number in range(60):
        site.put(f"{DEVICE}/{number:02}.tsv", v002(*day_rows(count=144)))
    with (site.log / "uploads.log").open("a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)  # the run cannot log the first file that it settles, and waits
        killed = subprocess.Popen(
            site.command(), env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(lambda: any((site.data / DEVICE).glob("parsed/*.tsv")), LONG, lambda: "nothing was parsed")
        killed.kill()
        assert killed.wait(LONG) == -signal.SIGKILL
    assert len(list((site.data / DEVICE).glob("*.tsv"))) > 0
    assert site.run().returncode == 0
    assert sorted(site.files()) == [f"{DEVICE}/parsed/{number:02}.tsv" for number in range(60)]
    assert len(set(site.stored("acme"))) == 288


def test_every_record_is_one_json_object_with_the_same_fields(site):
    for name, content in {"a": GOOD, "b": b"", "c\n": GOOD + b"0"}.items():
        site.put(f"{DEVICE}/{name}.tsv", content)
    site.run()
    lines = (site.log / "uploads.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["OK", "ERROR", "PARTIAL"]
    assert {tuple(json.loads(line)) for line in lines} == {
        ("time", "powerview", "status", "path", "client", "campaign", "device", "file", "settled_as", "rows",
         "readings", "first", "last", "left_out", "notes", "logger", "reason", "seconds")
    }  # fmt: skip


def test_the_project_needs_no_env_file_of_its_own(site):
    assert Path(site.command()[1]).is_absolute()
    site.put(FILE, GOOD)
    environment = {**site.environment, "HOME": "/nonexistent"}
    done = subprocess.run(site.command(), env=environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0


# ── nobody listens ───────────────────────────────────────────────────────────────────────────────────────────────────


def heard(site: Site, redirections: str, *arguments: str) -> tuple[int, str]:
    """The exit status of a run whose output bash redirects so, and what came out of the pipe or on standard error."""
    script = f'"$@" {redirections}; exit "${{PIPESTATUS[0]}}"'
    command = ["bash", "-c", script, "bash", *site.command(*arguments)]
    done = subprocess.run(
        command, env=site.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=LONG,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture
def talkative(site) -> Site:
    """A good file, and so many bad ones that a pipe does not hold what is said of them."""
    site.put(FILE, GOOD)
    for number in range(400):
        site.put(f"{DEVICE}/{number:0200}.tsv", b"")
    return site


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_a_reader_who_has_seen_enough_ends_a_run_no_earlier_and_no_otherwise(talkative, arguments):
    status, said = heard(talkative, "| head -n 1", *arguments)
    assert (status, len(said.splitlines())) == (1, 1)
    assert len(talkative.logged()) == (0 if arguments else 401)


@pytest.mark.parametrize("redirections", ["2>&1 | true", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full 2>&1"])
def test_output_that_goes_nowhere_keeps_no_reading_from_being_stored(talkative, redirections):
    shutil.rmtree(talkative.log)
    talkative.log.write_text("no folder")  # which standard error is logged in the middle of the run
    status, said = heard(talkative, redirections)
    assert (status, "Traceback" in said, "Exception" in said) == (1, False, False)
    assert len(talkative.stored("acme")) == 6
    assert all("/parsed/" in path or "/error/" in path for path in talkative.files())


def test_the_help_is_read_as_far_as_somebody_wants(site):
    assert heard(site, "| true", "--help") == (0, "")


def test_a_full_disk_behind_the_output_is_reported(site):
    site.put(FILE, GOOD)
    said = "standard output cannot be written: No space left on device\n"
    assert heard(site, ">/dev/full") == (0, said)
    assert len(site.stored("acme")) == 6


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/srv/x"), "/srv/x: Permission denied. This user must be able to "
         "work there."),
        (OSError(37, "No locks available"), "No locks available; the system does not say where. Is there room on "
         "the disks, and do they work?"),
        (OSError("odd"), "odd; the system does not say where. Is there room on the disks, and do they work?"),
    ],
)  # fmt: skip
def test_a_trouble_of_the_system_is_reported_with_its_place_if_there_is_one(error, said):
    assert tsv_parser.trouble(error) == said


# ── a person's slips ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("option", ["-d", "-t", "--output"])
def test_an_empty_name_is_a_usage_error(site, option):
    done = site.run(option, "")
    assert done.returncode == 2
    assert "is empty; a folder or file must be named" in done.stderr


def test_a_tree_may_be_named_by_a_symlink_and_its_files_by_either_path(site, tmp_path):
    site.put(FILE, GOOD)
    site.put(f"{DEVICE}/other.tsv", GOOD)
    link = tmp_path / "link"
    link.symlink_to(site.data)
    assert site.run("-d", link, "-t", site.data / FILE).returncode == 0
    assert site.run("-d", site.data, "-t", link / DEVICE / "other.tsv").returncode == 0
    assert {path.rsplit("/", 2)[1] for path in site.files()} == {"parsed"}


def test_a_folder_or_a_compressed_file_is_refused_with_the_reason(site):
    site.put(f"{DEVICE}/x.tsv.gz", b"x")
    done = site.run("-t", site.data / DEVICE, site.data / DEVICE / "x.tsv.gz")
    assert done.returncode == 1
    assert "this is a folder: name the files in it" in done.stdout
    assert "only .tsv files are read: unpack what is compressed" in done.stdout


def test_what_is_no_tsv_in_a_devices_folder_is_reported_once_and_left(site):
    site.put(f"{DEVICE}/x.tsv.gz", b"x")
    site.put(f"{DEVICE}/new.filepart", b"x")
    old = site.put(f"{DEVICE}/old.filepart", b"x")
    os.utime(old, (1_750_000_000, 1_750_000_000))
    first, second, third = site.run(), site.run(), site.run("--again")
    assert (first.returncode, second.returncode) == (1, 1)
    assert "x.tsv.gz: only .tsv files are read" in first.stdout
    assert second.stdout == ""
    assert third.returncode == 0
    assert site.run().stdout == ""
    assert [line.split(":")[0] for line in sorted(site.logged())] == [
        f"TIME REFUSED {DEVICE}/old.filepart", f"TIME REFUSED {DEVICE}/x.tsv.gz"
    ]  # fmt: skip
    assert set(site.files()) == {f"{DEVICE}/x.tsv.gz", f"{DEVICE}/new.filepart", f"{DEVICE}/old.filepart"}


def test_ctrl_c_ends_with_130_and_no_traceback(site):
    for number in range(3):
        site.put(f"{DEVICE}/{number}.tsv", GOOD)
    with (site.log / "uploads.log").open("a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)  # the run cannot log the first file that it settles, and waits
        process = subprocess.Popen(
            site.command(), env=site.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: any((site.data / DEVICE).glob("parsed/*")), LONG, lambda: "nothing was settled")
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LONG)
    assert (process.returncode, said) == (
        130, "tsv_parser.py: interrupted; files that were not settled are still pending.\n"
    )  # fmt: skip
    assert [path for path in site.files() if "/parsed/" not in path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_another_user_than_the_owner_is_refused(site):
    os.chown(site.state, 65534, 65534)
    done = site.run()
    assert done.returncode == 77
    assert "belongs to user nobody; run it as that user: sudo -u nobody" in done.stderr


def test_ctrl_c_ends_so_while_the_program_is_still_being_loaded(site, tmp_path):
    # A module that takes long to load, in place of one that the settings need.
    (tmp_path / "slow" / "dotenv").mkdir(parents=True)
    loading = tmp_path / "loading"
    (tmp_path / "slow" / "dotenv" / "__init__.py").write_text(
        f"import pathlib, time\npathlib.Path({str(loading)!r}).touch()\ntime.sleep({LONG})\n"
    )
    process = subprocess.Popen(
        site.command(),
        env={**site.environment, "PYTHONPATH": str(tmp_path / "slow")},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(loading.exists, LONG, lambda: "it did not load its settings")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LONG)
    assert (process.returncode, err) == (
        130, "tsv_parser.py: interrupted; files that were not settled are still pending.\n"
    )  # fmt: skip
