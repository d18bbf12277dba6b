"""Puts a person into a client's team, or takes one out."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]

from powerview_grafana.action import PersonTask  # noqa: E402

DOCUMENTATION = """
short_description: Puts a person into a client's team, or takes one out
options:
  client: {description: "The client."}
  user: {description: "The person's login or e-mail."}
  state: {description: "C(present) or C(absent)."}
"""
RETURN = """
messages: {description: Lines for people and for provisioning.log.}
"""


class ActionModule(PersonTask):
    """Ansible's door to the task."""

    task = "person"
