"""What `watch` keeps survives a full disk, a crash and damage: reporting goes on, at worst something comes twice."""

from __future__ import annotations

import dataclasses
import json
import os
import sys

import pytest
from receiver import Receiver
from trees import Site
from watching import DAY, HOUR, SWEEP, Clock, Sweeps, fill, scripted, small_disk

from powerview.monitoring.item import bad, good
from powerview.monitoring.memory import STEP, Memory
from powerview.monitoring.problems import Problem

pytest_plugins = ("check_fixture",)

GRAFANA = bad("Grafana", "grafana_away", url="http://localhost:1", why="no connection")
TOKEN = bad("token", "token_refused", why="401", env=".env")


WRONG_TIME = json.dumps(
    {"problems": [dict.fromkeys(("name", "subject", "found", "text", "since", "last", "checked"), "x")]}
).encode()


class Scene:
    """An installation whose state folder is a small disk; `items` is what each sweep finds."""

    def __init__(self, site: Site, receiver: Receiver, monkeypatch, disk) -> None:
        settings = dataclasses.replace(site.settings(), alert_urls=(receiver.alert_url,), state_dir=disk)
        self.items = [good("Grafana", "fine"), good("token", "fine")]
        self.disk = disk
        self.sweeps = Sweeps(settings, Clock(monkeypatch), receiver)
        scripted(monkeypatch, settings, lambda _: self.items, self.sweeps.clock)


@pytest.fixture
def scene(site, receiver, monkeypatch, tmp_path):
    with small_disk(tmp_path / "small", "256k") as disk:
        yield Scene(site, receiver, monkeypatch, disk)


def test_on_a_disk_that_becomes_full_each_problem_is_still_reported_once(scene, capfd):
    assert scene.sweeps.during(HOUR) == []
    fill(scene.disk / "filling")
    scene.items = [GRAFANA, good("token", "fine")]
    assert len(scene.sweeps.during(2 * HOUR)) == 1
    scene.items = [GRAFANA, TOKEN]
    assert len(scene.sweeps.during(2 * HOUR)) == 1
    scene.items = [good("Grafana", "fine"), TOKEN]
    (message,) = scene.sweeps.during(HOUR)
    assert message.startswith("Over:\n- Grafana: does not answer")
    assert len(scene.sweeps.during(DAY)) == 1  # the token again
    assert capfd.readouterr().err == ""


def test_on_a_disk_that_was_full_from_the_start_each_problem_comes_twice_at_worst(scene, capfd):
    fill(scene.disk / "filling")
    scene.items = [GRAFANA, good("token", "fine")]
    messages = scene.sweeps.during(2 * HOUR)
    assert len(messages) == 1
    scene.items = [GRAFANA, TOKEN]
    messages += scene.sweeps.during(2 * HOUR)
    assert sum("Grafana" in message for message in messages) == 2
    assert sum("token" in message for message in messages) == 1
    assert "watch.json cannot be written: No space left on device. Messages may come twice." in capfd.readouterr().err
    (scene.disk / "filling").unlink()
    messages += scene.sweeps.during(2 * HOUR)
    assert sum("token" in message for message in messages) == 2
    assert not list(scene.disk.glob("watch.sent-*"))
    assert not list(scene.disk.glob("*.half"))


def test_what_has_no_room_in_the_file_leaves_it_whole(scene):
    memory = Memory(scene.disk)
    few = {"disk\0/srv": Problem("disk", "/srv", "full", "full", 1.0, 2.0, 3.0)}
    memory.save(few)
    fill(scene.disk / "filling")
    many = {f"disk\0{n}": Problem("disk", str(n), "full", "full", 1.0, 2.0, 3.0) for n in range(1000)}
    memory.save(many)
    assert memory.lost
    assert Memory(scene.disk).load() == few


def test_without_any_memory_reporting_goes_on(scene, tmp_path):
    scene.sweeps.settings = dataclasses.replace(scene.sweeps.settings, state_dir=tmp_path / "none")
    scene.items = [GRAFANA, good("token", "fine")]
    assert scene.sweeps.one()[0].startswith("Something is wrong:\n- Grafana: does not answer")


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"problems": [{"name": 1}]}', b"\xff\xfe", b'{"problems": 7}', WRONG_TIME]
)
def test_a_damaged_memory_only_means_that_something_comes_twice(scene, damage):
    scene.items = [GRAFANA, good("token", "fine")]
    assert len(scene.sweeps.during(HOUR)) == 1
    (scene.disk / "watch.json").write_bytes(damage)
    assert len(scene.sweeps.during(HOUR)) == 1


def test_a_crash_before_the_message_was_noted_means_that_it_comes_again(scene, monkeypatch):
    scene.items = [GRAFANA, good("token", "fine")]
    scene.sweeps.during(SWEEP)
    before = (scene.disk / "watch.json").read_bytes()
    assert len(scene.sweeps.during(HOUR)) == 1
    (scene.disk / "watch.json").write_bytes(before)
    assert len(scene.sweeps.during(HOUR)) == 1


def test_nothing_is_written_while_nothing_changes(scene):
    assert scene.sweeps.during(HOUR) == []
    file = scene.disk / "watch.json"
    before = file.stat()
    assert scene.sweeps.during(HOUR) == []
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    scene.items = [GRAFANA, good("token", "fine")]
    scene.sweeps.one()
    assert file.stat().st_ino != before.st_ino


def test_that_nobody_is_notified_is_in_a_log_once_and_at_a_terminal_each_time(scene, capsys, monkeypatch):
    scene.sweeps.settings = dataclasses.replace(scene.sweeps.settings, alert_urls=())
    assert scene.sweeps.during(HOUR) == []
    line = "nobody is notified: set POWERVIEW_ALERT_URLS and POWERVIEW_PING_URL in"
    assert [printed.startswith(line) for printed in capsys.readouterr().out.splitlines()] == [
        False, True, *[False] * 11
    ]  # fmt: skip
    notified = dataclasses.replace(scene.sweeps.settings, alert_urls=("json://127.0.0.1:1",))
    nobody, scene.sweeps.settings = scene.sweeps.settings, notified
    scene.sweeps.one()
    scene.sweeps.settings = nobody
    assert scene.sweeps.during(HOUR) == []
    assert sum(printed.startswith(line) for printed in capsys.readouterr().out.splitlines()) == 1
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    scene.sweeps.one()
    assert line in capsys.readouterr().out


def test_it_is_written_whole_with_room_to_grow(tmp_path):
    memory = Memory(tmp_path)
    problem = Problem("disk", "/srv", "full", "full. Make room", 1.0, 2.0, 3.0, None, {"r": 4.0}, ["q"])
    memory.save({"disk\0/srv": problem})
    file = tmp_path / "watch.json"
    assert file.stat().st_size == STEP
    assert json.loads(file.read_text())["problems"][0]["subject"] == "/srv"
    assert memory.load() == {"disk\0/srv": problem}
    assert (file.stat().st_mode & 0o777) & 0o007 == 0
    assert os.listdir(tmp_path) == ["watch.json"]
