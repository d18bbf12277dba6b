"""`-o FILE` of preview and export: replaced whole or not at all, and never what is no regular file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading

import pytest
from trees import ROOT, Site, day_rows, v002
from waiting import LONG

from powerview.output import replacing


def write(path, content: bytes = b"new") -> None:
    with replacing(path) as file:
        file.write(content)


def test_a_new_file_has_the_mode_of_any_other(tmp_path):
    write(tmp_path / "x")
    (tmp_path / "y").touch()
    assert (tmp_path / "x").read_bytes() == b"new"
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "y").stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_a_file_keeps_its_mode_and_is_another_file_afterwards(tmp_path, mode):
    file = tmp_path / "x"
    file.write_bytes(b"old")
    file.chmod(mode)
    open_before = file.open("rb")
    write(file)
    assert (stat.S_IMODE(file.stat().st_mode), file.read_bytes()) == (mode, b"new")
    assert open_before.read() == b"old"  # whoever was reading it reads on


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_leaves_a_file_to_its_owner(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"old")
    os.chown(file, 1234, 2345)
    write(file)
    assert (file.stat().st_uid, file.stat().st_gid, file.read_bytes()) == (1234, 2345, b"new")


def test_whoever_may_not_give_files_away_owns_the_new_one(tmp_path, monkeypatch):
    def forbidden(*_):
        raise PermissionError

    monkeypatch.setattr(os, "fchown", forbidden)
    (tmp_path / "x").write_bytes(b"old")
    write(tmp_path / "x")
    assert ((tmp_path / "x").read_bytes(), (tmp_path / "x").stat().st_uid) == (b"new", os.geteuid())


def test_a_symlink_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_bytes(b"old")
    (tmp_path / "link").symlink_to("there/x")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "x").read_bytes() == b"new"
    assert os.listdir(tmp_path / "there") == ["x"]


def test_a_symlink_to_nothing_gets_its_file(tmp_path):
    (tmp_path / "link").symlink_to("x")
    write(tmp_path / "link")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "x").read_bytes()) == (True, b"new")


def test_what_fails_half_way_leaves_the_file_behind_a_link_as_it_was(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    (tmp_path / "link").symlink_to("x")
    with pytest.raises(TypeError):
        write(tmp_path / "link", "no bytes")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["link", "x"]


def test_a_link_in_a_circle_and_a_folder_are_errors_that_name_them(tmp_path):
    (tmp_path / "link").symlink_to("link")
    for path in (tmp_path / "link", tmp_path):
        with pytest.raises(OSError) as found:
            write(path)
        assert found.value.filename in (path, str(path))
    assert os.listdir(tmp_path) == ["link"]


def test_a_file_whose_name_is_gone_is_written_to_as_it_is(tmp_path):
    with open(tmp_path / "x", "w+b") as gone:
        os.unlink(tmp_path / "x")
        write(f"/dev/fd/{gone.fileno()}")
        assert gone.read() == b"new"
    assert os.listdir(tmp_path) == []


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    return site


COMMANDS = {
    "preview": ["preview"],
    "csv": ["export", "acme", "roof"],
    "parquet": ["export", "acme", "roof", "--format", "parquet"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_pipe_gets_the_output_and_stays_a_pipe(site, tmp_path, command):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    done = subprocess.run([sys.executable, "-m", "powerview", *command, "-o", pipe], cwd=ROOT, timeout=LONG,
                          env=site.environment, capture_output=True, text=True)  # fmt: skip
    reader.join(LONG)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(got[0]) > 100
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_the_null_device_stays_a_device(site, tmp_path):
    null = tmp_path / "null"
    try:
        os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        null.open("wb").close()
    except PermissionError:
        pytest.skip("devices cannot be made, or not be opened, here")
    done = subprocess.run([sys.executable, "-m", "powerview", "export", "acme", "roof", "-o", null], cwd=ROOT,
                          timeout=LONG, env=site.environment, capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_ISCHR(null.stat().st_mode)
