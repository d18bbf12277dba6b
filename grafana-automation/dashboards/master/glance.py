"""The row "At a glance": the figures that a client reads first."""

from __future__ import annotations

from master.flux import (
    EVER,
    PLACE,
    POWER,
    STEP,
    TOTAL,
    WATTS,
    WHOLE,
    figure,
    query,
    read,
    sum_up,
    whole_or,
)
from master.panels import GREY, field, override, row, stat, step

SIXTH, FIFTH = (4, 4), (5, 4)

MAINS = f'{POWER} and r.role == "main"'

POWER_NOW = query(
    PLACE,
    WHOLE,
    f"""\
found = {read(POWER, indent="    ")}
    |> last()
    |> group()
    |> map(fn: (r) => ({{_time: r._time, role: if exists r.role then r.role else "part", _value: {WATTS}}}))

// What makes the total: the main channels if there are any, else the parts. Of a viewer's choice all.
mains = {read(MAINS)}
  |> last()
  |> group()
  |> findColumn(fn: (key) => true, column: "role")
wanted = if length(arr: mains) > 0 then "main" else "part"
last = found |> filter(fn: (r) => not whole or r.role == wanted)

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
  |> sum()
  |> map(fn: (r) => ({{at: at, _value: r._value}}))
  |> group(columns: ["at"])
  |> rename(fn: (column) => if column == "_value" then name else column)
""",
    imports=("date", "timezone"),
)

PEAK = query(TOTAL, 'total |> max() |> keep(columns: ["_value"])')
MEAN = query(TOTAL, 'total |> mean() |> keep(columns: ["_value"])')
AS_ENERGY = "|> sum() |> map(fn: (r) => ({_value: r._value * hours}))"
ENERGY = query(TOTAL, f"total {AS_ENERGY}")


def of_one_sign(name: str, condition: str) -> str:
    """The energy of the steps whose total is of one sign, as a number that is not negative."""
    value = "r._value" if condition == ">" else "0.0 - r._value"
    # A plain 0.0 becomes null where InfluxDB (2.9.1) computes a whole column of which no value meets the condition.
    part = f"total |> map(fn: (r) => ({{r with _value: if r._value {condition} 0.0 then {value} else r._value * 0.0}}))"
    return query(TOTAL, whole_or("flow", figure(name), part) + f"flow {AS_ENERGY}")


def of_role(name: str, role: str) -> str:
    """The energy of what has a role in the channels.csv."""
    having = f'{POWER} and r.role == "{role}"'
    chosen = f"{read(having, indent='    ')}\n{sum_up('every')}"
    return query(WHOLE + STEP, whole_or("flow", figure(name), chosen) + f"flow {AS_ENERGY}")


REST = query(WHOLE + STEP, whole_or("flow", figure("rest"), figure("no rest of a choice")) + f"flow {AS_ENERGY}")

LAST_READING = query(f"""\
{read("", span=EVER)}
  |> last()
  |> group()
  |> max(column: "_time")
  |> map(fn: (r) => ({{_value: float(v: int(v: now()) - int(v: r._time)) / 1000000000.0}}))
""")

OTHERS = "r.unit !~ /^(W|kW|MW|mW)$/"
MOST_NAMED = 3

NOT_COUNTED = query(
    f"""\
found = {read(OTHERS, indent="    ")}
    |> last()
    |> group()
    |> map(fn: (r) => ({{
      unit: if exists r.unit then r.unit else "?",
      channel: strings.replace(v: strings.replace(v: r.channel, t: "SN: ", u: "", i: 1), t: " - Ch: ", u: " ", i: 1),
    }}))
    |> group(columns: ["unit", "channel"])
    |> limit(n: 1)
    |> group(columns: ["unit"])
    |> sort(columns: ["channel"])
named = found
  |> limit(n: {MOST_NAMED})
  |> reduce(
    identity: {{names: ""}},
    fn: (r, accumulator) => ({{names: accumulator.names + (if accumulator.names == "" then "" else ", ") + r.channel}}),
  )
counted = found |> count(column: "channel")
more = (n) => if n > 0 then ", +" + string(v: n) else ""

join(tables: {{named: named, counted: counted}}, on: ["unit"])
  |> group()
  |> sort(columns: ["unit"])
  |> map(fn: (r) => ({{
    text: r.names + more(n: r.channel - {MOST_NAMED}) + " (" + r.unit + ")",
  }}))
  |> reduce(
    identity: {{channels: ""}},
    fn: (r, accumulator) => ({{
      channels: accumulator.channels + (if accumulator.channels == "" then "" else "; ") + r.text,
    }}),
  )
""",
    imports=("strings",),
)

