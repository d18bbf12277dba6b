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
from powerview.store.line_protocol import escape_tag

MEASUREMENT, SUMMARY = "uploads", "fleet"
LONGEST_TEXT = 1000


def point(outcome: Outcome) -> bytes:
    """The two lines of line protocol for a settled file, times in nanoseconds.

    Its time is the file's arrival, with a fraction of a second made from its name: two files of one second are two
    points, and one file is one point however often it is read.
    """
    client, campaign, device, *_ = outcome.names
    status = outcome.status.lower()
    arrived = _arrival(outcome)
    nanoseconds = arrived * 1_000_000_000 + _fraction(outcome)
    tags = {"campaign": campaign, "client": client, "device": device}
    some = {
        "left_out": outcome.left_out.total(),
        "restarts": outcome.left_out["restart markers"],
        "clock_unset": outcome.left_out["unset clock"],
        "partial": outcome.status == Status.PARTIAL,
        "error": outcome.status == Status.ERROR,
    }
    told = {"readings": outcome.readings, "seconds": round(outcome.seconds, 3)}
    if outcome.last is not None and arrived == int(outcome.arrived):
        told["lag"] = arrived - outcome.last
    reason = {"reason": outcome.reason} if outcome.reason else {}
    own = {"rows": outcome.rows, **told, **{key: count for key, count in some.items() if count}, **reason}
    whole = {**told, **({"path": outcome.path} if reason else {}), **reason}
    lines = (_line(MEASUREMENT, tags, own, nanoseconds), _line(SUMMARY, {"status": status}, whole, nanoseconds))
    return "".join(lines).encode()


def _arrival(outcome: Outcome) -> int:
    # UTC seconds. InfluxDB refuses what lies beyond 2262, and with it may drop the points of other clients' files. The
    # last reading is the same whenever the file is read, but may itself be a day ahead.
    now = int(time.time())
    if 0 <= outcome.arrived < now + 1:
        return int(outcome.arrived)
    return now if outcome.last is None else min(outcome.last, now)


def _fraction(outcome: Outcome) -> int:
    # Nanoseconds from what --again finds unchanged: settling puts `parsed/` into the path, and sometimes a number into
    # the name.
    name = (outcome.settled_as or outcome.path).rsplit("/", 1)[-1]
    lasting = "/".join([*outcome.names[:3], name])
    return zlib.crc32(lasting.encode("utf-8", "surrogateescape")) % 1_000_000_000


def _line(measurement: str, tags: dict[str, str], fields: dict[str, float | str], nanoseconds: int) -> str:
    series = ",".join([measurement, *(f"{key}={escape_tag(value)}" for key, value in tags.items())])
    written = ",".join(f"{key}={_text(v) if isinstance(v, str) else float(v)}" for key, v in fields.items())
    return f"{series} {written} {nanoseconds}\n"


def _text(text: str) -> str:
    # A string field: only the quote and the backslash have a meaning, and a newline is legal but of no use here.
    one_line = " ".join(text.encode("utf-8", "replace").decode().split())[:LONGEST_TEXT]
    return '"' + one_line.replace("\\", "\\\\").replace('"', '\\"') + '"'
