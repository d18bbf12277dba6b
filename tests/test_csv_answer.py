"""InfluxDB answers a query with the status 200 and half of the rows: nobody takes them for all."""

from __future__ import annotations

import io

import pytest
from faults.proxy import FaultProxy, Request, hand_on
from test_ingest import run
from test_places import at, held, upload

from powerview.reporting import export
from powerview.store import StoreAway, csv_answer

ROWS = b",result,table,_time,_value\r\n,_result,0,2025-07-01T00:00:00Z,1.5\r\n,_result,0,2025-07-01T00:10:00Z,2.5\r\n"
# As InfluxDB 2.9.1 writes it, behind one empty line or two.
FAILED = b'\r\n,error,reference\r\n,"unexpected EOF, shard ""7""",897\r\n'
REASON = 'unexpected EOF, shard "7"'


class Trickle:
    """An answer that comes some bytes at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self._file, self._step = io.BytesIO(content), step

    def read(self, count: int) -> bytes:
        return self._file.read(min(count, self._step))


@pytest.mark.parametrize("step", [1, 2, 3, 7, 21, 22, 23, 24, 1000])
@pytest.mark.parametrize(
    ("content", "rows", "failure"),
    [
        (ROWS, ROWS, ""), (ROWS + FAILED, ROWS, REASON), (ROWS + b"\r\n" + FAILED, ROWS, REASON),
        (FAILED[2:], b"", REASON), (b"", b"", ""), (ROWS + b"\r\n,error\r\n", ROWS + b",error\r\n", ""),
    ],
)  # fmt: skip
def test_rows_end_where_the_answer_failed(content, rows, failure, step):
    answer = csv_answer._Rows(Trickle(content, step))
    found = io.BufferedReader(answer, 10).read()
    assert found.replace(b"\r\n\r\n", b"\r\n") == rows
    assert answer.failure == failure


def half_of_it(request: Request) -> None:
    """The first rows of an answer, and the failure behind them."""
    if request.path.startswith("/api/v2/query"):
        status, headers, body = request.ask()
        lines = body.split(b"\r\n")
        request.answer(status, headers, b"\r\n".join([*lines[: max(1, len(lines) // 2)], b""]) + FAILED)
    else:
        hand_on(request)


@pytest.fixture
def proxy(influx):
    with FaultProxy(influx.url) as found:
        yield found


def test_nothing_is_deleted_because_of_half_an_answer(influx, influx_site, client, proxy):
    influx_site.environment["INFLUXDB_HOST"] = proxy.url
    upload(influx_site, client, "250701_031500", ("A W", "B W", "C W"), *(at(5 * i, 1.5, 1.5, 1.5) for i in range(6)))
    upload(influx_site, client, "250702_031500", ("A W",), *(at(5 * i, 2.5) for i in range(6, 9)))
    assert run(influx_site).status == 0
    before = held(influx, client)
    proxy.plan = half_of_it
    late = upload(influx_site, client, "250701_101500", ("A W",), at(10, 3.5), at(20, 3.5))
    ended = run(influx_site)
    assert (ended.status, late.exists()) == (75, True)
    assert REASON in ended.away
    assert held(influx, client) == before
    proxy.heal()
    assert run(influx_site).status == 0
    kept = {5 * i: 1.5 for i in (0, 1, 3, 5)}
    assert held(influx, client) == {
        "02001283/1 A W": {**kept, 10: 3.5, 20: 3.5, 30: 2.5, 35: 2.5, 40: 2.5}, "02001283/2 B W": kept,
        "02001283/3 C W": kept,
    }  # fmt: skip


def test_no_export_is_made_of_half_an_answer(influx_site, client, proxy):
    influx_site.environment["INFLUXDB_HOST"] = proxy.url
    upload(influx_site, client, "250701_031500", ("A W",), *(at(10 * i, 1.5) for i in range(6)))
    run(influx_site)
    proxy.plan = half_of_it
    settings = influx_site.settings()
    want = export.wanted(settings, client, "roof", None, None)
    with pytest.raises(StoreAway, match="failed while it answered: unexpected EOF"):
        export.export(settings, want, "csv", influx_site.root / "out.csv", from_files=False)
    assert not (influx_site.root / "out.csv").exists()
