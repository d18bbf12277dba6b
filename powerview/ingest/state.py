"""What lasts from run to run, in POWERVIEW_STATE_DIR: the lock, and which messages were logged."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
