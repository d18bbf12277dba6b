"""Panels of the Master as Grafana stores them: the options that all of a kind share, written once.

A panel has no place yet: `lay_out` in `make_master.py` gives it one. `options` and `custom` are those of Grafana's own
panel plugins (grafana/grafana, public/app/plugins/panel/*/panelcfg.cue).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

DATA_SOURCE = {"type": "influxdb", "uid": "powerview-master"}
NO_POWER = "No power readings in this time range"
NO_POWER_HERE = [{"type": "value", "options": {n: {"text": NO_POWER, "index": 0} for n in ("0", "none")}}]
"""On the axis of bars, which have no other place for it: the day or hour of the one row that there is then."""
GREY = "rgb(140, 140, 140)"


def target(query: str, ref: str = "A") -> dict:
    """One query of a panel."""
    return {"datasource": dict(DATA_SOURCE), "query": query, "refId": ref}


def panel(
    number: int, kind: str, title: str, description: str, queries: str | list[str], size: tuple[int, int], **more: Any
) -> dict:
    """Any panel. `size` is (width, height) in Grafana's grid of 24 columns; several queries become A, B, C …

    A description may be broken over lines.
    """
    texts = [queries] if isinstance(queries, str) else queries
    description = " ".join(description.split())
    return {
        "id": number, "type": kind, "title": title, "description": description, "datasource": dict(DATA_SOURCE),
        "gridPos": {"h": size[1], "w": size[0]}, "targets": [target(q, "ABCDE"[i]) for i, q in enumerate(texts)],
        **more,
    }  # fmt: skip


def row(number: int, title: str, collapsed: bool = False) -> dict:
    """A row's heading."""
    return {"id": number, "type": "row", "title": title, "collapsed": collapsed, "panels": []}


def field(unit: str, no_value: str, color: str | None = None, *steps: dict, overrides: list[dict] | None = None,
          **more: Any) -> dict:  # fmt: skip
    """A field configuration: unit, text without values, one colour (else the palette), thresholds, overrides."""
    mode = {"mode": "fixed", "fixedColor": color} if color else {"mode": "palette-classic"}
    thresholds = {"mode": "absolute", "steps": list(steps) or [step("text")]}
    defaults = {"unit": unit, "noValue": no_value, "color": mode, "thresholds": thresholds, **more}
    return {"defaults": defaults, "overrides": overrides or []}


def step(color: str, value: float | None = None) -> dict:
    """From which value on a threshold's colour counts; None: from the lowest."""
    return {"color": color, "value": value}


def override(matcher: str, options: str, **properties: Any) -> dict:
    """Properties for the fields that a matcher (byName, byRegexp …) finds; `custom__width` becomes `custom.width`."""
    found = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": matcher, "options": options}, "properties": found}


def stat(number: int, title: str, description: str, query: str | list[str], size: tuple[int, int], config: dict, *,
         name: bool = False, text: bool = False, **more: Any) -> dict:  # fmt: skip
    """A number; `name` shows the field's name below it, `text` that the value is a text."""
    options = {
        "colorMode": "value", "graphMode": "none", "justifyMode": "center", "orientation": "auto",
        "textMode": "value_and_name" if name else "value", "wideLayout": not name, "showPercentChange": False,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/" if text else "", "values": False},
    }  # fmt: skip
    if name:
        options["text"] = {"titleSize": 14}
    if text:
        options["text"] = {"valueSize": 14}
    return panel(number, "stat", title, description, query, size, fieldConfig=config, options=options, **more)


def curves(number: int, title: str, description: str, query: str, size: tuple[int, int], config: dict,
           custom: dict | None = None, placement: str = "bottom", calcs: tuple[str, ...] = (),
           **more: Any) -> dict:  # fmt: skip
    """Curves over time that break where there is nothing for an hour; `placement` is that of their names.

    A calculation of `calcs` is of the points that are drawn, which are means; it is for energies.
    """
    config = deepcopy(config)
    config["defaults"]["custom"] = {
        "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 0, "gradientMode": "none",
        "showPoints": "auto", "pointSize": 4, "spanNulls": 3600000, **AXES,
        "stacking": {"group": "A", "mode": "none"}, "thresholdsStyle": {"mode": "off"}, **(custom or {}),
    }  # fmt: skip
    options = {
        "legend": legend(placement, calcs),
        "tooltip": {"mode": "multi", "sort": "desc", "maxHeight": 400},
    }
    more = {"interval": "10m", **more}
    return panel(number, "timeseries", title, description, query, size, fieldConfig=config, options=options, **more)


