"""Files to queryable readings, beside what the same InfluxDB takes from bodies prepared beforehand.

`python bench/ingest.py [TRIALS]`: in each trial the ceiling, one file of 3 million readings and 138 day files of 30
channels; printed are the medians of readings per second, from the parser's start until the last file is settled, the
ratio to the ceiling of the same run, the processor time for a reading until then, how long the totals took behind it,
processor time of all of it, and peak memory.
The ceiling is that of a bucket with the parser's shards; that of a bucket as InfluxDB makes it is beside it.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from load import (
    CHANNELS,
    DAY_ROWS,
    INFLUXDBS_OWN,
    PROJECT,
    SHARD_SECONDS,
    Finished,
    InfluxServer,
    bodies,
    ceiling,
    count,
    let_rest,
    run_parser,
    running_influxdb,
    table,
    write_logger_file,
)

ROWS = 100_000
DAYS = 138
SMALL = 10_000


def main(trials: int) -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder)
        prepared = prepare_bodies(folder)
        ceilings, others, big, days = [], [], [], []
        with running_influxdb(folder / "influxdb") as server:
            measure(folder / "small", server, "small", SMALL)  # the server's first load is slower than the rest
            for trial in range(trials):
                ceilings.append(best_ceiling(server, f"ceiling{trial}", prepared, SHARD_SECONDS))
                others.append(best_ceiling(server, f"other{trial}", prepared, INFLUXDBS_OWN))
                big.append(measure(folder / "big", server, f"big{trial}", ROWS))
                days.append(measure(folder / "days", server, f"days{trial}", DAYS * DAY_ROWS))
            small = measure(folder / "small", server, "small9", SMALL)
    print(result(ceilings, others, big, days, small))


def make_files(folder: Path) -> None:
    """One large file, one of a tenth of it, and 138 day files."""
    start = datetime(2023, 11, 1)
    for name, rows in (("big", ROWS), ("small", SMALL)):
        write_logger_file(folder / name / "files/T302_251001_031500.tsv", rows, start, seed=1)
    for day in range(DAYS):
        first = datetime(2025, 4, 1) + timedelta(days=day)
        name = (first + timedelta(days=1)).strftime("T302_%y%m%d_031500.tsv")
        write_logger_file(folder / "days/files" / name, DAY_ROWS, first, seed=day)


def prepare_bodies(folder: Path) -> dict[int, list[bytes]]:
    """The large file as line protocol, in bodies of 5 000 and of 20 000 lines."""
    place_files(folder / "big", "big")
    command = [sys.executable, PROJECT / "tsv_parser.py", "-d", folder / "big/data", "--output", folder / "lines"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder / "big/data")
    return {size: bodies(folder / "lines/big.lp", size) for size in (5_000, 20_000)}


def place_files(folder: Path, client: str) -> None:
    """The files once more as pending uploads of a client."""
    device = folder / "data" / client / "campaign/02001171"
    device.mkdir(parents=True, exist_ok=True)
    for file in (folder / "files").iterdir():
        (device / file.name).hardlink_to(file)


def best_ceiling(server: InfluxServer, name: str, prepared: dict[int, list[bytes]], shard_seconds: int) -> float:
    """Readings per second of the better size of body."""
    rates = []
    for size, parts in prepared.items():
        let_rest(server)
        rates.append(ROWS * CHANNELS / ceiling(server, f"{name}-{size}", parts, shard_seconds))
    return max(rates)


@dataclass
class Stored:
    """The parser on some files: seconds until the last was settled, the whole process and seconds of its totals."""

    seconds: float
    process: Finished

    @property
    def cpu(self) -> float:
        """Seconds of processor time until the last file was settled."""
        return self.process.cpu_until(self.process.began + self.seconds)

    @property
    def totals(self) -> float:
        """Seconds from the last settled file to the end of the process."""
        return self.process.seconds - self.seconds


def measure(folder: Path, server: InfluxServer, client: str, rows: int) -> Stored:
    """The parser as a whole process on the folder's files, and all readings there afterwards."""
    place_files(folder, client)
    let_rest(server)
    process = run_parser(folder, server)
    finished = Stored((folder / "logs/uploads.log").stat().st_mtime - process.began, process)
    stored, sent = count(server, client), rows * CHANNELS
    # two day files share a midnight, and March's missing hour falls on the next one: those points are the same
    shared = CHANNELS * (DAYS + 6 * 3)
    if not sent - shared <= stored <= sent:
        raise SystemExit(f"{client}: {stored} readings can be queried, {sent} were sent")
    return finished


def result(ceilings: list[float], others: list[float], big: list[Stored], days: list[Stored], small: Stored) -> str:
    """The table, and how processor time and memory grow with the file."""
    head = ("what", "readings", "seconds", "readings per second", "of the ceiling", "CPU µs a reading", "totals",
            "CPU seconds", "memory")  # fmt: skip
    top = statistics.median(ceilings)
    rows = [("ceiling: bodies prepared beforehand", f"{ROWS * CHANNELS}", "", f"{top:,.0f}", "1.00", "", "", "", "")]
    other = statistics.median(others)
    own_shards = (f"{ROWS * CHANNELS}", "", f"{other:,.0f}", f"{other / top:.2f}", "", "", "", "")
    rows.append(("the same with InfluxDB's own shards", *own_shards))
    for what, runs, count_ in (
        (f"one file of {ROWS} rows x {CHANNELS} channels", big, ROWS * CHANNELS),
        (f"{DAYS} day files of {DAY_ROWS} rows x {CHANNELS} channels", days, DAYS * DAY_ROWS * CHANNELS),
    ):
        ratios = [count_ / run.seconds / top_ for run, top_ in zip(runs, ceilings, strict=True)]
        seconds = statistics.median(run.seconds for run in runs)
        memory = max(run.process.megabytes for run in runs)
        rows.append((what, f"{count_}", f"{seconds:.2f}", f"{count_ / seconds:,.0f}",
                     f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                     f"{statistics.median(run.cpu for run in runs) / count_ * 1e6:.2f}",
                     f"{statistics.median(run.totals for run in runs):.2f} s",
                     f"{statistics.median(run.process.cpu for run in runs):.2f}", f"{memory:.0f} MB"))  # fmt: skip
    further = (statistics.median(run.cpu for run in big) - small.cpu) / ((ROWS - SMALL) * CHANNELS) * 1e6
    growth = (
        f"Processor time for one more reading of a file, the start of Python apart: {further:.2f} µs. "
        f"Peak memory for a tenth of the large file: {small.process.megabytes:.0f} MB."
    )
    return f"{table(head, rows)}\n\n{growth}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
