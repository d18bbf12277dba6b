"""Queries of a dashboard sent through a real Grafana, which fills in its own macros and answers in frames."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from dashboard_queries import Query, View, duration, fill

MACROS = ("v.timeRangeStart", "v.timeRangeStop", "v.windowPeriod", "v.defaultBucket", "v.organization", "$__interval")
ALL_TIME = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
"""All of the samples' time."""


def send(
    person, source: str, query: Query, dashboard: dict | None,
    span: tuple[datetime, datetime] = ALL_TIME,
    chosen: Mapping[str, str | list[str]] | None = None,
) -> list[dict]:  # fmt: skip
    """The frames that Grafana answers for a query through the data source with this uid.

    `person` has a method `call` for requests; the hidden variable `source` is that of a campaign without a
    channels.csv unless it is chosen.
    """
    constants = {v["name"]: v["query"] for v in dashboard["templating"]["list"]} if dashboard else {}
    view = View(*span, "unused", {"source": constants.get("campaign", ""), **(chosen or {})})
    hidden = {macro: f"«{number}»" for number, macro in enumerate(MACROS)}
    flux = query.flux
    for macro, mark in hidden.items():
        flux = flux.replace(macro, mark)
    flux = fill(Query(query.place, flux), view, dashboard) if dashboard else flux
    for macro, mark in hidden.items():
        flux = flux.replace(mark, macro)
    body = {
        "queries": [
            {
                "refId": "A",
                "datasource": {"type": "influxdb", "uid": source},
                "query": flux,
                "maxDataPoints": query.points,
                "intervalMs": int(duration(view, query)[:-1]) * 1000,
            }
        ],
        "from": str(millis(view.start)),
        "to": str(millis(view.stop)),
    }
    frames = person.call("POST", "/api/ds/query", body)["results"]["A"]["frames"]
    return [frame for frame in frames if any(len(values) for values in frame["data"]["values"])]


def millis(moment: datetime) -> int:
    """Milliseconds since 1970, as Grafana takes its range."""
    return int(moment.timestamp() * 1000)


def numbers_of_frame(frame: dict) -> list[float]:
    """The numbers in a frame of Grafana's."""
    fields = zip(frame["schema"]["fields"], frame["data"]["values"], strict=True)
    return [float(n) for about, values in fields if about["type"] == "number" for n in values if n is not None]
