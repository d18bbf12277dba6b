"""What the sections of the report are made of: texts, tables and tiles as data for pages.typ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from powerview.ingest.journal import printable
from powerview.reporting.report.words import Words, decimals
from powerview.reporting.study import Study

LONGEST_NAME = 80
SOME_NAMES = 6
SHORT_TABLE = 6


@dataclass(frozen=True)
class Report:
    """What a report is made of. `notes` are sentences to be read first; `subscribed` is a power in W."""

    study: Study
    text: Words
    notes: Sequence[str] = ()
    subscribed: float | None = None

    def moment(self, second: int) -> str:
        """A moment in UTC seconds on the campaign's clock."""
        return self.text.moment(second, self.study.want.zone)

    def day(self, second: int) -> date:
        """The day in which a moment is."""
        return datetime.fromtimestamp(second, self.study.want.zone).date()

    def power(self, watts: float) -> str:
        """A power on its own, in W or kW."""
        if abs(watts) < 1000:
            return self.text.unit(watts, 0 if abs(watts) >= 100 else 1, "W")
        return self.text.unit(watts / 1000, decimals([watts / 1000]), "kW")


def section(title: str, parts: Iterable[dict | None], *small: str) -> dict:
    """A section with its parts, without those that there are not, and how its figures were computed in small print."""
    return {"title": title, "parts": [part for part in parts if part], "small": [note for note in small if note]}


def paragraph(text: str) -> dict:
    """A sentence or some."""
    return {"kind": "text", "text": text}


def table(columns: Sequence[tuple[str, str, float]], rows: list[list], **more: object) -> dict:
    """A table. A column has its title; its kind: `name` (cut where there is no room), `text`, `number`, `strip` or
    `bar`; its share of the width, 0: as wide as what is in it. `more`: `strong` rows, font `size` and `gap` in points.
    """
    return {"columns": [{"title": t, "kind": k, "width": w} for t, k, w in columns], "rows": rows, **more}


def tables(*found: dict, title: str = "", places: int = 1) -> dict:
    """Tables beside each other, with room for at least so many."""
    return {"kind": "tables", "title": title, "tables": list(found), "places": places}


def halves(columns: Sequence[tuple[str, str, float]], rows: list[list], title: str = "", **more: object) -> dict:
    """A table in two halves beside each other, if it is not short; `strong` are rows of the whole."""
    strong = set(more.pop("strong", ()))
    half = len(rows) if len(rows) <= SHORT_TABLE else (len(rows) + 1) // 2
    parts = [(rows[:half], strong), (rows[half:], {row - half for row in strong})]
    found = [table(columns, part, strong=sorted(s for s in bold if s >= 0), **more) for part, bold in parts if part]
    return tables(*found, title=title, places=2)


def tiles(found: list[tuple[str, str, str]], columns: int = 4) -> dict:
    """Figures side by side: what each is, its value, a note."""
    return {"kind": "tiles", "columns": columns, "tiles": [{"label": t, "value": v, "note": n} for t, v, n in found]}


def name(text: str) -> str:
    """A name from outside on one line, with nothing in it that is not printable."""
    text = printable(text)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def names(found: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = [f"+{len(found) - SOME_NAMES}"] * (len(found) > SOME_NAMES)
    return ", ".join([*map(name, found[:SOME_NAMES]), *more])
