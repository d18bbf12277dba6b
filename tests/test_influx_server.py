"""Where the tests' InfluxDB comes from."""

from __future__ import annotations

import pytest
from influx_server import IMAGE, engine_runs, influxd_command


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Puts a container engine first on PATH that answers `info`, and for whose `run` the test gives a status."""
    monkeypatch.delenv("INFLUXD", raising=False)
    engine_runs.cache_clear()

    def make(status: int) -> None:
        program = tmp_path / "podman"
        program.write_text(f'#!/bin/sh\n[ "$1" = run ] && exit {status}\nexit 0\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    yield make
    engine_runs.cache_clear()


def test_an_engine_that_starts_the_image_is_used(engine, tmp_path):
    engine(0)
    assert influxd_command(tmp_path)[:2] == ["podman", "run"]
    assert IMAGE in influxd_command(tmp_path)


def test_an_engine_that_cannot_start_the_image_is_none(engine, tmp_path, monkeypatch):
    engine(125)
    monkeypatch.setattr("influx_server.built_influxd", lambda: "influxd-of-the-cache")
    assert influxd_command(tmp_path)[0] == "influxd-of-the-cache"
