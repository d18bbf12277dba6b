"""`on-upload.sh`, run as SFTPGo runs it: a cleared environment, /dev/null on all three, another working directory."""

from __future__ import annotations

import os
import pwd
import random
import signal
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hook_site import (
    ACTION,
    CONNECTION,
    DISCONNECT,
    MKDIR,
    PLAYBOOK,
    PROJECT,
    RENAME,
    UPLOAD,
    Installation,
    bin_folder,
    children_of,
    command,
    kill,
    lines,
)
from waiting import LONG, wait_until

SCRIPT = PROJECT / "on-upload.sh"


@pytest.fixture
def site(tmp_path):
    """An installation with fake programs."""
    site = Installation(tmp_path / "site")
    site.fake_programs()
    yield site
    site.kill_all()


@pytest.fixture
def parser_call(site):
    """How the ingest lane calls the parser."""
    return f"python {site.home}/tsv_parser.py"


@pytest.fixture
def playbook_call(site):
    """How the provision lane calls the playbook."""
    return f"ansible-playbook {site.home}/{PLAYBOOK}"


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────

NO_ACTION = dict(CONNECTION)  # SFTPGo without the README's ENV line
FAILED_UPLOAD = {**UPLOAD, "SFTPGO_ACTION_STATUS": "2"}
STATE = ["ingest.lock", "ingest.status", "provision.lock", "provision.status"]
WATCH = "watch -m powerview watch"


@pytest.mark.parametrize("event", [UPLOAD, FAILED_UPLOAD, DISCONNECT, NO_ACTION])
def test_an_upload_or_a_disconnect_wakes_the_ingest_lane_alone(site, parser_call, event):
    site.settled_event(event)
    assert (site.calls(), site.log("hook.log"), site.log("provisioning.log")) == ([parser_call], [], [])


def test_a_new_folder_wakes_the_provision_lane_alone(site, playbook_call):
    site.settled_event(MKDIR)
    assert (site.calls(), site.log("hook.log"), site.log("provisioning.log")) == ([playbook_call], [], [])


def test_a_renamed_file_or_folder_wakes_both_lanes(site, parser_call, playbook_call):
    site.settled_event(RENAME)
    assert sorted(site.calls()) == [playbook_call, parser_call]
    assert sorted(path.name for path in site.state.iterdir()) == STATE


@pytest.mark.parametrize("action", ["download", "delete", "rmdir", "pre-upload", "ssh_cmd", "copy"])
def test_any_other_action_is_one_line_in_the_log(site, action):
    site.settled_event({**UPLOAD, "SFTPGO_ACTION": action})
    logged = f"TIME ignoring SFTPGO_ACTION={action} of {UPLOAD['SFTPGO_ACTION_VIRTUAL_PATH']}: "
    assert site.log("hook.log") == [logged + "upload, rename, mkdir and disconnects are known"]
    assert site.calls() == []


@pytest.mark.parametrize("words", [[], ["swep"], ["sweep", "ingest"], ["-h"]])
def test_anything_else_by_hand_shows_the_usage(site, words):
    logged = "usage: on-upload.sh sweep\nSFTPGo runs it without arguments, with SFTPGO_ACTION in its environment.\n"
    assert (site.run(*words), site.calls()) == ((2, "", logged), [])


def test_the_programs_get_a_whole_environment_and_none_of_sftpgo(site):
    event = {**ACTION, **CONNECTION, "POWERVIEW_TIMEZONE": "Europe/Rome", "SFTPGO_": "x"}
    site.settled_event({**event, "SFTPGO_ACTION": "rename"})
    ansible = f"{site.state}/ansible"
    wanted = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HOME": pwd.getpwuid(os.getuid()).pw_dir,
        "POWERVIEW_STATE_DIR": str(site.state),
        "POWERVIEW_LOG_DIR": str(site.logs),
        "POWERVIEW_TIMEZONE": "Europe/Rome",
        "ANSIBLE_HOME": ansible,
        "ANSIBLE_LOCAL_TEMP": f"{ansible}/tmp",
        "ANSIBLE_REMOTE_TEMP": f"{ansible}/tmp",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_NOCOLOR": "1",
        "PWD": str(site.home),
    }
    for program in ("python", "ansible-playbook"):
        given_ = site.environment(program)
        assert {name: value for name, value in given_.items() if name not in ("_", "SHLVL", "OLDPWD")} == wanted


def test_a_home_that_is_not_there_is_replaced_by_the_state_folder(site):
    site.settled_event({**UPLOAD, "HOME": "/nonexistent"})
    assert site.environment("python")["HOME"] == str(site.state)


# ── many events, one worker ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_thousand_events_at_once_are_two_passes_of_one_worker(site, parser_call):
    site.close_gate()
    most = []
    with ThreadPoolExecutor(150) as pool:
        events = [pool.submit(site.event, UPLOAD) for _ in range(999)]
        while not all(event.done() for event in events):
            most.append(len(site.workers()))
        for event in events:
            event.result()
    site.wait_for_calls(1)  # on a busy machine all those events may come before the first pass begins
    site.event(UPLOAD)
    site.open_gate()
    site.rest()
    assert max(most) == 1
    assert (site.calls(), site.log("hook.log")) == ([parser_call, parser_call], [])


