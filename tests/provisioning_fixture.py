"""The fixture `world`: one test's Grafana, InfluxDB, proxies and tree, for each Grafana that can be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from provisioning_world import PERSONALITIES, World, make_world, real_grafana


@pytest.fixture(scope="session")
def grafana_template(tmp_path_factory) -> Path | None:
    """The data of a real Grafana after its first start, where one is named."""
    if "real" not in PERSONALITIES:
        return None
    folder = tmp_path_factory.mktemp("template") / "grafana"
    with real_grafana(folder):
        return folder


@pytest.fixture(params=PERSONALITIES)
def world(request, influx, grafana_template, tmp_path) -> Iterator[World]:
    """One test's world. The contract server must have seen no violation by its end."""
    with ExitStack() as stack:
        made = make_world(request.param, influx, tmp_path, stack, grafana_template)
        yield made
        if made.contract:
            assert made.contract.violations == []
