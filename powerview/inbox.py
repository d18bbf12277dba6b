"""The tree on disk: find what is pending, claim a file, settle it in `parsed/` or `error/`.

Everything is opened relative to the folder above it and never through a symlink, so a name that changes its meaning
while we work leads nowhere else. Nothing is deleted and nothing is overwritten: a file only ever moves, by a rename
that fails where the name is taken.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import signal
import stat
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from powerview.line_protocol import EVENTS

PARSED, ERROR = "parsed", "error"
REASON = ".reason.txt"
LONGEST_NAME = 255
QUIET_SECONDS = 5
"""How long a file must not have changed where the file system cannot tell whether somebody still writes it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_NAME_RULE = "names are letters, digits, `_`, `.` and `-`, begin with a letter or digit, and have 64 characters at most"
_STAMP = re.compile(r"(?<!\d)\d{6}_\d{6}(?!\d)")
_NUMBERED = re.compile(r"(.*)\.(\d{1,9})", re.DOTALL)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_MOST_NAMES = 1_000_000


class NoSuchFile(Exception):
    """A person named a file that is not there, or not in the tree."""


class Pending(Exception):
    """The file cannot be taken now and stays where it is. The text says why and what to do."""


class Busy(Pending):
    """Somebody is still writing the file; it is nothing that a person must see to."""


class Growing(Busy):
    """It changed a moment ago, on a file system that cannot tell whether it is being written; `quiet_at` (UTC seconds)
    is when that moment is over."""

    def __init__(self, text: str, quiet_at: float) -> None:
        super().__init__(text)
        self.quiet_at = quiet_at


@dataclass(frozen=True)
class Upload:
    """Where a file lies: DATA/client/campaign/device/[state/]name, `state` being "", parsed or error."""

    client: str
    campaign: str
    device: str
    name: str
    state: str = ""

    @property
    def path(self) -> str:
        """The path below the tree."""
        return "/".join(p for p in (self.client, self.campaign, self.device, self.state, self.name) if p)

    @property
    def folder(self) -> tuple[str, str, str]:
        """The device's folder."""
        return self.client, self.campaign, self.device


@dataclass(frozen=True)
class Refusal:
    """A file that is not taken, by its path below the tree, and why. `mark` changes when the file does."""

    path: str
    reason: str
    mark: str = ""


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def refused_names(client: str, campaign: str = "", device: str = "", *, admin_bucket: str) -> str | None:
    """Why these names cannot become a bucket, a measurement, a title; None if they can. Empty ones are not looked at.

    `admin_bucket` is the bucket that belongs to the admins.
    """
    for what, name in (("client", client), ("campaign", campaign), ("device", device)):
        if name and not _NAME.fullmatch(name):
            return f"the {what}'s folder {name!r} has a name that is not allowed: {_NAME_RULE}. Rename the folder."
    if client.casefold() in ("admin", "powerview-master", admin_bucket.casefold()):
        return f"a client cannot be called {client}: that name belongs to the admins. Rename the folder."
    if client.casefold() == "general":
        return f"a client cannot be called {client}: Grafana has a folder of that name. Rename the folder."
    if campaign == EVENTS:
        return f"a campaign cannot be called {EVENTS}: restarts are kept under that name. Rename the folder."
    for what, name in (("campaign", campaign), ("device", device)):
        if name in (PARSED, ERROR):
            return f"a {what} cannot be called {name}: PowerView keeps its files under that name. Rename the folder."
    return None


def upload_order(upload: Upload) -> tuple:
    """Sort key: the order in which files were uploaded, by the stamp in the name (files without one first)."""
    stem, number = _split(upload.name.removeprefix("PARSED_"))
    stamp = _STAMP.search(stem)
    return (stamp[0] if stamp else "", stem, number, upload.client, upload.campaign, upload.device)


def _split(name: str) -> tuple[str, int]:
    # X.tsv → (X, 0), X.10.tsv → (X, 10)
    stem = name[: -len(".tsv")]
    numbered = _NUMBERED.fullmatch(stem)
    return (numbered[1], int(numbered[2])) if numbered else (stem, 0)