# A debugger inside the shell: bash reads BASH_ENV before the script. At the STOP_AT-th command of the function STOP_IN
# it does STOP_DO.
STOP = """
set -T
steps=0
step() {
  [[ ${FUNCNAME[1]-} == "$STOP_IN" ]] || return 0
  ((++steps == STOP_AT)) || return 0
  trap - DEBUG
  env -u BASH_ENV /bin/bash -c "$STOP_DO"
}
trap step DEBUG
"""
AS_SFTPGO = "env -i SFTPGO_ACTION=upload {script} </dev/null >/dev/null 2>&1"


def stopped(site: Installation, function: str, at: int, do: str) -> dict[str, str]:
    """The variables that make the shell `do` something at a step of a function, and note that it was reached."""
    (site.notes / "stop.sh").write_text(STOP, encoding="utf-8")
    reached = f"touch {site.notes}/reached; {do.format(script=site.script, notes=site.notes)}"
    return {"BASH_ENV": str(site.notes / "stop.sh"), "STOP_IN": function, "STOP_AT": str(at), "STOP_DO": reached}


def every_step(tmp_path: Path, least: int = 5):
    """A fresh installation for each step of a function, until a step is not reached: (site, step)."""
    for step in range(1, 100):
        site = Installation(tmp_path / f"site{step}")
        site.fake_programs()
        yield site, step
        site.kill_all()
        if not (site.notes / "reached").exists():
            assert step > least, "the function was never stopped"
            return


def test_an_event_at_any_moment_of_a_worker_is_followed_by_a_pass(tmp_path):
    event = f"{AS_SFTPGO}; echo event >>{{notes}}/calls"
    for site, step in every_step(tmp_path):
        site.settled_event(UPLOAD, **stopped(site, "drain", step, event))
        assert site.calls()[-1] == f"python {site.home}/tsv_parser.py", f"step {step}"


def test_a_worker_that_ends_at_any_moment_of_an_event_is_followed_by_another(tmp_path):
    wait = "while [[ -e {notes}/stop ]]; do sleep 0.02; done"
    for site, step in every_step(tmp_path):
        site.close_gate()
        site.event(UPLOAD)
        site.wait_for_calls(1)  # this pass has seen the disk before the next upload
        (worker,) = site.workers()
        (site.notes / "stop").touch()
        hook = site.hook(UPLOAD, **stopped(site, "wake", step, wait))
        wait_until(
            lambda site=site, hook=hook: (site.notes / "reached").exists() or hook.poll() is not None,
            LONG, lambda: "the hook hangs",
        )  # fmt: skip
        site.open_gate()
        site.wait_for_end(worker)
        (site.notes / "stop").unlink()
        hook.wait(LONG)
        site.rest()
        assert len(site.calls()) >= 2, f"step {step}"


def test_a_sweep_does_what_a_worker_killed_at_any_moment_left_undone(tmp_path):
    for site, step in every_step(tmp_path):
        site.settled_event(UPLOAD, **stopped(site, "drain", step, "kill -9 $PPID"))
        before = len(site.calls())
        assert site.run("sweep")[0] == 0
        assert len(site.calls()) == before + 3, f"step {step}"
        assert [site.lane_status(lane) for lane in ("ingest", "provision")] == [0, 0], f"step {step}"


def test_a_hook_killed_at_any_moment_of_an_event_hinders_no_other(tmp_path):
    for site, step in every_step(tmp_path):
        site.hook(UPLOAD, **stopped(site, "wake", step, "kill -9 $PPID")).wait(LONG)
        site.rest()
        (site.notes / "calls").unlink(missing_ok=True)
        site.settled_event(UPLOAD)
        assert site.calls() == [f"python {site.home}/tsv_parser.py"], f"step {step}"


def test_a_hook_killed_at_a_random_moment_hinders_no_other(site, parser_call):
    dice = random.Random(7)
    for _ in range(50):
        hook = site.hook(RENAME)
        time.sleep(dice.uniform(0, 0.006))  # no condition to wait for: the moment is the test
        hook.kill()
        hook.wait(LONG)
    site.rest()
    (site.notes / "calls").unlink(missing_ok=True)
    site.settled_event(UPLOAD)
    assert site.calls() == [parser_call]


def test_a_killed_worker_whose_parser_lives_on_gives_the_lane_free(site, parser_call):
    site.close_gate()
    site.event(UPLOAD)
    site.wait_for_calls(1)
    (worker,) = site.workers()
    kill(worker)
    site.wait_for_end(worker)
    assert site.processes(), "the orphans are what this test is about"
    site.event(UPLOAD)
    site.wait_for_calls(3)
    assert site.calls() == [parser_call, "python overlaps", parser_call]
    site.open_gate()
    site.rest()


def test_a_killed_provision_worker_whose_playbook_lives_on_gives_the_lane_free(site, playbook_call):
    site.close_gate()
    site.event(MKDIR)
    site.wait_for_calls(1)
    (worker,) = site.workers("provision")
    kill(worker)
    site.wait_for_end(worker)
    site.event(MKDIR)
    site.wait_for_calls(3)
    assert site.calls() == [playbook_call, "ansible-playbook overlaps", playbook_call]
    site.open_gate()
    site.rest()


def test_one_lane_does_not_wait_for_the_other(site, parser_call, playbook_call):
    site.close_gate()
    site.event(RENAME)
    site.wait_for_calls(2)
    assert sorted(site.calls()) == [playbook_call, parser_call]
    (worker,) = site.workers("ingest")
    kill(worker)  # the provision worker was started by the same hook: it must not hold this lane's lock
    site.wait_for_end(worker)
    (site.notes / "calls").unlink()
    site.event(UPLOAD)
    site.wait_for_calls(1)
    site.open_gate()
    site.rest()


