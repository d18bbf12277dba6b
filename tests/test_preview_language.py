"""The preview page in French: every text has its translation, each is used, and numbers and days are French."""

from __future__ import annotations

import ast
import dataclasses
import re
import string
from collections import Counter
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from trees import Site, day_rows, v002

from powerview import reporting
from powerview.channels.sheet import ROLES
from powerview.reporting.campaign import read_tree
from powerview.reporting.french import FRENCH
from powerview.reporting.language import Language
from powerview.reporting.preview import page
from powerview.reporting.remarks import LEFT_OUT, left_out_text
from powerview.settings import SettingsError

FOLDER = Path(reporting.__file__).parent
PAGE = (FOLDER / "preview.html").read_text(encoding="utf-8")
CODE = [FOLDER / name for name in ("remarks.py", "view.py", "shown.py", "charts.py", "language.py", "preview.py")]
TOTALS = ("drawn", "fed in", "production", "rest")
SAID = [*(word for pair in LEFT_OUT.values() for word in pair), *TOTALS, "main", "part"]
"""Words of the page that are put together elsewhere."""
STATES = ("whole", "partial", "not readable", "waiting")
NO_BREAK, NARROW = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"
FR = Language("fr")


def in_code() -> set[str]:
    """Every text that the code hands to a Language, whole or through a function of the same file."""
    found = set()
    for file in CODE:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in FRENCH:
                found.add(node.value)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "language.text",
                "self.text",
                "language.count",
            ):
                texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                found |= set(texts)
    return found


def in_page() -> set[str]:
    """Every text that the template hands to it."""
    whole = re.findall(r'language\.text\("([^"]*)"', PAGE)
    counted = re.findall(r'language\.count\([^,"]*, "([^"]*)", "([^"]*)"\)', PAGE)
    return {*whole, *(text for pair in counted for text in pair)}


def test_every_text_of_the_page_has_its_translation_and_each_is_used():
    assert in_page() | in_code() | {*SAID} | {*STATES} == set(FRENCH)


def test_states_are_those_that_files_have():
    source = (FOLDER / "campaign.py").read_text(encoding="utf-8")
    stated = re.findall(r"File\(upload, \"([^\"]+)\"", source) + re.findall(
        r'"([a-z ]+)" (?:if|else)|else "([a-z]+)"', source
    )
    assert {word for found in stated for word in ([found] if isinstance(found, str) else found) if word} == set(STATES)


def test_roles_and_totals_are_words_of_the_table():
    assert set(ROLES) - set(FRENCH) == {"hidden", "production"} - set(FRENCH)
    assert set(TOTALS) <= set(FRENCH)


def test_nothing_of_the_page_is_written_past_the_table():
    text = re.sub(r"<style>.*?</style>|<script>.*?</script>|{#.*?#}", "", PAGE, flags=re.DOTALL)
    text = re.sub(r"{%.*?%}|{{.*?}}", " ", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", " ", text)
    assert set(re.findall(r"[A-Za-z]{2,}", text)) == {"PowerView", "kWh"}


@pytest.mark.parametrize("english", FRENCH)
def test_both_texts_have_the_same_values(english):
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert fields(FRENCH[english]) == fields(english)
    assert not re.search(r" [:;?!%»]|« ", FRENCH[english])


def test_numbers_days_and_durations():
    assert (FR.number(1234), FR.number(123.45), FR.number(0.5)) == (f"1{NARROW}234", "123,5", "0,50")
    assert FR.percent(0.995) == f"99,5{NO_BREAK}%"
    assert (FR.day(date(2025, 7, 1)), FR.day(date(2025, 8, 14))) == ("1er juil. 2025", "14 août 2025")
    assert FR.moment(0, ZoneInfo("Europe/Paris")) == "1er janv. 1970 01:00"
    assert FR.duration(9600) == f"2{NO_BREAK}h{NO_BREAK}40{NO_BREAK}min"
    assert (FR.duration(300_000), FR.duration(0)) == ("3 jours", f"0{NO_BREAK}min")
    assert [FR.count(n, "file", "files") for n in (0, 1, 2)] == ["fichier", "fichier", "fichiers"]
    assert left_out_text(Counter({"cells": 1, "cut rows": 2}), FR) == (
        "2 lignes coupées, 1 case qui n'est pas un nombre"
    )


SHEET = "device,place,name,role\n02001283,1,Tableau {général},main\n02001283,2,Four,part\n02001283,3,,hidden\n"


def test_a_page_in_french_has_no_english_sentence(tmp_path):
    site = Site(tmp_path)
    rows = day_rows(count=144)
    site.put("acme/roof/02001283/a.tsv", v002(*rows[:60], *rows[70:]))
    site.put("acme/roof/02001283/b.tsv", b"nothing\n")
    (site.data / "acme" / "roof" / "channels.csv").write_text(SHEET, encoding="utf-8")
    french = dataclasses.replace(site.settings(), language="fr")

    html = page(french, *read_tree(french))

    assert '<html lang="fr">' in html
    body = re.sub(r"<style>.*?</style>|<script.*?</script>", "", html, flags=re.DOTALL)
    assert re.search(r"\d,\d", body)
    assert f"{NO_BREAK}%" in body
    english = [text for text in FRENCH if len(text) > 25 and "{" not in text and text in body]
    assert english == []
    assert "\\x" not in body
    for word in (
        "Toute la période",
        "Aucune mesure de",
        "énergie soutirée",
        "Taux de couverture",
        "Talon",
        "illisible",
    ):
        assert word in body
    assert '"%d/%m"' in html
    assert "%a %d %b" not in body
    assert "replace('.', ',')" in html or "replace(\\u0027.\\u0027" in html


def test_another_language_is_refused_with_a_sentence(tmp_path):
    site = Site(tmp_path)
    wrong = dataclasses.replace(site.settings(), language="de")
    with pytest.raises(SettingsError, match="POWERVIEW_LANGUAGE must be en or fr"):
        page(wrong, [], [])
