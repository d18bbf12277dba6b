"""The lane and channels.csv: a good sheet is in force, a bad one is reported and the last good one stays."""

from __future__ import annotations

import os
import time

import pytest
from trees import House, day_rows, snapshot, v002

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


def lane(house: House, **options: bool) -> int:
    """A run of the lane with nothing to store; returns its exit status."""
    settings = house.settings()
    tree = Inbox(settings.data_dir, settings.influxdb_bucket)
    found, refusals = ingest.choose(tree, again=False, files=None)
    assert found == []
    return ingest.run(settings, [], refusals, None, **{"sheets": True, **options}).status


def in_force(house: House) -> bytes | None:
    file = house.state / "channels/acme/roof.csv"
    return file.read_bytes() if file.exists() else None


def name(house: House) -> str | None:
    settings = house.settings()
    sheet = sheet_for(settings.data_dir, settings.state_dir, "acme", "roof")
    return sheet and sheet.lines[0].name


def put(house: House, content: bytes) -> None:
    """As SFTPGo puts an upload: written aside, then renamed, so that it is another file."""
    house.put(f"{PATH}.half", content).rename(house.data / PATH)


def test_a_good_sheet_is_in_force_and_logged_once(house):
    put(house, GOOD)
    assert (lane(house), in_force(house), name(house)) == (0, GOOD, "Oven")
    assert house.told() == [f"TIME OK      {PATH}: in force, 1 clamp"]
    before = snapshot(house.state / "channels"), (house.state / "channels.json").stat()
    assert lane(house) == 0
    assert house.told() == [f"TIME OK      {PATH}: in force, 1 clamp"]
    assert (snapshot(house.state / "channels"), (house.state / "channels.json").stat()) == before
    assert house.files() == {PATH: GOOD}


def test_a_bad_sheet_is_reported_like_an_upload_and_the_last_good_one_stays(house):
    put(house, GOOD)
    lane(house)
    put(house, BAD)
    assert lane(house) == lane(house) == 1
    assert (in_force(house), name(house)) == (GOOD, "Oven")
    assert house.files() == {PATH: BAD, REASON: f"{PATH}: {BAD_TEXT}.\n".encode()}
    assert house.told()[1:] == [f"TIME REFUSED {PATH}: {BAD_TEXT}; {KEPT}"]
    assert house.records()[-1] | {"time": ""} == {
        "time": "", "powerview": house.records()[-1]["powerview"], "status": "REFUSED", "path": PATH, "client": "acme",
        "campaign": "roof", "file": "channels.csv", "settled_as": None, "rows": 0, "readings": 0, "first": None,
        "last": None, "left_out": {}, "notes": [], "logger": None, "reason": f"{BAD_TEXT}; {KEPT}", "seconds": 0.0,
    }  # fmt: skip


def test_when_it_is_good_again_its_reason_goes(house):
    put(house, BAD)
    assert lane(house) == 1
    assert (in_force(house), name(house)) == (None, None)
    put(house, OTHER)
    assert lane(house) == 0
    assert (in_force(house), house.files()) == (OTHER, {PATH: OTHER})
    assert house.told() == [
        f"TIME REFUSED {PATH}: {BAD_TEXT}; {NONE}", f"TIME OK      {PATH}: in force, 1 clamp"
    ]  # fmt: skip


def test_every_problem_is_in_the_reason_and_the_first_in_the_log(house):
    put(house, b"device,place,role,factor\n1,1,x,\n1,2,,0\n")
    lane(house)
    reason = house.files()[REASON].decode().splitlines()
    assert [line.split(" ", 3)[:3] for line in reason] == [[f"{PATH}:", "line", "2:"], [f"{PATH}:", "line", "3:"]]
    assert f"means part. (1 more in channels.csv.reason.txt); {NONE}" in house.told()[0]


@pytest.mark.parametrize("before", [GOOD, BAD])
def test_a_sheet_that_was_removed_is_no_longer_in_force(house, before):
    put(house, GOOD)
    lane(house)
    put(house, before)
    lane(house)
    (house.data / PATH).unlink()
    assert lane(house) == 0
    assert (in_force(house), name(house), house.files()) == (None, None, {})
    assert house.told()[-1] == f"TIME OK      {PATH}: it was removed and is no longer in force"
    told = house.told()
    assert (lane(house), house.told()) == (0, told)


def test_a_campaign_that_was_renamed_takes_its_sheet_along(house):
    put(house, GOOD)
    lane(house)
    (house.data / "acme/roof").rename(house.data / "acme/yard")
    lane(house)
    assert [str(p.relative_to(house.state / "channels")) for p in house.state.rglob("*.csv")] == ["acme/yard.csv"]


