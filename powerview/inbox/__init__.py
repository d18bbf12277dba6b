"""The tree on disk: find what is pending, claim a file, settle it in `parsed/` or `error/`.

Nothing is deleted and nothing is overwritten: a file only ever moves.
"""

from powerview.inbox.claim import QUIET_SECONDS, REASON, Busy, Claim, Gone, Growing, Pending
from powerview.inbox.tree import Inbox, NoSuchFile
from powerview.inbox.upload import Refusal, Upload, upload_order
from powerview.names import ERROR_DIR, PARSED_DIR

__all__ = [
    "ERROR_DIR", "PARSED_DIR", "QUIET_SECONDS", "REASON", "Busy", "Claim", "Gone", "Growing", "Inbox", "NoSuchFile",
    "Pending", "Refusal", "Upload", "upload_order",
]  # fmt: skip
