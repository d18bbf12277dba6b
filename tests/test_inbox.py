"""The tree on disk: find, claim, settle."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from trees import snapshot

from powerview.inbox import (
    Busy,
    Claim,
    Growing,
    Inbox,
    NoSuchFile,
    Pending,
    Refusal,
    Upload,
    disk,
    upload_order,
)
from powerview.inbox import claim as claim_module
from powerview.inbox.tree import NOT_TSV
from powerview.names import refused_names

DEVICE = "acme/roof/02001283"
RULE = "names are letters, digits, `_`, `.` and `-`, begin with a letter or digit, and have 64 characters at most"
WRONG_PLACE = "files belong in DATA/<client>/<campaign>/<device serial>/; this one is elsewhere and is left there"


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def tree(data) -> Inbox:
    return Inbox(data, "powerview")


def put(data: Path, path: str, content: bytes = b"content\n") -> Path:
    file = data / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def upload(name: str = "x.tsv", state: str = "") -> Upload:
    return Upload(*DEVICE.split("/"), name, state)


def pending(tree: Inbox) -> list[str]:
    return sorted(found.path for found in tree.pending() if isinstance(found, Upload))


def refused(tree: Inbox) -> dict[str, str]:
    return {found.path: found.reason for found in tree.pending() if isinstance(found, Refusal)}


def files(data: Path) -> dict[str, bytes]:
    return {str(p.relative_to(data)): p.read_bytes() for p in data.rglob("*") if p.is_file()}


# ── find ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_in_a_devices_folder_is_pending(data, tree):
    put(data, f"{DEVICE}/x.tsv")
    assert list(tree.pending()) == [Upload("acme", "roof", "02001283", "x.tsv")]
    assert upload().path == f"{DEVICE}/x.tsv"
    assert upload(state="parsed").path == f"{DEVICE}/parsed/x.tsv"


def test_the_devices_of_a_campaign_are_its_folders_whose_names_are_allowed(data, tree):
    for name in ("02001283", "bad name", "parsed", "{{ x }}"):
        (data / "acme/roof" / name).mkdir(parents=True)
    (data / "acme/roof/02001284").write_text("no folder")
    (data / "acme/roof/02001285").symlink_to("02001283")
    assert list(tree.devices("acme", "roof")) == ["02001283"]
    assert tree.devices("acme", "hall") == {}


def test_a_devices_mark_changes_with_what_was_settled_and_with_nothing_else(data, tree):
    def mark() -> str:
        return tree.devices("acme", "roof")["02001283"]

    def is_new(change) -> bool:
        before = mark()
        while data.stat().st_mtime_ns <= before_that():  # the file system's clock has ticks
            data.touch()
        change()
        return mark() != before

    def before_that() -> int:
        return max((p.stat().st_mtime_ns for p in (data / DEVICE).rglob("*")), default=0)

    put(data, f"{DEVICE}/x.tsv")
    assert not is_new(lambda: put(data, f"{DEVICE}/y.tsv"))
    assert is_new(lambda: put(data, f"{DEVICE}/parsed/z.tsv"))
    assert is_new(lambda: put(data, f"{DEVICE}/error/z.tsv"))
    assert not is_new(lambda: put(data, f"{DEVICE}/y.1.tsv"))
    assert is_new(lambda: (data / f"{DEVICE}/x.tsv").rename(data / f"{DEVICE}/parsed/x.tsv"))
    assert is_new(lambda: (data / f"{DEVICE}/parsed/z.tsv").unlink())


def test_an_empty_tree_has_nothing(tree):
    assert list(tree.pending()) == list(tree.settled()) == []


@pytest.mark.parametrize(
    "name", ["X.TSV", "no stamp.tsv", "ü.tsv", "a\nb.tsv", "-d.tsv", "{{ x }}.tsv", "x" * 251 + ".tsv"]
)
def test_any_name_of_a_file_will_do(data, tree, name):
    put(data, f"{DEVICE}/{name}")
    assert pending(tree) == [f"{DEVICE}/{name}"]


def test_a_name_that_is_no_utf_8_will_do(data, tree):
    put(data, f"{DEVICE}/x.tsv").rename(data / DEVICE / os.fsdecode(b"\xff.tsv"))
    assert pending(tree) == [f"{DEVICE}/\udcff.tsv"]


@pytest.mark.parametrize(
    "name",
    [".x.tsv", ".tsv", ".sftpgo-upload.abc.tsv", "PARSED_x.tsv", "x.tsv.part", "x.tsv.filepart"],
)
def test_these_names_are_left_alone_without_a_word(data, tree, name):
    put(data, f"{DEVICE}/{name}")
    assert list(tree.pending()) == []


@pytest.mark.parametrize("name", ["x.csv", "x.tsv.gz", "x.tsv.reason.txt", "x", "tsv"])
def test_what_is_no_tsv_file_is_reported_and_left(data, tree, name):
    put(data, f"{DEVICE}/{name}")
    (found,) = tree.pending()
    assert (found.path, found.reason) == (f"{DEVICE}/{name}", NOT_TSV)
    assert list(tree.settled()) == []


@pytest.mark.parametrize("name", ["x.tsv.part", "x.tsv.filepart"])
def test_an_unfinished_upload_is_reported_after_a_day(data, tree, name):
    file = put(data, f"{DEVICE}/{name}")
    for age, found in ((86_000, 0), (87_000, 1)):
        os.utime(file, (time.time() - age,) * 2)
        assert len(list(tree.pending())) == found


def test_what_is_settled_is_not_pending(data, tree):
    put(data, f"{DEVICE}/parsed/x.tsv")
    put(data, f"{DEVICE}/error/y.tsv")
    put(data, f"{DEVICE}/parsed/deeper/z.tsv")
    assert list(tree.pending()) == []


def test_settled_is_what_was_parsed_now_or_by_the_earlier_convention(data, tree):
    put(data, f"{DEVICE}/parsed/x.tsv")
    put(data, f"{DEVICE}/parsed/PARSED_w.tsv")
    put(data, f"{DEVICE}/parsed/deeper/z.tsv")
    put(data, f"{DEVICE}/parsed/notes.txt")
    put(data, f"{DEVICE}/PARSED_v.tsv")
    put(data, f"{DEVICE}/error/y.tsv")
    put(data, f"{DEVICE}/pending.tsv")
    put(data, "admin/roof/1/parsed/x.tsv")
    assert sorted(tree.settled(), key=upload_order) == [
        upload("PARSED_v.tsv"), upload("PARSED_w.tsv", "parsed"), upload("x.tsv", "parsed")
    ]  # fmt: skip


def test_a_file_at_another_depth_is_refused_and_left(data, tree):
    wrong = ["x.tsv", "acme/x.tsv", "acme/roof/x.tsv", f"{DEVICE}/more/x.tsv", f"{DEVICE}/more/parsed/x.tsv"]
    for path in wrong:
        put(data, path)
    assert refused(tree) == dict.fromkeys(wrong, WRONG_PLACE)
    assert pending(tree) == []


def test_a_tree_deeper_than_any_is_reported_and_not_followed(data, tree):
    deep = "/".join(["d"] * 80)
    put(data, f"{deep}/x.tsv")
    assert refused(tree) == {"/".join(["d"] * 65): f"folders are nested too deeply here: {WRONG_PLACE}"}


def test_a_folder_called_like_a_file_is_no_file(data, tree):
    (data / DEVICE / "x.tsv").mkdir(parents=True)
    assert list(tree.pending()) == []
    put(data, f"{DEVICE}/x.tsv/y.tsv")
    assert refused(tree) == {f"{DEVICE}/x.tsv/y.tsv": WRONG_PLACE}


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: os.symlink("/etc/passwd", path), lambda path: os.symlink("y", path)]
)
def test_what_is_no_regular_file_is_left_alone_without_a_word(data, tree, make):
    put(data, f"{DEVICE}/good.tsv")
    make(data / DEVICE / "x.tsv")
    assert list(tree.pending()) == [upload("good.tsv")]


@pytest.mark.parametrize("level", ["acme", "acme/roof", DEVICE, f"{DEVICE}/parsed"])
def test_a_folder_that_is_a_symlink_is_not_followed(data, tree, tmp_path, level):
    put(data, f"{DEVICE}/parsed/x.tsv")
    put(data, f"{DEVICE}/x.tsv")
    (data / level).rename(tmp_path / "elsewhere")
    (data / level).symlink_to(tmp_path / "elsewhere")
    assert [found for found in tree.settled() if found.state] == []
    assert pending(tree) == ([f"{DEVICE}/x.tsv"] if level.endswith("parsed") else [])


def test_the_tree_itself_may_be_a_symlink(data, tmp_path):
    put(data, f"{DEVICE}/x.tsv")
    (tmp_path / "link").symlink_to(data)
    assert pending(Inbox(tmp_path / "link", "powerview")) == [f"{DEVICE}/x.tsv"]


def test_what_ext4_has_at_the_top_of_a_disk_is_left_alone(data, tree, monkeypatch):
    put(data, f"{DEVICE}/x.tsv")
    for folder in ("lost+found", "acme/lost+found"):
        (data / folder).mkdir()
    real = os.open

    def roots_own(path, *arguments, **how):
        if path == "lost+found":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *arguments, **how)

    monkeypatch.setattr(os, "open", roots_own)
    assert list(refused(tree)) == ["acme/lost+found"]
    assert pending(tree) == [f"{DEVICE}/x.tsv"]


def test_a_tree_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(Inbox(tmp_path / "nothing", "powerview").pending())


def test_a_mark_changes_when_the_file_does(data, tree):
    file = put(data, "x.tsv")
    marks = []
    for content in (b"a", b"a", b"ab"):
        file.write_bytes(content)
        os.utime(file, (1, 1))
        (refusal,) = tree.pending()
        marks.append(refusal.mark)
    assert marks[0] == marks[1] != marks[2]


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["a", "A", "9", "a.b-c_d", "a" * 64, "a..", "Powerview2", "parsed2"])
@pytest.mark.parametrize("place", ["client", "campaign", "device"])
def test_these_names_will_do(name, place):
    assert refused_names(**{"client": "acme", place: name}, admin_bucket="powerview") is None


@pytest.mark.parametrize(
    "name",
    ["_a", "-a", ".a", "a b", "a\n", "\na", "a\nb", "é", "a" * 65, "{{ 7*7 }}", "$(id)", "`id`", 'a"b', "a'b", "a,b",
     "a=b", "a\\b", "a:b", "..", ".", "a\u2028", "\udcff", "a\0b", "a;b", "a%b", "a?b"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["client", "campaign", "device"])
def test_these_names_are_refused(name, place):
    assert refused_names(**{"client": "acme", place: name}, admin_bucket="powerview") == (
        f"the {place}'s folder {name!r} has a name that is not allowed: {RULE}. Rename the folder."
    )


@pytest.mark.parametrize("name", ["admin", "Admin", "ADMIN", "powerview", "PowerView", "powerview-master"])
def test_a_client_cannot_be_called_like_what_belongs_to_the_admins(name):
    assert refused_names(name, admin_bucket="PowerView") == (
        f"a client cannot be called {name}: that name is reserved for the admins. Rename the folder."
    )
    assert refused_names("acme", name, name, admin_bucket="powerview") is None


@pytest.mark.parametrize("name", ["General", "general"])
def test_a_client_cannot_be_called_like_grafanas_own_folder(name):
    assert refused_names(name, admin_bucket="powerview") == (
        f"a client cannot be called {name}: Grafana has a folder of that name. Rename the folder."
    )
    assert refused_names("acme", name, admin_bucket="powerview") is None


@pytest.mark.parametrize("name", ["parsed", "error"])
@pytest.mark.parametrize("place", ["campaign", "device"])
def test_a_campaign_or_device_cannot_be_called_like_the_folders_of_what_is_settled(name, place):
    assert refused_names(**{"client": "acme", place: name}, admin_bucket="powerview") == (
        f"a {place} cannot be called {name}: PowerView keeps its files under that name. Rename the folder."
    )
    assert refused_names(name, admin_bucket="powerview") is None


def test_a_campaign_cannot_be_called_like_the_measurement_of_events():
    assert refused_names("acme", "powerview_events", admin_bucket="powerview") == (
        "a campaign cannot be called powerview_events: restarts are kept under that name. Rename the folder."
    )
    for name, kept in (("powerview_totals", "totals"), ("powerview_channels", "channels with their names")):
        assert refused_names("acme", name, admin_bucket="powerview") == (
            f"a campaign cannot be called {name}: {kept} are kept under that name. Rename the folder."
        )


def test_every_file_below_a_name_that_is_refused_is_reported_and_the_others_go_on(data, tree):
    put(data, f"{DEVICE}/x.tsv")
    bad = {
        "a b/roof/1/x.tsv": "the client's folder 'a b'",
        "a b/y.tsv": "the client's folder 'a b'",
        "acme/{{ 7 }}/1/x.tsv": "the campaign's folder '{{ 7 }}'",
        "acme/roof/a\nb/x.tsv": "the device's folder 'a\\nb'",
        "admin/roof/1/x.tsv": "a client cannot be called admin",
        "acme/error/1/x.tsv": "a campaign cannot be called error",
        "acme/roof/parsed/x.tsv": "a device cannot be called parsed",
        "acme/powerview_events/1/x.tsv": "a campaign cannot be called powerview_events",
    }
    for path in bad:
        put(data, path)
    found = refused(tree)
    assert {path: reason[: len(bad[path])] for path, reason in found.items()} == bad
    assert pending(tree) == [f"{DEVICE}/x.tsv"]


def test_a_refused_folder_that_holds_no_file_is_not_told(data, tree):
    put(data, "a b/roof/1/notes.txt")
    assert list(tree.pending()) == []


# ── the order of uploads ─────────────────────────────────────────────────────────────────────────────────────────────


def test_files_are_in_the_order_of_the_stamps_in_their_names_then_of_their_names_and_numbers():
    names = [
        "a.tsv", "b.tsv", "b.1.tsv", "b.2.tsv", "b.10.tsv",
        "T302_1234567_123456.tsv",  # no stamp: seven digits
        "T302_241231_235959_UTC.tsv", "T302_250101_000000.tsv",
        "A_250101_000001.tsv", "T302_250101_000001.tsv", "PARSED_T302_250101_000001.1.tsv", "T302_250101_000001.2.tsv",
        "T302_250101_000001.10.tsv", "B250101_000002x.tsv",
    ]  # fmt: skip
    expected = ["T302_1234567_123456.tsv", *names[:5], *names[6:]]
    uploads = [upload(name) for name in sorted(names, key=hash)]
    assert [u.name for u in sorted(uploads, key=upload_order)] == expected


def test_uploads_of_several_devices_are_in_one_order():
    late = Upload("a", "a", "a", "T302_250102_000000.tsv")
    early = Upload("z", "z", "z", "T302_250101_000000.tsv")
    assert sorted([late, early], key=upload_order) == [early, late]


def test_the_settled_files_of_a_folder_are_those_in_parsed_and_error_and_those_of_the_earlier_convention(data, tree):
    for path in ("parsed/a.tsv", "parsed/.hidden.tsv", "parsed/readme.txt", "error/b.tsv", "PARSED_c.tsv", "d.tsv"):
        put(data, f"{DEVICE}/{path}")
    found = {(u.state, u.name) for u in tree.settled_in(upload().folder)}
    assert found == {("parsed", "a.tsv"), ("error", "b.tsv"), ("", "PARSED_c.tsv")}


def test_a_name_that_comes_again_is_numbered(data, tree):
    put(data, f"{DEVICE}/parsed/T302_250703_031500.tsv")
    put(data, f"{DEVICE}/parsed/T302_250703_031500.1.tsv")
    assert tree.settled_name(upload("T302_250703_031500.tsv")) == "T302_250703_031500.2.tsv"


def test_where_nothing_was_parsed_nothing_is_settled(tree):
    assert tree.settled_in(upload().folder) == []
    assert tree.settled_name(upload()) == "x.tsv"


# ── a file that a person names ───────────────────────────────────────────────────────────────────────────────────────


def test_a_named_file_is_found_by_any_path(data, tree, monkeypatch):
    file = put(data, f"{DEVICE}/x.tsv")
    monkeypatch.chdir(file.parent)
    for path in (file, Path("x.tsv"), Path("../02001283/./x.tsv"), Path(f"{DEVICE}/x.tsv")):
        assert tree.find(path) == upload()


def test_a_named_file_may_be_settled(data, tree):
    put(data, f"{DEVICE}/parsed/x.tsv")
    put(data, f"{DEVICE}/error/x.tsv")
    assert tree.find(Path(f"{DEVICE}/parsed/x.tsv")) == upload(state="parsed")
    assert tree.find(Path(f"{DEVICE}/error/x.tsv")) == upload(state="error")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("acme/x.tsv", WRONG_PLACE),
        (f"{DEVICE}/x.csv", NOT_TSV),
        (f"{DEVICE}/more/x.tsv", WRONG_PLACE),
        (f"{DEVICE}/.x.tsv", NOT_TSV),
        (f"{DEVICE}/parsed/more/x.tsv", WRONG_PLACE),
        ("a b/roof/1/x.tsv", f"the client's folder 'a b' has a name that is not allowed: {RULE}. Rename the folder."),
    ],
)
def test_a_named_file_that_is_no_upload_is_refused(data, tree, path, reason):
    put(data, path)
    assert tree.find(Path(path)) == Refusal(path, reason)


def test_a_named_file_that_is_not_there_is_an_error(tree, tmp_path):
    with pytest.raises(NoSuchFile, match=r"^acme/none\.tsv: there is no such file$"):
        tree.find(Path("acme/none.tsv"))
    outside = put(tmp_path, "outside.tsv")
    with pytest.raises(NoSuchFile) as error:
        tree.find(outside)
    assert str(error.value) == f"{outside} is not in the tree {tree.root}: name its tree with -d"


# ── claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def why_not(data: Path, wanted: Upload | None = None) -> str:
    with pytest.raises(Pending) as error, Claim(data, wanted or upload()):
        pass
    return str(error.value)


def test_a_claim_reads_the_file_and_knows_when_it_arrived(data):
    os.utime(put(data, f"{DEVICE}/x.tsv", b"text\n"), (5, 1_751_328_000))
    with Claim(data, upload()) as claim:
        assert (claim.file.read(), claim.arrived, claim.unchanged) == (b"text\n", 1_751_328_000, True)
    assert claim.file.closed
    claim.close()


def test_a_file_that_is_gone_is_no_trouble_for_a_person(data):
    with pytest.raises(Busy, match="^it was moved away before it could be read$"):
        Claim(data, upload())


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_not_claimed(data, make):
    make((put(data, f"{DEVICE}/other.tsv").parent) / "x.tsv")
    assert why_not(data) == "x.tsv is not a regular file and is left alone"


@pytest.mark.parametrize("level", ["acme", "acme/roof", DEVICE, f"{DEVICE}/x.tsv"])
def test_no_symlink_at_any_level_is_followed(data, tmp_path, level):
    put(data, f"{DEVICE}/x.tsv")
    (data / level).rename(tmp_path / "elsewhere")
    (data / level).symlink_to(tmp_path / "elsewhere")
    assert why_not(data) == "it is a symlink or is reached through one, and those are not followed"


def test_a_parsed_folder_that_is_a_symlink_is_not_followed_either(data, tmp_path):
    put(tmp_path, "elsewhere/x.tsv")
    put(data, f"{DEVICE}/y.tsv")
    (data / DEVICE / "parsed").symlink_to(tmp_path / "elsewhere")
    assert (
        why_not(data, upload(state="parsed")) == "it is a symlink or is reached through one, and those are not followed"
    )


def test_no_descriptor_is_left_open(data):
    put(data, f"{DEVICE}/x.tsv")
    put(data, f"{DEVICE}/y.tsv")
    (data / DEVICE / "dir.tsv").mkdir()
    before = sorted(os.listdir("/proc/self/fd"))
    with Claim(data, upload()) as claim:
        claim.to_parsed()
    with Claim(data, upload("y.tsv")) as claim:
        claim.to_error("why")
    for name in ("dir.tsv", "gone.tsv"):
        why_not(data, upload(name))
    with put(data, f"{DEVICE}/z.tsv").open("ab"):
        why_not(data, upload("z.tsv"))
    assert sorted(os.listdir("/proc/self/fd")) == before


# ── files that somebody writes ───────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_somebody_has_open_for_writing_is_not_claimed(data):
    with put(data, f"{DEVICE}/x.tsv").open("ab"):
        assert why_not(data) == "somebody is still writing it"
    with Claim(data, upload()):
        pass


def test_a_file_that_another_process_has_open_for_writing_is_not_claimed(data):
    file = put(data, f"{DEVICE}/x.tsv")
    script = "import sys; f = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:  # fmt: skip
        assert writer.stdout.readline() == b"open\n"
        assert why_not(data) == "somebody is still writing it"
    with Claim(data, upload()):
        pass


def test_a_file_that_somebody_reads_is_claimed(data):
    with put(data, f"{DEVICE}/x.tsv").open("rb"), Claim(data, upload()) as claim:
        assert claim.to_parsed() == "x.tsv"


def test_a_settled_file_is_read_whoever_has_it_open(data):
    with put(data, f"{DEVICE}/parsed/x.tsv").open("ab"), Claim(data, upload(state="parsed")) as claim:
        assert claim.file.read() == b"content\n"


def test_a_file_that_stays_leaves_no_reason_in_error(data):
    file = put(data, f"{DEVICE}/x.tsv")
    with Claim(data, upload()) as claim:
        file.write_bytes(b"more\n")
        with pytest.raises(Busy):
            claim.to_error("why")
    assert list((data / DEVICE / "error").iterdir()) == []


def test_without_leases_a_file_that_has_just_changed_is_looked_at_later(data, no_leases, monkeypatch):
    file = put(data, f"{DEVICE}/x.tsv")
    changed = file.stat().st_mtime
    monkeypatch.setattr(time, "time", lambda: changed + 4.9)
    with pytest.raises(Growing) as error:
        Claim(data, upload())
    assert str(error.value) == "it changed less than 5 seconds ago and may still be growing"
    assert error.value.quiet_at == changed + 5


@pytest.mark.parametrize("age", [6, 5.01, -3600])
def test_without_leases_a_quiet_file_is_claimed_and_so_is_one_from_the_future(data, no_leases, age):
    file = put(data, f"{DEVICE}/x.tsv")
    os.utime(file, (time.time() - age,) * 2)
    with Claim(data, upload()) as claim:
        assert claim.to_parsed() == "x.tsv"


def test_a_file_that_grew_while_it_was_read_is_not_moved(data):
    file = put(data, f"{DEVICE}/x.tsv")
    with Claim(data, upload()) as claim:
        with file.open("ab") as writer:
            writer.write(b"more\n")
        assert not claim.unchanged
        for settle in (claim.to_parsed, lambda: claim.to_error("why")):
            with pytest.raises(Busy, match="^it changed while it was being read; the next run reads it anew$"):
                settle()
    assert file.read_bytes() == b"content\nmore\n"


def test_a_file_that_is_being_written_again_is_not_moved(data):
    file = put(data, f"{DEVICE}/x.tsv")
    with Claim(data, upload()) as claim, file.open("ab"), pytest.raises(Busy, match="^somebody is still writing it$"):
        claim.to_parsed()
    assert files(data) == {f"{DEVICE}/x.tsv": b"content\n"}


def test_a_file_that_was_replaced_while_it_was_read_is_not_moved(data):
    file = put(data, f"{DEVICE}/x.tsv", b"old\n")
    with Claim(data, upload()) as claim:
        put(data, "new", b"new\n").replace(file)
        with pytest.raises(Busy, match="^it was written again while it was being moved; the next run reads it anew"):
            claim.to_parsed()
    assert files(data) == {f"{DEVICE}/x.tsv": b"new\n"}


def test_a_writer_that_comes_while_the_file_is_moved_gets_it_back(data, monkeypatch):
    file = put(data, f"{DEVICE}/x.tsv")
    real = disk.rename_no_replace

    def rename(*names):
        monkeypatch.setattr(claim_module, "rename_no_replace", real)
        with pytest.raises(BlockingIOError):  # without O_NONBLOCK the writer would wait for us
            os.open(file, os.O_WRONLY | os.O_NONBLOCK)
        real(*names)

    monkeypatch.setattr(claim_module, "rename_no_replace", rename)
    with Claim(data, upload()) as claim, pytest.raises(Busy, match="^it was written again while it was being moved"):
        claim.to_parsed()
    assert files(data) == {f"{DEVICE}/x.tsv": b"content\n"}


def test_what_comes_under_the_name_of_a_file_that_goes_back_is_not_overwritten(data, monkeypatch):
    file = put(data, f"{DEVICE}/x.tsv", b"old\n")
    real = disk.rename_no_replace

    def rename(*names):
        monkeypatch.setattr(claim_module, "rename_no_replace", real)
        put(data, "newer", b"newer\n").replace(file)
        real(*names)
        put(data, f"{DEVICE}/x.tsv", b"newest\n")

    monkeypatch.setattr(claim_module, "rename_no_replace", rename)
    with Claim(data, upload()) as claim, pytest.raises(Busy):
        claim.to_parsed()
    assert files(data) == {f"{DEVICE}/x.tsv": b"newest\n", f"{DEVICE}/x.1.tsv": b"newer\n"}


def test_a_lease_leaves_no_trace(data):
    before = signal.getsignal(signal.SIGIO)
    put(data, f"{DEVICE}/x.tsv")
    with Claim(data, upload()) as claim:
        claim.to_parsed()
        assert fcntl.fcntl(claim.file.fileno(), fcntl.F_GETLEASE) == fcntl.F_UNLCK
    assert signal.getsignal(signal.SIGIO) is before


# ── settle ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_parsed_file_keeps_its_bytes_and_its_time(data):
    file = put(data, f"{DEVICE}/x.tsv")
    os.utime(file, (1, 1_751_328_000))
    before = file.stat()
    with Claim(data, upload()) as claim:
        assert claim.to_parsed() == "x.tsv"
    after = (data / DEVICE / "parsed" / "x.tsv").stat()
    assert (after.st_ino, after.st_mtime, after.st_size) == (before.st_ino, before.st_mtime, before.st_size)
    assert files(data) == {f"{DEVICE}/parsed/x.tsv": b"content\n"}


def test_a_file_in_error_has_its_reason_beside_it(data):
    put(data, f"{DEVICE}/x.tsv")
    with Claim(data, upload()) as claim:
        assert claim.to_error("line 2: é \udcff") == "x.tsv"
    assert files(data) == {
        f"{DEVICE}/error/x.tsv": b"content\n",
        f"{DEVICE}/error/x.tsv.reason.txt": "line 2: é \\udcff\n".encode(),
    }


def test_nothing_is_overwritten_in_parsed(data):
    for number in range(12):
        put(data, f"{DEVICE}/x.tsv", b"%d" % number)
        with Claim(data, upload()) as claim:
            assert claim.to_parsed() == (f"x.{number}.tsv" if number else "x.tsv")
    assert files(data)[f"{DEVICE}/parsed/x.tsv"] == b"0"
    assert files(data)[f"{DEVICE}/parsed/x.11.tsv"] == b"11"


def test_nothing_is_overwritten_in_error(data):
    for number in range(3):
        put(data, f"{DEVICE}/x.tsv", b"%d" % number)
        with Claim(data, upload()) as claim:
            claim.to_error(f"reason {number}")
    assert files(data) == {
        f"{DEVICE}/error/x.tsv": b"0",
        f"{DEVICE}/error/x.tsv.reason.txt": b"reason 0\n",
        f"{DEVICE}/error/x.1.tsv": b"1",
        f"{DEVICE}/error/x.1.tsv.reason.txt": b"reason 1\n",
        f"{DEVICE}/error/x.2.tsv": b"2",
        f"{DEVICE}/error/x.2.tsv.reason.txt": b"reason 2\n",
    }


@pytest.mark.parametrize(
    "name", ["x" * 251 + ".tsv", "é" * 125 + ".tsv", "€" * 83 + "ab.tsv", "x" * 250 + ".1.tsv"[-5:]]
)
def test_a_name_too_long_for_what_is_put_behind_it_is_shortened_at_a_whole_character(data, name):
    for number in range(3):
        put(data, f"{DEVICE}/{name}", b"%d" % number)
        with Claim(data, upload(name)) as claim:
            settled = claim.to_parsed() if number else claim.to_error("why")
        assert settled.endswith(f".{number - 1}.tsv" if number > 1 else ".tsv")
        assert name.startswith(settled.removesuffix(".tsv").removesuffix(".1"))
    names = [Path(path).name for path in files(data)]
    assert all(len(os.fsencode(n)) <= 255 for n in names)
    assert sorted(content for path, content in files(data).items() if path.endswith(".tsv")) == [b"0", b"1", b"2"]


def test_a_name_that_is_no_utf_8_is_settled_under_its_bytes(data):
    name = os.fsdecode(b"\xff\xfe" * 125 + b".tsv")
    for number in range(2):
        put(data, "x.tsv", b"%d" % number)
        (data / DEVICE).mkdir(parents=True, exist_ok=True)
        (data / "x.tsv").rename(data / DEVICE / name)
        with Claim(data, upload(name)) as claim:
            claim.to_parsed()
    assert sorted(os.listdir(os.fsencode(data / DEVICE / "parsed"))) == sorted(
        [b"\xff\xfe" * 122 + b".tsv", b"\xff\xfe" * 122 + b".1.tsv"]
    )


def test_a_shortened_name_that_comes_again_is_still_the_later_upload(data):
    name = "x" * 251 + ".tsv"
    put(data, f"{DEVICE}/{name}")
    with Claim(data, upload(name)) as claim:
        first = claim.to_parsed()
    put(data, f"{DEVICE}/{name}")
    with Claim(data, upload(name)) as claim:
        second = claim.to_parsed()
    assert upload_order(upload(first)) < upload_order(upload(second))


@pytest.mark.parametrize("state", ["parsed", "error"])
@pytest.mark.parametrize("what", ["symlink to a folder", "dead symlink", "file", "fifo"])
def test_a_folder_of_settled_files_that_is_something_else_keeps_the_file_pending(data, tmp_path, state, what):
    put(data, f"{DEVICE}/x.tsv")
    (tmp_path / "elsewhere").mkdir()
    place = data / DEVICE / state
    if what == "file":
        place.write_text("no folder")
    elif what == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to(tmp_path / ("elsewhere" if "to a" in what else "nowhere"))
    before = snapshot(tmp_path)
    with Claim(data, upload()) as claim, pytest.raises(Pending) as error:
        claim.to_parsed() if state == "parsed" else claim.to_error("why")
    assert str(error.value) == (
        f"{state}/ cannot be used, so the file stays pending: it is a symlink or not a folder. Move it away."
    )
    assert snapshot(tmp_path) == before


def test_a_reason_does_not_go_through_a_symlink(data, tmp_path):
    put(data, f"{DEVICE}/x.tsv")
    (data / DEVICE / "error").mkdir()
    (data / DEVICE / "error" / "x.tsv.reason.txt").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("precious")
    with Claim(data, upload()) as claim, pytest.raises(Pending, match="^the reason cannot be written beside it"):
        claim.to_error("why")
    assert (tmp_path / "precious").read_text() == "precious"
    assert pending(Inbox(data, "powerview")) == [f"{DEVICE}/x.tsv"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "Permission denied. Everything below the tree must belong to the user that runs PowerView (see "
                       "docs/install.md, ownership)."),
        (errno.ENOSPC, "No space left on device. The disk is full: make room."),
        (errno.EROFS, "Read-only file system. The file system is read-only."),
        (errno.EIO, "Input/output error."),
    ],
)  # fmt: skip
def test_a_move_that_fails_says_why_and_what_to_do(data, monkeypatch, number, advice):
    put(data, f"{DEVICE}/x.tsv")

    def fails(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(claim_module, "rename_no_replace", fails)
    with Claim(data, upload()) as claim, pytest.raises(Pending) as error:
        claim.to_parsed()
    assert str(error.value) == f"the file cannot be moved and stays pending: {advice}"


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.EINVAL])
def test_where_a_rename_cannot_refuse_to_overwrite_nothing_is_overwritten(data, monkeypatch, answer):
    def cannot(*_):
        disk.ctypes.set_errno(answer)
        return -1

    monkeypatch.setattr(disk, "_renameat2", cannot)
    for number in range(2):
        put(data, f"{DEVICE}/x.tsv", b"%d" % number)
        with Claim(data, upload()) as claim:
            claim.to_parsed()
    assert files(data) == {f"{DEVICE}/parsed/x.tsv": b"0", f"{DEVICE}/parsed/x.1.tsv": b"1"}


def test_two_that_settle_the_same_name_at_once_both_keep_their_file(data):
    put(data, f"{DEVICE}/x.tsv", b"first")
    first = Claim(data, upload())
    (data / DEVICE / "x.tsv").rename(data / "kept")
    put(data, f"{DEVICE}/x.tsv", b"second")
    with Claim(data, upload()) as second:
        assert second.to_parsed() == "x.tsv"
    (data / "kept").rename(data / DEVICE / "x.tsv")
    with first:
        assert first.to_parsed() == "x.1.tsv"
    assert files(data) == {f"{DEVICE}/parsed/x.tsv": b"second", f"{DEVICE}/parsed/x.1.tsv": b"first"}
