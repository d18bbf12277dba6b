"""With which time range a campaign's dashboard opens: one that is over with its own span, else with the Master's.

What a person has set stays. Which spans were set before is kept in the client's overview (`overview.py`), so that a run
with nothing to do reads no campaign's dashboard.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

from powerview_grafana import found
from powerview_grafana.addresses import path
from powerview_grafana.dashboards import save_over
from powerview_grafana.run import Run
from powerview_grafana.servers import CONNECTIONS, ServerError

OVER_SECONDS = 7 * 86_400
"""A campaign is over when its last reading is so old; the overview's query counts alike."""
WINDOW = 600

QUERY = """\
readings = () => from(bucket: {bucket})
    |> range(start: 2020-01-01T00:00:00Z)
    |> filter(fn: (r) => r._field == "value" and r.channel_idx == "1")
begins = readings()
    |> first()
    |> group(columns: ["campaign"])
    |> min(column: "_time")
    |> map(fn: (r) => ({{campaign: r.campaign, begin: int(v: r._time) / 1000000000, end: 0}}))
ends = readings()
    |> last()
    |> group(columns: ["campaign"])
    |> max(column: "_time")
    |> map(fn: (r) => ({{campaign: r.campaign, begin: 0, end: int(v: r._time) / 1000000000}}))
union(tables: [begins, ends]) |> group()
"""


class Span(NamedTuple):
    """The seconds of a campaign's own span; 0 and 0: its dashboard opens with the Master's range."""

    begin: int
    end: int

    @property
    def time(self) -> dict[str, str]:
        """As a dashboard has it."""
        return {"from": _iso(self.begin), "to": _iso(self.end)}


OPEN = Span(0, 0)


def of_clients(run: Run, clients: list[dict]) -> dict[str, dict[str, Span] | ServerError]:
    """The spans of each client's campaigns that have readings, or why they cannot be had."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return dict(zip((c["client"] for c in clients), pool.map(lambda c: _ask(run, c), clients), strict=True))


def settle(run: Run, client: dict, campaign: dict, before: Span, now: Span, default: dict) -> Span:
    """Give a campaign's dashboard the time range that goes with `now`, unless a person has set another one than
    `before` and `default`, the Master's. Returns the span that is settled: `before` if it has to be tried again."""
    if not default:  # the Master cannot be read
        return before
    content, _ = found.classic(run.grafana, campaign["uid"], client["org"])
    wanted = now.time if now != OPEN else default
    ours = [before.time] if before != OPEN else [default]
    if content is None or content.get("time") == wanted or content.get("time") not in [*ours, default]:
        return now
    if not run.change(client, campaign["steps"], "time range", content.get("time"), wanted):
        return now
    message = "The campaign is over: its own span" if now != OPEN else "The campaign goes on"
    is_saved = save_over(run, "Set the dashboard's time range", client, {**content, "time": wanted}, message)
    return now if is_saved else before


def _ask(run: Run, client: dict) -> dict[str, Span] | ServerError:
    try:
        address = path("api", "v2", "query", org=run.settings.influxdb_org)
        rows = run.influxdb.query(QUERY.format(bucket=json.dumps(client["bucket"])), address)
    except ServerError as error:
        return error
    found_spans: dict[str, Span] = {}
    for row in rows:
        begin, end = (int(row.get(name) or 0) for name in ("begin", "end"))
        earlier = found_spans.get(row["campaign"], OPEN)
        found_spans[row["campaign"]] = Span(earlier.begin + begin, earlier.end + end)
    over = time.time() - OVER_SECONDS
    return {name: Span(s.begin, s.end + WINDOW) if s.end < over else OPEN for name, s in found_spans.items()}


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
