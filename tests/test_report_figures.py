"""The report's figures against a plain reading of the same readings with pandas, written apart from the project's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import make_site
import numpy as np
import pandas as pd
import pytest
from faults.truth import Upload
from faults.truth_uploads import points_of
from sample_tree import SAMPLES, serial
from trees import Site, day_rows, v002

from powerview.channels import read_sheet
from powerview.mv2 import Channel
from powerview.reporting.export import wanted
from powerview.reporting.load import duration_curve, hours_above
from powerview.reporting.sheet_source import SheetSource
from powerview.reporting.sources import ALL_TIME, FileSource, NotThere, Wanted
from powerview.reporting.study import Study, study_of

PARIS = ZoneInfo("Europe/Paris")
TEN = pd.Timedelta(minutes=10)
SAMPLE_DAYS = [(date(2025, 7, 29), date(2025, 8, 4)), (date(2025, 10, 22), date(2025, 10, 26)), (None, None)]


def studied(site: Site, client: str, campaign: str, first: date | None = None, last: date | None = None) -> Study:
    """The study of a campaign's files, without a sheet."""
    settings = site.settings()
    want = wanted(settings, client, campaign, first, last)
    return study_of(FileSource(settings, want), want)


class Plain:
    """A source of readings that a test makes up: each channel's as a series of UTC times."""

    def __init__(self, readings: dict[Channel, pd.Series]) -> None:
        self.channels, self.clamps, self.absent = list(readings), (), ()
        self._frame = pd.DataFrame(dict(enumerate(readings.values()))).sort_index()
        self._frame.index = self._frame.index.as_unit("s").asi8

    def frames(self):
        """A day at a time, as InfluxDB gives them."""
        for _, frame in self._frame.groupby(self._frame.index // 86_400):
            yield frame

    def spans(self) -> dict[str, tuple[int, int]]:
        """Of all readings."""
        index = self._frame.index
        return {channel.device: (int(index[0]), int(index[-1])) for channel in self.channels}


def channel(idx: int = 1, unit: str = "W", device: str = "7") -> Channel:
    return Channel(idx, device, f"C{idx}", unit, f"SN: {device} - Ch: C{idx}")


def of(series: pd.Series, unit: str = "W", zone: ZoneInfo = PARIS) -> Study:
    return study_of(Plain({channel(unit=unit): series}), Wanted("c", "x", *ALL_TIME, zone))


# --- real files ---


@pytest.fixture(scope="module")
def roof(tmp_path_factory) -> SimpleNamespace:
    """The V002 samples as a campaign, and their readings by a reading of their own."""
    site = Site(tmp_path_factory.mktemp("roof"))
    uploads = []
    for file in sorted((SAMPLES / "v002").glob("*.tsv")):
        site.put(f"acme/roof/{serial(file)}/{file.name}", file.read_bytes())
        uploads.append(Upload("acme", "roof", serial(file), file.name, file.read_bytes()))
    points = points_of(uploads, "Europe/Paris", datetime.now(UTC))
    rows = [{**dict(tags), "time": pd.Timestamp(seconds, unit="s", tz="UTC"), "value": value}
            for (_, measurement, tags, seconds), value in points.items() if measurement == "roof"]  # fmt: skip
    return SimpleNamespace(site=site, truth=pd.DataFrame(rows))


@pytest.fixture(scope="module", params=SAMPLE_DAYS, ids=["summer", "october", "all"])
def part(request, roof) -> SimpleNamespace:
    """Some days of it: the study, and the readings of these days."""
    first, last = request.param
    readings, day = roof.truth, roof.truth.time.dt.tz_convert(PARIS).dt.date
    if first:
        readings = readings[(day >= first) & (day <= last)]
    study = studied(roof.site, "acme", "roof", first, last)
    return SimpleNamespace(study=study, readings=readings, all=roof.truth, asked=request.param)


def means(readings: pd.DataFrame) -> pd.DataFrame:
    """Mean of each channel in each ten minutes: columns channel, time, value."""
    rounded = readings.assign(time=readings.time.dt.floor("10min"))
    return rounded.groupby(["channel", "time"], as_index=False).value.mean()


def total_of(readings: pd.DataFrame) -> pd.Series:
    """The total of each ten minutes, on the local clock."""
    total = means(readings[readings.unit == "W"]).groupby("time").value.sum()
    return total.tz_convert(PARIS)


def test_energy_is_that_of_a_plain_reading(part):
    power = means(part.readings[part.readings.unit == "W"])
    kwh = power.groupby("channel").value.sum() / 6000
    assert {p.shown.channel: p.windows.mean.sum() / 6000 for p in part.study.powers} == pytest.approx(kwh.to_dict())
    total = total_of(part.readings)
    found = part.study.totals
    assert found.drawn.mean.sum() == pytest.approx(total.clip(lower=0).sum())
    assert found.fed_in.mean.sum() == pytest.approx(-total.clip(upper=0).sum(), abs=1e-9)
    days = (total.groupby(total.index.date).sum() / 6000).to_dict()
    by_day = dict(zip(part.study.days.dates, part.study.days.energy(found.total).tolist(), strict=True))
    assert by_day == pytest.approx({day: days.get(day, 0) for day in by_day}, abs=1e-12)
    assert set(days) <= set(by_day)


def test_the_profile_is_that_of_a_plain_reading(part):
    hourly = total_of(part.readings).tz_convert("UTC").resample("1h").mean().dropna().tz_convert(PARIS)
    for values, counted in ((part.study.profile.cells, False), (part.study.profile.hours, True)):
        groups = hourly.groupby([hourly.index.day_of_week, hourly.index.hour])
        cells = groups.count() if counted else groups.mean()
        expected = cells.unstack().reindex(index=range(7), columns=range(24)).fillna(0 if counted else np.nan)
        np.testing.assert_allclose(values, expected.to_numpy(float))
    for days, weekend in ((part.study.profile.weekdays, False), (part.study.profile.weekends, True)):
        own = hourly[(hourly.index.day_of_week >= 5) == weekend]
        np.testing.assert_allclose(days, own.groupby(own.index.hour).mean().reindex(range(24)).to_numpy())


def test_base_load_and_peaks_are_those_of_a_plain_reading(part):
    total, peaks = total_of(part.readings), part.study.peaks
    day = total.index.normalize()
    length = (day + pd.DateOffset(days=1)) - day
    whole = total.groupby(day).count() * TEN >= 0.9 * pd.Series(length, day).groupby(level=0).first()
    base = total.groupby(day).quantile(0.05)[whole].median()
    assert peaks.base == (pytest.approx(base) if whole.any() else None)
    assert peaks.base_share == (pytest.approx(base / total.mean()) if whole.any() else None)
    assert (peaks.mean, peaks.load_factor) == pytest.approx((total.mean(), total.mean() / total.max()))
    ordered = total.sort_values(ascending=False, kind="stable")
    assert peaks.highest == [(t.timestamp(), pytest.approx(w)) for t, w in ordered.head(10).items()]
    assert duration_curve(part.study.totals.total).tolist() == pytest.approx(ordered.tolist())
    assert hours_above(part.study.totals.total, 1000) == pytest.approx((total > 1000).sum() / 6)


def test_coverage_and_gaps_are_those_of_a_plain_reading(part):
    begin, end = part.all.time.min().floor("10min"), part.all.time.max().floor("10min") + TEN
    if part.asked[0]:
        begin = max(begin, pd.Timestamp(part.asked[0], tz=PARIS).tz_convert("UTC"))
        end = min(end, pd.Timestamp(part.asked[1] + timedelta(days=1), tz=PARIS).tz_convert("UTC"))
    assert (part.study.first, part.study.stop) == (begin.timestamp(), end.timestamp())
    clock = pd.date_range(begin, end, freq=TEN, inclusive="left")
    assert [d.device for d in part.study.devices] == sorted(part.all.device.unique())
    for found in part.study.devices:
        there = clock.isin(part.all[part.all.device == found.device].time.dt.floor("10min"))
        assert found.share == pytest.approx(there.mean())
        assert found.missing == (~there).sum() * 600
        runs = pd.Series(clock[~there]).groupby((pd.Series(clock[~there]).diff() != TEN).cumsum())
        gaps = [(run.iloc[0].timestamp(), (run.iloc[-1] + TEN).timestamp()) for _, run in runs]
        assert found.gaps == [gap for gap in gaps if gap[1] - gap[0] > 3600]


def test_voltages_are_those_of_a_plain_reading(part):
    volts = part.readings[part.readings.unit == "V"]
    highest = means(volts).groupby("channel").value.max()
    assert {c.channel for c in part.study.never_connected} == set(highest[highest < 150].index)
    assert {p.channel.channel for p in part.study.phases} == set(highest[highest >= 150].index)
    for phase in part.study.phases:
        windows = means(volts[volts.channel == phase.channel.channel].sort_values("time"))
        low, high = windows.loc[windows.value.idxmin()], windows.loc[windows.value.idxmax()]
        assert (phase.lowest, phase.lowest_at) == (pytest.approx(low.value), low.time.timestamp())
        assert (phase.highest, phase.highest_at) == (pytest.approx(high.value), high.time.timestamp())
        local = windows.time.dt.tz_convert(PARIS)
        monday = (local.dt.tz_localize(None).dt.normalize() - pd.to_timedelta(local.dt.day_of_week, unit="D")).dt.date
        outside = pd.DataFrame({
            "means": 1,
            "narrow": (windows.value < 207) | (windows.value > 253),
            "wide": (windows.value < 195.5) | (windows.value > 253),
        }).groupby(monday).sum()  # fmt: skip
        assert [(w.monday, w.means, w.narrow, w.wide) for w in phase.weeks] == list(outside.itertuples(name=None))


# --- the made-up bakery, with its sheet ---


def test_the_bakery_with_its_sheet_has_its_true_figures(tmp_path):
    site, bakery = Site(tmp_path), make_site.make_site()
    make_site.write_files(bakery, site.data)
    settings = site.settings()
    want = wanted(settings, make_site.CLIENT, make_site.CAMPAIGN, None, None)
    study = study_of(SheetSource(FileSource(settings, want), read_sheet(make_site.SHEET.read_bytes())), want)
    truth = make_site.true_figures(bakery)
    found = {p.shown.name: study.days.energy(p.windows) for p in study.powers}
    of_roles = study.totals.drawn, study.totals.fed_in, study.totals.production, study.totals.rest
    titles = ("drawn", "fed in", "production", "rest")
    found |= {title: study.days.energy(windows) for title, windows in zip(titles, of_roles, strict=True)}
    assert set(found) == set(truth.columns)
    assert study.days.dates == list(truth.index)
    for name, kwh in found.items():
        assert kwh.tolist() == pytest.approx(truth[name].tolist(), abs=1e-9), name
    names = [p.channel.name for p in study.phases]
    assert (names, study.has_groups, study.never_connected) == (["Voltage L1", "Voltage L2", "Voltage L3"], True, [])
    assert study.coverage == pytest.approx(1 - 16 / (42 * 144 - 6))


# --- edges ---


def every_ten_minutes(first: str, last: str, value: float = 600.0) -> pd.Series:
    times = pd.date_range(first, last, freq=TEN, tz=PARIS, inclusive="left").tz_convert("UTC")
    return pd.Series(value, times)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 0), ("2026-10-25", 2), ("2026-07-05", 1)])
