"""channels.csv: every dialect of the spreadsheets is understood; what is wrong is a sentence with line and remedy."""

from __future__ import annotations

import csv
import io
import os
import random

import make_site
import pytest

from powerview.channels import HIDDEN, MAIN, PART, NotUnderstood, Sheet, disk, read_sheet
from powerview.channels.sheet import Line
from powerview.channels.table import MOST_BYTES, MOST_ROWS, guarded, plain, read_table, write_table
from powerview.mv2 import Channel

HEADER = "device,place,logger,unit,name,role,group,factor"


def lines(text: str | bytes) -> tuple[Line, ...]:
    return read_sheet(text.encode() if isinstance(text, str) else text).lines


def problems(text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(NotUnderstood) as caught:
        lines(text)
    return caught.value.problems


# ── dialects ─────────────────────────────────────────────────────────────────────────────────────────────────────────

EXPECTED = (
    Line(2, "02009001", 4, "W", "Compteur été", MAIN, "Réseau", 0.5),
    Line(3, "04009003", 6, None, "Café, bar", PART, "", -1.0),
)
ROWS = {
    ",": '02009001,4,Voie4,W,Compteur été,main,Réseau,0.5\n04009003,6,Voie6,,"Café, bar",,,-1\n',
    ";": "02009001;4;Voie4;W;Compteur été;main;Réseau;0,5\n04009003;6;Voie6;;Café, bar;;;-1\n",
    "\t": "02009001\t4\tVoie4\tW\tCompteur été\tmain\tRéseau\t0,5\n04009003\t6\tVoie6\t\tCafé, bar\t\t\t-1\n",
}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("separator", ROWS)
@pytest.mark.parametrize("header", [HEADER, "Appareil,Voie,Libellé,Unité,Nom,Rôle,Groupe,Facteur"], ids=["en", "fr"])
def test_every_dialect_is_the_same_sheet(separator, encoding, newline, header):
    text = header.replace(",", separator) + "\n" + ROWS[separator]
    assert lines(text.replace("\n", newline).encode(encoding)) == EXPECTED


def test_columns_come_in_any_order_and_others_are_ignored():
    text = "Wo,Role,PLACE,Notes,N° de série,factor\nx,Hidden,02,=1+1,7,\n"
    assert lines(text) == (Line(2, "7", 2, None, role=HIDDEN),)


def test_excels_own_first_line_names_the_separator():
    assert lines("sep=;\ndevice;place;factor\n1;1;0,5\n") == (Line(3, "1", 1, None, factor=0.5),)


def test_empty_lines_and_cells_that_a_spreadsheet_leaves_out_are_no_matter():
    assert lines(f"\n{HEADER}\n1,1\n,,,,,,,\n\n1,2,,,,,,,,,\n") == (Line(3, "1", 1, None), Line(6, "1", 2, None))


def test_a_cell_of_two_lines_is_one_name_and_later_lines_keep_their_numbers():
    assert lines('device,place,name\n1,1,"Deck\r\noven"\n1,2,x\n') == (
        Line(2, "1", 1, None, "Deck oven"), Line(4, "1", 2, None, "x")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "factor"), [("-1", -1), ("\N{MINUS SIGN}1", -1), ("+2", 2), ("1E-3", 0.001), ("0.25", 0.25)]
)
def test_factors(text, factor):
    assert lines(f"device,place,factor\n1,1,{text}\n")[0].factor == factor


def test_the_sheet_of_the_made_up_bakery_is_what_a_plain_reader_sees():
    found = read_sheet(make_site.SHEET.read_bytes()).lines
    with make_site.SHEET.open(encoding="utf-8", newline="") as file:
        plain_rows = list(csv.DictReader(file))
    assert [(x.device, str(x.place), x.unit, x.name, x.role, x.group, x.factor) for x in found] == [
        (r["device"], r["place"], r["unit"], r["name"], r["role"] or PART, r["group"], float(r["factor"] or 1))
        for r in plain_rows
    ]


# ── which line is about which clamp ──────────────────────────────────────────────────────────────────────────────────


def channel(device: str, idx: int, unit: str | None) -> Channel:
    return Channel(idx, device, "Voie1", unit, f"SN: {device} - Ch: Voie1")


def test_a_line_with_a_unit_is_about_that_unit_and_one_without_about_any():
    sheet = read_sheet(b"device,place,unit,name\n7,1,V,v\n7,1,W,w\n7,1,?,none\n7,2,,any\n")
    places = ((1, "V"), (1, "W"), (1, "kW"), (1, None), (2, "A"), (2, None), (3, "W"))
    found = [sheet.line_of(channel("7", *where)) for where in places]
    assert [line and line.name for line in found] == ["v", "w", None, "none", "any", "any", None]
    assert [line.clamp for line in sheet.absent([("7", 1, "V"), ("7", 1, "W"), ("7", 2, None)])] == [
        "7 place 1 (no unit)"
    ]


