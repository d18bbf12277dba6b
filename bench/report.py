"""How long the report of a large campaign takes, and how much memory: `python bench/report.py [DAYS …]`.

A made-up campaign of 102 channels, four loggers with slaves, a file a day and logger; eight weeks and two years unless
DAYS are named. The report is made as `python -m powerview report` makes it, process and all, from the files, and of
eight weeks also from an InfluxDB that has them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from load import PROJECT, Finished, InfluxServer, run_parser, running_influxdb, table, timed

LOGGERS, SLAVES, ROWS = 4, 4, 144
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
EIGHT_WEEKS, TWO_YEARS = 56, 731
SECONDS = 10.0
"""What eight weeks may take."""

PREAMBLE = 'START_HEADER\n{"DataTimeSettings":"UTC","TimeZoneName":"Europe/Paris"}\nEND_HEADER\nSTART_DATA\n'


def main(lengths: list[int]) -> int:
    """Measure and print; returns 1 if eight weeks take longer than they may."""
    rows, slowest = [], 0.0
    for days in lengths:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_campaign(folder / "data", days)
            found = {"files": report(folder)}
            if days <= EIGHT_WEEKS:
                with running_influxdb(folder / "influxdb") as server:
                    run_parser(folder, server)
                    found["InfluxDB"] = report(folder, server)
                slowest = max(slowest, *(done.seconds for done in found.values()))
        rows += [(str(days), source, f"{done.seconds:.1f}", f"{done.cpu:.1f}", f"{done.megabytes:.0f}")
                 for source, done in found.items()]  # fmt: skip
    print(table(("days of 102 channels", "from", "seconds", "of processor", "MB"), rows))
    return int(slowest > SECONDS)


def channels(logger: int) -> list[tuple[str, str]]:
    """Device and label of each column: three voltages, three mains, four slaves of six clamps; of the first logger only
    one slave."""
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


def report(folder: Path, server: InfluxServer | None = None) -> Finished:
    """Make the report of the files, or of what a server has."""
    environment = {**os.environ, "POWERVIEW_STATE_DIR": str(folder / "state"), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "powerview", "report", "big", "campaign", "-o", str(folder / "report.pdf")]
    if server is None:
        command += ["-d", str(folder / "data")]
    else:
        environment |= {"INFLUXDB_HOST": server.url, "INFLUXDB_ADMIN_TOKEN": server.token, "INFLUXDB_ORG": server.org}
    return timed(command, environment)


if __name__ == "__main__":
    sys.exit(main([int(days) for days in sys.argv[1:]] or [EIGHT_WEEKS, TWO_YEARS]))