HIDDEN = query(f"""\
{figure("hidden")}
  |> max()
  |> group()
  |> map(fn: (r) => ({{hidden: string(v: int(v: r._value))}}))
""")

TOTAL_IS = """The total: what channels.csv calls main, else all parts; without a channels.csv, all channels. A choice of
channels or devices is added up as it is, in ranges of more than three months by the hour."""
"""What descriptions say of it."""


def panels(coverage: str) -> list[dict]:
    """The row; `coverage` is the query of the tile "Coverage"."""
    watt, watt_hour = (lambda color: field("watt", NO, color)), (lambda color, no=NO: field("watth", no, color))
    now = field(
        "watt", NO, GREY, displayName="${__field.labels.at}", overrides=[
            override("byName", "now", color={"mode": "fixed", "fixedColor": "blue"}),
        ],
    )  # fmt: skip
    hidden = [
        {"type": "regex", "options": {"pattern": "(.*)", "result": {"text": "Hidden by channels.csv: $1", "index": 0}}}
    ]
    age = field("s", NO, None, step("text"), step("orange", 129600), step("red", 604800), decimals=1)
    age["defaults"]["color"] = {"mode": "thresholds"}
    return [
        row(1, "At a glance"),
        stat(
            2,
            "Power now",
            """
            Sum of the last readings in the time range, with the time of the newest. Grey: that is more than 36 hours
            ago, so it is not the power of now. Loggers send once a day, so it may be last night's. Channels whose last
            reading is more than 30 minutes older than the newest one do not count.
            """,
            POWER_NOW,
            FIFTH,
            now,
            name=True,
        ),
        stat(3, "Peak power", f"Highest total in the time range, as a mean over ten minutes. {TOTAL_IS}", PEAK, FIFTH,
             watt("orange")),
        stat(4, "Mean power", f"Mean total over the times for which there are readings. {TOTAL_IS}", MEAN, FIFTH,
             watt("blue")),
        stat(
            19,
            "Coverage",
            """
            How much of the time range has readings: windows of ten minutes with a reading, of the chosen devices
            together, between the campaign's first and last reading. What is missing is neither energy nor zero power.
            """,
            coverage,
            FIFTH,
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
            SIXTH,
            age,
        ),
        stat(
            5,
            "Energy",
            f"""
            Energy of the total in the time range: mean power of ten minutes times ten minutes. Drawn minus fed in.
            Times without readings count as nothing; they are not estimated. {TOTAL_IS}
            """,
            ENERGY,
            SIXTH,
            watt_hour("green"),
        ),
        stat(
            17,
            "Drawn",
            f"""
            Energy of the ten minutes in which the total is positive. Ten minutes in which it is negative are in Fed
            in; drawn minus fed in is the energy. A change of sign inside ten minutes is not seen. {TOTAL_IS}
            """,
            of_one_sign("drawn", ">"),
            SIXTH,
            watt_hour("green"),
        ),
        stat(
            18,
            "Fed in",
            f"""
            Energy of the ten minutes in which the total is negative: more is produced than used, or clamps are mounted
            the wrong way round. A change of sign inside ten minutes is not seen. {TOTAL_IS}
            """,
            of_one_sign("fed_in", "<"),
            SIXTH,
            watt_hour("yellow"),
        ),
        stat(43, "Production", "Energy of what channels.csv calls production. It is not in the total.",
             of_role("production", "production"), SIXTH, watt_hour("yellow", "–")),
        stat(
            44,
            "Energy of the parts",
            "Energy of the circuits behind the meter, where channels.csv has a meter (main) and parts.",
            of_role("parts", "part"),
            SIXTH,
            watt_hour("green", "–"),
        ),
        stat(
            45,
            "Rest",
            """
            What the meter has and no part: total plus production minus parts, of the ten minutes in which the total
            has a value. It is shown as it is, also when it is negative. Only where channels.csv has a meter (main), and
            all channels are chosen.
            """,
            REST,
            SIXTH,
            watt_hour("purple", "–"),
        ),
        stat(
            20,
            "Not counted: channels in other units",
            f"""
            Power and energy add up channels in W, kW and MW. Chosen channels in other units are not in them: here are
            their names, {MOST_NAMED} of each unit at most. ? is a channel without a unit. Beside them is how many
            channels the channels.csv hides: they are nowhere on this page but in what concerns devices.
            """,
            [NOT_COUNTED, HIDDEN],
            (24, 3),
            field("none", "None", "text", overrides=[override("byName", "hidden", mappings=hidden)]),
            text=True,
        ),
    ]  # fmt: skip


NO = "No reading"
