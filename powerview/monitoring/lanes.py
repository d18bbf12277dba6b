"""The two lanes: how each ended last, as on-upload.sh leaves it in POWERVIEW_STATE_DIR."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from powerview.monitoring.item import Item, bad, good, unknown
from powerview.monitoring.journals import last_pending, tail
from powerview.settings import Settings

LANES = {"ingest": "hook.log", "provision": "provisioning.log"}
"""Each lane and the log that says why it failed."""
STUCK_HOURS = 6
"""How long a lane may be at work. Years of files take hours; a sweep's unit is ended after as many."""
FAILED = re.compile(r"(?:FAILED \d+|ingest): (.*)")


def lanes(settings: Settings) -> Iterator[Item]:
    """An item for each lane: from `<lane>.status`, whose first word is an exit status and whose time is that of the
    lane's end."""
    for lane in LANES:
        file = settings.state_dir / f"{lane}.status"
        try:
            words, ended = file.read_text(encoding="ascii").split(), file.stat().st_mtime
            status = int(words[0])
        except FileNotFoundError:
            yield unknown(f"{lane} lane", f"no {file} yet", "on-upload.sh sweep writes it.")
        except (OSError, ValueError, IndexError):  # a full disk leaves an empty file
            yield unknown(f"{lane} lane", f"{file} cannot be read", "on-upload.sh sweep writes it anew.")
        else:
            yield _lane(settings, lane, status, ended)


def _lane(settings: Settings, lane: str, status: int, ended: float) -> Item:
    name, log = f"{lane} lane", str(settings.log_dir / LANES[lane])
    hours = (time.time() - ended) / 3600
    if hours > STUCK_HOURS:
        return bad(name, "lane_stuck", hours=hours, log=log)
    if status == 0 or (lane == "ingest" and status == 1):  # 1: a file that cannot be read, which another item names
        return good(name, f"ended {datetime.fromtimestamp(ended).astimezone():%Y-%m-%d %H:%M:%S}")
    reason = _reason(settings, lane, status)
    return bad(name, "lane_failed", status=status, why=f": {reason}" if reason else "", log=log)


def _reason(settings: Settings, lane: str, status: int) -> str:
    if lane == "ingest" and status == os.EX_TEMPFAIL:
        pending = last_pending(settings.log_dir)
        return pending[1].removesuffix(".") if pending else ""
    return _last_failure(settings.log_dir / LANES[lane])


def _last_failure(log: Path) -> str:
    for line in reversed(tail(log)):
        found = FAILED.search(line.decode("utf-8", "replace"))
        if found:
            return found[1][:300].removesuffix(".")
    return ""
