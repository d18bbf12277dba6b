"""One PowerView for one fault: a tree, logs and state of its own, a proxy before InfluxDB, and the judgement.

Every site has an organisation of its own in InfluxDB, so that "the whole content of the store" means just that.
"""

from __future__ import annotations

import copy
import hashlib
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from influx_server import MADE, InfluxServer, is_rename
from waiting import LONG, wait_until

from faults import truth, truth_totals, truth_uploads
from faults.proxy import FaultProxy
from faults.truth import Points, Upload

PROJECT = Path(__file__).resolve().parent.parent.parent
ZONE = "Europe/Paris"
ADMIN_BUCKET = "powerview"
TEN_MINUTES = 601
TIMED_OUT, MOST_TIMEOUTS = "timed out", 20
"""How a run ends that InfluxDB has not answered in time, as on a busy machine; so many may end so."""


@dataclass(frozen=True)
class Judgement:
    """What is left behind after a fault and one clean run."""

    lost: int
    wrong: int
    unfinished: int
    examples: list[str] = field(default_factory=list, compare=False)


@dataclass(frozen=True)
class Ended:
    """A parser that has ended: its status (negative: the signal), and what it printed."""

    status: int
    out: str
    err: str


class Site:
    """`uploads` are the files that were sent so far; `put` sends one. `proxy` stands before the server."""

    def __init__(self, server: InfluxServer, folder: Path, zone: str = ZONE) -> None:
        self.server = copy.copy(server)
        self.folder = folder
        self.zone = zone
        self.data, self.logs, self.state = folder / "data", folder / "logs", folder / "state"
        for each in (self.data, self.logs, self.state):
            each.mkdir()
        self.server.org = self.org = f"faults-{uuid.uuid4().hex[:12]}"
        self.org_id = server.call("POST", "/api/v2/orgs", json={"name": self.org}).json()["id"]
        self.proxy = FaultProxy(server.url)
        self.uploads: list[Upload] = []
        self.started = 0.0
        self.now: datetime | None = None
        """The clock by which readings are judged; None: this machine's."""

    # The loggers' side

    def path(self, upload: Upload) -> Path:
        """Where an upload arrives."""
        return self.data / upload.client / upload.campaign / upload.device / upload.name

    def put(self, *uploads: Upload) -> None:
        """Send files, each complete at once (SFTPGo's atomic uploads)."""
        for upload in uploads:
            path = self.path(upload)
            path.parent.mkdir(parents=True, exist_ok=True)
            half = path.parent / ".sftpgo-upload.half"
            half.write_bytes(upload.data)
            half.rename(path)
            self.uploads.append(upload)

    # PowerView's side

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment of a parser; nothing of ours but the settings."""
        settings = {
            "INFLUXDB_HOST": self.proxy.url, "INFLUXDB_ADMIN_TOKEN": self.server.token, "INFLUXDB_ORG": self.org,
            "POWERVIEW_DATA_DIR": str(self.data), "POWERVIEW_LOG_DIR": str(self.logs),
            "POWERVIEW_STATE_DIR": str(self.state), "POWERVIEW_TIMEZONE": self.zone, "INFLUXDB_BUCKET": ADMIN_BUCKET,
        }  # fmt: skip
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **settings, **changes}

    def start(
        self, *arguments: str, before: tuple[str, ...] = (), limits: dict[int, int] | None = None,
        into: Path | None = None, **changes: str,
    ) -> subprocess.Popen:  # fmt: skip
        """Start the parser; `before` are words put before it (setpriv …), `limits` are resource limits.

        What it prints goes into a file if one is named; else `end` returns it.
        """

        def prepare() -> None:
            for what, most in (limits or {}).items():
                resource.setrlimit(what, (most, most))

        self.started = time.time()
        with open(into, "ab") if into else nullcontext(subprocess.PIPE) as output:
            return subprocess.Popen(
                [*before, sys.executable, str(PROJECT / "tsv_parser.py"), *arguments],
                env=self.environment(**changes), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.folder, preexec_fn=prepare, start_new_session=True,
            )  # fmt: skip

    def end(self, process: subprocess.Popen, timeout: float = LONG) -> Ended:
        """Wait for a parser; one that does not end is killed, and that is an error."""
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"the parser did not end within {timeout} s\n{err.decode()}") from None
        return Ended(process.returncode, *((text or b"").decode(errors="replace") for text in (out, err)))

    def parse(self, *arguments: str, **how) -> Ended:
        """Run the parser to its end."""
        return self.end(self.start(*arguments, **how))

    def clean_run(self) -> Ended:
        """One run without any fault, ten minutes later: what lacks its END_DATA has waited long enough."""
        self.proxy.heal()
        self.ten_minutes_pass()
        ended = self.parse()
        for _ in range(MOST_TIMEOUTS):
            if ended.status != os.EX_TEMPFAIL or TIMED_OUT not in ended.err:
                break
            ended = self.parse()
        assert ended.status in (0, 1), f"the clean run ended with {ended.status}:\n{ended.err}{ended.out}"
        assert "Traceback" not in ended.err, ended.err
        return ended

    def ten_minutes_pass(self) -> None:
        """What is pending was written ten minutes ago."""
        for upload in set(self.uploads):
            with suppress(FileNotFoundError):
                status = os.lstat(self.path(upload))
                if stat.S_ISREG(status.st_mode) and status.st_mtime > time.time() - TEN_MINUTES:
                    os.utime(self.path(upload), (status.st_atime, time.time() - TEN_MINUTES))

    def take_back(self) -> int:
        """Move back what went to error/ because runs were killed over it, as its reason asks for; returns how many."""
        notes = [n for n in self.data.rglob("error/*.reason.txt") if "PowerView's process ended" in n.read_text()]
        for note in notes:
            file = note.with_name(note.name.removesuffix(".reason.txt"))
            file.rename(file.parent.parent / file.name)
            note.unlink()
        return len(notes)

    def log(self) -> list[str]:
        """The lines of uploads.log."""
        path = self.logs / "uploads.log"
        return path.read_text().splitlines() if path.exists() else []

    # The judgement

    def pending(self) -> int:
        """How many uploads lie where they arrived."""
        return sum(os.path.lexists(self.path(upload)) for upload in set(self.uploads))

    def store(self) -> tuple[Points, Points, set[str]]:
        """Every reading and event of every client's bucket, what is made of them, and the buckets."""
        points: Points = {}
        made: Points = {}
        buckets = set(self._buckets())
        for bucket in buckets:
            for measurement, tags, seconds, value in self._points(bucket):
                found = made if measurement in MADE or is_rename(tags) else points
                found[bucket, measurement, tags, seconds] = value
        return points, made, buckets

    def _buckets(self) -> Iterator[str]:
        for offset in range(0, 10_000, 100):
            query = {"orgID": self.org_id, "limit": 100, "offset": offset}
            found = self.server.call("GET", "/api/v2/buckets", params=query).json()["buckets"]
            yield from (b["name"] for b in found if b["type"] != "system" and b["name"] != ADMIN_BUCKET)
            if len(found) < 100:
                return

    def _points(self, bucket: str) -> Iterator[tuple[str, tuple[tuple[str, str], ...], int, float]]:
        flux = f'from(bucket: "{bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)'
        for row in self.server.query(flux):
            tags = tuple(sorted((k, v) for k, v in row.items() if k[0] != "_" and v))
            yield row["_measurement"], tags, seconds_of(row["_time"]), float(row["_value"])

    def judge(self) -> Judgement:
        """Compare the store with what the files say, and the files with what was sent."""
        now = self.now or datetime.now(UTC)
        wanted = truth_uploads.points_of(self.uploads, self.zone, now)
        found, made, buckets = self.store()
        lost = [key for key in wanted if key not in found]
        wrong = [key for key in found if wanted.get(key) != found[key]]
        wrong += sorted(buckets - {u.client for u in self.uploads if not truth_uploads.is_refused(u)})
        should, are = self._should_lie(), self._lie()
        misplaced = list((should - are).elements()) + list((are - should).elements())
        examples = [f"lost {k} {wanted[k]}" for k in lost[:3]]
        examples += [f"wrong {k}: {found.get(k)} for {wanted.get(k)}" for k in wrong[:3]]
        if not lost and not wrong:  # what is made of other readings is not as it should be, either
            renames = truth_uploads.renames_of(self.uploads, self.zone, now)
            wrong = truth_totals.differences(made, truth_totals.made_of(wanted) | renames)
            examples += wrong[:3]
        examples += [f"misplaced {k}" for k in misplaced[:6]]
        return Judgement(len(lost), len(wrong), len(misplaced), examples)

    def _should_lie(self) -> Counter:
        # (folder below the tree, what the file holds) → how many
        places: Counter = Counter()
        for upload in self.uploads:
            folder = self.path(upload).parent
            if not truth_uploads.is_refused(upload):
                folder /= "parsed" if truth.is_readable(upload, self.zone) else "error"
            places[os.fsencode(folder.relative_to(self.data)), digest(upload.data)] += 1
        return places

    def _lie(self) -> Counter:
        places: Counter = Counter()
        for where, _, names in os.walk(os.fsencode(self.data)):
            for name in names:
                path = os.path.join(where, name)
                if os.path.isfile(path) and not os.path.islink(path) and not name.endswith(b".reason.txt"):
                    with open(path, "rb") as file:
                        places[os.path.relpath(where, os.fsencode(self.data)), digest(file.read())] += 1
        return places


@contextmanager
def new_site(server: InfluxServer, zone: str = ZONE) -> Iterator[Site]:
    """A site with its proxy, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="powerview-fault-"))
    try:
        site = Site(server, folder, zone)
        with site.proxy:
            yield site
        server.call("DELETE", f"/api/v2/orgs/{site.org_id}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def digest(data: bytes) -> str:
    """What tells files apart."""
    return hashlib.sha256(data).hexdigest()


def seconds_of(time: str) -> int:
    """InfluxDB's time (2025-10-01T01:20:00Z) in seconds since 1970."""
    return int(datetime.fromisoformat(time).timestamp())


def run_while(process: subprocess.Popen, act: Callable[[], bool]) -> None:
    """Call `act` until it says that it is done, or the process has ended."""
    wait_until(lambda: act() or process.poll() is not None, LONG, lambda: "nothing to act on came")


def in_background(act: Callable[[], None]) -> threading.Thread:
    """A started thread."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread
