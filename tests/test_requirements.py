"""What is imported is named and pinned, and the lock file fits."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from trees import ROOT

PROGRAMS = [ROOT / "tsv_parser.py", *(ROOT / "powerview").rglob("*.py"), *(ROOT / "grafana-automation").rglob("*.py")]
OWN = {name for file in PROGRAMS for name in (file.stem, file.parent.name)}
"""Our own modules and packages; none may be called like a package that it imports."""
NAMES = {"dotenv": "python-dotenv", "yaml": "pyyaml", "influxdb_client": "influxdb-client", "ansible": "ansible-core"}
EXTRA = {"requirements-export.txt": {"pyarrow", "xlsxwriter"}, "requirements-report.txt": {"typst"}}


def imported(file: Path) -> set[str]:
    """The names of the packages that a file imports, wherever it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def pinned(name: str) -> set[str]:
    """The names of a requirements file, all of them pinned."""
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return {re.fullmatch(r"([\w.-]+)==[\w.]+( ;.*)?", line)[1].lower() for line in lines if line}


def test_every_package_that_is_imported_is_named_and_pinned_and_no_other():
    packages = set().union(*map(imported, PROGRAMS)) - set(sys.stdlib_module_names) - OWN
    wanted = {NAMES.get(name, name).lower() for name in packages}
    extra = set().union(*EXTRA.values())
    assert wanted - extra == pinned("requirements.txt")
    assert wanted >= extra
    for name, packages in EXTRA.items():
        assert packages <= pinned(name)


@pytest.mark.parametrize("text", ["==", "--hash=sha256:"])
def test_the_lock_names_every_requirement_with_its_hashes_and_no_registry(text):
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\w)", locked) if not entry.startswith("#")]
    assert all(text in entry for entry in entries)
    assert {re.match(r"[\w.-]+", entry)[0].lower() for entry in entries} >= pinned("requirements.txt")
    assert "://" not in locked
