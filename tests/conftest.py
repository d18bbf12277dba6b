"""What tests share: one real InfluxDB for the whole run, and a fresh client name for each test."""

from __future__ import annotations

import os
import uuid

import pytest
from influx_server import NoInfluxDB, running_influxdb


@pytest.fixture(scope="session")
def influx(tmp_path_factory):
    """A running InfluxServer. Without one the tests that need it are skipped, and in CI they fail."""
    try:
        with running_influxdb(tmp_path_factory.mktemp("influxdb")) as server:
            yield server
    except NoInfluxDB as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def client(influx):
    """A client (so a bucket) that no other test uses."""
    return f"client-{uuid.uuid4().hex[:12]}"
