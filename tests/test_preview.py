"""`python -m powerview preview`: the numbers are right, and a browser draws the page without asking anyone."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sample_tree
from browser import opened
from trees import ROOT, Site, day_rows, v002
from waiting import LONG, wait_until

from powerview import __version__
from powerview.channels.days import days_between
from powerview.mv2 import Channel
from powerview.reporting import charts
from powerview.reporting.campaign import read_tree
from powerview.reporting.figures import ChannelFigures, Figures, figures_of
from powerview.reporting.places import Series, usual_step
from powerview.reporting.preview import write_preview
from powerview.reporting.shown import shown_names
from powerview.reporting.view import view_of

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def at(text: str) -> int:
    """UTC seconds of a local time in Paris, such as 2025-10-26 02:30+01:00 or, without offset, any other hour."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=PARIS)).timestamp())


def series(*readings: tuple[str, float], step: int = 600) -> Series:
    times = np.array([at(time) for time, _ in readings])
    return Series(times, np.array([value for _, value in readings]), np.full(len(times), step))


def every_ten_minutes(first: str, last: str, value: float = 1000.0) -> Series:
    """Constant readings from the stamp `first` to `last`."""
    times = np.arange(at(first), at(last) + 1, 600)
    return Series(times, np.full(len(times), value), np.full(len(times), 600))


def preview(site: Site, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "powerview", "preview", *map(str, arguments)], cwd=ROOT, env=site.environment,
        stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=LONG,
    )  # fmt: skip


# ── energy and coverage ──────────────────────────────────────────────────────────────────────────────────────────────


CHANNEL = Channel(1, "02001283", "Voie1", "W", "SN: 02001283 - Ch: Voie1")


def figures(s: Series, unit: str = "W", zone: ZoneInfo = PARIS) -> Figures:
    return figures_of({dataclasses.replace(CHANNEL, unit=unit): s}, zone)


def only(s: Series, unit: str = "W", zone: ZoneInfo = PARIS) -> ChannelFigures:
    return figures(s, unit, zone).channels[0]


@pytest.mark.parametrize(
    ("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-07-01", 24)], ids=["March", "October", "July"]
)
def test_a_whole_day_of_one_kilowatt_is_as_many_kwh_as_it_has_hours(day, hours):
    found = figures(every_ten_minutes(f"{day} 00:00", f"{day} 23:50"))
    assert found.days.dates == [date.fromisoformat(day)]
    assert (found.days.seconds.tolist(), found.seconds.tolist()) == ([hours * 3600], [hours * 3600])
    assert found.channels[0].covered.tolist() == [hours * 3600]
    assert found.channels[0].kwh.tolist() == pytest.approx([hours])
    assert found.share == 1


def test_ten_minutes_belong_to_the_day_in_which_they_begin():
    found = figures(series(("2025-07-01 23:46", 6000), ("2025-07-01 23:56", 6000), ("2025-07-02 00:00", 600)))
    assert found.channels[0].covered.tolist() == [1200, 600]
    assert found.channels[0].kwh.tolist() == pytest.approx([2.0, 0.1])
    assert found.seconds.tolist() == [1200, 600]


def test_a_gap_has_no_energy_and_is_not_covered():
    found = only(series(("2025-07-01 10:00", 600), ("2025-07-01 10:10", 600), ("2025-07-01 14:00", 600)))
    assert (found.covered.tolist(), found.kwh.tolist()) == ([1800], pytest.approx([0.3]))
    assert found.share == pytest.approx(3 / 25)


def test_readings_of_the_same_ten_minutes_are_averaged():
    found = only(series(("2025-07-01 10:00", 600), ("2025-07-01 10:03", 1200), ("2025-07-01 10:10", 300)))
    assert (found.kwh.tolist(), found.mean) == (pytest.approx([0.2]), 600)
    assert (found.readings, found.lowest, found.highest) == (3, 300, 1200)
    assert found.highest_at == at("2025-07-01 10:03")


def test_what_is_negative_is_negative_energy():
    found = only(series(("2025-07-01 10:00", -600), ("2025-07-01 10:10", 0)))
    assert (found.kwh.tolist(), found.negative) == (pytest.approx([-0.1]), 0.5)


@pytest.mark.parametrize(("unit", "kwh"), [("mW", 0.0001), ("W", 0.1), ("kW", 100), ("MW", 100_000)])
def test_each_unit_of_power_has_its_energy(unit, kwh):
    assert only(series(("2025-07-01 10:00", 600)), unit).kwh.tolist() == pytest.approx([kwh])


