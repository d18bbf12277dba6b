"""What lasts from run to run, in POWERVIEW_STATE_DIR: the lock, the latest time, and which messages were logged."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from powerview.settings import SettingsError


@contextmanager
def only_run(state_dir: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the lock that keeps two runs apart; calls `waiting` once if another holds it, then waits for it.

    The kernel lets go of it however the process ends. Raises SettingsError if POWERVIEW_STATE_DIR cannot be used.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(state_dir / "parser.lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise SettingsError(
            f"POWERVIEW_STATE_DIR {state_dir} cannot be used: {error.strerror}. Make it, owned by the user that runs "
            f"PowerView, or name another folder."
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def latest_time(state_dir: Path) -> float:
    """The latest UTC seconds that this server's clock has shown, which is now unless the clock was set back.

    Readings more than a day ahead are left out; a server's clock that was set back must not do that to good ones.
    """
    mark = state_dir / "latest-time"
    now = time.time()
    with suppress(OSError):  # the first run; or a full or read-only disk, where the clock alone must do
        latest = mark.stat().st_mtime
        if latest > now + 60:
            return latest
    with suppress(OSError):
        mark.touch(0o660)
    return now


class Reported:
    """What was said of files that still lie there, so that no sweep says it again; kept in `reported.json`."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "reported.json"
        try:
            self._before = dict(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self._before = {}  # at worst something is said once more
        self._said: dict[str, list] = {}

    def is_new(self, path: str, mark: str, reason: str) -> bool:
        """Whether this was not said of the unchanged file before."""
        self._said[path] = [mark, reason]
        return self._before.get(path) != [mark, reason]

    def save(self, *, keep: bool) -> None:
        """Remember what this run said, and with `keep` what earlier ones said of files that it did not come to.

        A full disk only means that something is said again.
        """
        said = {**self._before, **self._said} if keep else self._said
        if said == self._before:
            return
        half = self._path.with_suffix(".half")
        try:
            half.touch(0o660)
            half.write_text(json.dumps(said), encoding="utf-8")
            half.replace(self._path)
        except OSError as error:
            print(f"{self._path} cannot be written: {error.strerror}", file=sys.stderr)
