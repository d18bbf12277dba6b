"""Files that change while they are read, come again, are cut, damaged, or are no files at all."""

from __future__ import annotations

import os
import random
import resource
import stat
import subprocess
import threading
import time
from dataclasses import replace
from datetime import datetime
from itertools import permutations
from pathlib import Path

from waiting import LONG, wait_until

from faults import proxy, trees
from faults.catalog import expect, fault, pending
from faults.process_faults import as_owner
from faults.site import Site, in_background
from faults.truth import Upload

START = datetime(2026, 2, 1, 3, 20)
ONE = Upload("company0", "campaign0", "02001000", "T302_260202_031700.tsv", b"")
MOST_BYTES = 1_000_000_000
MOST_ROWS = 5_000_000
LONGEST_RUN = 120
"""Seconds of the processor that any hostile file may cost."""


def day(mark: int, rows: int = 40) -> bytes:
    """A file that begins at START; `mark` is in its values."""
    return trees.v002(trees.stretch(START, rows, mark), *trees.columns(ONE.device))


def at_first_write(site: Site, act) -> None:
    """Run, and do `act` in the background when the first body arrives: the file was read and is not yet moved."""
    acting, begun = [], threading.Event()

    def begin() -> None:
        begun.set()
        act()

    def plan(request: proxy.Request) -> None:
        answer = request.ask()
        if request.number == 1:
            acting.append(in_background(begin))
            begun.wait(LONG)
            request.proxy.closing.wait(0.2)  # the file changes before the parser hears that it is stored
        request.answer(*answer)

    site.proxy.plan = plan
    expect(site.parse(), 0, 1)
    for thread in acting:
        thread.join(LONG)
    assert acting, "the parser wrote nothing"


def write_to(site: Site, data: bytes, mode: str) -> str:
    """Write to the file of ONE where it arrives, as SFTPGo does in upload mode 0; says if it was gone by then."""
    try:
        with open(site.path(ONE), mode) as file:
            file.write(data)
        return "in time"
    except FileNotFoundError:
        return "too late, moved already"


# changing


