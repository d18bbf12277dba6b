"""channels.csv: what each clamp measures. Readings are never changed by it; it decides how they are shown."""

from powerview.channels.disk import all_in_force, mark_in_force, sheet_for, sheet_in_force
from powerview.channels.force import Change, Fate, put_into_force
from powerview.channels.sheet import HIDDEN, MAIN, PART, PRODUCTION, Line, Sheet, read_sheet
from powerview.channels.table import NAME, REASON_NAME, NotUnderstood, guarded

__all__ = [
    "HIDDEN", "MAIN", "NAME", "PART", "PRODUCTION", "REASON_NAME", "Change", "Fate", "Line", "NotUnderstood", "Sheet",
    "all_in_force", "guarded", "mark_in_force", "put_into_force", "read_sheet", "sheet_for", "sheet_in_force",
]  # fmt: skip
