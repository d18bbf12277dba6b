"""Makes a team for each client."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]

from powerview_grafana.action import Task  # noqa: E402

DOCUMENTATION = """
short_description: Makes a team for each client
options:
  clients: {description: "The clients."}
"""
RETURN = """
messages: {description: Lines for people and for provisioning.log.}
clients: {description: "The same with C(team_id)."}
"""


class ActionModule(Task):
    """Ansible's door to the task."""

    task = "teams"