def test_what_is_no_power_has_no_energy_and_no_base_load():
    found = only(every_ten_minutes("2025-07-01 00:00", "2025-07-01 23:50"), "V")
    assert (found.kwh, found.base_load) == (None, None)


def base_load_of(*days: tuple[str, str, float, float]) -> float | None:
    """Of days from a time to a time, each with two values: the first for 5 hours, then the other."""
    parts = []
    for begin, end, low, high in days:
        s = every_ten_minutes(begin, end)
        parts.append((s.times, np.where(np.arange(len(s.times)) < 30, low, high)))
    times, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    return only(Series(times, values, np.full(len(times), 600))).base_load


def test_the_base_load_is_the_median_day_of_those_nearly_whole():
    first, second, third = (f"2025-07-0{day}" for day in (1, 2, 3))
    whole = [(f"{day} 00:00", f"{day} 23:50", low, 900.0) for day, low in ((first, 100.0), (second, 300.0))]
    assert base_load_of(*whole) == pytest.approx(200)
    assert base_load_of(*whole, (f"{third} 00:00", f"{third} 21:20", 5.0, 900.0)) == pytest.approx(200)  # 89 %
    assert base_load_of(*whole, (f"{third} 00:00", f"{third} 21:40", 5.0, 900.0)) == pytest.approx(100)  # 91 %
    assert base_load_of((f"{third} 00:00", f"{third} 12:00", 5.0, 900.0)) is None


def test_the_base_load_forgives_a_twentieth_of_the_day():
    s = every_ten_minutes("2025-07-01 00:00", "2025-07-01 23:50", 400.0)
    s.values[:7] = 0
    assert only(s).base_load == pytest.approx(400)
    s.values[:9] = 0
    assert only(s).base_load < 400


@pytest.mark.parametrize(
    ("steps", "usual"), [([600, 600, 9000], 600), ([60, 60, 600], 60), ([1800, 1800], 600), ([], 600)]
)
def test_the_usual_step_is_the_files_own_and_ten_minutes_at_most(steps, usual):
    assert usual_step(np.cumsum([0, *steps])) == usual


def test_a_zone_that_leaves_midnight_out_has_days_that_begin_at_one():
    santiago = ZoneInfo("America/Santiago")
    begin = int(datetime(2025, 9, 7, 1, 0, tzinfo=santiago).timestamp())
    s = Series(np.arange(begin, begin + 23 * 3600, 600), np.full(138, 1000.0), np.full(138, 600))
    found = figures(s, zone=santiago)
    assert (found.days.dates, found.days.seconds.tolist()) == ([date(2025, 9, 7)], [23 * 3600])
    assert found.channels[0].kwh.tolist() == pytest.approx([23])


def test_only_watts_have_energy_and_torn_files_count_as_far_as_they_go(site):
    rows = [f"01/07/25 10:{m}0:00 240.0 600.0" for m in range(3)]
    site.put("acme/roof/02001283/T302_250701_120000.tsv", v002(*rows) + b"01/07/25 10:30:00\t24")
    [campaign], _ = read_tree(site.settings())
    voltage, power = view_of(campaign, PARIS, 1000).figures.channels
    assert (voltage.kwh, power.kwh.tolist(), power.readings, power.share) == (None, [pytest.approx(0.3)], 3, 1.0)
    assert (campaign.files[0].status, campaign.files[0].left_out) == ("partial", {"cut rows": 1})


# ── curves ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def only_group(site: Site) -> tuple[charts.Group, dict]:
    [campaign], _ = read_tree(site.settings())
    return charts.groups_of(shown_names(list(campaign.series)))[0], campaign.series


def test_the_line_breaks_where_readings_are_missing(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows(count=3), "01/07/25 05:00:00 240.0 7.0"))
    group, found = only_group(site)
    data = charts._readings(group, found, PARIS)
    assert [str(np.datetime64(int(x), "ms"))[11:16] for x in data["x"]] == ["00:00", "00:10", "00:20", "04:50", "05:00"]
    np.testing.assert_array_equal(data["v0"], np.float32([0, 1, 2, np.nan, 7]))


