"""Does it stay quick when there is more: more files in one run, and more files that were parsed long ago.

`python bench/growth.py [PARSED [AGAIN]]`: time per reading for 1, 10, 100 and 1 000 day files of 30 channels; a day
file that comes late, behind 30, 300 and 3 000 later ones; `--again` of a tenth of 10 000 (AGAIN) files and of all; then
a sweep with nothing to do and one with a single new file, in trees that hold 0, 10 000 and 100 000 (PARSED) parsed
files.
"""

from __future__ import annotations

import copy
import statistics
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from load import (
    CHANNELS,
    DAY_ROWS,
    FaultProxy,
    InfluxServer,
    Request,
    hand_on,
    run_parser,
    running_influxdb,
    table,
    write_logger_file,
)

COUNTS = (1, 10, 100, 1000)
LATER = (30, 300, 3000)
MOST_WRITTEN = 2.0
"""A late file may write so many times its own readings at most."""
AGAIN = 10_000
AGAIN_ROWS = 6
STRAIGHT = 1.5
"""A file among ten times as many may cost so many times as much, for a machine is never quite at rest."""
PARSED = 100_000
LOGGERS = 100
SWEEP_SECONDS = 2.0
"""A sweep with nothing to do must stay under it."""
FIRST = datetime(2024, 1, 1, 3, 20)


def main(parsed: int, again: int) -> int:
    """Measure and print the tables; returns 1 if one of them does not show what it must."""
    with tempfile.TemporaryDirectory() as name, running_influxdb(Path(name) / "influxdb") as server:
        print(by_pending(Path(name), server), flush=True)
        text, written = by_later(Path(name), server)
        print(text, f"a late file writes {written:.2f} times its readings, {MOST_WRITTEN} wanted", sep="\n", flush=True)
        text, steeper = by_settled(Path(name), server, again)
        print(
            text, f"ten times the files, {steeper:.2f} times the time for each, {STRAIGHT} wanted", sep="\n", flush=True
        )
        text, slowest = by_parsed(Path(name), server, parsed)
    print(text)
    print(f"a sweep with nothing to do: {slowest:.2f} s at most, {SWEEP_SECONDS:.0f} s wanted")
    return 0 if slowest < SWEEP_SECONDS and written <= MOST_WRITTEN and steeper < STRAIGHT else 1


def by_pending(folder: Path, server: InfluxServer) -> str:
    """Time per reading by the number of files that wait."""
    originals = [folder / f"original{i}.tsv" for i in range(10)]
    for number, original in enumerate(originals):
        write_logger_file(original, DAY_ROWS, FIRST + timedelta(days=number), seed=number)
    rows = []
    for count in COUNTS:
        site = folder / f"pending{count}"
        for number in range(count):
            device = site / "data" / f"client{count}" / f"campaign{number % 10}" / f"0200{1000 + number // 10}"
            device.mkdir(parents=True, exist_ok=True)
            (device / "T302_240102_031700.tsv").write_bytes(originals[number % 10].read_bytes())
        seconds = run_parser(site, server).seconds
        readings = count * DAY_ROWS * CHANNELS
        rows.append((str(count), f"{readings:,}", f"{seconds:.2f}", f"{seconds / readings * 1e6:.1f}"))
    return table(("pending files", "readings", "seconds", "µs per reading"), rows)


def by_later(folder: Path, server: InfluxServer) -> tuple[str, float]:
    """What a day file costs that comes behind so many later ones, each of which shares a stamp with its neighbours;
    also how many times its own readings it writes at most."""
    rows, worst = [], 0.0
    for later in LATER:
        site = folder / f"later{later}"
        device = site / "data" / f"later{later}" / "campaign" / "02001171"
        for number in range(1, later):
            write_logger_file(device / "parsed" / day_name(number), DAY_ROWS, day(number), seed=number)
        write_logger_file(device / day_name(later), DAY_ROWS, day(later), seed=later)
        first = run_parser(site, server).seconds  # nothing is remembered yet of what was parsed before
        write_logger_file(device / day_name(0), DAY_ROWS, day(0), seed=0)
        with FaultProxy(server.url) as proxy:
            written = count_lines(proxy, f"bucket=later{later}&")
            seconds = run_parser(site, through(server, proxy)).seconds
        times = sum(written) / (DAY_ROWS * CHANNELS)
        worst = max(worst, times)
        rows.append((f"{later:,}", f"{first:.2f}", f"{sum(written):,}", f"{times:.2f}", f"{seconds:.2f}"))
    head = ("later files", "the first run, s", "readings written", "times its own", "a late file, s")
    return table(head, rows), worst


def count_lines(proxy: FaultProxy, bucket: str) -> list[int]:
    """A list that gets the number of lines of each body for a bucket."""
    counts: list[int] = []

    def plan(request: Request) -> None:
        if request.is_write and bucket in request.path + "&":
            counts.append(request.body().count(b"\n"))
        hand_on(request)

    proxy.plan = plan
    return counts


def through(server: InfluxServer, proxy: FaultProxy) -> InfluxServer:
    """The same server, seen through a proxy."""
    seen = copy.copy(server)
    seen.url = proxy.url
    return seen


def by_settled(folder: Path, server: InfluxServer, most: int) -> tuple[str, float]:
    """Seconds of `--again` by the number of settled files; also how much more a file costs among ten times as many."""
    rows, each = [], []
    site = folder / "again"
    for settled, done in ((most // 10, 0), (most, most // 10)):
        for number in range(done, settled):
            path = device_folder(site / "data", number % LOGGERS) / "parsed" / day_name(number // LOGGERS)
            write_logger_file(path, AGAIN_ROWS, day(number // LOGGERS), number, f"0200{2000 + number % LOGGERS}")
        seconds = run_parser(site, server, "--again").seconds
        each.append(seconds / settled)
        rows.append((f"{settled:,}", f"{seconds:.1f}", f"{each[-1] * 1000:.2f}"))
    return table(("settled files", "--again, s", "ms for each"), rows), each[1] / each[0]


def day(number: int) -> datetime:
    """When a day's first reading is."""
    return FIRST + timedelta(days=number)


def day_name(number: int) -> str:
    """The name under which a day's file is uploaded."""
    return f"T302_{day(number + 1):%y%m%d}_031700.tsv"


def by_parsed(folder: Path, server: InfluxServer, most: int) -> tuple[str, float]:
    """Seconds of a sweep by the number of files that lie in parsed/; also the slowest one with nothing to do."""
    rows = []
    site, done, slowest = folder / "grown", 0, 0.0
    data = site / "data"
    fresh = folder / "fresh.tsv"
    write_logger_file(fresh, DAY_ROWS, FIRST, seed=99)
    for number, parsed in enumerate((0, most // 10, most)):
        done = fill(data, done, parsed)
        idle = statistics.median(run_parser(site, server).seconds for _ in range(3))
        newcomer = device_folder(data, 0) / f"T302_99123{number}_031700.tsv"  # uploaded after all the others
        newcomer.write_bytes(fresh.read_bytes())
        rows.append((f"{parsed:,}", f"{idle:.2f}", f"{run_parser(site, server).seconds:.2f}"))
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
    given = [int(word) for word in sys.argv[1:3]]
    sys.exit(main(*given, *(PARSED, AGAIN)[len(given) :]))
