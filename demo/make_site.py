"""Write the logger files of a made-up bakery: `python demo/make_site.py FOLDER`.

Everything in these files is invented: serial numbers, power, weather. One logger with three slaves measures 24 channels
for six weeks, ten minutes a reading, and uploads a file each night. The clamps are listed in channels.csv beside this
module. One clamp sits the wrong way round, as happens. There is a power cut, after which the logger's clock is not set
for a minute; a restart; and an upload that breaks off and is sent again.

The same arguments always write the same files. `--figures FILE` also writes what the readings add up to, day by day.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

CLIENT, CAMPAIGN = "made-up-bakery", "ovens-and-roof"
SHEET = Path(__file__).resolve().parent / "channels.csv"
ZONE = ZoneInfo("Europe/Paris")
SEED, DAYS, STEP = 20260323, 42, 600
LAST_DAY = date(2026, 5, 3)

BANK_HOLIDAY = 39
"""Counted in days from the first, as the other incidents are: Friday 1 May, when bakeries are closed."""

POWER_CUT = 24, time(13, 10), time(15, 50)
RESTART = 8, time(9, 3, 17)
TORN = 18, time(11, 42, 7)
"""The night upload of that day breaks off; at this time it is sent again, longer."""

PREAMBLE = (
    'START_HEADER\n{"DataZoneCode":3,"DataTypeCode":2,"DataTimeSettings":"UTC","TimeZone":"CET-1CEST,M3.5.0,M10.5.0/3",'
    '"TimeZoneName":"Europe/Paris","FileVersion":3,"MasterType":"Tri","Comment":"made up for a demonstration"}\n'
    "END_HEADER\nSTART_DATA\n"
)


@dataclass(frozen=True)
class Site:
    """What the logger measured: `readings` has an index of UTC seconds and a column for each clamp, in their order.

    While the power was cut there are no readings.
    """

    first: date
    clamps: list[dict[str, str]]
    readings: pd.DataFrame

    @property
    def logger(self) -> str:
        """The serial number of the master."""
        return self.clamps[0]["device"]

    def at(self, day: int, clock: time) -> int:
        """UTC seconds of a local time on the site's day 0…"""
        return int(datetime.combine(self.first + timedelta(days=day), clock, ZONE).timestamp())


def make_site(last_day: date = LAST_DAY) -> Site:
    """Six weeks that end with a day."""
    with SHEET.open(encoding="utf-8", newline="") as file:
        clamps = list(csv.DictReader(file))
    first = last_day - timedelta(days=DAYS - 1)
    empty = Site(first, clamps, pd.DataFrame())
    times = np.arange(empty.at(0, time()), empty.at(DAYS, time()), STEP)
    measured = _bakery(times, first, np.random.default_rng(SEED))
    columns = {}
    for i, clamp in enumerate(clamps):
        factor = float(clamp["factor"] or 1)
        columns[i] = np.round(measured[clamp["name"] or clamp["logger"]] / factor, 2 if clamp["unit"] == "V" else 1)
    readings = pd.DataFrame(columns, index=times)
    day, begin, end = POWER_CUT
    cut = (times >= empty.at(day, begin)) & (times < empty.at(day, end))
    return Site(first, clamps, readings[~cut])


# ── what goes on in the bakery ───────────────────────────────────────────────────────────────────────────────────────


