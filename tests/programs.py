"""Programs that check a file: found, or the test is skipped with a sentence; in CI it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import LONG

ROOT = Path(__file__).resolve().parent.parent
PLACES = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"], "/usr/sbin", "/sbin"])


def outside_make() -> dict[str, str]:
    """This environment as it is where no `make` runs the tests: an inner one would say more."""
    return {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def program(name: str, package: str) -> str:
    """The path of a program. `package` says where a person gets it."""
    found = shutil.which(name, path=PLACES)
    if not found:
        missing(f"{name} is not there: it comes with {package}")
    return found


def missing(sentence: str) -> None:
    """Skip the test with this sentence; in CI nothing may be left out, so there it fails."""
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


def run(*words: str | Path, status: int = 0, **kwargs) -> subprocess.CompletedProcess:
    """Run a program to its end and check its exit status, showing what it said if that is another."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=LONG, **kwargs)
    assert done.returncode == status, f"{words[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done


def make_executable(path: Path, text: str) -> Path:
    """A small program of a test."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path
