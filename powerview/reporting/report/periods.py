"""Days put together as weeks, months or years, where there are too many to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

DAY, WEEK, MONTH, YEAR = KINDS = ("day", "week", "month", "year")


@dataclass(frozen=True)
class Periods:
    """Periods of one kind that follow each other: the first day of each, and for each day the place of its period."""

    kind: str
    begins: list[date]
    place: np.ndarray

    def sums(self, of_days: np.ndarray) -> np.ndarray:
        """The sum of each period, of a number for each day."""
        return np.bincount(self.place, of_days, minlength=len(self.begins))


def begin_of(day: date, kind: str) -> date:
    """The first day of the period that a day is in; weeks begin on Monday."""
    if kind == WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1 if kind in (MONTH, YEAR) else day.day, month=1 if kind == YEAR else day.month)


def periods_of(days: Sequence[date], most: int) -> Periods:
    """The shortest periods of which there are no more than so many; of years there may be more."""
    for kind in KINDS:
        begins, place = np.unique([begin_of(day, kind) for day in days], return_inverse=True)
        if len(begins) <= most:
            break
    return Periods(kind, list(begins), place)
