"""The row "Data": coverage of each device, gaps, channels that changed, wiring to check. And the tile "Coverage"."""

from __future__ import annotations

from master import wiring
from master.flux import DEVICES, EVER, READINGS, TOTALS, query, read, window
from master.panels import organize, override, row, table

COVERED = 'r.figure == "covered"'
"""A value for each ten minutes in which a device has a reading, of whatever channel."""
WITHIN = "range(start: start, stop: stop)"

SPAN = f"""\
// Every device of the campaign that is chosen, whether it has readings in the time range or not.
known = () => {read(COVERED, "", EVER, "    ", TOTALS)}
begins = known() |> first() |> group()
ends = known() |> last() |> group()

// From the campaign's first reading to its last, within the time range; whole windows of ten minutes only.
ten = int(v: 10m)
earliest = begins |> min(column: "_time") |> findColumn(fn: (key) => true, column: "_time")
latest = ends |> max(column: "_time") |> findColumn(fn: (key) => true, column: "_time")
some = length(arr: earliest) > 0
asked = (int(v: v.timeRangeStart) + ten - 1) / ten * ten
offered = if some then int(v: earliest[0]) / ten * ten else asked
from_ten = if offered > asked then offered else asked
until = int(v: v.timeRangeStop) / ten * ten
last_ten = if some then int(v: latest[0]) / ten * ten + ten else until
to_ten = if last_ten < until then last_ten else until
any = to_ten > from_ten
start = time(v: from_ten)
stop = time(v: if any then to_ten else from_ten + ten)
wanted = (to_ten - from_ten) / ten

devices = begins
  |> filter(fn: (r) => any and r.device =~ /^${{device:regex}}$/)
"""

COUNTED = f"""\
counted = {read(COVERED, DEVICES, WITHIN, "    ", TOTALS)}
    |> count()
    |> map(fn: (r) => ({{device: r.device, _value: r._value}}))
none = devices |> map(fn: (r) => ({{device: r.device, _value: 0}}))
covered = union(tables: [none, counted])
  |> group(columns: ["device"])
  |> sum()
  |> filter(fn: (r) => any)
  |> group()
"""

COVERAGE = query(
    SPAN,
    COUNTED,
    """\
covered
  |> map(fn: (r) => ({_value: float(v: r._value) / float(v: wanted)}))
  |> mean()
""",
)

BY_DEVICE = query(
    SPAN,
    COUNTED,
    """\
covered
  |> map(fn: (r) => ({
    Device: r.device,
    Coverage: float(v: r._value) / float(v: wanted),
    Missing: float(v: wanted - r._value) / 6.0,
  }))
  |> sort(columns: ["Device"])
""",
)

GAPS = query(
    SPAN,
    f"""\
covered = () => {read(COVERED, DEVICES, WITHIN, "    ", TOTALS)}
edges = () => {read('(r.figure == "begin" or r.figure == "end")', DEVICES, WITHIN, "    ", TOTALS)}
    |> {window("10m", "count")}
    |> keep(columns: ["device", "figure", "_time"])
plain = (tables=<-) => tables |> keep(columns: ["device", "_time"])
named = (figure, tables=<-) => tables |> plain() |> set(key: "figure", value: figure)
edge = (at) => devices |> map(fn: (r) => ({{device: r.device, _time: time(v: at)}}))
before = edge(at: from_ten - ten)
behind = edge(at: int(v: stop))

// The lane keeps where a device's readings begin and end. What it has not made yet is found in each ten minutes.
made = () => {read('r.figure == "begin"', "", EVER, "    ", TOTALS)}
    |> first()
    |> group()
    |> findColumn(fn: (key) => true, column: "_time")
kept = if "${{ready:raw}}" == "yes" then length(arr: made()) > 0 else false
begins_and_ends = () => union(tables: [
    before |> named(figure: "end"),
    edges(),
    covered() |> first() |> named(figure: "begin"),
    covered() |> last() |> named(figure: "end"),
    behind |> named(figure: "begin"),
  ])
  |> group(columns: ["device"])
  |> sort(columns: ["_time", "figure"])
  |> elapsed(unit: 1ns)
  |> filter(fn: (r) => r.figure == "begin")
// A filter looks at one row after the other: let it have few.
each_window = () => union(tables: [before, covered() |> {window("10m", "count")} |> plain(), behind])
  |> group(columns: ["device"])
  |> sort(columns: ["_time"])
  |> elapsed(unit: 1ns)
  |> top(n: 500, columns: ["elapsed"])
found = if kept then begins_and_ends() else each_window()

found
  |> filter(fn: (r) => r.elapsed - ten > int(v: 1h))
  |> group()
  |> map(fn: (r) => ({{
    Device: r.device,
    From: time(v: int(v: r._time) - r.elapsed + ten),
    To: r._time,
    Length: float(v: r.elapsed - ten) / 1000000000.0,
  }}))
  |> sort(columns: ["Length"], desc: true)
  |> limit(n: 500)
""",
)

