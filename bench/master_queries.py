"""How long the Master's queries take on campaigns of two years, beside the two queries that began it all.

`python bench/master_queries.py [TRIALS]`: two years of 30 channels (3 million readings) and of 102 channels (10.7
million) at ten minutes are in a real InfluxDB; every query is filled in as Grafana does, for a day, a month, three
months and the two years. Printed are medians in milliseconds, and what takes longer than is wanted: 100 for 30
channels, for 102 channels 100 up to three months and 250 for the two years. The two at the end are the first versions
of the channel list and of the curves, which read every reading of the 30 channels into memory: they must still work,
and run once.
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

CAMPAIGN = "campaign"
STOP = datetime(2026, 11, 1, tzinfo=UTC)
STEP = 600
ROWS = 2 * 365 * 24 * 3600 // STEP
SPANS = {
    "a day": timedelta(days=1),
    "a month": timedelta(days=30),
    "three months": timedelta(days=92),
    "two years": timedelta(seconds=ROWS * STEP),
}
SLAVES = {"30 channels": 4, "102 channels": 16}
"""Each of six channels in W, beside a master of three phases and three channels in W."""
WANTED = {"30 channels": (100, 100, 100, 100), "102 channels": (100, 100, 100, 250)}
"""Milliseconds for each span."""
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
        for size, slaves in SLAVES.items():
            bucket = size.replace(" ", "-")
            store_campaign(server, bucket, slaves)
            print(f"\na campaign of {count(server, bucket):,} readings, {size}; median of {trials} in ms\n")
            rows = [measure_all(server, bucket, q, trials, WANTED[size]) for q in queries(load_master()).values()]
            print(table(("query", *SPANS, ""), rows), flush=True)
        print("\nthe first versions of two of them, on 30 channels over two years, once:")
        for what, query, fewest in first_queries():
            milliseconds, lines = measure(server, "30-channels", query, STOP - SPANS["two years"])
            assert lines >= fewest, f"{what}: {lines} lines where at least {fewest} were expected"
            print(f"  {what}: {milliseconds / 1000:.1f} s, {lines:,} lines")


def store_campaign(server: InfluxServer, bucket: str, slaves: int) -> None:
    """Write two years of a master with three phases and of its slaves."""
    server.make_bucket(bucket, SHARD_SECONDS)
    channels = [(DEVICES[0], i, f"Ph {i}", "V") for i in (1, 2, 3)]
    channels += [(DEVICES[0], i + 3, f"Voie{i}", "W") for i in (1, 2, 3)]
    channels += [(device, i, f"Voie{i}", "W") for device in serials(slaves) for i in range(1, 7)]
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
            server.write(bucket, "\n".join(lines[i : i + 20_000]))
    let_rest(server)


def serials(slaves: int) -> list[str]:
    """The serial numbers of so many slaves."""
    return [*DEVICES[1:], *(f"0400{number}" for number in range(2000, 2000 + slaves))][:slaves]


def reading(unit: str, most: float, stamp: int, dice: random.Random) -> float:
    """A voltage, or a power that follows the day."""
    noise = dice.random()
    return 236 + 10 * noise if unit == "V" else most * noise * (1 + math.sin(stamp / 86400 * 2 * math.pi)) / 2


def measure_all(server: InfluxServer, bucket: str, query: Query, trials: int, wanted: tuple[int, ...]) -> list[str]:
    """A row of the table: the query's median over each span, and over which it takes longer than is wanted."""
    found = [
        statistics.median(measure(server, bucket, query, STOP - span)[0] for _ in range(trials))
        for span in SPANS.values()
    ]
    over = [f"{name} over {most}" for name, ms, most in zip(SPANS, found, wanted, strict=True) if ms >= most]
    return [query.place, *(f"{ms:.0f}" for ms in found), ", ".join(over)]


def measure(server: InfluxServer, bucket: str, query: Query, start: datetime) -> tuple[float, int]:
    """Milliseconds until a query's whole answer is there, and its lines."""
    chosen = {
        "campaign": CAMPAIGN,
        "subscribed": "36",
        "channels": [f"SN: {DEVICES[1]} - Ch: Voie{i}" for i in (1, 2)],
    }
    flux = fill(query, View(start, STOP, bucket, chosen, dashboard=CAMPAIGN), load_master())
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