@fault("growing while runs come and go", quick=True)
def growing(site: Site) -> str:
    data = day(1)
    path = site.path(ONE)
    path.parent.mkdir(parents=True)
    with open(path, "wb", buffering=0) as file:
        for i in range(0, len(data), len(data) // 3):
            file.write(data[i : i + len(data) // 3])
            expect(site.parse(), 0)
            assert path.exists(), "the file was taken while it was being written"
    site.uploads.append(replace(ONE, data=data))
    return "4 runs left it alone"


@fault("growing after it was read, before it is moved", quick=True)
def grown_late(site: Site) -> str:
    whole = day(1)
    site.put(replace(ONE, data=whole[: len(whole) // 2]))
    at_first_write(site, lambda: write_to(site, whole[len(whole) // 2 :], "ab"))
    return settle_versions(site, [whole[: len(whole) // 2], whole])


@fault("replaced while it was read", quick=True)
def replaced(site: Site) -> str:
    site.put(replace(ONE, data=day(1)))
    newer = site.path(ONE).with_name(".sftpgo-upload.newer")
    newer.write_bytes(day(2, rows=50))
    at_first_write(site, lambda: newer.rename(site.path(ONE)))
    return settle_versions(site, [day(1), day(2, rows=50)])


@fault("truncated while it was read, then sent again")
def truncated(site: Site) -> str:
    site.put(replace(ONE, data=day(1)))
    at_first_write(site, lambda: write_to(site, b"", "wb"))
    site.uploads.clear()
    for lying in site.data.rglob("*.tsv"):
        if lying.stat().st_size == 0 and lying.parent.name != "error":
            lying.unlink()  # as the logger's next try would
    site.put(*(replace(ONE, data=day(1)),) if not list(site.data.rglob("parsed/*.tsv")) else ())
    return settle_versions(site, [day(1)])


def settle_versions(site: Site, versions: list[bytes]) -> str:
    """The versions of ONE that still exist are the uploads; the last of them is what must stand."""
    contents = [path.read_bytes() for path in site.data.rglob("*.tsv")]
    assert versions[-1] in contents, "the last version is gone"
    for content in contents:
        assert content in versions, f"{len(content)} bytes that nobody sent"
    site.uploads[:] = [replace(ONE, data=version) for version in versions if version in contents]
    return f"{len(contents)} of {len(versions)} versions on the disk, {pending(site)}"


@fault("appended after it was parsed")
def appended(site: Site) -> str:
    whole = day(1)
    site.put(replace(ONE, data=whole[: whole.index(b"\n", 900) + 1]))
    expect(site.parse(), 0)
    tail = whole[whole.index(b"\n", 900) + 1 :]  # FTP's APPE: a new file without a header
    site.put(replace(ONE, data=tail))
    expect(site.parse(), 1)
    site.put(replace(ONE, data=whole))
    return "the rest, which has no header, in error/ with its reason; the whole file, sent again, beside the first"


@fault("a parsed file appended to, then --again")
def appended_in_parsed(site: Site) -> str:
    whole = day(1)
    half = whole[: whole.index(b"\n", 900) + 1]
    site.put(replace(ONE, data=half))
    expect(site.parse(), 0)
    with open(site.path(ONE).parent / "parsed" / ONE.name, "ab") as file:
        file.write(whole[len(half) :])
    site.uploads[:] = [replace(ONE, data=whole)]
    expect(site.parse("--again"), 0)
    return "--again brought the rest"


@fault("sent again under the same name, and another", quick=True)
def sent_again(site: Site) -> str:
    for mark, name in ((1, ONE.name), (2, ONE.name), (3, ONE.name), (4, "T302_260203_031700.tsv")):
        site.put(replace(ONE, name=name, data=day(mark, rows=40 - mark)))
        expect(site.parse(), 0)
    names = sorted(p.name for p in site.data.rglob("parsed/*"))
    assert names == ["T302_260202_031700.1.tsv", "T302_260202_031700.2.tsv", ONE.name, "T302_260203_031700.tsv"], names
    site.uploads[:] = [replace(u, name=n) for u, n in zip(site.uploads, [ONE.name, *names[:2], names[3]], strict=True)]
    return "4 files, the later one counts each time"


@fault("files of one logger arriving in every order")
def any_order(site: Site) -> str:
    orders = list(permutations(range(4)))
    for wave in range(4):
        for number, order in enumerate(orders):
            upload = trees.fleet(loggers=1, seed=number)[order[wave]]
            site.put(replace(upload, campaign=f"order{number}"))
        expect(site.parse(), 0)
    return "24 orders, 4 runs"


@fault("moved away while it was read", quick=True)
def moved_away(site: Site) -> str:
    site.put(*trees.fleet())
    first, last = sorted(site.uploads, key=lambda u: u.name)[:: len(site.uploads) - 1]
    away = site.folder / "away"
    away.mkdir()

    def act() -> None:
        for upload in (first, last):
            if site.path(upload).exists():
                site.path(upload).rename(away / upload.name)

    at_first_write(site, act)
    moved = [upload for upload in (first, last) if (away / upload.name).exists()]
    assert moved, "nothing was moved away"
    for upload in moved:
        (away / upload.name).rename(site.path(upload))
    return f"{len(moved)} moved away and back"


@fault("made unreadable", quick=True)
def unreadable(site: Site) -> str:
    site.put(*trees.fleet(loggers=2))
    hidden = site.path(site.uploads[3])
    hidden.chmod(0)
    folder = site.path(site.uploads[4]).parent
    folder.chmod(0)
    ended = expect(site.parse(before=as_owner()), 1)
    folder.chmod(0o755)
    what = f"status {ended.status}, {pending(site)}"
    hidden.chmod(0o644)
    return what


# no regular files


@fault("symlinks, to a file and to folders", quick=True)
def symlinks(site: Site) -> str:
    secret = site.folder / "secret.tsv"
    secret.write_bytes(day(9))
    elsewhere = site.folder / "elsewhere" / "02001000"
    elsewhere.mkdir(parents=True)
    (elsewhere / ONE.name).write_bytes(day(8))
    site.put(*trees.fleet(loggers=2))
    device = site.path(site.uploads[0]).parent
    links = {
        device / "link.tsv": secret,
        device.parent / "02009998": elsewhere,
        site.data / "company9": elsewhere.parent,
    }
    for link, target in links.items():
        link.symlink_to(target)
    (device / "error").symlink_to(elsewhere)
    site.put(replace(site.uploads[0], name="T302_260909_031700.tsv", data=b""))  # would go through error/
    expect(site.parse(), 1)
    assert sorted(p.name for p in elsewhere.iterdir()) == [ONE.name], "something went through a symlink"
    assert all(link.is_symlink() for link in links)
    (device / "error").unlink()
    return "none followed; the one file that waited because error/ was a link, settled once it is a folder"


@fault("hard links")
def hard_link(site: Site) -> str:
    site.put(replace(ONE, data=day(1)))
    other = replace(ONE, device="02001001", data=day(1))
    site.path(other).parent.mkdir(parents=True)
    os.link(site.path(ONE), site.path(other))
    site.uploads.append(other)
    return "both names settled"


@fault("FIFO, device, folder, socket named .tsv", quick=True)
def special_files(site: Site) -> str:
    site.put(*trees.fleet(loggers=2))
    device = site.path(site.uploads[0]).parent
    os.mkfifo(device / "fifo.tsv")
    (device / "folder.tsv").mkdir()
    special = ["fifo.tsv", "folder.tsv"]
    if os.getuid() == 0:
        os.mknod(device / "zeros.tsv", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        special.append("zeros.tsv")
    expect(site.parse(), 0, 1)
    assert all((device / name).exists() for name in special)
    return f"{', '.join(special)} left alone"


@fault("dot files, PARSED_ files, files at another depth")
def left_alone(site: Site) -> str:
    site.put(*trees.fleet(loggers=2))
    device = site.path(site.uploads[0]).parent
    alone = [device / ".sftpgo-upload.x.T302.tsv", device / "PARSED_T302_250101_031700.tsv", device / ".hidden.tsv"]
    wrong = [site.data / "top.tsv", device.parent / "between.tsv", device / "deeper" / "deep.tsv"]
    wrong[-1].parent.mkdir()
    for path in alone + wrong:
        path.write_bytes(day(7))
    expect(site.parse(), 1)
    expect(site.parse(), 1)
    logged = [sum(f"/{path.name}" in line or f" {path.name}" in line for line in site.log()) for path in wrong]
    assert logged == [1, 1, 1], f"logged {logged} times"
    for path in alone + wrong:
        path.unlink()
    return "left where they are, those at another depth reported once"


@fault("sparse and huge")
def huge(site: Site) -> str:
    site.put(*trees.fleet(loggers=2))
    sizes = [MOST_BYTES, MOST_BYTES, MOST_BYTES, MOST_BYTES + 1]
    for number, (size, head) in enumerate(zip(sizes, [b"", day(1), day(1)[:-1], day(1)], strict=True)):
        upload = replace(ONE, name=f"T302_26020{number + 4}_031700.tsv")
        path = site.path(upload)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head)
        os.truncate(path, size)
    began = time.monotonic()
    process = site.start(limits={resource.RLIMIT_CPU: LONGEST_RUN})
    peak = watch_memory(process)
    expect(site.end(process), 1)
    took = time.monotonic() - began
    assert peak < 300, f"{peak} MB"
    for path in site.data.rglob("*.tsv"):
        size = path.stat().st_size
        if size > MOST_BYTES:
            note = Path(f"{path}.reason.txt")
            assert path.parent.name == "error"
            assert "must not keep all others waiting" in note.read_text()
            path.unlink()  # as an admin does who has split it
            note.unlink()
            sizes.remove(size)
        elif size == MOST_BYTES:
            with open(path, "rb") as file:
                head = file.read(len(day(1))).rstrip(b"\0")
            os.truncate(path, len(head))
            site.uploads.append(replace(ONE, data=head))
    assert len(sizes) == 3, "the file beyond bounds was taken"
    return f"3 x 1 GB in {took:.0f} s and {peak} MB; one of a byte more in error/ with the reason"


@fault("millions of short rows")
def short_rows(site: Site) -> str:
    site.put(*trees.fleet(loggers=2))
    head = b"02001000\t02001000\nMV_T302_V002\tPh 1 V\n"
    stamp = b"01/02/26 03:20:00"
    bodies = [b"\n", b"1\n", stamp + b"\t0\n", stamp + b"\t1.5\n"]
    for number, body in enumerate(bodies):
        path = site.path(replace(ONE, name=f"T302_26020{number + 4}_031700.tsv"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + body * (MOST_ROWS + 1))
    began = time.monotonic()
    process = site.start(limits={resource.RLIMIT_CPU: LONGEST_RUN})
    peak = watch_memory(process)
    expect(site.end(process), 1)
    took = time.monotonic() - began
    assert peak < 300, f"{peak} MB"
    notes = [Path(f"{path}.reason.txt") for path in site.data.rglob("error/T302_26020?_031700.tsv")]
    assert len(notes) == len(bodies)
    for note in notes:
        assert f"the file has more than {MOST_ROWS} rows" in note.read_text()
        note.unlink()  # as an admin does who has split it
        note.with_name(note.name.removesuffix(".reason.txt")).unlink()
    return f"{len(bodies)} x 5 million in {took:.0f} s and {peak} MB, in error/ with the reason"


def watch_memory(process: subprocess.Popen) -> int:
    """The most memory that a process had until it ended, in MB (VmHWM of proc(5))."""
    peak = [0]

    def ended() -> bool:
        try:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    peak[0] = max(peak[0], int(line.split()[1]) // 1024)
        except OSError:
            return True
        return process.poll() is not None

    wait_until(ended, LONG, lambda: "the parser does not end")
    return peak[0]


@fault("a line of 200 MB")
def long_line(site: Site) -> str:
    lines = day(1).split(b"\n")
    long = b"\n".join([*lines[:20], b"01/02/26 06:20:00\t" + b"1" * (200 << 20), *lines[20:]])
    site.put(replace(ONE, data=long))
    process = site.start(limits={resource.RLIMIT_AS: 1 << 30})
    peak = watch_memory(process)
    expect(site.end(process), 0)
    assert peak < 300, f"{peak} MB"
    return f"left out, the rows around it stored, {peak} MB"


# torn and damaged


@fault("the samples, torn ones included", quick=True)
def real_files(site: Site) -> str:
    site.put(*trees.sample_uploads())
    ended = expect(site.parse(), 1)
    return f"status {ended.status}: one is empty, one has header rows only"


@fault("every kind of torn tail of the samples")
def torn_tails(site: Site) -> str:
    chance = random.Random(6)
    whole = [u for u in trees.sample_uploads() if 500 < len(u.data) < 30_000]
    for number in range(120):
        upload = whole[number % len(whole)]
        end = len(upload.data) - number // len(whole) if number < 60 else chance.randrange(len(upload.data))
        site.put(replace(upload, client="torn", campaign=f"cut{number}", data=upload.data[:end]))
    expect(site.parse(), 0, 1)
    return f"120 cuts, {pending(site)}"


@fault("bit flips, lines doubled and moved")
def bit_flips(site: Site) -> str:
    chance = random.Random(7)
    whole = [u for u in trees.sample_uploads() if 500 < len(u.data) < 30_000]
    for number in range(120):
        upload = chance.choice(whole)
        site.put(replace(upload, client="damaged", campaign=f"file{number}", data=trees.damaged(upload.data, chance)))
    expect(site.parse(), 0, 1)
    return f"120 files, {pending(site)}"


@fault("junk: random bytes, UTF-16, NULs, another program's text", quick=True)
def junk(site: Site) -> str:
    chance = random.Random(8)
    contents = [chance.randbytes(5000), day(1).decode().encode("utf-16"), b"\0" * 5000, b"a,b,c\n1,2,3\n", b"\n" * 999]
    for number, data in enumerate(contents):
        site.put(replace(ONE, name=f"T302_26021{number}_031700.tsv", data=data))
    site.put(replace(ONE, data=day(1)))
    expect(site.parse(), 1)
    reasons = [p.read_text() for p in sorted(site.data.rglob("error/*.reason.txt"))]
    assert len(reasons) == len(contents), reasons
    return f"{len(reasons)} files in error/, each with its reason"
