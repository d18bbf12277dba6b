"""The figures of preview and export are those that the dashboard's queries give on a real InfluxDB."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import make_site
import pandas as pd
import pytest
from master_views import Grafana
from sample_tree import SAMPLES, serial
from trees import Site

from powerview.mv2 import Channel
from powerview.reporting.campaign import read_tree
from powerview.reporting.figures import figures_of
from powerview.reporting.places import Series

PARIS = ZoneInfo("Europe/Paris")


class Stored:
    """A campaign in InfluxDB, and its figures from the files."""

    def __init__(self, influx, site: Site, client: str, campaign: str) -> None:
        self.grafana = Grafana(influx, client, campaign)
        [read], _ = read_tree(site.settings(), client, campaign)
        self.series = read.series
        self.figures = figures_of(read.series, PARIS)

    def spans(self) -> list[tuple[datetime, datetime]]:
        """The campaign's local days, in parts short enough for steps of ten minutes."""
        midnights = [datetime.fromtimestamp(second, UTC) for second in self.figures.days.midnights.tolist()]
        return [(part[0], part[-1]) for i in range(0, len(midnights) - 1, 60) if (part := midnights[i : i + 61])]

    def rows(self, place: str, span: tuple[datetime, datetime], **chosen) -> list[dict[str, str]]:
        return self.grafana.rows(place, span, **chosen)


@pytest.fixture(scope="module", params=["bakery", "samples"])
def stored(request, influx, tmp_path_factory) -> Stored:
    """The made-up bakery; and real files, with one-minute rows, gaps, and the hour that is there twice."""
    site = Site(tmp_path_factory.mktemp("figures"),
                  {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token})  # fmt: skip
    client, campaign = f"client-{uuid.uuid4().hex[:12]}", "roof"
    if request.param == "bakery":
        make_site.write_files(make_site.make_site(), site.data)
        (site.data / make_site.CLIENT).rename(site.data / client)
        campaign = make_site.CAMPAIGN
    else:
        for file in (SAMPLES / "v002").glob("*.tsv"):
            site.put(f"{client}/{campaign}/{serial(file)}/{file.name}", file.read_bytes())
    done = site.run()
    assert done.returncode == 0, done.stderr
    return Stored(influx, site, client, campaign)


def test_energy_per_day_is_the_dashboards(stored):
    for figures in stored.figures.channels:
        if figures.kwh is None:
            continue
        found = {}
        for span in stored.spans():
            for row in stored.rows("Energy per day A", span, channel=figures.channel.channel):
                if (row["Day"], row["Energy"]) != ("1970-01-01T00:00:00Z", "NaN"):  # the row of a span without readings
                    found[pd.Timestamp(row["Day"]).tz_convert(PARIS).date()] = float(row["Energy"] or 0) / 1000
        days = dict(zip(stored.figures.days.dates, figures.kwh.tolist(), strict=True))
        assert set(found) <= set(days)
        assert {day: found.get(day, 0) for day in days} == pytest.approx(days, abs=1e-6)


def clipped(series: dict[Channel, Series], span: tuple[datetime, datetime]) -> dict[Channel, Series]:
    """The readings of a range, of the channels that have some there."""
    first, stop = (moment.timestamp() for moment in span)
    kept = {channel: (s.times >= first) & (s.times < stop) for channel, s in series.items()}
    return {
        channel: Series(s.times[kept[channel]], s.values[kept[channel]], s.steps[kept[channel]])
        for channel, s in series.items()
        if kept[channel].any()
    }


def test_lowest_mean_and_highest_are_the_dashboards(stored):
    for span in stored.spans():
        table: dict[str, dict[str, float]] = {}
        for query, column in (("A", "Min"), ("B", "Mean"), ("C", "Max")):
            for row in stored.rows(f"Minimum, mean and maximum {query}", span):
                table.setdefault(row["channel"], {})[column] = float(row[column])
        expected = figures_of(clipped(stored.series, span), PARIS).channels
        assert len(table) == len(expected)
        for figures in expected:
            three = {"Min": figures.lowest, "Mean": figures.mean, "Max": figures.highest}
            assert table[figures.channel.channel] == pytest.approx(three), figures.channel
