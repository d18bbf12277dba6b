"""The list of faults, and how one of them is suffered: inject, run once more without it, judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from influx_server import InfluxServer

from faults.site import ZONE, Ended, Judgement, Site, new_site


@dataclass(frozen=True)
class Fault:
    """`inject` does the damage to a site and says in a few words what happened; `quick` ones run in `make test`."""

    group: str
    name: str
    inject: Callable[[Site], str]
    quick: bool
    zone: str


FAULTS: list[Fault] = []


def fault(name: str, *, quick: bool = False, zone: str = ZONE) -> Callable:
    """Put a function into the list of faults, under its module's group."""

    def put(inject: Callable[[Site], str]) -> Callable[[Site], str]:
        group = inject.__module__.rsplit(".", 1)[-1].removesuffix("_faults")
        FAULTS.append(Fault(group, name, inject, quick, zone))
        return inject

    return put


def suffer(one: Fault, server: InfluxServer) -> tuple[str, Judgement]:
    """One fault in a site of its own; returns what happened and what is left behind after a clean run."""
    with new_site(server, one.zone) as site:
        what = one.inject(site)
        site.clean_run()
        return what, site.judge()


def expect(ended: Ended, *statuses: int) -> Ended:
    """Fail if a parser ended otherwise, or showed a person a traceback."""
    assert ended.status in statuses, f"status {ended.status}, not {statuses}:\n{ended.err}{ended.out}"
    assert "Traceback" not in ended.err, ended.err
    return ended


def pending(site: Site, most: int | None = None) -> str:
    """`3 of 16 files pending`; fails when more than `most` are."""
    count = site.pending()
    assert most is None or count <= most, f"{count} files are pending, {most} were expected at most"
    return f"{count} of {len(site.uploads)} files pending"


def load_all() -> list[Fault]:
    """Every fault, in the order of the table."""
    from faults import (  # noqa: F401
        file_faults,
        name_faults,
        place_faults,
        process_faults,
        random_faults,
        server_faults,
        time_faults,
    )

    groups = ["server", "process", "file", "name", "place", "time", "random"]
    return sorted(FAULTS, key=lambda f: groups.index(f.group))
