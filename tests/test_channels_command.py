"""`python -m powerview channels`: a line for each clamp; what a person filled in stays, and nothing is dropped."""

from __future__ import annotations

import csv
import os
import stat

import make_site
import pandas as pd
import pytest
from test_export import powerview
from trees import Site, day_rows, v002

from powerview.channels import NotUnderstood, read_sheet
from powerview.channels.table import read_table, write_table
from powerview.channels.update import Measured, bring_up_to_date, empty_table
from powerview.output import replacing
from powerview.reporting import sheet as command
from powerview.reporting.sheet import NoSheet, write_sheet

PHASES = ["Ph 1 V", "D39L1 W", "D39L2 W", "D39L3 W", "Voie5 W"]
ROWS = ["01/07/25 00:00:00 240.5 1.0 2.0 3.0 -700.5", "01/07/25 00:10:00 241.5 3.0 4.0 5.0 -800.5"]
SHEET = "acme/roof/channels.csv"


@pytest.fixture
def roof(site) -> Site:
    site.put("acme/roof/02001283/a.tsv", v002(*ROWS, labels=PHASES))
    return site


def write(site: Site) -> list[str]:
    return write_sheet(site.settings(), "acme", "roof")


def text(site: Site) -> str:
    return site.files()[SHEET].decode()


def test_the_sheet_has_a_line_for_each_clamp_and_proposes_groups(roof):
    done = powerview(roof, "channels", "acme", "roof")
    assert (done.returncode, done.stderr) == (0, "")
    assert text(roof) == (
        "\ufeffdevice,place,logger,unit,name,role,group,factor,mean,largest\n"
        "02001283,1,Ph 1,V,,,,,241.0,241.5\n"
        "02001283,2,D39L1,W,,,D39,,2.00,3.00\n"
        "02001283,3,D39L2,W,,,D39,,3.00,4.00\n"
        "02001283,4,D39L3,W,,,D39,,4.00,5.00\n"
        "02001283,5,Voie5,W,,,,,-750.5,-700.5\n"
    )
    assert done.stdout == (
        f"{roof.data}/{SHEET} is written: 5 lines, with the mean and the largest value of each clamp.\n"
        "- new line: 02001283 place 1 (V), Ph 1\n"
        "- new line: 02001283 place 2 (W), D39L1 (proposed for the group D39)\n"
        "- new line: 02001283 place 3 (W), D39L2 (proposed for the group D39)\n"
        "- new line: 02001283 place 4 (W), D39L3 (proposed for the group D39)\n"
        "- new line: 02001283 place 5 (W), Voie5\n"
    )


def test_what_a_person_filled_in_stays_and_nothing_is_dropped(roof):
    mine = (
        "Note;Appareil;Voie;Libellé;Unité;Nom;Rôle;Groupe;Facteur\r\n"
        "-5;2001283;5;old;W;Café;MAIN;;-0,50\r\n"
        "=1+1;02001283;2;D39L1;W;;;;\r\n"
        ";02001283;9;Gone;W;Four;hidden;G;2\r\n"
    )
    roof.put(SHEET, mine.encode("cp1252"))
    done = powerview(roof, "channels", "acme", "roof")
    assert done.returncode == 0
    assert text(roof) == (
        "\ufeffNote;Appareil;Voie;Libellé;Unité;Nom;Rôle;Groupe;Facteur;mean;largest\r\n"
        "-5;02001283;5;Voie5;W;Café;MAIN;;-0,50;-750,5;-700,5\r\n"
        "'=1+1;02001283;2;D39L1;W;;;;;2,00;3,00\r\n"
        ";02001283;9;Gone;W;Four;hidden;G;2;;\r\n"
        ";02001283;1;Ph 1;V;;;;;241,0;241,5\r\n"
        ";02001283;3;D39L2;W;;;;;3,00;4,00\r\n"
        ";02001283;4;D39L3;W;;;;;4,00;5,00\r\n"
    )
    assert done.stdout.splitlines() == [
        f"{roof.data}/{SHEET} is up to date again: 6 lines, with the mean and the largest value of each clamp.",
        "- new column mean",
        "- new column largest",
        "- serial number 02001283 has its zeros again (line 2)",
        "- 02001283 place 5 is now called Voie5 by its logger, before old",
        "- new line: 02001283 place 1 (V), Ph 1",
        "- new line: 02001283 place 3 (W), D39L2",
        "- new line: 02001283 place 4 (W), D39L3",
        "- kept, but there are no readings of it: line 4, 02001283 place 9 (W)",
    ]


