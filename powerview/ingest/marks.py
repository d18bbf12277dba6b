"""Which stretches of which campaigns have readings of which totals were not made yet, and what was made.

A stretch is marked before its readings are sent, and the mark goes when the totals of it are stored: whenever the
process dies, the next run makes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from powerview.ingest.database import Database

if TYPE_CHECKING:
    from powerview.store.beside import Place

Campaign = tuple[str, str]
"""Client and campaign."""

Stretch = tuple[int, int]
"""UTC seconds: the first that belongs to it, and the first that does not."""


@dataclass(frozen=True)
class Made:
    """What was made of a campaign by which sheet (its copy's mark, or nothing): the clamps that it had, and for each
    series, by its text, a digest of what it is made of. `rules` change when others are made."""

    sheet: str
    places: frozenset[Place] = frozenset()
    series: Mapping[str, str] = field(default_factory=dict)
    rules: str = ""


class Marks:
    """The marks in the lane's index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def last(self) -> bool:
        """Whether they will be there in the next run."""
        return self._database.lasts

    def add(self, client: str, campaign: str, stretch: Stretch) -> None:
        """Mark a stretch."""
        with self._database.changing() as db:
            db.execute("INSERT OR IGNORE INTO mark VALUES (?,?,?,?)", (client, campaign, *stretch))

    def campaigns(self) -> list[Campaign]:
        """The campaigns with marks."""
        return self._database.rows("SELECT DISTINCT client, campaign FROM mark ORDER BY client, campaign", ())

    def stretches(self, campaign: Campaign) -> list[Stretch]:
        """The marked stretches of a campaign, as they were marked."""
        return self._database.rows(
            "SELECT start, stop FROM mark WHERE client=? AND campaign=? ORDER BY start", campaign
        )

    def remove(self, campaign: Campaign, stretches: Iterable[Stretch]) -> None:
        """The totals of these stretches are made."""
        with self._database.changing() as db:
            for stretch in stretches:
                query = "DELETE FROM mark WHERE client=? AND campaign=? AND start=? AND stop=?"
                db.execute(query, (*campaign, *stretch))

    def sheets(self) -> dict[Campaign, str]:
        """Every campaign that was made, with the mark of its sheet."""
        rows = self._database.rows("SELECT client, campaign, sheet FROM made", ())
        return {(client, campaign): sheet for client, campaign, sheet in rows}

    def made_by(self, rules: str) -> set[Campaign]:
        """The campaigns that were made by these rules."""
        return set(self._database.rows("SELECT client, campaign FROM ruled WHERE rules=?", (rules,)))

    def made(self, campaign: Campaign) -> Made | None:
        """What was made of a campaign; None if nothing is known."""
        query = "SELECT sheet, places, series, rules FROM made LEFT JOIN ruled USING (client, campaign)"
        rows = self._database.rows(f"{query} WHERE client=? AND campaign=?", campaign)
        if not rows:
            return None
        sheet, places, series, rules = rows[0]
        found = ((device, int(idx), unit) for device, idx, unit in json.loads(places))
        return Made(sheet, frozenset(found), json.loads(series), rules or "")

    def remember(self, campaign: Campaign, made: Made) -> None:
        """This was made of a campaign."""
        places = json.dumps(sorted(made.places, key=str))
        with self._database.changing() as db:
            query = "INSERT OR REPLACE INTO made VALUES (?,?,?,?,?)"
            db.execute(query, (*campaign, made.sheet, places, json.dumps(dict(made.series))))
            db.execute("INSERT OR REPLACE INTO ruled VALUES (?,?,?)", (*campaign, made.rules))


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same stretches in time, those that touch as one."""
    found: list[Stretch] = []
    for start, stop in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found
