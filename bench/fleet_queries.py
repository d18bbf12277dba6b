"""How long the queries of the dashboard "Loggers" take with 1 000 loggers and a year of files, on a real InfluxDB.

`python bench/fleet_queries.py` prints milliseconds, the median of seven, for a look at a week, a month, the whole year.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from load import (  # first: it makes the project's modules known
    ON_DISK,
    PROJECT,
    SHARD_SECONDS,
    InfluxServer,
    let_rest,
    running_influxdb,
)

from dashboard_queries import View, fill, queries  # isort: skip
from powerview.ingest import uploads as fleet  # isort: skip
from powerview.ingest.journal import Outcome, Status  # isort: skip

LOGGERS_DASHBOARD = PROJECT / "grafana-automation" / "dashboards" / "provisioned" / "loggers.json"
LOGGERS, DAYS = 1000, 365
WANTED_MS = 100
TRIES = 7
BUCKET = "fleet"
DAY = 86_400


def uploads(now: int, dice: random.Random) -> Iterator[Outcome]:
    """A file a day of each logger, some torn, some unreadable; one logger in fifty has been silent for days."""
    for number in range(LOGGERS):
        client, campaign, device = f"client{number // 10}", f"campaign{number // 5 % 2}", f"0200{number:04}"
        silent = dice.choice((2, 3, 9, 20)) if number % 50 == 7 else 0
        for back in range(silent, DAYS):
            arrived = now - back * DAY - dice.randrange(3600)
            name = f"T302_{datetime.fromtimestamp(arrived, UTC):%y%m%d_%H%M%S}.tsv"
            yield _upload(f"{client}/{campaign}/{device}/{name}", arrived, dice)


def _upload(path: str, arrived: int, dice: random.Random) -> Outcome:
    luck = dice.random()
    if luck < 0.004:
        return Outcome(
            Status.ERROR, path, "there is no complete row behind line 2, the header: nothing.", arrived=arrived
        )
    rows = 145 if luck > 0.05 else dice.randrange(20, 145)
    left_out = Counter({"restart markers": dice.choice((0,) * 18 + (1, 4)), "unset clock": int(dice.random() < 0.005)})
    return Outcome(
        Status.OK if rows == 145 else Status.PARTIAL, path, "" if rows == 145 else "the last row is cut", rows=rows,
        readings=rows * 30, last=arrived - dice.randrange(60, 1200), arrived=arrived, seconds=dice.uniform(0.02, 0.1),
        left_out=left_out,
    )  # fmt: skip


def load(server: InfluxServer, bucket: str, outcomes: Iterator[Outcome]) -> int:
    """Write the points of the uploads; returns how many files they are."""
    lines: list[bytes] = []
    files = 0
    for outcome in outcomes:
        lines.append(fleet.points(outcome, outcome.path.rsplit("/", 1)[-1]))
        files += 1
        if len(lines) == 5000:
            server.write(bucket, b"".join(lines), "ns")
            lines.clear()
    server.write(bucket, b"".join(lines), "ns")
    return files


def milliseconds(server: InfluxServer, flux: str) -> float:
    """The median of several runs, the first of them not counted."""
    times = []
    for _ in range(TRIES + 1):
        started = time.perf_counter()
        server.query(flux)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[1:])


def main() -> None:
    """Load, wait, ask, print."""
    dashboard = json.loads(LOGGERS_DASHBOARD.read_text(encoding="utf-8"))
    now = datetime.now(UTC).replace(microsecond=0)
    os.environ.update(ON_DISK)
    with tempfile.TemporaryDirectory(prefix="powerview-bench-") as folder, running_influxdb(Path(folder)) as server:
        server.make_bucket(BUCKET, SHARD_SECONDS)
        files = load(server, BUCKET, uploads(int(now.timestamp()), random.Random(1)))
        let_rest(server)
        print(f"Loggers: {LOGGERS} loggers, {files} files; milliseconds, wanted under {WANTED_MS}")
        views = {what: View(now - timedelta(days=days), now, BUCKET, {"client": "client7"})
                 for what, days in (("week", 7), ("month", 30), ("year", DAYS))}  # fmt: skip
        print(_row("", views))
        slowest = dict.fromkeys(views, 0.0)
        for place, query in queries(dashboard).items():
            took = {what: milliseconds(server, fill(query, view, dashboard)) for what, view in views.items()}
            slowest = {what: max(slowest[what], took[what]) for what in views}
            print(_row(place, took.values()))
        print(_row("slowest", slowest.values()))


def _row(name: str, cells: Iterable[str | float]) -> str:
    return f"{name:32}" + "".join(f"{cell:>8.0f}" if isinstance(cell, float) else f"{cell:>8}" for cell in cells)


if __name__ == "__main__":
    main()
