"""Everything at once: loggers upload, rename, send late and torn files, servers go away, workers are killed, disks
fill, an admin reads everything once more. Then quiet, one sweep, and the store is compared with what the files say.

The actions and what is in the files come from a seed. When each one meets the running parsers does not: that is the
point of it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from waiting import LONG

from faults import proxy, trees
from faults.catalog import fault
from faults.process_faults import filled, kill_workers, small_disk, start_hook, swept
from faults.site import Site, digest
from faults.truth import Upload

SEED = 20260201
MINUTES, SHORT = 600, 60
MOST_PARSERS = 3
LONGEST_SWEEP = 900
MOST_UPLOADS = 800
START = datetime(2025, 9, 1, 3, 20)
NAMES = ("Voie1", "Voie2", "Voie3", "Oven", "Heater", "Pump", 'O"v${1}e=n, x')
UNITS = ("W", "W", "W", "V", "")
TREE_SIZE = "size=16m,nr_inodes=6000"
TROUBLES = (
    proxy.refuse(503, "unavailable", "starting up"),
    proxy.refuse(401, "unauthorized", "unauthorized access"),
    proxy.writes_only(proxy.refuse(500, "internal error", "engine: cache full")),
    proxy.writes_only(proxy.refuse(429, "too many requests", "slow down", Retry_After="1")),
    proxy.cut_the_answer,
    proxy.writes_only(proxy.cut_the_request),
    proxy.answer_late(0.3),
)


@dataclass
class Logger:
    """A logger as it is now: its clock in steps of ten minutes, its columns, how many files it has sent."""

    client: str
    campaign: str
    serial: str
    columns: list[tuple[str, str]]
    """Of each the serial of the device that measures it, and its label."""
    now: int = 0
    files: int = 0
    sent: list[str] = field(default_factory=list)


class Everything:
    """One run: `step` does one thing by chance."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.site = site
        self.chance = chance
        self.running: list[subprocess.Popen] = []
        self.printed = site.folder / "printed"
        self.full: list[ExitStack] = []
        self.away_until = self.full_until = 0.0
        self.counts: Counter[str] = Counter()
        self.loggers = [
            Logger(f"company{n % 2}", f"campaign{n // 4}", serial, [(serial, f"Voie{i} W") for i in range(1, 4)])
            for n, serial in enumerate(f"0200{1000 + n}" for n in range(8))
        ]
        self.actions = [
            (self.upload, 30), (self.rename, 6), (self.change_columns, 4), (self.swap_slave, 2), (self.late, 10),
            (self.torn, 6), (self.again_under_its_name, 4), (self.grow, 4), (self.parse, 22), (self.again, 4),
            (self.hook, 5), (self.kill, 14), (self.kill_hooks, 2), (self.trouble, 8), (self.fill_disk, 3),
            (self.lose_memory, 3), (self.take_back, 3),
        ]  # fmt: skip

    def step(self) -> None:
        """One action, and the end of troubles whose time is over."""
        self.running = [p for p in self.running if p.poll() is None]
        if self.away_until and time.monotonic() > self.away_until:
            self.site.proxy.heal()
            self.away_until = 0.0
        if self.full and time.monotonic() > self.full_until:
            self.make_room()
        does, weights = zip(*self.actions, strict=True)
        act = self.chance.choices(does, weights)[0]
        if act():
            self.counts[act.__name__] += 1
        time.sleep(self.chance.uniform(0, 0.15))

    # the loggers

    def data(self, logger: Logger, first: int, count: int) -> bytes:
        """A file of `count` rows; what it reads names the file, and here and there a cell or a row is missing."""
        logger.files += 1
        rows = []
        for row in range(first, first + count):
            cells = [f"{logger.files}.{row % 1000:03d}{i}" for i in range(len(logger.columns))]
            if self.chance.random() < 0.05:
                cells[self.chance.randrange(len(cells))] = "---"
            if self.chance.random() < 0.03:
                cells = ["0"] * len(cells)
            if self.chance.random() > 0.05:
                rows.append((START + row * trees.TEN_MINUTES, cells))
        serials, labels = zip(*logger.columns, strict=True)
        write = trees.v003 if self.chance.random() < 0.3 else trees.v002
        return write(rows, list(serials), list(labels), logger.serial)

    def send(self, logger: Logger, name: str, data: bytes) -> bool:
        """Put a file; a logger that finds the disk full tries no more."""
        if len(self.site.uploads) >= MOST_UPLOADS:
            return False
        upload = Upload(logger.client, logger.campaign, logger.serial, name, data)
        try:
            self.site.put(upload)
        except OSError:
            with suppress(OSError):
                (self.site.path(upload).parent / ".sftpgo-upload.half").unlink()
            return False
        logger.sent.append(name)
        return True

    def any_logger(self) -> Logger:
        return self.chance.choice(self.loggers)

    def upload(self) -> bool:
        """The next stretch, which begins a little before the end of the last."""
        logger = self.any_logger()
        first = max(0, logger.now - self.chance.randrange(8))
        count = self.chance.randrange(4, 30)
        logger.now = first + count
        return self.send(logger, self.name(logger, logger.now), self.data(logger, first, count))

    def name(self, logger: Logger, end: int) -> str:
        """A name whose stamp is just behind the last reading; no two are the same."""
        moment = START + end * trees.TEN_MINUTES + timedelta(seconds=logger.files % 600)
        return f"T302_{moment:%y%m%d_%H%M%S}_{len(logger.sent)}.tsv"

    def late(self) -> bool:
        """A stretch of long ago, sent now, under labels of then."""
        logger = self.any_logger()
        if logger.now < 40:
            return False
        first = self.chance.randrange(logger.now - 20)
        count = self.chance.randrange(4, min(120, logger.now - first))
        columns = logger.columns
        if self.chance.random() < 0.6:
            logger.columns = [(serial, self.label()) for serial, _ in columns[: self.chance.randrange(1, 4)]]
        try:
            return self.send(logger, self.name(logger, first + count), self.data(logger, first, count))
        finally:
            logger.columns = columns

    def torn(self) -> bool:
        """As `upload`, but cut."""
        logger = self.any_logger()
        first = max(0, logger.now - self.chance.randrange(20))
        data = self.data(logger, first, 25)
        return self.send(logger, self.name(logger, first + 25), data[: -self.chance.randrange(1, len(data))])

    def again_under_its_name(self) -> bool:
        """A settled file's name comes again with other readings."""
        logger = self.any_logger()
        folder = self.site.data / logger.client / logger.campaign / logger.serial
        names = [n for n in logger.sent[-20:] if (folder / "parsed" / n).exists() and not (folder / n).exists()]
        if not names:
            return False
        first = max(0, logger.now - 30)
        return self.send(logger, self.chance.choice(names), self.data(logger, first, 20))

    def grow(self) -> bool:
        """A file that is written where it arrives, in two pieces (SFTPGo's upload mode 0)."""
        logger = self.any_logger()
        data = self.data(logger, logger.now, 20)
        upload = Upload(logger.client, logger.campaign, logger.serial, self.name(logger, logger.now + 20), data)
        path = self.site.path(upload)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb", buffering=0) as file:
                written = file.write(data[: len(data) // 2])
                self.site.proxy.closing.wait(self.chance.uniform(0, 0.3))
                while written < len(data):
                    written += file.write(data[written:])
        except OSError:  # full: what is there is a torn file, and is judged as one
            data = path.read_bytes() if path.exists() else None
        if data is not None:
            self.site.uploads.append(replace(upload, data=data))
            logger.sent.append(upload.name)
        logger.now += 20
        return True

    def label(self) -> str:
        return f"{self.chance.choice(NAMES)} {self.chance.choice(UNITS)}".strip()

    def rename(self) -> bool:
        """One channel gets another label, perhaps another unit with it."""
        logger = self.any_logger()
        place = self.chance.randrange(len(logger.columns))
        logger.columns[place] = (logger.columns[place][0], self.label())
        return True

    def change_columns(self) -> bool:
        """A column is added in front or at the end, or one goes."""
        logger = self.any_logger()
        if len(logger.columns) > 1 and self.chance.random() < 0.5:
            logger.columns.pop(self.chance.randrange(len(logger.columns)))
        else:
            logger.columns.insert(self.chance.choice([0, len(logger.columns)]), (logger.serial, self.label()))
        return True

    def swap_slave(self) -> bool:
        """A slave goes from one master to another of its campaign, or is new."""
        logger = self.any_logger()
        slave = f"0400{logger.client[-1]}{logger.campaign[-1]}99"
        for other in self.loggers:
            if (other.client, other.campaign) == (logger.client, logger.campaign):
                kept = [column for column in other.columns if column[0] != slave]
                other.columns[:] = kept or [(other.serial, "Voie1 W")]
        logger.columns += [(slave, "Voie1 W"), (slave, self.label())]
        return True

    # PowerView

    def parse(self, *arguments: str) -> bool:
        """A parser, while not too many are waiting for each other."""
        if len(self.running) >= MOST_PARSERS:
            return False
        self.running.append(self.site.start(*arguments, into=self.printed))
        return True

    def again(self) -> bool:
        """An admin reads everything once more."""
        return self.parse("--again")

    def hook(self) -> bool:
        """SFTPGo's hook."""
        start_hook(self.site, SFTPGO_ACTION="upload").wait(LONG)
        return True

    def take_back(self) -> bool:
        """An admin moves files back that went to error/ because runs were killed over them."""
        with suppress(OSError):
            return self.site.take_back() > 0
        return False

    # what goes wrong

    def kill(self) -> bool:
        """kill -9, or sometimes SIGTERM."""
        if not self.running:
            return False
        chosen = self.chance.choice(self.running)
        self.site.proxy.closing.wait(self.chance.uniform(0, 1.0))
        chosen.send_signal(signal.SIGTERM if self.chance.random() < 0.2 else signal.SIGKILL)
        return True

    def kill_hooks(self) -> bool:
        """SFTPGo is restarted, and everything with it."""
        kill_workers(self.site)
        return True

    def trouble(self) -> bool:
        """The server goes away, or answers otherwise, for a while."""
        if self.away_until:
            return False
        if self.chance.random() < 0.4:
            self.site.proxy.down()
        else:
            self.site.proxy.plan = self.chance.choice(TROUBLES)
        self.away_until = time.monotonic() + self.chance.uniform(0.5, 5)
        return True

    def fill_disk(self) -> bool:
        """The disk of the tree or of the state gets full for a while."""
        if self.full:
            return False
        stack = ExitStack()
        stack.enter_context(filled(self.chance.choice([self.site.data, self.site.state]), "tmpfs"))
        self.full.append(stack)
        self.full_until = time.monotonic() + self.chance.uniform(1, 5)
        return True

    def make_room(self) -> None:
        """The disk has room again."""
        while self.full:
            self.full.pop().close()

    def lose_memory(self) -> bool:
        """What is remembered of uploads is lost or damaged, between two runs."""
        if self.running:
            return False
        kill_workers(self.site)
        memory = self.site.state / "uploads.sqlite"
        if self.chance.random() < 0.5:
            for part in self.site.state.glob("uploads.sqlite*"):
                part.unlink()
        elif memory.exists():
            with suppress(OSError):
                memory.write_bytes(b"damaged" * 3000)
        return True

    def quiet(self) -> None:
        """No more troubles, and nobody at work."""
        self.make_room()
        self.site.proxy.heal()
        kill_workers(self.site)
        self.running.clear()
        self.site.take_back()


def everything_at_once(site: Site, seconds: float) -> str:
    """Act for so many seconds; then quiet and one sweep."""
    carried = site.folder / "carried"
    with ExitStack() as disks:
        kinds = {disks.enter_context(small_disk(site.data, TREE_SIZE)), disks.enter_context(small_disk(site.state))}
        world = Everything(site, random.Random(SEED))
        if kinds != {"tmpfs"}:
            world.actions = [(act, weight) for act, weight in world.actions if act != world.fill_disk]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            world.step()
        world.quiet()
        site.ten_minutes_pass()
        swept(site, LONGEST_SWEEP)
        if site.take_back():  # what the last runs had been killed over twice
            swept(site, LONGEST_SWEEP)
        shutil.copytree(site.data, carried)
    shutil.copytree(carried, site.data, dirs_exist_ok=True)
    shutil.rmtree(carried)
    site.uploads[:] = as_settled(site)
    printed = world.printed.read_text(errors="replace")
    assert "Traceback" not in printed, printed[-5000:]
    done = ", ".join(f"{what.replace('_', ' ')} {n}" for what, n in sorted(world.counts.items()))
    return f"seed {SEED}, {seconds:.0f} s, {len(site.uploads)} files: {done}"


def as_settled(site: Site) -> list[Upload]:
    """The uploads under the names that they have now: a name that came again got a number."""
    names: dict[tuple[str, str], list[str]] = {}
    for path in sorted(site.data.glob("*/*/*/*/*.tsv")):
        names.setdefault((str(path.parent.parent), digest(path.read_bytes())), []).append(path.name)
    found = []
    for upload in site.uploads:
        here = names.get((str(site.path(upload).parent), digest(upload.data)))
        found.append(replace(upload, name=here.pop(0)) if here else upload)
    return found


@fault("everything at once, ten minutes")
def ten_minutes(site: Site) -> str:
    return everything_at_once(site, SHORT if os.environ.get("CI") else MINUTES)
