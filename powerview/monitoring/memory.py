"""What `watch` keeps in POWERVIEW_STATE_DIR: watch.json, written whole or not at all.

On a full disk it is written over in place, for which it has room: its size grows in large steps. Where there was no
file before, the names of empty files, which a full disk still takes, keep what was sent. At worst something is sent
twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from powerview.monitoring.problems import AGAIN_AFTER, Problem, Problems, correct_times

STEP = 1 << 15


class Memory:
    """The problems known to earlier sweeps, in `watch.json` in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "watch.json"
        self._kept = b""
        self.nobody = False
        """Whether it was printed that nobody is notified."""
        self.lost = ""
        """Why nothing can be kept, empty if it can."""

    def load(self) -> Problems:
        """What the last sweep has kept; nothing if there is none, or if it cannot be read."""
        try:
            text = self._path.read_bytes()
            kept = json.loads(text)
            problems = {f"{p.name}\0{p.subject}": p for p in (Problem(**fields) for fields in kept["problems"])}
            correct_times(problems, time.time())
            self.nobody = bool(kept.get("nobody"))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}
        self._kept = text.rstrip()
        return problems

    def save(self, problems: Problems) -> None:
        """Keep them for the next sweep; if that cannot be, `lost` has the reason."""
        listed = [asdict(problem) for problem in problems.values()]
        text = json.dumps({"problems": listed} | ({"nobody": True} if self.nobody else {})).encode()
        if text == self._kept:
            return
        padded = text.ljust(-(-(len(text) + 1) // STEP) * STEP - 1) + b"\n"
        self.lost = ""
        try:
            self._replace(padded)
        except OSError as error:
            try:
                self._overwrite(text)
            except OSError:
                self.lost = f"{self._path} cannot be written: {error.strerror or error}"
                return
        self._kept = text
        for marker in self._markers():
            with suppress(OSError):
                marker.unlink()

    def _replace(self, content: bytes) -> None:
        half = self._path.with_suffix(".half")
        try:
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o660), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self._path)
        except OSError:
            with suppress(OSError):
                half.unlink()
            raise

    def _overwrite(self, text: bytes) -> None:
        with self._path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= len(text):
                raise OSError("no room in it")
            file.write(text.ljust(size - 1) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def was_sent(self, keys: Iterable[str]) -> bool:
        """Whether these very problems were sent within a day, while nothing could be kept."""
        with suppress(OSError):
            return time.time() - self._marker(keys).stat().st_mtime < AGAIN_AFTER
        return False

    def mark_sent(self, keys: Iterable[str]) -> None:
        """Note that these problems were sent, while nothing can be kept."""
        with suppress(OSError):
            marker = self._marker(keys)
            marker.touch(0o660)
            os.utime(marker)

    def _marker(self, keys: Iterable[str]) -> Path:
        digest = hashlib.sha256("\n".join(sorted(keys)).encode("utf-8", "surrogateescape")).hexdigest()
        return self._path.with_name(f"watch.sent-{digest[:16]}")

    def _markers(self) -> list[Path]:
        return list(self._path.parent.glob("watch.sent-*"))
