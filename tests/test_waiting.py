"""What tests rely on, however they were started and however busy the machine is."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from influx_server import free_port
from programs import ROOT
from waiting import wait_until

IGNORED = """
import signal, subprocess
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)  # as a shell does for what runs in its background, and nohup
import conftest
conftest.pytest_configure()
for number in (signal.SIGINT, signal.SIGHUP):
    signal.raise_signal(number)  # is still ignored here
print(subprocess.check_output(["grep", "SigIgn", "/proc/self/status"], text=True).split()[1])
"""


def test_programs_that_tests_start_heed_what_the_tests_ignore():
    places = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", IGNORED], env=places, capture_output=True, text=True, check=True)
    ignored = int(done.stdout, 16)
    assert not any(ignored >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGHUP))


def test_a_free_port_is_none_that_the_system_gives_away_and_no_other_test_gets_it():
    lowest, highest = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = [free_port() for _ in range(100)]
    assert len(set(ports)) == 100
    assert not any(lowest <= port <= highest for port in ports)


def test_a_condition_that_does_not_come_is_reported_with_the_message():
    looks = []
    wait_until(lambda: looks.append(1) or len(looks) == 3, 60, lambda: "never")
    assert len(looks) == 3
    with pytest.raises(RuntimeError, match="^it is 7$"):
        wait_until(lambda: False, 0, lambda: f"it is {7}")
