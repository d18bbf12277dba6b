"""The lane and channels.csv: a good sheet is in force, a bad one is reported and the last good one stays."""

from __future__ import annotations

import os
import shutil
import time

import pytest
from trees import Site, day_rows, snapshot, v002
from waiting import LONG

from powerview import ingest
from powerview.channels import disk, force, sheet_for
from powerview.inbox import Inbox
from powerview.monitoring.uploads import uploads

PATH = "acme/roof/channels.csv"
REASON = "acme/roof/channels.csv.reason.txt"
GOOD = b"device,place,name\n02001283,2,Oven\n"
OTHER = b"device,place,name,role\n02001283,2,Rack,hidden\n"
BAD = b"device,place,role\n02001283,2,mian\n"
BAD_TEXT = (
    "line 2: role 'mian' is not known: write main, part, production or hidden, or leave it empty, which means part"
)
KEPT, NONE = "the sheet before it stays in force", "no sheet is in force"


def lane(site: Site, **options: bool) -> int:
    """A run of the lane with nothing to store; returns its exit status."""
    settings = site.settings()
    tree = Inbox(settings.data_dir, settings.influxdb_bucket)
    found, refusals = ingest.choose(tree, again=False, files=None)
    assert found == []
    return ingest.run(settings, [], refusals, None, **{"own_tree": True, **options}).status


def in_force(site: Site) -> bytes | None:
    file = site.state / "channels/acme/roof.csv"
    return file.read_bytes() if file.exists() else None


def name(site: Site) -> str | None:
    settings = site.settings()
    sheet = sheet_for(settings.data_dir, settings.state_dir, "acme", "roof")
    return sheet and sheet.lines[0].name


def put(site: Site, content: bytes) -> None:
    """As SFTPGo puts an upload: written aside, then renamed, so that it is another file."""
    site.put(f"{PATH}.half", content).rename(site.data / PATH)


def test_a_good_sheet_is_in_force_and_logged_once(site):
    put(site, GOOD)
    assert (lane(site), in_force(site), name(site)) == (0, GOOD, "Oven")
    assert site.logged() == [f"TIME OK      {PATH}: in force, 1 clamp"]
    before = snapshot(site.state / "channels"), (site.state / "channels.json").stat()
    assert lane(site) == 0
    assert site.logged() == [f"TIME OK      {PATH}: in force, 1 clamp"]
    assert (snapshot(site.state / "channels"), (site.state / "channels.json").stat()) == before
    assert site.files() == {PATH: GOOD}


def test_a_bad_sheet_is_reported_like_an_upload_and_the_last_good_one_stays(site):
    put(site, GOOD)
    lane(site)
    put(site, BAD)
    assert lane(site) == lane(site) == 1
    assert (in_force(site), name(site)) == (GOOD, "Oven")
    assert site.files() == {PATH: BAD, REASON: f"{PATH}: {BAD_TEXT}.\n".encode()}
    assert site.logged()[1:] == [f"TIME REFUSED {PATH}: {BAD_TEXT}; {KEPT}"]
    assert site.records()[-1] | {"time": ""} == {
        "time": "", "powerview": site.records()[-1]["powerview"], "status": "REFUSED", "path": PATH, "client": "acme",
        "campaign": "roof", "file": "channels.csv", "settled_as": None, "rows": 0, "readings": 0, "first": None,
        "last": None, "left_out": {}, "notes": [], "logger": None, "reason": f"{BAD_TEXT}; {KEPT}", "seconds": 0.0,
    }  # fmt: skip


def test_when_it_is_good_again_its_reason_goes(site):
    put(site, BAD)
    assert lane(site) == 1
    assert (in_force(site), name(site)) == (None, None)
    put(site, OTHER)
    assert lane(site) == 0
    assert (in_force(site), site.files()) == (OTHER, {PATH: OTHER})
    assert site.logged() == [
        f"TIME REFUSED {PATH}: {BAD_TEXT}; {NONE}", f"TIME OK      {PATH}: in force, 1 clamp"
    ]  # fmt: skip


def test_every_problem_is_in_the_reason_and_the_first_in_the_log(site):
    put(site, b"device,place,role,factor\n1,1,x,\n1,2,,0\n")
    lane(site)
    reason = site.files()[REASON].decode().splitlines()
    assert [line.split(" ", 3)[:3] for line in reason] == [[f"{PATH}:", "line", "2:"], [f"{PATH}:", "line", "3:"]]
    assert f"means part. (1 more in channels.csv.reason.txt); {NONE}" in site.logged()[0]


@pytest.mark.parametrize("before", [GOOD, BAD])
def test_a_sheet_that_was_removed_is_no_longer_in_force(site, before):
    put(site, GOOD)
    lane(site)
    put(site, before)
    lane(site)
    (site.data / PATH).unlink()
    assert lane(site) == 0
    assert (in_force(site), name(site), site.files()) == (None, None, {})
    assert site.logged()[-1] == f"TIME OK      {PATH}: it was removed and is no longer in force"
    logged = site.logged()
    assert (lane(site), site.logged()) == (0, logged)


