"""The row "At a glance": the figures that a client reads first."""

from __future__ import annotations

from master.flux import (
    PLACE,
    POWER,
    STEP,
    TOTAL,
    WATTS,
    in_halves,
    query,
    read,
    sum_up,
    window,
)  # fmt: skip
from master.panels import GREY, field, override, row, stat, step

TILE = (3, 4)

LAST_OF_EACH = f"""\
last = {read(POWER, indent="    ")}
    |> last()
    |> group()
"""

POWER_NOW = query(
    PLACE,
    LAST_OF_EACH,
    f"""\
// A channel that stopped long before the others has no power now.
times = last |> sort(columns: ["_time"], desc: true) |> findColumn(fn: (key) => true, column: "_time")
newest = if length(arr: times) > 0 then times[0] else v.timeRangeStop

two = (n) => (if n < 10 then "0" else "") + string(v: n)
day = two(n: date.monthDay(t: newest, location: place)) + "/" + two(n: date.month(t: newest, location: place))
clock = two(n: date.hour(t: newest, location: place)) + ":" + two(n: date.minute(t: newest, location: place))
at = day + "/" + string(v: date.year(t: newest, location: place)) + " " + clock

// The tile is grey unless the value is called "now".
name = if int(v: now()) - int(v: newest) <= int(v: 36h) then "now" else "_value"

last
  |> filter(fn: (r) => int(v: newest) - int(v: r._time) <= int(v: 30m))
  |> map(fn: (r) => ({{_value: {WATTS}}}))
  |> sum()
  |> map(fn: (r) => ({{at: at, _value: r._value}}))
  |> group(columns: ["at"])
  |> rename(fn: (column) => if column == "_value" then name else column)
""",
    imports=("date", "timezone"),
)


def of_steps(end: str) -> str:
    """A query on the totals of steps that grow with the range, at most 3600 of them."""
    return query(f"{read(POWER)}\n{sum_up('v.windowPeriod', '  ')}\n{end}")


PEAK = of_steps("""\
  |> max()
  |> keep(columns: ["_value"])
  // The tile says of which time it is the mean.
  |> rename(fn: (column) => "mean of " + string(v: v.windowPeriod))
""")

MEAN = of_steps("""\
  |> mean()
  |> keep(columns: ["_value"])
""")

ENERGY = query(
    STEP,
    f"""\
part = (start, stop) => {read(POWER, span="range(start: start, stop: stop)", indent="    ")}
    |> {window("every", "mean")}
    |> sum()
    |> group(columns: ["unit"])
""",
    in_halves("sums"),
    f"""\
sums
  |> sum()
  |> map(fn: (r) => ({{_value: {WATTS} * hours}}))
  |> group()
  |> sum()
""",
)


def of_one_sign(condition: str) -> str:
    """The energy of the steps whose total is of one sign, as a number that is not negative."""
    value = "r._value" if condition == ">" else "0.0 - r._value"
    # A plain 0.0 becomes null where InfluxDB (2.9.1) computes a whole column of which no value meets the condition.
    return query(
        TOTAL,
        f"""\
total
  |> map(fn: (r) => ({{_value: if r._value {condition} 0.0 then {value} else r._value * 0.0}}))
  |> sum()
  |> map(fn: (r) => ({{_value: r._value * hours}}))
""",
    )


LAST_READING = query(f"""\
{read("", span="range(start: 2020-01-01T00:00:00Z)")}
  |> last()
  |> group()
  |> max(column: "_time")
  |> map(fn: (r) => ({{_value: float(v: int(v: now()) - int(v: r._time)) / 1000000000.0}}))
""")

OTHERS = "r.unit !~ /^(W|kW|MW)$/"

NOT_COUNTED = query(f"""\
{read(OTHERS)}
  |> last()
  |> group()
  |> map(fn: (r) => ({{unit: if exists r.unit then r.unit else "?", channel: r.channel}}))
  |> group(columns: ["unit", "channel"])
  |> limit(n: 1)
  |> group(columns: ["unit"])
  |> count(column: "channel")
  |> group()
  |> sort(columns: ["unit"])
  |> map(fn: (r) => ({{text: r.unit + " (" + string(v: r.channel) + ")"}}))
  |> reduce(
    identity: {{units: ""}},
    fn: (r, accumulator) => ({{
      units: accumulator.units + (if accumulator.units == "" then "" else ", ") + r.text,
    }}),
  )
""")

