"""Campaigns in a real InfluxDB for the tests of the Master dashboard, and what their files say."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime, timedelta

import make_site
import pandas as pd
import pytest
from faults.truth import Upload
from faults.truth_uploads import points_of
from master_views import LONG_AGO, ODD_CHANNELS, SUMMER, Grafana, channel, store
from sample_tree import SAMPLES, serial
from trees import Site


@pytest.fixture(scope="session")
def samples(influx, tmp_path_factory):
    """The sample files, stored by the parser as two campaigns of one client, and what they say by another reading."""
    client = f"client-{uuid.uuid4().hex[:12]}"
    home = Site(tmp_path_factory.mktemp("master"), {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token})
    uploads = []
    for folder, campaign in (("v002", "roof"), ("v003", "cold.store")):
        for file in sorted((SAMPLES / folder).glob("*.tsv")):
            uploads.append(Upload(client, campaign, serial(file), file.name, file.read_bytes()))
            home.put(f"{client}/{campaign}/{serial(file)}/{file.name}", file.read_bytes())
    ended = home.run()
    assert ended.returncode == 0, ended.stderr
    return client, uploads


@pytest.fixture(scope="session")
def roof(influx, samples):
    """Grafana on the campaign of the V002 samples: two masters, four slaves, three phases."""
    return Grafana(influx, samples[0], "roof")


@pytest.fixture(scope="session")
def cold_store(influx, samples):
    """Grafana on the campaign of the V003 samples."""
    return Grafana(influx, samples[0], "cold.store")


@pytest.fixture(scope="session")
def long_ago(influx):
    """Grafana on a campaign of one reading in W and one in V, six years before now."""
    bucket = f"client-{uuid.uuid4().hex[:12]}"
    influx.make_bucket(bucket)
    store(influx, bucket, "made", channel("Voie1"), LONG_AGO, [1.0], 600)
    store(influx, bucket, "made", {**channel("Ph 1"), "unit": "V", "channel_idx": "2"}, LONG_AGO, [230.0], 600)
    return Grafana(influx, bucket, "made")


@pytest.fixture(scope="session")
def odd(influx):
    """Grafana on a campaign with something for every panel: other units, odd clamps, a gap, a change of name."""
    bucket = f"client-{uuid.uuid4().hex[:12]}"
    influx.make_bucket(bucket)
    start, days = SUMMER[0], 2
    for place, (name, unit, value) in enumerate(ODD_CHANNELS, 1):
        tags = {**channel(name), "unit": unit, "channel_idx": str(place)}
        store(influx, bucket, "made", tags, start, [value] * 144 * days, 600)
    renamed = {**channel("Oven"), "channel_idx": "1"}
    store(influx, bucket, "made", renamed, start + timedelta(days=days, hours=3), [500.0] * 144, 600)
    return Grafana(influx, bucket, "made")


@pytest.fixture(scope="session")
def baked():
    """The made-up bakery of demo/: what its generator knows."""
    return make_site.make_site()


@pytest.fixture(scope="session")
def bakery(influx, baked, tmp_path_factory):
    """Grafana on the bakery's campaign, stored by the parser, with its sheet in force."""
    home = Site(tmp_path_factory.mktemp("bakery"), {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token})
    make_site.write_files(baked, home.data)
    shutil.copyfile(make_site.SHEET, home.data / make_site.CLIENT / make_site.CAMPAIGN / "channels.csv")
    ended = home.run()
    assert ended.returncode == 0, ended.stderr
    return Grafana(influx, make_site.CLIENT, make_site.CAMPAIGN)


@pytest.fixture(scope="session")
def truth(samples):
    """All readings of both campaigns: columns campaign, device, channel, unit, value, time (UTC)."""
    points = points_of(samples[1], "Europe/Paris", datetime.now(UTC))
    rows = [
        {**dict(tags), "time": pd.Timestamp(seconds, unit="s", tz="UTC"), "value": value}
        for (_, measurement, tags, seconds), value in points.items()
        if measurement != "powerview_events"
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def made(influx, client):
    """Grafana on a campaign that a test fills itself."""
    influx.make_bucket(client)
    return Grafana(influx, client, "made")
