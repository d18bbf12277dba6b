"""The parser, or the machine under it, fails."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hook_site import children_of
from waiting import LONG, wait_until

from faults import proxy, trees
from faults.catalog import expect, fault, pending
from faults.site import PROJECT, Site, in_background
from faults.truth import Upload

KILLED = -signal.SIGKILL
AS_OWNER = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
"""Words before a command that root is to run as any other owner of the files: with what their modes allow."""


def as_owner() -> tuple[str, ...]:
    """AS_OWNER where it is needed."""
    return AS_OWNER if os.getuid() == 0 else ()


# kill -9


def rounds(count: int, chance: random.Random) -> Iterator[list[Upload]]:
    """Files that contradict each other, a few for each round, in any order."""
    uploads = trees.fleet(loggers=count, seed=chance.randrange(1000))
    chance.shuffle(uploads)
    for number in range(count):
        yield uploads[4 * number : 4 * number + 4]


def kill_at_random(site: Site, count: int, with_signal: int, seed: int) -> str:
    """Start, and end it after a time between nothing and a whole run, again and again."""
    chance = random.Random(seed)
    site.put(*next(rounds(1, chance)), trees.bulky(rows=200))
    longest, killed = timed(site.start(), site)[0], 0
    for uploads in rounds(count, chance):
        site.put(*(u for u in uploads if u not in site.uploads))
        process = site.start()
        try:
            process.wait(chance.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.send_signal(with_signal)
        took, status = timed(process, site)
        if status == 0:
            longest = took  # the machine may be slower or quicker than it was
        killed += status in (-with_signal, 128 + with_signal)
    assert killed, "every run had ended before it was to be killed"
    return f"{killed} of {count} runs killed, {pending(site)}"


def timed(process: subprocess.Popen, site: Site) -> tuple[float, int]:
    """Wait for a parser; returns the seconds since it was started, and its status."""
    status = site.end(process).status
    return time.time() - site.started, status


@fault("kill -9 at random times")
def killed_a_few_times(site: Site) -> str:
    return kill_at_random(site, 8, signal.SIGKILL, seed=1)


@fault("kill -9 at random times, many times")
def killed_many_times(site: Site) -> str:
    return kill_at_random(site, 60, signal.SIGKILL, seed=2)


@fault("SIGTERM from a timer")
def terminated(site: Site) -> str:
    return kill_at_random(site, 15, signal.SIGTERM, seed=3)


@fault("kill -9 before each write")
def killed_before_writes(site: Site) -> str:
    return kill_at_writes(site, before=True)


@fault("kill -9 between each write and its answer")
def killed_after_writes(site: Site) -> str:
    return kill_at_writes(site, before=False)


def kill_at_writes(site: Site, *, before: bool) -> str:
    """Kill at the 1st write of the first run, at the 2nd of the second …"""
    site.put(*trees.fleet(), trees.bulky())
    running: list[subprocess.Popen] = []

    def kill_at(number: int) -> proxy.Plan:
        def plan(request: proxy.Request) -> None:
            answer = None if before and request.number == number else request.ask()
            if request.number == number:
                wait_until(lambda: len(running) == number, LONG, lambda: "the run is not known")
                running[-1].kill()
                request.reset()
            else:
                request.answer(*answer)

        return plan

    killed = 0
    for number in range(1, 8):
        site.proxy.writes = 0
        site.proxy.plan = kill_at(number)
        running.append(site.start())
        killed += site.end(running[-1]).status == KILLED
    assert killed >= 3, f"only {killed} runs were killed"
    return f"{killed} runs killed, {pending(site)}"


@fault("kill -9 at each rename")
def killed_at_renames(site: Site) -> str:
    site.put(*trees.fleet(loggers=12), *trees.unreadable())  # so many, for a fast machine moves some between two looks
    site.proxy.plan = proxy.answer_late(0.05)  # no run outpaces who looks at it, however busy the machine is
    killed = 0
    while site.pending() and killed < 30:
        process = site.start()
        seen = settled(site)
        wait_until(lambda p=process, s=seen: p.poll() is not None or settled(site) > s, LONG, lambda: "nothing moved")
        process.kill()
        killed += site.end(process).status == KILLED
    assert killed >= 5, f"only {killed} runs were killed"
    return f"{killed} runs killed, {pending(site)}"


def settled(site: Site) -> int:
    """How many entries parsed/ and error/ have."""
    return sum(1 for state in ("parsed", "error") for _ in site.data.glob(f"*/*/*/{state}/*"))


# several at once


@fault("three parsers at once")
def three_parsers(site: Site) -> str:
    site.put(*trees.fleet())
    printed = [site.folder / f"printed{number}" for number in range(3)]

    def waiting() -> int:
        return sum(each.exists() and "another run" in each.read_text() for each in printed)

    def plan(request: proxy.Request) -> None:
        if request.is_write:
            wait_until(lambda: waiting() == 2, LONG, lambda: f"{waiting()} parsers wait")
        proxy.hand_on(request)

    site.proxy.plan = plan
    for process in [site.start(into=each) for each in printed]:
        expect(site.end(process), 0)
    return "status 0 three times, two waited"


@fault("two sweeps, one killed with all it started")
def two_sweeps(site: Site) -> str:
    site.put(*trees.fleet())
    site.proxy.plan = proxy.answer_late(0.1)
    first, second = sweep(site), sweep(site)
    wait_until(lambda: site.proxy.writes >= 3, LONG, lambda: "no sweep wrote anything")
    for pid in [first.pid, *children_of([first.pid])]:  # a lane leads a process group of its own
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(pid), signal.SIGKILL)
    first.wait(LONG)
    second.wait(LONG)
    left = pending(site)
    swept(site)
    return f"one killed, {left}, none after a sweep"


@fault("SFTPGo restarted: its hooks and their workers killed")
def hooks_killed(site: Site) -> str:
    chance = random.Random(4)
    for uploads in rounds(4, chance):
        site.put(*uploads)
        seen = site.proxy.writes
        hook = start_hook(site, SFTPGO_ACTION="upload")
        hook.wait(LONG)
        wait_until(lambda s=seen: site.proxy.writes > s, LONG, lambda: "no worker began to write")
        kill_workers(site)
    left = pending(site)
    swept(site)
    return f"4 times, {left}, none after a sweep"


def start_hook(site: Site, *arguments: str, **changes: str) -> subprocess.Popen:
    """The hook as SFTPGo starts it: nothing in the environment but its variables and the settings."""
    program = site.folder / "on-upload.sh"
    if not program.exists():
        lay_out_program(site)
    return subprocess.Popen(
        [program, *arguments], env={**site.environment(), **changes}, cwd="/", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def lay_out_program(site: Site) -> None:
    """The program beside the site: the hook, which looks for the rest where it lies, and links, but no playbook."""
    shutil.copy(PROJECT / "on-upload.sh", site.folder)
    for name in ("tsv_parser.py", "powerview"):
        (site.folder / name).symlink_to(PROJECT / name)
    (site.folder / ".venv").symlink_to(sys.prefix)


def sweep(site: Site) -> subprocess.Popen:
    """`on-upload.sh sweep`, as the timer starts it."""
    return start_hook(site, "sweep")


def swept(site: Site, timeout: float = LONG) -> None:
    """A sweep to its end, after which nothing is pending. 78: there is no playbook for the provision lane here."""
    site.proxy.heal()
    status = site.end(sweep(site), timeout).status
    assert status == 78, status
    pending(site, most=0)


def kill_workers(site: Site) -> None:
    """Kill until none is left: one may be starting the next at this very moment."""
    while pids := workers_of(site) or workers_of(site):  # what one list lacks was started by what is in it
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def workers_of(site: Site) -> list[int]:
    """The processes whose environment names this site."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(site.state) in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


