"""Imports between the packages go one way, as docs/contributing.md draws them, and the linter notices others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the project in a folder."""
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120)


def test_imports_go_one_way():
    done = linted(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("mv2/clock.py", "from powerview.settings import Settings", "Imports go one way BROKEN"),
        ("inbox/disk.py", "from powerview import store", "Imports go one way BROKEN"),
        ("monitoring/item.py", "from powerview.reporting import charts", "Imports go one way BROKEN"),
        ("inbox/disk.py", "from powerview.inbox.claim import Claim", "No circles inside a package BROKEN"),
    ],
)
def test_an_import_against_the_order_is_noticed(tmp_path, module, line, broken):
    shutil.copytree(ROOT / "powerview", tmp_path / "powerview", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    with (tmp_path / "powerview" / module).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    done = linted(tmp_path)
    assert (done.returncode, broken in done.stdout) == (1, True), done.stdout
