"""Write `overview.json`, the first page of a client's people: `python make_overview.py`.

The file is committed, because playbooks read it; a test holds it equal to what this writes. A run of the playbooks
writes the client's campaigns into the constant `campaigns`, as rows of Flux: name, uid of the dashboard, and the span
(seconds) with which that opens, 0 and 0 if it opens with its last days.
"""

from __future__ import annotations

import json
from pathlib import Path

from master.frame import constant
from master.panels import organize, override, table

FILE = Path(__file__).with_name("overview.json")

READINGS = """\
// A device is judged by its first channel. PowerView's own measurements have none.
readings = () => from(bucket: v.defaultBucket)
    |> range(start: 2020-01-01T00:00:00Z)
    |> filter(fn: (r) => r._field == "value" and r.channel_idx == "1")
"""

KNOWN = "known = array.from(rows: [${campaigns:raw}])\n"

CAMPAIGNS = f"""\
import "array"

{KNOWN}
{READINGS}
totals = (figure) => from(bucket: v.defaultBucket)
    |> range(start: 2020-01-01T00:00:00Z)
    |> filter(fn: (r) => r._measurement == "powerview_totals" and r._field == "value" and r.figure == figure)
row = (campaign, what, value) => ({{campaign: campaign, what: what, _value: float(v: value)}})
milliseconds = (t) => int(v: t) / 1000000

begins = readings()
  |> first()
  |> group(columns: ["campaign"])
  |> min(column: "_time")
  |> map(fn: (r) => row(campaign: r.campaign, what: "begin", value: milliseconds(t: r._time)))
ends = readings()
  |> last()
  |> group(columns: ["campaign"])
  |> max(column: "_time")
  |> map(fn: (r) => row(campaign: r.campaign, what: "end", value: milliseconds(t: r._time)))
devices = readings()
  |> last()
  |> group(columns: ["campaign", "device"])
  |> limit(n: 1)
  |> group(columns: ["campaign"])
  |> count()
  |> map(fn: (r) => row(campaign: r.campaign, what: "devices", value: r._value))
sums = totals(figure: "total")
  |> sum()
  |> group(columns: ["campaign"])
  |> sum()
  |> map(fn: (r) => row(campaign: r.campaign, what: "sum", value: r._value))

// While a long campaign gets another channels.csv, its sum is partly old.
being = totals(figure: "being_made")
  |> last()
  |> group()
  |> map(fn: (r) => row(campaign: r.campaign, what: "being made", value: r._value))

// Ten minutes in which a device has a reading, of all those from the campaign's first to its last.
covered = () => totals(figure: "covered")
windows = covered()
  |> count()
  |> group(columns: ["campaign"])
windowed = windows
  |> sum()
  |> map(fn: (r) => row(campaign: r.campaign, what: "windows", value: r._value))
counted = windows
  |> count()
  |> map(fn: (r) => row(campaign: r.campaign, what: "counted", value: r._value))
opened = covered()
  |> first()
  |> group(columns: ["campaign"])
  |> min(column: "_time")
  |> map(fn: (r) => row(campaign: r.campaign, what: "opened", value: milliseconds(t: r._time)))
closed = covered()
  |> last()
  |> group(columns: ["campaign"])
  |> max(column: "_time")
  |> map(fn: (r) => row(campaign: r.campaign, what: "closed", value: milliseconds(t: r._time)))

// So that each column is there, whatever is known of the campaigns.
nothing = array.from(rows: [
  {{campaign: "", what: "begin", _value: 0.0}},
  {{campaign: "", what: "end", _value: 0.0}},
  {{campaign: "", what: "devices", _value: 0.0}},
  {{campaign: "", what: "windows", _value: 0.0}},
  {{campaign: "", what: "counted", _value: 0.0}},
  {{campaign: "", what: "opened", _value: 0.0}},
  {{campaign: "", what: "closed", _value: 0.0}},
  {{campaign: "", what: "sum", _value: 0.0}},
  {{campaign: "", what: "being made", _value: 0.0}},
  {{campaign: "", what: "nothing", _value: 0.0}},
])
each = known |> map(fn: (r) => row(campaign: r.campaign, what: "known", value: 1.0))
figures = union(tables: [nothing, each, begins, ends, devices, sums, being, windowed, counted, opened, closed])
  |> group()
  |> pivot(rowKey: ["campaign"], columnKey: ["what"], valueColumn: "_value")

day = 86400000.0
ten = 600000.0
now_ms = float(v: milliseconds(t: now()))
finished = (r) => exists r.end and now_ms - r.end > 7.0 * day
// Nothing is computed of what is not there.
coverage = (r) => r.windows / r.counted / ((r.closed - r.opened) / ten + 1.0)

join(tables: {{known: known, figures: figures}}, on: ["campaign"])
  |> map(fn: (r) => ({{
    campaign: r.campaign,
    uid: r.uid,
    State: if not exists r.end then "empty" else if finished(r: r) then "finished" else "running",
    From: r.begin,
    To: r.end,
    Devices: r.devices,
    Coverage: if exists r.windows then coverage(r: r) else r.windows,
    Energy: if exists r["being made"] then r.nothing else if exists r.sum then r.sum / 6.0 else r.sum,
    opens_from: if finished(r: r) then string(v: int(v: r.begin)) else "now-7d",
    opens_to: if finished(r: r) then string(v: int(v: r.end + ten)) else "now",
    order: if exists r.end then r.end else 0.0,
  }}))
  |> sort(columns: ["order", "campaign"], desc: true)
  |> drop(columns: ["order"])"""

