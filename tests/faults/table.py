"""Suffer every fault and print what it cost: `make faults`. The exit status is 1 if a line is not 0, 0, 0.

`python tests/faults/table.py WORD …` takes only the faults whose group or name has one of the words.
"""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent.parent)]

from influx_server import running_influxdb  # noqa: E402 - found on the path set above

from faults.catalog import Fault, load_all, suffer  # noqa: E402

HEAD = "| fault | what happened | lost | wrong | unfinished |\n| --- | --- | ---: | ---: | ---: |"


def main(words: list[str]) -> int:
    """Print the table, a line as soon as it is known; returns the exit status."""
    chosen = [one for one in load_all() if not words or any(word in f"{one.group} {one.name}" for word in words)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, running_influxdb(Path(folder)) as server:
        print(HEAD, flush=True)
        bad = sum(not row(one, server) for one in chosen)
    print(f"\n{len(chosen)} faults in {time.monotonic() - began:.0f} s, {bad} of them cost something", flush=True)
    return 1 if bad else 0


def row(one: Fault, server) -> bool:
    """Print one line of the table; returns whether it reads 0, 0, 0."""
    try:
        what, left = suffer(one, server)
    except Exception:  # noqa: BLE001 - the other faults are wanted as well; this one is shown, and counts as a failure
        print(f"| {one.group}: {one.name} | THE TEST ITSELF FAILED, see below | ? | ? | ? |")
        traceback.print_exc()
        return False
    print(f"| {one.group}: {one.name} | {what} | {left.lost} | {left.wrong} | {left.unfinished} |", flush=True)
    for example in left.examples:
        print(f"  {example}", file=sys.stderr)
    return not left.examples


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
