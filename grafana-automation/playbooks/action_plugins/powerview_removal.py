"""Deletes a campaign's dashboard, or all of a client's objects and its token."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]

from powerview_grafana.action import Task  # noqa: E402

DOCUMENTATION = """
short_description: Deletes a campaign's dashboard, or all of a client's objects and its token
options:
  client: {description: "The client."}
  campaign: {description: "The campaign; empty for all of the client."}
  confirm: {description: "The same once more, C(client) or C(client/campaign)."}
  delete_bucket: {description: "The bucket's name, to delete the readings too."}
"""
RETURN = """
messages: {description: Lines for people and for provisioning.log.}
"""


class ActionModule(Task):
    """Ansible's door to the task."""

    task = "removal"