def test_a_sheet_written_in_place_is_put_into_force_anew(house):
    house.put(PATH, GOOD)
    lane(house)
    house.put(PATH, OTHER)
    lane(house)
    assert in_force(house) == OTHER


def test_unchanged_sheets_are_not_opened(house, monkeypatch):
    put(house, GOOD)
    house.put("acme/yard/channels.csv", BAD)
    lane(house)

    def never(*_, **__):
        raise AssertionError("it was read")

    monkeypatch.setattr(disk, "read_beside", never)
    assert lane(house) == 1
    assert len(house.told()) == 2


def test_neither_sheet_nor_reason_is_a_file_at_a_wrong_place(house):
    put(house, BAD)
    house.put("acme/roof/notes.txt", b"x")
    lane(house)
    assert [line.split()[2] for line in house.told()] == [f"{PATH}:"]
    assert list(Inbox(house.data, "powerview").pending()) == []


def test_readings_are_stored_as_without_a_sheet(house):
    house.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    assert house.run().returncode == 0
    plain = house.stored("acme")
    other = House(house.root / "other")
    other.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    other.put(PATH, b"device,place,name,role,factor\n02001283,2,Oven,hidden,-3\n02001283,9,x,,\n")
    assert other.run().returncode == 0
    assert other.stored("acme") == plain
    assert other.told()[0] == f"TIME OK      {PATH}: in force, 2 clamps"  # before the first upload nothing is known


def test_clamps_that_are_not_there_are_kept_with_a_note(house):
    house.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    assert house.run().returncode == 0
    lines = "".join(f"02001283,{place},\n" for place in (1, 2, 3, 4, 5, 6))
    put(house, f"device,place,unit\n{lines}2001283,2,kW\n".replace("\n02001283,2,\n", "\n02001283,2,W\n").encode())
    assert lane(house) == 0
    assert house.told()[-1] == (
        f"TIME OK      {PATH}: in force, 7 clamps; kept, but there are no readings of 02001283 place 3, 02001283 place "
        "4, 02001283 place 5 and 2 more"
    )


def test_the_command_line_puts_it_into_force_but_not_of_another_tree_nor_for_a_look(house, tmp_path):
    put(house, GOOD)
    house.put("acme/yard/channels.csv", BAD)
    assert house.run("--dry-run").returncode == house.run("--output", tmp_path / "out").returncode == 0
    assert (in_force(house), house.told(), list(house.state.iterdir())) == (None, [], [])
    done = house.run()
    assert (done.returncode, in_force(house)) == (1, GOOD)
    assert f"REFUSED acme/yard/channels.csv: {BAD_TEXT}; {NONE}" in done.stdout
    assert house.run("-d", house.data).returncode == 1  # what is bad still is
    assert len(house.told()) == 2  # and is not logged again
    (tmp_path / "elsewhere/acme/roof").mkdir(parents=True)
    assert house.run("-d", tmp_path / "elsewhere").returncode == 0
    assert in_force(house) == GOOD


def test_of_a_tree_that_no_lane_has_seen_the_sheet_beside_the_files_counts(house, tmp_path):
    put(house, GOOD)
    assert name(house) == "Oven"
    lane(house)
    put(house, BAD)
    assert name(house) == "Oven"
    assert sheet_for(tmp_path / "elsewhere", house.state, "acme", "roof") is None


# ── hostile and broken surroundings ──────────────────────────────────────────────────────────────────────────────────