def test_zeros_that_a_spreadsheet_cut_off_a_serial_number_are_no_matter():
    sheet = read_sheet(b"device,place,name\n2009001,1,Meter\n")
    assert sheet.line_of(channel("02009001", 1, "W")).name == "Meter"
    assert sheet.line_of(channel("02009002", 1, "W")) is None


def test_lines_about_clamps_that_are_not_there_are_known():
    sheet = Sheet((Line(2, "7", 1, "W"), Line(3, "7", 2, None), Line(4, "8", 1, "W")))
    assert [line.clamp for line in sheet.absent([("7", 1, "W"), ("8", 1, "V")])] == ["7 place 2", "8 place 1 (W)"]


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────────────────────

SAVE = 'save it in the spreadsheet as "CSV UTF-8 (comma delimited)", in French "CSV UTF-8 (délimité par des virgules)".'
BAD = {
    "unknown role": (
        "device,place,role\n1,1,mian\n",
        "line 2: role 'mian' is not known: write main, part, production or hidden, or leave it empty, which means "
        "part.",
    ),
    "clamp twice": (
        "device,place,unit\n007,1,W\n8,1,W\n7,1,W\n",
        "line 4: the clamp 7 place 1 (W) is in line 2 already: delete one of them.",
    ),
    "clamp with and without its unit": (
        "device,place,unit\n7,1,\n7,1,W\n",
        "line 3: the clamp 7 place 1 (W) is in line 2 already: delete one of them.",
    ),
    "clamp without any unit and without a unit": (
        "device,place,unit\n7,1,?\n7,1,\n",
        "line 3: the clamp 7 place 1 is in line 2 already: delete one of them.",
    ),
    "factor is a word": (
        "device,place,factor\n1,1,minus\n",
        "line 2: factor 'minus' is no number: write one such as -1 or 0.5, or leave it empty, which means 1.",
    ),
    "decimal comma beside commas": (
        'device,place,factor\n1,1,"0,5"\n',
        "line 2: factor '0,5' is no number: write one such as -1 or 0.5, or leave it empty, which means 1.",
    ),
    "factor not finite": (
        "device;place;factor\n1;1;nan\n",
        "line 2: factor 'nan' is no number: write one such as -1 or 0,5, or leave it empty, which means 1.",
    ),
    "factor 0": (
        "device;place;factor\n1;1;0,0\n",
        "line 2: factor '0,0' would make every reading 0: leave it empty, which means 1; the role hidden hides a "
        "clamp.",
    ),
    "place": ("device,place\n1,0\n", "line 2: place '0' is no position of a clamp, which are 1, 2, 3 …"),
    "no device": (
        "device,place,name\n,,Oven\n",
        "line 2: there is no device: write the serial number, or delete the line.",
    ),
    "long name": (
        f"device,place,name\n1,1,{'x' * 101}\n",
        "line 2: the name has more than 100 characters: shorten it.",
    ),
    "long cell": (f"device,place,x\n1,1,{'x' * 501}\n", "line 2: a cell has more than 500 characters: shorten it."),
    "a comma in a name": (
        "device,place,name\n1,1,Oven, left\n",
        "line 2: there are more cells than columns: write a text that has the separator in it between quotation "
        "marks.",
    ),
    "open quote": (
        'device,place,name\n1,1,a\n1,2,"b\n1,3,c\n',
        'line 3: a quotation mark is not closed, or a cell is too long (unexpected end of data): write text that has " '
        'in it between quotation marks, and each " in it twice.',
    ),
    "no header": (
        "02009001,4,W\n",
        "line 1: there is no column device and no column place: the first line names the columns device, place, "
        "logger, unit, name, role, group, factor, with `,`, `;` or a tab between them.",
    ),
    "a column twice": (
        "device,place,nom,name\n1,1,,\n",
        "line 1: 'nom' and 'name' are both the column name: rename or delete one of them.",
    ),
    "empty": (
        "\n",
        "the sheet is empty: its first line names the columns device, place, logger, unit, name, role, group, factor, "
        "mean, largest.",
    ),
    "xlsx": (b"PK\x03\x04\x14\0", f"this is a workbook with the name of a CSV file: open it, and {SAVE}"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1", f"this is a workbook with the name of a CSV file: open it, and {SAVE}"),
    "UTF-16": (
        "device\tplace\n1\t1\n".encode("utf-16"),
        f"this is no text in UTF-8 or Windows-1252: {SAVE}",
    ),
    "no character": (
        b"device,place,name\n1,1,\x81\n",
        f"line 2: a character is neither UTF-8 nor Windows-1252: {SAVE}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_sentence_with_its_remedy(text, sentence):
    assert problems(text) == (sentence,)


def test_every_problem_is_found_at_once_in_the_order_of_the_lines():
    found = problems("device,place,role,factor\n1,1,x,\n1,2,,y\n1,3,,\n1,3,,\n")
    assert [problem.split(":")[0] for problem in found] == ["line 2", "line 3", "line 5"]
    with pytest.raises(NotUnderstood, match=r"is not known.*\(2 more in channels.csv.reason.txt\)"):
        lines("device,place,role,factor\n1,1,x,\n1,2,,y\n1,3,,\n1,3,,\n")


def test_a_sheet_of_a_workbook_is_refused_as_a_spreadsheet_writes_it(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(HEADER.split(","))
    book.save(tmp_path / "channels.xlsx")
    assert "this is a workbook" in problems((tmp_path / "channels.xlsx").read_bytes())[0]


def test_size_is_bounded():
    assert "more than 2 MB" in problems(b"device,place\n" + b"\n" * MOST_BYTES)[0]
    assert "more than 20000 lines" in problems("device,place\n" + "1,1\n" * (MOST_ROWS + 1))[0]


def test_control_characters_and_backslashes_do_not_get_into_names():
    [line] = lines('device,place,name,group\n1,1,"a\\b\x07\u202ec\u2028d",{{ x }}$(id)\n')
    assert (line.name, line.group) == ("a/b c d", "{{ x }}$(id)")


def test_no_bytes_make_a_traceback():
    rng = random.Random(7)
    alphabet = [*"device,place;role\tfactor\n\r\"'=-,;1\x00\x81é", HEADER, "\nsep=;", "\ufeff"]
    for _ in range(3000):
        text = "".join(rng.choices(alphabet, k=rng.randrange(40)))
        found = ["understood"]
        try:
            read_sheet((HEADER + "\n" + text if rng.random() < 0.7 else text).encode(rng.choice(["utf-8", "utf-16"])))
        except NotUnderstood as error:
            found = error.problems
        assert found
        assert all(problem and problem.isprintable() for problem in found)


# ── formulas ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@SUM(1)", "'=x", "''-x", "-1-1", "=cmd|' /C calc'!A0"])
def test_what_a_spreadsheet_takes_for_a_formula_is_written_as_text_and_read_as_it_was(text):
    assert guarded(text) == "'" + text
    assert plain(guarded(text)) == text


@pytest.mark.parametrize("text", ["-1", "+0,5", "-1.5e3", "", "l'eau", "'t Hof", "D39L1", "a=b", "%"])
def test_numbers_and_plain_text_are_written_as_they_are(text):
    assert guarded(text) == plain(guarded(text)) == text


def test_a_table_is_written_in_its_own_dialect_and_read_back():
    data = '\ufeffdevice;place;name;note\r\n1;1;été;=1+1\r\n1;2;"a;b";x\r\n'.encode()
    table = read_table(data)
    assert write_table(table) == data.replace(b"=1+1", b"'=1+1")
    assert write_table(read_table(write_table(table))) == write_table(table)
    assert list(csv.reader(io.StringIO(write_table(table).decode("utf-8-sig")), delimiter=";"))[1][3] == "'=1+1"


# ── on disk ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_but_a_regular_file_is_read(tmp_path):
    folder = tmp_path / "data/acme/roof"
    folder.mkdir(parents=True)
    sheet, secret = folder / "channels.csv", tmp_path / "secret"
    secret.write_text("device,place\n1,1\n")
    with pytest.raises(FileNotFoundError):
        disk.read_beside(tmp_path / "data", "acme", "roof")
    sheet.symlink_to(secret)
    with pytest.raises(NotUnderstood, match="it is a symlink"):
        disk.read_beside(tmp_path / "data", "acme", "roof")
    (tmp_path / "data/linked").symlink_to(tmp_path / "data/acme")
    with pytest.raises(NotUnderstood, match="reached through one"):
        disk.read_beside(tmp_path / "data", "linked", "roof")
    for make in (sheet.mkdir, lambda: os.mkfifo(sheet)):
        sheet.rmdir() if sheet.is_dir() and not sheet.is_symlink() else sheet.unlink()
        make()
        with pytest.raises(NotUnderstood, match="not a regular file"):
            disk.read_beside(tmp_path / "data", "acme", "roof")
    sheet.unlink()
    sheet.write_bytes(secret.read_bytes())
    assert disk.read_beside(tmp_path / "data", "acme", "roof")[0] == secret.read_bytes()


def test_no_more_of_a_sheet_is_read_than_one_may_have(tmp_path):
    folder = tmp_path / "acme/roof"
    folder.mkdir(parents=True)
    with (folder / "channels.csv").open("wb") as file:
        file.truncate(50 * MOST_BYTES)
    data, _ = disk.read_beside(tmp_path, "acme", "roof")
    assert len(data) == MOST_BYTES + 1