# ── sweep ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sweep_does_both_lanes_and_then_the_watch_in_the_foreground(site, parser_call, playbook_call):
    (site.notes / "python.out").write_text("Nothing to do: no file is pending.\n")
    assert site.run("sweep") == (0, "Nothing to do: no file is pending.\n", "")
    assert sorted(site.calls()[:2]) == [playbook_call, parser_call]
    assert site.calls()[2:] == [WATCH]


def test_a_sweep_picks_up_what_a_restart_of_sftpgo_has_killed(site, parser_call, playbook_call):
    site.close_gate()
    site.event(UPLOAD)
    site.wait_for_calls(1)
    site.event(UPLOAD)
    site.kill_all()
    site.open_gate()
    (site.notes / "running-python").rmdir()
    assert site.run("sweep")[0] == 0
    assert sorted(site.calls()) == [playbook_call, parser_call, parser_call, WATCH]
    assert sorted(path.name for path in site.state.iterdir()) == STATE


def test_the_lanes_of_two_sweeps_work_one_after_the_other(site, parser_call, playbook_call):
    sweeps = [site.start("sweep"), site.start("sweep")]
    assert [sweep.communicate(timeout=LONG) for sweep in sweeps] == [("", ""), ("", "")]
    assert [sweep.returncode for sweep in sweeps] == [0, 0]
    lanes = sorted(call for call in site.calls() if "watch" not in call)  # which has a lock of its own
    assert lanes == [playbook_call, playbook_call, parser_call, parser_call]


def test_the_lanes_of_a_sweep_work_side_by_side(site, parser_call, playbook_call):
    site.close_gate()
    sweep = site.start("sweep")
    site.wait_for_calls(2)
    assert sorted(site.calls()) == [playbook_call, parser_call]
    site.open_gate()
    assert sweep.wait(LONG) == 0


@pytest.mark.slow
@pytest.mark.parametrize("lane", ["ingest", "provision"])
def test_a_lane_that_hangs_holds_up_neither_the_other_nor_the_watch(site, parser_call, playbook_call, lane):
    hanging, other = (parser_call, playbook_call) if lane == "ingest" else (playbook_call, parser_call)
    program = hanging.split()[0]
    site.constants(SWEEP_SECONDS=1)
    site.close_gate(program)
    (site.notes / f"{program}.status").write_text("75" if lane == "ingest" else "2")
    sweep = site.start("sweep")
    wait_until(lambda: min(map(site.calls().count, (other, WATCH))) >= 3, LONG, lambda: f"calls: {site.calls()}")
    assert (site.calls().count(hanging), sweep.poll()) == (1, None)
    site.open_gate(program)
    assert sweep.wait(LONG) == (75 if lane == "ingest" else 2)
    assert site.calls()[-1] == WATCH


def test_a_worker_that_hangs_does_not_hold_up_the_watch_of_a_sweep(site, playbook_call):
    site.constants(SWEEP_SECONDS=1)
    site.close_gate("python")
    site.event(UPLOAD)
    sweep = site.start("sweep")
    wait_until(lambda: site.calls().count(WATCH) >= 2, LONG, lambda: f"calls: {site.calls()}")
    assert playbook_call in site.calls()
    site.open_gate("python")
    assert sweep.wait(LONG) == 0
    assert "python overlaps" not in site.calls()


def test_a_lane_that_was_killed_ends_the_sweep_with_a_failure(site):
    site.constants(SWEEP_SECONDS=60)  # what it waits at most, where bash does not notice at once that a child has ended
    site.close_gate("python")
    sweep = site.start("sweep")
    # While the other lane is at work a lane that has ended comes again.
    wait_until(
        lambda: any(call.startswith("python") for call in site.calls()) and site.lane_status("provision") == 0,
        LONG, lambda: f"calls: {site.calls()}",
    )  # fmt: skip
    wait_until(lambda: not site.workers("provision", does="lane"), LONG, lambda: "the other lane does not end")
    (lane,) = site.workers("ingest", does="lane")
    kill(lane)
    assert sweep.wait(LONG) == 137


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_sweep_that_is_stopped_ends_with_all_that_it_started(site, number, status):
    site.close_gate()
    sweep = site.start("sweep")
    site.wait_for_calls(2)
    os.killpg(sweep.pid, number)  # what a terminal does at Ctrl-C
    assert sweep.wait(LONG) == status
    site.rest()
    calls = site.calls()
    assert (len(calls), WATCH in calls) == (2, False)
    assert site.log("hook.log") == [
        "TIME ingest: tsv_parser.py ended with status 143; what it had not settled is still pending"
    ]
    site.open_gate()
    for program in ("python", "ansible-playbook"):
        (site.notes / f"running-{program}").rmdir()
    assert site.run("sweep")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("function", ["run_playbook", "start_lanes"])
