"""One message for all that a sweep has to report, in the admin's language."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from powerview.monitoring.item import name_in
from powerview.monitoring.problems import News, Problem
from powerview.monitoring.texts import MESSAGE, render
from powerview.seconds import A_DAY

FIRST_FEW = 3
"""How many problems of one name are written out."""
LONGEST = 1800
"""Characters of a message: some services refuse more than 2 000."""
FIRST_LINES = 10
HEADINGS = {News.NEW: "new", News.STILL: "still", News.OVER: "over", News.PASSED: "over"}
ORDER = tuple(dict.fromkeys(HEADINGS.values()))


def message(news: list[tuple[News, Problem]], language: str, now: float) -> tuple[str, str]:
    """The title and the text."""
    counts = Counter(HEADINGS[kind] for kind, _ in news)
    parts = [_text(f"count_{heading}", language, count=counts[heading]) for heading in ORDER if counts[heading]]
    title = _text("title", language, host=socket.gethostname(), parts=", ".join(parts))
    return title, "\n".join(_cut(list(_lines(news, language, now)), language))


def trial_message(language: str) -> tuple[str, str]:
    """The title and the text of a test."""
    return _text("test_title", language, host=socket.gethostname()), _text("test", language)


def first_lines(problems: list[Problem]) -> str:
    """The first lines of what is wrong, for the ping."""
    return "\n".join(problem.text for problem in problems[:FIRST_LINES])[:LONGEST]


def _lines(news: list[tuple[News, Problem]], language: str, now: float) -> Iterator[str]:
    for heading in ORDER:
        of_heading = [(kind, problem) for kind, problem in news if HEADINGS[kind] == heading]
        if not of_heading:
            continue
        yield _text(heading, language)
        names = Counter(problem.name for _, problem in of_heading)
        for name, count in names.items():
            of_name = [(kind, problem) for kind, problem in of_heading if problem.name == name]
            for kind, problem in of_name[:FIRST_FEW]:
                yield f"- {_line(kind, problem, language, now)}"
            if count > FIRST_FEW:
                yield f"- {_text('more', language, count=count - FIRST_FEW, name=name_in(language, name))}"


def _line(kind: News, problem: Problem, language: str, now: float) -> str:
    since = f"{datetime.fromtimestamp(problem.since):%Y-%m-%d %H:%M}"
    if kind == News.NEW:
        return problem.text
    if kind == News.STILL:
        return problem.text + _text("since", language, time=since)
    duration = _duration((problem.ended or now) - problem.since, language)
    ended = _text("ended" if kind == News.OVER else "passed", language, time=since, duration=duration)
    return problem.found + ended  # printable as it is


def _duration(seconds: float, language: str) -> str:
    for unit, size, least in (("days", A_DAY, 2), ("hours", 3600, 2)):
        if seconds >= least * size:
            return _text(unit, language, count=seconds / size)
    return _text("minutes", language, count=seconds / 60)


def _cut(lines: list[str], language: str) -> Iterator[str]:
    length = 0
    for number, line in enumerate(lines):
        length += len(line) + 1
        if length > LONGEST and number:
            yield _text("more_lines", language, count=len(lines) - number)
            return
        yield line


def _text(key: str, language: str, **values: object) -> str:
    return render(MESSAGE[key], language, **values)
