"""The judge sees what is lost, wrong or unfinished: without this, a table of zeros would say nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from faults import proxy, trees
from faults.site import new_site
from faults.truth import Upload


@pytest.fixture
def site(influx):
    """A site in which everything went well."""
    with new_site(influx) as site:
        site.put(*trees.fleet(loggers=1), *trees.unreadable())
        site.clean_run()
        yield site


def judged(site) -> tuple[int, int, int]:
    """Readings lost, readings wrong, files unfinished."""
    left = site.judge()
    return left.lost, left.wrong, left.unfinished


def test_where_all_went_well_nothing_is_found(site):
    assert judged(site) == (0, 0, 0)


def test_a_reading_that_is_not_in_the_store_is_lost(site):
    site.uploads[0] = replace(site.uploads[0], data=site.uploads[0].data + b"01/01/26 00:00:00" + b"\t1.5" * 6 + b"\n")
    assert judged(site)[:2] == (6, 0)


def test_a_value_that_nobody_sent_is_wrong(site):
    site.server.write("company0", "campaign0,channel=x value=1 1760000000")
    assert judged(site) == (0, 1, 0)


def test_a_changed_value_is_wrong(site):
    points, _, _ = site.store()
    (bucket, measurement, tags, seconds), value = next(iter(points.items()))
    escaped = ",".join(f"{key}={text.replace(' ', chr(92) + ' ')}" for key, text in tags)
    site.server.write(bucket, f"{measurement},{escaped} value={value + 0.01} {seconds}")
    assert judged(site) == (0, 1, 0)


def test_a_total_that_the_readings_do_not_have_is_wrong_and_so_is_one_that_is_missing(site):
    _, made, _ = site.store()
    (bucket, measurement, tags, seconds), _ = next(iter(made.items()))
    series = ",".join([measurement, *(f"{key}={text}" for key, text in tags)])
    site.server.write(bucket, f"{series} value=1e9 {seconds}")
    assert judged(site) == (0, 1, 0)
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    site.server.call(
        "POST", "/api/v2/delete", params={"org": site.org, "bucket": bucket},
        json={"start": when, "stop": when, "predicate": f'_measurement="{measurement}"'},
    )  # fmt: skip
    assert judged(site)[1] >= 3


def test_a_bucket_that_nobody_should_have_is_wrong(site):
    site.server.make_bucket("company9")
    assert judged(site) == (0, 1, 0)


def test_a_pending_a_missing_and_a_changed_file_are_unfinished(site):
    settled = sorted(site.data.rglob("parsed/*.tsv"))
    settled[0].rename(settled[0].parent.parent / settled[0].name)  # is where it should not be, is not where it should
    settled[1].unlink()
    settled[2].write_bytes(settled[2].read_bytes()[:-1])
    assert judged(site)[2] == 2 + 1 + 2


def test_a_plan_sees_each_write_once_and_in_their_order(site):
    site.put(Upload("company0", "campaign0", "02001000", "T302_261001_031700.tsv", site.uploads[0].data))
    seen = []

    def plan(request: proxy.Request) -> None:
        seen.append(request.number)
        proxy.hand_on(request)

    site.proxy.writes = 0
    site.proxy.plan = plan
    assert site.parse().status == 0
    writes = sorted(number for number in seen if number)
    assert writes == list(range(1, len(writes) + 1)) != []
