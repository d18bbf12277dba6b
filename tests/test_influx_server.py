"""Where the tests' InfluxDB comes from."""

from __future__ import annotations

import pytest
from influx_server import IMAGE, MOST_LOSSES, engine_runs, influxd_command


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


def test_a_write_that_influxdb_lost_is_written_again(influx, client, monkeypatch):
    influx.make_bucket(client)
    real, lost = influx.call, []

    def loses(method: str, path: str, **how):
        if path != "/api/v2/write" or len(lost) == MOST_LOSSES - 1:
            return real(method, path, **how)
        lost.append(how["data"])
        return real(method, path, **{**how, "data": lost[-1].splitlines()[0]})  # another week's is kept

    monkeypatch.setattr(influx, "call", loses)
    lines = b'a,b=c\\ d value=1.5,text="e f" 0\na,b=c\\ d value=2.5 900000\na,b=c\\ d value=3.5 900000\n'
    influx.write(client, lines)
    assert lost == [lines] * (MOST_LOSSES - 1)
    found = influx.query(f'from(bucket: "{client}") |> range(start: 0) |> filter(fn: (r) => r._field == "value")')
    assert [(row["b"], row["_value"]) for row in found] == [("c d", "1.5"), ("c d", "3.5")]


def test_a_write_that_influxdb_loses_again_and_again_is_an_error(influx, client, monkeypatch):
    influx.make_bucket(client)
    real = influx.call
    monkeypatch.setattr(influx, "call", lambda m, p, **how: p == "/api/v2/write" or real(m, p, **how))
    with pytest.raises(AssertionError, match=f"lost a write to {client} 5 times"):
        influx.write(client, "a value=1.5 7")


def test_an_engine_that_starts_the_image_is_used(engine, tmp_path):
    engine(0)
    assert influxd_command(tmp_path)[:2] == ["podman", "run"]
    assert IMAGE in influxd_command(tmp_path)


def test_an_engine_that_cannot_start_the_image_is_none(engine, tmp_path, monkeypatch):
    engine(125)
    monkeypatch.setattr("influx_server.built_influxd", lambda: "influxd-of-the-cache")
    assert influxd_command(tmp_path)[0] == "influxd-of-the-cache"
