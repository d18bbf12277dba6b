"""What the Master has around its panels: time range, variables, annotations."""

from __future__ import annotations

from master.panels import DATA_SOURCE

NAMED = 'r._measurement == "powerview_channels" and r.campaign == "${campaign:raw}"'
BEING = 'r._measurement == "powerview_totals" and r.campaign == "${campaign:raw}" and r.figure == "being_made"'
"""A long campaign gets a first channels.csv, or another: the figures that are kept are partly old and partly new."""


def constant(name: str, label: str, description: str, value: str) -> dict:
    """A hidden variable that a clone fills in."""
    one = {"selected": True, "text": value, "value": value}
    return {
        "type": "constant", "name": name, "label": label, "description": description, "hide": 2, "query": value,
        "skipUrlSync": True, "current": dict(one), "options": [dict(one)],
    }  # fmt: skip


def values_of(tag: str, condition: str) -> str:
    """The call that lists the values of a tag in one column, whenever they were stored."""
    return f"""\
schema.tagValues(
  bucket: v.defaultBucket,
  tag: "{tag}",
  predicate: (r) => {condition},
  start: 2000-01-01T00:00:00Z,
)"""


def tag_values(name: str, label: str, description: str, tag: str, condition: str, hidden: bool = False) -> dict:
    """A variable that lists the values of a tag, all of them chosen."""
    flux = f'import "influxdata/influxdb/schema"\n\n{values_of(tag, condition)}'
    return {
        "type": "query", "name": name, "label": label, "description": description,
        "datasource": dict(DATA_SOURCE),
        "query": flux, "definition": flux, "refresh": 1, "sort": 7, "regex": "", "multi": True,
        "hide": 2 if hidden else 0, "includeAll": True, "allValue": "" if hidden else ".*",
        "skipUrlSync": False, "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }  # fmt: skip


# Values of `_measurement` would go on to be listed when all series of the campaign are deleted and others are not.
BEING_MADE = f"""\
being_made = {values_of("campaign", BEING)}
  |> findColumn(fn: (key) => true, column: "_value")
"""

SOURCE = f"""\
named = {values_of("campaign", NAMED)}
  |> findColumn(fn: (key) => true, column: "_value")
source = if length(arr: named) > 0 and length(arr: being_made) == 0 then "powerview_channels" else "${{campaign:raw}}"

array.from(rows: [{{_value: source}}])"""

READY = 'array.from(rows: [{_value: if length(arr: being_made) == 0 then "yes" else "no"}])'


def asked(name: str, label: str, description: str, flux: str, value: str = "") -> dict:
    """A hidden variable with the one value that a query finds, `value` until then."""
    flux = f'import "array"\nimport "influxdata/influxdb/schema"\n\n{BEING_MADE}{flux}'
    return {
        "type": "query", "name": name, "label": label, "description": description,
        "datasource": dict(DATA_SOURCE), "query": flux, "definition": flux, "refresh": 2, "sort": 0, "regex": "",
        "multi": False, "hide": 2, "includeAll": False, "skipUrlSync": True, "options": [],
        "current": {"selected": True, "text": value, "value": value} if value else {},
    }  # fmt: skip


def typed(name: str, label: str, description: str) -> dict:
    """A variable that the viewer types in."""
    return {
        "type": "textbox", "name": name, "label": label, "description": description, "hide": 0, "query": "",
        "skipUrlSync": False, "current": {"selected": True, "text": "", "value": ""},
        "options": [{"selected": True, "text": "", "value": ""}],
    }  # fmt: skip


MOST_EVENTS = 60
"""So many lines of a kind are drawn at most: more would hide the curves."""


def events(name: str, color: str, event: str, text: str, ref: str) -> dict:
    """An annotation for each event of a kind: what happened is a text of the dashboard, the query names the logger.

    Those that would be drawn beside each other are one, which says how many more there are.
    """
    flux = f"""\
every = duration(v: (int(v: v.timeRangeStop) - int(v: v.timeRangeStart)) / {MOST_EVENTS} + 1)

from(bucket: v.defaultBucket)
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "powerview_events" and r._field == "count" and \
r.campaign == "${{campaign:raw}}" and r.event == "{event}")
  |> group()
  |> sort(columns: ["_time"])
  |> window(every: every)
  |> reduce(
    identity: {{time: 0, device: "", more: -1}},
    fn: (r, accumulator) => ({{
      time: if accumulator.more < 0 then int(v: r._time) else accumulator.time,
      device: if accumulator.more < 0 then r.device else accumulator.device,
      more: accumulator.more + 1,
    }}),
  )
  |> group()
  |> map(fn: (r) => ({{
    _time: time(v: r.time),
    text: r.device + (if r.more > 0 then " +" + string(v: r.more) else ""),
  }}))
  |> sort(columns: ["_time"])"""
    return {
        "name": name, "datasource": dict(DATA_SOURCE), "enable": True, "hide": False, "iconColor": color,
        "target": {"query": flux, "refId": ref}, "mappings": {"title": {"source": "text", "value": text}},
    }  # fmt: skip


THIS = 'r._measurement == "${campaign:raw}"'
SHOWN = 'r._measurement == "${source:raw}" and r.campaign == "${campaign:raw}"'
DEVICE = "r.device =~ /^${device:regex}$/"
NEITHER = " and ".join(f'r.unit != "{unit}"' for unit in ("W", "kW", "MW", "mW", "V"))

VARIABLES = [
    constant("campaign", "Campaign", "Name of the campaign: what the readings' measurement is called.", "Master"),
    constant("timezone", "Timezone", "Time zone in which days, weeks and hours begin and end.", "Europe/Paris"),
    asked("source", "Source", "Where channels are read: by the names of channels.csv where there is one.", SOURCE),
    asked("ready", "Ready", "Whether the figures that are kept are whole, or being made anew.", READY, "yes"),
    tag_values("device", "Device", "Serial numbers of the logger and of the modules on its bus.", "device", THIS),
    tag_values("unit", "Unit", "Narrows the channels and the table to units.", "unit", f"{SHOWN} and {DEVICE}"),
    tag_values(
        "channel",
        "Channel",
        "Which channels are shown and added up.",
        "channel",
        f"{SHOWN} and {DEVICE} and r.unit =~ /^${{unit:regex}}$/",
    ),
    typed("subscribed", "Subscribed power, kW", 'For "Hours above the subscribed power": a number of kW, not kVA.'),
    tag_values(
        "other",
        "Other units",
        "Units that are neither power nor voltage.",
        "unit",
        f"{SHOWN} and {NEITHER}",
        hidden=True,
    ),
]


def dashboard(panels: list[dict]) -> dict:
    """The Master with these panels."""
    return {
        "uid": "powerview-master",
        "title": "Master",
        "description": "One measuring campaign: power, energy, voltages and coverage of its channels.",
        "tags": ["powerview"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "liveNow": False,
        "fiscalYearStartMonth": 0,
        "weekStart": "monday",
        "timezone": "Europe/Paris",
        "refresh": "15m",
        "time": {"from": "now-7d", "to": "now"},
        "timepicker": {"refresh_intervals": ["1m", "5m", "15m", "30m", "1h"]},
        "links": [],
        "annotations": {
            "list": [
                events("Restarts", "orange", "restart", "Restart of the logger", "Restarts"),
                events("Clock not set", "purple", "clock_unset", "Clock of the logger not set", "Clock"),
            ]
        },
        "templating": {"list": VARIABLES},
        "panels": panels,
    }
