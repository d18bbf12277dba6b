"""The row "Voltages and channels": voltages, and a table of all channels."""

from __future__ import annotations

from master.flux import DEVICES, NAMED, query, read, window
from master.panels import CHANNEL_TEXT, CURVE_NAMES, curves, field, organize, override, row, step, table
from master.power import MOVED, each_channel

TABLE_UNITS = "r.unit =~ /^${unit:regex}$/"


def extreme(how: str, name: str) -> str:
    """The smallest or largest reading of each channel."""
    return query(f"""\
{read(TABLE_UNITS)}
  |> {how}()
  {MOVED}
  |> group(columns: ["channel", "unit"])
  |> {how}()
  |> group()
  |> keep(columns: ["channel", "unit", "_value"])
  |> rename(columns: {{_value: "{name}"}})
""")


MEANS = query(
    NAMED,
    f"""\
// By name there is one value for each ten minutes; else up to three months by ten minutes, the logger's interval,
// beyond that by a quarter of a day.
long = int(v: v.timeRangeStop) - int(v: v.timeRangeStart) > int(v: 93d)
every = if long then 6h else 10m
shown = {read(TABLE_UNITS, indent="    ")}
steps = if named then shown |> mean() else shown |> {window("every", "mean")}

steps
  |> group(columns: ["channel", "unit"])
  |> mean()
  |> group()
  |> keep(columns: ["channel", "unit", "_value"])
  |> rename(columns: {{_value: "Mean"}})
""",
)


def panels() -> list[dict]:
    """The row "Voltages and channels"."""
    limits = [step("red"), step("transparent", 207), step("red", 253)]
    volts = field("volt", "No voltage readings of these devices in this time range", None, *limits, decimals=1)
    return [
        row(14, "Voltages and channels"),
        curves(
            15,
            "Phase voltages",
            """
            Voltage of each phase of the chosen devices, a mean for each step of the curve. Dashed: 207 V and 253 V,
            the limits of 230 V ± 10 %.
            """,
            each_channel('r.unit == "V"', 1000, DEVICES),
            (24, 9),
            volts,
            {"thresholdsStyle": {"mode": "dashed"}},
            maxDataPoints=1000,
            transformations=CURVE_NAMES,
        ),
        table(
            16,
            "Minimum, mean and maximum",
            """
            Smallest and largest reading and mean of each chosen channel in the time range, in the channel's own unit;
            with a channels.csv, of means over ten minutes. The mean weighs each ten minutes alike (without a
            channels.csv each quarter of a day, in ranges of more than three months).
            """,
            [extreme("min", "Min"), MEANS, extreme("max", "Max")],
            (24, 14),
            "No readings in this time range",
            override("byName", "channel", displayName="Channel", custom__minWidth=150, mappings=CHANNEL_TEXT),
            override("byName", "unit", displayName="Unit", custom__width=60, noValue=" "),
            override("byRegexp", "Min|Mean|Max", custom__width=90),
            sort_by="Channel",
            transformations=[
                {"id": "merge", "options": {}},
                organize(["channel", "unit", "Min", "Mean", "Max"]),
            ],
        ),
    ]
