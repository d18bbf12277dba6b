"""A playbook's tasks, run in this process one after the other as its file names them: the same code, without the half
second that Ansible takes to start. What a play of Ansible adds to it has tests of its own (`World.run_ansible`).
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from unittest.mock import patch

import yaml
from grafana_automation import tasks

RESULT = re.compile(r"{{ (\w+)\.(\w+) }}")
VARIABLE = re.compile(r"{{ lookup\('ansible\.builtin\.env', '(\w+)'\) }}")


def play(playbook: Path, check: bool, environment: dict[str, str]) -> tuple[int, str, list[str], int]:
    """The exit status, all that would be printed, the lines for people, and how many tasks changed something."""
    registered: dict[str, dict] = {}
    lines: list[str] = []
    changed = 0
    with patch.dict(os.environ, environment, clear=True):
        for task in _tasks(playbook):
            (action,) = (key for key in task if key.startswith("powerview_"))
            result = _do(action.removeprefix("powerview_"), task[action], check, registered)
            lines += result["messages"]
            changed += result["changed"]
            if result.get("failed"):
                lines.append(result["msg"])
                return 2, "\n".join(lines), _told(lines), changed
            if "register" in task:
                registered[task["register"]] = result
    return 0, "\n".join(lines), _told(lines), changed


@cache
def _tasks(playbook: Path) -> list[dict]:
    (found,) = yaml.safe_load(playbook.read_text())
    return found["tasks"]


def _do(task: str, given: dict, check: bool, registered: dict[str, dict]) -> dict:
    spec = tasks.TASKS[task].arguments
    assert set(given) <= set(spec), (task, given)
    arguments = {name: about["default"] for name, about in spec.items() if "default" in about}
    arguments |= {name: _value(value, registered) for name, value in given.items()}
    more = {}
    if task == "person":
        more = {"password": os.environ.get("POWERVIEW_USER_PASSWORD", ""), "ask": lambda _question: ""}
    result = tasks.do(task, arguments, check, **more)
    documented = {*tasks.ALWAYS, *tasks.TASKS[task].returns}
    assert set(result) == documented or {"failed", "msg"} <= set(result) <= documented | {"failed", "msg"}, result
    return json.loads(json.dumps(result))  # as Ansible hands it on


def _value(text: str, registered: dict[str, dict]):
    if match := RESULT.fullmatch(text):
        return registered[match[1]][match[2]]
    if match := VARIABLE.fullmatch(text):
        return os.environ.get(match[1], "")
    assert "{{" not in text, f"this is nothing that play_in_process understands: {text}"
    return text


def _told(lines: list[str]) -> list[str]:
    return list(dict.fromkeys(line for line in lines if line.startswith("powerview: ")))
