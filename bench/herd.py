"""The herd: a thousand loggers deliver their day file at once, each upload through a run of the hook; and a lone file.

`python bench/herd.py [LOGGERS]`: the files arrive 150 at a time (as many hooks as SFTPGo runs at once), far quicker
than the minute that loggers take. Every hook has the environment that SFTPGo gives it. Its length is that of what is
measured: herd, lone file, hooks alone, and workers' memory, over one installation.
"""

from __future__ import annotations

import fcntl
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from load import (
    CHANNELS,
    DAY_ROWS,
    PROJECT,
    InfluxServer,
    bodies,
    ceiling,
    count,
    let_rest,
    running_influxdb,
    table,
    wait_until,
    write_logger_file,
)

sys.path.append(str(PROJECT / "tests"))
from hook_site import UPLOAD, Installation  # noqa: E402

AT_ONCE = 150
CLIENTS = 20
LONE = 5
DAY = datetime(2025, 6, 2)


@dataclass
class Watch:
    """What was seen while it ran: workers at once, and the memory of all processes together and of one, in MB."""

    workers: int = 0
    together: float = 0.0
    largest: float = 0.0
    samples: int = 0
    totals: float = 0.0
    """Seconds from the last settled file to the end of the last worker."""
    done: threading.Event = field(default_factory=threading.Event)


@dataclass
class Lone:
    """The moments of one day file, in seconds since its hook was started."""

    hook_back: float
    python_started: float
    taken: float
    settled: float
    queryable: float


