"""Every panel of the Master through a real Grafana, wherever GRAFANA and GRAFANA_HOME name one: its numbers against
pandas on what the made-up bakery's files were made of, with its channels.csv in force."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import make_site
import numpy as np
import pandas as pd
import pytest
from grafana_queries import numbers_of_frame, send
from grafana_server import running_grafana
from master_views import DASHBOARD, PARIS, QUERIES
from provisioning_world import GrafanaClient

pytest_plugins = ("master_fixture",)

__test__ = bool(os.environ.get("GRAFANA"))  # else there is nothing here to run, so nothing to skip either

WEEK = (datetime(2026, 3, 26, 23, tzinfo=UTC), datetime(2026, 4, 2, 22, tzinfo=UTC))
"""Seven local days, of which one has 23 hours."""
CHOSEN = {"subscribed": "20", "other": ["°C"]}
PASSWORD = "of-one-test-run"


@dataclass
class Truth:
    """The week by ten minutes: each thing that people see, in its own unit, and the roles."""

    things: pd.DataFrame
    roles: dict[str, str]
    last: pd.Timestamp

    @property
    def watts(self) -> pd.DataFrame:
        return self.things[[name for name in self.things if not name.startswith("Voltage")]]

    @property
    def volts(self) -> pd.DataFrame:
        return self.things[[name for name in self.things if name.startswith("Voltage")]]

    def of(self, role: str) -> pd.DataFrame:
        return self.watts[[name for name in self.watts if self.roles[name] == role]]

    @property
    def figures(self) -> pd.DataFrame:
        main, production, parts = (self.of(role).sum(axis=1) for role in ("main", "production", "part"))
        return pd.DataFrame(
            {"total": main, "production": production, "parts": parts, "rest": main + production - parts}
        )

    @property
    def total(self) -> pd.Series:
        return self.figures.total


def truth_of(site: make_site.Site) -> Truth:
    """What the generator knows of the week."""
    columns: dict[str, pd.Series] = {}
    roles = {}
    for i, clamp in enumerate(site.clamps):
        name = clamp["group"] or clamp["name"] or clamp["logger"]
        columns[name] = columns.get(name, 0) + site.readings[i] * float(clamp["factor"] or 1)
        roles[name] = clamp["role"] or "part"
    things = pd.DataFrame(columns)
    things.index = pd.to_datetime(things.index, unit="s", utc=True)
    last = things.index[-1]
    return Truth(things[(things.index >= WEEK[0]) & (things.index < WEEK[1])], roles, last)


def by_day(frame: pd.DataFrame | pd.Series) -> pd.DataFrame | pd.Series:
    """Wh of each local day."""
    return frame.groupby(frame.index.tz_convert(PARIS).date).sum() / 6


def by_hour_of_week(truth: Truth, how: str) -> list[float]:
    hourly = truth.total.resample("1h").mean().dropna()
    local = hourly.index.tz_convert(PARIS)
    return hourly.groupby([local.hour, local.day_of_week]).agg(how).tolist()


def mean_day(truth: Truth) -> list[float]:
    hourly = truth.total.resample("1h").mean().dropna()
    local = hourly.index.tz_convert(PARIS)
    return hourly.groupby([local.hour, local.day_of_week >= 5]).mean().tolist()


def base_load(truth: Truth) -> float:
    days = truth.total.groupby(truth.total.index.tz_convert(PARIS).date)
    return float(np.median(days.quantile(0.05)))


def duration_curve(truth: Truth) -> list[float]:
    high_to_low = truth.total.sort_values(ascending=False).tolist()
    nth = int((WEEK[1] - WEEK[0]) / timedelta(minutes=10)) // 1000 + 1
    return high_to_low[::nth] + [(i + 1) / 6 for i in range(0, len(high_to_low), nth)]


def shares(truth: Truth) -> list[float]:
    energies = truth.of("part").sum() / 6
    return [*energies, *energies / energies.sum()]


def voltage_by_week(truth: Truth) -> list[float]:
    local = truth.volts.index.tz_convert(PARIS)
    found = []
    for _, week in truth.volts.groupby(local.normalize() - pd.to_timedelta(local.day_of_week, unit="D")):
        for name in week:
            narrow, wide = ((week[name] < low) | (week[name] > 253) for low in (207, 195.5))
            found += [len(week), narrow.sum(), narrow.mean(), wide.sum()]
    return found


EXPECTED = {
    "Power now A": lambda t: [t.total.iloc[-1]],
    "Peak power A": lambda t: [t.total.max()],
    "Mean power A": lambda t: [t.total.mean()],
    "Coverage A": [1],
    "Last reading A": lambda t: [(pd.Timestamp.now("UTC") - t.last).total_seconds()],
    "Energy A": lambda t: [t.total.sum() / 6],
    "Drawn A": lambda t: [t.total.clip(lower=0).sum() / 6],
    "Fed in A": lambda t: [-t.total.clip(upper=0).sum() / 6],
    "Production A": lambda t: [t.figures.production.sum() / 6],
    "Energy of the parts A": lambda t: [t.figures.parts.sum() / 6],
    "Rest A": lambda t: [t.figures.rest.sum() / 6],
    "Not counted: channels in other units A": [],
    "Not counted: channels in other units B": [],
    "Total power A": lambda t: t.figures.to_numpy().ravel(),
    "Power by channel A": lambda t: t.watts.resample("20min").mean().to_numpy().ravel(),
    "Energy per day A": lambda t: by_day(t.total),
    "Share by channel A": shares,
    "Coverage over time A": lambda t: [2] * 4 * (len(t.total) // 2),
    "Phase voltages A": lambda t: t.volts.to_numpy().ravel(),
    "Minimum, mean and maximum A": lambda t: t.things.min(),
    "Minimum, mean and maximum B": lambda t: t.things.mean(),
    "Minimum, mean and maximum C": lambda t: t.things.max(),
    "Energy per day by channel A": lambda t: by_day(t.of("part")).to_numpy().ravel(),
    "Mean power by hour and weekday, kW A": lambda t: np.array(by_hour_of_week(t, "mean")) / 1000,
    "Hours behind each cell A": lambda t: by_hour_of_week(t, "count"),
    "Mean day A": mean_day,
    "Base load A": lambda t: [base_load(t)],
    "Base load's share of the energy A": lambda t: [base_load(t) / t.total.mean()],
    "Load factor A": lambda t: [t.total.mean() / t.total.max()],
    "Hours above the subscribed power A": lambda t: [(t.total > 20_000).sum() / 6],
    "Load duration curve A": duration_curve,
    "The ten highest means A": lambda t: [*t.total.nlargest(10), *[10] * 10],
    "Voltage by week A": voltage_by_week,
    "Lowest and highest voltage A": lambda t: [*t.volts.min(), *t.volts.max()],
    "Phases never connected A": [],
    "Coverage by device A": [1] * 4 + [0] * 4,
    "Gaps of more than an hour A": [],
    "Wiring to check A": [],
    "Channels that changed A": [],
    "Other units ${other:raw} A": [],
}
"""The numbers of each panel's query, in any order, or what gives them."""


