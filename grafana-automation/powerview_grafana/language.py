"""A dashboard's texts in the admin's language (POWERVIEW_LANGUAGE), by the table in `french.py`.

Only what people read is changed: titles, descriptions, labels, names of columns and curves, texts for values and for
nothing. Queries stay as they are; where one of them names a column, a field override shows another name. A text that a
person wrote is not in the table, and stays. It works in both directions, so the language may be changed later; a hidden
constant marks what was translated, so that the French of a person is never put into English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from powerview.settings import LANGUAGES
from powerview_grafana.french import FRENCH, UNITS, UNITS_OF_TILES

ENGLISH = {french: english for english, french in FRENCH.items()}
WRITTEN = ("title", "description", "label", "noValue", "axisLabel", "displayName", "renamePattern")
"""The keys under which Grafana keeps a text, wherever they are in a dashboard."""
PROPERTIES = ("displayName", "noValue", "custom.axisLabel")
"""The properties of a field override whose value is a text."""
LANGUAGE_CONSTANT = "powerview_language"
_COLUMN = re.compile(r'\b([A-Z][A-Za-z]+):|"([A-Z][a-z][^"\n$]*)"')


def in_language(dashboard: dict, language: str) -> dict:
    """The dashboard with its texts in this language."""
    made = deepcopy(dashboard)
    theirs = variables(made)
    marks = [v for v in theirs if v.get("name") == LANGUAGE_CONSTANT]
    if language == LANGUAGES[0] and not marks:
        return made
    _walk(made, lambda text: translated(text, language))
    for panel in panels(made):
        _name_columns(panel, language)
        _set_units(panel, language)
    if language == LANGUAGES[0]:
        made["templating"]["list"] = [v for v in theirs if v not in marks]
    elif not marks:  # one that is there stays as it is: newer versions of Grafana add fields to it
        made["templating"] = {**(made.get("templating") or {}), "list": [*theirs, _mark(language)]}
    return made


def _mark(language: str) -> dict:
    return {
        "name": LANGUAGE_CONSTANT, "type": "constant", "hide": 2, "query": language, "skipUrlSync": True,
        "current": {"text": language, "value": language},
    }  # fmt: skip


def translated(text: str, language: str) -> str:
    """A text of the table in this language; any other as it is."""
    english = ENGLISH.get(text, text)
    return FRENCH.get(english, english) if language != LANGUAGES[0] else english


def texts(dashboard: dict) -> list[str]:
    """Every text that people read on a dashboard in English, the columns that its queries name included."""
    found: list[str] = []
    _walk(dashboard, lambda text: (found.append(text), text)[1])
    return [*found, *(name for panel in panels(dashboard) for name in columns(panel))]


def columns(panel: dict) -> list[str]:
    """The columns that a panel's queries give a name that may be shown; those with another name, and the one that
    makes the bars' axis, are left out."""
    queries = "\n".join(str(target.get("query", "")) for target in panel.get("targets") or ())
    names = dict.fromkeys(a or b for a, b in _COLUMN.findall(re.sub("//.*", "", queries)))
    config = panel.get("fieldConfig") or {}
    renamed = {
        rule["matcher"]["options"]
        for rule in config.get("overrides") or ()
        if any(p["id"] == "displayName" for p in rule["properties"]) and not _is_ours(rule)
    }
    for step in panel.get("transformations") or ():
        renamed |= set((step.get("options") or {}).get("renameByName") or ())
    axis = (panel.get("options") or {}).get("xField")
    return [name for name in names if name not in renamed and name != axis]


def variables(dashboard: dict) -> list[dict]:
    """The variables of a dashboard."""
    templating = dashboard.get("templating")
    return (templating.get("list") if isinstance(templating, dict) else None) or []


def panels(node: dict) -> Iterator[dict]:
    """Every panel of a dashboard, those in rows that are folded up as well."""
    for panel in node.get("panels") or ():
        if isinstance(panel, dict):
            yield panel
            yield from panels(panel)


def _walk(node: Any, change: Callable[[str], str], inside: str = "") -> Any:
    # Changes the texts in place, and returns the node.
    if isinstance(node, list):
        for item in node:
            _walk(item, change, inside)
    elif isinstance(node, dict):
        for key, value in node.items():
            if _is_text(node, key, inside) and isinstance(value, str) and _has_words(value):
                node[key] = change(value)
            elif key not in ("targets", "datasource", "current") and not (key == "options" and inside == "templating"):
                _walk(value, change, _place(node, key, inside))
    return node


def _is_text(node: dict, key: str, inside: str) -> bool:
    return (
        key in WRITTEN
        or inside == "renameByName"
        or (inside == "mappings" and key == "text")
        or (inside == "annotations" and key == "name")
        or (key == "value" and node.get("source") == "text")
        or (key == "value" and node.get("id") in PROPERTIES)
    )


def _place(node: dict, key: str, inside: str) -> str:
    if key in ("templating", "annotations", "mappings", "renameByName"):
        return key
    return "mappings" if key == "value" and node.get("id") == "mappings" else inside


def _has_words(text: str) -> bool:
    return re.search(r"[^\W\d_]", re.sub(r"\$\{[^}]*\}|\$\w+", "", text)) is not None


def _column(name: str) -> dict:
    # The override that shows a column of a query under its French name. By its matcher it is known to be ours.
    matcher = {"id": "byRegexp", "options": f"^{name}$"}
    return {"matcher": matcher, "properties": [{"id": "displayName", "value": FRENCH.get(name, "")}]}


def _is_ours(rule: dict) -> bool:
    kind, options = rule["matcher"].get("id"), str(rule["matcher"].get("options"))
    only_named = [p["id"] for p in rule["properties"]] == ["displayName"]
    return kind == "byRegexp" and options[:1] + options[-1:] == "^$" and options[1:-1] in FRENCH and only_named


def _name_columns(panel: dict, language: str) -> None:
    # At the end, so that the overrides before them find the columns by the names that the queries give them.
    config = panel.get("fieldConfig")
    if not isinstance(config, dict):
        return
    kept = [rule for rule in config.get("overrides") or () if not _is_ours(rule)]
    ours = [_column(name) for name in columns(panel) if name in FRENCH] if language != LANGUAGES[0] else []
    if kept + ours != (config.get("overrides") or []):
        config["overrides"] = kept + ours


def _set_units(panel: dict, language: str) -> None:
    # Grafana writes some durations in English words; in French they are shown as on a clock.
    units = UNITS | (UNITS_OF_TILES if panel.get("type") == "stat" else {})
    wanted = units if language != LANGUAGES[0] else {french: english for english, french in units.items()}
    config = panel.get("fieldConfig") or {}
    places = [(config.get("defaults") or {}, "unit")]
    places += [(p, "value") for r in config.get("overrides") or () for p in r["properties"] if p["id"] == "unit"]
    for place, key in places:
        if place.get(key) in wanted:
            place[key] = wanted[place[key]]
