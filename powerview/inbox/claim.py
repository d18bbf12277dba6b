"""Claim a file for reading, and settle it in `parsed/` or `error/` by a rename that never overwrites."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from powerview.inbox.disk import FILE, FOLDER, cannot, free_names, identity, opened, rename_no_replace, settled_names
from powerview.inbox.upload import Upload
from powerview.names import ERROR_DIR, PARSED_DIR

REASON = ".reason.txt"
FIRST_ARRIVAL = 1_735_689_600
"""1 January 2025 in UTC seconds, before the first PowerView: no file arrived earlier."""

QUIET_SECONDS = 5
"""How long a file must be unchanged on a file system that cannot show whether somebody is still writing it."""


class Pending(Exception):
    """The file cannot be taken now and stays where it is. The text says why and what to do."""


class Busy(Pending):
    """Somebody is still writing the file; nobody needs to do anything about it."""


class Gone(Busy):
    """It is not there any more."""


class Growing(Busy):
    """It changed a moment ago, on a file system that cannot show whether it is being written. `quiet_at` (UTC seconds)
    is when it can be taken."""

    def __init__(self, text: str, quiet_at: float) -> None:
        super().__init__(text)
        self.quiet_at = quiet_at


def _arrival(status: os.stat_result) -> float:
    # A client can give a file any time. A logger with a dead clock gives it one of 2020: then the moment counts at
    # which the file got its name or its last byte, which no client can set.
    return status.st_mtime if status.st_mtime >= FIRST_ARRIVAL else status.st_ctime


class Claim:
    """One file, opened for reading and known to be whole for the moment; a context manager that closes it.

    `file` is for reading; `modified` is its time, `arrived` when its last byte came, both in UTC seconds. Raises
    Pending if it cannot be taken now.
    """

    def __init__(self, root: Path, upload: Upload) -> None:
        self.root = root
        self.upload = upload
        self._folder, descriptor = _open_upload(root, upload)
        self.file: BinaryIO = os.fdopen(descriptor, "rb")
        self._status = os.fstat(descriptor)
        self.modified = self._status.st_mtime
        self.arrived = _arrival(self._status)
        self.mark = identity(self._status)
        try:
            if not upload.state:
                with Lease(self.file) as lease:
                    lease.check(self._status)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_exc) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. A second call does nothing."""
        if not self.file.closed:
            self.file.close()
            os.close(self._folder)

    @property
    def unchanged(self) -> bool:
        """Whether the file that was opened has the size and the time of change that it had then."""
        return identity(os.fstat(self.file.fileno())) == self.mark

    def to_parsed(self) -> str:
        """Move the file to `parsed/`; returns its name there. Raises Pending and moves nothing if that cannot be."""
        with self._state_folder(PARSED_DIR) as folder:
            return self._move(folder, settled_names(self.upload.name, self._folder))

    def to_error(self, reason: str) -> str:
        """Move the file to `error/` with its reason beside it; returns its name there. Raises Pending."""
        with self._state_folder(ERROR_DIR) as folder:
            name = next(settled_names(self.upload.name, self._folder, len(REASON)))
            _write_reason(folder, name + REASON, reason)  # first, so that no file is there without one
            try:
                return self._move(folder, iter([name]))
            except Pending:
                os.unlink(name + REASON, dir_fd=folder)
                raise

    @contextmanager
    def _state_folder(self, state: str) -> Iterator[int]:
        try:
            try:
                os.mkdir(state, dir_fd=self._folder)
            except FileExistsError:
                pass
            folder = os.open(state, FOLDER, dir_fd=self._folder)
        except OSError as error:
            what = f"{state}/ cannot be used, so the file stays pending"
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Pending(f"{what}: it is a symlink or not a folder. Move it away.") from error
            raise Pending(cannot(what, error)) from error
        try:
            yield folder
        finally:
            os.close(folder)

    def _move(self, folder: int, names: Iterator[str]) -> str:
        # The lease shows whether somebody opened the file for writing while it was moved, the comparison whether the
        # name had come to mean another file. In both cases the file goes back, unread.
        with Lease(self.file) as lease:
            lease.check(self._status)
            if not self.unchanged:
                raise Busy("it changed while it was being read; the next run reads it anew")
            try:
                name = self._rename_to_free(folder, names)
            except OSError as error:
                raise Pending(cannot("the file cannot be moved and stays pending", error)) from error
            moved = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if identity(moved) != self.mark or lease.broken:
                self._put_back(folder, name)
                raise Busy("it was written again while it was being moved; the next run reads it anew")
        return name

    def _rename_to_free(self, folder: int, names: Iterator[str]) -> str:
        for name in names:
            try:
                rename_no_replace(self._folder, self.upload.name, folder, name)
            except FileExistsError:
                continue
            return name
        raise OSError(errno.EEXIST, "the name was taken meanwhile")

    def _put_back(self, folder: int, name: str) -> None:
        for back in free_names(self.upload.name):
            try:
                rename_no_replace(folder, name, self._folder, back)
                return
            except FileExistsError:
                continue


def _open_upload(root: Path, upload: Upload) -> tuple[int, int]:
    where = [*upload.folder, upload.state] if upload.state else upload.folder
    try:
        with opened(root, *where) as folder:
            descriptor = os.open(upload.name, FILE, dir_fd=folder)
            try:
                _regular(os.fstat(descriptor), upload)
                return os.dup(folder), descriptor
            except BaseException:
                os.close(descriptor)
                raise
    except FileNotFoundError as error:
        raise Gone("it was moved away before it could be read") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Pending("it is a symlink or is reached through one, and those are not followed") from error
        raise Pending(cannot("the file cannot be opened", error)) from error


def _regular(status: os.stat_result, upload: Upload) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Pending(f"{upload.name} is not a regular file and is left alone")


class Lease:
    # A read lease on an open file: the kernel grants it only while nobody has the file open for writing. Held across
    # a check and a rename, never longer: a writer who comes meanwhile waits for us, and we get SIGIO.

    def __init__(self, file: BinaryIO) -> None:
        self.descriptor = file.fileno()
        self.granted = self.supported = False

    def __enter__(self) -> Lease:
        self._handler = signal.signal(signal.SIGIO, lambda *_: None)  # its default ends the process
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            self.granted = self.supported = True
        except OSError as error:
            self.supported = error.errno in (errno.EAGAIN, errno.EWOULDBLOCK)
        return self

    def __exit__(self, *_exc) -> None:
        if self.granted:
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        signal.signal(signal.SIGIO, self._handler)

    def check(self, status: os.stat_result) -> None:
        """Raise Busy if somebody has the file open for writing, or may have."""
        if self.granted:
            return
        if self.supported:
            raise Busy("somebody is still writing it")
        quiet_at = status.st_mtime + QUIET_SECONDS
        if 0 < quiet_at - time.time() <= QUIET_SECONDS:
            raise Growing(f"it changed less than {QUIET_SECONDS} seconds ago and may still be growing", quiet_at)

    @property
    def broken(self) -> bool:
        """Whether somebody has opened the file for writing since the lease was granted."""
        return self.granted and fcntl.fcntl(self.descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK


def _write_reason(folder: int, name: str, reason: str) -> None:
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644, dir_fd=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(reason + "\n")
    except OSError as error:
        raise Pending(cannot("the reason cannot be written beside it, so the file stays pending", error)) from error