def test_the_hour_that_the_clocks_change_is_there_twice_or_not(day, hours):
    study = of(every_ten_minutes(day, str(date.fromisoformat(day) + timedelta(days=1))))
    assert study.profile.hours[6].tolist() == [1, 1, hours, *[1] * 21]
    assert study.profile.hours[:6].sum() == 0
    assert np.isnan(study.profile.cells[6, 2]) == (hours == 0)
    assert study.days.energy(study.totals.total).sum() == pytest.approx(0.6 * (23 + hours))


@pytest.mark.parametrize(("missing", "base"), [(14, 600.0), (15, None)])
def test_a_day_needs_90_percent_for_its_base_load(missing, base):
    series = every_ten_minutes("2025-07-01", "2025-07-02").iloc[: 144 - missing]
    assert of(series).peaks.base == base


@pytest.mark.parametrize(("minutes", "gaps"), [(60, 0), (70, 1)])
def test_a_gap_is_longer_than_an_hour(minutes, gaps):
    series = every_ten_minutes("2025-07-01", "2025-07-02")
    kept = series.drop(series.index[30 : 30 + minutes // 10])
    [device] = of(kept).devices
    begin = int(series.index[30].timestamp())
    assert device.gaps == [(begin, begin + 60 * minutes)] * gaps
    assert device.missing == 60 * minutes


def test_a_device_is_covered_while_one_of_its_channels_is():
    series = every_ten_minutes("2025-07-01", "2025-07-02")
    want = Wanted("c", "x", *ALL_TIME, PARIS)
    readings = {channel(1): series.iloc[20:], channel(2): series.iloc[:20], channel(1, device="8"): series.iloc[:72]}
    assert [(d.device, d.share) for d in study_of(Plain(readings), want).devices] == [("7", 1), ("8", 0.5)]


def test_limits_of_the_voltage_are_inside():
    values = [207.0, 253.0, 206.9, 253.1, 195.5, 195.4]
    times = pd.date_range("2025-07-01", periods=6, freq=TEN, tz="UTC")
    [phase] = of(pd.Series(values, times), "V").phases
    [week] = phase.weeks
    assert (week.means, week.narrow, week.wide, week.allowed) == (6, 4, 2, False)


@pytest.mark.parametrize(("low", "allowed"), [(1, True), (2, False)])
def test_a_week_may_have_5_percent_outside_10_percent(low, allowed):
    values = [200.0] * low + [230.0] * (20 - low)
    times = pd.date_range("2025-07-01", periods=20, freq=TEN, tz="UTC")
    assert of(pd.Series(values, times), "V").phases[0].weeks[0].allowed == allowed


@pytest.mark.parametrize(("volts", "connected"), [(149.9, 0), (150.0, 1)])
def test_a_phase_below_150_volts_was_never_connected(volts, connected):
    study = of(pd.Series([0.0, volts], pd.date_range("2025-07-01", periods=2, freq=TEN, tz="UTC")), "V")
    assert (len(study.phases), len(study.never_connected)) == (connected, 1 - connected)


def test_of_equal_means_the_earlier_is_named_first():
    series = every_ten_minutes("2025-07-01", "2025-07-02")
    assert [at for at, _ in of(series).peaks.highest] == [int(t.timestamp()) for t in series.index[:10]]


def test_of_equal_extremes_the_first_has_its_time():
    series = every_ten_minutes("2025-07-01", "2025-07-03", 230.0)
    [phase] = of(series, "V").phases
    assert (phase.lowest_at, phase.highest_at) == (series.index[0].timestamp(),) * 2


def test_a_load_that_only_feeds_in_has_no_load_factor():
    peaks = of(every_ten_minutes("2025-07-01", "2025-07-02", -5.0)).peaks
    assert (peaks.load_factor, peaks.base_share, peaks.base, peaks.highest[0][1]) == (None, None, -5, -5)


def test_a_device_without_readings_in_the_days_asked_for_is_not_covered(site):
    site.put("acme/roof/02001283/a.tsv", v002(*[r for d in (1, 2) for r in day_rows(f"0{d}/07/25", 144)]))
    site.put("acme/roof/02001284/a.tsv", v002(*day_rows("01/07/25", 144), master="02001284"))
    study = studied(site, "acme", "roof", date(2025, 7, 2), date(2025, 7, 9))
    assert {d.device: d.share for d in study.devices} == {"02001283": 1, "02001284": 0}
    assert (study.coverage, study.stop - study.first) == (0.5, 86_400)


def test_a_campaign_without_readings_in_the_days_is_named_with_the_days_that_it_has(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows("01/07/25", 144)))
    with pytest.raises(NotThere, match="for these days .* its readings are from 2025-07-01 to 2025-07-01"):
        studied(site, "acme", "roof", date(2025, 7, 2))
