"""One thing that was looked at: its name, its state, what was found and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from powerview.ingest.journal import printable
from powerview.monitoring.texts import ENGLISH, NAMED, NAMES, PROBLEMS, render

GOOD, BAD, UNKNOWN = "ok", "bad", "unknown"
SIGN = {GOOD: "✓", BAD: "✗", UNKNOWN: "–"}
MOST_SUBJECTS = 200
"""How many bad items of one name are listed; of the others only their number is known."""
T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """One thing that was looked at. `state`: ok, bad, or unknown where it cannot be found out; `remedy`: what to do.

    `subject` distinguishes items of one name: the file, the logger, the disk. A bad item has its texts in every
    language, by `key` and `values` (see texts.py).
    """

    name: str
    state: str
    found: str
    remedy: str = ""
    subject: str = ""
    key: str = ""
    values: Mapping[str, object] = field(default_factory=dict)

    def line(self) -> str:
        """The line for people at a terminal."""
        return f"{SIGN[self.state]} {self.name}: {sentences(self.found, self.remedy)}"

    def record(self) -> dict[str, str]:
        """What a program needs to know, as `check --json` prints it."""
        return {name: getattr(self, name) for name in ("name", "subject", "state", "found", "remedy")}

    def text(self, language: str) -> str:
        """What is wrong and what to do, for a message. Raises KeyError for an item that is not bad."""
        return sentences(self.what(language), render(PROBLEMS[self.key].remedy, language, **self.values))

    def what(self, language: str) -> str:
        """What is wrong. Raises KeyError for an item that is not bad."""
        found = render(PROBLEMS[self.key].found, language, **self.values)
        if self.subject and found.startswith(printable(self.subject)):  # it names the file or logger itself
            return found
        return render(NAMED, language, name=name_in(language, self.name)) + found


def name_in(language: str, name: str) -> str:
    """An item's name in `language`."""
    return render(NAMES[name], language) if name in NAMES else name


def sentences(found: str, remedy: str) -> str:
    """What was found, and what to do behind it."""
    return f"{found.removesuffix('.')}. {remedy}" if remedy else found


def good(name: str, found: str) -> Item:
    """All is well with it."""
    return Item(name, GOOD, printable(found))


def unknown(name: str, found: str, remedy: str = "") -> Item:
    """Whether all is well with it cannot be found out."""
    return Item(name, UNKNOWN, printable(found), remedy)


def bad(name: str, key: str, subject: str = "", **values: object) -> Item:
    """Something is wrong: the problem `key` of texts.py, with what its texts need."""
    found, remedy = (render(texts, ENGLISH, **values) for texts in PROBLEMS[key])
    return Item(name, BAD, found, remedy, subject, key, values)


def each(name: str, found: Sequence[T], make: Callable[[T], Item], none: str) -> Iterator[Item]:
    """A bad item for each of `found`, which may be very many, or a good one with the text `none`."""
    yield from map(make, found[:MOST_SUBJECTS])
    if len(found) > MOST_SUBJECTS:
        yield unknown(name, f"{len(found) - MOST_SUBJECTS} more")
    elif not found:
        yield good(name, none)
