"""What the admins' bucket is told about uploads, the dashboard "Loggers" and the alert."""

from __future__ import annotations

import dataclasses
from collections import Counter

from powerview import fleet
from powerview.journal import ERROR, OK, PARTIAL, Outcome

ARRIVED = 1_761_532_500.25
WHOLE = Outcome(
    OK, "acme/roof-2025/02001171/T302_251027_031500.tsv", rows=145, readings=4350, first=1_761_400_000,
    last=1_761_531_600, arrived=ARRIVED, seconds=0.0512,
)  # fmt: skip


def told(outcome: Outcome) -> list[str]:
    """The lines about one file."""
    return fleet.point(outcome).decode().splitlines()


def at(outcome: Outcome) -> int:
    """The nanoseconds of the points about one file."""
    (time,) = {int(line.rsplit(" ", 1)[1]) for line in told(outcome)}
    return time


def test_a_whole_file_is_two_points():
    assert told(WHOLE) == [
        "uploads,campaign=roof-2025,client=acme,device=02001171 "
        f"rows=145.0,readings=4350.0,seconds=0.051,lag=900.0 {at(WHOLE)}",
        f"fleet,status=ok readings=4350.0,seconds=0.051,lag=900.0 {at(WHOLE)}",
    ]


def test_what_was_left_out_is_told_with_its_reason():
    torn = dataclasses.replace(
        WHOLE, status=PARTIAL, reason="the last row is cut",
        left_out=Counter({"restart markers": 4, "unset clock": 2, "cut rows": 1}),
    )  # fmt: skip
    assert told(torn) == [
        "uploads,campaign=roof-2025,client=acme,device=02001171 rows=145.0,readings=4350.0,seconds=0.051,"
        f'lag=900.0,left_out=7.0,restarts=4.0,clock_unset=2.0,partial=1.0,reason="the last row is cut" {at(WHOLE)}',
        "fleet,status=partial readings=4350.0,seconds=0.051,lag=900.0,"
        f'path="acme/roof-2025/02001171/T302_251027_031500.tsv",reason="the last row is cut" {at(WHOLE)}',
    ]


def test_a_file_that_cannot_be_read_has_no_lag():
    bad = Outcome(ERROR, WHOLE.path, reason="the file is empty", arrived=ARRIVED)
    assert told(bad) == [
        "uploads,campaign=roof-2025,client=acme,device=02001171 "
        f'rows=0.0,readings=0.0,seconds=0.0,error=1.0,reason="the file is empty" {at(WHOLE)}',
        'fleet,status=error readings=0.0,seconds=0.0,path="acme/roof-2025/02001171/T302_251027_031500.tsv",'
        f'reason="the file is empty" {at(WHOLE)}',
    ]


def test_the_points_stand_in_the_second_of_the_arrival():
    assert at(WHOLE) // 1_000_000_000 == int(ARRIVED)


def test_a_file_read_again_is_the_same_point():
    assert at(WHOLE) == at(dataclasses.replace(WHOLE, seconds=9.0, rows=3))


def test_two_files_of_one_second_are_two_points():
    names = [f"acme/roof-2025/0200{n:04}/T302_251027_031500.tsv" for n in range(1000)]
    assert len({at(dataclasses.replace(WHOLE, path=name)) for name in names}) == 1000


def test_influxdb_takes_any_name_and_reason(influx, client):
    influx.make_bucket(client)
    hostile = 'a "quoted" \\ reason,\nwith=two lines \udcff'
    outcome = Outcome(ERROR, 'acme/x/02001171/a "b\\c\udcff,=\n.tsv', reason=hostile, arrived=ARRIVED)
    params = {"org": influx.org, "bucket": client, "precision": "ns"}
    influx.call("POST", "/api/v2/write", params=params, data=fleet.point(outcome))
    rows = influx.query(
        f'from(bucket: "{client}") |> range(start: 0) |> filter(fn: (r) => r._field == "reason" or r._field == "path")'
    )
    assert {(row["_measurement"], row["_field"], row["_value"]) for row in rows} == {
        ("uploads", "reason", 'a "quoted" \\ reason, with=two lines ?'),
        ("fleet", "reason", 'a "quoted" \\ reason, with=two lines ?'),
        ("fleet", "path", 'acme/x/02001171/a "b\\c?,= .tsv'),
    }
