"""One channel is one place: readings count once, whatever uploads called the channel and wherever its column was."""

from __future__ import annotations

import io
import subprocess
import sys

import pandas as pd
import pytest
from trees import ROOT, Site, day_rows, v002
from waiting import LONG

from powerview.mv2 import UNITS
from powerview.reporting.campaign import read_tree
from powerview.reporting.figures import figures_of
from powerview.reporting.shown import shown_names

A_MINUTE = "03/08/25 03:{:02}:00"


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def rows(first: int, last: int, *cells: object) -> list[str]:
    """The same cells every ten minutes, from one minute of an hour to another."""
    return [" ".join([A_MINUTE.format(minute), *map(str, cells)]) for minute in range(first, last + 1, 10)]


def load(days: int) -> list[str]:
    """A constant load of 1000 W from 1 November on, every ten minutes."""
    return [f"{day:02}/11/25 {i // 6:02}:{i % 6}0:00 1000.0" for day in range(1, days + 1) for i in range(144)]


SLAVES = ["02001283", "02001283", "04000466"]

UPLOADS = {
    "renamed, and the stretch before sent again": [
        v002(*load(1), labels=["Voie1 W"]),
        v002(*load(2), labels=["Chauffe-eau W"]),
    ],
    "a column moved": [
        v002(*rows(0, 10, 100.0, 200.0), labels=["Voie1 W", "Voie2 W"]),
        v002(*rows(10, 20, 100.0, 50.0, 200.0), labels=["Voie1 W", "Chauffe-eau W", "Voie2 W"]),
    ],
    "renamed and renamed back": [
        v002(*rows(0, 20, 1.0), labels=["Voie1 W"]),
        v002(*rows(10, 30, 2.0), labels=["Oven W"]),
        v002(*rows(20, 40, 3.0), labels=["Voie1 W"]),
    ],
    "two columns change places": [
        v002(*rows(0, 30, 1.0, 2.0), labels=["Oven W", "Lights W"]),
        v002(*rows(20, 50, 20.0, 10.0), labels=["Lights W", "Oven W"]),
    ],
    "a slave added, and taken away": [
        v002(*rows(0, 20, 1.0, 2.0), labels=["Ph 1 V", "Voie1 W"]),
        v002(*rows(10, 40, 10.0, 20.0, 30.0), labels=["Ph 1 V", "Voie1 W", "Voie1 W"], devices=SLAVES),
        v002(*rows(30, 50, 100.0, 200.0), labels=["Ph 1 V", "Voie1 W"]),
    ],
    "a unit changed": [
        v002(*rows(0, 30, 1.0, 230.0), labels=["Voie1 W", "Voie2 V"]),
        v002(*rows(20, 50, 2.0, 5.0), labels=["Voie1 W", "Voie2 A"]),
    ],
    "a unit changed, and all of it sent again": [
        v002(*rows(0, 20, 1.0, 230.0), labels=["Voie1 W", "Voie2 V"]),
        v002(*rows(0, 30, 2.0, 5.0), labels=["Voie1 W", "Voie2 A"]),
    ],
    "a later upload lacks a cell": [
        v002(*rows(0, 20, 1.0, 2.0), labels=["Voie1 W", "Voie2 W"]),
        v002(*rows(10, 10, 3.0, "none"), labels=["Voie1 W", "Voie2 W"]),
    ],
    "a later upload lacks a column": [
        v002(*rows(0, 20, 1.0, 2.0), labels=["Voie1 W", "Voie2 W"]),
        v002(*rows(10, 30, 3.0), labels=["Voie1 W"]),
    ],
    "one name at two places": [
        v002(*rows(0, 20, 1.0, 2.0, 3.0), labels=["A W", "B W", "C W"]),
        v002(*rows(20, 30, 4.0, 5.0), labels=["C W", "B W"]),
    ],
}  # fmt: skip


def put(site: Site, uploads: list[bytes], client: str = "acme") -> None:
    for day, content in enumerate(uploads, 1):
        site.put(f"{client}/roof/02001283/T302_2511{day:02}_031500.tsv", content)


def plain_reading(uploads: list[bytes]) -> pd.DataFrame:
    """What counts, by pandas alone: index local time, columns (device, position, unit, latest name)."""
    parts = []
    for number, content in enumerate(uploads):
        table = pd.read_csv(io.BytesIO(content), sep="\t", header=None, dtype=str)
        stamps = pd.to_datetime(table[0][2:], format="%d/%m/%y %H:%M:%S")
        for column in table.columns[1:]:
            device, label = table.loc[0, column], table.loc[1, column]
            name, unit = label.rsplit(" ", 1)
            assert unit in UNITS
            idx = (table.loc[0, 1:column] == device).sum()
            values = pd.to_numeric(table[column][2:], errors="coerce")
            parts.append(pd.DataFrame({"upload": number, "device": device, "idx": idx, "unit": unit, "name": name,
                                       "time": stamps, "value": values}))  # fmt: skip
    cells = pd.concat(parts)
    place = ["device", "idx", "unit"]
    cells["name"] = cells.sort_values("upload", kind="stable").groupby(place)["name"].transform("last")
    counts = cells[cells["upload"] == cells.groupby(["device", "time"])["upload"].transform("max")].dropna()
    return counts.pivot(index="time", columns=[*place, "name"], values="value").sort_index(axis=1)


