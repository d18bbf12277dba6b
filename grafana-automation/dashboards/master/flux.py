"""Pieces of Flux that the Master's queries share.

The storage pushes down range, filter and the first aggregation behind them; what follows runs in memory. Figures of
the whole are made of `TOTAL`, the one place that knows which channels make it and in which units.
"""

from __future__ import annotations

RANGE = "range(start: v.timeRangeStart, stop: v.timeRangeStop)"
READINGS = 'r._measurement == "${campaign:raw}" and r._field == "value"'
POWER = '(r.unit == "W" or r.unit == "kW" or r.unit == "MW")'
DEVICES = "r.device =~ /^${device:regex}$/"
CHOSEN = f"{DEVICES} and r.channel =~ /^${{channel:regex}}$/"

LONG = "int(v: 93d)"

STEP = f"""\
span = int(v: v.timeRangeStop) - int(v: v.timeRangeStart)

// Up to three months by ten minutes, the logger's interval; beyond that by the hour.
every = if span > {LONG} then 1h else 10m
hours = float(v: int(v: every)) / 3600000000000.0
"""

WATTS = 'r._value * (if r.unit == "MW" then 1000000.0 else if r.unit == "kW" then 1000.0 else 1.0)'
"""A reading in W. Written out wherever it is needed: InfluxDB then computes a whole column at once, a hundred times
as fast as by calling a function for each row."""

PLACE = 'place = timezone.location(name: "${timezone:raw}")\n'
"""Needs the import of `timezone`."""


def read(condition: str, chosen: str = CHOSEN, span: str = RANGE, indent: str = "  ") -> str:
    """A pipeline from the bucket to the readings that a condition finds."""
    steps = [span, f"filter(fn: (r) => {READINGS}{' and ' if condition else ''}{condition})"]
    if chosen:
        steps.append(f"filter(fn: (r) => {chosen})")
    return "from(bucket: v.defaultBucket)" + "".join(f"\n{indent}|> {step}" for step in steps)


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


PART = f"""\
part = (start, stop) => {read(POWER, span="range(start: start, stop: stop)", indent="    ")}
{sum_up("every")}
"""

HALVES = """\
// The two halves of a long range are read at the same time.
middle = time(v: (int(v: v.timeRangeStart) + span / 2) / int(v: 1h) * int(v: 1h))
"""


def in_halves(name: str) -> str:
    """`name` becomes what the function `part` gives for the whole range."""
    return f"""\
{HALVES}{name} = if span > {LONG} then
    union(tables: [part(start: v.timeRangeStart, stop: middle), part(start: middle, stop: v.timeRangeStop)])
else
    part(start: v.timeRangeStart, stop: v.timeRangeStop)
"""


PIECES = f"""\
// InfluxDB's effort for a piece grows faster than the piece, and it reads several of them at the same time.
hour_long = int(v: 1h)
first = int(v: v.timeRangeStart) / hour_long * hour_long
size = (span / 6 / hour_long + 1) * hour_long
piece = (n) => part(
  start: if n == 0 then v.timeRangeStart else time(v: first + n * size),
  stop: if n == 5 then v.timeRangeStop else time(v: first + (n + 1) * size),
)
total = if span > int(v: 14d) then
    union(tables: [{", ".join(f"piece(n: {n})" for n in range(6))}])
else
    part(start: v.timeRangeStart, stop: v.timeRangeStop)
"""

TOTAL = "\n".join([STEP, "// The total of the chosen channels at each step.\n" + PART, PIECES])
"""`total`: columns _time, _value (W), _start, _stop; one row for each step in which a channel has a reading."""


def query(*parts: str, imports: tuple[str, ...] = ()) -> str:
    """A query of parts, without a newline at its end."""
    head = "".join(f'import "{name}"\n' for name in imports)
    return "\n".join([*([head] if head else []), *parts]).rstrip("\n")
