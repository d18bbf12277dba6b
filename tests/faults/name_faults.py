"""Names that SFTP lets through and that somebody chose with care."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from faults import trees
from faults.catalog import expect, fault, pending
from faults.site import Site
from faults.truth import Upload

START = datetime(2026, 2, 1, 3, 20)


def bait(site: Site) -> Path:
    """A file that exists only if a name was run."""
    return site.folder / "ran"


def odd_names(site: Site) -> dict[str, str]:
    """What is odd → a name that has it; those that would run something make the `bait`."""
    touch = f"touch {bait(site).name}"  # a name cannot hold a slash; the parser runs in the bait's folder
    return {
        "newline": "a\n2026-01-01 00:00:00+00:00 OK      forged",
        "newline at its end": "company1\n",
        "quotes": "a'b\"c",
        "template": "{{ lookup('pipe','id') }}",
        "$( )": f"$({touch})",
        "backticks": f"`{touch}`",
        "semicolon": f"a;{touch};",
        "leading dash": "-rf",
        "leading dash, an option": "--again",
        "blanks": " a b ",
        "escape": "a\x1b[2Jb\x07",
        "no UTF-8": "a\udcffb\udcfe",
        "backslash": "a\\",
        "percent": "%s%n%00",
        "flux": 'x") |> drop(columns: ["a"])',
        "line protocol": "m,tag=x value=1 1",
        "dots": "...",
        "wide": "公司",
    }


@fault("in the names of clients, campaigns, devices", quick=True)
def odd_folders(site: Site) -> str:
    site.put(*trees.fleet(loggers=1))
    refused = list(refused_uploads(site))
    site.put(*refused)
    expect(site.parse(), 1)
    expect(site.parse(), 1)
    check_log(site, refusals=len(refused))
    return f"{len(refused)} refused, each reported once; nothing ran, no bucket was made"


def refused_uploads(site: Site) -> Iterator[Upload]:
    """One upload for each odd name in each place, and for each name that belongs to somebody else."""
    good = Upload("company1", "campaign1", "02001000", "T302_260202_031700.tsv", one_file(1))
    for name in [*odd_names(site).values(), "a" * 65, "a" * 255]:
        for place in ("client", "campaign", "device"):
            yield replace(good, **{place: name})
    for client in ("admin", "Admin", "ADMIN", "powerview", "PowerView"):
        yield replace(good, client=client)
    for measurement in ("powerview_events", "powerview_totals", "powerview_channels"):
        yield replace(good, campaign=measurement)
    for taken in ("parsed", "error"):
        yield replace(good, campaign=taken)


def one_file(mark: int) -> bytes:
    """A small file."""
    return trees.v002(trees.stretch(START, 3, mark), *trees.columns("02001000"))


def check_log(site: Site, refusals: int) -> None:
    """No line is forged or broken, each refusal stands there once, and no name was run."""
    assert not bait(site).exists(), "a name was run"
    for line in site.log():
        assert line.isprintable(), repr(line)
        assert re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2} .{14} [A-Z]+ ", line), f"no line of ours: {line!r}"
        assert "forged" not in line or "\\n" in line, f"a forged line: {line!r}"
    logged = sum(line[26:34].strip() == "REFUSED" for line in site.log())
    assert logged == refusals, f"{logged} lines about {refusals} refused files"


@fault("in the names of files", quick=True)
def odd_files(site: Site) -> str:
    for number, name in enumerate(odd_names(site).values()):
        if name.startswith("."):
            continue  # SFTPGo's unfinished uploads are called so, and left alone
        site.put(Upload("company0", "campaign0", f"0200{number:04d}", f"{name}.tsv", one_file(number)))
    expect(site.parse(), 0)
    check_log(site, refusals=0)
    return f"{len(site.uploads)} names, {pending(site)}; nothing ran"


@fault("255 bytes long, and coming again")
def longest_names(site: Site) -> str:
    names = ["a" * 251 + ".tsv", "é" * 125 + ".tsv", "\udcff" * 251 + ".tsv"]
    sent = []
    for device, name in enumerate(names):
        for mark, data in enumerate([one_file(device), one_file(10 + device), b"no logger file\n", b"no more\n"]):
            upload = Upload("company0", "campaign0", f"0200{device:04d}", name, data)
            site.put(upload)
            expect(site.parse(), 0, 1)
            # what came again was named anew, so that it sorts behind the first
            sent.append(replace(upload, name=f"{device}.{mark}.tsv"))
    site.uploads[:] = sent
    settled = [os.fsencode(p.name) for p in site.data.rglob("*.tsv*")]
    assert max(map(len, settled)) <= 255
    return f"{len(sent)} files of 3 names, all settled beside each other"


@fault("that differ only by case")
def case_differences(site: Site) -> str:
    for mark, (client, campaign, name) in enumerate([
        ("Company0", "campaign0", "X.tsv"), ("company0", "Campaign0", "X.tsv"), ("COMPANY0", "campaign0", "x.tsv"),
        ("company0", "campaign0", "x.tsv"), ("company0", "campaign0", "y.tsv"),
    ]):  # fmt: skip
        site.put(Upload(client, campaign, "02001000", name, one_file(mark)))
    expect(site.parse(), 0)
    return "3 clients, 2 campaigns of one"
