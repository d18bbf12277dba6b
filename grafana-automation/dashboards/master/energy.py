"""The row "Energy and coverage": energy per day, shares of the channels, and when there are readings."""

from __future__ import annotations

from master.flux import (
    CLOCKS,
    CONSUMES,
    DEVICES,
    NAMED,
    NOT_A_NUMBER,
    PIECE,
    PLACE,
    POWER,
    RANGE,
    SHOWN,
    STEP,
    TOTAL,
    TOTALS,
    WATTS,
    WHOLE,
    or_nothing,
    query,
    read,
    whole_or,
    window,
)
from master.glance import TOTAL_IS
from master.panels import (
    AXES,
    CURVE_NAMES,
    NO_POWER,
    NO_POWER_HERE,
    SHARE_TEXT,
    bars,
    curves,
    field,
    organize,
    override,
    panel,
    row,
    step,
    table,
)

ENERGY_PER_DAY = query(
    PLACE + PIECE + TOTAL,
    f"""\
steps = if whole then total |> {window("piece", "sum")} else total

days = steps
  |> {window("1d", "sum", empty=True, more=", location: place")}
  |> map(fn: (r) => ({{Day: r._time, Energy: r._value * hours}}))
""",
    or_nothing("days", f"Day: time(v: 0), Energy: {NOT_A_NUMBER}", "Day"),
    imports=("array", "date", "timezone"),
)

SHARES = query(
    NAMED + WHOLE + STEP,
    whole_or("chosen", read(f"{POWER} and {CONSUMES}", "", indent="    "), read(POWER, indent="    ")),
    f"""\
// By name there is one value for each ten minutes.
step = if named or span <= int(v: 93d) then 10m else 1h
sums = if named then chosen |> sum() else chosen |> {window("step", "mean")} |> sum()

energies = sums
  |> map(fn: (r) => ({{channel: r.channel, _value: {WATTS} * float(v: int(v: step)) / 3600000000000.0}}))
  |> group(columns: ["channel"])
  |> sum()
  |> group()
  |> filter(fn: (r) => r._value > 0.0)
together = energies |> sum() |> map(fn: (r) => ({{one: 1, together: r._value}}))

join(tables: {{energies: energies |> map(fn: (r) => ({{r with one: 1}})), together: together}}, on: ["one"])
  |> map(fn: (r) => ({{channel: r.channel, share: r._value / r.together, _value: r._value}}))
  |> sort(columns: ["_value"], desc: true)
""",
)

BY_NAME = f"{SHOWN} and r.role =~ /^(main|part|production)$/"
"""Only what a channels.csv shows has a role."""

SPAN = "range(start: start, stop: stop)"

ENERGY_BY_CHANNEL = query(
    PLACE + WHOLE,
    CLOCKS,
    f"""\
things = (start, stop) => if whole then
  {read(f"{POWER} and {CONSUMES}", "", SPAN, "    ", BY_NAME)}
else
  {read(POWER, span=SPAN, indent="    ", of=BY_NAME)}

// The storage adds up days of 24 hours, which begin at midnight; a day on which the clocks change is in two parts.
minutes = int(v: 1m)
days = array.map(arr: stretches, fn: (x) => things(start: x.start, stop: x.stop)
  |> {window("1d", "sum", more=", offset: duration(v: (1440 - x.ahead) % 1440 * minutes)")}
  |> keep(columns: ["_time", "_value", "channel"]))
none = array.from(rows: [{{_time: v.timeRangeStart, _value: 0.0, channel: ""}}]) |> limit(n: 0)

union(tables: array.concat(arr: [none], v: days))
  |> group(columns: ["channel"])
  |> {RANGE}
  |> {window("1d", "sum", more=", location: place")}
  |> map(fn: (r) => ({{r with _value: r._value / 6.0}}))
  |> group()
  |> pivot(rowKey: ["_time"], columnKey: ["channel"], valueColumn: "_value")
  |> drop(columns: ["_start", "_stop"])
  |> sort(columns: ["_time"])
""",
    imports=("array", "date", "timezone"),
)

