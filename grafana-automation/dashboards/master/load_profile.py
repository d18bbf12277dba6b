"""The row "Load profile": power by hour and weekday, and the mean day."""

from __future__ import annotations

from master.flux import PLACE, TOTAL, query
from master.panels import NO_POWER, bars, field, organize, override, row, step, table

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
WEEK, WEEKEND = "Monday to Friday", "Saturday and Sunday"

CELLS = """\
// Asking for the local hour of each step takes too long: it is worked out from the midnight before, except on the days
// on which the clocks change.
hour = int(v: 1h)
clock = (r) =>
  if int(v: r._stop) - int(v: r._start) == 24 * hour then (int(v: r._time) - int(v: r._start)) / hour
  else date.hour(t: r._time, location: place)
two = (n) => (if n < 10 then "0" else "") + string(v: n)

// The weekday of noon: 0 is Sunday.
weekday = (r) => ((int(v: r._start) + 12 * hour) / (24 * hour) + 4) % 7
cells = total
  |> window(every: 1d, location: place)
  |> map(fn: (r) => ({hour: clock(r: r), day: weekday(r: r), _value: r._value}))
"""


def by_hour(column: str, how: str, value: str = "r._value") -> str:
    """A row for each local hour; a column for each group of days, named by the expression `column`."""
    return query(
        PLACE + TOTAL,
        CELLS,
        f"""\
cells
  |> map(fn: (r) => ({{r with days: {column}}}))
  |> group(columns: ["hour", "days"])
  |> {how}()
  |> map(fn: (r) => ({{hour: two(n: r.hour), days: r.days, _value: {value}}}))
  |> group()
  |> pivot(rowKey: ["hour"], columnKey: ["days"], valueColumn: "_value")
  |> sort(columns: ["hour"])
""",
        imports=("date", "timezone"),
    )


BY_WEEKDAY = "[" + ", ".join(f'"{day}"' for day in [DAYS[-1], *DAYS[:-1]]) + "][r.day]"
KILOWATTS = by_hour(BY_WEEKDAY, "mean", "r._value / 1000.0")
STEPS = by_hour(BY_WEEKDAY, "count")
MEAN_DAY = by_hour(f'if r.day == 0 or r.day == 6 then "{WEEKEND}" else "{WEEK}"', "mean")

LONGER = "In ranges of more than three months from means of an hour."


def panels() -> list[dict]:
    """The row, its panels behind the heading."""
    hour = override("byName", "hour", displayName="Hour", custom__width=50, custom__cellOptions={"type": "auto"})
    narrow = override("byRegexp", "|".join(DAYS), custom__minWidth=44)
    colored = override(
        "byRegexp", "|".join(DAYS), custom__minWidth=44, custom__align="center",
        custom__cellOptions={"type": "color-background", "mode": "basic"},
        color={"mode": "continuous-BlYlRd"},
    )  # fmt: skip
    narrow["properties"].append({"id": "custom.align", "value": "center"})
    order = [organize(["hour", *DAYS])]
    mean_day = field("watt", NO_POWER, None, step("green"), overrides=[
        override("byName", WEEK, color={"mode": "fixed", "fixedColor": "blue"}),
        override("byName", WEEKEND, color={"mode": "fixed", "fixedColor": "orange"}),
    ])  # fmt: skip
    return [
        row(21, "Load profile", collapsed=True),
        table(
            22,
            "Mean power by hour and weekday, kW",
            f"""
            Mean total of the chosen channels in kW, for each hour of each weekday in the dashboard's time zone: 07 is
            from 07:00 to 08:00. Each ten minutes with readings weigh alike; beside it is how many of them make a
            cell. {LONGER}
            """,
            KILOWATTS,
            (12, 26),
            NO_POWER,
            hour,
            colored,
            transformations=order,
        ),
        table(
            23,
            "Readings behind each cell",
            f"""
            How many ten-minute totals make each cell of the table of mean power: 6 for an hour without a gap in each
            week. On the days on which the clocks change, the hour from 02:00 to 03:00 is missing or there twice.
            {LONGER}
            """,
            STEPS,
            (12, 26),
            NO_POWER,
            hour,
            narrow,
            transformations=order,
            decimals=0,
        ),
        bars(
            24,
            "Mean day",
            f"""
            Mean total of the chosen channels in each hour of the day, in the dashboard's time zone: weekdays beside
            weekends. Each ten minutes with readings weigh alike. Public holidays are counted as the weekdays that
            they are. {LONGER}
            """,
            MEAN_DAY,
            (24, 9),
            mean_day,
            "hour",
            {"displayMode": "list", "calcs": []},
            spacing=0,
        ),
    ]
