"""A record of each upload, as points in the admins' own bucket, which the dashboard "Loggers" reads.

A settled file makes two points with the same time. The one in `uploads` belongs to its logger: tags client, campaign,
device; float fields rows, readings, seconds (spent on the file), lag (from the last reading to the file's arrival, in
seconds), left_out, restarts, clock_unset, and partial or error, which are 1; text field reason. The one in `fleet` has
only the tag status (ok, partial, error), so that a query about all loggers reads three series instead of thousands:
float fields readings, seconds, lag; text fields path, reason.

With a status among its tags `uploads` would have three times as many series, and a query over a year would be as much
slower. For the same reason zeros are not stored (left_out, restarts, clock_unset; no lag, no reason): a sum over a year
then reads only the loggers that have any.

A client can give a file any time over SFTP. A time before 1970 or ahead of this clock is not its arrival: then the time
of the last reading is used, or the present if there is none, and there is no lag.
"""

from __future__ import annotations

import time
import zlib

from powerview.ingest.journal import Outcome, Status

MEASUREMENT, SUMMARY = "uploads", "fleet"
LONGEST_TEXT = 1000


def points(outcome: Outcome, name: str) -> bytes:
    """The two lines of line protocol for a settled file, times in nanoseconds.

    `name` is the file's name once it is settled. The time is the file's arrival, with a fraction of a second made from
    that name: two files of one second are two points, and one file is one point however often it is read.
    """
    client, campaign, device, *_ = outcome.names
    arrived = _arrival(outcome)
    nanoseconds = arrived * 1_000_000_000 + _fraction("/".join((client, campaign, device, name)))
    rare = {
        "left_out": outcome.left_out.total(),
        "restarts": outcome.left_out["restart markers"],
        "clock_unset": outcome.left_out["unset clock"],
        "partial": outcome.status == Status.PARTIAL,
        "error": outcome.status == Status.ERROR,
    }
    both = {"readings": outcome.readings, "seconds": round(outcome.seconds, 3)}
    if outcome.last is not None and arrived == int(outcome.arrived):
        both["lag"] = arrived - outcome.last
    reason = {"reason": outcome.reason} if outcome.reason else {}
    own = {"rows": outcome.rows, **both, **{key: count for key, count in rare.items() if count}, **reason}
    whole = {**both, **({"path": outcome.path} if reason else {}), **reason}
    tags = {"campaign": campaign, "client": client, "device": device}
    lines = (
        _line(MEASUREMENT, tags, own, nanoseconds),
        _line(SUMMARY, {"status": outcome.status.lower()}, whole, nanoseconds),
    )
    return "".join(lines).encode()


def _arrival(outcome: Outcome) -> int:
    # UTC seconds. InfluxDB rejects times after 2262, and with it may drop the points of other clients' files. The
    # last reading is the same whenever the file is read, but may itself be a day ahead.
    now = int(time.time())
    if 0 <= outcome.arrived < now + 1:
        return int(outcome.arrived)
    return now if outcome.last is None else min(outcome.last, now)


def _fraction(lasting: str) -> int:
    # Nanoseconds from what --again finds unchanged: settling puts `parsed/` into the path, and sometimes a number into
    # the name.
    return zlib.crc32(lasting.encode("utf-8", "surrogateescape")) % 1_000_000_000


def _line(measurement: str, tags: dict[str, str], fields: dict[str, float | str], nanoseconds: int) -> str:
    from influxdb_client import Point, WritePrecision  # late: only who writes to InfluxDB needs it

    point = Point(measurement).time(nanoseconds, WritePrecision.NS)
    for key, value in tags.items():
        point.tag(key, value)
    for key, value in fields.items():
        point.field(key, _text(value) if isinstance(value, str) else float(value))
    return point.to_line_protocol() + "\n"


def _text(text: str) -> str:
    # A newline is legal in a string field, but of no use here.
    return " ".join(text.encode("utf-8", "replace").decode().split())[:LONGEST_TEXT]
