"""A channel's label changes, and something fails while its readings are moved in InfluxDB."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
from collections.abc import Callable
from datetime import datetime

from waiting import LONG, wait_until

from faults import proxy, trees
from faults.catalog import expect, fault, pending
from faults.process_faults import filled, small_disk
from faults.site import Site
from faults.truth import Upload

DEVICE = "02001000"
START = datetime(2026, 2, 1, 3, 20)
BEFORE = ("Voie1 W", "Voie2 W", "Voie3 A")
AFTER = ("Oven W", "Voie2 W")
LATEST = ("Heater W", "Voie2 W")
BETWEEN = ("First W", "Voie2 W", "Voie3 A", "Voie4 W")
MOST_STEPS = 60

Scene = Callable[[Site, str], None]
Hit = Callable[[proxy.Request, subprocess.Popen], None]


def day(number: int, labels: tuple[str, ...], first: int, count: int, campaign: str = "campaign0") -> Upload:
    """The upload of a day in February, with `count` rows from the `first` ten minutes on; values name the day."""
    rows = trees.stretch(START + first * trees.TEN_MINUTES, count, number, len(labels))
    name = f"T302_2602{number:02d}_031700.tsv"
    return Upload("company0", campaign, DEVICE, name, trees.v002(rows, [DEVICE] * len(labels), list(labels)))


def renamed(site: Site, campaign: str = "campaign0") -> None:
    """Two uploads are settled; the third, under other labels and without a column, waits."""
    site.put(day(5, BEFORE, 0, 60, campaign), day(6, BEFORE, 50, 60, campaign))
    expect(site.parse(), 0)
    site.put(day(7, AFTER, 40, 50, campaign))


def renamed_late(site: Site, campaign: str = "campaign0") -> None:
    """Three uploads are settled, the last under other labels; an earlier one waits, under labels of its own."""
    renamed(site, campaign)
    expect(site.parse(), 0)
    site.put(day(4, BETWEEN, 20, 110, campaign))


def each_step(site: Site, scene: Scene, *hits: Hit) -> str:
    """Play the scene, hit the first request of the run that follows, the second of the next run … until one has none
    left to hit. Each kind of hit has a campaign of its own."""
    counts = []
    for number, hit in enumerate(hits):
        site.proxy.heal()
        scene(site, f"campaign{number}")
        counts.append(at_each_request(site, hit))
        pending(site, most=0)
    assert min(counts) >= 4, f"only {counts} requests were hit"
    return f"{' and '.join(map(str, counts))} requests hit"


def at_each_request(site: Site, hit: Hit) -> int:
    """How many runs were hit before one was not."""
    running: list[subprocess.Popen] = []
    number = 1
    while number < MOST_STEPS:
        seen = [0]

        def plan(
            request: proxy.Request, seen: list[int] = seen, number: int = number, before: int = len(running)
        ) -> None:
            seen[0] += 1
            if seen[0] == number:
                wait_until(lambda: len(running) > before, LONG, lambda: "the run is not known")
                hit(request, running[-1])
            else:
                proxy.hand_on(request)

        site.proxy.heal()
        site.proxy.plan = plan
        running.append(site.start())
        ended = site.end(running[-1])
        if site.take_back():  # two runs were killed over it; this one may have been hit behind that
            expect(ended, 1, 75, -signal.SIGKILL)
            continue
        expect(ended, 0, 75, -signal.SIGKILL)
        if seen[0] < number:
            expect(ended, 0)
            return number - 1
        number += 1
    raise AssertionError(f"a run has more than {MOST_STEPS} requests")


def kill_before(request: proxy.Request, process: subprocess.Popen) -> None:
    """The process is killed; the request is never carried out."""
    process.kill()
    request.reset()


def kill_behind(request: proxy.Request, process: subprocess.Popen) -> None:
    """The request is carried out; the process is killed before it gets the answer."""
    request.ask()
    process.kill()
    request.reset()


def goes_away(request: proxy.Request, _: subprocess.Popen) -> None:
    """The store answers neither this request nor any behind it."""
    request.proxy.cut_off()


@fault("a channel renamed, kill -9 before and behind each request")
def killed_in_rename(site: Site) -> str:
    return each_step(site, renamed, kill_before, kill_behind)


@fault("renamed in a late file, kill -9 before and behind each request")
def killed_in_late_rename(site: Site) -> str:
    return each_step(site, renamed_late, kill_before, kill_behind)


@fault("the store goes away at each request of a rename")
def away_in_rename(site: Site) -> str:
    return each_step(site, renamed, goes_away)


@fault("the store goes away at each request of a late file")
def away_in_late_rename(site: Site) -> str:
    return each_step(site, renamed_late, goes_away)


# what is remembered between runs


def with_late_files(site: Site, number: int) -> None:
    """A rename, and two late files, one of which overlaps everything; the second run has the other."""
    campaign = f"memory{number}"
    site.put(day(9, LATEST, 100, 20, campaign), day(1, BEFORE, 0, 130, campaign), day(3, BETWEEN, 5, 110, campaign))
    expect(site.parse(), 0)
    site.put(day(10, BEFORE, 110, 20, campaign), day(2, AFTER, 0, 130, campaign))
    expect(site.parse(), 0)


@fault("what is remembered of uploads is lost, damaged, cut, yesterday's")
def memory_damaged(site: Site) -> str:
    chance = random.Random(11)
    memory = site.state / "uploads.sqlite"

    def damaged(data: bytes) -> bytes:
        flipped = bytearray(data)
        for _ in range(200):
            flipped[chance.randrange(100, len(flipped))] ^= 1 << chance.randrange(8)
        return bytes(flipped)

    changes = [None, lambda _: b"no database", lambda data: data[:5000], "yesterday's", damaged, lambda _: b""]
    for number, change in enumerate(changes):
        campaign = f"memory{number}"
        renamed(site, campaign)
        yesterdays = memory.read_bytes()
        expect(site.parse(), 0)
        data = memory.read_bytes()
        for part in site.state.glob("uploads.sqlite*"):
            part.unlink()
        if change:
            memory.write_bytes(yesterdays if change == "yesterday's" else change(data))
        with_late_files(site, number)
    return f"{len(changes)} times; each time renames and late files"


@fault("what is remembered of uploads cannot be written: the disk is full")
def memory_without_room(site: Site) -> str:
    with small_disk(site.state) as kind:
        for number in range(3):
            campaign = f"memory{number}"
            renamed(site, campaign)
            with filled(site.state, kind):
                limits = {} if kind == "tmpfs" else {resource.RLIMIT_FSIZE: 0}
                expect(site.parse(limits=limits), 0)
                site.put(day(1, BEFORE, 0, 130, campaign), day(2, BETWEEN, 5, 130, campaign))
                expect(site.parse(limits=limits), 0)
            site.put(day(3, BEFORE, 10, 130, campaign), day(9, BEFORE, 110, 20, campaign))
            expect(site.parse(), 0)
        return f"{kind}, {pending(site, most=0)}"
