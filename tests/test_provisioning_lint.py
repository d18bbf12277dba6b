"""The playbooks as ansible-lint sees them, and what they are allowed to be made of."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from grafana_automation import FOLDER

PLAYBOOKS = FOLDER / "playbooks"
TASK_FILES = sorted([*PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("roles/*/tasks/*.yml")])
KEYWORDS = {
    *("name", "when", "loop", "loop_control", "register", "changed_when", "failed_when", "no_log", "vars", "block"),
    *("rescue", "module_defaults", "hosts", "connection", "gather_facts", "vars_files", "tasks"),
}


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


def tasks(node) -> list[dict]:
    """Every task and play below a node of YAML."""
    if isinstance(node, list):
        return [found for item in node for found in tasks(item)]
    if not isinstance(node, dict):
        return []
    inner = [node[key] for key in ("tasks", "block", "rescue") if key in node]
    return [node, *tasks(inner)]


def test_every_task_has_a_name_and_uses_ansibles_own_modules():
    assert len(TASK_FILES) > 10
    for file in TASK_FILES:
        for task in tasks(yaml.safe_load(file.read_text())):
            assert task.get("name"), file
            modules = set(task) - KEYWORDS
            assert all(module.startswith("ansible.builtin.") for module in modules), (file, modules)


def test_every_call_of_a_server_is_under_no_log():
    for file in TASK_FILES:
        text = file.read_text()
        calls = len(re.findall(r"^ *ansible\.builtin\.uri:$", text, re.MULTILINE))
        assert not calls or "no_log: true" in text, file
        for task in yaml.safe_load(text):
            assert_silent(task, silent=False, file=file)


def assert_silent(task: dict, silent: bool, file: Path) -> None:
    """A `uri` task is under its own `no_log`, or under that of a block around it."""
    silent = silent or task.get("no_log", False)
    assert silent or "ansible.builtin.uri" not in task, (file, task["name"])
    for part in ("tasks", "block", "rescue"):
        for inner in task.get(part, []):
            assert_silent(inner, silent, file)
