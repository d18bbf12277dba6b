"""A real InfluxDB 2 for tests and benchmarks: found, or built once; started on a free port; stopped.

Where the program comes from, in this order: the variable INFLUXD, `influxd` on PATH, a container (podman or docker),
the cache, a build from the Go module pinned in `tests/influxd/` (Go and Rust needed, some minutes, once).
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import requests
from waiting import LONG, wait_until

MODULE = Path(__file__).resolve().parent / "influxd"
IMAGE = "docker.io/library/influxdb:2.9"
PULL_SECONDS = 300
TOKEN = "token-of-a-server-that-lives-as-long-as-one-test-run"
ORG = "powerview"
MOST_LOSSES = 5
SERIES = re.compile(rb"(?:\\.|[^ \\])*")
NANOSECONDS = {"s": 10**9, "ns": 1}
MADE = ("powerview_totals", "powerview_channels")
WARM = "warm"
_GIVEN: set[int] = set()


def is_rename(tags: tuple[tuple[str, str], ...]) -> bool:
    """Whether these are the tags of a point about a label that changed."""
    return ("event", "renamed") in tags


class NoInfluxDB(Exception):
    """No InfluxDB can be had on this machine; the text says what was tried."""


class InfluxServer:
    """One InfluxDB process with an organisation and an all-access token.

    `url`, `token`, `org` are what a client needs. Data lie in `folder` and survive `stop` and `start`.
    """

    def __init__(self, folder: Path, program: list[str] | None = None) -> None:
        self.folder = folder
        self.program = program or influxd_command(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = TOKEN
        self.org = ORG
        self.process: subprocess.Popen | None = None
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Token {self.token}"

    def start(self, deadline: float = LONG) -> InfluxServer:
        """Start, wait until it answers, set it up at the first start. Raises RuntimeError with the server's log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "influxd.log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "--http-bind-address", f"127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._answers, deadline, lambda: f"InfluxDB did not start:\n{self.log()[-3000:]}")
        self._set_up()
        return self

    def stop(self) -> None:
        """End the server as an admin would (SIGTERM), or at last with SIGKILL."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(LONG)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(LONG)
        self.process = None

    def log(self) -> str:
        """What the server printed."""
        return (self.folder / "influxd.log").read_text(errors="replace")

    def call(self, method: str, path: str, **kwargs) -> requests.Response:
        """One call of the HTTP API with the admin's token; raises requests.HTTPError for 4xx and 5xx."""
        answer = self.session.request(method, self.url + path, timeout=LONG, **kwargs)
        answer.raise_for_status()
        return answer

    def query(self, flux: str, org: str = "") -> list[dict[str, str]]:
        """The rows of a Flux query, every value as the text of InfluxDB's CSV, without its annotation columns."""
        answer = self.call(
            "POST", "/api/v2/query", params={"org": org or self.org}, data=flux.encode(),
            headers={"Content-Type": "application/vnd.flux", "Accept": "application/csv"},
        )  # fmt: skip
        return list(_csv_rows(answer.text))

    def make_bucket(self, name: str, shard_seconds: int = 7 * 86_400) -> str:
        """Make a bucket that keeps everything, in shards of InfluxDB's own size or another; returns its id."""
        org_id = self.call("GET", "/api/v2/orgs", params={"org": self.org}).json()["orgs"][0]["id"]
        rule = {"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": shard_seconds}
        body = {"orgID": org_id, "name": name, "retentionRules": [rule]}
        return self.call("POST", "/api/v2/buckets", json=body).json()["id"]

    def buckets(self) -> list[str]:
        """The names of all buckets that are not InfluxDB's own."""
        found = self.call("GET", "/api/v2/buckets", params={"limit": 100}).json()["buckets"]
        return sorted(b["name"] for b in found if not b["name"].startswith("_"))

    def write(self, bucket: str, lines: str | bytes, precision: str = "s", org: str = "") -> None:
        """Write line protocol, and again if InfluxDB does not have it: it can lose a write that it has confirmed
        (docs/promises.md). Raises requests.HTTPError if it refuses a line."""
        body = lines.encode() if isinstance(lines, str) else lines
        params = {"org": org or self.org, "bucket": bucket, "precision": precision}
        for _ in range(MOST_LOSSES):
            self.call("POST", "/api/v2/write", params=params, data=body)
            if not body or self._has(bucket, body, precision, org):
                return
        raise AssertionError(f"InfluxDB confirmed and lost a write to {bucket} {MOST_LOSSES} times: {body[:200]}")

    def _has(self, bucket: str, lines: bytes, precision: str, org: str) -> bool:
        # Whether each series has as many points in this time as were written: what is lost is lost whole.
        written: dict[bytes, set[int]] = defaultdict(set)
        for line in lines.splitlines():
            written[SERIES.match(line)[0]].add(int(line.rsplit(b" ", 1)[1]) * NANOSECONDS[precision])
        times = set().union(*written.values())
        rows = self.query(
            f'from(bucket: "{bucket}") |> range(start: time(v: {min(times)}), stop: time(v: {max(times) + 1}))'
            ' |> count() |> group(columns: ["_field", "_value"], mode: "except") |> max() |> group() |> sum()',
            org,
        )
        return sum(int(row["_value"]) for row in rows) >= sum(map(len, written.values()))

    def warm(self, bucket: str, *moments: int) -> None:
        """Write a point into the shards of these seconds, one that `points` leaves out.

        InfluxDB loses no write to a shard that has something in memory. For tests of what PowerView itself does not
        look for, or of how often it writes.
        """
        self.write(bucket, "".join(f"{WARM} value=0 {moment}\n" for moment in moments))

    def points(self, bucket: str) -> dict[tuple, float]:
        """All readings and events: (measurement, sorted tags, seconds since 1970) → value of the point's one field."""
        left_out = (*MADE, WARM)
        found = self._points(bucket).items()
        return {key: value for key, value in found if not (key[0] in left_out or is_rename(key[1]))}

    def made(self, bucket: str) -> dict[tuple, float]:
        """What the lane makes of the readings, totals and channels by name, like `points`."""
        return {key: value for key, value in self._points(bucket).items() if key[0] in MADE}

    def renames(self, bucket: str) -> list[tuple[int, dict[str, str]]]:
        """When a channel's label changed, in seconds since 1970, and the point's tags; in time."""
        found = [(key[2], dict(key[1])) for key in self._points(bucket) if is_rename(key[1])]
        return sorted(found, key=lambda rename: (rename[0], *sorted(rename[1].items())))

    def _points(self, bucket: str) -> dict[tuple, float]:
        flux = f'from(bucket: "{bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)'
        return dict(_point(row) for row in self.query(flux + " |> map(fn: (r) => ({r with t: int(v: r._time)}))"))

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"InfluxDB ended with status {self.process.returncode}:\n{self.log()[-3000:]}")
        try:
            return self.session.get(self.url + "/health", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def _set_up(self) -> None:
        if not self.call("GET", "/api/v2/setup").json()["allowed"]:
            return
        body = {
            "username": "admin",
            "password": "of-one-test-run",
            "org": ORG,
            "bucket": "powerview",
            "token": TOKEN,
        }
        self.call("POST", "/api/v2/setup", json=body)


@contextmanager
def running_influxdb(folder: Path) -> Iterator[InfluxServer]:
    """A started server for the length of a `with` block."""
    server = InfluxServer(folder)
    try:
        yield server.start()
    finally:
        server.stop()


def influxd_command(folder: Path) -> list[str]:
    """The words that start an InfluxDB whose data lie in `folder`. Raises NoInfluxDB."""
    paths = ["--bolt-path", f"{folder}/influxd.bolt", "--engine-path", f"{folder}/engine"]
    options = [
        *paths,
        "--sqlite-path",
        f"{folder}/influxd.sqlite",
        "--reporting-disabled",
        "--log-level",
        "warn",
        "--storage-write-timeout",  # else it answers 500 to a write that takes ten seconds, as on a busy machine
        f"{LONG}s",
    ]
    program = os.environ.get("INFLUXD") or shutil.which("influxd")
    if program:
        return [program, *options]
    for engine in ("podman", "docker"):
        if engine_runs(engine, IMAGE):
            volume = f"{folder}:{folder}:Z"
            user = f"{os.getuid()}:{os.getgid()}"
            return [engine, "run", "--rm", "--init", "--network=host", f"--user={user}", "-v", volume,
                    "--entrypoint=influxd", IMAGE, *options]  # fmt: skip
    return [str(built_influxd()), *options]


def built_influxd() -> Path:
    """The influxd that was built from the pinned Go module, built now if the cache has none. Raises NoInfluxDB."""
    pinned = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "powerview" / f"influxd-{pinned}"
    program = cache / "influxd"
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # clones that start together build it once
        if not program.exists():
            _build(cache, program)
    return program


def _build(cache: Path, program: Path) -> None:
    # InfluxDB's Flux is a Rust library; `pkg-config` of InfluxDB's own builds it on the way (its README says so).
    for tool in ("go", "cargo"):
        if not shutil.which(tool):
            raise NoInfluxDB(
                f"no InfluxDB: INFLUXD is not set, influxd is not on PATH, no podman or docker runs, and there is no "
                f"{tool} to build it. Install InfluxDB 2 and set INFLUXD, or install Go and Rust."
            )
    print("building InfluxDB once (some minutes) …", file=sys.stderr, flush=True)
    helper = cache / "pkg-config"
    _go(["build", "-o", str(helper), "github.com/influxdata/pkg-config"], {})
    environment = {"PKG_CONFIG": str(helper), "PATH": f"{cache}:{os.environ['PATH']}"}
    if toolchain := _installed_rust():
        environment["RUSTUP_TOOLCHAIN"] = toolchain
    half = cache / "influxd.half"
    _go(
        ["build", "-tags", "sqlite_foreign_keys,sqlite_json", "-ldflags", "-s -w", "-o", str(half),
         "github.com/influxdata/influxdb/v2/cmd/influxd"], environment,
    )  # fmt: skip
    half.rename(program)


def _go(words: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(["go", *words], cwd=MODULE, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise NoInfluxDB(f"InfluxDB cannot be built: go {' '.join(words)}\n{done.stderr[-3000:]}")


def _installed_rust() -> str | None:
    # The module asks rustup for an older Rust, which would be a download; any installed one builds it.
    if not shutil.which("rustup"):
        return None
    shown = subprocess.run(["rustup", "show", "active-toolchain"], cwd="/", capture_output=True, text=True).stdout
    return shown.split()[0] if shown.split() else None


@cache
def engine_runs(engine: str, image: str) -> bool:
    """Whether this container engine starts this image; one that can neither pull nor start it is no engine for us."""
    if not shutil.which(engine):
        return False
    try:
        return subprocess.run([engine, "run", "--rm", image, "influxd", "version"], capture_output=True,
                              timeout=PULL_SECONDS).returncode == 0  # fmt: skip
    except subprocess.TimeoutExpired:
        return False


def _csv_rows(text: str) -> Iterator[dict[str, str]]:
    # Tables with different columns come one after another, each with its own header behind an empty line.
    header: list[str] | None = None
    for row in csv.reader(text.splitlines()):
        if not row:
            header = None
        elif header is None:
            header = row
        else:
            yield {k: v for k, v in zip(header, row, strict=True) if k not in ("", "result", "table")}


def _point(row: dict[str, str]) -> tuple[tuple, float]:
    tags = sorted((k, v) for k, v in row.items() if not k.startswith("_") and k != "t" and v != "")
    return (row["_measurement"], tuple(tags), int(row["t"]) // 10**9), float(row["_value"])


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that the system gives nobody who asks for any.

    So it stays free until it is listened on, and where a server is away nobody else answers.
    """
    lowest, highest = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    others = [*range(10_000, lowest), *range(highest + 1, 65_536)] or range(10_000, 65_536)
    while True:
        port = random.SystemRandom().choice(others)
        with socket.socket() as probe, suppress(OSError):
            if port not in _GIVEN:
                probe.bind(("127.0.0.1", port))
                _GIVEN.add(port)
                return port


if __name__ == "__main__":
    print(influxd_command(Path("DATA"))[0])
