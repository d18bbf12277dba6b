"""The table "Wiring to check" of the row "Data"."""

from __future__ import annotations

from master.flux import DEVICES, POWER, WATTS, query, read
from master.panels import CHANNEL_TEXT, organize, override, table

DOUBTS = query(
    f"""\
ends = (tables=<-, what) => tables
  |> group()
  |> map(fn: (r) => ({{
    channel: r.channel, unit: r.unit, place: if exists r.channel_idx then r.channel_idx else "", what: what,
    _value: {WATTS},
  }}))

// The highest reading is looked for, and readings below zero are counted (a condition on the value makes the storage
// look at each of them), only where the lowest reading, and the first, leave a doubt open.
power = () => {read(POWER, indent="    ")}
open = (r) => r.lowest < 0.0 or (r.lowest < 1.0 and r.begin < 1.0) or (r.lowest >= 190.0 and r.begin <= 270.0)
names = union(tables: [power() |> min() |> ends(what: "lowest"), power() |> first() |> ends(what: "begin")])
  |> pivot(rowKey: ["channel", "unit", "place"], columnKey: ["what"], valueColumn: "_value")
  |> filter(fn: (r) => open(r: r))
  |> findColumn(fn: (key) => true, column: "channel")
quoted = strings.joinStr(arr: array.map(arr: names, fn: (x) => regexp.quoteMeta(v: x)), v: "|")
suspect = regexp.compile(v: "^(" + quoted + ")$")
""",
    f"""\
suspects = () => {read(f"{POWER} and r.channel =~ suspect", DEVICES, indent="    ")}
volts = () => {read('r.unit == "V"', DEVICES, indent="    ")}

// A channel that moved to another column is one; its readings are added up.
each = (tables=<-) => tables |> group(columns: ["channel", "unit", "what"])
counted = (tables=<-, what) => tables
  |> group()
  |> map(fn: (r) => ({{channel: r.channel, unit: r.unit, place: "", what: what, _value: float(v: r._value)}}))
  |> each()
  |> sum()
low = union(tables: [suspects() |> min() |> ends(what: "Lowest"), volts() |> min() |> ends(what: "Lowest")])
  |> each()
  |> min()
high = union(tables: [suspects() |> max() |> ends(what: "Highest"), volts() |> max() |> ends(what: "Highest")])
  |> each()
  |> max()
readings = suspects() |> count() |> counted(what: "Readings")
negative = {read(f'{POWER} and r.role != "production" and r.channel =~ suspect', DEVICES, indent="    ")}
    |> filter(fn: (r) => r._value < 0.0)
    |> count()
    |> counted(what: "Negative")
share = (r) => if exists r.Negative and exists r.Readings then r.Negative / r.Readings else 0.0
doubt = (r) =>
  if r.unit == "V" then (if r.Highest >= 80.0 and r.Highest < 150.0 then "half" else "")
  else if r.Lowest > -1.0 and r.Highest < 1.0 then "idle"
  else if r.Lowest >= 190.0 and r.Highest <= 270.0 then "volts"
  else if share(r: r) > 0.5 then "negative"
  else ""

union(tables: [low, high, readings, negative])
  |> group()
  |> pivot(rowKey: ["channel", "unit"], columnKey: ["what"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.Highest)
  |> map(fn: (r) => ({{
    channel: r.channel, Doubt: doubt(r: r), Lowest: r.Lowest, Highest: r.Highest, Negative: share(r: r),
  }}))
  |> filter(fn: (r) => r.Doubt != "")
  |> sort(columns: ["Doubt", "channel"])
""",
    imports=("array", "regexp", "strings"),
)

DOUBT_TEXTS = {
    "half": "A phase at half voltage: is it connected?",
    "idle": "Always under 1 W: is the clamp closed, is the circuit in use?",
    "volts": "Looks like a voltage: is it in the right input?",
    "negative": "Mostly negative: feeds in, or the clamp is the wrong way round",
}


def panel() -> dict:
    """The table."""
    texts = [
        {
            "type": "value",
            "options": {key: {"text": text, "index": i} for i, (key, text) in enumerate(DOUBT_TEXTS.items())},
        }
    ]
    channel = override("byName", "channel", displayName="Channel", mappings=CHANNEL_TEXT, custom__minWidth=150)
    ends = {"decimals": 1, "custom__width": 95}
    return table(
        39,
        "Wiring to check",
        """
        Chosen channels whose readings in the time range look as if something was mounted or connected wrongly, by their
        lowest and highest reading (W, or V for a phase) and the share of readings below zero; with a channels.csv a
        reading is a mean over ten minutes. Mostly negative: more than half of them, unless channels.csv calls it
        production. Always under 1 W: of either sign. Half voltage: a phase whose highest reading is between 80 V and
        150 V. Looks like a voltage: power that is always between 190 W and 270 W.
        """,
        DOUBTS,
        (24, 9),
        "Nothing to check",
        channel,
        override("byName", "Doubt", displayName="To check", mappings=texts, custom__minWidth=430),
        override("byRegexp", "Lowest|Highest", **ends),
        override("byName", "Negative", displayName="Below zero", unit="percentunit", decimals=0, custom__width=95),
        transformations=[organize(["channel", "Doubt", "Lowest", "Highest", "Negative"])],
    )
