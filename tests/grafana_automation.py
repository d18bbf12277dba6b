"""What `grafana-automation/` is made of, for tests: the folder is not on Python's path, its plugins put it there."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "grafana-automation"
sys.path.insert(0, str(FOLDER))

from powerview_grafana import checks, dashboard, found, language, login, master, servers, tasks, tree  # noqa: E402

__all__ = ["FOLDER", "checks", "dashboard", "found", "language", "login", "master", "servers", "tasks", "tree"]
