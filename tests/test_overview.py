"""The overview's queries on a real InfluxDB: campaigns with their figures, and when each device was read last."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from dashboard_queries import View, fill, load_master, queries
from grafana_automation import FOLDER

FILE = FOLDER / "dashboards" / "overview.json"
DASHBOARD = json.loads(FILE.read_text(encoding="utf-8"))
QUERIES = queries(DASHBOARD)
NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
KNOWN = ", ".join(
    f'{{campaign: "{name}", uid: "pv-b-{name}", from: 0, to: 0}}' for name in ("roof", "hall", "new", "volts")
)
TEN, DAY = timedelta(minutes=10), timedelta(days=1)


@pytest.mark.parametrize("file", sorted((FOLDER / "dashboards").rglob("*.json")), ids=lambda file: file.stem)
def test_a_dashboard_links_dashboards_alone(file):
    """Pages under Alerting, which earlier versions linked, are gone."""
    dashboard = json.loads(file.read_text(encoding="utf-8"))

    linked = re.findall(r'"url": "([^"]*)"', json.dumps(dashboard))
    assert [url for url in linked if not url.startswith("/d/${")] == []
    assert "/alerting" not in json.dumps(dashboard)


@pytest.fixture
def asked(influx, client):
    """Runs a query of the overview at NOW over what `stored` wrote."""
    influx.make_bucket(client)

    def ask(place: str, known: str = KNOWN) -> list[dict[str, str]]:
        chosen = {"campaigns": known, "timezone": "Europe/Paris"}
        flux = fill(QUERIES[place], View(NOW - 7 * DAY, NOW, client, chosen), DASHBOARD)
        head, rest = re.match(r'((?:import "\w+"\n)*)(.*)', flux, re.DOTALL).groups()
        return influx.query(f"{head}\noption now = () => {iso(NOW)}\n{rest}")

    return ask


def iso(moment: datetime) -> str:
    """A moment as Flux writes it."""
    return moment.isoformat().replace("+00:00", "Z")


def millis(moment: datetime) -> float:
    """A moment as the queries give it."""
    return moment.timestamp() * 1000


def store(influx, bucket: str, *lines: str) -> None:
    """Write line protocol."""
    influx.write(bucket, "\n".join(lines))


def reading(campaign: str, device: str, moment: datetime, value: float = 1, idx: int = 1, unit: str = "W") -> str:
    """A reading, as the ingest lane writes it."""
    tags = f"campaign={campaign},channel=SN:\\ {device}\\ -\\ Ch:\\ A,channel_idx={idx},channel_name=A"
    return f"{campaign},{tags},device={device},unit={unit} value={value} {int(moment.timestamp())}"


def total(campaign: str, moment: datetime, watts: float, figure: str = "total") -> str:
    """A total of ten minutes, as the ingest lane writes it."""
    return f"powerview_totals,campaign={campaign},figure={figure} value={watts} {int(moment.timestamp())}"


def covered(campaign: str, device: str, moment: datetime) -> str:
    """Ten minutes in which a device has a reading, as the ingest lane writes them."""
    tags = f"campaign={campaign},device={device},figure=covered"
    return f"powerview_totals,{tags} value=1 {int(moment.timestamp()) // 600 * 600}"


def two_campaigns(influx, client) -> None:
    """`roof` runs, `hall` is over; device 0200 went from one to the other."""
    hall, roof = NOW - 60 * DAY, NOW - 2 * DAY
    lines = [reading("hall", "0100", hall + n * TEN) for n in range(10)]
    lines += [reading("hall", "0200", hall + n * TEN, idx=idx) for n in range(5) for idx in (1, 2)]
    lines += [total("hall", hall + n * TEN, 600) for n in range(8)]
    lines += [
        covered("hall", device, hall + n * TEN) for device, count in (("0100", 10), ("0200", 5)) for n in range(count)
    ]
    lines += [reading("roof", "0200", roof + n * TEN) for n in range(3)]
    lines += [covered("roof", "0200", roof + n * TEN) for n in range(3)]
    lines += [total("roof", roof + n * TEN, 1200) for n in range(3)]
    lines += [total("roof", roof + n * TEN, 5000, "drawn") for n in range(3)]
    lines += [reading("gone", "0300", roof), total("gone", roof, 1)]
    lines += [reading("volts", "0400", roof, 230, unit="V")]
    lines += [
        f"powerview_channels,campaign=roof,channel=Oven,device=0200,role=part,unit=W value=1 {int(NOW.timestamp())}"
    ]
    store(influx, client, *lines)


def test_each_campaign_has_its_span_devices_coverage_and_energy(influx, client, asked):
    two_campaigns(influx, client)
    rows = {row["campaign"]: row for row in asked("Campaigns A")}

    assert list(rows) == ["roof", "volts", "hall", "new"]  # not "gone", which has no dashboard
    roof, hall = rows["roof"], rows["hall"]
    assert (roof["uid"], roof["State"], roof["Devices"]) == ("pv-b-roof", "running", "1")
    assert (float(roof["From"]), float(roof["To"])) == (millis(NOW - 2 * DAY), millis(NOW - 2 * DAY + 2 * TEN))
    assert (float(roof["Coverage"]), float(roof["Energy"])) == (1, 600)
    assert (roof["opens_from"], roof["opens_to"]) == ("now-7d", "now")
    assert (hall["State"], hall["Devices"], float(hall["Coverage"]), float(hall["Energy"])) == (
        "finished",
        "2",
        0.75,
        800,
    )
    assert hall["opens_from"] == str(int(millis(NOW - 60 * DAY)))
    assert hall["opens_to"] == str(int(millis(NOW - 60 * DAY + 10 * TEN)))
    assert (rows["volts"]["Devices"], rows["volts"]["Coverage"], rows["volts"]["Energy"]) == ("1", "", "")
    assert (rows["new"]["State"], rows["new"]["From"], rows["new"]["Devices"]) == ("empty", "", "")


def test_a_sum_that_is_being_made_is_left_out(influx, client, asked):
    two_campaigns(influx, client)
    store(influx, client, total("hall", NOW - TEN, 1, "being_made"))
    energy = {row["campaign"]: row["Energy"] for row in asked("Campaigns A")}
    assert (energy["hall"], bool(energy["roof"])) == ("", True)


def test_coverage_and_energy_are_those_of_the_campaigns_own_dashboard(influx, client, asked):
    two_campaigns(influx, client)
    rows = {row["campaign"]: row for row in asked("Campaigns A")}
    master = load_master()
    for campaign, begin in (("hall", NOW - 60 * DAY), ("roof", NOW - 2 * DAY)):
        view = View(begin - DAY, begin + DAY, client, {"campaign": campaign})
        for tile in ("Coverage", "Energy"):
            (shown,) = influx.query(fill(queries(master)[f"{tile} A"], view, master))
            assert float(rows[campaign][tile]) == pytest.approx(float(shown["_value"])), tile


@pytest.mark.parametrize(("days", "state"), [(6.9, "running"), (7.1, "finished")])
def test_a_campaign_is_finished_after_a_week_without_readings(influx, client, asked, days, state):
    store(influx, client, reading("roof", "0100", NOW - days * DAY))
    assert ("roof", state) in [(r["campaign"], r["State"]) for r in asked("Campaigns A")]


def test_a_device_that_moved_is_listed_under_both_campaigns(influx, client, asked):
    two_campaigns(influx, client)
    rows = [(r["device"], r["campaign"], r["last"], r["uid"]) for r in asked("Last reading of each device A")]
    assert rows == [
        ("0100", "hall", iso(NOW - 60 * DAY + 9 * TEN), "pv-b-hall"),
        ("0200", "hall", iso(NOW - 60 * DAY + 4 * TEN), "pv-b-hall"),
        ("0200", "roof", iso(NOW - 2 * DAY + 2 * TEN), "pv-b-roof"),
        ("0400", "volts", iso(NOW - 2 * DAY), "pv-b-volts"),
    ]


def test_a_client_without_readings_has_its_campaigns_and_no_device(asked):
    assert {(r["campaign"], r["State"]) for r in asked("Campaigns A")} == {
        (name, "empty") for name in ("roof", "hall", "new", "volts")
    }
    assert asked("Last reading of each device A") == []


def test_the_file_is_what_its_parts_make(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER / "dashboards")
    import make_overview

    assert make_overview.text() == FILE.read_text(encoding="utf-8"), "run make_overview.py"
