"""Put sheets into force: every one that has changed since the last run, and none that is gone.

Level-triggered, as uploads are: what the disk shows decides, so it does not matter which event woke the lane, nor
where a process before was killed. The copy in force is made first, what is remembered is written last.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from powerview.channels import disk
from powerview.channels.sheet import read_sheet
from powerview.channels.table import NAME, REASON_NAME, NotUnderstood
from powerview.inbox import Busy
from powerview.inbox.disk import cannot, identity, opened
from powerview.names import refused_names

MOST_ABSENT = 3
"""So many clamps that are not there are named; others are counted."""

Clamps = set[tuple[str, int, str | None]]


class Fate(Enum):
    """What became of a sheet."""

    IN_FORCE = auto()
    REFUSED = auto()
    WAITING = auto()
    GONE = auto()


@dataclass(frozen=True)
class Change:
    """What is to be reported of a sheet, by its path below the tree; `mark` changes when the file does."""

    fate: Fate
    path: str
    text: str
    mark: str = ""


def put_into_force(
    data_dir: Path, state_dir: Path, admin_bucket: str, clamps: Callable[[str, str], Clamps | None]
) -> Iterator[Change]:
    """Look at every sheet of the tree, and yield what is to be reported: a refused one each time, others once.

    `clamps` has the clamps of a campaign, by device, place and unit, or None if they are not known. Raises OSError if
    the tree cannot be read, or what is remembered not be written.
    """
    tree = os.path.realpath(data_dir)
    before = disk.load_memory(state_dir)
    known = before.sheets if before.tree == tree else {}
    found, unseen = _sheets(data_dir, admin_bucket)
    now = disk.Memory(tree, {})
    for (client, campaign), mark in found.items():
        key = f"{client}/{campaign}"
        same = known.get(key, ["", ""])[0] == mark
        reason = known[key][1] if same else ""
        if same and (reason or disk.in_force_path(state_dir, client, campaign).exists()):
            now.sheets[key] = [mark, reason]
            if reason:
                yield _refused(state_dir, client, campaign, reason, mark)
            continue
        step = _Step(data_dir, state_dir, client, campaign, clamps)
        yield step.change(mark)
        if step.remembered:
            now.sheets[key] = step.remembered
    now.sheets |= {key: known[key] for key in known if any(key == u or key.startswith(f"{u}/") for u in unseen)}
    yield from _gone(data_dir, state_dir, {*now.sheets, *(f"{c}/{d}" for c, d in found)}, known, unseen)
    if now != before:
        disk.save_memory(state_dir, now)


def _sheets(data_dir: Path, admin_bucket: str) -> tuple[dict[tuple[str, str], str], set[str]]:
    # The mark of each campaign's sheet, and which clients' folders could not be looked at.
    found: dict[tuple[str, str], str] = {}
    unseen: set[str] = set()
    with opened(data_dir) as root:
        clients = _folders(root)
    for client in clients:
        if refused_names(client, admin_bucket=admin_bucket):
            continue
        try:
            with opened(data_dir, client) as folder:
                for campaign in _folders(folder):
                    if not refused_names(client, campaign, admin_bucket=admin_bucket):
                        mark = _mark(folder, campaign)
                        if mark is None:
                            unseen.add(f"{client}/{campaign}")
                        elif mark:
                            found[client, campaign] = mark
                        elif _is_there(folder, f"{campaign}/{REASON_NAME}"):
                            _remove_reason(data_dir, client, campaign)  # of a sheet that went when nothing was known
        except FileNotFoundError:
            continue  # it was moved away meanwhile
        except OSError:
            unseen.add(client)
    return found, unseen


def _folders(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _mark(client: int, campaign: str) -> str | None:
    # "" where there is no sheet, None where nobody can know.
    try:
        return identity(os.stat(f"{campaign}/{NAME}", dir_fd=client, follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        return None


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


class _Step:
    # One sheet that is new or has changed. `remembered` is what the next run need not find out again.

    def __init__(self, data_dir: Path, state_dir: Path, client: str, campaign: str, clamps) -> None:
        self._data_dir, self._state_dir, self._names, self._clamps = data_dir, state_dir, (client, campaign), clamps
        self._path = f"{client}/{campaign}/{NAME}"
        self.remembered: list[str] | None = None

    def change(self, mark: str) -> Change:
        """Put the sheet into force, or write beside it why not; one sheet's trouble stops no other."""
        try:
            data, mark = disk.read_beside(self._data_dir, *self._names, quiet=True)
            return self._good(data, mark)
        except FileNotFoundError:
            return Change(Fate.WAITING, self._path, "it was moved away before it could be read")
        except Busy as busy:
            return Change(Fate.WAITING, self._path, str(busy))
        except NotUnderstood as error:
            return self._bad(error, mark)
        except OSError as error:
            return Change(Fate.REFUSED, self._path, cannot("it cannot be put into force", error), mark)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not keep uploads waiting
            traceback.print_exc()
            what = f"PowerView failed on this sheet ({type(error).__name__}: {error}): report it"
            return Change(Fate.REFUSED, self._path, what, mark)

    def _good(self, data: bytes, mark: str) -> Change:
        sheet = read_sheet(data)
        disk.put_in_force(self._state_dir, *self._names, data)
        _remove_reason(self._data_dir, *self._names)
        self.remembered = [mark, ""]
        count = len(sheet.lines)
        text = f"in force, {count} {'clamp' if count == 1 else 'clamps'}"
        clamps = self._clamps(*self._names)
        absent = sheet.absent(clamps) if clamps is not None else []
        if absent:
            more = f" and {len(absent) - MOST_ABSENT} more" if len(absent) > MOST_ABSENT else ""
            named = ", ".join(line.clamp for line in absent[:MOST_ABSENT])
            text += f"; kept, but there are no readings of {named}{more}"
        return Change(Fate.IN_FORCE, self._path, text, mark)

    def _bad(self, error: NotUnderstood, mark: str) -> Change:
        try:
            with opened(self._data_dir, *self._names) as folder:
                text = "".join(f"{self._path}: {problem}\n" for problem in error.problems)
                disk.write_beside(folder, REASON_NAME, text.encode("utf-8", "backslashreplace"))
            self.remembered = [mark, str(error)]
        except OSError as trouble:  # tried again by the next run
            note = cannot("the reason cannot be written beside it", trouble)
            return _refused(self._state_dir, *self._names, f"{error} ({note})", mark)
        return _refused(self._state_dir, *self._names, str(error), mark)


def _refused(state_dir: Path, client: str, campaign: str, reason: str, mark: str) -> Change:
    before = disk.in_force_path(state_dir, client, campaign).exists()
    effect = "the sheet before it stays in force" if before else "no sheet is in force"
    return Change(Fate.REFUSED, f"{client}/{campaign}/{NAME}", f"{reason.rstrip('.')}; {effect}", mark)


def _gone(
    data_dir: Path, state_dir: Path, there: set[str], known: dict[str, list[str]], unseen: set[str]
) -> Iterator[Change]:
    in_force = {f"{client}/{campaign}" for client, campaign in disk.all_in_force(state_dir)}
    for key in sorted((in_force | set(known)) - there):
        client, campaign = key.split("/")
        if client in unseen or key in unseen:
            continue
        _remove_reason(data_dir, client, campaign)
        if disk.take_out_of_force(state_dir, client, campaign):
            yield Change(Fate.GONE, f"{key}/{NAME}", "it was removed and is no longer in force")


def _remove_reason(data_dir: Path, client: str, campaign: str) -> None:
    try:
        with opened(data_dir, client, campaign) as folder:
            os.unlink(REASON_NAME, dir_fd=folder)
    except OSError:
        return  # there is none, or somebody made a folder of that name
