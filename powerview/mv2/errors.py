"""Why a file gives no readings, and the advice that goes with it."""

from __future__ import annotations

SEND_AGAIN = "The logger sends these readings again in a later file; if it does not, upload the file again."
AS_WRITTEN = "Did another program change the file? Upload it as the logger wrote it."
UPDATE_FIRST = (
    "Keep the file: once a PowerView that knows this is installed, move it from error/ back into the device's folder."
)


class NotReadable(Exception):
    """The file can never be read as it is. The text describes what is wrong, on which line, and what to do.

    `incomplete`: it has a header, which promises END_DATA, and ends before that: its rest may still come.
    """

    def __init__(self, text: str, *, incomplete: bool = False) -> None:
        super().__init__(text)
        self.incomplete = incomplete


class Changed(Exception):
    """The file changed while it was read; its new content is read another time."""