def test_a_second_run_writes_nothing(roof):
    write(roof)
    before = (roof.data / SHEET).stat()
    assert write(roof) == [f"{roof.data}/{SHEET} is up to date, and stays as it is."]
    assert (roof.data / SHEET).stat() == before


def test_a_group_that_a_person_took_out_is_not_proposed_again(roof):
    write(roof)
    roof.put(SHEET, text(roof).replace(",D39,", ",,").encode())
    write(roof)
    assert {line.group for line in read_sheet(roof.files()[SHEET]).lines} == {""}


def test_a_clamp_that_appears_later_gets_a_line(roof):
    write(roof)
    roof.put(SHEET, text(roof).replace("Voie5,W,,", "Voie5,W,Coffee,").encode())
    later = v002("02/07/25 00:00:00 7.0 8.0", labels=["A W", "B W"], master="02009999")
    roof.put("acme/roof/02009999/b.tsv", later)
    assert write(roof)[1:] == [
        "new line: 02009999 place 1 (W), A", "new line: 02009999 place 2 (W), B"
    ]  # fmt: skip
    lines = read_sheet(roof.files()[SHEET]).lines
    assert [line.name for line in lines] == ["", "", "", "", "Coffee", "", ""]


def test_french_installations_get_what_french_spreadsheets_open(roof):
    assert powerview(roof, "channels", "acme", "roof", POWERVIEW_LANGUAGE="fr").returncode == 0
    header, first, *_ = text(roof).removeprefix("\ufeff").splitlines()
    assert header == "appareil;position;enregistreur;unité;nom;rôle;groupe;facteur;moyenne;maximum"
    assert first == "02001283;1;Ph 1;V;;;;;241,0;241,5"
    before = text(roof)
    assert powerview(roof, "channels", "acme", "roof", POWERVIEW_LANGUAGE="en").returncode == 0
    assert text(roof) == before  # whatever the language is now


def test_columns_that_are_missing_get_their_names_in_the_admins_language(roof):
    roof.put(SHEET, b"Appareil;Voie;Nom\n")
    done = powerview(roof, "channels", "acme", "roof", POWERVIEW_LANGUAGE="fr")
    assert "new column rôle" in done.stdout
    assert text(roof).splitlines()[0].startswith("Appareil;Voie;Nom;enregistreur;unité;rôle;")


def test_means_and_largest_values_are_those_of_the_readings(site):
    made_up = make_site.make_site()
    make_site.write_files(made_up, site.data)
    write_sheet(site.settings(), make_site.CLIENT, make_site.CAMPAIGN)
    written = pd.read_csv(site.data / make_site.CLIENT / make_site.CAMPAIGN / "channels.csv", dtype={"device": str})
    rounded = [round(x, 2 if abs(x) < 10 else 1) for x in made_up.readings.mean()]
    assert written["mean"].tolist() == pytest.approx(rounded, abs=0.051)
    assert written["largest"].tolist() == pytest.approx(made_up.readings.max().tolist(), abs=0.051)
    proposed = {c["logger"]: c["group"] for c in made_up.clamps if c["logger"][-2:] in ("L1", "L2", "L3")}
    assert written["group"].fillna("").tolist() == [proposed.get(c["logger"], "") for c in made_up.clamps]


# ── proposals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def clamp(device: str, place: int, logger: str, unit: str | None = "W") -> Measured:
    return Measured(device, place, unit, logger, 1.0, 2.0)