def test_a_sweep_that_is_stopped_at_any_moment_leaves_no_program_behind(tmp_path, function):
    note = "while [[ ! -s {notes}/sweep ]]; do sleep 0.02; done; "
    for site, step in every_step(tmp_path, least=2):
        site.constants(KILL_SECONDS=1)
        site.close_gate("ansible-playbook")
        variables = stopped(site, function, step, note + "kill -TERM $(<{notes}/sweep)")
        sweep = site.start("sweep", **variables)
        (site.notes / "sweep").write_text(f"{sweep.pid}\n")
        wait_until(
            lambda site=site: (site.notes / "reached").exists() or len(site.calls()) == 2,
            LONG, lambda: "neither stopped nor at work",
        )  # fmt: skip
        if not (site.notes / "reached").exists():
            sweep.send_signal(signal.SIGTERM)
        assert sweep.wait(LONG) == 143, f"step {step}"
        site.rest()


def test_a_sweep_that_is_stopped_leaves_the_work_of_a_later_event_to_the_next(site):
    site.close_gate()
    sweep = site.start("sweep")
    site.wait_for_calls(2)
    site.event(UPLOAD)
    sweep.send_signal(signal.SIGTERM)
    assert sweep.wait(LONG) == 143
    site.rest()
    assert (len(site.calls()), (site.state / "ingest.marker").exists()) == (2, True)


def test_a_sweep_waits_for_a_worker_and_an_event_during_a_sweep_is_not_lost(site, parser_call):
    site.close_gate()
    site.event(UPLOAD)
    site.wait_for_calls(1)
    sweep = site.start("sweep")
    site.event(UPLOAD)
    site.open_gate()
    assert sweep.wait(LONG) == 0
    site.rest()
    assert site.calls().count(parser_call) >= 2
    assert "python overlaps" not in site.calls()


@pytest.mark.parametrize(
    ("parser", "playbook", "sweep"),
    [
        *[(0, 0, 0), (1, 0, 1), (75, 0, 75), (2, 0, 2), (77, 0, 77), (78, 0, 78), (130, 0, 130)],
        *[(0, 4, 4), (1, 2, 2), (75, 2, 2), (78, 2, 78), (130, 2, 130), (2, 4, 4)],
        *[(0, 1, 70), (0, 75, 70), (1, 1, 70), (75, 75, 70)],  # these would mean that no playbook has failed
    ],
)
def test_a_sweep_ends_with_the_worse_status(site, parser, playbook, sweep):
    (site.notes / "python.status").write_text(str(parser))
    (site.notes / "ansible-playbook.status").write_text(str(playbook))
    assert site.run("sweep")[0] == sweep
    assert site.lane_status("ingest") == parser
    assert site.lane_status("provision") == (70 if playbook in (1, 75) else playbook)
    failed = [line.split(":")[0] for line in site.log("provisioning.log")]
    assert failed == ([f"TIME FAILED {playbook}"] if playbook else [])


@pytest.mark.parametrize(("better", "worse"), [(0, 1), (1, 75), (75, 2), (75, 70), (75, 130), (1, 2), (0, 4)])
def test_which_status_is_worse_does_not_depend_on_the_order(better, worse):
    words = 'source "$1"; worse "$2" "$3"; printf "%s " "$REPLY"; worse "$3" "$2"; printf "%s" "$REPLY"'
    done = subprocess.check_output(["/bin/bash", "-c", words, "test", SCRIPT, str(better), str(worse)], text=True)
    assert done == f"{worse} {worse}"


def test_a_run_with_several_passes_ends_with_the_worse_one_and_keeps_the_last_one(site):
    site.close_gate("python")
    (site.notes / "python.status").write_text("78")
    sweep = site.start("sweep")
    site.wait_for_calls(2)
    site.event(UPLOAD)
    (site.home / ".venv/bin/python").rename(site.home / ".venv/bin/first")
    (site.home / ".venv/bin/python").write_text("#!/bin/bash\n")
    (site.home / ".venv/bin/python").chmod(0o755)
    site.open_gate("python")
    assert sweep.wait(LONG) == 78
    assert site.lane_status("ingest") == 0


def test_what_the_watch_prints_is_treated_as_what_the_parser_prints(site):
    (site.notes / "watch.out").write_text("all is well\n")
    (site.notes / "watch.err").write_text("POWERVIEW_PING_URL: the ping was NOT received\n")
    (site.notes / "watch.status").write_text("75")
    line = "TIME watch: POWERVIEW_PING_URL: the ping was NOT received"
    assert site.run("sweep") == (0, "all is well\n", f"{line}\n")
    assert site.log("hook.log") == [line]


@pytest.mark.parametrize(("status", "lines_"), [(0, 0), (75, 0), (78, 0), (1, 1), (137, 1)])
def test_a_watch_that_fails_changes_nothing_about_the_lanes(site, status, lines_):
    (site.notes / "watch.status").write_text(str(status))
    (site.notes / "python.status").write_text("1")
    assert site.run("sweep")[0] == 1
    assert (site.lane_status("ingest"), site.lane_status("provision")) == (1, 0)
    assert site.log("hook.log") == [f"TIME watch: python -m powerview watch ended with status {status}"] * lines_


def test_a_watch_that_hangs_is_ended(site):
    site.constants(WATCH_SECONDS=1)
    site.close_gate("watch")
    assert site.run("sweep")[0] == 0
    assert site.log("hook.log") == ["TIME watch: python -m powerview watch did not end within 1 seconds"]


def test_the_watch_sees_how_the_lanes_of_its_sweep_have_ended(site):
    (site.notes / "python.status").write_text("75")
    site.close_gate("watch")
    sweep = site.start("sweep")
    site.wait_for_calls(3)
    assert (site.lane_status("ingest"), site.lane_status("provision")) == (75, 0)
    site.open_gate("watch")
    assert sweep.wait(LONG) == 75


