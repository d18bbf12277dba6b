"""The row "Voltage": how often each phase is outside the limits of EN 50160, and its extremes."""

from __future__ import annotations

from master.flux import DEVICES, NAMED, PLACE, query, read, window
from master.panels import CHANNEL_TEXT, organize, override, row, table

CONNECTED = 150
"""A phase whose mean over ten minutes never reaches so many volts was never connected: such inputs show about 114 V,
or 0."""

VOLTS = 'r.unit == "V"'

EXTREMES = f"""\
// Means over ten minutes; by name there is one value for each. The storage looks for the extremes where it can.
readings = () => {read(VOLTS, DEVICES, indent="    ")}
low = if named then readings() |> min() else readings() |> {window("10m", "mean")} |> min()
high = if named then readings() |> max() else readings() |> {window("10m", "mean")} |> max()
by_channel = (tables=<-) => tables |> keep(columns: ["_time", "_value", "channel"]) |> group(columns: ["channel"])
"""

LOWEST_AND_HIGHEST = query(
    NAMED,
    EXTREMES,
    f"""\
lowest = low |> by_channel() |> min() |> map(fn: (r) => ({{channel: r.channel, Lowest: r._value, At: r._time}}))
highest = high |> by_channel() |> max() |> map(fn: (r) => ({{channel: r.channel, Highest: r._value, Since: r._time}}))

join(tables: {{lowest: lowest, highest: highest}}, on: ["channel"])
  |> filter(fn: (r) => r.Highest >= {CONNECTED}.0)
  |> group()
  |> sort(columns: ["channel"])
""",
)

NEVER_CONNECTED = query(
    NAMED,
    EXTREMES,
    f"""\
high
  |> by_channel()
  |> max()
  |> group()
  |> filter(fn: (r) => r._value < {CONNECTED}.0)
  |> map(fn: (r) => ({{channel: r.channel, Highest: r._value}}))
  |> sort(columns: ["channel"])
""",
)

ONE = "(r._value + 1000.0) / (r._value + 1000.0)"
"""Written so, because InfluxDB computes only what depends on a column for the whole column at once (see `WATTS`), and
makes null of a constant that all of it takes."""

NARROW, WIDE = 4096, 4096 * 4096
"""What a mean outside the limits is more than 1: a week has fewer than 4096 means of a phase."""


def outside_the_limits() -> str:
    """What a mean counts for in the sum of its week."""
    return (
        f"if r._value < 195.5 then {ONE} * {1 + NARROW + WIDE}.0 else if r._value > 253.0 then {ONE} * "
        f"{1 + NARROW + WIDE}.0 else if r._value < 207.0 then {ONE} * {1 + NARROW}.0 else {ONE}"
    )


BY_WEEK = query(
    PLACE + NAMED,
    f"""\
// By name there is one value for each ten minutes.
volts = {read(VOLTS, DEVICES, indent="    ")}
means = if named then volts else volts |> {window("10m", "mean")}

// Weeks begin on Monday, at midnight in the dashboard's time zone. One sum has three counts: each mean is 1, one
// outside the narrow limits {NARROW} more, one outside the wide ones, and so outside both, {WIDE} more.
weeks = means
  |> keep(columns: ["_time", "_value", "_start", "_stop", "channel"])
  // A channel that moved to another column goes on as another series.
  |> group(columns: ["channel"])
  |> map(fn: (r) => ({{r with _value: {outside_the_limits()}}}))
  |> aggregateWindow(every: 1w, offset: 4d, fn: sum, createEmpty: false, timeSrc: "_start", location: place)
  |> map(fn: (r) => ({{channel: r.channel, week: r._time, sum: int(v: r._value)}}))
  |> map(fn: (r) => ({{
    channel: r.channel, week: r.week,
    Means: float(v: r.sum % {NARROW}), narrow: float(v: r.sum / {NARROW} % {NARROW}), wide: float(v: r.sum / {WIDE}),
  }}))
""",
    f"""\
// Phases that were never connected are left out.
phases = means
  |> max()
  |> filter(fn: (r) => r._value >= {CONNECTED}.0)
  |> keep(columns: ["channel"])

join(tables: {{weeks: weeks, phases: phases}}, on: ["channel"])
  |> group()
  |> map(fn: (r) => ({{
    Week: r.week,
    channel: r.channel,
    Means: r.Means,
    Outside: r.narrow,
    Share: r.narrow / r.Means,
    Far: r.wide,
  }}))
  |> sort(columns: ["Week", "channel"])
""",
    imports=("timezone",),
)


