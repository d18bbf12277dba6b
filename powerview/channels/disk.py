"""Where sheets are: beside a campaign's devices, where clients write them, and in POWERVIEW_STATE_DIR the one in force.

The sheet in force is a copy of the last one that was understood. Below the tree no symlink is followed.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from powerview.channels.sheet import Sheet, read_sheet
from powerview.channels.table import MOST_BYTES, NAME, NotUnderstood
from powerview.inbox.claim import Busy, Lease
from powerview.inbox.disk import FILE, cannot, identity, opened
from powerview.output import replacing

FOLDER, MEMORY = "channels", "channels.json"
"""In POWERVIEW_STATE_DIR: the sheets in force, as <client>/<campaign>.csv, and what is known of those in the tree."""


def in_force_path(state_dir: Path, client: str, campaign: str) -> Path:
    """Where the copy of a campaign's sheet is while one is in force."""
    return state_dir / FOLDER / client / f"{campaign}.csv"


@dataclass
class Memory:
    """What is remembered of the sheets of a tree: their marks, and why those that are not understood are not."""

    tree: str
    sheets: dict[str, list[str]]
    """client/campaign → the file's mark, and the reason or nothing."""


def load_memory(state_dir: Path) -> Memory:
    """What was remembered; nothing, for no tree, if that is lost: then every sheet is read once more."""
    try:
        known = json.loads((state_dir / MEMORY).read_text(encoding="utf-8"))
        sheets = {str(key): [str(mark), str(reason)] for key, (mark, reason) in known["sheets"].items()}
        return Memory(str(known["tree"]), sheets)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Memory("", {})


def save_memory(state_dir: Path, memory: Memory) -> None:
    """Remember it. Raises OSError."""
    with replacing(state_dir / MEMORY, mode=0o660) as file:
        file.write(json.dumps({"tree": memory.tree, "sheets": memory.sheets}).encode())


def read_beside(root: Path, client: str, campaign: str, *, quiet: bool = False) -> tuple[bytes, str]:
    """The bytes of the sheet beside a campaign's devices, and its mark.

    Raises FileNotFoundError, NotUnderstood if it is no file that can be read, and with `quiet` inbox.Busy while
    somebody is still writing it.
    """
    try:
        with opened(root, client, campaign) as folder, _regular(folder) as file:
            status = os.fstat(file.fileno())
            if quiet:
                with Lease(file) as lease:
                    lease.check(status)
            data = file.read(MOST_BYTES + 1)
            if quiet and identity(os.fstat(file.fileno())) != identity(status):
                raise Busy("it changed while it was being read; the next run reads it anew")
            return data, identity(status)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise NotUnderstood("it is a symlink or is reached through one: put the sheet itself here.") from error
        raise NotUnderstood(cannot("it cannot be read", error)) from error


def _regular(folder: int) -> BinaryIO:
    descriptor = os.open(NAME, FILE, dir_fd=folder)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise NotUnderstood("it is not a regular file: put the sheet itself here.")


def sheet_for(data_dir: Path, state_dir: Path, client: str, campaign: str) -> Sheet | None:
    """The sheet by which a campaign is shown: the one in force; of a tree that no lane has seen, the one beside its
    files. None if there is none.

    Raises NotUnderstood.
    """
    try:
        if load_memory(state_dir).tree == os.path.realpath(data_dir):
            return read_sheet(_bounded(in_force_path(state_dir, client, campaign)))
        return read_sheet(read_beside(data_dir, client, campaign)[0])
    except FileNotFoundError:
        return None


def _bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotUnderstood(cannot(f"{path} cannot be read", error)) from error


def put_in_force(state_dir: Path, client: str, campaign: str, data: bytes) -> None:
    """Make these bytes the sheet in force. Raises OSError."""
    path = in_force_path(state_dir, client, campaign)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, mode=0o660) as file:
        file.write(data)


def take_out_of_force(state_dir: Path, client: str, campaign: str) -> bool:
    """No sheet is in force any more; returns whether one was. Raises OSError."""
    path = in_force_path(state_dir, client, campaign)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    with suppress(OSError):  # another campaign's is still there
        path.parent.rmdir()
    return True


def sheet_in_force(state_dir: Path, client: str, campaign: str) -> Sheet | None:
    """The sheet in force, None if there is none. Raises NotUnderstood, after a change of version or by hand."""
    try:
        return read_sheet(_bounded(in_force_path(state_dir, client, campaign)))
    except FileNotFoundError:
        return None


def mark_in_force(state_dir: Path, client: str, campaign: str) -> str:
    """Changes when another sheet is put into force; empty while there is none."""
    try:
        return identity(os.stat(in_force_path(state_dir, client, campaign)))
    except OSError:
        return ""


def all_in_force(state_dir: Path) -> list[tuple[str, str]]:
    """Client and campaign of every sheet in force."""
    return [(path.parent.name, path.name.removesuffix(".csv")) for path in (state_dir / FOLDER).glob("[!.]*/[!.]*.csv")]


def write_beside(folder: int, name: str, content: bytes) -> None:
    """A file in a campaign's open folder, whole or not at all; a symlink of that name is replaced. Raises OSError."""
    with beside(folder, name) as file:
        file.write(content)


def beside(folder: int, name: str):
    """`replacing` in a folder of the tree that is open."""
    return replacing(Path(f"/proc/self/fd/{folder}/{name}"), follow=False)


def give_to(file: BinaryIO, owner: os.stat_result) -> None:
    """A new file belongs to whom its folder belongs to, where this user may give it away."""
    with suppress(PermissionError):
        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
