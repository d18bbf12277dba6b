"""One thing that was looked at: its name, its state, what was found and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from powerview.ingest.journal import printable

GOOD, BAD, UNKNOWN = "ok", "bad", "unknown"
SIGN = {GOOD: "✓", BAD: "✗", UNKNOWN: "–"}


@dataclass(frozen=True)
class Item:
    """One thing that was looked at. `state`: ok, bad, or unknown where it cannot be told; `remedy`: what to do."""

    name: str
    state: str
    found: str
    remedy: str = ""

    def line(self) -> str:
        """The line for people."""
        return f"{SIGN[self.state]} {self.name}: {printable(self.found)}" + (f". {self.remedy}" if self.remedy else "")
