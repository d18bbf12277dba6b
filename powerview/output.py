"""What is written for people: a file that is there whole or not at all, and standard output whose reader may go."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO


@contextmanager
def replacing(path: Path, *, follow: bool = True, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file to write; when the block ends well it takes the place of `path`, in one step. Else `path` is as it was.

    A symlink stays: the file that it names is replaced; without `follow`, where others may make one, it is replaced
    itself. A file keeps its mode (a new one has `mode`, less the umask), and its owner where this user may give it
    away. What is no regular file (a device, a
    pipe) is written to as it is, or without `follow` replaced. Raises OSError.
    """
    try:
        there = os.stat(path, follow_symlinks=follow)
    except FileNotFoundError:
        there = None
    target = Path(os.path.realpath(path)) if follow else path
    if not follow:
        there = there if there and stat.S_ISREG(there.st_mode) else None
    elif there and not (stat.S_ISREG(there.st_mode) and _same(target, there)):
        with open(path, "wb") as file:
            yield file
        return
    try:
        half = NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:100]}.", delete=False)  # noqa: SIM115
    except OSError as error:
        error.filename = str(path)  # the other name means nothing to anybody
        raise
    try:
        with half:
            yield half
            half.flush()
            os.fsync(half.fileno())
            _dress(half.fileno(), there, mode)
        os.replace(half.name, target)
    except BaseException:
        os.unlink(half.name)
        raise


def _same(target: Path, there: os.stat_result) -> bool:
    # /dev/fd/1 may be a regular file whose name is gone, or another's by now.
    try:
        return os.path.samestat(os.stat(target), there)
    except OSError:
        return False


def _dress(descriptor: int, before: os.stat_result | None, mode: int) -> None:
    # Mode and owner: those of the file before, else as any other new file of this user has them.
    if before is None:
        os.fchmod(descriptor, mode & ~_umask())
        return
    for owner, group in ((-1, before.st_gid), (before.st_uid, -1)):
        with suppress(PermissionError):  # only root gives files away; the others' new file is their own
            os.fchown(descriptor, owner, group)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & 0o777)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


class Outlet(io.FileIO):
    """Standard output or standard error, whose reader may go before we end, as `head` does: the rest is dropped.

    It stops nothing: readings matter more than messages about them, and the exit status is the run's own.
    """

    lost = False

    def write(self, data: bytes) -> int:
        """Write, or drop what cannot be written. A full disk behind standard output is reported on standard error."""
        rest = memoryview(data)
        try:
            while rest and (written := super().write(rest)):  # None: it would block, and we do not wait
                rest = rest[written:]
            return len(data)
        except OSError as error:
            reported, self.lost = self.lost or isinstance(error, BrokenPipeError) or self.fileno() != 1, True
            if not reported:
                print(f"standard output cannot be written: {error.strerror}", file=sys.stderr)
            return len(data)


def outlet(stream: io.TextIOWrapper | None) -> io.TextIOBase:
    """A stream on which no output can stop a run; None is one that was closed before we began."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it lasts as long as we do
    # No buffer between: what a signal found half done there would be written twice. Nor must a file's name stop us,
    # where there is no UTF-8.
    raw = Outlet(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(raw, stream.encoding, "backslashreplace", line_buffering=stream.line_buffering)


def trouble(error: OSError) -> str:
    """The system's error, where it happened, and what to do."""
    what = error.strerror or str(error)
    if error.filename is None:  # it failed in what was open already
        return f"{what}; the system does not say where. Is there room on the disks, and do they work?"
    return f"{error.filename}: {what}. This user must be able to work there."
