"""Ansible's side of a task: its arguments, check mode, and what a person reads.

Tasks run in the process of the playbook, as actions do: no module is copied and started, secrets pass through nobody's
arguments or files, and a task takes a tenth of a second. Messages are printed whatever callback shows the results.
"""

from __future__ import annotations

import json
import os

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    from powerview_grafana import tasks
except ModuleNotFoundError as error:
    import sys

    raise AnsibleError(
        f"{error.name} is missing in the Python that runs ansible-playbook ({sys.executable}): "
        f"start the ansible-playbook of PowerView's own environment, in envs/powerview/bin or .venv/bin."
    ) from error


class Task(ActionBase):
    """One of the tasks in `tasks.TASKS`; a subclass names it."""

    task = ""
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """Do the task; see `tasks` for what it returns."""
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(tasks.TASKS[self.task][1])
        result = tasks.do(self.task, arguments, self._task.check_mode, **self._more())
        for line in result["messages"]:
            # As Ansible's own `debug` prints it, and as the hook reads it.
            self._display.display("    " + json.dumps(line, ensure_ascii=False))
        if result.get("failed"):  # shown whole: the reason is enough
            return {key: result[key] for key in ("failed", "msg", "changed")}
        return result

    def _more(self) -> dict:
        return {}


class PersonTask(Task):
    """The task that may need a new login's password: from the environment, else from whoever sits at the terminal."""

    task = "person"

    def _more(self) -> dict:
        return {"password": os.environ.get("POWERVIEW_USER_PASSWORD", ""), "ask": self._ask}

    def _ask(self, question: str) -> str:
        try:
            return self._display.prompt_until(f"{question}: ", private=True).decode()
        except AnsibleError:  # nobody sits there
            return ""
