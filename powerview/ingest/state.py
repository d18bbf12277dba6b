"""What lasts from run to run, in POWERVIEW_STATE_DIR: the lock, which messages were logged, the file in hand."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from powerview.settings import SettingsError


@contextmanager
def only_run(state_dir: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the lock that keeps two runs apart; calls `waiting` once if another holds it, then waits for it.

    The kernel lets go of it however the process ends. Raises SettingsError if POWERVIEW_STATE_DIR cannot be used.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(state_dir / "parser.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
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
    """Which messages were logged about files that are still there, so that no sweep repeats them; `reported.json`.

    A tree that is not the installation's own (`other_tree`) has a file of its own.
    """

    def __init__(self, state_dir: Path, other_tree: Path | None = None) -> None:
        mark = f"-{sha256(os.fsencode(os.path.realpath(other_tree))).hexdigest()[:16]}" if other_tree else ""
        self._path = state_dir / f"reported{mark}.json"
        try:
            noted = json.loads(self._path.read_text(encoding="utf-8"))
            self._before = {path: [mark, reason] for path, (mark, reason) in noted.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._before = {}  # at worst something is logged once more
        self._now: dict[str, list] = {}

    @property
    def reasons(self) -> dict[str, str]:
        """Path → reason of what earlier runs have logged and still found."""
        return {path: reason for path, (_, reason) in self._before.items()}

    def is_new(self, path: str, mark: str, reason: str) -> bool:
        """Whether this was not logged about the unchanged file before."""
        self._now[path] = [mark, reason]
        return self._before.get(path) != [mark, reason]

    def save(self, *, keep: bool) -> None:
        """Remember this run's messages, and with `keep` those about files that it did not come to.

        A full disk only means that something is logged again.
        """
        reported = {**self._before, **self._now} if keep else self._now
        if reported == self._before:
            return
        half = self._path.with_suffix(".half")
        try:
            half.touch(0o660)
            half.write_text(json.dumps(reported), encoding="utf-8")
            half.replace(self._path)
        except OSError as error:
            print(f"{self._path} cannot be written: {error.strerror}", file=sys.stderr)


MOST_DEATHS = 2
"""How often the process may die while it reads a file; then the file is read no more."""


class InHand:
    """Notes which file is being read, in `in-hand.json`: a file on which the process dies again and again is known.

    Without a `state_dir` nothing is noted.
    """

    def __init__(self, state_dir: Path | None) -> None:
        self._path = None if state_dir is None else state_dir / "in-hand.json"
        self._deaths: dict[str, int] = {}
        self._held: str | None = None
        self._settled = False
        if self._path:
            with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
                noted = json.loads(self._path.read_text(encoding="utf-8"))
                deaths = {str(key): int(count) for key, count in noted["deaths"].items()}
                if noted["now"] and not noted["settled"]:  # who settles files keeps nobody waiting
                    deaths[noted["now"]] = deaths.get(noted["now"], 0) + 1
                self._deaths = deaths

    def died_on(self, path: str, mark: str) -> bool:
        """Whether the process died before while it read this unchanged file."""
        return f"{path} {mark}" in self._deaths

    @contextmanager
    def holding(self, path: str, mark: str) -> Iterator[int]:
        """Note the file while it is read; yields how often the process died while it read this unchanged file."""
        key = f"{path} {mark}"
        outer, self._held = self._held, key
        self._note()
        try:
            yield self._deaths.get(key, 0)
        finally:  # whatever else ends the reading is no death
            self._deaths.pop(key, None)
            self._held = outer
            self._note()

    def settled(self) -> None:
        """A file was settled in this run: if the process dies now, it was no file that kept all others waiting."""
        if not self._settled:
            self._settled = True
            self._note()

    def _note(self) -> None:
        if self._path is None:
            return
        noted = {"now": self._held, "settled": self._settled, "deaths": self._deaths}
        with suppress(OSError):  # on a full disk such a file is only found out later
            # Written over and never cut: ext4 brings a file that was cut to the disk when it is closed, 1 ms each time.
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o660)
            try:
                os.pwrite(file, json.dumps(noted).encode().ljust(os.fstat(file).st_size), 0)
            finally:
                os.close(file)
