"""The Master dashboard and its clones: which Masters can be cloned, and how a clone differs from the Master."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from powerview_grafana.addresses import CLIENT_DATA_SOURCES, MASTER_UID
from powerview_grafana.language import LANGUAGE_CONSTANT, panels, variables

IN_V2 = "was saved in Grafana's new schema (v2), which cannot be read back whole"
MIXED = "-- Mixed --"
GRAFANAS_OWN = (MIXED, "-- Dashboard --", "-- Grafana --", "grafana", "__expr__")  # they hold no client's readings
WITHOUT_QUERIES = ("row", "text")
ASKING_VARIABLES = ("query", "adhoc", "groupby")
MASTER_REFERENCE = {"type": "influxdb", "uid": MASTER_UID}
NOT_COMPARED = ("id", "uid", "version", "title", "tags")
FILE_CONSTANT = "powerview_file"
"""The Master's hidden constant that names the file from which it was imported, by a hash of its content."""
SAVE_AS_CLASSIC = (
    "In Grafana open Dashboards, admin, Master, and bring back its last classic version (Settings, Versions, Restore), "
    "or run update_dashboards.yml with POWERVIEW_MASTER=file, which puts dashboards/master.json in its place. To save "
    "it as classic JSON from then on, keep the feature toggle dashboardNewLayouts off."
)


def is_v2(status: int, answer: Any, stored: Any) -> bool:
    """Whether a dashboard is stored in Grafana's new schema, which cannot be read as classic JSON without loss.

    `status` and `answer` came from `classic_address`, `stored` from `stored_address`. Grafana 12.4 answers 406; 13
    converts, with loss, and shows the stored version.
    """
    conversion = _inner(stored, "status", "conversion")
    return (
        status == 406
        or "elements" in _inner(answer, "dashboard")
        or "elements" in _inner(stored, "spec")
        or str(conversion.get("storedVersion", "")).startswith("v2")
    )


def master_problem(master: dict) -> str:
    """Why a Master in classic JSON cannot be cloned, with what to do; empty if it can."""
    if not isinstance(master.get("panels"), list):
        return f"the Master has no panels. {SAVE_AS_CLASSIC}"
    for variable in variables(master):
        if variable.get("type") == "datasource":
            return (
                f"the Master's variable {variable.get('name')!r} lets people choose a data source, so every client "
                f"would be offered those of the others: remove it from Master."
            )
    # One without panels shows nobody's readings.
    kinds = [v.get("type") for v in variables(master) if v.get("name") == "campaign"]
    if master["panels"] and kinds != ["constant"]:
        return (
            "the Master has no constant 'campaign', which says whose readings a dashboard shows, so every campaign "
            "would show the same ones: in Master make its variable 'campaign' a constant again (Settings, Variables), "
            "save the Master, and run again."
        )
    for panel in panels(master):
        if panel.get("libraryPanel") is not None:
            return (
                f"the Master's panel {panel.get('title', '')!r} is a library panel: its query and its data source lie "
                f"outside the Master, the same for every client. In Master unlink it (panel menu, Unlink library "
                f"panel), save the Master, and run again."
            )
    return ""


def clone(master: dict, client: str, campaign: str, uid: str, data_source_uid: str, timezone: str) -> dict:
    """A campaign's dashboard: the Master with its own title, tags, data source and constants, and without its ids."""
    content = _with_defaults_named({k: v for k, v in master.items() if k not in ("id", "version")})
    made = with_data_source(content, data_source_uid)
    theirs = variables(made)
    theirs[:] = [v for v in theirs if v.get("name") not in (FILE_CONSTANT, LANGUAGE_CONSTANT)]
    for variable in theirs:
        if variable.get("type") == "query":
            _forget_choice(variable)
        elif variable.get("type") == "adhoc":
            variable["filters"] = []  # somebody's device
    set_constant(made, "campaign", campaign)
    in_time_zone(made, timezone)
    return {**made, "uid": uid, "title": campaign, "tags": ["powerview", client]}


def in_time_zone(dashboard: dict, timezone: str) -> None:
    """Set the constant `timezone` of a dashboard that has one, and the dashboard's own time zone with it."""
    if "timezone" in constants(dashboard):
        set_constant(dashboard, "timezone", timezone)
        dashboard["timezone"] = timezone  # else axes and the bars' dates would be those of another place


