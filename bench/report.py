"""How long the report of a large campaign takes, and how much memory: `python bench/report.py [DAYS …]`.

A made-up campaign of 102 channels, four loggers with slaves, a file a day and logger; eight weeks and two years unless
DAYS are named. The files are read as `python -m powerview report` reads them, process and all.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LOGGERS, SLAVES, ROWS = 4, 4, 144
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
SECONDS = 10.0
"""What eight weeks may take."""

PREAMBLE = 'START_HEADER\n{"DataTimeSettings":"UTC","TimeZoneName":"Europe/Paris"}\nEND_HEADER\nSTART_DATA\n'


def main(lengths: list[int]) -> int:
    """Measure and print; returns 1 if eight weeks take longer than they may."""
    slow = False
    for days in lengths:
        with tempfile.TemporaryDirectory() as name:
            write_campaign(Path(name) / "data", days)
            begin = time.perf_counter()
            megabytes = write_report(Path(name))
            seconds = time.perf_counter() - begin
        slow = slow or (days <= 56 and seconds > SECONDS)
        print(f"{days} days of 102 channels: {seconds:.1f} s, {megabytes:.0f} MB", flush=True)
    return int(slow)


def channels(logger: int) -> list[tuple[str, str]]:
    """Device and label of each column: three voltages, three mains, four slaves of six clamps; the last logger has
    none of its own."""
    master = f"0200900{logger}"
    own = [(master, f"Ph {i} V") for i in (1, 2, 3)] + [(master, f"Main L{i} W") for i in (1, 2, 3)]
    slaves = [(f"0400{logger}{slave:03}", f"Voie{i} W") for slave in range(SLAVES) for i in range(1, 7)]
    return (own + slaves)[: 30 if logger else 12]


def write_campaign(data: Path, days: int) -> None:
    """102 channels: three loggers with 30, one with 12."""
    dice = np.random.default_rng(1)
    for logger in range(LOGGERS):
        found = channels(logger)
        folder = data / "big" / "campaign" / f"0200900{logger}"
        folder.mkdir(parents=True)
        head = "\t".join([f"0200900{logger}", *(device for device, _ in found)])
        head += "\n" + "\t".join(["MV_T302_V003", *(label for _, label in found)]) + "\n"
        volts = np.array([label.endswith("V") for _, label in found])
        for day in range(days):
            start = FIRST + timedelta(days=day)
            cells = np.where(volts, dice.normal(235, 4, (ROWS, len(found))), dice.gamma(2, 400, (ROWS, len(found))))
            stamps = [(start + timedelta(minutes=10 * i)).strftime("%d/%m/%y %H:%M:%S") for i in range(ROWS)]
            rows = "".join(
                stamp + "\t" + "\t".join(f"{value:.1f}" for value in row) + "\n"
                for stamp, row in zip(stamps, cells.tolist(), strict=True)
            )
            name = f"T302_{start + timedelta(days=1):%y%m%d}_031500_UTC.tsv"
            (folder / name).write_text(PREAMBLE + head + rows + "END_DATA\n", encoding="ascii")


def write_report(folder: Path) -> float:
    """Run the command; returns the most memory that it had, in MB."""
    command = [sys.executable, "-m", "powerview", "report", "big", "campaign", "-d", folder / "data", "-o",
               folder / "report.pdf"]  # fmt: skip
    environment = {**os.environ, "POWERVIEW_STATE_DIR": str(folder / "state"), "INFLUXDB_HOST": ""}
    subprocess.run([str(part) for part in command], cwd=ROOT, env=environment, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main([int(days) for days in sys.argv[1:]] or [56, 731]))
