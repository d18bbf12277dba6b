"""The tree on disk: which files are pending, settled or refused."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from powerview.inbox.disk import FOLDER, cannot, identity, opened, settled_names
from powerview.inbox.upload import Refusal, Upload
from powerview.names import ERROR_DIR, PARSED_DIR, is_tsv, refused_names
from powerview.seconds import A_DAY


class NoSuchFile(Exception):
    """A person named a file that is not there, or not in the tree."""


class Inbox:
    """The tree below `root` (DATA). `admin_bucket` is the name that no client may have."""

    def __init__(self, root: Path, admin_bucket: str) -> None:
        self.root = root
        self.admin_bucket = admin_bucket
        self.folders_with_parsed: set[tuple[str, str, str]] = set()

    def pending(self) -> Iterator[Upload | Refusal]:
        """Every file that waits to be read, and every file that is refused, in no order.

        On its way it notes the devices' folders that have a `parsed/` folder, in `folders_with_parsed`.
        Raises OSError if the tree itself cannot be read.
        """
        with opened(self.root) as folder:
            yield from self._level(folder, (), want_settled=False)

    def settled(self) -> Iterator[Upload]:
        """Every file in a `parsed/` folder, and every PARSED_* file of the earlier convention, in no order."""
        with opened(self.root) as folder:
            found = self._level(folder, (), want_settled=True)
            yield from (f for f in found if isinstance(f, Upload))

    def devices(self, client: str, campaign: str) -> dict[str, str]:
        """The folders of a campaign that can be a device's, each with a mark.

        The mark changes whenever a file of the folder is settled, or one that was settled comes or goes.
        """
        try:
            with opened(self.root, client, campaign) as folder, os.scandir(folder) as entries:
                names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
                return {
                    name: " ".join(_last_change(f"{name}/{state}", folder) for state in (PARSED_DIR, ERROR_DIR))
                    for name in names
                    if not refused_names(client, campaign, name, admin_bucket=self.admin_bucket)
                }
        except OSError:  # it is gone, or whoever reads its files reports what is wrong
            return {}

    def settled_in(self, folder: tuple[str, str, str]) -> list[Upload]:
        """The files of a device's folder that were settled, in no order.

        Those in `error/` are among them: their complete rows may be stored.
        """
        return [found for state in (PARSED_DIR, ERROR_DIR, "") for found in self._in_state(folder, state)]

    def _in_state(self, device: tuple[str, str, str], state: str) -> list[Upload]:
        # Files only: what else somebody put there has no readings, and must not stand in a file's way.
        try:
            with opened(self.root, *device, *filter(None, [state])) as folder, os.scandir(folder) as entries:
                names = [e.name for e in entries if is_tsv(e.name) and e.is_file(follow_symlinks=False)]
        except OSError:  # there is no such folder yet, or `settle` will report what is wrong with it
            return []
        return [Upload(*device, name, state) for name in names if state or name.startswith("PARSED_")]

    def settled_name(self, upload: Upload) -> str:
        """The name that a pending file would get in `parsed/` now."""
        try:
            with opened(self.root, *upload.folder) as folder:
                return next(settled_names(upload.name, folder))
        except OSError:
            return upload.name

    def find(self, path: Path) -> Upload | Refusal:
        """The file that a person names by its path, absolute, relative, or below the tree. Raises NoSuchFile.

        The tree, and the path to it, may be named by a symlink; below it none is followed.
        """
        root = self.root.resolve()
        for candidate in (Path(os.path.abspath(path)), Path(os.path.abspath(self.root / path))):
            for tree in dict.fromkeys((self.root, root)):
                if candidate.is_relative_to(tree) and os.path.lexists(candidate):
                    return self._placed(candidate, candidate.relative_to(tree).parts)
            real = candidate.parent.resolve() / candidate.name
            if real.is_relative_to(root) and os.path.lexists(real):
                return self._placed(real, real.relative_to(root).parts)
        if not os.path.lexists(path):
            raise NoSuchFile(f"{path}: there is no such file")
        raise NoSuchFile(f"{path} is not in the tree {self.root}: name its tree with -d")

    def _placed(self, path: Path, parts: tuple[str, ...]) -> Upload | Refusal:
        named = "/".join(parts) or str(path)
        if path.is_dir() and not path.is_symlink():
            return Refusal(named, "this is a folder: name the files in it (such as FOLDER/*.tsv)")
        if not is_tsv(path.name):
            return Refusal(named, NOT_TSV)
        state = parts[3] if len(parts) == 5 and parts[3] in (PARSED_DIR, ERROR_DIR) else ""
        if len(parts) != (5 if state else 4):
            return Refusal(named, _WRONG_PLACE)
        reason = refused_names(*parts[:3], admin_bucket=self.admin_bucket)
        if reason:
            return Refusal(named, reason)
        return Upload(*parts[:3], parts[-1], state)

    def _level(self, folder: int, parts: tuple[str, ...], want_settled: bool) -> Iterator[Upload | Refusal]:
        reason = refused_names(*parts[:3], admin_bucket=self.admin_bucket) if 0 < len(parts) < 4 else None
        if reason:
            yield from _every_tsv(folder, parts, reason)
            return
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(folder, (*parts, entry.name), want_settled)
            elif is_tsv(entry.name) and entry.is_file(follow_symlinks=False):
                yield from self._file(entry, parts, want_settled)
            elif len(parts) == 3 and not want_settled and _is_left_behind(entry):
                yield Refusal("/".join((*parts, entry.name)), NOT_TSV, _mark(entry))

    def _below(self, folder: int, parts: tuple[str, ...], want_settled: bool) -> Iterator[Upload | Refusal]:
        if parts == (_FILE_SYSTEMS_OWN,):
            return
        inside_device = len(parts) == 4
        if inside_device and parts[3] == PARSED_DIR:
            self.folders_with_parsed.add(parts[:3])
        if inside_device and parts[3] in (PARSED_DIR, ERROR_DIR) and not (want_settled and parts[3] == PARSED_DIR):
            return
        if len(parts) > 64:
            yield Refusal("/".join(parts), "folders are nested too deeply here: " + _WRONG_PLACE)
            return
        try:
            below = os.open(parts[-1], FOLDER, dir_fd=folder)
        except FileNotFoundError:
            return  # moved away meanwhile
        except OSError as error:
            yield Refusal("/".join(parts), cannot("the folder cannot be read", error))
            return
        try:
            yield from self._level(below, parts, want_settled)
        finally:
            os.close(below)

    def _file(self, entry: os.DirEntry, parts: tuple[str, ...], want_settled: bool) -> Iterator[Upload | Refusal]:
        old_mark = entry.name.startswith("PARSED_")
        if len(parts) == 4 and parts[3] == PARSED_DIR or (len(parts) == 3 and old_mark):
            if want_settled:
                yield Upload(*parts[:3], entry.name, parts[3] if len(parts) == 4 else "")
        elif want_settled:
            return
        elif len(parts) == 3:
            yield Upload(*parts, entry.name)
        elif not old_mark:
            yield Refusal("/".join((*parts, entry.name)), _WRONG_PLACE, _mark(entry))


NOT_TSV = "only .tsv files are read: unpack what is compressed, and give it a name that ends in .tsv"
_FILE_SYSTEMS_OWN = "lost+found"
"""A folder that ext4 has at the top of a disk, which root alone may read."""

_OLD_PART = A_DAY
"""Seconds after which a file that some client names .filepart while it uploads is taken for abandoned."""

_WRONG_PLACE = "files belong in DATA/<client>/<campaign>/<device serial>/; this one is elsewhere and is left there"


def _last_change(name: str, folder: int) -> str:
    # When something was last put into a folder or taken out of it.
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return "-"
    return f"{status.st_ino}:{status.st_mtime_ns}"


def _is_left_behind(entry: os.DirEntry) -> bool:
    # What lies in a device's folder and is no logger file; dot files are SFTPGo's unfinished uploads.
    if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
        return False
    try:
        age = time.time() - entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return False
    return not (entry.name.endswith((".filepart", ".part")) and age < _OLD_PART)


def _every_tsv(folder: int, parts: tuple[str, ...], reason: str) -> Iterator[Refusal]:
    # The files below a folder whose name is refused; deep trees are followed no further than PowerView's own depth.
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False) and len(parts) < 5:
            try:
                below = os.open(entry.name, FOLDER, dir_fd=folder)
            except OSError:
                continue
            try:
                yield from _every_tsv(below, (*parts, entry.name), reason)
            finally:
                os.close(below)
        elif is_tsv(entry.name) and entry.is_file(follow_symlinks=False):
            yield Refusal("/".join((*parts, entry.name)), reason, _mark(entry))


def _mark(entry: os.DirEntry) -> str:
    try:
        return identity(entry.stat(follow_symlinks=False))
    except OSError:
        return ""