def proposed(*clamps: Measured, taken: str = "") -> list[str]:
    before = f"device,place,group\n1,99,{taken}\n" if taken else "device,place\n"
    table, _ = bring_up_to_date(read_table(before.encode()), clamps)
    return [table.cell(cells, "group") for _, cells in table.rows][bool(taken) :]


@pytest.mark.parametrize(
    ("labels", "group"),
    [
        (["Oven L1", "Oven L2", "Oven L3"], "Oven"), (["D_L3", "D_l1", "D_L2"], "D"), (["A-L1", "A-L2", "A-L3"], "A"),
        (["Oven L1", "Oven L2"], ""), (["L1", "L2", "L3"], ""), (["Oven L1", "Oven L2", "Rack L3"], ""),
        (["Oven L1", "Oven L2", "Oven L3", "Oven L3"], ""), (["Oven L1", "Oven L2", "Oven L4"], ""),
    ],
)  # fmt: skip
def test_three_phases_of_one_thing_are_a_group(labels, group):
    assert set(proposed(*(clamp("7", i, label) for i, label in enumerate(labels, 1)))) == {group}


def test_voltages_are_not_added_up():
    assert proposed(*(clamp("7", i, f"Grid L{i}", "V") for i in (1, 2, 3))) == [""] * 3


def test_the_same_label_on_two_devices_or_in_the_sheet_is_another_group():
    both = [clamp(device, i, f"D L{i}") for device in ("7", "8") for i in (1, 2, 3)]
    assert proposed(*both) == ["D 7"] * 3 + ["D 8"] * 3
    assert proposed(*both[:3], taken="D") == ["D 7 W"] * 3


# ── what cannot be, and what is hostile ──────────────────────────────────────────────────────────────────────────────


def test_labels_that_a_spreadsheet_would_run_are_text_in_the_sheet(site):
    labels = ['=HYPERLINK("http://x")', "@SUM(A1)", "+1+1", "-x", "a;b,c", '"q"', "\x1b[31mred", "{{ 7*7 }}$(id)"]
    row = "01/07/25 00:00:00 " + " ".join("1.0" for _ in labels)
    site.put("acme/roof/02001283/a.tsv", v002(row, labels=[f"{label} W" for label in labels]))
    done = powerview(site, "channels", "acme", "roof")
    assert "\x1b" not in done.stdout
    cells = [row["logger"] for row in csv.DictReader(text(site).removeprefix("\ufeff").splitlines())]
    assert cells == ["'=HYPERLINK(\"http://x\")", "'@SUM(A1)", "'+1+1", "'-x", "a;b,c", '"q"', "[31mred",
                     "{{ 7*7 }}$(id)"]  # fmt: skip
    assert write(site) == [f"{site.data}/{SHEET} is up to date, and stays as it is."]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("acme", "yard"), "there are no readings of acme/yard in the files of "),
        (("acme", ".."), "the campaign's folder '..' has a name that is not allowed"),
        (("admin", "roof"), "a client cannot be called admin"),
        (("", "roof"), "a name is empty"),
    ],
)
def test_a_campaign_that_is_not_there_gets_no_sheet(roof, names, sentence):
    before = roof.files()
    done = powerview(roof, "channels", *names)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"python -m powerview: {sentence}")
    assert (done.stderr.count("\n"), roof.files()) == (1, before)


def test_a_sheet_that_is_not_understood_is_left_as_it_is(roof):
    roof.put(SHEET, b"device,place,role\n02001283,1,mian\n02001283,x,\n")
    before = roof.files()
    done = powerview(roof, "channels", "acme", "roof")
    assert (done.returncode, roof.files(), done.stdout) == (78, before, "")
    assert done.stderr == (
        f"python -m powerview: {roof.data}/{SHEET} is not changed: line 2: role 'mian' is not known: write main, part, "
        "production or hidden, or leave it empty, which means part.\n"
        "line 3: place 'x' is no position of a clamp, which are 1, 2, 3 …\n"
    )


