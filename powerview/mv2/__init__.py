"""One MV2 logger file to one Recording: its header, its readings, what was left out and why.

This package knows no network, no environment and no line protocol.
"""

from powerview.mv2.clock import A_DAY
from powerview.mv2.recording import (
    AGAIN,
    TELL_US,
    UNITS,
    Changed,
    Channel,
    Event,
    Header,
    NotReadable,
    Recording,
    read_header,
    read_recording,
)

__all__ = [
    "AGAIN", "A_DAY", "TELL_US", "UNITS", "Changed", "Channel", "Event", "Header", "NotReadable", "Recording",
    "read_header", "read_recording",
]  # fmt: skip
