"""Every text that `watch` can send is there in every language, says the same, and fits what it is filled with."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from powerview import monitoring
from powerview.monitoring.grafana import PROBLEM_OF
from powerview.monitoring.texts import MESSAGE, NAMED, NAMES, PHRASES, PROBLEMS, Texts
from powerview.settings import LANGUAGES

TABLES = {
    **{f"{key}.found": problem.found for key, problem in PROBLEMS.items()},
    **{f"{key}.remedy": problem.remedy for key, problem in PROBLEMS.items()},
    **{f"phrase {key}": texts for key, texts in PHRASES.items()},
    **{f"name {key}": texts for key, texts in NAMES.items()},
    **{f"message {key}": texts for key, texts in MESSAGE.items()},
    "named": NAMED,
}
# A command to type, a name or a value: the same in both languages.
SAME = re.compile(
    r"(chmod|chown|mkdir) .*|\{error\}|secrets|organisation|notifications|\{count:.0f\} (min|h)|(\{\w+\}|\W)*"
)
SOURCES = sorted(Path(monitoring.__file__).parent.glob("*.py"))
CALLS = [
    node
    for source in SOURCES
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
]


def fields(text: str) -> set[str]:
    """The names of the values in a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_texts_are_in_the_order_of_the_languages():
    assert Texts._fields == LANGUAGES


@pytest.mark.parametrize("key", TABLES)
def test_a_text_has_its_translation(key):
    english, french = TABLES[key]
    assert bool(english) == bool(french)
    assert fields(english) == fields(french)
    assert english != french or SAME.fullmatch(english)


def test_every_problem_that_is_found_has_its_texts_and_each_text_is_used():
    keys = set()
    for call in CALLS:
        if call.func.id == "bad":
            keys |= {node.value for node in ast.walk(call.args[1]) if isinstance(node, ast.Constant)}
    assert {key for key in keys if isinstance(key, str)} | set(PROBLEM_OF.values()) == set(PROBLEMS)


def test_every_name_of_an_item_is_translated_or_the_same_everywhere():
    names = {
        call.args[0].value
        for call in CALLS
        if call.func.id in ("bad", "good", "unknown", "each") and isinstance(call.args[0], ast.Constant)
    }
    everywhere = {"InfluxDB", "Grafana", "Master", "Loggers", "SFTPGo", "hook"}
    assert names - everywhere <= set(NAMES)


def test_every_message_that_is_sent_is_in_the_table():
    keys = {c.args[0].value for c in CALLS if c.func.id == "_text" and isinstance(c.args[0], ast.Constant)}
    computed = {"count_new", "count_still", "count_over", "new", "still", "over", "minutes", "hours", "days", "ended"}
    assert keys | computed | {"passed"} == set(MESSAGE)