DEVICES = f"""\
import "array"

{KNOWN}
{READINGS}
ends = readings()
  |> last()
  |> group(columns: ["campaign", "device"])
  |> max(column: "_time")
  |> group()
  |> map(fn: (r) => ({{campaign: r.campaign, device: r.device, last: r._time}}))

join(tables: {{known: known, ends: ends}}, on: ["campaign"])
  |> map(fn: (r) => ({{device: r.device, campaign: r.campaign, last: r.last, uid: r.uid}}))
  |> sort(columns: ["device", "last"])"""

STATES = {"running": ("Running", "green"), "finished": ("Finished", "text"), "empty": ("No readings", "orange")}
DATE = "time:D MMM YYYY"


def panels() -> list[dict]:
    """Both tables."""
    link = {"title": "Open the dashboard", "url": "/d/${__data.fields.uid}"}
    to_span = {**link, "url": f"{link['url']}?from=${{__data.fields.opens_from}}&to=${{__data.fields.opens_to}}"}
    to_device = {**link, "url": f"{link['url']}?var-device=${{__data.fields.device}}"}
    mappings = [
        {
            "type": "value",
            "options": {
                key: {"text": text, "color": color, "index": i} for i, (key, (text, color)) in enumerate(STATES.items())
            },
        }
    ]
    hidden = {"custom__hidden": True}
    campaigns = table(
        1,
        "Campaigns",
        """
        All campaigns, the latest first; a click opens the dashboard, of a finished campaign at its own span, else at
        the last seven days. Finished: no reading for seven days. From and to are those of the first and the last
        reading. Coverage: windows of ten minutes with a reading of a device, all devices together, between the two.
        Energy: the campaign's total, drawn minus fed in; what is missing is not estimated.
        """,
        CAMPAIGNS,
        (24, 10),
        "–",
        override("byName", "campaign", displayName="Campaign", links=[to_span], custom__minWidth=150),
        override("byName", "State", mappings=mappings, custom__cellOptions={"type": "color-text"}, custom__width=100),
        override("byRegexp", "From|To", unit=DATE, custom__width=110),
        override("byName", "Devices", decimals=0, custom__width=90),
        override("byName", "Coverage", unit="percentunit", decimals=1, custom__width=150),
        override("byName", "Energy", unit="watth", custom__width=100),
        *(override("byName", name, **hidden) for name in ("uid", "opens_from", "opens_to")),
        transformations=[organize(["campaign", "State", "From", "To", "Devices", "Coverage", "Energy"])],
    )
    devices = table(
        2,
        "Last reading of each device",
        """
        When each device was read last, in each campaign in which it was: loggers, and the modules on their buses. A
        device that went from one campaign to another is listed under both.
        """,
        DEVICES,
        (24, 14),
        "No readings",
        override("byName", "device", displayName="Device", unit="string", links=[to_device], custom__minWidth=110),
        override("byName", "campaign", displayName="Campaign", custom__minWidth=150),
        override("byName", "last", displayName="Last reading", unit=f"{DATE} HH:mm", custom__minWidth=145),
        override("byName", "uid", **hidden),
        transformations=[organize(["device", "last", "campaign"])],
    )
    campaigns["gridPos"] |= {"x": 0, "y": 0}
    devices["gridPos"] |= {"x": 0, "y": 10}
    return [campaigns, devices]


def overview() -> dict:
    """The overview of nobody's campaigns."""
    return {
        "uid": "powerview-overview",
        "title": "Overview",
        "description": "A client's campaigns, and when its loggers were read last.",
        "tags": ["powerview"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 0,
        "liveNow": False,
        "fiscalYearStartMonth": 0,
        "weekStart": "monday",
        "timezone": "Europe/Paris",
        "refresh": "15m",
        "time": {"from": "now-7d", "to": "now"},
        "timepicker": {"hidden": True},
        "links": [],
        "annotations": {"list": []},
        "templating": {
            "list": [
                constant("campaigns", "Campaigns", "The client's campaigns, as rows of Flux.", ""),
                constant("timezone", "Timezone", "Time zone in which times are shown.", "Europe/Paris"),
            ]
        },
        "panels": panels(),
    }


def text() -> str:
    """The file's content, as Grafana writes its exports."""
    return json.dumps(overview(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