def test_a_reason_goes_with_its_sheet_also_when_nothing_is_remembered_of_it(site):
    put(site, BAD)
    lane(site)
    shutil.rmtree(site.state)
    site.state.mkdir()
    (site.data / PATH).unlink()
    lane(site)
    assert site.files() == {}


def test_a_campaign_that_was_renamed_takes_its_sheet_along(site):
    put(site, GOOD)
    lane(site)
    (site.data / "acme/roof").rename(site.data / "acme/yard")
    lane(site)
    assert [str(p.relative_to(site.state / "channels")) for p in site.state.rglob("*.csv")] == ["acme/yard.csv"]


def test_a_sheet_written_in_place_is_put_into_force_anew(site):
    site.put(PATH, GOOD)
    lane(site)
    site.put(PATH, OTHER)
    lane(site)
    assert in_force(site) == OTHER


def test_unchanged_sheets_are_not_opened(site, monkeypatch):
    put(site, GOOD)
    site.put("acme/yard/channels.csv", BAD)
    lane(site)

    def never(*_, **__):
        raise AssertionError("it was read")

    monkeypatch.setattr(disk, "read_beside", never)
    assert lane(site) == 1
    assert len(site.logged()) == 2


def test_neither_sheet_nor_reason_is_a_file_at_a_wrong_place(site):
    put(site, BAD)
    site.put("acme/roof/notes.txt", b"x")
    lane(site)
    assert [line.split()[2] for line in site.logged()] == [f"{PATH}:"]
    assert list(Inbox(site.data, "powerview").pending()) == []


