"""How long the Master's queries take on a campaign of 3 million readings, beside the two queries that began it all.

`python bench/master_queries.py [TRIALS]`: two years of 30 channels at ten minutes lie in a real InfluxDB; every query
is filled in as Grafana does, for a day, a month and the two years. Printed are medians in milliseconds; wanted is less
than 100. The two at the end are the first versions of the channel list and of the curves, which read every reading
into memory: they must still work, and run once.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from load import (  # first: it makes the tests' modules known
    DEVICES,
    ON_DISK,
    SHARD_SECONDS,
    InfluxServer,
    count,
    let_rest,
    running_influxdb,
    table,
)

from dashboard_queries import Query, View, fill, load_master, queries  # isort: skip

BUCKET, CAMPAIGN = "client", "campaign"
STOP = datetime(2026, 11, 1, tzinfo=UTC)
STEP = 600
ROWS = 2 * 365 * 24 * 3600 // STEP
SPANS = {"a day": timedelta(days=1), "a month": timedelta(days=30), "two years": timedelta(seconds=ROWS * STEP)}
WANTED = 100
PATIENCE = 1200  # seconds: the first versions take minutes on a busy machine

FIRST_CHANNELS = """
from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "${__dashboard.name}") |> filter(fn: (r) => r.unit == "W")
  |> map(fn: (r) => ({ _field: "SN: " + string(v: r.device) + " - Ch: " + string(v: r.channel_name) }))
  |> distinct(column: "_field") |> sort(columns: ["_field"])
"""
FIRST_CURVES = """
from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "${__dashboard.name}")
  |> map(fn: (r) => ({ _time: r._time, _value: r._value, _field: "SN: " + string(v: r.device) + " - Ch: " + string(v: r.channel_name) }))
  |> filter(fn: (r) => contains(value: r._field, set: ${channels:json}))
  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false) |> yield(name: "multi_sn_channel")
"""  # noqa: E501


def main(trials: int) -> None:
    """Measure and print the table."""
    os.environ.update(ON_DISK)
    with tempfile.TemporaryDirectory() as name, running_influxdb(Path(name) / "influxdb") as server:
        store_campaign(server)
        print(f"a campaign of {count(server, BUCKET):,} readings, 30 channels; median of {trials} in ms\n")
        rows = [measure_all(server, query, trials) for query in queries(load_master()).values()]
        print(table(("query", *SPANS, ""), rows))
        print("\nthe first versions of two of them, over two years, once:")
        for what, query, fewest in first_queries():
            milliseconds, lines = measure(server, query, STOP - SPANS["two years"])
            assert lines >= fewest, f"{what}: {lines} lines where at least {fewest} were expected"
            print(f"  {what}: {milliseconds / 1000:.1f} s, {lines:,} lines")


def store_campaign(server: InfluxServer) -> None:
    """Write two years of a master with three phases and four slaves."""
    server.make_bucket(BUCKET, SHARD_SECONDS)
    channels = [(DEVICES[0], i, f"Ph {i}", "V") for i in (1, 2, 3)]
    channels += [(DEVICES[0], i + 3, f"Voie{i}", "W") for i in (1, 2, 3)]
    channels += [(device, i, f"Voie{i}", "W") for device in DEVICES[1:] for i in range(1, 7)]
    dice = random.Random(1)
    first = int(STOP.timestamp()) - ROWS * STEP
    stamps = range(first, first + ROWS * STEP, STEP)
    for device, position, label, unit in channels:
        written = label.replace(" ", "\\ ")
        series = (
            f"{CAMPAIGN},campaign={CAMPAIGN},channel=SN:\\ {device}\\ -\\ Ch:\\ {written},channel_idx={position},"
            f"channel_name={written},device={device},unit={unit} value="
        )
        most = dice.uniform(10, 3000)
        lines = [f"{series}{reading(unit, most, stamp, dice):.1f} {stamp}" for stamp in stamps]
        for i in range(0, len(lines), 20_000):
            server.write(BUCKET, "\n".join(lines[i : i + 20_000]))
    let_rest(server)


def reading(unit: str, most: float, stamp: int, dice: random.Random) -> float:
    """A voltage, or a power that follows the day."""
    noise = dice.random()
    return 236 + 10 * noise if unit == "V" else most * noise * (1 + math.sin(stamp / 86400 * 2 * math.pi)) / 2


def measure_all(server: InfluxServer, query: Query, trials: int) -> tuple[str, ...]:
    """A row of the table: the query's median over each span, and whether one is over what is wanted."""
    found = [
        statistics.median(measure(server, query, STOP - span)[0] for _ in range(trials)) for span in SPANS.values()
    ]
    return (query.place, *(f"{ms:.0f}" for ms in found), "" if max(found) < WANTED else f"over {WANTED} ms")


def measure(server: InfluxServer, query: Query, start: datetime) -> tuple[float, int]:
    """Milliseconds until a query's whole answer is there, and its lines."""
    chosen = {"campaign": CAMPAIGN, "channels": [f"SN: {DEVICES[1]} - Ch: Voie{i}" for i in (1, 2)]}
    flux = fill(query, View(start, STOP, BUCKET, chosen, dashboard=CAMPAIGN), load_master())
    started = time.perf_counter()
    answer = server.session.post(
        f"{server.url}/api/v2/query", params={"org": server.org}, data=flux.encode(), timeout=PATIENCE,
        headers={"Content-Type": "application/vnd.flux", "Accept": "application/csv"},
    )  # fmt: skip
    answer.raise_for_status()
    return (time.perf_counter() - started) * 1000, answer.content.count(b"\n")


def first_queries() -> list[tuple[str, Query, int]]:
    """Name, query and the fewest lines of an answer that is one."""
    return [
        ("list the channels in W", Query("README 1", FIRST_CHANNELS), 27),
        ("two channels, 12 h means", Query("README 2", FIRST_CURVES), 2 * 1460),
    ]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