@pytest.fixture(scope="module")
def person(influx, bakery, tmp_path_factory):
    """A login of a Grafana with a data source on the bakery's bucket."""
    with running_grafana(tmp_path_factory.mktemp("grafana"), PASSWORD) as server:
        client = GrafanaClient(server.url, "admin", PASSWORD)
        source = {
            "uid": "bakery", "name": "bakery", "type": "influxdb", "access": "proxy", "url": influx.url,
            "jsonData": {"version": "Flux", "organization": influx.org, "defaultBucket": make_site.CLIENT},
            "secureJsonData": {"token": influx.token},
        }  # fmt: skip
        client.call("POST", "/api/datasources", source)
        yield client


@pytest.fixture(scope="module")
def truth(baked) -> Truth:
    return truth_of(baked)


@pytest.mark.parametrize("place", [place for place in QUERIES if not place.startswith(("variable", "annotation"))])
def test_every_panels_numbers_through_grafana_are_those_of_pandas(person, bakery, truth, place):
    chosen = bakery.view(WEEK, **CHOSEN).chosen
    began = time.monotonic()
    frames = send(person, "bakery", QUERIES[place], DASHBOARD, WEEK, chosen)
    found = sorted(number for frame in frames for number in numbers_of_frame(frame))
    wanted = EXPECTED[place]
    expected = sorted(map(float, wanted(truth) if callable(wanted) else wanted))
    tolerance = {"abs": time.monotonic() - began + 1} if place == "Last reading A" else {"rel": 1e-9, "abs": 1e-9}
    assert found == pytest.approx(expected, **tolerance)
