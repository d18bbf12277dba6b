"""Prints what was done, and fails if something could not be finished."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]

from powerview_grafana.action import Task  # noqa: E402

DOCUMENTATION = """
short_description: Prints what was done, and fails if something could not be finished
options:
  clients: {description: "The clients."}
  problem: {description: "Why the Master cannot be cloned."}
  notes: {description: "What the admins should know."}
"""
RETURN = """
messages: {description: Lines for people and for provisioning.log.}
"""


class ActionModule(Task):
    """Ansible's door to the task."""

    task = "report"
