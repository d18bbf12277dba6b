"""`export --format xlsx`: what a spreadsheet shows is what the CSV has, as dates and numbers, with figures by day."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from datetime import datetime, timedelta

import make_site
import openpyxl
import pytest
from sample_tree import SAMPLES
from test_export import powerview
from trees import Site, day_rows, v002

from powerview.mv2 import Channel
from powerview.reporting import workbook
from powerview.reporting.export import export, wanted

NIGHT = "T302_251026_031500.tsv"


def sheets(file) -> dict[str, list[tuple]]:
    """The rows of each sheet, as a spreadsheet's values."""
    book = openpyxl.load_workbook(file, read_only=True)
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}


def exported(site: Site, tmp_path, *arguments: object, **environment: str) -> dict[str, list[tuple]]:
    file = tmp_path / "x.xlsx"
    done = powerview(site, "export", *arguments, "--format", "xlsx", "-o", file, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return sheets(file)


def from_csv(text: str) -> tuple[list[str], list[tuple]]:
    """The titles, and rows of local time, UTC, values."""
    titles, *rows = csv.reader(io.StringIO(text))
    found = []
    for time, *cells in rows:
        moment = datetime.fromisoformat(time)
        local = moment.replace(tzinfo=None)
        found.append((local, local - moment.utcoffset(), *(float(cell) if cell else None for cell in cells)))
    return titles[1:], found


def test_the_night_with_an_hour_twice_has_its_local_times_and_utc(site, tmp_path):
    site.put(f"acme/roof/02001283/{NIGHT}", (SAMPLES / "v002" / NIGHT).read_bytes())
    header, *rows = exported(site, tmp_path, "acme", "roof")["readings"]
    titles, expected = from_csv(powerview(site, "export", "acme", "roof").stdout)
    assert header == ("time (Europe/Paris)", "time (UTC)", *titles)
    assert rows == expected
    assert len({utc for _, utc, *_ in rows}) == len(rows) > len({local for local, *_ in rows})


@pytest.mark.slow
def test_the_workbook_of_influxdb_is_that_of_the_files(influx, client, tmp_path):
    site = Site(tmp_path, {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token})
    for sample in (SAMPLES / "v002").glob("*.tsv"):
        site.put(f"{client}/roof/02001283/{sample.name}", sample.read_bytes())
    assert site.run().returncode == 0
    from_influxdb = exported(site, tmp_path, client, "roof")
    assert len(from_influxdb["readings"]) > 700
    from_files = exported(site, tmp_path, client, "roof", "-d", site.data)
    assert from_files["readings"] == from_influxdb["readings"]
    for sheet in ("kWh per day", "coverage"):
        pairs = zip(from_files[sheet], from_influxdb[sheet], strict=True)
        for ours, theirs in pairs:
            assert ours[0] == theirs[0]
            assert ours[1:] == (theirs[1:] if isinstance(ours[0], str) else pytest.approx(theirs[1:], nan_ok=True))


def test_the_days_of_the_made_up_bakery_are_its_true_figures(site, tmp_path):
    made_up = make_site.make_site()
    make_site.write_files(made_up, site.data)
    found = exported(site, tmp_path, make_site.CLIENT, make_site.CAMPAIGN)
    truth = make_site.true_figures(made_up)
    header, *rows = found["kWh per day"]
    ovens = [i for i, title in enumerate(header) if "Ch: Deck oven" in title]
    assert (len(header), len(ovens)) == (1 + 21, 3)  # the voltages have no energy
    assert [row[0].date() for row in rows] == list(truth.index)
    assert [sum(row[i] for i in ovens) for row in rows] == pytest.approx(truth["Deck oven"].tolist())
    header, *rows = found["coverage"]
    assert len(header) == 1 + 24
    cut = [row for row in rows if row[1] < 1]
    assert [row[0].date().isoformat() for row in cut] == ["2026-04-16"]
    assert cut[0][1:] == pytest.approx([128 / 144] * 24)


def test_a_day_without_readings_is_there_and_empty(site, tmp_path):
    rows = [*day_rows("01/07/25", 144), *day_rows("03/07/25", 72)]
    site.put("acme/roof/02001283/a.tsv", v002(*rows))
    found = exported(site, tmp_path, "acme", "roof")
    days = [datetime(2025, 7, 1) + timedelta(days=i) for i in range(3)]
    watts = [i * 1.0 for i in range(144)]
    assert found["kWh per day"][1:] == [
        (days[0], pytest.approx(sum(watts) / 6000)),
        (days[1], None),
        (days[2], pytest.approx(sum(watts[:72]) / 6000)),
    ]
    assert found["coverage"][1:] == [(days[0], 1, 1), (days[1], 0, 0), (days[2], 1, 1)]


def test_slices_of_a_campaign_make_the_same_days_as_the_whole(influx, client, tmp_path, monkeypatch):
    site = Site(tmp_path, {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token})
    for day in range(1, 5):
        site.put(f"{client}/roof/02001283/T302_25070{day}_031500.tsv", v002(*day_rows(f"0{day}/07/25", 144)))
    assert site.run().returncode == 0
    monkeypatch.setattr("powerview.reporting.sources.SLICE_READINGS", 20)
    settings, file = site.settings(), tmp_path / "sliced.xlsx"
    export(settings, wanted(settings, client, "roof", None, None), "xlsx", file, from_files=False)
    kwh = sheets(file)["kWh per day"][1:]
    assert [row[1] for row in kwh] == pytest.approx([sum(range(144)) / 6000] * 4)


HOSTILE = ['=HYPERLINK("http://example.org")', "{=1+1}", "http://example.org", "007", "+1", "@SUM(1)", "<&>"]


def test_labels_stay_text(site, tmp_path):
    cells = " ".join("1.0" for _ in HOSTILE)
    site.put("acme/roof/02001283/a.tsv", v002(f"01/07/25 00:00:00 {cells}", labels=[f"{x} W" for x in HOSTILE]))
    file = tmp_path / "x.xlsx"
    assert powerview(site, "export", "acme", "roof", "--format", "xlsx", "-o", file).returncode == 0
    for sheet in openpyxl.load_workbook(file).worksheets:
        header = next(sheet.iter_rows())
        assert {cell.data_type for cell in header} == {"s"}
        assert {cell.hyperlink for cell in header} == {None}
        assert [cell.value for cell in header][-len(HOSTILE) :] == [f"SN: 02001283 - Ch: {x} W" for x in HOSTILE]


def test_names_and_groups_of_a_sheet_stay_text(site, tmp_path):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    lines = ["device,place,name,group", '02001283,1,"=HYPERLINK(""http://example.org"")",', "02001283,2,,=1+1"]
    (site.data / "acme/roof/channels.csv").write_text("\n".join(lines) + "\n")
    file = tmp_path / "x.xlsx"
    done = powerview(site, "export", "acme", "roof", "--sheet", "--format", "xlsx", "-o", file)
    assert (done.returncode, done.stderr) == (0, "")
    book = openpyxl.load_workbook(file)
    voltage, power = '=HYPERLINK("http://example.org") V', "Voie1 W"
    for title, names in (("readings", [voltage, power]), ("coverage", [voltage, power]), ("kWh per day", ["=1+1 W"])):
        header = next(book[title].iter_rows())
        assert [cell.value for cell in header][-len(names) :] == names
        assert {(cell.data_type, cell.hyperlink) for cell in header} == {("s", None)}


def test_a_title_that_begins_with_an_equals_sign_is_text(tmp_path):
    class Source:
        channels, clamps = [Channel(1, "x", "n", "V", "=1+1")], ()

        def frames(self):
            return iter(())

    file = tmp_path / "x.xlsx"
    with file.open("wb") as opened:
        workbook.write_workbook(Source(), make_site.ZONE, opened)
    for title in ("readings", "coverage"):
        cell = list(next(openpyxl.load_workbook(file)[title].iter_rows()))[-1]
        assert (cell.value, cell.data_type) == ("=1+1 V", "s")


def test_more_rows_or_columns_than_a_sheet_holds_are_refused(site, tmp_path, monkeypatch):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows(count=3)))
    settings, file, spare = site.settings(), tmp_path / "x.xlsx", tmp_path / "tmp"
    file.write_bytes(b"before")
    spare.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    want = wanted(settings, "acme", "roof", None, None)
    for limit, enough, sentence in (("MOST_ROWS", 4, "more times"), ("MOST_COLUMNS", 4, "there are 2 channels")):
        monkeypatch.setattr(workbook, limit, enough - 1)
        with pytest.raises(workbook.TooLarge, match=sentence):
            export(settings, want, "xlsx", file, from_files=True)
        assert file.read_bytes() == b"before"
        monkeypatch.setattr(workbook, limit, enough)
    assert os.listdir(spare) == []
    export(settings, want, "xlsx", file, from_files=True)
    assert len(sheets(file)["readings"]) == 4


def test_the_same_readings_make_the_same_bytes(site, tmp_path):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    for name in ("a.xlsx", "b.xlsx"):
        assert powerview(site, "export", "acme", "roof", "--format", "xlsx", "-o", tmp_path / name).returncode == 0
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_without_xlsxwriter_one_sentence_says_what_to_install(site, tmp_path):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "xlsxwriter.py").write_text("raise ImportError")
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    done = powerview(site, "export", "acme", "roof", "--format", "xlsx", "-o", tmp_path / "x.xlsx",
                     PYTHONPATH=str(tmp_path / "without"))  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert "requirements-export.txt" in done.stderr


def test_a_full_disk_is_named_and_leaves_the_file_as_it_was(site, tmp_path):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    done = powerview(site, "export", "acme", "roof", "--format", "xlsx", "-o", "/dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert "No space left on device" in done.stderr


def test_a_workbook_needs_a_file(site):
    done = powerview(site, "export", "acme", "roof", "--format", "xlsx")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--format xlsx needs -o FILE" in done.stderr
