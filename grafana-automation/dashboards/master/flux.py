"""Pieces of Flux that the Master's queries share.

The storage pushes down range, filter and the first aggregation behind them; what follows runs in memory. Figures of the
whole are read from `powerview_totals`, where the ingest lane has added them up by ten minutes; a viewer's own choice is
added up here. What is shown by name is read from `source`: `powerview_channels`, by ten minutes, where a channels.csv
is in force, else the campaign's readings under the logger's labels.
"""

from __future__ import annotations

RANGE = "range(start: v.timeRangeStart, stop: v.timeRangeStop)"
EVER = "range(start: 2000-01-01T00:00:00Z)"
SHOWN = 'r._measurement == "${source:raw}" and r.campaign == "${campaign:raw}" and r._field == "value"'
READINGS = 'r._measurement == "${campaign:raw}" and r._field == "value"'
TOTALS = 'r._measurement == "powerview_totals" and r.campaign == "${campaign:raw}" and r._field == "value"'
POWER = '(r.unit == "W" or r.unit == "kW" or r.unit == "MW" or r.unit == "mW")'
DEVICES = "r.device =~ /^${device:regex}$/"
CHOSEN = f"{DEVICES} and r.channel =~ /^${{channel:regex}}$/"
CONSUMES = 'r.role != "main" and r.role != "production"'

WATTS = (
    'r._value * (if r.unit == "MW" then 1000000.0 else if r.unit == "kW" then 1000.0 '
    'else if r.unit == "mW" then 0.001 else 1.0)'
)
"""A reading in W. Written out wherever it is needed: InfluxDB then computes a whole column at once, a hundred times
as fast as by calling a function for each row."""

PLACE = 'place = timezone.location(name: "${timezone:raw}")\n'
"""Needs the import of `timezone`."""

PIECE = """\
// Pieces of a day that the storage adds up or counts: no day begins within one.
quarter = date.minute(t: v.timeRangeStart, location: place) - date.minute(t: v.timeRangeStart)
piece = if quarter % 30 == 0 then 30m else 15m
"""
"""`piece`; needs PLACE and the imports of `date` and `timezone`. In Nepal clocks are 45 minutes off."""

NAMED = 'named = "${source:raw}" == "powerview_channels"\n'
"""Whether what is shown has one value for each ten minutes, as a channels.csv makes it."""

WHOLE = """\
// All channels of all devices are chosen: no channel and no device is called a blank. While a campaign's figures are
// being made, they are added up here.
whole = "${ready:raw}" == "yes" and " " =~ /^${device:regex}$/ and " " =~ /^${channel:regex}$/
"""

STEP = """\
// A choice of channels is added up by ten minutes in up to three months, beyond that by the hour.
span = int(v: v.timeRangeStop) - int(v: v.timeRangeStart)
every = if whole or span <= int(v: 93d) then 10m else 1h
hours = float(v: int(v: every)) / 3600000000000.0
"""


def read(condition: str, chosen: str = CHOSEN, span: str = RANGE, indent: str = "  ", of: str = SHOWN) -> str:
    """A pipeline from the bucket to the readings that a condition finds."""
    steps = [span, f"filter(fn: (r) => {of}{' and ' if condition else ''}{condition})"]
    if chosen:
        steps.append(f"filter(fn: (r) => {chosen})")
    return "from(bucket: v.defaultBucket)" + "".join(f"\n{indent}|> {step}" for step in steps)


def figure(*names: str, span: str = RANGE, more: str = "") -> str:
    """A pipeline from the bucket to figures that the lane has made; `more` is another condition."""
    one_of = " or ".join(f'r.figure == "{name}"' for name in names)
    return read(f"({one_of})" if len(names) > 1 else one_of, more, span, "    ", TOTALS)


def window(every: str, how: str, empty: bool = False, more: str = "") -> str:
    """A step of `aggregateWindow`, stamped with the window's begin."""
    return f'aggregateWindow(every: {every}, fn: {how}, createEmpty: {str(empty).lower()}, timeSrc: "_start"{more})'