def test_a_symlink_is_refused_and_reasons_are_written_through_none(house, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(GOOD)
    (house.data / "acme/roof").mkdir(parents=True)
    (house.data / PATH).symlink_to(secret)
    (house.data / REASON).symlink_to(secret)
    assert lane(house) == 1
    assert (secret.read_bytes(), in_force(house)) == (GOOD, None)
    assert (house.data / REASON).read_text().startswith(f"{PATH}: it is a symlink or is reached through one")
    assert not (house.data / REASON).is_symlink()


def test_a_pipe_or_a_folder_in_its_place_holds_nothing_up(house):
    (house.data / PATH).mkdir(parents=True)
    (house.data / REASON).mkdir()
    house.put("acme/yard/x", b"")
    os.mkfifo(house.data / "acme/yard/channels.csv")
    assert lane(house) == 1
    told = house.told()
    assert [line.split(": ", 1)[1][:27] for line in told] == ["it is not a regular file: p"] * 2
    assert "the reason cannot be written beside it: Is a directory" in told[0]


def test_names_that_are_refused_have_no_sheet(house):
    for folder in ("admin/roof", "acme/parsed", "acme/a b", "{{ x }}/roof", "acme/powerview_events"):
        house.put(f"{folder}/channels.csv", GOOD)
    (house.data / "linked").symlink_to(house.data / "admin")
    assert lane(house) == 0
    assert (list(house.state.rglob("*.csv")), house.told()) == ([], [])


def test_a_client_named_like_our_own_files_does_no_harm(house):
    house.put("channels.json/roof.csv/channels.csv", GOOD)
    put(house, OTHER)
    assert lane(house) == 0
    assert (house.state / "channels/channels.json/roof.csv.csv").read_bytes() == GOOD
    assert in_force(house) == OTHER


def test_a_sheet_that_is_still_being_written_waits(house):
    put(house, GOOD)
    lane(house)
    with (house.data / PATH).open("wb") as half:
        half.write(b"device,place\n1,x")
        half.flush()
        assert lane(house) == 0
        assert (in_force(house), REASON in house.files()) == (GOOD, False)
    assert lane(house) == 1


def test_where_writers_cannot_be_seen_a_sheet_waits_until_it_is_quiet(house, no_leases):
    put(house, GOOD)
    lane(house)
    assert in_force(house) is None
    os.utime(house.data / PATH, (time.time() - 60,) * 2)
    lane(house)
    assert in_force(house) == GOOD


@pytest.mark.parametrize("content", [GOOD, BAD])
@pytest.mark.parametrize("step", ["put_in_force", "save_memory", "write_beside", "_remove_reason"])
def test_killed_at_any_step_the_next_run_does_the_rest(house, monkeypatch, step, content):
    put(house, BAD if content == GOOD else GOOD)
    lane(house)
    put(house, content)
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
            lane(house)
        except KeyboardInterrupt:
            pass
        assert in_force(house) in (None, GOOD)  # never half of one
    monkeypatch.setattr(where, step, real)
    assert lane(house) == (0 if content == GOOD else 1)
    assert in_force(house) == GOOD
    assert (REASON in house.files()) == (content == BAD)
    assert any("REFUSED" in line for line in house.told())


def test_a_lost_or_damaged_memory_costs_one_more_look(house):
    put(house, GOOD)
    house.put("acme/yard/channels.csv", GOOD)
    lane(house)
    (house.data / "acme/yard/channels.csv").unlink()
    for damage in (b"", b"[]", b'{"tree": 1, "sheets": {"a": 1}}', b"\xff"):
        (house.state / "channels.json").write_bytes(damage)
        assert lane(house) == 0
        assert in_force(house) == GOOD
        assert not (house.state / "channels/acme/yard.csv").exists()


def test_a_lost_copy_is_made_again(house):
    put(house, GOOD)
    lane(house)
    (house.state / "channels/acme/roof.csv").unlink()
    lane(house)
    assert in_force(house) == GOOD


def test_a_full_disk_stops_neither_the_lane_nor_the_next_try(house, monkeypatch):
    put(house, GOOD)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "put_in_force", full)
        assert lane(house) == 1
        patch.undo()
        patch.setattr(disk, "save_memory", full)
        lane(house)
    assert "it cannot be put into force: No space left on device. The disk is full: make room." in house.told()[0]
    assert lane(house) == 0
    assert in_force(house) == GOOD


def test_a_fault_of_ours_stops_no_other_sheet(house, monkeypatch):
    put(house, GOOD)
    house.put("acme/yard/channels.csv", OTHER)
    real = force.read_sheet

    def faulty(data):
        return real(data) if data == OTHER else 1 / 0

    monkeypatch.setattr(force, "read_sheet", faulty)
    assert lane(house) == 1
    assert (house.state / "channels/acme/yard.csv").read_bytes() == OTHER
    assert "PowerView failed on this sheet (ZeroDivisionError: division by zero): report it" in house.told()[0]


def test_a_folder_that_gives_an_error_takes_nothing_out_of_force(house, monkeypatch):
    put(house, GOOD)
    lane(house)

    def broken(folder):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(force, "_mark", lambda *_: None)
        lane(house)
    assert in_force(house) == GOOD
    real = force._folders
    calls = iter([real, broken])
    monkeypatch.setattr(force, "_folders", lambda folder: next(calls, real)(folder))
    lane(house)
    assert in_force(house) == GOOD


def test_check_lists_a_sheet_that_is_refused(house):
    put(house, BAD)
    lane(house)
    [item] = [item for item in uploads(house.settings()) if item.name == "refused files"]
    assert PATH in str(item)
    assert "mian" in str(item)
    put(house, GOOD)
    lane(house)
    assert "mian" not in str(list(uploads(house.settings())))
