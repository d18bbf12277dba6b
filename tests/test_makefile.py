"""What `make test` announces before it begins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from programs import ROOT, outside_make

PACKAGES = "Python packages go into {venv}: about a minute, once."
INFLUXDB = "InfluxDB comes as a container (podman, docker), or is built with Go and Rust: about four minutes, once."
TESTS = "The tests take about six minutes on two cores."


def announced(folder: Path, venv: Path, **environment: str) -> list[str]:
    """The lines of `make test-plan`, on a machine that has hardly a program. `folder` is for what is on PATH."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("make", "ls"):
        if not (programs / name).exists():
            (programs / name).symlink_to(shutil.which(name))
    shown = subprocess.run(
        ["make", "test-plan", f"VENV={venv}"], cwd=ROOT, env={"PATH": str(programs), **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return shown.stdout.splitlines()


@pytest.fixture
def venv(tmp_path):
    """An environment with everything installed."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/.installed-tests").touch()
    return tmp_path / "venv"


def test_on_a_fresh_machine_it_names_what_is_installed_and_built(tmp_path):
    missing = tmp_path / "none"
    assert announced(tmp_path, missing, XDG_CACHE_HOME=str(tmp_path)) == [
        PACKAGES.format(venv=missing),
        INFLUXDB,
        TESTS,
    ]


def test_an_influxdb_that_is_named_is_not_built(tmp_path, venv):
    assert announced(tmp_path, venv, XDG_CACHE_HOME=str(tmp_path), INFLUXD="/opt/influxd") == [TESTS]


@pytest.mark.parametrize("cache", ["XDG_CACHE_HOME", "HOME"])
def test_an_influxdb_in_the_cache_is_not_built_again(tmp_path, venv, cache):
    folder = tmp_path / ("" if cache == "XDG_CACHE_HOME" else ".cache") / "powerview/influxd-0123"
    folder.mkdir(parents=True)
    assert announced(tmp_path, venv, **{cache: str(tmp_path)}) == [INFLUXDB, TESTS]  # begun, not finished
    (folder / "influxd").touch()
    assert announced(tmp_path, venv, **{cache: str(tmp_path)}) == [TESTS]


def test_it_announces_before_it_does_anything(tmp_path):
    shown = subprocess.run(
        ["make", "--dry-run", "test", f"VENV={tmp_path / 'none'}"], cwd=ROOT, env=outside_make(), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert "about a minute" in shown.stdout.splitlines()[0]
