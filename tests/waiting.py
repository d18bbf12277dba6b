"""How tests wait: for a condition, and long enough for a machine that is busy with other things.

A limit is there so that a run that hangs fails at last. None is near what a test needs on an idle machine: a test says
nothing about how fast the machine is.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LONG = 600
"""Seconds: the limit of whatever is waited for."""


def wait_until(condition: Callable[[], object], deadline: float, message: Callable[[], str]) -> None:
    """Poll `condition` until it is true; raises RuntimeError with `message()` after `deadline` seconds, mostly LONG."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(message())
        time.sleep(0.02)
