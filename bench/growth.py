"""Does it stay quick when there is more: more files in one run, and more files that were parsed long ago.

`python bench/growth.py [PARSED]`: time per reading for 1, 10, 100 and 1 000 day files of 30 channels, then a sweep with
nothing to do and one with a single new file, in trees that hold 0, 10 000 and 100 000 (PARSED) parsed files.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from load import CHANNELS, DAY_ROWS, InfluxServer, run_parser, running_influxdb, table, write_logger_file

COUNTS = (1, 10, 100, 1000)
PARSED = 100_000
LOGGERS = 100
SWEEP_SECONDS = 2.0
"""A sweep with nothing to do must stay under it."""
FIRST = datetime(2024, 1, 1, 3, 20)


def main(parsed: int) -> int:
    """Measure and print both tables; returns 1 if a sweep takes too long."""
    with tempfile.TemporaryDirectory() as name, running_influxdb(Path(name) / "influxdb") as server:
        print(by_pending(Path(name), server), flush=True)
        text, slowest = by_parsed(Path(name), server, parsed)
    print(text)
    print(f"a sweep with nothing to do: {slowest:.2f} s at most, {SWEEP_SECONDS:.0f} s wanted")
    return 0 if slowest < SWEEP_SECONDS else 1


def by_pending(folder: Path, server: InfluxServer) -> str:
    """Time per reading by the number of files that wait."""
    originals = [folder / f"original{i}.tsv" for i in range(10)]
    for number, original in enumerate(originals):
        write_logger_file(original, DAY_ROWS, FIRST + timedelta(days=number), seed=number)
    rows = []
    for count in COUNTS:
        house = folder / f"pending{count}"
        for number in range(count):
            device = house / "data" / f"client{count}" / f"campaign{number % 10}" / f"0200{1000 + number // 10}"
            device.mkdir(parents=True, exist_ok=True)
            (device / "T302_240102_031700.tsv").write_bytes(originals[number % 10].read_bytes())
        seconds = run_parser(house, server).seconds
        readings = count * DAY_ROWS * CHANNELS
        rows.append((str(count), f"{readings:,}", f"{seconds:.2f}", f"{seconds / readings * 1e6:.1f}"))
    return table(("pending files", "readings", "seconds", "µs per reading"), rows)


def by_parsed(folder: Path, server: InfluxServer, most: int) -> tuple[str, float]:
    """Seconds of a sweep by the number of files that lie in parsed/; also the slowest one with nothing to do."""
    rows = []
    house, done, slowest = folder / "grown", 0, 0.0
    data = house / "data"
    fresh = folder / "fresh.tsv"
    write_logger_file(fresh, DAY_ROWS, FIRST, seed=99)
    for number, parsed in enumerate((0, most // 10, most)):
        done = fill(data, done, parsed)
        idle = statistics.median(run_parser(house, server).seconds for _ in range(3))
        newcomer = device_folder(data, 0) / f"T302_99123{number}_031700.tsv"  # uploaded after all the others
        newcomer.write_bytes(fresh.read_bytes())
        rows.append((f"{parsed:,}", f"{idle:.2f}", f"{run_parser(house, server).seconds:.2f}"))
        slowest = max(slowest, idle)
    return table(("parsed files", "nothing to do, s", "one new file, s"), rows), slowest


def fill(data: Path, done: int, wanted: int) -> int:
    """Let so many small parsed files lie in the folders of 100 loggers; returns how many there are now."""
    for number in range(LOGGERS):
        (device_folder(data, number) / "parsed").mkdir(parents=True, exist_ok=True)
    for number in range(done, wanted):
        day = FIRST + timedelta(days=number // LOGGERS)
        path = device_folder(data, number % LOGGERS) / "parsed" / f"T302_{day:%y%m%d}_0317{number % 60:02d}.tsv"
        path.write_bytes(b"parsed long ago\n")
    return wanted


def device_folder(data: Path, number: int) -> Path:
    """Where a logger's files arrive."""
    return data / f"client{number % 10}" / "campaign" / f"0200{2000 + number}"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else PARSED))
