"""From the items of many sweeps to problems: when one began, whom it was reported to, when it was over.

No problem is made of a server's restart: what a restart can cause counts when two sweeps in a row have seen it, its end
too. A problem that follows from another one is not reported beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from powerview.monitoring.item import BAD, GOOD, Item
from powerview.monitoring.loggers import FORGOTTEN_DAYS
from powerview.monitoring.loggers import NAME as SILENT_LOGGERS
from powerview.seconds import A_DAY

CONFIRMED_AFTER = 240
"""Seconds between two sweeps, with some tolerance."""
ONE_AFTER_ANOTHER = 1000
"""Seconds after which two sweeps did not see the same short trouble."""
AGAIN_AFTER = A_DAY
"""A problem that lasts is reported again after this many seconds."""
UNSEEN = 7 * A_DAY
"""A problem of which nothing was found out for so long is forgotten: it is not looked at any more."""

SERVERS = frozenset({"InfluxDB", "organisation", "token", "Grafana", "Grafana's login", "Master", "Loggers"})
TRANSIENT = SERVERS | {
    "Grafana reads InfluxDB", "timer", "sftpgo.service", "caddy.service", "powerview-sweep.service", "disk",
    "ingest lane", "provision lane",
}  # fmt: skip
CAUSES: dict[str, frozenset[str]] = {
    "Grafana reads InfluxDB": frozenset({"InfluxDB"}),
    "ingest lane": frozenset({"InfluxDB", "organisation", "token", "disk"}),  # a full disk keeps no status either
    "provision lane": SERVERS - {"Loggers"} | {"disk"},
    "pending files": frozenset({"InfluxDB", "organisation", "token", "ingest lane"}),
    "last upload": frozenset({SILENT_LOGGERS}),
}
"""What each item follows from, if one of these is bad as well."""


@dataclass
class Problem:
    """Something that was found bad. Times are UTC seconds; `text` has what to do behind `found`.

    `since`, `last`: when it was first and last seen; `checked`: when it was last looked at; `ended`: when it was first
    seen to be over. `sent` has when each recipient was sent it last, `done` who need not hear of it any more. `hours`:
    of a silent logger, since its last arrival.
    """

    name: str
    subject: str
    found: str
    text: str
    since: float
    last: float
    checked: float
    ended: float | None = None
    sent: dict[str, float] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    hours: float = 0

    @property
    def confirmed(self) -> bool:
        """Whether it is no passing effect of a restart."""
        return self.name not in TRANSIENT or self.last - self.since >= CONFIRMED_AFTER

    @property
    def over(self) -> bool:
        """Whether its end is no passing effect either."""
        if self.ended is None:
            return False
        return self.name not in TRANSIENT or self.checked - self.ended >= CONFIRMED_AFTER


Problems = dict[str, Problem]


class News(StrEnum):
    """What there is to report of a problem; PASSED: it was over before it could be reported."""

    NEW = "new"
    STILL = "still"
    OVER = "over"
    PASSED = "passed"


def update(problems: Problems, items: Iterable[Item], now: float, language: str) -> None:
    """Bring the problems up to date with what a sweep has found."""
    items = _without_consequences(items)
    bad = {f"{item.name}\0{item.subject}": item for item in items if item.state == BAD}
    looked_at = {item.name for item in items if item.state in (BAD, GOOD)}
    looked_at -= {item.name for item in items if item.state not in (BAD, GOOD)}
    for key, item in bad.items():
        known = problems.get(key)
        if known is None or known.over or not known.confirmed and now - known.checked > ONE_AFTER_ANOTHER:
            known = problems[key] = Problem(item.name, item.subject, "", "", now, now, now)
        known.last, known.checked, known.ended = now, now, None
        known.found, known.text = item.what(language), item.text(language)
        known.hours = float(item.values.get("hours", 0))
    for key, problem in list(problems.items()):
        if key not in bad and problem.name in looked_at:
            problem.checked = now
            problem.ended = problem.ended or now
            if not problem.confirmed or _forgotten(problem, now):
                del problems[key]
        elif now - problem.checked > UNSEEN:
            del problems[key]


def _without_consequences(items: Iterable[Item]) -> list[Item]:
    items = list(items)
    bad = {item.name for item in items if item.state == BAD}
    return [item for item in items if not bad & CAUSES.get(item.name, frozenset())]


def correct_times(problems: Problems, now: float) -> None:
    """Let no problem be of later than now: this machine's clock may have been ahead for a while."""
    for problem in problems.values():
        problem.since, problem.last, problem.checked = (
            min(time, now) for time in (problem.since, problem.last, problem.checked)
        )
        problem.sent = {recipient: min(time, now) for recipient, time in problem.sent.items()}
        problem.ended = None if problem.ended is None else min(problem.ended, now)


def _forgotten(problem: Problem, now: float) -> bool:
    # A logger that is not looked at any more delivers no more than before. Its age is known to the hour.
    silent = problem.hours * 3600 + now - problem.last
    return problem.name == SILENT_LOGGERS and silent >= FORGOTTEN_DAYS * A_DAY - 3600


def due(problems: Problems, recipient: str, now: float) -> list[tuple[News, Problem]]:
    """What this recipient should be sent now."""
    news = []
    for problem in problems.values():
        if recipient in problem.done:
            continue
        sent = problem.sent.get(recipient)
        if problem.over:
            news.append((News.PASSED if sent is None else News.OVER, problem))
        elif problem.confirmed and sent is None:
            news.append((News.NEW, problem))
        elif sent is not None and now - sent >= AGAIN_AFTER and problem.last == now:
            news.append((News.STILL, problem))
    return news


def delivered(news: Iterable[tuple[News, Problem]], recipient: str, now: float) -> None:
    """Note that this recipient has been sent these."""
    for kind, problem in news:
        if kind in (News.OVER, News.PASSED):
            problem.done.append(recipient)
        else:
            problem.sent[recipient] = now


def forget(problems: Problems, recipients: Iterable[str]) -> None:
    """Forget the problems that are over and of which no recipient is left to be sent anything."""
    everybody = set(recipients)
    for key, problem in list(problems.items()):
        if problem.over and everybody <= set(problem.done):
            del problems[key]


def lasting(problems: Problems) -> list[Problem]:
    """Those that are there now, the oldest first."""
    return sorted((p for p in problems.values() if p.confirmed and not p.over), key=lambda p: p.since)
