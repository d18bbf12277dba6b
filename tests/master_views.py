"""The Master's queries as a browser would run them, and pandas beside them, for its tests."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import totals_made
from dashboard_queries import View, fill, load_master, queries

PARIS = ZoneInfo("Europe/Paris")
DASHBOARD = load_master()
QUERIES = queries(DASHBOARD)
SUMMER = (datetime(2025, 7, 29, tzinfo=UTC), datetime(2025, 8, 5, tzinfo=UTC))
OCTOBER = (datetime(2025, 10, 21, 22, tzinfo=UTC), datetime(2025, 10, 27, 23, tzinfo=UTC))
LONG_AGO = datetime(2020, 12, 1, tzinfo=UTC)
ODD_CHANNELS = (
    ("Voie1", "W", 500.0), ("Solar", "W", -300.0), ("Unused", "W", 0.2), ("Wrong input", "W", 231.0),
    ("Press", "kW", 2.0), ("Furnace", "MW", 0.01), ("Ph 1", "V", 230.0), ("Ph 2", "V", 114.0), ("Ph 3", "V", 0.0),
    ("Room", "°C", 19.5), ("Meter", "kWh", 1.0), ("Nameless", "", 1.0),
)  # fmt: skip
"""Label, unit and every reading of the channels of the campaign `odd`."""
SPRING = (datetime(2026, 3, 22, 23, tzinfo=UTC), datetime(2026, 5, 3, 22, tzinfo=UTC))
"""The time of the made-up bakery, with the change of the clocks in it."""
ALL_YEAR = (datetime(2025, 7, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))


UNMADE: set[tuple[str, str]] = set()
"""Buckets and campaigns to which readings were written since their totals were made."""


class Grafana:
    """Runs queries of the Master on InfluxDB as a browser that looks at a campaign would."""

    def __init__(self, influx, bucket: str, campaign: str) -> None:
        self.influx, self.bucket, self.campaign = influx, bucket, campaign

    def rows(self, place: str, span: tuple[datetime, datetime], head: str = "", **chosen) -> list[dict[str, str]]:
        """The rows of the query at `place` over the range `span`."""
        if (self.bucket, self.campaign) in UNMADE:
            totals_made.make(self.influx, self.bucket, self.campaign)
            UNMADE.discard((self.bucket, self.campaign))
        return self.influx.query(head + fill(QUERIES[place], self.view(span, **chosen), DASHBOARD))

    def view(self, span: tuple[datetime, datetime], **chosen) -> View:
        """A look at the campaign, with the hidden variable as Grafana finds it."""
        first = View(*span, self.bucket, {"campaign": self.campaign, "source": ""})
        (source,) = self.influx.query(fill(QUERIES["variable source"], first, DASHBOARD))
        return View(*span, self.bucket, {"campaign": self.campaign, "source": source["_value"], **chosen})

    def number(self, place: str, span: tuple[datetime, datetime], **chosen) -> float:
        """The one value of a query of the row of numbers."""
        (row,) = self.rows(place, span, **chosen)
        return float(row["_value"])

    def table(self, place: str, span: tuple[datetime, datetime], **chosen) -> pd.DataFrame:
        """The rows of a table's query, numbers as numbers."""
        frame = pd.DataFrame(self.rows(f"{place} A", span, **chosen)).replace("", None)
        return frame.apply(lambda column: column if column.str.contains(":").any() else pd.to_numeric(column))

    def days(self, span: tuple[datetime, datetime], **chosen) -> dict[str, float]:
        """Local day → Wh, of the days with readings."""
        return {day: float(energy) for day, energy in self.bars(span, **chosen).items() if energy}

    def bars(self, span: tuple[datetime, datetime], **chosen) -> dict[str, str]:
        """Local day → Wh as InfluxDB writes it, empty for a day without readings."""
        rows = self.rows("Energy per day A", span, **chosen)
        bars = {str(pd.Timestamp(r["Day"]).tz_convert(PARIS).date()): r["Energy"] for r in rows}
        assert len(bars) == len(rows), "a day has two bars"
        return bars


def within(truth: pd.DataFrame, campaign: str, span: tuple[datetime, datetime], unit: str | None = "W") -> pd.DataFrame:
    """The readings that a view of a campaign holds."""
    inside = truth[(truth.campaign == campaign) & (truth.time >= span[0]) & (truth.time < span[1])]
    return inside if unit is None else inside[inside.unit == unit]


def means(readings: pd.DataFrame, every: str = "10min") -> pd.DataFrame:
    """Mean of each channel in each window with readings: columns channel, time, value."""
    windows = readings.assign(time=readings.time.dt.floor(every))
    return windows.groupby(["channel", "time"], as_index=False).value.mean()


def energy(readings: pd.DataFrame) -> float:
    """Wh: mean power of each ten minutes with readings, times ten minutes."""
    return means(readings).value.sum() / 6


def channel(name: str = "Voie1", device: str = "02009999", place: int = 1) -> dict[str, str]:
    """The tags of one channel as the parser writes them."""
    return {"channel": f"SN: {device} - Ch: {name}", "channel_name": name, "device": device, "channel_idx": str(place)}


def escaped(text: str) -> str:
    """A tag's value in line protocol."""
    return re.sub(r"([, =])", r"\\\1", text)


def store(influx, bucket: str, campaign: str, tags: dict[str, str], start: datetime, watts: list[float], step: int):
    """Write readings that lie `step` seconds apart, in W unless the tags say otherwise."""
    said = {"campaign": campaign, "unit": "W", **tags}
    written = ",".join(f"{key}={escaped(text)}" for key, text in sorted(said.items()) if text)
    second = int(start.timestamp())
    UNMADE.add((bucket, campaign))
    influx.write(bucket, "\n".join(f"{campaign},{written} value={w} {second + i * step}" for i, w in enumerate(watts)))