def panels() -> list[dict]:
    """The row, its panels behind the heading."""
    no_volts = "No voltage readings of these devices in this time range"
    phase = override("byName", "channel", displayName="Phase", mappings=CHANNEL_TEXT, custom__minWidth=140)
    date, volt = "time:D MMM YYYY HH:mm", {"unit": "volt", "decimals": 1, "custom__minWidth": 95}
    bad = {"mode": "absolute", "steps": [{"color": "text", "value": None}, {"color": "red", "value": 0.0500001}]}
    some = {"mode": "absolute", "steps": [{"color": "text", "value": None}, {"color": "red", "value": 1}]}
    colored = {"custom__cellOptions": {"type": "color-text"}}
    return [
        row(32, "Voltage", collapsed=True),
        table(
            33,
            "Voltage by week",
            """
            How many ten-minute means of each phase are outside 230 V ± 10 % (207 V to 253 V) and outside 230 V +10 %,
            −15 % (195.5 V to 253 V), in each week from Monday. EN 50160 wants 95 % of a week's means inside the first
            and all of them inside the second; red is what it does not allow. The first and the last week hold only
            what is in the time range. Times without readings do not count, and phases that were never connected are
            left out.
            """,
            BY_WEEK,
            (24, 11),
            no_volts,
            phase,
            override("byName", "Week", unit="time:D MMM YYYY", custom__minWidth=100),
            override("byName", "Means", displayName="Ten-minute means", decimals=0, custom__minWidth=195),
            override("byName", "Outside", displayName="Outside ±10 %", decimals=0, custom__minWidth=115),
            override(
                "byName",
                "Share",
                displayName="Share outside ±10 %",
                unit="percentunit",
                decimals=1,
                thresholds=bad,
                custom__minWidth=160,
                **colored,
            ),
            override(
                "byName",
                "Far",
                displayName="Outside +10/−15 %",
                decimals=0,
                thresholds=some,
                custom__minWidth=145,
                **colored,
            ),
            transformations=[organize(["Week", "channel", "Means", "Outside", "Share", "Far"])],
        ),
        table(
            34,
            "Lowest and highest voltage",
            """
            The lowest and the highest mean over ten minutes of each phase of the chosen devices in the time range, and
            when those ten minutes began (the first time, if it was more than once). Phases that were never connected
            are left out.
            """,
            LOWEST_AND_HIGHEST,
            (16, 8),
            no_volts,
            phase,
            override("byName", "Lowest", **volt),
            override("byName", "Highest", **volt),
            override("byName", "At", displayName="Lowest at", unit=date, custom__minWidth=140),
            override("byName", "Since", displayName="Highest at", unit=date, custom__minWidth=140),
            transformations=[organize(["channel", "Lowest", "At", "Highest", "Since"])],
        ),
        table(
            35,
            "Phases never connected",
            f"""
            Inputs for a voltage whose mean over ten minutes never reaches {CONNECTED} V in the time range: an input
            without a wire shows about 114 V, or 0. They are in no figure of this row.
            """,
            NEVER_CONNECTED,
            (8, 8),
            "None",
            phase,
            override("byName", "Highest", **volt),
            transformations=[organize(["channel", "Highest"])],
        ),
    ]