COVERAGE = query(
    """\
// Whole windows of whole ten minutes only, so that each is complete with the same number of readings.
ten = int(v: 10m)
period = int(v: v.windowPeriod)
least = period * (1 + (int(v: v.timeRangeStop) - int(v: v.timeRangeStart)) / period / 1045)
window = (least + ten - 1) / ten * ten
floor = int(v: v.timeRangeStart) / window * window
to = int(v: v.timeRangeStop) / window * window
start = time(v: floor)
stop = time(v: if to > floor then to else floor + window)
""",
    f"""\
readings = {read('r.figure == "covered"', DEVICES, "range(start: start, stop: stop)", "    ", TOTALS)}

// Without any reading there is no device to draw: one bar says so.
some = readings |> first() |> group() |> findColumn(fn: (key) => true, column: "device")
devices = if length(arr: some) > 0 then some else ["No device"]
none = array.from(rows: [{{_time: start, _value: 0, device: "No device"}}])
  |> filter(fn: (r) => length(arr: some) == 0)
first = time(v: floor - window)
before = array.from(rows: array.map(arr: devices, fn: (x) => ({{_time: first, _value: 0, device: x}})))
found = readings
  |> {window("duration(v: window)", "count", empty=True)}
  |> keep(columns: ["_time", "_value", "device"])

// 0: no reading, 1: some missing, 2: complete. `elapsed` is how many ten minutes a window has, written into each row,
// because InfluxDB computes a whole column at once of nothing but columns and numbers.
union(tables: [before, none, found])
  |> group(columns: ["device"])
  |> sort(columns: ["_time"])
  |> elapsed(unit: 10m)
  |> map(fn: (r) => ({{r with _value: r._value / r.elapsed + (r._value + r.elapsed - 1) / r.elapsed}}))
  |> drop(columns: ["elapsed"])
""",
    imports=("array",),
)


def closed_panels() -> list[dict]:
    """The row "Energy by channel", its panel behind the heading."""
    return [
        row(46, "Energy by channel", collapsed=True),
        curves(
            47,
            "Energy per day by channel",
            """
            Energy of each circuit for each day, on top of each other: the parts and groups of channels.csv without the
            meter (main) and production, or the chosen channels. Days are those of the dashboard's time zone. Only
            where there is a channels.csv.
            """,
            ENERGY_BY_CHANNEL,
            (24, 12),
            field("watth", "No channels.csv in force, or no energy in this time range", None, step("green")),
            {
                "drawStyle": "bars",
                "barAlignment": 1,
                "fillOpacity": 80,
                "lineWidth": 0,
                "stacking": {"group": "A", "mode": "normal"},
            },
            placement="right",
            calcs=("sum",),
            interval="1d",
            maxDataPoints=1500,
            transformations=CURVE_NAMES,
        ),
    ]


def panels() -> list[dict]:
    """The row "Energy and coverage"."""
    day = override("byName", "Day", unit="time:D MMM YY", noValue=" ", mappings=NO_POWER_HERE)
    states = {"0": ("No readings", "red"), "1": ("Some missing", "orange"), "2": ("Complete", "green")}
    mappings = [
        {
            "type": "value",
            "options": {n: {"text": text, "color": color, "index": int(n)} for n, (text, color) in states.items()},
        }
    ]
    timeline = field(
        "none", "No readings in this time range", displayName="${__field.labels.device}", mappings=mappings,
        custom={"fillOpacity": 70, "lineWidth": 0, "hideFrom": AXES["hideFrom"]},
    )  # fmt: skip
    return [
        row(10, "Energy and coverage"),
        bars(
            11,
            "Energy per day",
            f"""
            Energy of the total for each day, from midnight to midnight in the dashboard's time zone; the days on which
            the clocks change have 23 or 25 hours. A day without readings has no bar; times without readings count as
            nothing. The first and the last bar hold only what lies in the time range. {TOTAL_IS}
            """,
            ENERGY_PER_DAY,
            (24, 9),
            field(
                "watth", NO_POWER, "green", step("green"), overrides=[day, override("byName", "Energy", noValue="–")]
            ),
            "Day",
            ("max",),
            interval="1d",
            maxDataPoints=1500,
            transformations=[{"id": "sortBy", "options": {"fields": {}, "sort": [{"field": "Day"}]}}],
        ),
        table(
            12,
            "Share by channel",
            """
            Which part of the energy went through which circuit, largest first: the parts and groups of channels.csv
            without the meter (main) and production; without one, or of a choice of channels, each channel. What has no
            or negative energy (clamp the wrong way round, or feeding in) has no share. The bar of the largest share is
            a full one. Without a channels.csv an hour with at least one reading counts whole in ranges of more than
            three months.
            """,
            SHARES,
            (12, 11),
            "No energy in this time range",
            override("byName", "channel", displayName="Channel", mappings=SHARE_TEXT, custom__minWidth=155),
            override(
                "byName",
                "share",
                displayName="Share",
                unit="percentunit",
                decimals=1,
                min=0,
                fieldMinMax=True,
                color={"mode": "fixed", "fixedColor": "blue"},
                custom__cellOptions={"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
                custom__minWidth=100,
            ),
            override("byName", "_value", displayName="Energy", unit="watth", custom__width=80),
            transformations=[organize(["channel", "share", "_value"])],
            decimals=None,
        ),
        panel(
            13,
            "state-timeline",
            "Coverage over time",
            """
            When each chosen device has readings: complete, some of the ten-minute readings missing, or none. What is
            missing is neither energy nor zero power.
            """,
            COVERAGE,
            (12, 11),
            interval="10m",
            maxDataPoints=700,
            fieldConfig=timeline,
            options={
                "mergeValues": True,
                "showValue": "never",
                "alignValue": "center",
                "rowHeight": 0.8,
                "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "single", "sort": "none"},
            },
        ),
    ]
