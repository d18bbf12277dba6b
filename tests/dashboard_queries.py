"""The queries of a dashboard, filled in as Grafana fills them in, to be run without a Grafana.

Grafana replaces the dashboard's variables in the browser (`${name:format}`) and the macros of the InfluxDB data source
in its backend: `v.timeRangeStart`, `v.timeRangeStop`, `v.windowPeriod`, `v.defaultBucket`, `v.organization`,
`$__interval` (grafana/grafana, pkg/tsdb/influxdb/flux/macros.go). The window is the range divided by the panel's
largest number of points, rounded (grafana-data, rangeutil.ts), and no shorter than the panel's interval.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

MASTER = Path(__file__).resolve().parent.parent / "grafana-automation" / "dashboards" / "master.json"
ALL = "$__all"
PANEL_WIDTH = 1000
"""Points of a panel that names no number itself: Grafana takes its width in pixels."""

# The longest raw interval (exclusive) that becomes each round one, both in seconds.
ROUNDED = (
    (45, 30), (90, 60), (210, 120), (450, 300), (750, 600), (1050, 900), (1500, 1200), (2700, 1800), (5400, 3600),
    (9000, 7200), (16200, 10800), (32400, 21600), (86400, 43200), (604800, 86400), (1814400, 604800),
    (3628800, 2592000),
)  # fmt: skip
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Query:
    """One Flux query: where it stands, its text, and what the panel says about its window."""

    place: str
    flux: str
    interval: str | None = None
    points: int = PANEL_WIDTH


@dataclass(frozen=True)
class View:
    """What somebody looks at: a range, the data source's bucket, chosen values (of other variables the default)."""

    start: datetime
    stop: datetime
    bucket: str
    chosen: Mapping[str, str | list[str]] = field(default_factory=dict)
    organization: str = "powerview"
    dashboard: str = "Master"


def load_master() -> dict:
    """The Master as it lies in the repository."""
    return json.loads(MASTER.read_text(encoding="utf-8"))


def panels(dashboard: dict) -> list[dict]:
    """All panels that are no rows, those inside collapsed rows included."""
    found = [inner for panel in dashboard["panels"] for inner in (panel, *panel.get("panels", []))]
    return [panel for panel in found if panel["type"] != "row"]


def queries(dashboard: dict) -> dict[str, Query]:
    """Every query of a dashboard by its place: `Energy per day A`, `variable channel`, `annotation Restarts`."""
    return {query.place: query for query in _queries(dashboard)}


def _queries(dashboard: dict) -> Iterator[Query]:
    for panel in panels(dashboard):
        points = panel.get("maxDataPoints", PANEL_WIDTH)
        for target in panel.get("targets", []):
            yield Query(f"{panel['title']} {target['refId']}", target["query"], panel.get("interval"), points)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield Query(f"variable {variable['name']}", variable["query"])
    for annotation in dashboard["annotations"]["list"]:
        if annotation["datasource"].get("type") == "influxdb":
            yield Query(f"annotation {annotation['name']}", annotation["target"]["query"])


def fill(query: Query, view: View, dashboard: dict) -> str:
    """The Flux that Grafana would send to InfluxDB for this view of a dashboard."""
    values = {name: (value, None) for name, value in view.chosen.items()}
    values |= {v["name"]: _value(v, view.chosen) for v in dashboard["templating"]["list"]}
    flux = re.sub(r"\$\{(\w+)(?::(\w+))?\}", lambda m: _written(values, m[1], m[2]), query.flux.replace(
        "${__dashboard.name}", view.dashboard))  # fmt: skip
    window = duration(view, query)
    macros = {
        "v.timeRangeStart": _rfc3339(view.start),
        "v.timeRangeStop": _rfc3339(view.stop),
        "v.windowPeriod": window,
        "v.defaultBucket": f'"{view.bucket}"',
        "v.organization": f'"{view.organization}"',
        "$__interval": window,
    }
    for macro, text in macros.items():
        flux = flux.replace(macro, text)
    assert "${" not in flux, f"{query.place}: not filled in: {flux[flux.index('${') :][:40]}"
    return flux


def duration(view: View, query: Query) -> str:
    """`v.windowPeriod` for a query, as a Flux duration in seconds."""
    raw = (view.stop - view.start) / timedelta(seconds=1) / query.points
    rounded = next((short for below, short in ROUNDED if raw < below), 31536000)
    least = int(query.interval[:-1]) * SECONDS[query.interval[-1]] if query.interval else 1
    return f"{max(rounded, least)}s"


def _value(variable: dict, chosen: Mapping[str, str | list[str]]) -> tuple[str | list[str], str | None]:
    return chosen.get(variable["name"], variable["current"].get("value", "")), variable.get("allValue")


def _written(values: dict, name: str, how: str | None) -> str:
    value, all_value = values[name]
    if ALL in (value if isinstance(value, list) else [value]):
        return all_value  # Grafana writes a custom "All" as it stands, whatever the format
    if how == "regex":
        escaped = [
            re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", v) for v in ([value] if isinstance(value, str) else value)
        ]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
    if how == "doublequote":
        quoted = ['"' + v.replace('"', '\\"') + '"' for v in ([value] if isinstance(value, str) else value)]
        return ",".join(quoted)
    if how == "json" and isinstance(value, list):  # Grafana writes a single text as it stands
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert how in (None, "raw", "json"), how
    assert isinstance(value, str), f"{name} has several values: it needs a format"
    return value


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