def test_no_symlink_is_followed(roof, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"device,place\n")
    (roof.data / SHEET).symlink_to(secret)
    with pytest.raises(NotUnderstood, match="symlink"):
        write(roof)
    assert secret.read_bytes() == b"device,place\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_sheet_keeps_its_mode_and_a_new_one_belongs_to_its_folders_owner(roof):
    os.chown(roof.data / "acme/roof", 12345, 23456)
    write(roof)
    status = (roof.data / SHEET).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 23456, 0o666 & ~_umask())
    os.chown(roof.data / SHEET, 111, 222)
    os.chmod(roof.data / SHEET, 0o640)
    roof.put("acme/roof/02001283/b.tsv", v002(*day_rows("02/07/25"), labels=["A W", "B W"], master="02009999"))
    write(roof)
    status = (roof.data / SHEET).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (111, 222, 0o640)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("before", [None, b"device,place,name\n02001283,1,mine\n"])
def test_what_somebody_writes_meanwhile_is_not_lost(roof, monkeypatch, before):
    if before:
        roof.put(SHEET, before)

    def slow(table):
        roof.put(SHEET, b"device,place,name\n02001283,1,newer\n")
        return write_table(table)

    monkeypatch.setattr(command, "write_table", slow)
    with pytest.raises(NoSheet, match="meanwhile: run this again"):
        write(roof)
    assert roof.files()[SHEET] == b"device,place,name\n02001283,1,newer\n"
    assert os.listdir(roof.data / "acme/roof") in (["channels.csv", "02001283"], ["02001283", "channels.csv"])


def test_killed_before_the_last_step_the_sheet_is_as_it_was(roof, monkeypatch):
    roof.put(SHEET, b"device,place,name\n02001283,1,mine\n")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(roof)
    assert roof.files()[SHEET] == b"device,place,name\n02001283,1,mine\n"
    assert len(os.listdir(roof.data / "acme/roof")) == 2


def test_a_sheet_that_somebody_is_still_writing_is_left_alone(roof):
    with (roof.data / SHEET).open("wb") as half:
        half.write(b"device,pl")
        half.flush()
        with pytest.raises(NoSheet, match="somebody is still writing it"):
            write(roof)
    assert roof.files()[SHEET] == b"device,pl"


def test_one_line_about_every_unit_of_a_place_is_enough():
    table = read_table(b"device,place,name\n7,1,mine\n")
    table, changed = bring_up_to_date(table, [clamp("7", 1, "a", "V"), clamp("7", 1, "b", "W")])
    assert [table.cell(cells, "unit") for _, cells in table.rows] == [""]
    assert not [sentence for sentence in changed if sentence.startswith("new line")]


@pytest.mark.parametrize("before", ["", "7,1,a,V,,,\n", "7,1,b,?,,,\n"])
def test_a_place_that_had_labels_with_and_without_a_unit_has_a_line_for_each(before):
    table = read_table(f"device,place,logger,unit,name,role,group\n{before}".encode())
    table, _ = bring_up_to_date(table, [clamp("7", 1, "a", "V"), clamp("7", 1, "b", None), clamp("7", 2, "c", None)])
    assert sorted(table.cell(cells, "unit") for _, cells in table.rows) == ["", "?", "V"]
    sheet = read_sheet(write_table(table))
    found = [sheet.line("7", place, unit).unit for place, unit in ((1, "V"), (1, None), (2, None))]
    assert found == ["V", "", None]


def test_an_empty_sheet_is_a_header(tmp_path):
    assert write_table(empty_table("en")).decode("utf-8-sig").startswith("device,place,logger,unit,name,")


def test_without_following_a_symlink_is_replaced_itself(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"theirs")
    link.symlink_to(target)
    with replacing(link, follow=False) as file:
        file.write(b"ours")
    assert (target.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"theirs", b"ours", False)
