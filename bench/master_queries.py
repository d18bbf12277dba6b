"""How long the Master's queries take on campaigns of two years, beside the two queries that began it all.

`python bench/master_queries.py [TRIALS]`: two years of 30 channels (3 million readings) and of 102 channels (10.7
million) at ten minutes are in a real InfluxDB, with what the ingest lane keeps beside them: totals, and every channel
under a name, none of them in a group, which is the most that a channels.csv can make. Every query is filled in as
Grafana does, for a day, a month, three months and the two years, with and without the channels.csv, and for a viewer's
own choice. Printed are medians in milliseconds, and what takes longer than is wanted: 100 for 30 channels, for 102
channels 100 up to three months and 250 for the two years. The two at the end are the first versions of the channel list
and of the curves, which read every reading of the 30 channels into memory: they must still work, and run once.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from load import (  # first: it makes the tests' modules known
    DEVICES,
    ON_DISK,
    SHARD_SECONDS,
    InfluxServer,
    let_rest,
    running_influxdb,
    table,
)

from dashboard_queries import Query, View, fill, load_master, queries  # isort: skip

from powerview.channels.days import days_between, lows  # isort: skip
from powerview.channels.sums import Windows  # isort: skip

CAMPAIGN = "campaign"
STOP = datetime(2026, 11, 1, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Paris")
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


VIEWS = {
    "all channels, without a channels.csv": (False, {}),
    "all channels, with a channels.csv": (True, {}),
    "one device, with a channels.csv": (True, {"device": [DEVICES[1]]}),
    "two channels, with a channels.csv": (True, {"channel": [f"{DEVICES[1]} circuit {i}" for i in (5, 6)]}),
    "two channels, without a channels.csv": (False, {"channel": [f"SN: {DEVICES[1]} - Ch: Voie{i}" for i in (5, 6)]}),
}
"""Whether names are in force, and what is chosen."""


def main(trials: int) -> None:
    """Measure and print the tables."""
    os.environ.update(ON_DISK)
    with tempfile.TemporaryDirectory() as name, running_influxdb(Path(name) / "influxdb") as server:
        for size, slaves in SLAVES.items():
            bucket = size.replace(" ", "-")
            store_campaign(server, bucket, slaves)
            for view, (named, chosen) in VIEWS.items():
                print(f"\n{size}, {view}; median of {trials} in ms\n")
                chosen = {"source": "powerview_channels" if named else CAMPAIGN, **chosen}
                rows = [
                    measure_all(server, bucket, query, chosen, trials, WANTED[size])
                    for query in queries(load_master()).values()
                ]
                print(table(("query", *SPANS, ""), rows), flush=True)
        print("\nthe first versions of two of them, on 30 channels over two years, once:")
        chosen = {"channels": [f"SN: {DEVICES[1]} - Ch: Voie{i}" for i in (1, 2)]}
        for what, query, fewest in first_queries():
            milliseconds, lines = measure(server, "30-channels", query, STOP - SPANS["two years"], chosen)
            assert lines >= fewest, f"{what}: {lines} lines where at least {fewest} were expected"
            print(f"  {what}: {milliseconds / 1000:.1f} s, {lines:,} lines")


def store_campaign(server: InfluxServer, bucket: str, slaves: int) -> None:
    """Write two years of a master with three phases and of its slaves, and what the lane makes of them."""
    server.make_bucket(bucket, SHARD_SECONDS)
    clamps = [(DEVICES[0], i, f"Ph {i}", "V", "part") for i in (1, 2, 3)]
    clamps += [(DEVICES[0], i + 3, f"Voie{i}", "W", "main") for i in (1, 2, 3)]
    for device in serials(slaves):
        sun = device == DEVICES[1]
        clamps += [(device, i, f"Voie{i}", "W", "production" if sun and i <= 3 else "part") for i in range(1, 7)]
    first = int(STOP.timestamp()) - ROWS * STEP
    stamps = np.arange(first, first + ROWS * STEP, STEP)
    random = np.random.default_rng(1)
    sums = {role: np.zeros(ROWS) for role in ("main", "part", "production")}
    for device, position, label, unit, role in clamps:
        values = readings(unit, stamps, random)
        tags = {"campaign": CAMPAIGN, "channel": f"SN: {device} - Ch: {label}", "channel_idx": str(position),
                "channel_name": label, "device": device, "unit": unit}  # fmt: skip
        store(server, bucket, CAMPAIGN, tags, stamps, values)
        tags = {"campaign": CAMPAIGN, "channel": f"{device} circuit {position}", "device": device, "role": role,
                "unit": unit}  # fmt: skip
        store(server, bucket, "powerview_channels", tags, stamps, values)
        if unit == "W":
            sums[role] += values
    total, production, parts = sums["main"], sums["production"], sums["part"]
    figures = {"total": total, "drawn": np.maximum(total, 0), "fed_in": np.maximum(-total, 0), "parts": parts,
               "production": production, "rest": total + production - parts}  # fmt: skip
    for figure, values in figures.items():
        store(server, bucket, "powerview_totals", {"campaign": CAMPAIGN, "figure": figure}, stamps, values)
    low = lows(Windows(stamps, total), days_between(first, int(stamps[-1]), ZONE))
    tags = {"campaign": CAMPAIGN, "figure": "low", "zone": ZONE.key}
    store(server, bucket, "powerview_totals", tags, low.begin, low.mean)
    for device in {clamp[0] for clamp in clamps}:
        for figure, some in (("covered", stamps), ("begin", stamps[:1]), ("end", stamps[-1:])):
            tags = {"campaign": CAMPAIGN, "device": device, "figure": figure}
            store(server, bucket, "powerview_totals", tags, some, np.full(len(some), 6.0))
    let_rest(server)


def store(server: InfluxServer, bucket: str, measurement: str, tags: dict[str, str], stamps: np.ndarray,
          values: np.ndarray) -> None:  # fmt: skip
    """Write a series."""
    written = ",".join(f"{key}={text}" for key, text in sorted(tags.items())).replace(" ", "\\ ")
    pairs = zip(stamps.tolist(), np.round(values, 1).tolist(), strict=True)
    lines = [f"{measurement},{written} value={value} {stamp}" for stamp, value in pairs]
    for i in range(0, len(lines), 20_000):
        server.write(bucket, "\n".join(lines[i : i + 20_000]))


def serials(slaves: int) -> list[str]:
    """The serial numbers of so many slaves."""
    return [*DEVICES[1:], *(f"0400{number}" for number in range(2000, 2000 + slaves))][:slaves]


def readings(unit: str, stamps: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A voltage, or a power that follows the day."""
    noise = random.random(len(stamps))
    if unit == "V":
        return 236 + 10 * noise
    return np.round(random.uniform(10, 3000) * noise * (1 + np.sin(stamps / 86400 * 2 * np.pi)) / 2, 1)


def measure_all(server: InfluxServer, bucket: str, query: Query, chosen: dict, trials: int,
                wanted: tuple[int, ...]) -> list[str]:  # fmt: skip
    """A row of a table: the query's median over each span, and over which it takes longer than is wanted."""
    found = [
        statistics.median(measure(server, bucket, query, STOP - span, chosen)[0] for _ in range(trials))
        for span in SPANS.values()
    ]
    over = [f"{name} over {most}" for name, ms, most in zip(SPANS, found, wanted, strict=True) if ms >= most]
    return [query.place, *(f"{ms:.0f}" for ms in found), ", ".join(over)]


def measure(server: InfluxServer, bucket: str, query: Query, start: datetime, chosen: dict) -> tuple[float, int]:
    """Milliseconds until a query's whole answer is there, and its lines."""
    chosen = {"campaign": CAMPAIGN, "subscribed": "36", **chosen}
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
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
