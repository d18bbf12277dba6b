"""The row "Load profile": power by hour and weekday, and the mean day."""

from __future__ import annotations

from master.flux import PLACE, TOTAL, query
from master.panels import NO_POWER, bars, field, organize, override, row, step, table

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
EMPTY = "rgb(128, 128, 128)"
WEEK, WEEKEND = "Monday to Friday", "Saturday and Sunday"

CELLS = """\
// The hour is worked out from the midnight before, which is faster than to ask for it, except on the days on which the
// clocks change. The weekday is that of noon; 0 is Sunday.
hour = int(v: 1h)
cells = total
  |> aggregateWindow(every: 1h, fn: mean, createEmpty: false, timeSrc: "_start")
  |> window(every: 1d, location: place)
  |> group()
  |> map(fn: (r) => ({
    hour:
      if int(v: r._stop) - int(v: r._start) == 24 * hour then (int(v: r._time) - int(v: r._start)) / hour
      else date.hour(t: r._time, location: place),
    day: ((int(v: r._start) + 12 * hour) / (24 * hour) + 4) % 7,
    _value: r._value,
  }))
  |> group(columns: ["hour", "day"])
clock = (n) => (if n < 10 then "0" else "") + string(v: n) + ":00"
"""


def by_hour(cells: str, column: str, value: str = "r._value") -> str:
    """A row for each local hour; a column for each group of days, named by the expression `column`."""
    return query(
        PLACE + TOTAL,
        CELLS,
        f"""\
{cells}
  |> map(fn: (r) => ({{hour: clock(n: r.hour), days: {column}, _value: {value}}}))
  |> group()
  |> pivot(rowKey: ["hour"], columnKey: ["days"], valueColumn: "_value")
  |> sort(columns: ["hour"])
""",
        imports=("date", "timezone"),
    )


BY_WEEKDAY = "[" + ", ".join(f'"{day}"' for day in [DAYS[-1], *DAYS[:-1]]) + "][r.day]"
KILOWATTS = by_hour("cells |> mean()", BY_WEEKDAY, "r._value / 1000.0")
HOURS = by_hour("cells |> count()", BY_WEEKDAY)
MEAN_DAY = by_hour(
    f"""\
cells
  |> group()
  |> map(fn: (r) => ({{r with days: if r.day == 0 or r.day == 6 then "{WEEKEND}" else "{WEEK}"}}))
  |> group(columns: ["hour", "days"])
  |> mean()""",
    "r.days",
)


def panels() -> list[dict]:
    """The row, its panels behind the heading."""
    hour = override("byName", "hour", displayName="Hour", custom__width=58, custom__cellOptions={"type": "auto"})
    empty = [{"type": "special", "options": {"match": "null", "result": {"text": " ", "color": EMPTY, "index": 0}}}]
    cell = {"custom__minWidth": 44, "custom__align": "center", "noValue": " ", "mappings": empty}
    narrow = override("byRegexp", "|".join(DAYS), **cell)
    colored = override(
        "byRegexp",
        "|".join(DAYS),
        custom__cellOptions={"type": "color-background", "mode": "basic"},
        color={"mode": "continuous-BlYlRd"},
        **cell,
    )
    order = [organize(["hour", *DAYS])]
    mean_day = field("watt", NO_POWER, None, step("green"), overrides=[
        override("byName", "hour", noValue=" "),  # the labels that have no room
        override("byName", WEEK, color={"mode": "fixed", "fixedColor": "blue"}),
        override("byName", WEEKEND, color={"mode": "fixed", "fixedColor": "orange"}),
    ])  # fmt: skip
    return [
        row(21, "Load profile", collapsed=True),
        table(
            22,
            "Mean power by hour and weekday, kW",
            """
            Mean total in kW, for each hour of each weekday in the dashboard's time zone: 07:00
            is from 07:00 to 08:00. Each hour with readings weighs alike; beside it is how many of them make a cell.
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
            "Hours behind each cell",
            """
            How many hours with readings make each cell of the table of mean power: one a week. On the days on which
            the clocks change, the hour from 02:00 to 03:00 is missing or there twice.
            """,
            HOURS,
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
            """
            Mean total in each hour of the day, in the dashboard's time zone: weekdays beside
            weekends. Each hour with readings weighs alike. Public holidays are counted as the weekdays that they are.
            """,
            MEAN_DAY,
            (24, 9),
            mean_day,
            "hour",
            {"displayMode": "list", "calcs": []},
            spacing=100,
        ),
    ]