LONGER_STEPS = "in ranges of more than a month longer steps: half an hour for three months, six hours for two years"
WHOLE_HOURS = "In ranges of more than three months an hour with at least one reading counts whole."


def panels(coverage: str) -> list[dict]:
    """The row; `coverage` is the query of the tile "Coverage"."""
    watt, watt_hour = (lambda color: field("watt", NO, color)), (lambda color: field("watth", NO, color))
    now = field(
        "watt", NO, GREY, displayName="${__field.labels.at}", overrides=[
            override("byName", "now", color={"mode": "fixed", "fixedColor": "blue"}),
        ],
    )  # fmt: skip
    age = field("s", NO, None, step("text"), step("orange", 129600), step("red", 604800), decimals=1)
    age["defaults"]["color"] = {"mode": "thresholds"}
    points = {"interval": "10m", "maxDataPoints": 3600}
    return [
        row(1, "At a glance"),
        stat(
            2,
            "Power now",
            """
            Sum of the last readings in the time range of the chosen channels in W, kW or MW, with the time of the
            newest. Grey: that is more than 36 hours ago, so it is not the power of now. Loggers send once a day, so
            it may be last night's. Channels whose last reading is more than 30 minutes older than the newest one do
            not count.
            """,
            POWER_NOW,
            TILE,
            now,
            name=True,
        ),
        stat(
            3,
            "Peak power",
            """
            Highest total of the chosen channels in the time range, as a mean over ten minutes. In ranges of more than
            a month the steps are longer and smooth the peak; the tile says how long: half an hour for three months,
            six hours for two years. In the step in which a channel was renamed, the old name and the new one both
            count.
            """,
            PEAK,
            TILE,
            watt("orange"),
            name=True,
            transformations=[
                {
                    "id": "renameByRegex",
                    "options": {"regex": "^mean of (.*)", "renamePattern": "mean of $1"},
                }
            ],
            **points,
        ),
        stat(
            4,
            "Mean power",
            f"""
            Mean total of the chosen channels over the times for which there are readings. Each ten minutes weigh
            alike ({LONGER_STEPS}).
            """,
            MEAN,
            TILE,
            watt("blue"),
            **points,
        ),
        stat(
            5,
            "Energy",
            f"""
            Energy of all chosen channels in the time range: mean power of ten minutes times ten minutes. Drawn minus
            fed in. Times without readings count as nothing; they are not estimated. {WHOLE_HOURS} All chosen channels
            are added up: if one of them already measures the whole (a main feed), choose either it or its parts.
            """,
            ENERGY,
            TILE,
            watt_hour("green"),
        ),
        stat(
            17,
            "Drawn",
            f"""
            Energy of the ten minutes in which the total of the chosen channels is positive. Ten minutes in which it
            is negative are in Fed in; drawn minus fed in is the energy. A change of sign inside ten minutes is not
            seen. {WHOLE_HOURS} There the total of an hour is drawn or fed in.
            """,
            of_one_sign(">"),
            TILE,
            watt_hour("green"),
        ),
        stat(
            18,
            "Fed in",
            f"""
            Energy of the ten minutes in which the total of the chosen channels is negative: more is produced than
            used, or clamps are mounted the wrong way round. A change of sign inside ten minutes is not seen.
            {WHOLE_HOURS} There the total of an hour is drawn or fed in.
            """,
            of_one_sign("<"),
            TILE,
            watt_hour("yellow"),
        ),
        stat(
            19,
            "Coverage",
            """
            How much of the time range has readings: windows of ten minutes with a reading, of the chosen devices
            together, between the campaign's first and last reading. A device is judged by its first channel. What is
            missing is neither energy nor zero power.
            """,
            coverage,
            TILE,
            field("percentunit", NO, "green", decimals=1),
        ),
        stat(
            6,
            "Last reading",
            """
            How long ago the newest reading of the chosen channels was taken, whatever the time range. Loggers send
            once a day: up to 26 hours is normal. Orange from 36 hours, red from seven days.
            """,
            LAST_READING,
            TILE,
            age,
        ),
        stat(
            20,
            "Not counted: channels in other units",
            """
            Power and energy add up channels in W, kW and MW. Chosen channels in other units are not in them; here is
            how many there are in each unit. ? is a channel without a unit.
            """,
            NOT_COUNTED,
            (24, 2),
            field("none", "None", "text"),
            text=True,
        ),
    ]


NO = "No reading"
