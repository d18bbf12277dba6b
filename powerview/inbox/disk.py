"""The few calls of the operating system that the inbox is made of.

Everything is opened relative to the folder above it and never through a symlink, so that a name that changes its
meaning while we work leads nowhere else. A rename never overwrites.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from powerview.names import ERROR_DIR, LONGEST_NAME, PARSED_DIR

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_RENAME_NOREPLACE = 1
_MOST_NAMES = 1_000_000


def identity(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


@contextmanager
def opened(root: Path, *names: str) -> Iterator[int]:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the tree itself may be a symlink
    try:
        for name in names:
            above, folder = folder, os.open(name, FOLDER, dir_fd=folder)
            os.close(above)
        yield folder
    finally:
        os.close(folder)


def free_names(name: str, reserve: int = 0) -> Iterator[str]:
    # X.tsv, X.1.tsv, X.2.tsv …; a name too long for what may be put behind it is shortened, at a whole character, and
    # always to the same stem: else the shorter X.1 would sort before X, and be taken for the earlier upload.
    stem, suffix = name[:-4], name[-4:]
    room = LONGEST_NAME - reserve - len(f".{_MOST_NAMES - 1}{suffix}")
    stem = os.fsencode(stem)[:room].decode("utf-8", "surrogateescape" if _odd(stem) else "ignore")
    for number in range(_MOST_NAMES):
        yield f"{stem}.{number}{suffix}" if number else stem + suffix


def settled_names(name: str, device: int, reserve: int = 0) -> Iterator[str]:
    # Names that a file of a device's folder may get: those that neither parsed/ nor error/ has. Rows of files in error/
    # may be stored, too, so the numbers must show which of all the files of one name came later.
    for free in free_names(name, reserve):
        if not any(_is_in(state, free, device) for state in (PARSED_DIR, ERROR_DIR)):
            yield free


def _is_in(state: str, name: str, device: int) -> bool:
    try:
        return exists(f"{state}/{name}", device)
    except OSError:  # no folder, or one that cannot be looked into
        return False


def _odd(text: str) -> bool:
    return any("\udc80" <= c <= "\udcff" for c in text)


def exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def rename_no_replace(from_folder: int, from_name: str, to_folder: int, to_name: str) -> None:
    """Rename within one file system; raises FileExistsError, and changes nothing, if the new name is taken."""
    source, target = os.fsencode(from_name), os.fsencode(to_name)
    if _renameat2(from_folder, source, to_folder, target, _RENAME_NOREPLACE) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(number, os.strerror(number), to_name)
    # A file system that cannot refuse to overwrite: a second name is made, which never overwrites, then the first goes.
    os.link(from_name, to_name, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)
    os.unlink(from_name, dir_fd=from_folder)


def _load_renameat2():
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:  # a C library without it

        def function(*_arguments) -> int:
            ctypes.set_errno(errno.ENOSYS)
            return -1

        return function
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function


_renameat2 = _load_renameat2()


_OWNERSHIP = "Everything below the tree must belong to the user that runs PowerView (see docs/install.md, ownership)."


def cannot(what: str, error: OSError) -> str:
    advice = {
        errno.EACCES: _OWNERSHIP,
        errno.EPERM: _OWNERSHIP,
        errno.EROFS: "The file system is read-only.",
        errno.ENOSPC: "The disk is full: make room.",
        errno.EDQUOT: "The quota is used up: make room.",
    }.get(error.errno, "")
    return f"{what}: {error.strerror or error}. {advice}".rstrip()
