"""The row "Load profile": power by hour and weekday, and the mean day."""

from __future__ import annotations

import json

from master.flux import CLOCKS, NOT_A_NUMBER, PLACE, STEP, WHOLE, or_nothing, query, total, window
from master.panels import NO_POWER, NO_POWER_HERE, bars, field, organize, override, row, step, table

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
EMPTY = "rgb(128, 128, 128)"
WEEK, WEEKEND = "Monday to Friday", "Saturday and Sunday"

CELLS = f"""\
// Where the clock is half an hour or 45 minutes off, its hours begin in the middle of those of UTC.
begin = (ahead) => duration(v: (60 - ahead % 60) % 60 * int(v: 1m))
by_hour = int(v: every) == int(v: 1h)
{total("part", "range(start: start, stop: stop)", "(start, stop, offset) => ", ", offset: offset")}
// Local times, written as if they were UTC. What passes from a Monday's midnight on tells hour and weekday, and for a
// whole column at once.
local = array.map(arr: stretches, fn: (x) => part(
  start: x.start, stop: x.stop, offset: if by_hour then begin(ahead: x.ahead) else 0s,
)
  |> {window("1h", "mean", more=", offset: begin(ahead: x.ahead)")}
  |> timeShift(duration: duration(v: x.ahead * int(v: 1m)))
  |> keep(columns: ["_time", "_value"]))
monday = array.from(rows: [{{_time: 2000-01-03T00:00:00Z, _value: 0.0}}])
cells = union(tables: array.concat(arr: [monday], v: local))
  |> group()
  |> sort(columns: ["_time"])
  |> elapsed(unit: 1s)
  |> cumulativeSum(columns: ["elapsed"])
  |> map(fn: (r) => ({{hour: r.elapsed / 3600 % 24, day: r.elapsed / 86400 % 7 / DAYS, _value: r._value}}))
  |> group(columns: ["hour", "day"])
clock = (n) => (if n < 10 then "0" else "") + string(v: n) + ":00"
"""


def by_hour(cells: str, names: list[str], value: str = "r._value", days: int = 1, end: str = "") -> str:
    """A row for each local hour; a column for each weekday, or for each group of so many days from Monday on."""
    return query(
        PLACE + WHOLE + STEP,
        CLOCKS,
        CELLS.replace("DAYS", str(days)),
        f"""\
{"hours_of_days = " if end else ""}{cells}
  |> map(fn: (r) => ({{hour: clock(n: r.hour), days: {json.dumps(names)}[r.day], _value: {value}}}))
  |> group()
  |> pivot(rowKey: ["hour"], columnKey: ["days"], valueColumn: "_value")
  |> sort(columns: ["hour"])
""",
        end,
        imports=("array", "date", "timezone"),
    )


KILOWATTS = by_hour("cells |> mean()", DAYS, "r._value / 1000.0")
HOURS = by_hour("cells |> count()", DAYS)
NO_HOURS = or_nothing("hours_of_days", f'hour: "none", "{WEEK}": {NOT_A_NUMBER}', "hour")
MEAN_DAY = by_hour("cells |> mean()", [WEEK, WEEKEND], days=5, end=NO_HOURS)


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
        override("byName", "hour", noValue=" ", mappings=NO_POWER_HERE),  # a blank: the labels that have no room
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
            is from 07:00 to 08:00. Each ten minutes belong to the hour in which they begin. Each hour with readings
            weighs alike; beside it is how many of them make a cell.
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
        ),
    ]
