"""How the report is written in English and French: texts with their values, numbers, days and moments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from powerview.reporting.language import Language
from powerview.reporting.report.texts import TEXTS
from powerview.seconds import A_DAY

ENGLISH, FRENCH = "en", "fr"
NO_BREAK, MINUS, DASH = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}", "\N{EN DASH}"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = {
    ENGLISH: ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    FRENCH: ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."),
}


class Words:
    """How the report is written in one language, `en` or `fr`: on paper, where days are written in figures in French
    and nothing may break between a number and its unit."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._language = Language(code)
        self._place = (ENGLISH, FRENCH).index(code)

    def __call__(self, key: str, **values: object) -> str:
        """A text with its values filled in; values are set as they are."""
        return TEXTS[key][self._place].format(minus=MINUS, dash=DASH, **values)

    def number(self, value: float, decimals: int = 0) -> str:
        """Thousands apart, with a decimal comma in French; never a zero with a minus."""
        text = self._language.decimal(value, decimals)
        return text.replace("-", MINUS if text.strip("-0.,") else "")

    def unit(self, value: float, decimals: int, unit: str) -> str:
        """A number with its unit, which stays beside it."""
        return f"{self.number(value, decimals)}{NO_BREAK}{unit}"

    def percent(self, share: float, decimals: int = 1) -> str:
        """A share as a percentage. What is not all of it is not written as 100 %, what is not nothing not as 0 %."""
        percent = 100 * share
        if 0 < percent < 0.5 * 10.0**-decimals:
            return f"<{NO_BREAK}{self.unit(10.0**-decimals, decimals, '%')}"
        if percent < 100 <= round(percent, decimals):
            percent = 100 - 10.0**-decimals
        return self.unit(percent, decimals, "%")

    def day(self, day: date) -> str:
        """`23 Mar 2026`, or `23/03/2026`."""
        if self.code == FRENCH:
            return f"{day.day:02}/{day.month:02}/{day.year}"
        return f"{day.day}{NO_BREAK}{MONTHS[day.month - 1]}{NO_BREAK}{day.year}"

    def month(self, day: date) -> str:
        """`Mar 2026`, or `03/2026`."""
        return f"{day.month:02}/{day.year}" if self.code == FRENCH else f"{MONTHS[day.month - 1]}{NO_BREAK}{day.year}"

    def weekday(self, day: date) -> str:
        """Its short name."""
        return WEEKDAYS[self.code][day.weekday()]

    def moment(self, seconds: int, zone: ZoneInfo) -> str:
        """A moment in UTC seconds on a zone's clock: the day, and hours and minutes. In the hour that is there twice
        the second pass has its offset from UTC."""
        local = datetime.fromtimestamp(seconds, zone)
        offset = f"{local:%z}"
        fold = f" ({offset[:3]}:{offset[3:]})" if local.fold else ""
        return f"{self.day(local.date())}{NO_BREAK}{local:%H:%M}{fold}"

    def count(self, n: int, what: str) -> str:
        """`1 device`, `4 devices`."""
        return self(f"one {what}") if n == 1 else self(f"{what}s", n=self.number(n))

    def period(self, begin: date, kind: str, *, short: bool = False) -> str:
        """A day, week, month or year by its first day; `short` where there is little room."""
        if kind in ("month", "year"):
            return self.month(begin) if kind == "month" else str(begin.year)
        if not short:
            return f"{self.weekday(begin)}{NO_BREAK}{self.day(begin)}" if kind == "day" else self.day(begin)
        if self.code == FRENCH:
            return f"{begin.day:02}/{begin.month:02}"
        return f"{begin.day}{NO_BREAK}{MONTHS[begin.month - 1]}"

    def plain(self, value: float) -> str:
        """A number with no more decimals than it has, six at most."""
        return self.number(value, next(n for n in range(7) if n == 6 or abs(round(value, n) - value) < 1e-9))

    def duration(self, seconds: float) -> str:
        """`50 min`, `2 h 40 min`, `17 days`."""
        if seconds >= 3 * A_DAY:
            return f"{self.number(seconds / A_DAY, 1)}{NO_BREAK}{'jours' if self.code == FRENCH else 'days'}"
        hours, minutes = divmod(round(seconds / 60), 60)
        parts = [f"{hours}{NO_BREAK}h"] * bool(hours) + [f"{minutes}{NO_BREAK}min"] * bool(minutes or not hours)
        return NO_BREAK.join(parts)


def decimals(values: Sequence[float]) -> int:
    """How many decimals a column of numbers needs, so that its largest has about four digits that count."""
    largest = max(map(abs, values), default=0)
    return next((digits for limit, digits in ((10_000, 0), (100, 1), (1, 2)) if largest >= limit), 3)
