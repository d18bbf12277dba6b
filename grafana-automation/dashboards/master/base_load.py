"""The row "Base load and peaks"."""

from __future__ import annotations

from master.flux import NOT_A_NUMBER, PIECE, PLACE, TOTAL, figure, or_nothing, query
from master.panels import AXES, NO_POWER, field, legend, organize, override, panel, row, stat, step, table

ZONE = ("date", "timezone")
ZONED = 'r.zone == "${timezone:raw}"'

DAILY = f"""\
// The lane keeps the low of each day. What the time range has of the first and of the last day is added up here.
midnight = (t) => int(v: date.truncate(t: t, unit: 1d, location: place))
begin = int(v: v.timeRangeStart)
end = int(v: v.timeRangeStop)
first = if midnight(t: v.timeRangeStart) == begin then begin else
  midnight(t: time(v: midnight(t: v.timeRangeStart) + int(v: 36h)))
last = midnight(t: v.timeRangeStop)
span_of = (start, stop) => ({{start: time(v: start), stop: time(v: if stop > start then stop else start + 1)}})
within = span_of(start: first, stop: last)
before = span_of(start: begin, stop: first)
behind = span_of(start: last, stop: end)
lows = {figure("low", span="range(start: within.start, stop: within.stop)", more=ZONED)}
some = () => lows |> findColumn(fn: (key) => true, column: "_value")
kept = if whole and last > first then length(arr: some()) > 0 else false
totals = (span) => {figure("total", span="range(start: span.start, stop: span.stop)")}
steps = if kept then union(tables: [totals(span: before), totals(span: behind)]) else total

// The fewer columns, the faster: what is not needed is dropped first.
lowest = (column, tables=<-) => tables |> quantile(q: 0.05, method: "exact_mean", column: column)
low = steps
  |> keep(columns: ["_time", "_value", "_start", "_stop"])
  |> aggregateWindow(every: 1d, fn: lowest, createEmpty: false, timeSrc: "_start", location: place)
  |> map(fn: (r) => ({{day: r._time, what: "low", _value: r._value}}))
pieces = if whole then steps |> aggregateWindow(every: piece, fn: count, createEmpty: false, timeSrc: "_start") else
  steps |> map(fn: (r) => ({{r with _value: 1}}))
covered = pieces
  |> aggregateWindow(every: 1d, fn: sum, createEmpty: false, timeSrc: "_start", location: place)
  |> map(fn: (r) => ({{day: r._time, what: "covered", _value: float(v: r._value) * hours}}))

// The days with at least 90 % coverage. How long a day is has to be known only where that decides.
length_of = (t) => float(v: midnight(t: time(v: midnight(t: t) + int(v: 36h))) - midnight(t: t)) / 3600000000000.0
found = union(tables: [low, covered])
  |> group()
  |> pivot(rowKey: ["day"], columnKey: ["what"], valueColumn: "_value")
  |> filter(fn: (r) => r.covered >= 22.5 or (r.covered >= 20.7 and r.covered >= 0.9 * length_of(t: r.day)))
  |> map(fn: (r) => ({{_value: r.low}}))
days = if kept then union(tables: [found, lows |> keep(columns: ["_value"])]) else found
base = days
  |> group()
  |> quantile(q: 0.5, method: "exact_mean")
"""

BASE_LOAD = query(PLACE + PIECE + TOTAL, DAILY, "base", imports=ZONE)


def ratio(above: str, below: str) -> str:
    """One number over another, each of them the column `_value` of one row."""
    return f"""\
above = {above} |> map(fn: (r) => ({{_value: r._value, what: "above", one: 1}}))
below = {below} |> map(fn: (r) => ({{_value: r._value, what: "below", one: 1}}))

union(tables: [above, below])
  |> pivot(rowKey: ["one"], columnKey: ["what"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.above and exists r.below and r.below > 0.0)
  |> map(fn: (r) => ({{_value: r.above / r.below}}))
"""


SHARE = query(
    PLACE + PIECE + TOTAL, DAILY, ratio("base", "total |> mean()"), imports=ZONE,
)  # fmt: skip
LOAD_FACTOR = query(TOTAL, ratio("total |> mean()", "total |> max()"))

