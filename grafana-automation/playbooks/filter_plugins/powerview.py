"""Filters of the playbooks: doors to functions of `powerview_grafana/`."""

# Ansible loads these anew in each task that uses any filter: they must import nothing that takes time.
from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]


class FilterModule:
    """Ansible's side of the doors."""

    def filters(self):
        """The filters by name."""
        from powerview_grafana import dashboard, plan

        return {
            "powerview_clone": dashboard.clone,
            "powerview_told": plan.told,
        }