def test_the_line_breaks_between_the_two_passes_of_octobers_hour(site):
    rows = [f"26/10/25 02:{m}0:00 240.0 {m}.0" for m in (0, 5)] + [f"26/10/25 02:{m}0:00 240.0 {m}.5" for m in (0, 5)]
    site.put("acme/roof/02001283/a.tsv", v002(*rows))
    group, found = only_group(site)
    s = found[group.channels[0]]
    found[group.channels[0]] = Series(s.times, s.values, np.full(4, 3000))  # no gap here: only the clock steps back
    np.testing.assert_array_equal(charts._readings(group, found, PARIS)["v0"], np.float32([0, 5, np.nan, 0.5, 5.5]))


def test_too_many_readings_become_means_with_the_lowest_and_the_highest(site):
    rows = [f"{day:02}/07/25 {i // 6:02}:{i % 6}0:00 240.0 {i}.0" for day in (1, 2) for i in range(144)]
    site.put("acme/roof/02001283/a.tsv", v002(*rows))
    group, found = only_group(site)
    data = charts._bucketed(group, found, PARIS, 12 * 3600)
    assert data["low0"].tolist() == [0, 72, 0, 72]
    assert data["high0"].tolist() == [71, 143, 71, 143]
    assert data["v0"].tolist() == [35.5, 107.5, 35.5, 107.5]
    assert [str(np.datetime64(int(x), "ms"))[:16] for x in data["left"]] == [
        "2025-07-01T00:00", "2025-07-01T12:00", "2025-07-02T00:00", "2025-07-02T12:00",
    ]  # fmt: skip


def test_of_less_than_half_a_bucket_no_mean_is_drawn(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows(count=20)[1:]))
    group, found = only_group(site)
    data = charts._bucketed(group, found, PARIS, 12 * 3600)
    np.testing.assert_array_equal(data["v0"], [np.float32("nan")])
    assert (data["low0"].tolist(), data["high0"].tolist()) == ([1], [19])


def test_a_campaign_draws_no_more_values_than_it_may():
    ten = [every_ten_minutes("2023-01-01 00:10", "2025-01-01 00:00") for _ in range(10)]
    days = days_between(at("2023-01-01 00:10"), at("2025-01-01 00:00"), PARIS)
    assert charts.bucket_seconds(ten, days, 2_000_000) == 0
    assert charts.bucket_seconds(ten, days, 600_000) == 3600
    assert charts.bucket_seconds(ten, days, 100_000) == 6 * 3600
    assert charts.bucket_seconds(ten, days, 1) == 86_400


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PAINTED = """([plot, colours]) => {
  const view = Bokeh.index.get_by_id(plot)
  const {canvas} = view.export("png", false)
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
  const wanted = colours.map((colour) => colour.match(/\\w\\w/g).map((hex) => parseInt(hex, 16)))
  const alike = (i, rgb) => rgb.every((part, j) => Math.abs(data[i + j] - part) < 10)
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] && wanted.some((rgb) => alike(i, rgb))) return true
  return false
}"""


def drawn(page) -> None:
    """Scroll through the page until every campaign's charts stand."""
    for section in page.query_selector_all("section.campaign:has(.plot)"):
        section.scroll_into_view_if_needed()
        page.wait_for_function("section => section.dataset.drawn", arg=section)


def make(site: Site, tmp_path):
    output = tmp_path / "preview.html"
    done = preview(site, site.data, "-o", output)
    assert (done.returncode, done.stderr) == (0, "")
    return output


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_a_browser_draws_every_chart_and_asks_nobody(site, tmp_path, width, scheme):
    sample_tree.lay_out(site.data)
    site.run()
    file = make(site, tmp_path)
    with opened(file, width=width, scheme=scheme) as seen:
        drawn(seen.page)
        plots = [plot.get_attribute("id") for plot in seen.page.query_selector_all(".plot")]
        assert len(plots) == 28  # for each device its power, energy and voltage, for each campaign its coverage
        unpainted = []
        for plot in plots:
            if not seen.page.evaluate(PAINTED, [plot, charts.COLOURS]):
                unpainted.append(seen.page.evaluate("id => Bokeh.index.get_by_id(id).model.name", plot))
        assert unpainted == ["energy"]  # all readings of 02001311 are 0.0 W
        assert seen.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        paper = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(246, 247, 249)" if scheme == "light" else "rgb(18, 21, 27)")
        assert seen.page.locator("td", has_text="the file is empty").count() == 1
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith(("data:", "blob:"))] == [file.as_uri()]


HOSTILE = [
    "<img src=http://example.org/x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    '"><svg onload=alert(3)>',
    "@{left} $name {{ 7*7 }} ${alert(4)}",
    "@v0{custom} &lt;b&gt;",
]


