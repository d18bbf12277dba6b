"""Imports between the packages go one way, as docs/contributing.md draws them, and the linter notices others. A module
is short, or gives the reason why it is not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import LONG

ROOT = Path(__file__).resolve().parent.parent


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the project in a folder."""
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=LONG)


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


def test_no_program_is_longer_than_300_lines_without_a_reason():
    listed = subprocess.run(["git", "ls-files", "*.py", "*.sh"], cwd=ROOT, capture_output=True, text=True, check=True)
    programs = [name for name in listed.stdout.splitlines() if not name.startswith("tests/")]
    assert "on-upload.sh" in programs

    texts = {name: (ROOT / name).read_text(encoding="utf-8").splitlines() for name in programs}
    reason = re.compile(r"Its length is that of|It is one file, if a long one, because")
    assert [
        name for name, lines in texts.items() if len(lines) > 300 and not reason.search("\n".join(lines[:20]))
    ] == []


def test_a_sweep_with_nothing_to_do_loads_no_pandas():
    programs = "import sys, tsv_parser, powerview.monitoring.watch; print({'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", programs], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
