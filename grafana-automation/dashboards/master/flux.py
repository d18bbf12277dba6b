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

NAMED = 'named = "${source:raw}" == "powerview_channels"\n'
"""Whether what is shown has one value for each ten minutes, as a channels.csv makes it."""

WHOLE = """\
// All channels of all devices are chosen: no channel and no device is called a blank.
whole = " " =~ /^${device:regex}$/ and " " =~ /^${channel:regex}$/
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


def figure(*names: str) -> str:
    """A pipeline from the bucket to figures that the lane has added up, in W by ten minutes."""
    one_of = " or ".join(f'r.figure == "{name}"' for name in names)
    return read(f"({one_of})" if len(names) > 1 else one_of, "", indent="    ", of=TOTALS)


def window(every: str, how: str, empty: bool = False, more: str = "") -> str:
    """A step of `aggregateWindow`, stamped with the window's begin."""
    return f'aggregateWindow(every: {every}, fn: {how}, createEmpty: {str(empty).lower()}, timeSrc: "_start"{more})'


def sum_up(every: str, indent: str = "    ") -> str:
    """From readings of power to the mean of each channel in each step, and on to their total in W."""
    return f"\n{indent}|> ".join(
        [
            "",
            window(every, "mean"),
            'group(columns: ["unit"])',
            window(every, "sum"),
            f"map(fn: (r) => ({{r with _value: {WATTS}}}))",
            "group()",
            window(every, "sum"),
            "group()",
        ]
    )[1:]


def whole_or(name: str, of_whole: str, else_: str) -> str:
    """`name` becomes what the lane has added up, or what a choice of channels gives. Only one of them is run."""
    return f"{name} = if whole then\n  {of_whole}\nelse\n  {else_}\n"


ADDED_UP = f"{read(POWER, indent='    ')}\n{sum_up('every')}"

TOTAL = "\n".join([WHOLE, STEP, "// The total at each step, in W.", whole_or("total", figure("total"), ADDED_UP)])
"""`total`: columns _time, _value; a row for each step in which one of the channels that make it has a reading."""


def query(*parts: str, imports: tuple[str, ...] = ()) -> str:
    """A query of parts, without a newline at its end."""
    head = "".join(f'import "{name}"\n' for name in imports)
    return "\n".join([*([head] if head else []), *parts]).rstrip("\n")
