"""Which files a run reads, in the order of their uploads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from powerview import inbox
from powerview.inbox import Inbox, Refusal, Upload


def choose(tree: Inbox, *, again: bool, files: list[Path] | None) -> tuple[list[Upload], list[Refusal]]:
    """The files to read, in the order of their uploads, and those that are refused.

    `files` narrows it to these; `again` takes what was settled before instead of what is pending.
    Raises inbox.NoSuchFile for a named file that is not there, OSError if the tree cannot be read.
    """
    if files is not None:
        found: Iterable[Upload | Refusal] = dict.fromkeys(_wanted(tree.find(path), again) for path in files)
    else:
        found = tree.settled() if again else tree.pending()
    uploads, refusals = [], []
    for item in found:
        (uploads if isinstance(item, Upload) else refusals).append(item)
    return sorted(uploads, key=inbox.upload_order), refusals


def _wanted(found: Upload | Refusal, again: bool) -> Upload | Refusal:
    if isinstance(found, Refusal):
        return found
    settled = found.state == inbox.PARSED_DIR or found.name.startswith("PARSED_")
    if settled and not again:
        return Refusal(found.path, "this file was parsed already: add --again to read it once more")
    if found.state == inbox.ERROR_DIR:
        return Refusal(found.path, "this file is in error/: move it back into the device's folder to try it again")
    return found
