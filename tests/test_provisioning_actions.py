"""What Ansible makes of our tasks: arguments are checked, check mode writes nothing, a diff shows what would be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from grafana_automation import FOLDER
from provisioning_world import QUICKLY_ON_CONTRACT, World

pytest_plugins = ("provisioning_fixture",)


@QUICKLY_ON_CONTRACT
def test_a_diff_in_check_mode_shows_what_would_be_and_nothing_is_written(world: World):
    world.make_everything()
    world.campaigns("acme/roof")

    run = world.run_ansible("--check", "--diff")

    assert (run.status, run.logged) == (0, ["powerview: would create acme", "powerview: would create acme/roof"])
    assert world.journal.writes == []
    assert run.changed == 5  # one for each noun of a client
    after = re.findall(r"^\+\+\+ after: (.*)\n.*\n((?:\+.*\n)*)", run.output, re.MULTILINE)
    shown = dict(after)
    assert shown["acme: team"] == '+"acme"\n'
    assert shown["acme: permissions"].count("+") > 1
    assert '+  "defaultBucket": "acme"' in shown["acme: data source"].replace("    ", "  ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("{client: acme, user: ann, state: gone}", "value of state must be one of: present, absent, got: gone"),
        ("{client: acme, usr: ann}", "Unsupported parameters"),
    ],
    ids=["no choice", "no argument"],
)
def test_arguments_that_a_task_does_not_take_are_refused_before_it_begins(tmp_path, arguments, reason):
    play = f"- hosts: localhost\n  gather_facts: false\n  tasks:\n    - powerview_person: {arguments}\n"
    (tmp_path / "action_plugins").symlink_to(FOLDER / "playbooks" / "action_plugins")
    (tmp_path / "play.yml").write_text(play)

    run = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "play.yml"], cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "GRAFANA_PASSWORD": "unused"},
    )  # fmt: skip

    assert run.returncode == 2
    assert re.search(reason, run.stdout), run.stdout