def labels_of(upload: bytes) -> list[str]:
    """The labels of an upload's columns, a tab before each."""
    return [f"\t{label}" for label in upload.decode().splitlines()[1].split("\t")[1:]]


def exported(site: Site, client: str = "acme", *options: object) -> pd.DataFrame:
    command = [sys.executable, "-m", "powerview", "export", client, "roof", *options]
    done = subprocess.run(command, cwd=ROOT, env=site.environment, capture_output=True, encoding="utf-8", timeout=LONG)
    assert (done.returncode, done.stderr) == (0, "")
    table = pd.read_csv(io.StringIO(done.stdout), index_col="time")
    return table.set_axis(pd.to_datetime(table.index.str[:19]))


@pytest.mark.parametrize("uploads", UPLOADS.values(), ids=UPLOADS)
def test_the_export_has_what_a_plain_reading_has(site, uploads):
    put(site, uploads)
    expected = plain_reading(uploads)
    labels = [(device, unit, name) for device, _, unit, name in expected.columns]
    titles = []
    for label, (device, idx, unit, name) in zip(labels, expected.columns, strict=True):
        gone = labels.count(label) > 1 and f"\t{name} {unit}" not in "".join(labels_of(uploads[-1])[idx - 1 : idx])
        titles.append(f"SN: {device} - Ch: {name}{f' ({idx})' if gone else ''} {unit}")
    table = exported(site)
    assert list(table.columns) == titles
    pd.testing.assert_frame_equal(table, expected.set_axis(titles, axis=1), check_names=False, check_index_type=False)


@pytest.mark.parametrize("uploads", UPLOADS.values(), ids=UPLOADS)
def test_the_export_from_influxdb_is_that_from_the_files(influx, client, tmp_path, uploads):
    site = Site(tmp_path, {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token})
    put(site, uploads, client)
    assert site.run().returncode == 0
    pd.testing.assert_frame_equal(exported(site, client), exported(site, client, "-d", site.data))


@pytest.mark.parametrize("uploads", UPLOADS.values(), ids=UPLOADS)
def test_the_figures_add_up_what_a_plain_reading_has(site, uploads):
    put(site, uploads)
    expected = plain_reading(uploads)
    [campaign], _ = read_tree(site.settings())
    shown = {}
    for f in figures_of(campaign.series, site.settings().timezone).channels:
        c = f.channel
        kwh = None if f.kwh is None else f.kwh.sum()
        shown[c.device, c.idx, c.unit, c.name] = (f.readings, f.mean, f.lowest, f.highest, kwh)
    assert len(shown) == len(expected.columns)
    for column, values in expected.items():
        kwh = values.sum() / 6000 if column[2] == "W" else None
        figures = (values.count(), values.mean(), values.min(), values.max(), kwh)
        assert shown[column] == pytest.approx(figures), column


def test_a_renamed_load_of_one_kilowatt_uses_24_kwh_a_day(site):
    put(site, UPLOADS["renamed, and the stretch before sent again"])
    [campaign], _ = read_tree(site.settings())
    [f] = figures_of(campaign.series, site.settings().timezone).channels
    assert (f.channel.name, f.mean, f.highest) == ("Chauffe-eau", 1000, 1000)
    assert f.kwh.tolist() == pytest.approx([24, 24])


def test_at_the_time_of_two_uploads_only_the_later_ones_columns_count(site):
    put(site, UPLOADS["a column moved"])
    assert exported(site).loc["2025-08-03 03:10:00"].tolist() == [100, 50, 200]


def test_the_order_of_uploads_counts_and_not_the_order_of_arrival(site):
    before, after = v002(*day_rows(count=2), labels=["Ph 1 V", "new W"]), v002(*day_rows(), labels=["Ph 1 V", "old W"])
    site.put("acme/roof/02001283/T302_251102_031500.tsv", before)
    site.run()
    site.put("acme/roof/02001283/T302_251101_031500.tsv", after)
    [campaign], _ = read_tree(site.settings())
    assert [channel.name for channel in campaign.series] == ["Ph 1", "new"]
    assert {channel.name: names for channel, names in campaign.earlier_names.items()} == {"new": ["old"]}


def test_a_name_at_two_places_is_shown_with_the_position(site):
    put(site, UPLOADS["one name at two places"])
    [campaign], _ = read_tree(site.settings())
    assert list(shown_names(list(campaign.series)).values()) == ["C (1)", "B", "C (3)"]


def test_a_name_given_again_is_not_an_earlier_one(site):
    put(site, UPLOADS["renamed and renamed back"])
    [campaign], _ = read_tree(site.settings())
    assert {channel.name: names for channel, names in campaign.earlier_names.items()} == {"Voie1": ["Oven"]}