def test_a_worker_of_an_event_leaves_its_status(site):
    (site.notes / "python.status").write_text("75")
    (site.notes / "ansible-playbook.status").write_text("2")
    site.settled_event(RENAME)
    assert (site.lane_status("ingest"), site.lane_status("provision")) == (75, 2)


def test_a_status_is_never_half_written(tmp_path):
    for site, step in every_step(tmp_path, least=2):
        (site.state / "ingest.status").write_text("75 before\n")
        site.settled_event(UPLOAD, **stopped(site, "keep_status", step, "kill -9 $PPID"))
        assert site.lane_status("ingest") in (0, 75), f"step {step}"
        assert site.run("sweep")[0] == 0
        assert sorted(path.name for path in site.state.iterdir() if path.suffix != ".marker") == STATE


def test_a_status_that_cannot_be_written_is_logged_and_stops_nothing(site, parser_call):
    (site.state / "ingest.status.new").symlink_to("/dev/full")
    site.settled_event(UPLOAD)
    (line,) = site.log("hook.log")
    assert line.startswith(f"TIME ingest: {site.state}/ingest.status cannot be written: ")
    assert site.calls() == [parser_call]


# ── locks ────────────────────────────────────────────────────────────────────────────────────────────────────────────

NO_LOCKS = "echo 'flock: 9: No locks available' >&2; exit 71"


def test_a_lock_is_opened_for_reading_and_writing(site):
    site.replace_program("flock", f'grep flags: /proc/$$/fdinfo/9 >>{site.notes}/flags; exec /usr/bin/flock "$@"')
    site.settled_event(UPLOAD)
    assert site.run("sweep")[0] == 0
    flags = [int(line.split()[1], 8) for line in lines(site.notes / "flags")]
    assert len(flags) >= 6
    assert {flag & os.O_ACCMODE for flag in flags} == {os.O_RDWR}


def test_a_lock_that_does_not_work_is_logged_and_the_hook_does_not_fail(site):
    site.replace_program("flock", NO_LOCKS)
    site.settled_event(UPLOAD)
    line = f"TIME ingest: its lock in {site.state} does not work: flock: 9: No locks available"
    assert (site.calls(), site.log("hook.log")) == ([], [line])


@pytest.mark.parametrize("program", ["exit 1", "exit 75", "kill -9 $$"])
def test_only_a_lock_that_is_taken_is_silent(site, program):
    site.replace_program("flock", program)
    site.settled_event(UPLOAD)
    (line,) = site.log("hook.log")
    assert line.startswith(f"TIME ingest: its lock in {site.state} does not work: flock ended with status ")


def test_a_sweep_without_working_locks_fails_and_the_watch_notices(site):
    site.replace_program("flock", NO_LOCKS)
    assert site.run("sweep")[0] == 78
    assert sorted(site.log("hook.log")) == [
        f"TIME {lane}: its lock in {site.state} does not work: flock: 9: No locks available"
        for lane in ("ingest", "provision")
    ]
    assert (site.lane_status("ingest"), site.lane_status("provision")) == (78, 78)
    assert site.calls() == [WATCH]


def test_a_lock_that_cannot_be_released_is_logged(site, parser_call):
    site.replace_program("flock", f'[[ $1 != -u ]] || {{ {NO_LOCKS}; }}; exec /usr/bin/flock "$@"')
    site.settled_event(UPLOAD)
    line = f"TIME ingest: its lock in {site.state} does not work: flock: 9: No locks available"
    assert (site.calls(), site.log("hook.log")) == ([parser_call], [line])


def test_a_sweep_by_somebody_else_is_refused_because_of_what_it_would_leave_behind(site):
    theirs = site.home.parent / "theirs"
    theirs.mkdir()
    if os.geteuid() == 0:
        os.chown(theirs, 65534, 65534)
    else:
        theirs = Path("/usr")
    logged = f"on-upload.sh: {theirs} belongs to another user; run it as that user:\n"
    logged += f"sudo -u {theirs.owner()} {site.script} sweep\n"
    assert site.run("sweep", POWERVIEW_STATE_DIR=f"{theirs}/state/of") == (77, "", logged)
    assert site.calls() == []


# ── what the ingest lane says ────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_parser_says_to_a_person_stands_in_the_log_and_its_table_does_not(site):
    (site.notes / "python.out").write_text("campaign  files\ncompany1/campaign1  1\n")
    (site.notes / "python.err").write_bytes(b"INFLUXDB_HOST: \x1b[31m\r\n\nno end\tof line \xff")
    (site.notes / "python.status").write_text("78")
    site.settled_event(UPLOAD)
    assert site.log("hook.log") == [
        "TIME ingest: INFLUXDB_HOST: ?[31m?",
        "TIME ingest: ",
        "TIME ingest: no end?of line ?",
    ]


def test_letters_of_other_languages_stay_in_the_log(site):
    (site.notes / "python.err").write_text("température élevée\n", encoding="utf-8")
    site.settled_event(UPLOAD)
    assert site.log("hook.log") == ["TIME ingest: température élevée"]