AXES = {
    "axisPlacement": "auto", "axisLabel": "", "axisColorMode": "text", "axisBorderShow": False,
    "axisCenteredZero": False, "scaleDistribution": {"type": "linear"},
    "hideFrom": {"legend": False, "tooltip": False, "viz": False},
}  # fmt: skip


def legend(placement: str = "bottom", calcs: tuple[str, ...] = ()) -> dict:
    """The names of what is drawn, and what is calculated of each.

    A list, because a table has headings that Grafana writes in English in every language (VizLegendTable.tsx of its
    versions 11 to 13). So are the names of its calculations (fieldReducer.ts), of which `SAME_IN_FRENCH` are alike.
    """
    return {"showLegend": True, "displayMode": "list", "placement": placement, "calcs": list(calcs)}


SAME_IN_FRENCH = ("min", "max", "sum")


def bars(number: int, title: str, description: str, query: str, size: tuple[int, int], config: dict, x: str,
         calcs: tuple[str, ...] = (), spacing: int = 100, **more: Any) -> dict:  # fmt: skip
    """Bars beside each other, named by the field `x`."""
    config = deepcopy(config)
    config["defaults"]["custom"] = {
        **AXES, "axisSoftMin": 0, "fillOpacity": 80, "gradientMode": "none", "lineWidth": 0,
        "thresholdsStyle": {"mode": "off"},
    }  # fmt: skip
    options = {
        "barRadius": 0, "barWidth": 0.9, "groupWidth": 0.9, "fullHighlight": False, "orientation": "auto",
        "showValue": "never", "stacking": "none", "text": {"valueSize": 11}, "xField": x, "xTickLabelRotation": 0,
        "xTickLabelSpacing": spacing, "legend": legend(calcs=calcs),
        "tooltip": {"mode": "single", "sort": "none"},
    }  # fmt: skip
    return panel(number, "barchart", title, description, query, size, fieldConfig=config, options=options, **more)


CHANNEL_TEXT = [
    {"type": "regex", "options": {"pattern": "SN: (.*) - Ch: (.*)", "result": {"index": 0, "text": "$1 $2"}}}
]
"""A channel's name as tables show it: serial and label."""


def _without_middle(pattern: str, text: str) -> dict:
    return {"type": "regex", "options": {"pattern": pattern, "result": {"index": 0, "text": text}}}


SHARE_TEXT = [
    _without_middle("SN: (.*) - Ch: (.{14}).{5,}(.{12})", "$1 $2 … $3"),
    *CHANNEL_TEXT,
    _without_middle("(.{22}).{5,}(.{12})", "$1 … $2"),
]
"""The same in a narrow table: a long name without its middle, because channels often differ by its end."""


def _renamed(regex: str, pattern: str) -> dict:
    return {"id": "renameByRegex", "options": {"regex": regex, "renamePattern": pattern}}


CURVE_NAMES = [
    _renamed("^_value (.*)$", "$1"),
    _renamed("^SN: (.*) - Ch: (.*)$", "$1 $2"),
    _renamed("^(.{25}).{5,}(.{12})$", "$1 … $2"),
]
"""The same of curves: each is called by the names of its field and of its channel."""


def table(number: int, title: str, description: str, queries: str | list[str], size: tuple[int, int], no_value: str,
          *overrides: dict, sort_by: str | None = None, descending: bool = False, unit: str = "none",
          decimals: int | None = 2, **more: Any) -> dict:  # fmt: skip
    """A table; its columns are named by the queries, or by the transformations in `more`."""
    steps = {"mode": "absolute", "steps": [step("text")]}
    defaults = {"unit": unit, "noValue": no_value, "color": {"mode": "thresholds"}, "thresholds": steps}
    if decimals is not None:
        defaults["decimals"] = decimals
    defaults["custom"] = {
        "align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False,
    }  # fmt: skip
    options = {
        "cellHeight": "sm", "showHeader": True,
        "footer": {"show": False, "reducer": [], "countRows": False, "fields": ""},
        "sortBy": [{"displayName": sort_by, "desc": descending}] if sort_by else [],
    }  # fmt: skip
    config = {"defaults": defaults, "overrides": list(overrides)}
    return panel(number, "table", title, description, queries, size, fieldConfig=config, options=options, **more)


def organize(order: list[str]) -> dict:
    """The transformation that puts columns into an order. Names come from overrides, which are translated as well."""
    return {
        "id": "organize",
        "options": {
            "excludeByName": {},
            "indexByName": {name: i for i, name in enumerate(order)},
            "renameByName": {},
        },
    }