def test_readings_are_stored_as_without_a_sheet(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    assert site.run().returncode == 0
    plain = site.stored("acme")
    other = Site(site.root / "other")
    other.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    other.put(PATH, b"device,place,name,role,factor\n02001283,2,Oven,hidden,-3\n02001283,9,x,,\n")
    assert other.run().returncode == 0
    assert other.stored("acme") == plain
    assert other.logged()[0] == f"TIME OK      {PATH}: in force, 2 clamps"  # before the first upload nothing is known


def test_clamps_that_are_not_there_are_kept_with_a_note(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    assert site.run().returncode == 0
    lines = "".join(f"02001283,{place},\n" for place in (1, 2, 3, 4, 5, 6))
    put(site, f"device,place,unit\n{lines}2001283,2,kW\n".replace("\n02001283,2,\n", "\n02001283,2,W\n").encode())
    assert lane(site) == 0
    assert site.logged()[-1] == (
        f"TIME OK      {PATH}: in force, 7 clamps; kept, but there are no readings of 02001283 place 3, 02001283 place "
        "4, 02001283 place 5 and 2 more"
    )


def test_the_command_line_puts_it_into_force_but_not_of_another_tree_nor_for_a_look(site, tmp_path):
    put(site, GOOD)
    site.put("acme/yard/channels.csv", BAD)
    assert site.run("--dry-run").returncode == site.run("--output", tmp_path / "out").returncode == 0
    assert (in_force(site), site.logged(), list(site.state.iterdir())) == (None, [], [])
    done = site.run()
    assert (done.returncode, in_force(site)) == (1, GOOD)
    assert f"REFUSED acme/yard/channels.csv: {BAD_TEXT}; {NONE}" in done.stdout
    assert site.run("-d", site.data).returncode == 1  # what is bad still is
    assert len(site.logged()) == 2  # and is not logged again
    (tmp_path / "elsewhere/acme/roof").mkdir(parents=True)
    assert site.run("-d", tmp_path / "elsewhere").returncode == 0
    assert in_force(site) == GOOD


def test_of_a_tree_that_no_lane_has_seen_the_sheet_beside_the_files_counts(site, tmp_path):
    put(site, GOOD)
    assert name(site) == "Oven"
    lane(site)
    put(site, BAD)
    assert name(site) == "Oven"
    assert sheet_for(tmp_path / "elsewhere", site.state, "acme", "roof") is None


# ── hostile and broken surroundings ──────────────────────────────────────────────────────────────────────────────────


def test_a_symlink_is_refused_and_reasons_are_written_through_none(site, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(GOOD)
    (site.data / "acme/roof").mkdir(parents=True)
    (site.data / PATH).symlink_to(secret)
    (site.data / REASON).symlink_to(secret)
    assert lane(site) == 1
    assert (secret.read_bytes(), in_force(site)) == (GOOD, None)
    assert (site.data / REASON).read_text().startswith(f"{PATH}: it is a symlink or is reached through one")
    assert not (site.data / REASON).is_symlink()


def test_a_pipe_or_a_folder_in_its_place_holds_nothing_up(site):
    (site.data / PATH).mkdir(parents=True)
    (site.data / REASON).mkdir()
    site.put("acme/yard/x", b"")
    os.mkfifo(site.data / "acme/yard/channels.csv")
    assert lane(site) == 1
    logged = site.logged()
    assert [line.split(": ", 1)[1][:27] for line in logged] == ["it is not a regular file: p"] * 2
    assert "the reason cannot be written beside it: Is a directory" in logged[0]


def test_names_that_are_refused_have_no_sheet(site):
    for folder in ("admin/roof", "acme/parsed", "acme/a b", "{{ x }}/roof", "acme/powerview_events"):
        site.put(f"{folder}/channels.csv", GOOD)
    (site.data / "linked").symlink_to(site.data / "admin")
    assert lane(site) == 0
    assert (list(site.state.rglob("*.csv")), site.logged()) == ([], [])


def test_a_client_named_like_our_own_files_does_no_harm(site):
    site.put("channels.json/roof.csv/channels.csv", GOOD)
    put(site, OTHER)
    assert lane(site) == 0
    assert (site.state / "channels/channels.json/roof.csv.csv").read_bytes() == GOOD
    assert in_force(site) == OTHER


def test_a_sheet_that_is_still_being_written_waits(site):
    put(site, GOOD)
    lane(site)
    with (site.data / PATH).open("wb") as half:
        half.write(b"device,place\n1,x")
        half.flush()
        assert lane(site) == 0
        assert (in_force(site), REASON in site.files()) == (GOOD, False)
    assert lane(site) == 1


def test_where_writers_cannot_be_seen_a_sheet_waits_until_it_is_quiet(site, no_leases, monkeypatch):
    monkeypatch.setattr("powerview.inbox.claim.QUIET_SECONDS", LONG)
    put(site, GOOD)
    lane(site)
    assert in_force(site) is None
    os.utime(site.data / PATH, (time.time() - 2 * LONG,) * 2)
    lane(site)
    assert in_force(site) == GOOD


@pytest.mark.parametrize("content", [GOOD, BAD])
@pytest.mark.parametrize("step", ["put_in_force", "save_memory", "write_beside", "_remove_reason"])
def test_killed_at_any_step_the_next_run_does_the_rest(site, monkeypatch, step, content):
    put(site, BAD if content == GOOD else GOOD)
    lane(site)
    put(site, content)
    where = force if step == "_remove_reason" else disk
    real = getattr(where, step)

    def killed(*arguments):
        raise KeyboardInterrupt

    def killed_after(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    for dies in (killed, killed_after):
        monkeypatch.setattr(where, step, dies)
        try:
            lane(site)
        except KeyboardInterrupt:
            pass
        assert in_force(site) in (None, GOOD)  # never half of one
    monkeypatch.setattr(where, step, real)
    assert lane(site) == (0 if content == GOOD else 1)
    assert in_force(site) == GOOD
    assert (REASON in site.files()) == (content == BAD)
    assert any("REFUSED" in line for line in site.logged())


def test_a_lost_or_damaged_memory_costs_one_more_look(site):
    put(site, GOOD)
    site.put("acme/yard/channels.csv", GOOD)
    lane(site)
    (site.data / "acme/yard/channels.csv").unlink()
    for damage in (b"", b"[]", b'{"tree": 1, "sheets": {"a": 1}}', b"\xff"):
        (site.state / "channels.json").write_bytes(damage)
        assert lane(site) == 0
        assert in_force(site) == GOOD
        assert not (site.state / "channels/acme/yard.csv").exists()


def test_a_lost_copy_is_made_again(site):
    put(site, GOOD)
    lane(site)
    (site.state / "channels/acme/roof.csv").unlink()
    lane(site)
    assert in_force(site) == GOOD


def test_a_full_disk_stops_neither_the_lane_nor_the_next_try(site, monkeypatch):
    put(site, GOOD)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "put_in_force", full)
        assert lane(site) == 1
        patch.undo()
        patch.setattr(disk, "save_memory", full)
        lane(site)
    assert "it cannot be put into force: No space left on device. The disk is full: make room." in site.logged()[0]
    assert lane(site) == 0
    assert in_force(site) == GOOD


def test_a_fault_of_ours_stops_no_other_sheet(site, monkeypatch):
    put(site, GOOD)
    site.put("acme/yard/channels.csv", OTHER)
    real = force.read_sheet

    def faulty(data):
        return real(data) if data == OTHER else 1 / 0

    monkeypatch.setattr(force, "read_sheet", faulty)
    assert lane(site) == 1
    assert (site.state / "channels/acme/yard.csv").read_bytes() == OTHER
    assert "PowerView failed on this sheet (ZeroDivisionError: division by zero): report it" in site.logged()[0]


def test_a_folder_that_gives_an_error_takes_nothing_out_of_force(site, monkeypatch):
    put(site, GOOD)
    lane(site)

    def broken(folder):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(force, "_mark", lambda *_: None)
        lane(site)
    assert in_force(site) == GOOD
    real = force._folders
    calls = iter([real, broken])
    monkeypatch.setattr(force, "_folders", lambda folder: next(calls, real)(folder))
    lane(site)
    assert in_force(site) == GOOD


def test_check_lists_a_sheet_that_is_refused(site):
    put(site, BAD)
    lane(site)
    [item] = [item for item in uploads(site.settings()) if item.name == "refused files"]
    assert PATH in str(item)
    assert "mian" in str(item)
    put(site, GOOD)
    lane(site)
    assert "mian" not in str(list(uploads(site.settings())))