# limits and disks


@fault("out of memory under a limit")
def out_of_memory(site: Site) -> str:
    # -2: OpenBLAS, which numpy loads, ends its process by SIGINT when it gets no memory for its threads.
    site.put(*trees.fleet(loggers=2), trees.bulky(rows=3000))
    ends = [site.parse(limits={resource.RLIMIT_AS: size << 20}).status for size in (40, 150, 250, 350, 500)]
    return f"status {', '.join(map(str, ends))} with 40, 150, 250, 350, 500 MB, {pending(site)}"


@fault("no file descriptors left")
def out_of_descriptors(site: Site) -> str:
    site.put(*trees.fleet())
    ends = [site.parse(limits={resource.RLIMIT_NOFILE: most}).status for most in (5, 10, 14, 18)]
    return f"status {', '.join(map(str, ends))} with 5, 10, 14, 18, {pending(site)}"


@fault("full disk under the tree", quick=True)
def tree_full(site: Site) -> str:
    return on_full_disk(site, site.data)


@fault("full disk under the log folder", quick=True)
def log_full(site: Site) -> str:
    return on_full_disk(site, site.logs)


@fault("full disk under the state folder", quick=True)
def state_full(site: Site) -> str:
    return on_full_disk(site, site.state)


def on_full_disk(site: Site, folder: Path) -> str:
    """Run while `folder` has no room for one more byte or name; room is made afterwards."""
    with small_disk(folder) as kind:
        site.put(*trees.fleet(), *trees.unreadable())
        with filled(folder, kind):
            limits = {} if kind == "tmpfs" else {resource.RLIMIT_FSIZE: 0}
            ended = expect(site.parse(limits=limits), 0, 1, 75, 78)
        what = f"{kind}, status {ended.status}, {pending(site)}"
        site.clean_run()
        carried = site.folder / "carried"
        shutil.copytree(folder, carried, symlinks=True)
    shutil.copytree(carried, folder, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(carried)
    return what


@contextmanager
def small_disk(folder: Path, size: str = "size=4m,nr_inodes=200") -> Iterator[str]:
    """A disk of 4 MB and 200 names on `folder` where mounting is allowed; else a limit on file sizes must do."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True).returncode == 0
    try:
        yield "tmpfs" if mounted else "no file may grow"
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)


@contextmanager
def filled(folder: Path, kind: str) -> Iterator[None]:
    """Take all room and all names of a small disk."""
    if kind == "tmpfs":
        filler = folder / ".filler"
        filler.mkdir()
        until_full(lambda n: (filler / str(n)).touch())
        with open(filler / "0", "wb", buffering=0) as file:
            until_full(lambda n: file.write(b"\0" * (4096 if n < 5000 else 1)))
    try:
        yield
    finally:
        shutil.rmtree(folder / ".filler", ignore_errors=True)


def until_full(act: Callable[[int], object]) -> None:
    """Repeat until there is no room."""
    for number in range(10_000):
        try:
            act(number)
        except OSError:
            return
    raise AssertionError("the disk does not get full")


@fault("read-only tree: not ours to write")
def tree_of_others(site: Site) -> str:
    site.put(*trees.fleet(), *trees.unreadable())
    folders = [site.data, *(p for p in site.data.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    ended = expect(site.parse(before=as_owner()), 1)
    for folder in folders:
        folder.chmod(0o755)
    return f"status {ended.status}, {pending(site)}"


@fault("read-only tree: mounted so")
def tree_mounted_read_only(site: Site) -> str:
    site.put(*trees.fleet(), *trees.unreadable())
    bound = subprocess.run(["mount", "--bind", site.data, site.data], capture_output=True).returncode == 0
    if not bound:
        return "mounting is not allowed here: " + tree_of_others(site)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", site.data], check=True, capture_output=True)
        ended = expect(site.parse(), 1)
        return f"status {ended.status}, {pending(site)}"
    finally:
        subprocess.run(["umount", site.data], check=True)


@fault("a worker hangs on a silent server while another waits")
def one_hangs(site: Site) -> str:
    site.put(*trees.fleet(loggers=2))
    site.proxy.plan = proxy.writes_only(proxy.stay_silent, range(1, 2))
    first = site.start()
    wait_until(lambda: site.proxy.writes >= 1, LONG, lambda: "the first parser wrote nothing")
    second = site.start()
    logged = in_background(lambda: first.send_signal(signal.SIGTERM) if second.stderr.readline() else None)
    logged.join(LONG)
    ends = [site.end(first).status, site.end(second).status]
    assert ends[1] == 0, ends
    return f"the first ended by SIGTERM ({ends[0]}), the second then did the work, {pending(site)}"