def test_a_parser_that_was_killed_is_logged(site):
    site.close_gate()
    site.event(UPLOAD)
    site.wait_for_calls(1)
    for pid in children_of(site.processes()):
        if pid not in site.processes():
            kill(pid)
    site.rest()
    logged = "TIME ingest: tsv_parser.py ended with status 137; what it had not settled is still pending"
    assert site.log("hook.log") == [logged]


def test_the_environment_of_an_installation_wins_over_one_that_was_only_tried(tmp_path):
    site = Installation(tmp_path / "site")
    site.fake_programs(".venv")
    site.fake_programs("envs/powerview")
    site.settled_event(UPLOAD)
    assert site.environment("python")["_"] == f"{site.home}/envs/powerview/bin/python"


def test_without_an_environment_the_systems_python_is_tried(tmp_path):
    site = Installation(tmp_path / "site")
    note = site.notes / "called"
    (site.home / "tsv_parser.py").write_text(f"import sys\nopen({str(note)!r}, 'w').write(' '.join(sys.argv))\n")
    site.settled_event(UPLOAD)
    assert note.read_text() == f"{site.home}/tsv_parser.py"


# ── what the provision lane says ─────────────────────────────────────────────────────────────────────────────────────


def test_without_a_playbook_the_provision_lane_says_so(tmp_path):
    site = Installation(tmp_path / "site")
    site.settled_event(MKDIR)
    logged = f"TIME FAILED 78: {PLAYBOOK} or ansible-playbook is missing: no dashboard is created"
    assert site.log("provisioning.log") == [logged]


def real_playbook(site: Installation, tasks: str) -> list[str]:
    """What a real ansible-playbook with these tasks leaves in the log."""
    site.real_programs()
    site.playbook(f"- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}")
    site.settled_event(MKDIR)
    return site.log("provisioning.log")


def test_each_campaign_that_was_made_or_repaired_is_a_line(tmp_path):
    tasks = """
    - name: "powerview: this is a name"
      ansible.builtin.debug:
        msg: "powerview: company1/campaign1 created"
    - name: Several
      ansible.builtin.debug:
        msg: "powerview: company1/{{ item }} repaired \\"é\\""
      loop: [campaign2, campaign3]
    - name: A list
      ansible.builtin.debug:
        msg: ["powerview: company2/campaign1 created", "powerview: company2/campaign2 created"]
"""
    assert real_playbook(Installation(tmp_path / "site"), tasks) == [
        "TIME company1/campaign1 created",
        'TIME company1/campaign2 repaired "é"',
        'TIME company1/campaign3 repaired "é"',
        "TIME company2/campaign1 created",
        "TIME company2/campaign2 created",
    ]


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        (
            '    - ansible.builtin.fail: {msg: "powerview: GRAFANA_PASSWORD is wrong:\\n set \\"it\\""}\n',
            '2: GRAFANA_PASSWORD is wrong:  set "it"',
        ),
        (
            '    - ansible.builtin.fail: {msg: "powerview: {{ item }} failed"}\n      loop: [a, b]\n',
            "2: b failed",
        ),
        (
            '    - ansible.builtin.fail: {msg: "the password is secret"}\n      no_log: true\n',
            "2: the output has been hidden due to the fact that 'no_log: true' was specified for this result",
        ),
        (
            "    - no.such.module: {}\n",
            "4: couldn't resolve module/action 'no.such.module'. This often indicates a misspelling, missing "
            "collection, or incorrect module path.",
        ),
    ],
)
def test_a_failed_playbook_is_one_line_with_the_reason(tmp_path, tasks, reason):
    site = Installation(tmp_path / "site")
    logged = [f"TIME FAILED {reason} (ansible-playbook {site.home}/{PLAYBOOK} shows more)"]
    assert real_playbook(site, tasks) == logged


def test_a_playbook_that_hangs_is_ended_and_logged(site):
    site.constants(PLAYBOOK_SECONDS=1)
    site.close_gate("ansible-playbook")
    site.settled_event(MKDIR)
    reason = "it did not end within 1 seconds (it printed nothing)"
    assert site.log("provisioning.log") == [
        f"TIME FAILED 124: {reason} (ansible-playbook {site.home}/{PLAYBOOK} shows more)"
    ]
    assert site.lane_status("provision") == 124


def test_a_playbook_that_does_not_listen_is_killed(site):
    site.constants(PLAYBOOK_SECONDS=1, KILL_SECONDS=1)
    program = site.home / ".venv/bin/ansible-playbook"
    program.write_text("#!/bin/bash\nwhile :; do sleep 0.1; done\n")
    # Children inherit what is blocked: it does not listen from its first moment on, not only once it has set a trap.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        site.event(MKDIR)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    site.rest()
    (line,) = site.log("provisioning.log")
    assert line.startswith("TIME FAILED 137: it did not end within 1 seconds (it printed nothing) (")


@pytest.mark.slow
def test_a_real_playbook_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    for seconds in (5, 50, 500):  # a busy machine needs longer until the task is at work
        site = Installation(tmp_path / f"site{seconds}")
        site.constants(PLAYBOOK_SECONDS=seconds)
        note = site.notes / "pid"
        tasks = f"    - ansible.builtin.shell: 'echo $$ >{note}; exec sleep 10000'\n"
        (line,) = real_playbook(site, tasks)
        assert f": it did not end within {seconds} seconds (" in line
        if note.exists() and note.read_text():
            break
    pid = int(note.read_text())
    wait_until(lambda: b"sleep" not in command(pid), LONG, lambda: "the task lives on")