def _is_tsv(name: str) -> bool:
    return name[-4:].lower() == ".tsv" and not name.startswith(".")


# ── find ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Inbox:
    """The tree below `root` (DATA). `admin_bucket` is the name that no client may have."""

    def __init__(self, root: Path, admin_bucket: str) -> None:
        self.root = root
        self.admin_bucket = admin_bucket
        self._settled: dict[tuple[str, str, str], list[tuple[tuple, Upload]]] = {}

    def pending(self) -> Iterator[Upload | Refusal]:
        """Every file that waits to be read, and every file that is refused, in no order.

        Raises OSError if the tree itself cannot be read.
        """
        with _opened(self.root) as folder:
            yield from self._level(folder, (), want_settled=False)

    def settled(self) -> Iterator[Upload]:
        """Every file in a `parsed/` folder, and every PARSED_* file of the earlier convention, in no order."""
        with _opened(self.root) as folder:
            found = self._level(folder, (), want_settled=True)
            yield from (f for f in found if isinstance(f, Upload))

    def later_settled(self, upload: Upload) -> list[Upload]:
        """The files of this device that were settled and were uploaded after this one, in their order.

        Those in `error/` are among them: their complete rows may be stored. A pending file counts as what it would be
        called in `parsed/`: a name that comes again is a later upload. The folders are listed once: what one run
        settles in the order of the uploads is never later than what it settles next.
        """
        if upload.folder not in self._settled:
            found = [(upload_order(f), f) for state in (PARSED, ERROR, "") for f in self._settled_in(upload, state)]
            self._settled[upload.folder] = sorted(found, key=itemgetter(0))
        known = self._settled[upload.folder]
        named = upload.state or upload.name.startswith("PARSED_")
        mine = upload_order(upload if named else Upload(*upload.folder, self.settled_name(upload)))
        return [later for _, later in known[bisect_right(known, mine, key=itemgetter(0)) :]]

    def _settled_in(self, upload: Upload, state: str) -> list[Upload]:
        # Files only: what else somebody put there has no readings, and must not stand in a file's way.
        try:
            with _opened(self.root, *upload.folder, *filter(None, [state])) as folder, os.scandir(folder) as entries:
                names = [e.name for e in entries if _is_tsv(e.name) and e.is_file(follow_symlinks=False)]
        except OSError:  # there is no such folder yet, or `settle` will tell what is wrong with it
            return []
        return [Upload(*upload.folder, name, state) for name in names if state or name.startswith("PARSED_")]

    def settled_name(self, upload: Upload) -> str:
        """The name that a pending file would get in `parsed/` now."""
        try:
            with _opened(self.root, *upload.folder, PARSED) as folder:
                return next(n for n in _free_names(upload.name) if not _exists(n, folder))
        except OSError:
            return upload.name

    def find(self, path: Path) -> Upload | Refusal:
        """The file that a person names by its path, absolute, relative, or below the tree. Raises NoSuchFile."""
        for candidate in (Path(os.path.abspath(path)), self.root / path):
            if candidate.is_relative_to(self.root) and os.path.lexists(candidate):
                return self._placed(candidate.relative_to(self.root).parts)
        if not os.path.lexists(path):
            raise NoSuchFile(f"{path}: there is no such file")
        raise NoSuchFile(f"{path} does not lie in the tree {self.root}: name the tree with -d")

    def _placed(self, parts: tuple[str, ...]) -> Upload | Refusal:
        state = parts[3] if len(parts) == 5 and parts[3] in (PARSED, ERROR) else ""
        if len(parts) != (5 if state else 4) or not _is_tsv(parts[-1]):
            return Refusal("/".join(parts), _WRONG_PLACE)
        reason = refused_names(*parts[:3], admin_bucket=self.admin_bucket)
        if reason:
            return Refusal("/".join(parts), reason)
        return Upload(*parts[:3], parts[-1], state)

    def _level(self, folder: int, parts: tuple[str, ...], want_settled: bool) -> Iterator[Upload | Refusal]:
        reason = refused_names(*parts[:3], admin_bucket=self.admin_bucket) if 0 < len(parts) < 4 else None
        if reason:
            yield from _every_tsv(folder, parts, reason)
            return
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(folder, (*parts, entry.name), want_settled)
            elif _is_tsv(entry.name) and entry.is_file(follow_symlinks=False):
                yield from self._file(entry, parts, want_settled)

    def _below(self, folder: int, parts: tuple[str, ...], want_settled: bool) -> Iterator[Upload | Refusal]:
        inside_device = len(parts) == 4
        if inside_device and parts[3] in (PARSED, ERROR) and not (want_settled and parts[3] == PARSED):
            return
        if len(parts) > 64:
            yield Refusal("/".join(parts), "folders lie too deep here: " + _WRONG_PLACE)
            return
        try:
            below = os.open(parts[-1], _FOLDER, dir_fd=folder)
        except FileNotFoundError:
            return  # moved away meanwhile
        except OSError as error:
            yield Refusal("/".join(parts), _cannot("the folder cannot be read", error))
            return
        try:
            yield from self._level(below, parts, want_settled)
        finally:
            os.close(below)

    def _file(self, entry: os.DirEntry, parts: tuple[str, ...], want_settled: bool) -> Iterator[Upload | Refusal]:
        old_mark = entry.name.startswith("PARSED_")
        if len(parts) == 4 and parts[3] == PARSED or (len(parts) == 3 and old_mark):
            if want_settled:
                yield Upload(*parts[:3], entry.name, parts[3] if len(parts) == 4 else "")
        elif want_settled:
            return
        elif len(parts) == 3:
            yield Upload(*parts, entry.name)
        elif not old_mark:
            yield Refusal("/".join((*parts, entry.name)), _WRONG_PLACE, _mark(entry))


