"""What the benchmarks share: logger files made to measure, the server's ceiling, one command as a whole process."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import requests

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]

from faults.proxy import FaultProxy, Request, hand_on  # noqa: E402, F401
from influx_server import InfluxServer, running_influxdb  # noqa: E402, F401
from waiting import wait_until  # noqa: E402, F401

from powerview.store.buckets import INFLUXDBS_OWN, SHARD_SECONDS  # noqa: E402, F401

CHANNELS = 30
DAY_ROWS = 145
ON_DISK = {
    "INFLUXD_STORAGE_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "1s",
    "INFLUXD_STORAGE_COMPACT_FULL_WRITE_COLD_DURATION": "5s",
}
"""Settings for a server whose readings lie in its files, as old ones do: left alone, they get there in ten minutes."""

DEVICES = ("02001171", "04000466", "04000477", "04001293", "04001344")


def write_logger_file(path: Path, rows: int, start: datetime, seed: int, master: str = DEVICES[0]) -> None:
    """A V002 file of a master with four slaves, 30 channels, a row each ten minutes of local time."""
    dice = random.Random(seed)
    labels = [(master, f"Ph {i} V") for i in (1, 2, 3)] + [(master, f"Voie{i} W") for i in (1, 2, 3)]
    labels += [(slave, f"Voie{i} W") for slave in DEVICES[1:] for i in range(1, 7)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii", newline="") as file:
        file.write("\t".join([master, *(device for device, _ in labels)]) + "\n")
        file.write("\t".join(["MV_T302_V002", *(label for _, label in labels)]) + "\n")
        for row in range(rows):
            stamp = (start + timedelta(minutes=10 * row)).strftime("%d/%m/%y %H:%M:%S")
            volts = [f"{dice.uniform(236, 248):.2f}" for _ in range(3)]
            watts = [f"{dice.uniform(-5, 2500):.1f}" for _ in labels[3:]]
            file.write("\t".join([stamp, *volts, *watts]) + "\n")


def bodies(lines: Path, size: int) -> list[bytes]:
    """A line protocol file cut into bodies of `size` lines."""
    found = lines.read_bytes().splitlines(keepends=True)
    return [b"".join(found[i : i + size]) for i in range(0, len(found), size)]


def ceiling(server: InfluxServer, bucket: str, prepared: list[bytes], shard_seconds: int = SHARD_SECONDS) -> float:
    """Seconds that the server needs for bodies prepared beforehand, on two connections, with the parser's shards."""
    server.make_bucket(bucket, shard_seconds)
    half = len(prepared) // 2
    address = f"{server.url}/api/v2/write?org={server.org}&bucket={bucket}&precision=s"

    def send(part: list[bytes]) -> None:
        with requests.Session() as session:
            session.headers.update(server.session.headers)
            for body in part:
                session.post(address, data=body, timeout=120).raise_for_status()

    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(send, (prepared[:half], prepared[half:])))
    return time.perf_counter() - started


def count(server: InfluxServer, bucket: str) -> int:
    """How many readings can be queried from a bucket."""
    flux = f"""from(bucket: "{bucket}") |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)
        |> filter(fn: (r) => r._field == "value" and r._measurement !~ /^powerview_/) |> count() |> group() |> sum()"""
    rows = server.query(flux)
    return int(rows[0]["_value"]) if rows else 0


def let_rest(server: InfluxServer) -> None:
    """Wait until the server has stopped working on what it was sent before."""
    used = [cpu_seconds(server.process.pid)]
    last = [time.monotonic()]

    def idle() -> bool:
        if time.monotonic() - last[0] < 0.5:
            return False
        before, used[0] = used[0], cpu_seconds(server.process.pid)
        last[0] = time.monotonic()
        return used[0] - before < 0.05

    wait_until(idle, 120, lambda: "InfluxDB does not come to rest")


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Finished:
    """A command that ended: wall and CPU seconds, peak memory in MB, and when it began (UTC seconds).

    `course` has the CPU seconds that it had used at some UTC seconds, fifty times a second.
    """

    seconds: float
    cpu: float
    megabytes: float
    began: float
    course: list[tuple[float, float]]

    def cpu_until(self, when: float) -> float:
        """The CPU seconds that it had used at a UTC second."""
        return max((cpu for at, cpu in self.course if at <= when), default=0.0)


def run_parser(folder: Path, server: InfluxServer, *options: str) -> Finished:
    """`tsv_parser.py -d FOLDER/data` as a whole process; raises CalledProcessError unless it ends with 0."""
    environment = {
        **os.environ, "INFLUXDB_HOST": server.url, "INFLUXDB_ADMIN_TOKEN": server.token, "INFLUXDB_ORG": server.org,
        "POWERVIEW_LOG_DIR": str(folder / "logs"), "POWERVIEW_STATE_DIR": str(folder / "state"),
    }  # fmt: skip
    return timed([sys.executable, str(PROJECT / "tsv_parser.py"), "-d", str(folder / "data"), *options], environment)


def timed(command: list[str], environment: dict[str, str]) -> Finished:
    """A command as a whole process; raises CalledProcessError unless it ends with 0."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _TIMED, *command], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    status, seconds, cpu, kilobytes, began, course = json.loads(done.stdout)
    if status:
        raise subprocess.CalledProcessError(status, command)
    return Finished(seconds, cpu, kilobytes / 1024, began, course)


# A process begins with the peak memory of the one that started it; this one is small.
_TIMED = """
import json, os, sys, time
began, started = time.time(), time.perf_counter()
quiet = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[quiet])
course, tick = [], os.sysconf("SC_CLK_TCK")
while True:
    ended, status, used = os.wait4(pid, os.WNOHANG)
    if ended:
        break
    with open(f"/proc/{pid}/stat") as stat:
        user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
    course.append((time.time(), (int(user) + int(system)) / tick))
    time.sleep(0.02)
seconds, cpu = time.perf_counter() - started, used.ru_utime + used.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, cpu, used.ru_maxrss, began, course]))
"""


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
