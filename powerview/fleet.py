"""How the uploads went, as points in the admins' own bucket: what the dashboard "Loggers" and its alert look at.

One point for each settled file: measurement `uploads`; tags client, campaign, device, status (ok, partial, error);
float fields rows, readings, left_out, restarts, clock_unset, seconds (spent on the file), lag (seconds from the last
reading to the file's arrival, where it has one); text field reason, where there is one; time in nanoseconds.
"""

from __future__ import annotations

import zlib

from powerview.journal import Outcome
from powerview.line_protocol import escape_tag

MEASUREMENT = "uploads"


def point(outcome: Outcome) -> bytes:
    """One line of line protocol for a settled file.

    Its time is the file's arrival, with a fraction of a second made from the file's name: two files of one second are
    two points, and one file is one point however often it is read.
    """
    client, campaign, device, *_, name = outcome.names
    tags = {"campaign": campaign, "client": client, "device": device, "status": outcome.status.lower()}
    fields = {
        "rows": outcome.rows,
        "readings": outcome.readings,
        "left_out": outcome.left_out.total(),
        "restarts": outcome.left_out["restart markers"],
        "clock_unset": outcome.left_out["unset clock"],
        "seconds": round(outcome.seconds, 3),
    }
    if outcome.last is not None:
        fields["lag"] = int(outcome.arrived) - outcome.last
    written = [f"{key}={float(value)}" for key, value in fields.items()]
    if outcome.reason:
        written.append(f"reason={_text(outcome.reason)}")
    series = ",".join([MEASUREMENT, *(f"{key}={escape_tag(value)}" for key, value in tags.items())])
    fraction = zlib.crc32(name.encode("utf-8", "surrogateescape")) % 1_000_000_000
    return f"{series} {','.join(written)} {int(outcome.arrived) * 1_000_000_000 + fraction}\n".encode()


def _text(text: str) -> str:
    # A string field: only the quote and the backslash have a meaning, and a newline is legal but of no use here.
    one_line = " ".join(text.encode("utf-8", "replace").decode().split())[:1000]
    return '"' + one_line.replace("\\", "\\\\").replace('"', '\\"') + '"'
