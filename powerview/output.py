"""What is written for people: files that are complete or not there, and standard output whose reader may close it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which replaces `path` in one step when the block succeeds. Otherwise `path` stays as it was.

    Raises OSError.
    """
    try:
        half = NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name[:100]}.", delete=False)  # noqa: SIM115
    except OSError as error:
        error.filename = str(path)  # the other name means nothing to anybody
        raise
    try:
        with half:
            yield half
            half.flush()
            os.fsync(half.fileno())
            os.fchmod(half.fileno(), 0o666 & ~_umask())  # as any other new file of this user
        os.replace(half.name, path)
    except BaseException:
        os.unlink(half.name)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


class Outlet(io.FileIO):
    """Standard output or standard error. If the reader closes the pipe early, as `head` does, the rest is dropped.

    That stops nothing: readings matter more than reports about them, and the exit status is that of the run.
    """

    lost = False

    def write(self, data: bytes) -> int:
        """Write, or drop what cannot be written. If standard output's disk is full, standard error gets one line."""
        rest = memoryview(data)
        try:
            while rest and (written := super().write(rest)):  # None: it would block, and we do not wait
                rest = rest[written:]
            return len(data)
        except OSError as error:
            silent, self.lost = self.lost or isinstance(error, BrokenPipeError) or self.fileno() != 1, True
            if not silent:
                print(f"standard output cannot be written: {error.strerror}", file=sys.stderr)
            return len(data)


def outlet(stream: io.TextIOWrapper | None) -> io.TextIOBase:
    """A stream to use instead of this one, whose failures stop no run. None means it was closed before we began."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it lasts as long as we do
    # Unbuffered: a signal that comes in the middle of a write would make a buffer write it twice. Escapes, because a
    # file's name must not stop us where there is no UTF-8.
    raw = Outlet(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(raw, stream.encoding, "backslashreplace", line_buffering=stream.line_buffering)


def trouble(error: OSError) -> str:
    """The system's reason, the file, and what to do."""
    what = error.strerror or str(error)
    if error.filename is None:  # it failed in what was open already
        return f"{what}; the system does not name the file. Is there room on the disks, and do they work?"
    return f"{error.filename}: {what}. This user must be able to work there."
