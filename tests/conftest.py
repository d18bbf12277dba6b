"""What tests share: one real InfluxDB for the whole run, a fresh client name, folders of an installation."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import uuid

import pytest
from hypothesis import HealthCheck, settings
from influx_server import NoInfluxDB, running_influxdb
from trees import Site

# How fast examples are made and tried says something about the machine alone.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Let the programs that tests start end by Ctrl-C and by a hangup, however the tests themselves were started.

    A shell lets what runs in its background ignore the one, nohup the other, and children inherit that. A signal that
    has a handler here is the system's own again in a child.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


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


@pytest.fixture
def site(tmp_path) -> Site:
    """The folders of an installation that names no InfluxDB."""
    return Site(tmp_path)


@pytest.fixture
def influx_site(tmp_path, influx) -> Site:
    """The folders of an installation that writes to the InfluxDB of this run."""
    return Site(
        tmp_path,
        {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token, "INFLUXDB_ORG": influx.org},
    )


@pytest.fixture
def no_leases(monkeypatch):
    """A file system without leases: the kernel's answer to F_SETLEASE, and nothing else, is another one."""
    real = fcntl.fcntl

    def answer(descriptor, command, *arguments):
        if command == fcntl.F_SETLEASE:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(descriptor, command, *arguments)

    monkeypatch.setattr(fcntl, "fcntl", answer)
