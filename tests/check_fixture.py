"""The fixtures `installation` and `receiver`."""

from __future__ import annotations

import pytest
from check_installation import install
from grafana_contract import GrafanaContract
from receiver import Receiver


@pytest.fixture
def installation(request, influx, client, tmp_path, monkeypatch):
    """One in which all is well; with a Grafana 13 unless the test names another."""
    with GrafanaContract(getattr(request, "param", "13")) as grafana:
        yield install(influx, client, tmp_path, monkeypatch, grafana)


@pytest.fixture
def receiver():
    """Who is notified and pinged."""
    with Receiver() as running:
        yield running