def test_the_page_shows_which_version_made_it(site, tmp_path):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    assert f"Made by PowerView {__version__} on " in make(site, tmp_path).read_text(encoding="utf-8")


def test_hostile_labels_are_text_everywhere(site, tmp_path):
    cells = " ".join(f"{i}.5" for i in range(len(HOSTILE)))
    rows = [f"01/07/25 {i // 6:02}:{i % 6}0:00 {cells}" for i in range(144)]
    site.put("acme/roof/02001283/a.tsv", v002(*rows, labels=[f"{label} W" for label in HOSTILE]))
    site.put("acme/roof/02001283/error/b.tsv", b"x")
    site.put("acme/roof/02001283/error/b.tsv.reason.txt", b"<script>alert(5)</script>")
    with opened(make(site, tmp_path)) as seen:
        drawn(seen.page)
        legend = [b.inner_text() for b in seen.page.query_selector_all(".legend button")]
        assert legend == HOSTILE
        assert seen.page.locator("td", has_text="<script>alert(5)</script>").count() == 1
        seen.page.locator(".plot").first.scroll_into_view_if_needed()
        box = seen.page.locator(".plot").first.bounding_box()
        tooltip = seen.page.locator(".bk-tooltip-row-label")

        def is_shown() -> bool:  # while the page is still being laid out, a move goes unnoticed
            for step in (0, 1):
                seen.page.mouse.move(box["x"] + box["width"] / 2 + step, box["y"] + box["height"] / 2)
            return tooltip.count() > len(HOSTILE)

        wait_until(is_shown, LONG, lambda: "no tooltip")
        labels = [label.removesuffix(": ").removesuffix(":") for label in tooltip.all_inner_texts()]
        assert [label for label in labels if label] == HOSTILE
        assert seen.page.locator("main img, main svg").count() == 0
    assert seen.complaints == []
    assert len(seen.requests) == 1


def test_the_legend_hides_a_channel_and_buttons_choose_a_stretch_of_time(site, tmp_path):
    for day in range(1, 11):
        site.put(f"acme/roof/02001283/T302_2507{day:02}_031500.tsv", v002(*day_rows(f"{day:02}/07/25", 144)))
    with opened(make(site, tmp_path)) as seen:
        drawn(seen.page)
        plot = seen.page.query_selector(".plot").get_attribute("id")
        before = seen.page.evaluate(PAINTED, [plot, charts.COLOURS[:1]])
        seen.page.locator(".legend button").first.click()
        assert (before, seen.page.evaluate(PAINTED, [plot, charts.COLOURS[:1]])) == (True, False)
        seen.page.get_by_text("Last week").click()
        shown = "id => { const {start, end} = Bokeh.index.get_by_id(id).model.x_range; return (end - start) / 864e5 }"
        assert seen.page.evaluate(shown, plot) == 7
    assert seen.complaints == []


def test_a_page_that_cannot_be_finished_leaves_the_one_before(site, tmp_path, monkeypatch):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    output = tmp_path / "out" / "preview.html"
    output.parent.mkdir()
    output.write_text("before")
    monkeypatch.setattr("powerview.reporting.preview.page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_preview(site.settings(), output)
    assert [(file.name, file.read_text()) for file in output.parent.iterdir()] == [("preview.html", "before")]


def test_an_empty_tree_and_a_missing_one_are_said_in_one_line(site, tmp_path):
    output = tmp_path / "preview.html"
    empty = preview(site, site.data, "-o", output)
    assert (empty.returncode, empty.stderr) == (
        2,
        f"python -m powerview: there is no logger file in {site.data}: files belong into "
        "<client>/<campaign>/<device serial>/\n",
    )
    missing = preview(site, tmp_path / "none", "-o", output)
    assert (missing.returncode, missing.stderr) == (
        78,
        f"python -m powerview: {tmp_path}/none is not a folder: DATA must name the tree "
        "client/campaign/device/*.tsv.\n",
    )
    assert not output.exists()


def test_nothing_in_the_tree_is_touched(site, tmp_path):
    sample_tree.lay_out(site.data)
    before = site.files()
    make(site, tmp_path)
    assert site.files() == before


def test_links_planted_in_error_are_not_followed(site, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the token")
    site.put("acme/roof/02001283/error/b.tsv", b"x")
    (site.data / "acme/roof/02001283/error/b.tsv.reason.txt").symlink_to(secret)
    (site.data / "acme/roof/02001284").symlink_to(tmp_path)
    assert not re.search("the token", make(site, tmp_path).read_text(encoding="utf-8"))
