"""Brings the Master's changes to the campaigns' dashboards."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]

from powerview_grafana.action import Task  # noqa: E402

DOCUMENTATION = """
short_description: Brings the Master's changes to the campaigns' dashboards
options:
  clients: {description: "The clients."}
  master: {description: "C(file): put dashboards/master.json in the place of Grafana's Master first."}
"""
RETURN = """
messages: {description: Lines for people and for provisioning.log.}
"""


class ActionModule(Task):
    """Ansible's door to the task."""

    task = "updates"
