"""`lookup('powerview', QUESTION, …)`: a door to `powerview_grafana/questions.py`, whose functions are the questions."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]

try:
    from powerview_grafana import questions
except ModuleNotFoundError as error:
    raise AnsibleError(
        f"{error.name} is missing in the Python that runs ansible-playbook ({sys.executable}): "
        f"start the ansible-playbook of PowerView's own environment, in envs/powerview/bin or .venv/bin."
    ) from error


class LookupModule(LookupBase):
    """Ansible's side of the door."""

    def run(self, terms, variables=None, **kwargs):  # noqa: ARG002, Ansible passes the play's variables
        """Answer the question `terms[0]` with the remaining terms and options as its arguments."""
        question, *rest = terms
        try:
            return [questions.ask(question, *rest, **kwargs)]
        except questions.TOLD as error:
            raise AnsibleError(str(error)) from error