def sum_up(every: str, indent: str = "    ", more: str = "") -> str:
    """From readings of power to the mean of each channel in each step, and on to their total in W."""
    kept = 'keep(columns: ["_time", "_value", "_start", "_stop", "unit"])'
    scaled = f"map(fn: (r) => ({{r with _value: {WATTS}}}))"
    steps = [window(every, "mean", more=more), kept, scaled, "group()", window(every, "sum", more=more)]
    return f"\n{indent}|> ".join(["", *steps, "group()"])[1:]


def whole_or(name: str, of_whole: str, else_: str, head: str = "") -> str:
    """`name` becomes what the lane has added up, or what a choice of channels gives. Only one of them is run.

    `head` makes a function of it.
    """
    return f"{name} = {head}if whole then\n  {of_whole}\nelse\n  {else_}\n"


def total(name: str, span: str = RANGE, head: str = "", more: str = "") -> str:
    """`name` becomes the total at each step, in W: columns _time, _value.

    It has a row for each step in which one of the channels that make it has a reading. `more` is for the steps of a
    choice of channels.
    """
    chosen = f"{read(POWER, span=span, indent='    ')}\n{sum_up('every', more=more)}"
    return whole_or(name, figure("total", span=span), chosen, head)


TOTAL = "\n".join([WHOLE, STEP, total("total")])

CLOCKS = f"""\
// The stretches of the time range in which the clock is the same number of minutes ahead of UTC. It changes on a day
// that is shorter or longer than others.
half_hour = int(v: 30m)
minute = int(v: 1m)
ahead = (t) => (
  date.hour(t: t, location: place) * 60 + date.minute(t: t, location: place) - int(v: t) / minute % 1440
  + 2040) % 1440 - 600
odd = array.from(rows: [{{_time: v.timeRangeStart, _value: 0}}])
  |> range(start: date.sub(d: 2d, from: v.timeRangeStart), stop: date.add(d: 2d, to: v.timeRangeStop))
  |> aggregateWindow(every: 1d, fn: count, createEmpty: true, timeSrc: "_stop", location: place)
  |> elapsed(unit: 30m)
  |> filter(fn: (r) => r.elapsed != 48)
  |> findColumn(fn: (key) => true, column: "_time")
back = (t, halves) => time(v: int(v: t) - halves * half_hour)
change = (t) => {{
  now_ahead = ahead(t: t)
  before = (t, steps) => array.filter(arr: steps, fn: (x) => ahead(t: back(t: t, halves: x)) != now_ahead)[0]
  near = back(t: t, halves: before(t: t, steps: {list(range(8, 57, 8))}) - 8)

  return back(t: near, halves: before(t: near, steps: {list(range(1, 9))}) - 1)
}}
changes = odd
  |> array.filter(fn: (x) => ahead(t: back(t: x, halves: 52)) != ahead(t: x))
  |> array.map(fn: (x) => change(t: x))
  |> array.filter(fn: (x) => x > v.timeRangeStart and x < v.timeRangeStop)
behind = (t) => array.concat(arr: array.filter(arr: changes, fn: (x) => x > t), v: [v.timeRangeStop])
stretches = array.concat(arr: [v.timeRangeStart], v: changes)
  |> array.map(fn: (x) => ({{start: x, stop: behind(t: x)[0], ahead: ahead(t: x)}}))
"""
"""`stretches`; needs PLACE and the imports of `array`, `date` and `timezone`."""


def or_nothing(rows: str, nothing: str, sorted_by: str) -> str:
    """The rows, or where there are none one that says so: without any, Grafana's bars and trends show an error, in
    English in every language. `nothing` are its columns; needs the import of `array`."""
    return f"""\
some = {rows} |> map(fn: (r) => ({{r with none: 0, rows: 1}}))
nothing = array.from(rows: [{{{nothing}, none: 1, rows: 1}}])

union(tables: [some, nothing])
  |> group()
  |> sort(columns: ["none", "{sorted_by}"])
  |> cumulativeSum(columns: ["rows"])
  |> filter(fn: (r) => r.none == 0 or r.rows == 1)
  |> drop(columns: ["none", "rows"])
"""


NOT_A_NUMBER = 'float(v: "nan")'
"""What Grafana draws nothing of."""


def query(*parts: str, imports: tuple[str, ...] = ()) -> str:
    """A query of parts, without a newline at its end."""
    head = "".join(f'import "{name}"\n' for name in imports)
    return "\n".join([*([head] if head else []), *parts]).rstrip("\n")