def test_an_unchanged_playbook_is_silent(tmp_path):
    site = Installation(tmp_path / "site")
    assert real_playbook(site, "    - ansible.builtin.debug: {msg: nothing to do}\n") == []
    assert site.log("hook.log") == []


@pytest.mark.slow
def test_a_refused_name_is_logged_once_and_again_when_it_has_come_back(tmp_path):
    site = Installation(tmp_path / "site")
    site.real_programs()
    for refused in (["a b", "c"], ["c", "a b"], ["a b", "d"], ["d"], ["a b", "d"]):
        names = [f"powerview: refused {name}: no" for name in refused]
        site.playbook(f"- hosts: localhost\n  gather_facts: false\n  tasks: [{{debug: {{msg: {names}}}}}]\n")
        site.settled_event(MKDIR)
    logged = ["a b", "c", "d", "a b"]
    assert site.log("provisioning.log") == [f"TIME refused {name}: no" for name in logged]


# ── text from outside ────────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = [
    b"x\n2026-01-01 00:00:00+01:00 forged",
    b"\r\x1b[2Jx",
    b"$(touch {here}/ran)",
    b"`touch {here}/ran`",
    b"'; touch {here}/ran; '",
    b'"; touch {here}/ran; "',
    b"a[$(touch {here}/ran)]",
    b"-n",
    b"--help",
    b"*",
    b"\xff\xfe\x80",
    b"{{ lookup('pipe', 'touch {here}/ran') }}",
    b"%s%n%d",
    b"x" * 30_000,
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("action", [b"download", b"upload", b"mkdir", b"rename", None])
def test_hostile_text_in_every_variable_runs_nothing_and_forges_no_line(site, value, action):
    value = value.replace(b"{here}", os.fsencode(site.notes))
    variables = dict.fromkeys((*ACTION, *CONNECTION), value)
    site.settled_event({**variables, "SFTPGO_ACTION": value if action is None else action})
    logged = lines(site.logs / "hook.log") + lines(site.logs / "provisioning.log")
    assert not (site.notes / "ran").exists()
    assert len(logged) == {b"download": 1, b"upload": 0, b"mkdir": 1, b"rename": 0, None: 1}[action]
    assert all(line.isascii() and line.isprintable() and len(line) < 600 for line in logged)
    assert len(site.calls()) == {b"download": 0, b"upload": 1, b"mkdir": 1, b"rename": 2, None: 0}[action]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/campaign 1", "/campaign\\ 1"),
        ("/a\nb", "$'/a\\nb'"),
        ("/campaign1\n", "$'/campaign1\\n'"),
        ("/campaign1/parsed files", "/campaign1/parsed\\ files"),
        ("/-rf", "/-rf"),
        ("/" + "x" * 65, "/" + "x" * 65),
        ("/été", "$'/\\303\\251t\\303\\251'"),
    ],
)
def test_a_folder_that_will_be_refused_is_logged_at_once(site, playbook_call, path, shown):
    site.settled_event({**MKDIR, "SFTPGO_ACTION_VIRTUAL_PATH": path})
    rule = "a name is a letter or digit, then at most 63 letters, digits, _ . -"
    assert site.log("provisioning.log") == [f"TIME refused: folder {shown}: {rule}"]
    assert site.calls() == [playbook_call]


# ── folders that cannot be used ──────────────────────────────────────────────────────────────────────────────────────


def test_missing_log_and_state_folders_are_made(site):
    site.state.rmdir()
    site.logs.rmdir()
    site.settled_event({**UPLOAD, "SFTPGO_ACTION": "download"})
    site.settled_event(UPLOAD)
    assert (len(site.log("hook.log")), len(site.calls())) == (1, 1)


def test_a_log_folder_that_cannot_be_written_stops_nothing(site, parser_call):
    (site.notes / "file").touch()
    (site.notes / "python.err").write_text("something to report\n")
    site.set(POWERVIEW_LOG_DIR=site.notes / "file/logs")
    site.settled_event({**UPLOAD, "SFTPGO_ACTION": "download"})
    site.settled_event(UPLOAD)
    assert site.calls() == [parser_call]


def test_a_log_on_a_full_disk_stops_nothing(site, parser_call):
    (site.logs / "hook.log").symlink_to("/dev/full")
    (site.notes / "python.err").write_text("something to report\n")
    site.settled_event({**UPLOAD, "SFTPGO_ACTION": "download"})
    site.settled_event(UPLOAD)
    assert site.calls() == [parser_call]


def test_without_a_state_folder_the_hook_says_so_and_does_not_fail(site):
    (site.notes / "file").touch()
    site.set(POWERVIEW_STATE_DIR=site.notes / "file/state")
    site.settled_event(UPLOAD)
    remedy = "POWERVIEW_STATE_DIR must be a folder of this user, with room on its disk"
    assert site.log("hook.log") == [f"TIME ingest: {site.notes}/file/state/ingest.lock cannot be opened: {remedy}"]
    assert site.calls() == []


def test_an_event_whose_marker_cannot_be_made_starts_the_worker_all_the_same(site, parser_call):
    (site.state / "ingest.marker").symlink_to(site.notes / "no/where")
    site.settled_event(UPLOAD)
    logged = f"TIME ingest: {site.state}/ingest.marker cannot be created; the next sweep does the outstanding work"
    assert (site.calls(), site.log("hook.log")) == ([parser_call], [logged])


