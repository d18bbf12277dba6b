"""Ansible's door to the task `overviews`: powerview_grafana/tasks.py describes it."""

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]

from powerview_grafana.action import Task as Door  # noqa: E402


class ActionModule(Door):
    """The task `overviews`."""

    task = "overviews"
