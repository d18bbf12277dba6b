"""What a file's line in the log is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from powerview.ingest.journal import Outcome, Status

if TYPE_CHECKING:  # a run with nothing to do needs no pandas
    from powerview.ingest.late import Covered
    from powerview.mv2 import Recording


def describe(outcome: Outcome, recording: Recording, covered: Covered) -> None:
    """Fill in what the recording shows of its file."""
    header = recording.header
    outcome.status = Status.ERROR if recording.unread else Status.PARTIAL if recording.torn else Status.OK
    outcome.reason = recording.unread or recording.torn or ""
    outcome.rows, outcome.readings = recording.rows, recording.readings
    outcome.first, outcome.last = recording.first, recording.last
    outcome.left_out = +recording.left_out
    outcome.logger = {
        "model": header.model, "master_type": header.master_type, "file_version": header.file_version,
        "zone": header.zone.key if header.zone else "UTC",
    }  # fmt: skip
    device = outcome.names[2]
    if header.master != device:
        outcome.notes.append(f"the folder is {device}, the logger is {header.master}")
    outcome.notes += [f"{n} {what}" for what, n in recording.notes.items()]
    if covered.rows:
        outcome.notes.append(f"{covered.rows} rows are in later uploads as well, which win: {listed(covered.names)}")


def listed(names: list[str]) -> str:
    """At most three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