def _bakery(times: np.ndarray, first: date, random: np.random.Generator) -> dict[str, np.ndarray]:
    # Watts and volts by the name of the clamp. Single-phase loads are spread over the phases.
    local = pd.DatetimeIndex(pd.to_datetime(times, unit="s", utc=True)).tz_convert(ZONE)
    hour = np.asarray(local.hour + local.minute / 60)
    day = np.asarray((local.tz_localize(None).normalize() - pd.Timestamp(first)).days)
    weekday = np.asarray(local.day_of_week)
    closed = (weekday == 0) | (day == BANK_HOLIDAY)
    closed_tomorrow = (weekday == 6) | (day == BANK_HOLIDAY - 1)
    late = np.choose(weekday, [0, 0, 0, 0, 0, 1.5, 0.5])  # hours longer at the ovens on Saturday and Sunday
    shuts = np.where(weekday == 6, 13, 19.5)

    def about(spread: float) -> np.ndarray:
        return 1 + spread * random.standard_normal(len(times))

    def working(begin: float, end: np.ndarray | float) -> np.ndarray:
        return (hour >= begin) & (hour < end) & ~closed

    warmth = 1 + 0.22 * np.sin((hour - 9) / 12 * np.pi)
    proofing = ((hour >= 20) & ~closed_tomorrow) | ((hour < 4) & ~closed)
    loads = {
        "Cold room": 980 * warmth * about(0.05),
        "Freezer": 640 * (1 + (warmth - 1) / 2) * about(0.06),
        "Proofer": 35 + proofing * 1150 * about(0.05),
        "Lights shop": 14 + working(6.5, shuts) * 690 * about(0.01),
        "Lights bakehouse": 22 + working(2, 13) * 840 * about(0.01),
        "Coffee machine": 9 + working(6.5, shuts) * 720 * np.abs(about(0.3)),
    }
    for phase in (1, 2, 3):
        heating_up = working(3, 3.7) + 0.44 * working(3.7, 10.5 + late)
        loads[f"Deck oven L{phase}"] = 11 + heating_up * 6400 * about(0.09)
        loads[f"Rack oven L{phase}"] = 9 + (working(3.5, 4) + 0.52 * working(4, 9 + late)) * 7600 * about(0.11)
        loads[f"Mixer L{phase}"] = 4 + working(2.3, 5.2) * (random.random(len(times)) < 0.6) * 1450 * about(0.1)
    # Not measured on its own: tills, office, hot water.
    rest = {phase: 190 + working(6, shuts) * 420 * np.abs(about(0.3)) for phase in (1, 2, 3)}
    solar = _roof(local, day, random)
    found = {name: np.maximum(watts, 0) for name, watts in loads.items()}
    single = {1: ("Cold room", "Lights shop"), 2: ("Freezer", "Lights bakehouse"), 3: ("Proofer", "Coffee machine")}
    for phase in (1, 2, 3):
        used = rest[phase] + sum(found[name] for name in single[phase])
        used = used + sum(found[f"{machine} L{phase}"] for machine in ("Deck oven", "Rack oven", "Mixer"))
        found[f"Solar L{phase}"] = np.maximum(solar / 3 * about(0.004), 0)
        found[f"Meter L{phase}"] = used - found[f"Solar L{phase}"]
        drop = found[f"Meter L{phase}"] * 0.0004
        found[f"Voltage L{phase}"] = 238.5 + phase / 2 - drop + random.normal(0, 0.6, len(times))
    return found


def _roof(local: pd.DatetimeIndex, day: np.ndarray, random: np.random.Generator) -> np.ndarray:
    # Watts of 24 kWp that lie flat at 48° north, 2° east, under weather that differs from day to day.
    season = np.asarray(local.day_of_year)
    utc = local.tz_convert("UTC")
    angle = np.radians(15 * (np.asarray(utc.hour + utc.minute / 60) + 1 / 12 + 2 / 15 - 12))
    tilt = np.radians(-23.44) * np.cos(2 * np.pi * (season + 10) / 365.25)
    north = np.radians(48)
    height = np.sin(north) * np.sin(tilt) + np.cos(north) * np.cos(tilt) * np.cos(angle)
    clear = random.beta(2.4, 1.1, DAYS)[day]
    clouds = np.clip(clear + (1 - clear) * 0.9 * random.standard_normal(len(day)) * 0.5, 0.06, 1)
    return 20_500 * np.clip(height, 0, None) ** 1.15 * clouds


# ── the true figures ─────────────────────────────────────────────────────────────────────────────────────────────────


def true_figures(site: Site) -> pd.DataFrame:
    """What the readings amount to: a row for each local day, kWh in the columns.

    `drawn`, `fed in`, `production`, `rest` (total + production - parts), then each group, or lone channel, by name.
    Each reading counts for ten minutes; the clamps' factors are applied.
    """
    groups: dict[tuple[str, str], pd.Series] = {}
    for i, clamp in enumerate(site.clamps):
        if clamp["unit"] != "W":
            continue
        key = clamp["role"], clamp["group"] or clamp["name"] or clamp["logger"]
        groups[key] = groups.get(key, 0) + site.readings[i] * float(clamp["factor"] or 1)
    total, production, parts = (sum(w for (role, _), w in groups.items() if role == each)
                                for each in ("main", "production", "part"))  # fmt: skip
    figures = {"drawn": total.clip(lower=0), "fed in": -total.clip(upper=0), "production": production,
               "rest": total + production - parts}  # fmt: skip
    figures |= {name: watts for (_, name), watts in groups.items()}
    local = pd.to_datetime(site.readings.index, unit="s", utc=True).tz_convert(ZONE)
    kwh = pd.DataFrame(figures) * STEP / 3_600_000
    return kwh.groupby(local.date).sum().rename_axis("day")