HOURS_ABOVE = query(
    """\
typed = strings.replaceAll(v: strings.trimSpace(v: ${subscribed:doublequote}), t: ",", u: ".")
known = typed =~ /^[0-9]+([.][0-9]+)?$/
limit = if known then float(v: typed) * 1000.0 else 0.0
""",
    TOTAL,
    """\
// How many steps are not above it, and how many there are.
steps = total
  |> histogram(bins: [limit, 1000000000000.0])
  |> findColumn(fn: (key) => true, column: "_value")

array.from(rows: [{_value: if length(arr: steps) > 0 then (steps[1] - steps[0]) * hours else 0.0}])
  |> filter(fn: (r) => known and length(arr: steps) > 0)
""",
    imports=("array", "strings"),
)

DURATION = query(
    TOTAL,
    """\
// At most a thousand points are drawn.
nth = span / int(v: every) / 1000 + 1

curve = total
  |> keep(columns: ["_value"])
  |> sort(columns: ["_value"], desc: true)
  |> map(fn: (r) => ({step: 1.0, Power: r._value}))
  |> cumulativeSum(columns: ["step"])
  |> sample(n: nth, pos: 0, column: "Power")
  |> map(fn: (r) => ({Hours: r.step * hours, name: "Power", _value: r.Power}))
""",
    f"""\
{or_nothing("curve", f'Hours: 0.0, name: "{NO_POWER}", _value: {NOT_A_NUMBER}', "Hours")}\
  |> pivot(rowKey: ["Hours"], columnKey: ["name"], valueColumn: "_value")
""",
    imports=("array",),
)

HIGHEST = query(
    TOTAL,
    """\
total
  |> keep(columns: ["_time", "_value"])
  |> top(n: 10)
  |> map(fn: (r) => ({Begin: r._time, Power: r._value, Minutes: int(v: every) / int(v: 1m)}))
""",
)


def panels() -> list[dict]:
    """The row, its panels behind the heading."""
    tile = (6, 4)
    curve = field("watt", NO_POWER, "blue", step("green"), overrides=[
        # In thousands where there are many: with "10000 h" the axis would write one label over the next.
        override("byName", "Hours", unit="short", custom__axisLabel="Hours"),
        override("byName", "Power", displayName="Power"),
    ], custom={**AXES, "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 2, "fillOpacity": 15,
               "gradientMode": "opacity", "showPoints": "never", "pointSize": 4, "spanNulls": False,
               "stacking": {"group": "A", "mode": "none"}, "thresholdsStyle": {"mode": "off"}})  # fmt: skip
    options = {
        "legend": legend(),
        "tooltip": {"mode": "single", "sort": "none"},
    }  # fmt: skip
    return [
        row(25, "Base load and peaks", collapsed=True),
        stat(
            26,
            "Base load",
            """
            What never stops: the median, over the days with at least 90 % coverage, of the power below which the total
            is for 5 % of the day (each day's 5 % quantile of ten-minute means). Days begin at midnight in the
            dashboard's time zone.
            """,
            BASE_LOAD,
            tile,
            field("watt", "No day with 90 % coverage", "purple"),
        ),
        stat(
            27,
            "Base load's share of the energy",
            "How much of the energy the base load makes: the base load over the mean power.",
            SHARE,
            tile,
            field("percentunit", "No day with 90 % coverage", "purple", decimals=1),
        ),
        stat(
            28,
            "Load factor",
            """
            Mean power over peak power of the total's ten-minute means: 100 % is a load that never changes.
            """,
            LOAD_FACTOR,
            tile,
            field("percentunit", NO_POWER, "blue", decimals=1),
        ),
        stat(
            29,
            "Hours above the subscribed power",
            """
            How long the total, as a mean over ten minutes, is above the power that you type in above, in kW, not kVA:
            with a power factor below 1 the supplier counts more than this.
            """,
            HOURS_ABOVE,
            tile,
            field("suffix:h", "Type in the subscribed power, in kW, at the top", "orange", decimals=1),
        ),
        panel(
            30,
            "trend",
            "Load duration curve",
            """
            For how many hours of the time range, not necessarily in succession, the total was at least so high: all
            ten-minute means from the highest to the lowest, or about a thousand of them.
            """,
            DURATION,
            (14, 12),
            fieldConfig=curve,
            options=options,
        ),
        table(
            31,
            "The ten highest means",
            """
            The ten highest ten-minute means of the total, with the time at which each begins.
            """,
            HIGHEST,
            (10, 12),
            NO_POWER,
            override("byName", "Begin", unit="time:D MMM YYYY HH:mm", custom__minWidth=130),
            override("byName", "Minutes", displayName="Mean of", unit="m", decimals=0, custom__width=110),
            override("byName", "Power", unit="watt", custom__width=90),
            transformations=[organize(["Begin", "Power", "Minutes"])],
        ),
    ]
