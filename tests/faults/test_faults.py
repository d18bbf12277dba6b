"""Every fault in the real programs, before a real InfluxDB: nothing lost, nothing wrong, nothing left unfinished."""

from __future__ import annotations

import pytest

from faults.catalog import Fault, load_all, suffer


def marks(one: Fault) -> list:
    """Those that are not quick run in CI and by `make faults`."""
    return [] if one.quick else [pytest.mark.slow]


CASES = [pytest.param(one, id=f"{one.group}: {one.name}", marks=marks(one)) for one in load_all()]


@pytest.mark.parametrize("one", CASES)
def test_a_fault_costs_no_reading(one, influx):
    what, judgement = suffer(one, influx)
    left = (judgement.lost, judgement.wrong, judgement.unfinished)
    assert left == (0, 0, 0), "\n".join([what, *judgement.examples])
