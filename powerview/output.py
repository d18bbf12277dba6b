"""What is written for people: a file that is there whole or not at all, and standard output whose reader may go."""

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
    """A file to write; when the block ends well it takes the place of `path`, in one step. Else `path` is as it was.

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
    """Standard output or standard error, whose reader may go before we end, as `head` does: the rest is dropped.

    It stops nothing: readings matter more than what is said about them, and the exit status is the run's own.
    """

    lost = False

    def write(self, data: bytes) -> int:
        """Write, or drop what cannot be written. Of a full disk behind standard output, standard error is told."""
        rest = memoryview(data)
        try:
            while rest and (written := super().write(rest)):  # None: it would block, and we do not wait
                rest = rest[written:]
            return len(data)
        except OSError as error:
            told, self.lost = self.lost or isinstance(error, BrokenPipeError) or self.fileno() != 1, True
            if not told:
                print(f"standard output cannot be written: {error.strerror}", file=sys.stderr)
            return len(data)


def outlet(stream: io.TextIOWrapper | None) -> io.TextIOBase:
    """The stream in whose place nothing that is said stops a run; None is one that was closed before we began."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it lasts as long as we do
    # No buffer between: what a signal found half done there would be written twice. Nor must a file's name stop us,
    # where there is no UTF-8.
    raw = Outlet(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(raw, stream.encoding, "backslashreplace", line_buffering=stream.line_buffering)


def trouble(error: OSError) -> str:
    """What the system says, where, and what to do."""
    what = error.strerror or str(error)
    if error.filename is None:  # it failed in what was open already
        return f"{what}; the system does not say where. Is there room on the disks, and do they work?"
    return f"{error.filename}: {what}. This user must be able to work there."
