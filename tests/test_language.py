"""The dashboards in French: every text has its translation, each translation is used, and queries stay as they are."""

from __future__ import annotations

import json
import re

import pytest
from grafana_automation import FOLDER, language
from powerview_grafana.french import FRENCH, SAME, UNITS, UNITS_OF_TILES

BOTH = (FOLDER / "dashboards" / "master.json", FOLDER / "dashboards" / "overview.json")
FILES = [*BOTH, *sorted((FOLDER / "dashboards" / "provisioned").glob("*.json"))]
DASHBOARDS = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FILES}
EVERY = pytest.mark.parametrize("english", DASHBOARDS.values(), ids=DASHBOARDS)


@EVERY
def test_every_text_has_its_translation(english):
    missing = [text for text in dict.fromkeys(language.texts(english)) if text not in FRENCH and text not in SAME]
    assert missing == [], "add them to powerview_grafana/french.py or french_descriptions.py"


def test_every_translation_is_used():
    shown = {text for dashboard in DASHBOARDS.values() for text in language.texts(dashboard)}
    assert sorted({*FRENCH, *SAME} - shown) == []


@EVERY
def test_queries_are_the_same_byte_for_byte(english):
    assert queries(language.in_language(english, "fr")) == queries(english)


@EVERY
def test_french_and_back_is_what_it_was(english):
    french = language.in_language(english, "fr")
    assert language.in_language(french, "fr") == french
    assert language.in_language(french, "en") == english
    assert language.in_language(english, "en") == english


def test_what_grafana_adds_to_the_mark_is_left():
    french = language.in_language(DASHBOARDS["overview"], "fr")
    french["templating"]["list"][-1] |= {"options": [], "label": ""}  # as newer versions do
    french["templating"]["list"].reverse()
    assert language.in_language(french, "fr") == french


@EVERY
def test_no_english_text_is_left(english):
    left = [text for text in language.texts(language.in_language(english, "fr")) if text in FRENCH]
    named = {name for panel in language.panels(english) for name in language.columns(panel)}
    assert set(left) - named - {*FRENCH.values()} == set()


def test_no_two_texts_have_the_same_translation_and_none_is_another_text():
    assert len(set(FRENCH.values())) == len(FRENCH)
    assert {french for french in FRENCH.values() if french in FRENCH} == set()


@pytest.mark.parametrize("text", FRENCH.values())
def test_french_is_set_with_its_no_break_spaces(text):
    assert not re.search(r" [:;?!%»]|« | (?:kW|kWh|W|V)\b(?<=\d \w)|\d [kM]?[WV]\b|\.\.\.", text)
    assert not re.search(r"\d\.\d", text)


@EVERY
def test_values_that_a_template_fills_in_are_in_both_texts(english):
    for text in language.texts(english):
        places = re.findall(r"\$\{?\w+\}?", text)
        assert re.findall(r"\$\{?\w+\}?", language.translated(text, "fr")) == places


def test_columns_that_queries_name_are_shown_in_french():
    french = language.in_language(DASHBOARDS["master"], "fr")
    by_title = {panel["title"]: panel for panel in language.panels(french)}
    shown = names(by_title["Puissance moyenne par heure et jour, kW"])
    assert {"Mon": "Lun", "Sun": "Dim"}.items() <= shown.items()
    assert {"Monday to Friday": "Du lundi au vendredi"}.items() <= names(by_title["Journée moyenne"]).items()
    bars = by_title["Énergie par jour"]
    assert bars["options"]["xField"] not in names(bars)  # Grafana looks for the axis by the name that is shown


def test_durations_have_no_english_words():
    french = json.dumps(language.in_language(DASHBOARDS["master"], "fr"))
    assert not [unit for unit in UNITS if f'"unit": "{unit}"' in french]
    tiles = [p for p in language.panels(language.in_language(DASHBOARDS["master"], "fr")) if p["type"] == "stat"]
    assert not [p["title"] for p in tiles if p["fieldConfig"]["defaults"]["unit"] in UNITS_OF_TILES]


def names(panel: dict) -> dict[str, str]:
    """The names under which a panel shows columns."""
    rules = panel["fieldConfig"]["overrides"]
    return {
        r["matcher"]["options"].strip("^$"): p["value"]
        for r in rules
        for p in r["properties"]
        if p["id"] == "displayName"
    }


def queries(node, inside: bool = False) -> list[str]:
    """Every query of a dashboard, the variables' too, the constant that marks the language left out."""
    if isinstance(node, list):
        return [query for item in node for query in queries(item)]
    if not isinstance(node, dict) or node.get("name") == language.LANGUAGE_CONSTANT:
        return []
    own = [node[key] for key in ("query", "definition", "expr") if isinstance(node.get(key), str)]
    return own + [query for value in node.values() for query in queries(value)]


@EVERY
def test_what_is_about_a_column_finds_it_in_french_too(english):
    # A column that a transformation renames has another name in French: whoever looks for the English one finds none.
    for panel in language.panels(english):
        steps = panel.get("transformations") or ()
        renamed = {new for step in steps for new in ((step.get("options") or {}).get("renameByName") or {}).values()}
        rules = (panel.get("fieldConfig") or {}).get("overrides") or ()
        assert not renamed & {rule["matcher"].get("options") for rule in rules}, panel["title"]
