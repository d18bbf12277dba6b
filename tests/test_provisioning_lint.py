"""The playbooks as ansible-lint sees them, and what they are allowed to be made of."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from grafana_automation import FOLDER, tasks

PLAYBOOKS = sorted((FOLDER / "playbooks").glob("*.yml"))
ACTIONS = FOLDER / "playbooks" / "action_plugins"


@pytest.mark.slow
def test_ansible_lint_has_nothing_to_say(tmp_path):
    copy = tmp_path / "grafana-automation"  # it leaves a folder of its own where it works
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(FOLDER.parent / "powerview", tmp_path / "powerview", ignore=shutil.ignore_patterns("__pycache__"))

    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-lint", "--offline", "--nocolor", "--profile", "production", "."],
        cwd=copy, capture_output=True, text=True, env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed: 0 failure(s), 0 warning(s)" in done.stdout + done.stderr


def test_a_play_is_made_of_our_tasks_alone_and_becomes_nobody():
    assert len(PLAYBOOKS) == 5
    used = set()
    for file in PLAYBOOKS:
        (play,) = yaml.safe_load(file.read_text())
        assert (play["hosts"], play["connection"], play["become"]) == ("localhost", "local", False)
        for task in play["tasks"]:
            (action,) = set(task) - {"name", "register"}
            name = action.removeprefix("powerview_")
            assert set(task[action]) <= set(tasks.TASKS[name].arguments), file
            used.add(name)
    assert used == set(tasks.TASKS) == {f.stem.removeprefix("powerview_") for f in ACTIONS.glob("*.py")}