def test_a_marker_that_cannot_be_removed_does_not_keep_the_worker_busy_for_ever(site, parser_call):
    (site.state / "ingest.marker").mkdir()
    site.settled_event(UPLOAD)
    assert site.calls() == [parser_call]


def test_the_files_that_it_makes_may_be_written_by_its_group_and_by_nobody_else(site):
    (site.notes / "python.err").write_text("something to report\n")
    site.settled_event(UPLOAD)
    modes = [path.stat().st_mode & 0o777 for path in (site.state / "ingest.lock", site.logs / "hook.log")]
    assert modes == [0o660, 0o660]


# ── the script itself ────────────────────────────────────────────────────────────────────────────────────────────────


def test_sourcing_the_script_runs_nothing(site):
    done = subprocess.run(
        ["/bin/bash", "-c", 'source "$1"', "test", site.script], env=UPLOAD, cwd="/", capture_output=True
    )
    site.rest()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (site.calls(), list(site.state.iterdir())) == ([], [])


def test_the_script_works_through_a_symlink_and_by_a_relative_path(site, parser_call):
    (site.notes / "hook").symlink_to(site.script)
    subprocess.run([site.notes / "hook"], env=UPLOAD, check=True)
    site.rest()
    subprocess.run(["/bin/bash", "on-upload.sh"], env=UPLOAD, cwd=site.home, check=True)
    site.wait_for_calls(2)
    assert site.calls() == [parser_call, parser_call]


def test_shellcheck_has_nothing_to_say():
    found = subprocess.run([f"{bin_folder()}/shellcheck", SCRIPT], capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_the_hook_is_back_soon_after_an_empty_script(site, tmp_path):
    site.close_gate()
    empty = tmp_path / "empty.sh"
    empty.write_text("#!/bin/bash\n")
    empty.chmod(0o755)

    def seconds(program: Path) -> float:
        started = time.perf_counter()
        subprocess.run([program], env=UPLOAD, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started

    both = [(seconds(empty), seconds(site.script)) for _ in range(40)]
    nothing, hook = map(statistics.median, zip(*both, strict=True))
    assert hook < 25 * nothing  # some four times; a busy machine slows both down
    site.open_gate()


# ── the whole path ───────────────────────────────────────────────────────────────────────────────────────────────────

DAY = b"""02001283\t02001283\t02001283
MV_T302_V002\tPh 1 V\tVoie1 W
01/07/25 00:10:00\t241.50\t100.0
01/07/25 00:20:00\t242.25\t-3.5
01/07/25 00:30:00\t24"""


def reading(channel: str, index: int, unit: str, seconds: int) -> tuple:
    """A point's key as InfluxServer.points has it."""
    tags = {
        "campaign": "campaign1", "channel": f"SN: 02001283 - Ch: {channel}", "channel_idx": str(index),
        "channel_name": channel, "device": "02001283", "unit": unit,
    }  # fmt: skip
    return ("campaign1", tuple(sorted(tags.items())), seconds)


def upload(site: Installation, client: str) -> Path:
    """A file that SFTPGo has just closed."""
    path = site.data / client / "campaign1/02001283/T302_250701_031500.tsv"
    path.parent.mkdir(parents=True)
    path.write_bytes(DAY)
    return path


def test_an_upload_ends_as_readings_in_influxdb_and_a_line_in_the_log(tmp_path, influx, client):
    site = Installation(tmp_path / "site")
    site.real_programs()
    site.set(INFLUXDB_HOST=influx.url, INFLUXDB_ADMIN_TOKEN=influx.token, INFLUXDB_ORG=influx.org)
    file = upload(site, client)
    site.settled_event(DISCONNECT)
    assert site.log("hook.log") == []
    assert influx.points(client) == {
        reading("Ph 1", 1, "V", 1751321400): 241.5,
        reading("Ph 1", 1, "V", 1751322000): 242.25,
        reading("Voie1", 2, "W", 1751321400): 100.0,
        reading("Voie1", 2, "W", 1751322000): -3.5,
    }
    assert (file.parent / "parsed" / file.name).read_bytes() == DAY
    (line,) = site.log("uploads.log")
    assert line.startswith(f"TIME PARTIAL {client}/campaign1/02001283/T302_250701_031500.tsv: ")


@pytest.mark.slow
def test_a_server_that_is_away_leaves_the_file_pending_and_no_secret_in_a_log(tmp_path):
    site = Installation(tmp_path / "site")
    site.real_programs()
    secrets = ("INFLUXDB_ADMIN_TOKEN", "INFLUXDB_PASSWORD", "GRAFANA_PASSWORD")
    site.set(INFLUXDB_HOST="http://127.0.0.1:1", **dict.fromkeys(secrets, "that-nobody-may-read"))
    site.playbook("- hosts: localhost\n  gather_facts: false\n  tasks: [{ansible.builtin.fail: {msg: away}}]\n")
    file = upload(site, "company1")
    site.settled_event(UPLOAD)
    site.settled_event(MKDIR)
    assert site.run("sweep")[0] == 2
    assert (site.lane_status("ingest"), site.lane_status("provision")) == (75, 2)
    assert file.read_bytes() == DAY
    logs = {path.name: path.read_text() for path in site.logs.iterdir()}
    assert set(logs) == {"uploads.log", "uploads.jsonl", "hook.log", "provisioning.log"}
    assert not [name for name, text in logs.items() if "that-nobody-may-read" in text]