RENAMED = 'r._measurement == "powerview_events" and r.campaign == "${campaign:raw}" and r._field == "count"'

CHANGED = query(f"""\
all = () => {read("", DEVICES, EVER, "    ", READINGS)}
row = (r, order, label, channel) => ({{
  _time: r._time, order: order, Device: r.device, place: r.channel_idx, unit: if exists r.unit then r.unit else "",
  Label: label, channel: channel,
}})

// What begins, and what ends: an input's readings, which are stored under its last label; and an earlier label.
begins = all() |> first() |> group() |> map(fn: (r) => row(r: r, order: 0, label: "", channel: ""))
ends = all() |> last() |> group() |> map(fn: (r) => row(r: r, order: 2, label: r.channel_name, channel: r.channel))
renames = {read('r.event == "renamed"', DEVICES, EVER, "    ", RENAMED)}
    |> map(fn: (r) => row(r: r, order: 1, label: r.former, channel: "SN: " + r.device + " - Ch: " + r.former))

labels = union(tables: [begins, ends, renames])
  |> group(columns: ["Device", "place", "unit"])
  |> sort(columns: ["_time", "order"])
  |> elapsed(unit: 1s)
  |> group()
  |> filter(fn: (r) => r.order != 0)
  |> map(fn: (r) => ({{r with From: time(v: int(v: r._time) - r.elapsed * 1000000000), To: r._time}}))
several = (tables=<-, by) => tables
  |> group(columns: by)
  |> limit(n: 1, offset: 1)
  |> group()
  |> keep(columns: by)

// An input that has had several labels or units, and a label that has been at several inputs.
inputs = join(
  tables: {{labels: labels, at: labels |> several(by: ["Device", "place"])}},
  on: ["Device", "place"],
)
moved = join(
  tables: {{labels: labels, at: labels |> several(by: ["Device", "channel", "unit"])}},
  on: ["Device", "channel", "unit"],
)

union(tables: [inputs, moved])
  |> map(fn: (r) => ({{
    Device: r.Device, Place: int(v: r.place), Label: r.Label, Unit: r.unit, From: r.From, To: r.To,
    row: r.Device + " " + r.place + " " + string(v: r.To) + " " + r.unit + " " + r.Label,
  }}))
  |> unique(column: "row")
  |> drop(columns: ["row"])
  |> sort(columns: ["Device", "From", "Place"])
  |> limit(n: 500)
""")


def panels() -> list[dict]:
    """The row, its panels behind the heading."""
    date = {"unit": "time:D MMM YYYY HH:mm", "custom__minWidth": 145}
    device = override("byName", "Device", unit="string", custom__minWidth=90)  # else it loses its leading zero
    hours = {"unit": "suffix:h", "decimals": 1, "custom__minWidth": 136}
    return [
        row(36, "Data", collapsed=True),
        table(
            37,
            "Coverage by device",
            """
            For each chosen device how much of the time range has readings: windows of ten minutes with a reading,
            between the campaign's first and last reading. Readings of each minute make a window complete once, so
            twelve of them in an hour are two windows of six.
            """,
            BY_DEVICE,
            (10, 9),
            "No readings of this campaign in this time range",
            override("byName", "Coverage", unit="percentunit", decimals=1, custom__minWidth=150),
            override("byName", "Missing", displayName="Without readings", **hours),
            device,
            transformations=[organize(["Device", "Coverage", "Missing"])],
        ),
        table(
            38,
            "Gaps of more than an hour",
            """
            When a chosen device had no readings for more than an hour: from the first window of ten minutes without a
            reading to the next one with a reading; the longest first, 500 at most. Between the campaign's first and
            last reading.
            """,
            GAPS,
            (14, 9),
            "No gaps of more than an hour",
            override("byRegexp", "From|To", **date),
            override("byName", "Length", unit="dtdurations", decimals=0, custom__minWidth=110),
            device,
            transformations=[organize(["Device", "From", "To", "Length"])],
        ),
        wiring.panel(),
        table(
            40,
            "Channels that changed",
            """
            Inputs of the chosen devices that have had more than one label or unit, and labels that have been at more
            than one input, since the beginning of the campaign, and from when to when the logger used each. Readings
            of an input count as one channel, under its last label.
            """,
            CHANGED,
            (24, 7),
            "No label, unit or input changed",
            override("byRegexp", "From|To", **date),
            device,
            override("byName", "Unit", noValue=" ", custom__width=60),
            override("byName", "Place", displayName="Input", decimals=0, custom__width=70),
            transformations=[organize(["Device", "Place", "Label", "Unit", "From", "To"])],
        ),
    ]
