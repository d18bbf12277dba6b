"""The preview page's language: its texts, numbers, days and moments as they are written in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from powerview.reporting.french import FRENCH
from powerview.seconds import A_DAY
from powerview.settings import LANGUAGES

NARROW = "\N{NARROW NO-BREAK SPACE}"
_MONTHS = ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc.")


@dataclass(frozen=True)
class Language:
    """One of LANGUAGES."""

    code: str = LANGUAGES[0]

    @property
    def is_english(self) -> bool:
        """Whether texts stay as they are written in the code."""
        return self.code == LANGUAGES[0]

    def text(self, english: str, **values: object) -> str:
        """A text of the table in this language, with its values filled in."""
        return (english if self.is_english else FRENCH[english]).format(**values)

    def known(self, word: str) -> str:
        """A word that may not be in the table, such as a role or a state."""
        return word if self.is_english else FRENCH.get(word, word)

    def count(self, number: int, one: str, several: str) -> str:
        """`1 file`, `2 files`: which of two texts goes with a number; French has no plural below two."""
        return self.text(one if (number == 1 if self.is_english else number < 2) else several, n=number)

    def decimal(self, value: float, digits: int) -> str:
        """A number with so many digits behind its point or comma, thousands apart."""
        text = f"{value:,.{digits}f}".replace(",", NARROW)
        return text if self.is_english else text.replace(".", ",")

    def number(self, value: float) -> str:
        """A number for people: about four digits that count, thousands apart."""
        return self.decimal(value, 0 if isinstance(value, int) or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2)

    def percent(self, share: float) -> str:
        """`99.5 %`, of 0.995."""
        space = " " if self.is_english else "\N{NO-BREAK SPACE}"
        return f"{self.decimal(100 * share, 1)}{space}%"

    def day(self, day: date) -> str:
        """`01 Jul 2025`, `1er juil. 2025`."""
        if self.is_english:
            return day.strftime("%d %b %Y")
        return f"{'1er' if day.day == 1 else day.day} {_MONTHS[day.month - 1]} {day.year}"

    def moment(self, seconds: int, zone: ZoneInfo) -> str:
        """A moment in UTC seconds as people of a zone write it."""
        local = datetime.fromtimestamp(seconds, zone)
        return f"{self.day(local)} {local:%H:%M}"

    def duration(self, seconds: int) -> str:
        """`10 min`, `2 h 40 min`, `16 days`."""
        if seconds >= 3 * A_DAY:
            return self.text("{n} days", n=round(seconds / A_DAY))
        hours, minutes = divmod(round(seconds / 60), 60)
        space = " " if self.is_english else "\N{NO-BREAK SPACE}"
        parts = (hours and f"{hours}{space}h", minutes and f"{minutes}{space}min")
        return space.join(part for part in parts if part) or f"0{space}min"


ENGLISH = Language()