_WRONG_PLACE = "files belong into DATA/<client>/<campaign>/<device serial>/: this one lies elsewhere and is left"


def _every_tsv(folder: int, parts: tuple[str, ...], reason: str) -> Iterator[Refusal]:
    # The files below a folder whose name is refused; deep trees are followed no further than PowerView's own depth.
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False) and len(parts) < 5:
            try:
                below = os.open(entry.name, _FOLDER, dir_fd=folder)
            except OSError:
                continue
            try:
                yield from _every_tsv(below, (*parts, entry.name), reason)
            finally:
                os.close(below)
        elif _is_tsv(entry.name) and entry.is_file(follow_symlinks=False):
            yield Refusal("/".join((*parts, entry.name)), reason, _mark(entry))


def _mark(entry: os.DirEntry) -> str:
    try:
        return _identity(entry.stat(follow_symlinks=False))
    except OSError:
        return ""


def _identity(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


@contextmanager
def _opened(root: Path, *names: str) -> Iterator[int]:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the tree itself may be a symlink
    try:
        for name in names:
            above, folder = folder, os.open(name, _FOLDER, dir_fd=folder)
            os.close(above)
        yield folder
    finally:
        os.close(folder)


# ── claim and settle ─────────────────────────────────────────────────────────────────────────────────────────────────


class Claim:
    """One file, opened for reading and known to be whole for the moment; a context manager that closes it.

    `file` is for reading; `arrived` is when its last byte was written, in UTC seconds. Raises Pending if it cannot be
    taken now.
    """

    def __init__(self, root: Path, upload: Upload) -> None:
        self.root = root
        self.upload = upload
        self._folder, descriptor = _open_upload(root, upload)
        self.file: BinaryIO = os.fdopen(descriptor, "rb")
        self._status = os.fstat(descriptor)
        self.arrived = self._status.st_mtime
        self.mark = _identity(self._status)
        try:
            if not upload.state:
                with _lease(self.file) as lease:
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
        return _identity(os.fstat(self.file.fileno())) == self.mark

    def to_parsed(self) -> str:
        """Move the file to `parsed/`; returns its name there. Raises Pending and moves nothing if that cannot be."""
        with self._state_folder(PARSED) as folder:
            return self._move(folder, _free_names(self.upload.name))

    def to_error(self, reason: str) -> str:
        """Move the file to `error/` with its reason beside it; returns its name there. Raises Pending."""
        with self._state_folder(ERROR) as folder:
            names = _free_names(self.upload.name, len(REASON))
            name = next(n for n in names if not _exists(n, folder))
            _write_reason(folder, name + REASON, reason)  # first, so that no file lies there without one
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
            folder = os.open(state, _FOLDER, dir_fd=self._folder)
        except OSError as error:
            what = f"{state}/ cannot be used, so the file stays pending"
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Pending(f"{what}: it is a symlink or no folder. Move it away.") from error
            raise Pending(_cannot(what, error)) from error
        try:
            yield folder
        finally:
            os.close(folder)

    def _move(self, folder: int, names: Iterator[str]) -> str:
        # The lease tells whether somebody opened the file for writing while it was moved, the look at what was moved
        # whether the name had come to mean another file. In both cases the file goes back, unread.
        with _lease(self.file) as lease:
            lease.check(self._status)
            if not self.unchanged:
                raise Busy("it changed while it was read; what it says now is read in another run")
            try:
                name = self._rename_to_free(folder, names)
            except OSError as error:
                raise Pending(_cannot("the file cannot be moved and stays pending", error)) from error
            moved = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if _identity(moved) != self.mark or lease.broken:
                self._put_back(folder, name)
                raise Busy("it was written again while it was moved; what it says now is read in another run")
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
        for back in _free_names(self.upload.name):
            try:
                rename_no_replace(folder, name, self._folder, back)
                return
            except FileExistsError:
                continue


def _open_upload(root: Path, upload: Upload) -> tuple[int, int]:
    where = [*upload.folder, upload.state] if upload.state else upload.folder
    try:
        with _opened(root, *where) as folder:
            descriptor = os.open(upload.name, _FILE, dir_fd=folder)
            try:
                _regular(os.fstat(descriptor), upload)
                return os.dup(folder), descriptor
            except BaseException:
                os.close(descriptor)
                raise
    except FileNotFoundError as error:
        raise Busy("it was moved away before it could be read") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Pending("it is a symlink or lies behind one, and those are not followed") from error
        raise Pending(_cannot("the file cannot be opened", error)) from error


def _regular(status: os.stat_result, upload: Upload) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Pending(f"{upload.name} is no regular file and is left alone")


class _lease:
    # A read lease on an open file: the kernel grants it only while nobody has the file open for writing. Held across
    # a check and a rename, never longer: a writer who comes meanwhile waits for us, and SIGIO tells of him.

    def __init__(self, file: BinaryIO) -> None:
        self.descriptor = file.fileno()
        self.granted = self.supported = False

    def __enter__(self) -> _lease:
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
        raise Pending(_cannot("the reason cannot be written beside it, so the file stays pending", error)) from error


def _free_names(name: str, reserve: int = 0) -> Iterator[str]:
    # X.tsv, X.1.tsv, X.2.tsv …; a name too long for what may be put behind it is shortened, at a whole character, and
    # always to the same stem: else the shorter X.1 would sort before X, and be taken for the earlier upload.
    stem, suffix = name[:-4], name[-4:]
    room = LONGEST_NAME - reserve - len(f".{_MOST_NAMES - 1}{suffix}")
    stem = os.fsencode(stem)[:room].decode("utf-8", "surrogateescape" if _odd(stem) else "ignore")
    for number in range(_MOST_NAMES):
        yield f"{stem}.{number}{suffix}" if number else stem + suffix


def _odd(text: str) -> bool:
    return any("\udc80" <= c <= "\udcff" for c in text)


def _exists(name: str, folder: int) -> bool:
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


def _cannot(what: str, error: OSError) -> str:
    advice = {
        errno.EACCES: "Everything below the tree must belong to the user that runs PowerView (see README, ownership).",
        errno.EPERM: "Everything below the tree must belong to the user that runs PowerView (see README, ownership).",
        errno.EROFS: "The file system is read-only.",
        errno.ENOSPC: "The disk is full: make room.",
        errno.EDQUOT: "The quota is used up: make room.",
    }.get(error.errno, "")
    return f"{what}: {error.strerror or error}. {advice}".rstrip()