def set_constant(dashboard: dict, name: str, value: str) -> None:
    """Set a constant of a dashboard that has it."""
    choice = {"text": value, "value": value}
    for variable in variables(dashboard):
        if variable.get("type") == "constant" and variable.get("name") == name:
            variable["query"] = value
            variable["current"] = {"selected": False, **choice}
            variable["options"] = [{"selected": True, **choice}]


def constants(dashboard: dict) -> dict[str, str]:
    """The constants of a dashboard by their names."""
    return {str(v.get("name")): str(v.get("query") or "") for v in variables(dashboard) if v.get("type") == "constant"}


def save_body(content: dict, folder_uid: str, message: str) -> dict:
    """What is sent to `SAVE`. Nothing is overwritten but the version that the content names."""
    content = {k: v for k, v in content.items() if k != "id"}
    return {"dashboard": content, "folderUid": folder_uid, "message": message, "overwrite": False}


def differs(wanted: dict, present: dict) -> list[str]:
    """Which parts of a dashboard are not as `wanted`, but for title and tags (a person's) and ids (Grafana's)."""
    parts = sorted((set(wanted) | set(present)) - set(NOT_COMPARED))
    return [p for p in parts if wanted.get(p) != present.get(p)]


def removed_panels(wanted: dict, present: dict) -> list[str]:
    """The titles of the panels that a dashboard has and `wanted` has not, by title and by number and kind."""
    titles = {p.get("title") for p in panels(wanted)}
    numbers = {(p.get("id"), p.get("type")) for p in panels(wanted)}
    return [
        str(p.get("title") or f"panel {p.get('id')}")
        for p in panels(present)
        if p.get("title") not in titles and (p.get("id"), p.get("type")) not in numbers
    ]


def with_data_source(node: Any, uid: str) -> Any:
    """A dashboard, or a part of it, with a client's data source wherever it names the Master's or any client's."""
    # Not only the Master's own: an admin who looks at the Master through a client's data source, and saves it so, must
    # not bring that client's readings to all others. Only what names a data source of another kind, or Grafana itself,
    # stays: a name alone, as older versions wrote it, may be a client's.
    if isinstance(node, list):
        return [with_data_source(item, uid) for item in node]
    if not isinstance(node, dict):
        return node
    made = {k: with_data_source(v, uid) for k, v in node.items() if k != "datasource"}
    if "datasource" in node:
        made["datasource"] = _reference(node["datasource"], uid)
    return made


def _with_defaults_named(master: dict) -> dict:
    # What names no data source would be shown through the organisation's default, whosever that is.
    made = deepcopy(master)
    asking = [v for v in variables(made) if v.get("type") in ASKING_VARIABLES]
    marked = [a for a in _inner(made, "annotations").get("list", ()) if not a.get("builtIn")]
    for node in asking + marked + [p for p in panels(made) if p.get("type") not in WITHOUT_QUERIES]:
        node["datasource"] = node.get("datasource") or MASTER_REFERENCE
    for panel in panels(made):
        above = panel.get("datasource")
        mixed = MIXED in (above, _inner(above).get("uid"))
        for target in panel.get("targets") or ():
            target["datasource"] = target.get("datasource") or (MASTER_REFERENCE if mixed else above)
    return made


def _reference(reference: Any, uid: str) -> Any:
    kind, name = (reference.get("type"), reference.get("uid")) if isinstance(reference, dict) else (None, reference)
    grafanas = kind != "influxdb" and (name in GRAFANAS_OWN or kind == "__expr__")
    kept = grafanas or _is_of_another_kind(kind, str(name or ""))
    return reference if kept else {"type": "influxdb", "uid": uid}


def _is_of_another_kind(kind: Any, name: str) -> bool:
    # Grafana goes by the uid alone: without one it takes the default, and a variable's value may be any data source.
    if kind in (None, "", "influxdb", "datasource") or name in ("", "default") or name.startswith(("$", "[[")):
        return False
    return name != MASTER_UID and not name.startswith(CLIENT_DATA_SOURCES)


def _forget_choice(variable: dict) -> None:
    # What somebody had chosen when he saved the Master is one client's channels and devices; "All" is nobody's.
    if _inner(variable, "current").get("value") not in ("$__all", ["$__all"]):
        variable["current"] = {}
    variable["options"] = []


def _inner(node: Any, *keys: str) -> dict:
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}
