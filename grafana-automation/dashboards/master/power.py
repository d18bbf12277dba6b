"""The row "Power": the total, and a curve for each channel."""

from __future__ import annotations

from master.flux import CHOSEN, POWER, WATTS, WHOLE, figure, query, read, whole_or, window
from master.glance import TOTAL_IS
from master.panels import CURVE_NAMES, NO_POWER, curves, field, override, row, step

ROUNDING = """\
// Grafana rounds its window down, at worst to seven times the points that it asked for, and cuts what is over 1.5
// times."""
MOVED = "// A channel that moved to another column goes on as another series."


def steps_of(points: int, name: str) -> str:
    """`name` becomes the nanoseconds of Grafana's window, made longer where it gives more than 1.5 times `points`."""
    return f"""\
{ROUNDING}
window = int(v: v.windowPeriod)
steps = (int(v: v.timeRangeStop) - int(v: v.timeRangeStart)) / window
{name} = window * (1 + steps / {points * 149 // 100})
"""


FIGURES = {
    "total": ("Total", "blue"), "production": ("Power produced", "yellow"), "parts": ("Parts", "green"),
    "rest": ("Rest", "purple"),
}  # fmt: skip

TOTAL_POWER = query(
    WHOLE,
    steps_of(1000, "step") + "every = duration(v: step)\n",
    whole_or(
        "curves",
        f"""{figure(*FIGURES)}
    |> {window("every", "mean", empty=True)}""",
        f"""{read(POWER, indent="    ")}
    |> {window("every", "mean")}
    |> group(columns: ["unit"])
    |> {window("every", "sum")}
    |> map(fn: (r) => ({{r with _value: {WATTS}}}))
    |> group()
    |> {window("every", "sum", empty=True)}
    |> map(fn: (r) => ({{_time: r._time, figure: "total", _value: r._value}}))""",
    ),
    """\
curves
  |> group()
  |> pivot(rowKey: ["_time"], columnKey: ["figure"], valueColumn: "_value")
  |> drop(columns: ["_start", "_stop"])
  |> sort(columns: ["_time"])
""",
)


MOST_VALUES = 30_000
"""So many values are drawn at most, of all curves of a panel: with a hundred curves each has some 250."""


def each_channel(condition: str, points: int, chosen: str = CHOSEN, scaled: bool = False) -> str:
    """A curve for each channel, in W if it is `scaled`, broken where there are no readings."""
    scale = f"\n  |> map(fn: (r) => ({{r with _value: {WATTS}}}))" if scaled else ""
    kept = '["channel", "unit", "_start", "_stop"]' if scaled else '["channel", "_start", "_stop"]'
    return query(
        steps_of(points, "each"),
        f"""\
// Where there are many curves, each has fewer points: most of the time goes into writing them down.
lines = {read(condition, chosen)}
  |> first()
  |> group()
  |> findColumn(fn: (key) => true, column: "_time")
values = length(arr: lines) * (int(v: v.timeRangeStop) - int(v: v.timeRangeStart)) / each
every = duration(v: each * (1 + values / {MOST_VALUES}))

{read(condition, chosen)}
  |> {window("every", "mean")}
  {MOVED}
  |> group(columns: {kept})
  |> {window("every", "mean", empty=True)}{scale}
  |> group(columns: ["channel"])
  |> keep(columns: ["_time", "_value", "channel"])
""",
    )


def panels() -> list[dict]:
    """The row "Power"."""
    total = field("watt", NO_POWER, None, step("green"), overrides=[
        override("byName", name, displayName=title, color={"mode": "fixed", "fixedColor": color},
                 custom__fillOpacity=15 if name == "total" else 0)
        for name, (title, color) in FIGURES.items()
    ])  # fmt: skip
    each = field("watt", NO_POWER, None, step("green"))
    filled = {"gradientMode": "opacity", "axisSoftMin": 0}
    return [
        row(7, "Power"),
        curves(
            8,
            "Total power",
            f"""
            Means for each step of the curve. {TOTAL_IS} Production, parts and rest (total plus production minus parts)
            have curves of their own where channels.csv has them. A line breaks where there are no readings for an hour.
            """,
            TOTAL_POWER,
            (24, 8),
            total,
            filled,
            maxDataPoints=1000,
        ),
        curves(
            9,
            "Power by channel",
            """
            Each chosen channel in W, kW or MW, a mean for each step of the curve. Click a name to see it alone,
            Ctrl+click to add more. Negative values: power flows the other way, or the clamp was mounted the wrong way
            round. A line breaks where there are no readings for an hour.
            """,
            each_channel(POWER, 500, scaled=True),
            (24, 12),
            each,
            placement="right",
            maxDataPoints=500,
            transformations=CURVE_NAMES,
        ),
    ]
