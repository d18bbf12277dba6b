"""Ansible's side of each task: its arguments, check mode, and what a person reads.

Ansible finds an action by a file of its name: those in `playbooks/action_plugins/` are links to this one.

Tasks run in the process of the playbook, as actions do: no module is copied and started, secrets pass through nobody's
arguments or files, and a task takes a tenth of a second. Messages are printed whatever callback shows the results.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

HOME = next(f for f in Path(__file__).resolve().parents if (f / "powerview_grafana").is_dir())  # a copy of a link too
sys.path[:0] = [str(folder) for folder in (HOME, HOME.parent) if str(folder) not in sys.path]

try:
    from powerview_grafana import tasks
except ModuleNotFoundError as error:
    raise AnsibleError(
        f"{error.name} is missing in the Python that runs ansible-playbook ({sys.executable}): "
        f"start the ansible-playbook of PowerView's own environment, in envs/powerview/bin or .venv/bin."
    ) from error


class ActionModule(ActionBase):
    """The task in `tasks.TASKS` of the action's name, without `powerview_`."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """Do the task; see `tasks` for what it returns."""
        super().run(tmp, task_vars)
        name = self._task.action.removeprefix("powerview_")
        _, arguments = self.validate_argument_spec(tasks.TASKS[name].arguments)
        # A new login's password: from the environment, else from whoever sits at the terminal.
        password = {"password": os.environ.get("POWERVIEW_USER_PASSWORD", ""), "ask": self._ask}
        result = tasks.do(name, arguments, self._task.check_mode, **(password if name == "person" else {}))
        for line in result["messages"]:
            # As Ansible's own `debug` prints it, and as the hook reads it.
            self._display.display("    " + json.dumps(line, ensure_ascii=False))
        if result.get("failed"):  # shown whole: the reason is enough
            return {key: result[key] for key in ("failed", "msg", "changed")}
        return result

    def _ask(self, question: str) -> str:
        try:
            return self._display.prompt_until(f"{question}: ", private=True).decode()
        except AnsibleError:  # nobody sits there
            return ""
