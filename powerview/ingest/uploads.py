"""How the uploads went, as points in the admins' own bucket: what the dashboard "Loggers" and its alert look at.

A settled file is two points of one time. `uploads` tells the loggers apart: tags client, campaign, device; float fields
rows, readings, seconds (spent on the file), lag (from the last reading to the file's arrival, in seconds), left_out,
restarts, clock_unset, and partial or error, which are 1; text field reason. `fleet` has the tag status (ok, partial,
error) alone, so that a question about all loggers reads three series and not thousands: float fields readings, seconds,
lag; text fields path, reason.

A status among the tags of `uploads` would make its series three times as many, and a look at a year as much slower.
For the same reason what is nothing is left out (left_out, restarts, clock_unset of 0; no lag, no reason): a sum over a
year then reads the few loggers that have any.

A client may give a file any time over SFTP. One before 1970 or ahead of this clock is no arrival: the time of the last
reading stands for it, without one this moment, and there is no lag.
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
    # UTC seconds. InfluxDB refuses what lies beyond 2262, and with it may drop the points of other clients' files. The
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
