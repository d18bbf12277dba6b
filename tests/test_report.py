"""`python -m powerview report`: pages to hand over, the same bytes for the same readings, a sentence for bad input."""

from __future__ import annotations

import io
import json
import re
import shutil
import string

import make_site
import pandas as pd
import pypdf
import pytest
from sample_tree import SAMPLES, serial
from test_export import powerview
from test_report_figures import Plain, channel
from trees import ROOT, Site, day_rows, v002, v003

from powerview.channels import read_sheet
from powerview.reporting.export import wanted
from powerview.reporting.report import parts
from powerview.reporting.report.content import content_of
from powerview.reporting.report.parts import Report
from powerview.reporting.report.pdf import pdf_of
from powerview.reporting.report.texts import TEXTS
from powerview.reporting.report.words import Words
from powerview.reporting.sheet_source import SheetSource
from powerview.reporting.sources import ALL_TIME, FileSource, Wanted
from powerview.reporting.study import study_of

MOST_PAGES = 6
BAKERY = make_site.CLIENT, make_site.CAMPAIGN


def pages(pdf: bytes) -> list[str]:
    """The text of each page, blanks of any kind as one."""
    return [re.sub(r"\s+", " ", page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def content(site: Site, client: str, campaign: str, language: str = "en", sheet: bytes = b"", **more: object) -> dict:
    """What the report of a campaign's files says."""
    settings = site.settings()
    want = wanted(settings, client, campaign, None, None)
    source = FileSource(settings, want)
    source = SheetSource(source, read_sheet(sheet)) if sheet else source
    return content_of(Report(study_of(source, want), Words(language), **more))


def tables(found: dict) -> dict[str, list[dict]]:
    """The tables of a report by the title of their section."""
    return {
        s["title"]: [t for p in s["parts"] if p["kind"] == "tables" for t in p["tables"]] for s in found["sections"]
    }


def tiles(found: dict) -> dict[str, str]:
    """The figures of the first page by their labels, with ordinary blanks."""
    shown = next(part for part in found["sections"][0]["parts"] if part["kind"] == "tiles")
    return {tile["label"]: re.sub(r"\s", " ", tile["value"]) for tile in shown["tiles"]}


@pytest.fixture(scope="module")
def bakery(tmp_path_factory) -> Site:
    """The made-up bakery with its sheet."""
    site = Site(tmp_path_factory.mktemp("bakery"))
    first = make_site.write_files(make_site.make_site(), site.data)[0]
    shutil.copyfile(make_site.SHEET, first.parent.parent / "channels.csv")
    return site


# --- what is in it ---


def test_the_bakery_reads_as_an_auditor_wants_it(bakery, tmp_path):
    file = tmp_path / "bakery.pdf"
    done = powerview(bakery, "report", *BAKERY, "-o", file, "--subscribed", "36")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{file}: the report of {BAKERY[0]}/{BAKERY[1]}.\n"
    found = pages(file.read_bytes())
    assert len(found) <= MOST_PAGES
    titles = ["Coverage and gaps", "Energy by group", "Energy by day", "Load profile", "Base load and peaks", "Voltage"]
    whole = " ".join(found)
    assert re.search(".*".join(titles), whole)
    for text in (
        "from 23 Mar 2026 to 3 May 2026, 24 channels of 4 devices, 144 624 readings",
        "16 Apr 2026 13:10 16 Apr 2026 15:50 2 h 40 min",
        "Deck oven",
        "Hours above: ten-minute means above 36 kW",
    ):
        assert text in whole, text
    assert pypdf.PdfReader(file).metadata.title == BAKERY[1]


def test_in_french_it_has_the_terms_of_the_trade(bakery, tmp_path):
    file = tmp_path / "fr.pdf"
    done = powerview(bakery, "report", *BAKERY, "--language", "fr", "--subscribed", "36,5", "-o", file)
    assert (done.returncode, done.stderr) == (0, "")
    whole = " ".join(pages(file.read_bytes()))
    for text in ("Énergie soutirée", "Énergie injectée", "Talon", "Monotone de charge", "Puissance souscrite",
                 "Taux de couverture", "7 462,0 kWh", "du 23/03/2026 au 03/05/2026", "16/04/2026 13:10",
                 "Au-dessus de 36,5 kW", "lun. 23/03/2026"):  # fmt: skip
        assert text in whole, text
    for english in ("Coverage", "Drawn", "Device", "Monday", "Week", "readings"):
        assert english not in whole, english


def test_the_language_is_that_of_the_settings_unless_one_is_named(bakery, tmp_path):
    for arguments, title in (([], "Talon et pointes"), (["--language", "en"], "Base load and peaks")):
        done = powerview(bakery, "report", *BAKERY, *arguments, "-o", tmp_path / "x.pdf", POWERVIEW_LANGUAGE="fr")
        assert done.returncode == 0, done.stderr
        assert title in " ".join(pages((tmp_path / "x.pdf").read_bytes()))


def test_figures_are_written_as_they_were_computed(bakery):
    truth = make_site.true_figures(make_site.make_site())
    found = content(bakery, *BAKERY, sheet=make_site.SHEET.read_bytes(), subscribed=36_000)
    kwh = truth.sum()
    meter = make_site.make_site().readings[[3, 4, 5]].sum(axis=1)
    assert tiles(found) | {"Base load": ""} == {
        "Energy drawn": f"{kwh['drawn']:,.1f} kWh".replace(",", " "),
        "Energy fed in": f"{kwh['fed in']:,.1f} kWh".replace(",", " "),
        "Production": f"{kwh['production']:,.1f} kWh".replace(",", " "),
        "Coverage": "99.7 %",
        "Mean power": f"{meter.mean() / 1000:.2f} kW",
        "Highest ten-minute mean": f"{meter.max() / 1000:.2f} kW",
        "Base load": "",
        "Load factor": f"{100 * meter.mean() / meter.max():.1f} %",
        "Above 36 kW": f"{(meter > 36_000).sum() / 6:.1f} h",
    }
    _, groups = tables(found)["Energy by group"]
    rows = {row[0]: row for row in groups["rows"]}
    circuits = [name for name, row in rows.items() if row[2] == "part"]
    assert len(circuits) == 8
    for name in circuits:
        share = f"{100 * kwh[name] / kwh[circuits].sum():.1f}\N{NO-BREAK SPACE}%"
        assert rows[name][3:5] == [f"{kwh[name]:,.1f}".replace(",", "\N{NARROW NO-BREAK SPACE}"), share]
    days = [row for table in tables(found)["Energy by day"] for row in table["rows"]]
    assert [row[1:5] for row in days] == [[f"{kwh:.1f}" for kwh in row[:4]] for row in truth.itertuples(index=False)]
    assert [re.sub(r"\s", " ", days[i][0]) for i in (0, -1)] == ["Mon 23 Mar 2026", "Sun 3 May 2026"]


def test_from_and_to_are_whole_local_days(bakery, tmp_path):
    done = powerview(bakery, "report", *BAKERY, "--from", "2026-03-29", "--to", "2026-03-30", "-o", tmp_path / "x.pdf")
    assert done.returncode == 0, done.stderr
    whole = " ".join(pages((tmp_path / "x.pdf").read_bytes()))
    assert "from 29 Mar 2026 to 30 Mar 2026, 24 channels of 4 devices, 6 768 readings" in whole  # 47 hours


def test_a_sheet_that_is_not_understood_is_named_on_the_first_page(site, tmp_path):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    (site.data / "acme/roof/channels.csv").write_text("device,place,role\n02001283,2,boss\n")
    assert powerview(site, "report", "acme", "roof", "-o", tmp_path / "x.pdf").returncode == 0
    assert "channels.csv is not used" in pages((tmp_path / "x.pdf").read_bytes())[0]
    assert "role 'boss' is not known" in pages((tmp_path / "x.pdf").read_bytes())[0]


def test_the_report_of_influxdb_is_that_of_the_files(influx_site, client, tmp_path):
    for sample in (SAMPLES / "v002").glob("*.tsv"):
        influx_site.put(f"{client}/roof/{serial(sample)}/{sample.name}", sample.read_bytes())
    assert influx_site.run().returncode == 0
    for name, arguments in (("influxdb", []), ("files", ["-d", influx_site.data])):
        done = powerview(influx_site, "report", client, "roof", *arguments, "-o", tmp_path / f"{name}.pdf")
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "influxdb.pdf").read_bytes() == (tmp_path / "files.pdf").read_bytes()


# --- the same bytes ---


def test_the_same_readings_make_the_same_bytes_anywhere(bakery, tmp_path):
    for name, environment in (("a", {}), ("b", {"TZ": "Asia/Tokyo", "LC_ALL": "C", "HOME": "/nonexistent",
                                                "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"})):  # fmt: skip
        done = powerview(bakery, "report", *BAKERY, "-o", tmp_path / name, **environment)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    metadata = pypdf.PdfReader(tmp_path / "a").metadata
    assert (metadata.creation_date, metadata.modification_date) == (None, None)


# --- what others choose ---

HOSTILE = ['#read("/etc/passwd")', "<script>alert(1)</script>", "#panic()", "= no title", "*b* _i_ `c` $x^2$ @r <l>",
           '"; panic("', "{{ x }}", "\\u{41} #", "]#text(red)[", "https://example.org"]  # fmt: skip


def test_names_never_run_as_code(site, tmp_path):
    cells = " ".join("1.0" for _ in HOSTILE)
    site.put("acme/roof/02001283/a.tsv", v002(f"01/07/25 00:00:00 {cells}", labels=[f"{x} W" for x in HOSTILE]))
    assert powerview(site, "report", "acme", "roof", "-o", tmp_path / "x.pdf").returncode == 0
    reader = pypdf.PdfReader(tmp_path / "x.pdf")
    whole = "".join(pages((tmp_path / "x.pdf").read_bytes())).replace(" ", "")
    for label in HOSTILE:
        assert label.replace("\\", "/").replace(" ", "") in whole, label
    assert "root:" not in whole
    assert all("/Annots" not in page for page in reader.pages)


def test_names_of_a_sheet_are_text_without_controls(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    sheet = 'device,place,name\n02001283,2,"a\u202eb #read(""/etc/passwd"")\\"\n'
    found = tables(content(site, "acme", "roof", sheet=sheet.encode()))["Energy by group"]
    assert found[0]["rows"][0][0] == 'a b #read("/etc/passwd")/'


def test_a_label_has_no_controls(site):
    site.put("acme/roof/02001283/a.tsv", v002("01/07/25 00:00:00 1.0", labels=["a\u202eb W"]))
    assert tables(content(site, "acme", "roof"))["Energy by group"][0]["rows"][0][0] == "a\\u202eb"


@pytest.mark.parametrize("letter", ["W", "é", "\N{CJK UNIFIED IDEOGRAPH-65E5}", "\N{COMBINING ACUTE ACCENT}"])
def test_long_labels_are_cut_and_hide_nothing(site, letter):
    labels = [letter * 250 + f"{i} W" for i in range(40)] + [letter * 250 + " V"]
    cells = " ".join(f"{i}.5" for i in range(41))
    site.put("acme/roof/02001283/a.tsv", v003(f"01/07/25 00:00:00 {cells}", labels=labels))
    pdf = pdf_of(content(site, "acme", "roof"))
    assert len(pages(pdf)) <= MOST_PAGES
    assert inside(pdf)


# --- pages ---


def inside(pdf: bytes) -> bool:
    """Whether all text is within the page's margins."""
    found = []
    for page in pypdf.PdfReader(io.BytesIO(pdf)).pages:
        wide, high = float(page.mediabox.width), float(page.mediabox.height)
        assert (round(wide), round(high)) == (595, 842)  # A4

        def visit(text, cm, tm, *_, wide=wide, high=high):
            x, y = (tm[4] * cm[i] + tm[5] * cm[2 + i] + cm[4 + i] for i in (0, 1))
            if text.strip():
                found.append(20 <= x <= wide - 40 and 20 <= y <= high - 20)

        page.extract_text(visitor_text=visit)
    assert found
    return all(found)


def large(site: Site, days: int, devices: int, channels: int) -> None:
    """A campaign of a logger with slaves, the first of them with voltages out of all limits; each day has a gap."""
    serials = [f"04{i:06}" for i in range(devices) for _ in range(channels)]
    labels = [f"A channel with a rather long name {i} {'V' if i < 48 else 'W'}" for i in range(len(serials))]
    cells = " ".join(f"{150 + i}.5" for i in range(len(serials)))
    months = [(1 + day // 28, 1 + day % 28) for day in range(days)]
    rows = [f"{day:02}/{1 + (month - 1) % 12:02}/{24 + (month - 1) // 12} {hour:02}:00:00 {cells}"
            for month, day in months for hour in (0, 1, 4)]  # fmt: skip
    site.put("acme/roof/02001283/T302_270101_000000_UTC.tsv", v003(*rows, labels=labels, devices=serials))


@pytest.mark.parametrize(("days", "devices", "channels"), [(56, 17, 6), (300, 50, 6), (730, 3, 40), (20, 1, 60)])
def test_there_are_never_more_than_six_pages_and_no_table_is_cut(site, days, devices, channels):
    large(site, days, devices, channels)
    found = content(site, "acme", "roof", "fr", subscribed=1000.0, notes=["A sentence to be read first. " * 4])
    pdf = pdf_of(found)
    assert 2 <= len(pages(pdf)) <= MOST_PAGES
    assert inside(pdf)
    rows = [row for of_section in tables(found).values() for table in of_section for row in table["rows"]]
    texts = [page.replace(" ", "") for page in pages(pdf)]
    for row in rows:  # each is there to its last cell
        last = [cell for cell in row if isinstance(cell, str) and cell][-1]
        assert any(re.sub(r"\s", "", last)[:12] in page for page in texts), row


def test_no_table_goes_over_two_pages():
    columns = [("Number", "number", 0), ("Name", "name", 1)]
    found = [parts.tables(parts.table(columns, [[f"{n}-{i}", "x"] for i in range(45)])) for n in range(1, 4)]
    texts = [page.split() for page in pages(pdf_of(
        {"language": "en", "title": "t", "above": "", "lead": "", "page": "page", "footer": "",
         "sections": [parts.section("s", found, "small")]}
    ))]  # fmt: skip
    for n in range(1, 4):
        assert [{f"{n}-{i}" for i in range(45)} <= set(text) for text in texts].count(True) == 1


def test_all_channels_of_a_campaign_of_102_are_there(site):
    large(site, 10, 17, 6)
    halves = tables(content(site, "acme", "roof"))["Energy by group"]
    names = [row[0] for half in halves for row in half["rows"]]
    assert sorted(names) == sorted(f"A channel with a rather long name {i}" for i in range(48, 102))


def test_what_there_is_no_room_for_is_added_up(site):
    large(site, 10, 50, 6)
    halves = tables(content(site, "acme", "roof"))["Energy by group"]
    rows = [row for half in halves for row in half["rows"]]
    assert len(rows) == 104
    assert rows[-1][0] == "149 others together"
    every = [30 / 6 * (150.5 + i) / 1000 for i in range(48, 300)]
    assert float(rows[-1][2]) == pytest.approx(sum(sorted(every)[:149]), abs=0.05)


@pytest.mark.parametrize(("channels", "last"), [(104, "C103"), (105, "2 others together")])
def test_104_groups_have_a_row_each(site, channels, last):
    cells = " ".join(f"{1000 - i}.5" for i in range(channels))
    site.put(
        "acme/roof/02001283/a.tsv", v003(f"01/07/25 00:00:00 {cells}", labels=[f"C{i} W" for i in range(channels)])
    )
    rows = [row for half in tables(content(site, "acme", "roof"))["Energy by group"] for row in half["rows"]]
    assert (len(rows), rows[-1][0]) == (104, last)


def test_of_many_devices_those_with_the_least_coverage_are_shown(site):
    for i in range(22):
        rows = [f"01/07/25 {row // 6:02}:{row % 6}0:00 1.0" for row in range(100 - i)]
        site.put(f"acme/roof/020012{i:02}/a.tsv", v003(*rows, labels=["Voie1 W"], master=f"020012{i:02}"))
    found = content(site, "acme", "roof")
    assert [row[0] for row in tables(found)["Coverage and gaps"][0]["rows"]] == [f"020012{i:02}" for i in range(2, 22)]
    sentences = [part["text"] for part in found["sections"][0]["parts"] if part["kind"] == "text"]
    assert "2 more devices are covered for at least 99.0\N{NO-BREAK SPACE}% of the time each." in sentences


def test_a_day_without_readings_has_no_energy(site):
    site.put("acme/roof/02001283/a.tsv", v002(*[row for day in (1, 3) for row in day_rows(f"0{day}/07/25", 144)]))
    [days] = tables(content(site, "acme", "roof"))["Energy by day"]
    whole, none = ["1.72", "100.0\N{NO-BREAK SPACE}%"], ["\N{EN DASH}", "0.0\N{NO-BREAK SPACE}%"]
    assert [row[1:] for row in days["rows"]] == [whole, none, whole]


def test_of_many_phases_and_weeks_the_worst_are_shown():
    times = pd.date_range("2025-06-30", periods=5 * 7, freq="1D", tz="UTC")  # a mean a day, five weeks
    bad = {i: pd.Series([150.0 if day < i else 230.0 for day in range(35)], times) for i in range(14)}
    want = Wanted("c", "x", *ALL_TIME, make_site.ZONE)
    study = study_of(Plain({channel(i + 1, "V"): volts for i, volts in bad.items()}), want)
    phases, *weeks = tables(content_of(Report(study, Words("en"))))["Voltage"]
    assert [row[0] for row in phases["rows"]] == [*(f"C{i + 1}" for i in range(2, 14)), "2 more"]
    assert phases["strong"] == list(range(12))
    rows = [row for half in weeks for row in half["rows"]]
    assert len(rows) == 56
    assert sum(int(row[3]) for row in rows) == sum(range(14))


@pytest.mark.parametrize(
    ("unit", "value"), [("W", "0.0"), ("W", "-5.0"), ("V", "231.0"), ("V", "114.0"), ("°C", "19.5"), ("MW", "9999.9")]
)
def test_a_single_reading_of_anything_makes_a_report(site, unit, value):
    site.put("acme/roof/02001283/a.tsv", v003(f"01/07/25 10:00:00 {value}", labels=[f"Voie1 {unit}"]))
    pdf = pdf_of(content(site, "acme", "roof", subscribed=1000.0))
    assert 1 <= len(pages(pdf)) <= 3
    assert inside(pdf)


def test_a_campaign_whose_channels_are_all_hidden_makes_a_report(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    sheet = b"device,place,role\n02001283,1,hidden\n02001283,2,hidden\n"
    [page] = pages(pdf_of(content(site, "acme", "roof", sheet=sheet)))
    assert "No channel that is shown measures a power" in page
    assert "Not counted: hidden channels: 2." in page


# --- texts ---


def test_every_text_is_there_in_both_languages_with_the_same_places():
    for key, (english, french) in TEXTS.items():
        places = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, french)]
        assert places[0] == places[1], key


def test_no_text_is_unused():
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "powerview/reporting/report").glob("*.py"))
    made = {f"{start}{kind}" for start in ("section ", "a part ", "") for kind in ("day", "week", "month", "year")}
    counted = {
        f"{one}{what}{many}" for what in ("device", "channel", "reading") for one, many in (("one ", ""), ("", "s"))
    }
    unused = {key for key in TEXTS if code.count(f'"{key}"') < 2} - made - counted
    assert unused == set()


@pytest.mark.parametrize(
    ("language", "value", "decimals", "written"),
    [("en", 1234.56, 1, "1\u202f234.6"), ("fr", 1234.56, 1, "1\u202f234,6"), ("en", -0.04, 1, "0.0"),
     ("fr", -12.0, 0, "\N{MINUS SIGN}12")],
)  # fmt: skip
def test_numbers_are_written_as_the_language_writes_them(language, value, decimals, written):
    assert Words(language).number(value, decimals) == written


def test_what_is_not_all_is_not_100_percent_and_what_is_not_nothing_not_0():
    text = Words("en")
    assert [text.percent(share) for share in (1, 0.99999, 0.9994)] == [
        f"{p}\N{NO-BREAK SPACE}%" for p in ("100.0", "99.9", "99.9")
    ]


def test_the_second_pass_of_an_hour_that_is_there_twice_has_its_offset():
    zone = make_site.ZONE
    first, second = (Words("fr").moment(at, zone) for at in (1761438600, 1761442200))
    assert (first, second) == ("26/10/2025\N{NO-BREAK SPACE}02:30", "26/10/2025\N{NO-BREAK SPACE}02:30 (+01:00)")


# --- bad input ---

REFUSED = [
    (["acme", "cellar", "-o", "x.pdf"], 2, "there are no readings of acme/cellar in the files of"),
    (["acme", "roof", "--to", "2025-06-30", "-o", "x.pdf"], 2, "its readings are from 2025-07-01 to 2025-07-01"),
    (["acme", "roof", "--from", "2025-07-02", "--to", "2025-07-01", "-o", "x.pdf"], 2, "is later than"),
    (["acme", "roof", "--from", "soon", "-o", "x.pdf"], 2, "is not a day such as"),
    (["acme", "roof", "--subscribed", "36kVA", "-o", "x.pdf"], 2, "is no number of kW such as 36"),
    (["acme", "roof", "--language", "de", "-o", "x.pdf"], 2, "invalid choice: 'de'"),
    (["acme", "roof"], 2, "-o/--output"),
    (['x") |> drop', "roof", "-o", "x.pdf"], 2, "has a name that is not allowed"),
    (["acme", "roof", "-d", "/no/tree", "-o", "x.pdf"], 78, "is not a folder"),
    (["acme", "roof", "-o", "/no/folder/x.pdf"], 78, "/no/folder/x.pdf: No such file"),
    (["acme", "roof", "-o", "/dev/full"], 78, "No space left on device"),
]


@pytest.mark.parametrize(("arguments", "status", "says"), REFUSED)
def test_bad_input_gets_a_sentence(site, arguments, status, says):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    done = powerview(site, "report", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_file_without_readings_is_no_campaign(site, tmp_path):
    site.put("acme/roof/02001283/a.tsv", b"")
    done = powerview(site, "report", "acme", "roof", "-o", tmp_path / "x.pdf")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there are no readings of acme/roof" in done.stderr
    assert not (tmp_path / "x.pdf").exists()


def test_a_language_that_there_is_not_is_named_with_its_variable(site, tmp_path):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    done = powerview(site, "report", "acme", "roof", "-o", tmp_path / "x.pdf", POWERVIEW_LANGUAGE="de")
    assert (done.returncode, "POWERVIEW_LANGUAGE" in done.stderr) == (78, True)


def test_without_typst_one_sentence_says_what_to_install(site, tmp_path):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "typst.py").write_text("raise ImportError")
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    done = powerview(site, "report", "acme", "roof", "-o", tmp_path / "x.pdf", PYTHONPATH=str(tmp_path / "without"))
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert f"needs the package typst: {ROOT}"[:26] in done.stderr
    assert f"-m pip install -r {ROOT}/requirements-report.txt" in done.stderr


def test_an_influxdb_that_is_away_is_75_and_leaves_the_file_as_it_was(site, tmp_path):
    kept = tmp_path / "kept.pdf"
    kept.write_text("before")
    done = powerview(site, "report", "acme", "roof", "-o", kept, INFLUXDB_HOST="http://127.0.0.1:1",
                     INFLUXDB_ADMIN_TOKEN="x")  # fmt: skip
    assert (done.returncode, kept.read_text()) == (75, "before")
    assert "InfluxDB does not answer at http://127.0.0.1:1" in done.stderr


def test_what_typst_gets_is_plain_data(bakery):
    assert json.loads(json.dumps(content(bakery, *BAKERY))) == content(bakery, *BAKERY)
