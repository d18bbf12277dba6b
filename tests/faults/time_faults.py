"""Clocks: the server's, the logger's, and the two nights of the year on which local time jumps."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from faults import trees
from faults.catalog import expect, fault, pending
from faults.site import Site
from faults.truth import Upload

ONE = Upload("company0", "campaign0", "02001000", "T302_260202_031700.tsv", b"")


@fault("the server's clock is set back by a month", quick=True)
def clock_set_back(site: Site) -> str:
    # Seen from the server: what it did last lies in its future. Its own trace of that is moved there.
    site.put(*trees.fleet(loggers=1))
    expect(site.parse(), 0)
    ahead = time.time() + 30 * 86_400
    for trace in [*site.state.rglob("*"), *site.logs.rglob("*")]:
        os.utime(trace, (ahead, ahead))
    recent = datetime.fromtimestamp(ahead, UTC).replace(tzinfo=None) - timedelta(hours=9)
    data = trees.v002(trees.stretch(recent.replace(microsecond=0), 40, 5), *trees.columns(ONE.device))
    site.put(replace(ONE, name=f"T302_{recent:%y%m%d_%H%M%S}.tsv", data=data))
    os.utime(site.path(site.uploads[-1]), (ahead, ahead))
    expect(site.parse(), 0)
    site.now = datetime.fromtimestamp(ahead, UTC)  # what the clock says once it is right again
    return f"{pending(site)}; readings of the real present were stored"


@fault("files whose modification times are in the future and the past")
def odd_file_times(site: Site) -> str:
    site.put(*trees.fleet(loggers=2))
    for number, upload in enumerate(site.uploads):
        moment = time.time() + (number - 4) * 10 * 86_400
        os.utime(site.path(upload), (moment, moment))
    os.utime(site.path(site.uploads[0]), (0, 0))
    expect(site.parse(), 0)
    return pending(site, most=0)


def both_nights(site: Site) -> str:
    """Files across every change of the zone's clock, whole, cut into two at any row, and sent again."""
    zone, files = ZoneInfo(site.zone), 0
    for night in trees.clock_changes(zone, 2025):
        rows = trees.local_stretch(night - timedelta(hours=4), 49, zone)
        for cut in (20, 24, 27):
            pieces = [rows[:cut], rows[cut:], rows] if cut == 20 else [rows[:cut], rows]
            for piece in pieces:
                files += 1
                name = f"T302_26{files // 28 + 1:02d}{files % 28 + 1:02d}_031700.tsv"
                data = trees.v002(piece, *trees.columns("02001000"))
                site.put(Upload("company0", f"{night:%B}-{cut}", "02001000", name, data))
    expect(site.parse(), 0)
    stored, _, _ = site.store()
    for night in trees.clock_changes(zone, 2025):
        stamps = {key[3] for key in stored if key[1] == f"{night:%B}-20"}
        assert len(stamps) == 49, f"{night}: {len(stamps)} of 49 instants, readings overwrote each other"
    return f"{files} files, all 49 instants of each night there"


for _zone in ("Europe/Paris", "America/New_York", "Australia/Lord_Howe"):
    fault(f"both nights of {_zone}", quick=_zone == "Europe/Paris", zone=_zone)(both_nights)


@fault("leap days and dates that do not exist")
def leap_days(site: Site) -> str:
    stamps = [
        "28/02/24",
        "29/02/24",
        "01/03/24",
        "28/02/25",
        "29/02/25",
        "30/02/24",
        "31/04/25",
        "00/01/25",
        "01/13/25",
    ]
    head = trees.v002([], *trees.columns("02001000", 1)).decode()
    body = "".join(f"{stamp} 12:00:00\t{i}.5\n" for i, stamp in enumerate(stamps))
    clock = "".join(f"02/03/24 {hour}\t1.5\n" for hour in ("24:00:00", "23:60:00", "23:59:60", "23:59:59", "3:00:00"))
    site.put(replace(ONE, data=(head + body + clock).encode()))
    expect(site.parse(), 0)
    return "5 real stamps stored, 9 impossible ones left out"


@fault("the logger's clock was not set", quick=True)
def unset_clock(site: Site) -> str:
    columns = trees.columns("02001000")
    dead = trees.stretch(datetime(2020, 1, 1, 1, 0), 5, 1)
    ahead = trees.stretch(datetime.now() + timedelta(days=40), 5, 2)
    right = trees.stretch(datetime(2026, 1, 5), 5, 3)
    marker = [(datetime(2020, 1, 1, 1, 0), ["0"] * 6)]
    trials = [dead + right, right + dead, dead, ahead + right, right[:2] + dead + right[2:], dead + marker + right]
    for number, rows in enumerate(trials):
        site.put(replace(ONE, campaign=f"trial{number}", data=trees.v002(rows, *columns)))
    expect(site.parse(), 0)
    return f"{len(trials)} files; an event where a reading follows"


@fault("V003 in UTC and in local time")
def v003_zones(site: Site) -> str:
    rows = trees.stretch(datetime(2025, 10, 26, 0, 0), 30, 4)
    whole = trees.v003(rows, *trees.columns("02001000"))
    local = whole.replace(b'"DataTimeSettings":"UTC"', b'"DataTimeSettings":"Local"')
    moon = local.replace(b"Europe/Paris", b"Moon/Tranquility")
    for number, data in enumerate([whole, local, moon, local.replace(b"Europe/Paris", b"Asia/Kathmandu")]):
        site.put(replace(ONE, campaign=f"trial{number}", data=data))
    expect(site.parse(), 1)
    return "UTC, Paris, Kathmandu stored; a zone on the moon in error/"
