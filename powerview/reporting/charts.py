"""The charts of one campaign, as Bokeh models that share one time axis.

Times are drawn as the clock on the wall shows them (Bokeh knows no time zones): an hour that is there twice in October
is drawn twice in the same place, and the line breaks between the two. What is not coloured here takes its colour from
the page's style sheet (`--bk-…`), light or dark.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    CustomJSHover,
    DatetimeTickFormatter,
    GlyphRenderer,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)  # fmt: skip
from bokeh.plotting import figure

from powerview.channels.days import Days
from powerview.channels.sums import WINDOW, windows_of
from powerview.mv2 import Channel
from powerview.reporting.axis import wall
from powerview.reporting.figures import Figures
from powerview.reporting.language import Language
from powerview.reporting.places import Series
from powerview.seconds import A_DAY

COLOURS = ("#4269d0", "#e8a317", "#ff725c", "#3ca951", "#a463f2", "#38b2ac", "#ff7eb0", "#9c6b4e", "#8a94a6", "#7aa7f5")
"""Distinct on white and on near-black, also for most people who see colours differently."""

PER_CHART = len(COLOURS)
NICE_SECONDS = (1800, 3600, 2 * 3600, 3 * 3600, 4 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)
NEAR, FAR = "near", "far"
NEAR_DAYS = 62
"""A stretch of time no longer than this is looked at closely."""

LEAST_SHARE = 0.5
"""Of less of a bucket than this no mean is drawn: a morning's is not its day's."""

LONG_BREAK = 1.5
"""A step longer than the usual one by this factor breaks the line; loggers are a few seconds off now and then."""


@dataclass(frozen=True)
class Group:
    """The channels of one chart, and what they are called there: some of a device's, in one unit."""

    device: str
    unit: str | None
    channels: tuple[Channel, ...]
    names: tuple[str, ...]

    @property
    def colours(self) -> list[tuple[Channel, str]]:
        """Each channel with its colour."""
        return list(zip(self.channels, COLOURS, strict=False))


def groups_of(names: dict[Channel, str]) -> list[Group]:
    """The charts that channels make: power first, then voltage, then the rest; devices in the order they came in."""
    found: dict[tuple[str | None, str], list[Channel]] = {}
    for channel in names:
        found.setdefault((channel.unit, channel.device), []).append(channel)
    units = ["W", "V", *dict.fromkeys(channel.unit for channel in names)]
    ordered = sorted(found.items(), key=lambda pair: units.index(pair[0][0]))
    parts = [
        (device, unit, members[start : start + PER_CHART])
        for (unit, device), members in ordered
        for start in range(0, len(members), PER_CHART)
    ]
    return [Group(device, unit, tuple(part), tuple(names[c] for c in part)) for device, unit, part in parts]


