"""One MV2 logger file to one Recording: its header, its readings, what was left out and why.

This package knows no network, no environment and no line protocol.
"""

from powerview.mv2.channels import UNITS, Channel, told_apart
from powerview.mv2.errors import AS_WRITTEN, SEND_AGAIN, UPDATE_FIRST, Changed, NotReadable
from powerview.mv2.header import Header, read_header
from powerview.mv2.recording import Recording, read_recording
from powerview.mv2.rows import Event

__all__ = [
    "AS_WRITTEN", "SEND_AGAIN", "UNITS", "UPDATE_FIRST", "Changed", "Channel", "Event", "Header",
    "NotReadable", "Recording", "read_header", "read_recording", "told_apart",
]  # fmt: skip
