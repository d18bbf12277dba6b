"""What the ingest lane keeps beside the readings, written from pandas: the totals, and channels as a sheet shows them.

An independent second reading of docs/data.md, for campaigns that a test writes into InfluxDB itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import pandas as pd

WINDOW = pd.Timedelta(minutes=10)
WATTS = {"mW": 0.001, "W": 1.0, "kW": 1e3, "MW": 1e6}


def things(readings: pd.DataFrame, sheet: Collection[dict] | None) -> pd.DataFrame:
    """What a sheet makes of readings (device, channel_idx, channel, unit, time, value), by ten minutes.

    Columns channel, device, unit, role, time, value; power is in W. A line of the sheet is a dict of its columns.
    """
    lines = {(line["device"], str(line["place"])): line for line in sheet or ()}
    steps = readings.assign(time=readings.time.dt.floor("10min"), unit=readings.unit.fillna(""))
    place = ["device", "channel_idx", "unit"]
    means = steps.groupby([*place, "time"]).agg(value=("value", "mean"), channel=("channel", "last")).reset_index()
    found = []
    for (device, idx, unit), clamp in means.groupby(place, sort=False):
        line = lines.get((device, idx), {})
        scale = float(line.get("factor") or 1) * WATTS.get(unit, 1)
        group = line.get("group") if unit in WATTS else ""
        found.append(clamp.assign(
            value=clamp.value * scale, unit="W" if unit in WATTS else unit, role=line.get("role") or "part",
            channel=group or line.get("name") or clamp.channel, member=f"{device} {idx}",
            thing=f"group {group}" if group else f"{device} {idx} {unit}",
        ))  # fmt: skip
    shown = pd.concat(found)
    shown = shown[shown.role != "hidden"]
    whole = shown.groupby("thing").member.transform("nunique")
    grouped = shown.assign(whole=whole).groupby(["thing", "unit", "role", "time"], sort=False)
    sums = grouped.agg(channel=("channel", "first"), device=("device", "first"), value=("value", "sum"),
                       members=("member", "nunique"), whole=("whole", "first")).reset_index()  # fmt: skip
    return sums[sums.members == sums.whole][["channel", "device", "unit", "role", "time", "value"]]


def figures(shown: pd.DataFrame) -> dict[str, pd.Series]:
    """The figures of what is shown, each by the begin of its ten minutes, in W."""
    power = shown[shown.unit == "W"]
    roles = {role: of.groupby("time").value.sum() for role, of in power.groupby("role")}
    total = roles.get("main", roles.get("part"))
    if total is None:
        total = pd.Series(dtype=float)
    found = {"total": total, "drawn": total.clip(lower=0), "fed_in": (-total).clip(lower=0)}
    if "production" in roles:
        found["production"] = roles["production"]
    if "main" in roles:
        if "part" in roles:
            found["parts"] = roles["part"]
        others = [
            roles.get(role, pd.Series(dtype=float)).reindex(total.index, fill_value=0)
            for role in ("production", "part")
        ]
        found["rest"] = total + others[0] - others[1]
    return found


def lows(total: pd.Series, zone: str) -> pd.Series:
    """The total's 5 % quantile of each local day of which 90 % are covered, at its midnight."""
    day = total.index.tz_convert(zone).normalize()
    length = (day + pd.DateOffset(days=1)) - day
    enough = (
        total.groupby(day).count() * pd.Timedelta(minutes=10) >= 0.9 * pd.Series(length, day).groupby(level=0).first()
    )
    return total.groupby(day).quantile(0.05)[enough]


def make(influx, bucket: str, campaign: str, sheet: Collection[dict] | None = None, zone: str = "Europe/Paris") -> None:
    """Write all of it for a campaign whose readings are in InfluxDB."""
    rows = influx.query(
        f'from(bucket: "{bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)'
        f' |> filter(fn: (r) => r._measurement == "{campaign}" and r._field == "value")'
    )
    if not rows:
        return
    readings = pd.DataFrame({
        **{name: [row.get(name) or "" for row in rows] for name in ("device", "channel_idx", "channel", "unit")},
        "time": pd.to_datetime([row["_time"] for row in rows], format="ISO8601"),
        "value": [float(row["_value"]) for row in rows],
    })  # fmt: skip
    shown = things(readings, sheet)
    lines = []
    for name, values in figures(shown).items():
        lines += _lines("powerview_totals", {"campaign": campaign, "figure": name}, values.index, values)
        if name == "total" and len(values):
            low = lows(values, zone)
            tags = {"campaign": campaign, "figure": "low", "zone": zone}
            lines += _lines("powerview_totals", tags, low.index.tz_convert("UTC"), low)
    for device, of in readings.groupby("device"):
        times = pd.Series(of.time.dt.floor("10min").unique()).sort_values(ignore_index=True)
        first, last = times.diff() != WINDOW, times.diff(-1) != -WINDOW
        for figure, some in (("covered", times), ("begin", times[first]), ("end", times[last])):
            tags = {"campaign": campaign, "device": device, "figure": figure}
            lines += _lines("powerview_totals", tags, some, pd.Series(1.0, some.index))
    hidden = {(line["device"], str(line["place"])) for line in sheet or () if line.get("role") == "hidden"}
    clamps = readings[[place in hidden for place in zip(readings.device, readings.channel_idx, strict=True)]]
    if len(clamps):
        places = clamps.device + " " + clamps.channel_idx + " " + clamps.unit
        count = places.groupby(clamps.time.dt.floor("10min")).nunique()
        lines += _lines("powerview_totals", {"campaign": campaign, "figure": "hidden"}, count.index, count)
    if sheet is not None:
        for (channel, device, unit, role), of in shown.groupby(["channel", "device", "unit", "role"]):
            tags = {"campaign": campaign, "channel": channel, "device": device, "role": role, "unit": unit}
            lines += _lines("powerview_channels", tags, of.time, of.value)
    for i in range(0, len(lines), 20_000):
        influx.write(bucket, "\n".join(lines[i : i + 20_000]))


def _lines(measurement: str, tags: dict[str, str], times: pd.Series, values: pd.Series) -> list[str]:
    pairs = [(key, re.sub("([, =])", r"\\\1", text)) for key, text in tags.items() if text]
    series = ",".join([measurement, *(f"{key}={text}" for key, text in pairs)])
    seconds = pd.DatetimeIndex(times).as_unit("s").asi8.tolist()
    return [f"{series} value={v!r} {t}" for t, v in zip(seconds, np.asarray(values, float).tolist(), strict=True)]