def bucket_seconds(all_series: Collection[Series], days: Days, most_values: int) -> int:
    """Into what stretches of time curves must be gathered so that a campaign draws no more than so many values.

    0: no need, every reading can be drawn. Longer ones are whole parts of a day.
    """
    if sum(len(s.times) for s in all_series) <= most_values:
        return 0
    seconds, values_each = int(days.seconds.sum()), 3  # mean, least, most
    fitting = (n for n in NICE_SECONDS if seconds // n * len(all_series) * values_each <= most_values)
    return next(fitting, NICE_SECONDS[-1])


# ── the curves ───────────────────────────────────────────────────────────────────────────────────────────────────────


def curves(
    group: Group, series: dict[Channel, Series], zone: ZoneInfo, bucket: int, shared: Range1d, language: Language
) -> figure:
    """The curves of a group: every reading, or, with a bucket in seconds, means and the band from least to most.

    Buckets shorter than a day are for a closer look (NEAR); from afar (FAR) a day is one point. The page shows one.
    """
    plot = _plot(shared, 250, "curves", language)
    if not bucket:
        _draw_curves(plot, group, _readings(group, series, zone), "", language)
        return plot
    _draw_curves(plot, group, _bucketed(group, series, zone, A_DAY), FAR, language)
    _draw_curves(plot, group, _bucketed(group, series, zone, bucket), NEAR, language)
    return plot


def _draw_curves(plot: figure, group: Group, data: dict[str, np.ndarray], level: str, language: Language) -> None:
    source = ColumnDataSource(data)
    for i, (channel, colour) in enumerate(group.colours):
        drawn = [plot.line("x", f"v{i}", source=source, line_color=colour, line_width=1.1)]
        if level:
            band = {"fill_color": colour, "fill_alpha": 0.2, "line_color": None}
            drawn.append(plot.quad("left", "right", f"high{i}", f"low{i}", source=source, **band))
        drawn += _lone_points(plot, data["x"], data[f"v{i}"], colour)
        _name(drawn, group, channel, level)
    middle = plot.line("x", "middle", source=source, line_alpha=0)
    middle.tags, middle.visible = ["", level], level != NEAR
    values = [(name, f"@v{i}{{custom}}{_after(group)}") for i, name in enumerate(group.names)]
    when = f"@x{{{_DAY[language.code]}{'' if level == FAR else ' %H:%M'}}}"
    _hover(plot, middle, [("", when), *values], len(values), language)


def _readings(group: Group, series: dict[Channel, Series], zone: ZoneInfo) -> dict[str, np.ndarray]:
    # One row for each time at which a channel has a reading or its line ends.
    columns = {}
    for i, channel in enumerate(group.channels):
        s = series[channel]
        ends = np.diff(s.times, prepend=s.times[0]) > s.steps * LONG_BREAK
        column = pd.Series(s.values.astype(np.float32), index=s.times)
        gaps = pd.Series(np.float32(np.nan), index=s.times[ends] - s.steps[ends])
        columns[f"v{i}"] = pd.concat([column, gaps[~gaps.index.isin(column.index)]])
    return _drawable(pd.DataFrame(columns).sort_index(), zone)


def _bucketed(group: Group, series: dict[Channel, Series], zone: ZoneInfo, bucket: int) -> dict[str, np.ndarray]:
    # Buckets are counted on the wall clock, so that they are parts of local days; one without readings is a gap.
    columns = {}
    for i, channel in enumerate(group.channels):
        s = series[channel]
        place = wall(s.times, zone) // bucket
        windows = windows_of(s.times, s.values)
        means = pd.Series(windows.mean).groupby(wall(windows.begin, zone) // bucket)
        values = pd.Series(s.values).groupby(place)
        drawn = means.mean().where(means.size() * WINDOW >= bucket * LEAST_SHARE)
        for name, column in (("v", drawn), ("low", values.min()), ("high", values.max())):
            columns[f"{name}{i}"] = column.astype(np.float32)
    frame = pd.DataFrame(columns)
    frame = frame.reindex(np.arange(frame.index[0], frame.index[-1] + 1))
    frame.index = frame.index * bucket + bucket // 2
    data = _as_columns(frame)
    return data | {"left": data["x"] - bucket * 500, "right": data["x"] + bucket * 500}


def _drawable(frame: pd.DataFrame, zone: ZoneInfo) -> dict[str, np.ndarray]:
    local = wall(frame.index.to_numpy(), zone)
    back = np.flatnonzero(np.diff(local) < 0) + 1
    cells = np.insert(frame.to_numpy(), back, np.nan, axis=0)  # the second pass of October's hour is a line of its own
    return _as_columns(pd.DataFrame(cells, index=np.insert(local, back, local[back]), columns=frame.columns))


def _as_columns(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    values = frame.filter(regex=r"^v\d").mean(axis=1).to_numpy(np.float32)
    columns = {name: frame[name].to_numpy(np.float32) for name in frame.columns}
    return {"x": frame.index.to_numpy() * 1000.0, "middle": values, **columns}


def _lone_points(plot: figure, x: np.ndarray, y: np.ndarray, colour: str) -> list[GlyphRenderer]:
    # A reading between two gaps makes no line.
    there = np.isfinite(np.concatenate([[np.nan], y, [np.nan]]))
    lone = there[1:-1] & ~there[:-2] & ~there[2:]
    return [plot.scatter(x[lone], y[lone], color=colour, size=4)] if lone.any() else []


# ── bars by day ──────────────────────────────────────────────────────────────────────────────────────────────────────


def energy_bars(
    group: Group, kwh: dict[Channel, np.ndarray], days: Days, shared: Range1d, language: Language
) -> figure:
    """kWh of each local day, the channels of a group on top of each other; what is negative hangs below the axis."""
    plot = _plot(shared, 190, "energy", language)
    data = _day_edges(days)
    above, below = np.zeros(len(days.dates)), np.zeros(len(days.dates))
    for i, channel in enumerate(group.channels):
        energy = kwh[channel]
        base = np.where(energy < 0, below, above)
        data |= {f"v{i}": energy, f"base{i}": base, f"end{i}": base + energy}
        above, below = above + np.maximum(energy, 0), below + np.minimum(energy, 0)
    data |= {"above": above, "below": below}
    source = ColumnDataSource(data)
    for i, (channel, colour) in enumerate(group.colours):
        bars = plot.quad("left", "right", f"end{i}", f"base{i}", source=source, fill_color=colour, line_width=0)
        _name([bars], group, channel)
    whole = plot.quad("left", "right", "above", "below", source=source, fill_alpha=0, line_alpha=0)
    values = [(name, f"@v{i}{{custom}} kWh") for i, name in enumerate(group.names)]
    _hover(plot, whole, [("", f"@left{{{_DAY[language.code]}}}"), *values], len(values), language)
    return plot


def coverage_strips(share: dict[str, np.ndarray], figures: Figures, shared: Range1d, language: Language) -> figure:
    """For each device a row of bars: how much of each day its channels have readings for, on average."""
    days = figures.days
    devices = list(share)
    plot = _plot(shared, 60 + 24 * len(devices), "coverage", language)
    for row, device in enumerate(reversed(devices)):
        data = _day_edges(days) | {
            "top": row + 0.8 * share[device], "bottom": np.full(len(days.dates), float(row)),
            "full": np.full(len(days.dates), row + 0.8), "share": 100 * share[device], "hours": figures.seconds / 3600,
        }  # fmt: skip
        source = ColumnDataSource(data)
        behind = plot.quad("left", "right", "full", "bottom", source=source, fill_color="#e5484d", fill_alpha=0.22,
                           line_width=0)  # fmt: skip
        plot.quad("left", "right", "top", "bottom", source=source, fill_color="#3ca951", line_width=0)
        of_hours = language.text("of {hours} h", hours="@hours{0.#}")
        rows = [("", f"@left{{{_DAY[language.code]}}}"), (device, f"@share{{custom}} % {of_hours}")]
        _hover(plot, behind, rows, 1, language, mode="mouse")
    plot.yaxis.ticker = [row + 0.4 for row in range(len(devices))]
    plot.yaxis.major_label_overrides = {row + 0.4: device for row, device in enumerate(reversed(devices))}
    plot.ygrid.visible = False
    return plot


def _day_edges(days: Days) -> dict[str, np.ndarray]:
    left = np.array(days.dates, dtype="datetime64[ms]").astype(np.int64)
    return {"left": left, "right": left + 86_400_000 * 0.96}


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def _plot(shared: Range1d, height: int, name: str, language: Language) -> figure:
    plot = figure(
        height=height, sizing_mode="stretch_width", x_range=shared, x_axis_type="datetime", tools=[], name=name,
        toolbar_location=None, min_border_left=58, min_border_right=12, lod_threshold=None, output_backend="canvas",
    )  # fmt: skip
    plot.add_tools(BoxZoomTool(dimensions="width"))
    days, months = _TICKS[language.code]
    plot.xaxis.formatter = DatetimeTickFormatter(
        minutes="%H:%M", hourmin="%H:%M", hours="%H:%M", days=days, months=months, years="%Y"
    )
    plot.xaxis.ticker.desired_num_ticks = 5
    plot.yaxis.ticker.desired_num_ticks = 4
    if language.is_english:
        plot.yaxis.formatter.use_scientific = False
    else:
        plot.yaxis.formatter = NumeralTickFormatter(format="0.[000]", language=language.code)
    plot.yaxis.major_label_standoff = 6
    plot.xgrid.visible = False
    return plot


def _name(renderers: list[GlyphRenderer], group: Group, channel: Channel, level: str = "") -> None:
    # The page's legend hides and shows what carries these tags.
    for renderer in renderers:
        renderer.tags = [tag(group, channel), level]
        renderer.visible = level != NEAR


def tag(group: Group, channel: Channel) -> str:
    """What a channel is called in its charts; no text from outside is in it."""
    return f"{group.channels.index(channel)}"


def _after(group: Group) -> str:
    return f" {group.unit}" if group.unit else ""  # one of the known units: nothing that a template would read


def _hover(
    plot: figure,
    renderer: GlyphRenderer,
    rows: list[tuple[str, str]],
    numbers: int,
    language: Language,
    mode: str = "vline",
) -> None:
    # Bokeh sets the first of each pair as plain text; only the second, which is ours, is a template.
    names = [row[1].split("{")[0] for row in rows]
    two_digits = CustomJSHover(code=_TWO_DIGITS if language.is_english else _TWO_DIGITS + ".replace('.', ',')")
    formatters = dict.fromkeys(names[-numbers:], two_digits) | {names[0]: "datetime"}
    plot.add_tools(HoverTool(renderers=[renderer], tooltips=rows, formatters=formatters, mode=mode))


_TWO_DIGITS = "return (Number.isFinite(value) ? value.toFixed(Math.abs(value) < 100 ? 2 : 1) : '–')"
_DAY = {"en": "%a %d %b %Y", "fr": "%d/%m/%Y"}
"""How Bokeh shows a day, whose names of days and months are English."""
_TICKS = {"en": ("%d %b", "%b %Y"), "fr": ("%d/%m", "%m/%Y")}