def main(loggers: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = Installation(folder / "site")
        site.real_programs()
        note_start_of_python(site)
        empty = folder / "empty.sh"
        empty.write_text("#!/bin/bash\n")
        empty.chmod(0o755)
        uploads = make_files(folder / "files", loggers)
        with running_influxdb(folder / "influxdb") as server:
            site.set(INFLUXDB_HOST=server.url, INFLUXDB_ADMIN_TOKEN=server.token, INFLUXDB_ORG=server.org)
            warm_up(server, site)
            top = measured_ceiling(server, folder, uploads)
            alone = in_turn(empty, site)
            crowd = herd(empty, loggers)
            let_rest(server)
            seconds, hooks, watch = measured_herd(server, site, uploads)
            lone = [lone_file(server, site, number) for number in range(LONE)]
    print(hook_table(alone, crowd, hooks))
    print(herd_text(loggers, seconds, top, watch))
    print(lone_table(lone))


# ── what is delivered ────────────────────────────────────────────────────────────────────────────────────────────────


def make_files(folder: Path, loggers: int) -> list[tuple[Path, str]]:
    """A day file of each logger: where it lies now, and where it belongs below the tree."""
    uploads = []
    for logger in range(loggers):
        serial = f"0200{logger:04}"
        file = folder / f"{serial}.tsv"
        write_logger_file(file, DAY_ROWS, DAY, seed=logger, master=serial)
        where = f"client{logger % CLIENTS}/campaign{logger}/{serial}/T302_250603_031500.tsv"
        uploads.append((file, where))
    return uploads


def deliver(site: Installation, file: Path, where: str) -> None:
    """What SFTPGo has done when it calls the hook: the file stands under its name, whole."""
    target = site.data / where
    target.parent.mkdir(parents=True, exist_ok=True)
    target.hardlink_to(file)


def warm_up(server: InfluxServer, site: Installation) -> None:
    """One file through all, for the server's first load is slower than the rest."""
    file = site.notes / "warm.tsv"
    write_logger_file(file, DAY_ROWS, DAY, seed=0)
    deliver(site, file, "warm/up/02001171/T302_250603_031500.tsv")
    site.settled_event(UPLOAD)
    assert count(server, "warm") == DAY_ROWS * CHANNELS, "the warm-up did not arrive"


def measured_ceiling(server: InfluxServer, folder: Path, uploads: list[tuple[Path, str]]) -> float:
    """Readings per second that the server takes from the same files' lines, prepared beforehand."""
    for file, where in uploads:
        target = folder / "data" / where
        target.parent.mkdir(parents=True)
        target.hardlink_to(file)
    command = [sys.executable, PROJECT / "tsv_parser.py", "-d", folder / "data", "--output", folder / "lines"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    prepared = [body for path in sorted((folder / "lines").iterdir()) for body in bodies(path, 5_000)]
    let_rest(server)
    seconds = ceiling(server, "ceiling", prepared)
    let_rest(server)
    return len(uploads) * DAY_ROWS * CHANNELS / seconds


# ── hooks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def timed(program: Path) -> float:
    """Milliseconds of one run as SFTPGo runs it."""
    started = time.perf_counter()
    subprocess.run(
        [program], env=UPLOAD, cwd="/", check=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return (time.perf_counter() - started) * 1000


def in_turn(empty: Path, site: Installation) -> tuple[list[float], list[float]]:
    """An empty script and the hook, one after the other, with nothing else to do; the lane is taken."""
    with open(site.state / "ingest.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pairs = [(timed(empty), timed(site.script)) for _ in range(500)]
    site.settled_event(UPLOAD)
    return [nothing for nothing, _ in pairs], [hook for _, hook in pairs]


def herd(program: Path, count: int, before: Callable[[int], None] | None = None) -> list[float]:
    """Milliseconds of each run, `AT_ONCE` at a time; `before` is called with its number just before."""

    def one(number: int) -> float:
        if before:
            before(number)
        return timed(program)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(count)))


def measured_herd(
    server: InfluxServer, site: Installation, uploads: list[tuple[Path, str]]
) -> tuple[float, list[float], Watch]:
    """Seconds until all readings are stored, milliseconds of each hook, what was seen until the last worker ended."""
    watch = Watch()
    watcher = threading.Thread(target=watched, args=(site, watch))
    watcher.start()
    before, started = settled_files(site), time.perf_counter()
    hooks = herd(site.script, len(uploads), lambda number: deliver(site, *uploads[number]))
    wait_until(lambda: settled_files(site) - before >= len(uploads), 600, lambda: "not all files are settled")
    seconds = time.perf_counter() - started
    wait_until(lambda: not site.workers(), 600, lambda: "the worker does not end")
    watch.totals = time.perf_counter() - started - seconds
    watch.done.set()
    watcher.join()
    stored = sum(count(server, f"client{client}") for client in range(CLIENTS))
    if stored != len(uploads) * DAY_ROWS * CHANNELS:
        raise SystemExit(f"{stored} readings can be queried, {len(uploads) * DAY_ROWS * CHANNELS} were sent")
    return seconds, hooks, watch


def settled_files(site: Installation) -> int:
    """How many files were settled so far."""
    log = site.logs / "uploads.log"
    return log.read_bytes().count(b" OK ") if log.exists() else 0


def watched(site: Installation, watch: Watch) -> None:
    """Look at all processes of the installation several times a second until `watch.done`."""
    while not watch.done.wait(0.2):
        memory = [proportional(pid) for pid in site.processes()]
        watch.workers = max(watch.workers, len(site.workers()))
        watch.together = max(watch.together, sum(memory))
        watch.largest = max([watch.largest, *memory])
        watch.samples += 1


def proportional(pid: int) -> float:
    """A process's memory in MB, what it shares with others divided among them; 0 if it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    sizes = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
    return sum(sizes) / 1024


# ── a lone file ──────────────────────────────────────────────────────────────────────────────────────────────────────


def note_start_of_python(site: Installation) -> None:
    """Let the environment's Python note when it was started."""
    python = site.home / "envs/powerview/bin/python"
    note = f"#!/bin/bash\nprintf '%s' \"$EPOCHREALTIME\" >{site.notes}/started\n"
    python.write_text(python.read_text().replace("#!/bin/bash\n", note))


def lone_file(server: InfluxServer, site: Installation, number: int) -> Lone:
    """One day file on an idle machine."""
    site.rest()
    let_rest(server)
    file = site.notes / f"lone{number}.tsv"
    write_logger_file(file, DAY_ROWS, DAY, seed=number)
    deliver(site, file, f"lone/campaign{number}/02001171/T302_250603_031500.tsv")
    started = time.time()
    timed(site.script)
    back = time.time() - started
    wait_until(lambda: there(server, number), 30, lambda: "the lone file does not arrive")
    queryable = time.time() - started
    site.rest()
    settled = (site.data / f"lone/campaign{number}/02001171/parsed").stat().st_mtime - started
    record = json.loads((site.logs / "uploads.jsonl").read_text().splitlines()[-1])
    python = float((site.notes / "started").read_text()) - started
    return Lone(back, python, settled - record["seconds"], settled, queryable)


def there(server: InfluxServer, number: int) -> bool:
    """Whether all readings of a lone file can be queried."""
    if "lone" not in server.buckets():
        return False
    flux = f"""from(bucket: "lone") |> range(start: 2025-01-01T00:00:00Z)
        |> filter(fn: (r) => r._measurement == "campaign{number}") |> count() |> group() |> sum()"""
    rows = server.query(flux)
    return bool(rows) and int(rows[0]["_value"]) == DAY_ROWS * CHANNELS


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def hook_table(alone: tuple[list[float], list[float]], crowd: list[float], hooks: list[float]) -> str:
    """The hook beside an empty script."""
    rows = [
        ("an empty bash script, alone", *spread(alone[0])),
        ("the hook, alone", *spread(alone[1])),
        (f"an empty bash script, {AT_ONCE} at a time", *spread(crowd)),
        (f"the hook, {AT_ONCE} at a time, parser and InfluxDB at work", *spread(hooks)),
    ]
    return table(("milliseconds", "median", "99th percentile"), rows)


def spread(values: list[float]) -> tuple[str, str]:
    """Median and 99th percentile."""
    return f"{statistics.median(values):.1f}", f"{statistics.quantiles(values, n=100)[98]:.1f}"


def herd_text(loggers: int, seconds: float, top: float, watch: Watch) -> str:
    """The herd in one paragraph."""
    readings = loggers * DAY_ROWS * CHANNELS
    rate = readings / seconds
    return (
        f"\n{loggers} day files, {readings:,} readings: all queryable after {seconds:.1f} s, {rate:,.0f} per second, "
        f"{rate / top:.2f} of the ceiling ({top:,.0f}), and their totals {watch.totals:.1f} s later.\n"
        f"Workers at once: {watch.workers}. Peak memory: all our processes together {watch.together:.0f} MB, the "
        f"parser {watch.largest:.0f} MB ({watch.samples} looks).\n"
    )


def lone_table(lone: list[Lone]) -> str:
    """The steps of a lone file, medians."""
    steps = [
        ("the hook is back", [each.hook_back for each in lone]),
        ("Python is started", [each.python_started for each in lone]),
        ("the parser has taken the file", [each.taken for each in lone]),
        ("InfluxDB has answered, the file is settled", [each.settled for each in lone]),
        ("a query shows all of it", [each.queryable for each in lone]),
    ]
    rows = [(what, f"{statistics.median(at):.3f}", f"{max(at):.3f}") for what, at in steps]
    return table((f"a lone day file: seconds since the event ({LONE} files)", "median", "worst"), rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
