"""Reads which clients and campaigns the tree on disk asks for."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]

from powerview_grafana.action import Task  # noqa: E402

DOCUMENTATION = """
short_description: Reads which clients and campaigns the tree on disk asks for
options:
  client: {description: "Only this client, which need not exist on disk."}
  campaign: {description: "Only this campaign of it."}
"""
RETURN = """
messages: {description: Lines for people and for provisioning.log.}
clients: {description: "The admins and the clients, as the next tasks take them (powerview_grafana/run.py)."}
"""


class ActionModule(Task):
    """Ansible's door to the task."""

    task = "tree"