# ── its files ────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_files(site: Site, folder: Path) -> list[Path]:
    """Write the uploads below FOLDER/client/campaign/device, each dated as if it had just arrived then."""
    device = folder / CLIENT / CAMPAIGN / site.logger
    device.mkdir(parents=True, exist_ok=True)
    written = []
    for moment, start, stop, whole in _uploads(site):
        text = _file(site, start, stop)
        if not whole:
            text = text[: text.rindex(".", 0, len(text) * 5 // 8) + 1]  # inside a number
        name = datetime.fromtimestamp(moment, ZONE).strftime("T302_%y%m%d_%H%M%S_UTC.tsv")
        (device / name).write_text(text, encoding="ascii", newline="\n")
        os.utime(device / name, (moment, moment))
        written.append(device / name)
    return written


def _uploads(site: Site) -> Iterator[tuple[int, int, int, bool]]:
    # When, the first second of the readings in it and the second behind them, and whether the upload is whole. Each
    # goes on where the last whole one ended; the last comes when the logger is taken away.
    random = np.random.default_rng(SEED)
    nights = [(site.at(day, time(3, 15)) + int(random.integers(0, 370)), day != TORN[0]) for day in range(1, DAYS)]
    sent = site.at(0, time())
    for moment, whole in sorted([*nights, (site.at(*TORN), True), (site.at(DAYS, time(0, 4, 30)), True)]):
        complete = moment // STEP * STEP
        yield moment, sent, complete, whole
        sent = complete if whole else sent


def _file(site: Site, start: int, stop: int) -> str:
    serials = [site.logger, *(clamp["device"] for clamp in site.clamps)]
    labels = ["MV_T302_V003", *(f"{clamp['logger']} {clamp['unit']}" for clamp in site.clamps)]
    digits = [2 if clamp["unit"] == "V" else 1 for clamp in site.clamps]
    rows = []
    for second, *values in site.readings.loc[start : stop - 1].itertuples():
        cells = [f"{value:.{n}f}" for value, n in zip(values, digits, strict=True)]
        if second == site.at(POWER_CUT[0], POWER_CUT[2]):  # a minute passes before the clock is set
            rows += [[f"01/01/20 01:00:{s:02}", *cells] for s in (2, 58)]
        if second - STEP < site.at(*RESTART) < second:
            rows.append([_stamp(site.at(*RESTART)), *("0" for _ in cells)])
        rows.append([_stamp(second), *cells])
    return PREAMBLE + "".join("\t".join(row) + "\n" for row in (serials, labels, *rows)) + "END_DATA\n"


def _stamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%d/%m/%y %H:%M:%S")


def main() -> None:
    """Run with command line arguments."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0].partition(":")[0] + ".")
    options.add_argument("folder", type=Path, metavar="FOLDER", help="becomes a tree client/campaign/device")
    options.add_argument("--last-day", type=date.fromisoformat, default=LAST_DAY, metavar="DATE",
                         help=f"last day of the six weeks (default: {LAST_DAY})")  # fmt: skip
    options.add_argument("--sheet", action="store_true", help="put channels.csv beside the device, too")
    options.add_argument("--figures", type=Path, metavar="FILE", help="write the true kWh of each day as CSV")
    chosen = options.parse_args()
    site = make_site(chosen.last_day)
    files = write_files(site, chosen.folder)
    if chosen.sheet:
        shutil.copyfile(SHEET, files[0].parent.parent / SHEET.name)
    if chosen.figures:
        true_figures(site).round(6).to_csv(chosen.figures)
    print(f"{len(files)} files of a made-up bakery are in {files[0].parent}.")


if __name__ == "__main__":
    main()
