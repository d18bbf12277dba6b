"""This machine: settings, folders, the hook, SFTPGo, systemd's units, disks."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from powerview.monitoring.item import BAD, GOOD, UNKNOWN, Item
from powerview.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
HOOK = PROJECT / "on-upload.sh"
SFTPGO_ENVIRONMENT = (Path("/etc/sftpgo/sftpgo.env"), Path("/etc/sftpgo/env.d"))
TIMER = "powerview-sweep.timer"
SWEEP = "powerview-sweep.service"
CADDY_SETTINGS = Path("/etc/systemd/system/caddy.service.d/powerview.conf")
SYSTEMD = Path("/run/systemd/system")
SFTPGO_USER = "sftpgo"
LEAST_FREE = 1 << 30
LEAST_FREE_SHARE = 0.05


def machine(settings: Settings, sftpgo: tuple[Path, ...]) -> Iterator[Item]:
    """Every item about this machine; `sftpgo` as `run_check` takes it."""
    yield from _folders(settings)
    yield _hook()
    yield _sftpgo(sftpgo)
    yield _timer()
    yield from _services()
    yield from _disks(settings)


def configuration(settings: Settings) -> Iterator[Item]:
    where = f"Set it in {settings.env_file}."
    missing = [
        name
        for name, value in (
            ("INFLUXDB_HOST", settings.influxdb_host),
            ("INFLUXDB_ADMIN_TOKEN", settings.influxdb_admin_token),
            ("GRAFANA_PASSWORD", settings.grafana_password),
        )
        if not value
    ]
    if missing:
        yield Item("settings", BAD, f"{', '.join(missing)} not set", where)
    else:
        yield Item("settings", GOOD, f"read from {settings.env_file} and the environment")
    if settings.env_file.exists():
        yield _secrets(settings)


def _secrets(settings: Settings) -> Item:
    env, status = settings.env_file, settings.env_file.stat()
    if status.st_mode & stat.S_IRWXO:
        return Item("secrets", BAD, f"{env} is open to everybody on this machine", f"chmod o= {env}")
    owner = _owner(settings.data_dir)
    if (
        owner and _owner(env) != owner and not status.st_mode & stat.S_IRGRP
    ):  # with an ACL its mask stands where the group does
        return Item("secrets", BAD, f"{env} belongs to {_owner(env)} alone: {owner}, who owns the tree, cannot read it",
                    f"chown {owner}: {env}")  # fmt: skip
    return Item("secrets", GOOD, f"{env} is closed to others")


def _folders(settings: Settings) -> Iterator[Item]:
    folders = {
        "POWERVIEW_DATA_DIR": settings.data_dir,
        "POWERVIEW_LOG_DIR": settings.log_dir,
        "POWERVIEW_STATE_DIR": settings.state_dir,
    }
    owner = SFTPGO_USER if _exists(SFTPGO_USER) else _owner(settings.data_dir)
    for name, folder in folders.items():
        yield _folder(name, folder, owner)
    if os.path.isdir(settings.data_dir):
        yield from _closed(settings.data_dir, owner)


def _folder(name: str, folder: Path, owner: str) -> Item:
    if not os.path.isdir(folder):
        return Item(name, BAD, f"{folder} is no folder that this user can see",
                    f"mkdir -p {folder}, owned by the user that runs SFTPGo.")  # fmt: skip
    if owner and _owner(folder) != owner:
        return Item(name, BAD, f"{folder} belongs to {_owner(folder)}, not to {owner}", f"chown -R {owner}: {folder}")
    if folder.stat().st_mode & stat.S_IRWXU != stat.S_IRWXU:
        return Item(name, BAD, f"{folder} cannot be written by its owner {_owner(folder)}", f"chmod u+rwx {folder}")
    return Item(name, GOOD, f"{folder}, owned by {_owner(folder)}")


def _closed(data: Path, owner: str) -> Iterator[Item]:
    # A folder of a client, campaign or device in which the lanes could not work. Whose it is does not matter: an ACL
    # may open what the admin has made. root may do everything, and asks for the owner; anybody else asks for himself,
    # and leaves out what is the owner's business. `find` asks the kernel, as the lanes will.
    asks_for, identity = _user(owner) if os.geteuid() == 0 else _user(os.geteuid())
    others = [] if owner in ("", asks_for) else ["!", "-user", owner]
    closed = ["(", "!", "-readable", "-o", "!", "-writable", "-o", "!", "-executable", ")"]
    levels = ["-mindepth", "1", "-maxdepth", "3", "-type", "d"]
    words = ["find", "-H", data, *levels, *others, *closed, "-print0", "-quit"]
    found = subprocess.run(words, cwd="/", capture_output=True, **identity).stdout.rstrip(b"\0")
    if found:
        path = Path(os.fsdecode(found))
        yield Item("ownership", BAD, f"{path} belongs to {_owner(path)}: {asks_for} cannot work in it",
                   f"chown -R {owner}: {data}")  # fmt: skip


def _user(who: str | int) -> tuple[str, dict]:
    # The name of a user, and what subprocess.run needs to be him, which only root can be told.
    try:
        entry = pwd.getpwuid(who) if isinstance(who, int) else pwd.getpwnam(who)
    except KeyError:  # a container's, with no name
        return str(who), {}
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
    return entry.pw_name, identity if os.geteuid() == 0 else {}


def _exists(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False


def _owner(path: Path) -> str:
    try:
        return pwd.getpwuid(path.stat().st_uid).pw_name
    except KeyError:
        return str(path.stat().st_uid)
    except OSError:
        return ""  # it is not there, which another line tells


def _hook() -> Item:
    if not HOOK.is_file():
        return Item("hook", BAD, f"{HOOK} is not there", "git checkout it.")
    if not os.access(HOOK, os.X_OK):
        return Item("hook", BAD, f"{HOOK} cannot be executed", f"chmod +x {HOOK}")
    return Item("hook", GOOD, str(HOOK))


def _sftpgo(where: tuple[Path, ...]) -> Item:
    try:
        set_to = _sftpgo_settings(where)
    except OSError as error:
        return Item("SFTPGo", UNKNOWN, f"{error.filename}: {error.strerror}", "Run this as root or as SFTPGo's user.")
    copy = "Copy deploy/sftpgo.env to the end of /etc/sftpgo/sftpgo.env and restart SFTPGo."
    if not set_to:
        return Item("SFTPGo", BAD, f"nothing is set in {', '.join(map(str, where))}",
                    f"{copy} If its settings stand elsewhere, name the file with --sftpgo-env.")  # fmt: skip
    hook = set_to.get("SFTPGO_COMMON__ACTIONS__HOOK", "")
    if hook != str(HOOK):
        return Item("SFTPGo", BAD, f"its hook is {hook or 'not set'}, not {HOOK}", copy)
    if "upload" in set_to.get("SFTPGO_COMMON__ACTIONS__EXECUTE_SYNC", ""):
        return Item("SFTPGo", BAD, "EXECUTE_SYNC names upload: an upload whose hook fails is deleted",
                    "Remove SFTPGO_COMMON__ACTIONS__EXECUTE_SYNC and restart SFTPGo.")  # fmt: skip
    events = {e.strip() for e in set_to.get("SFTPGO_COMMON__ACTIONS__EXECUTE_ON", "").split(",")} - {""}
    told = events | ({"disconnects"} if set_to.get("SFTPGO_COMMON__POST_DISCONNECT_HOOK") == str(HOOK) else set())
    missing = [event for event, other in (("mkdir", "mkdir"), ("upload", "disconnects")) if not told & {event, other}]
    if missing:
        return Item("SFTPGo", BAD, f"it does not tell {HOOK.name} of {' and '.join(missing)}",
                    "SFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir,upload,rename (see deploy/sftpgo.env).")  # fmt: skip
    return Item("SFTPGo", GOOD, f"tells {HOOK.name} of {', '.join(sorted(told))}")


def _sftpgo_settings(where: tuple[Path, ...]) -> dict[str, str]:
    # systemd has read sftpgo.env when SFTPGo starts; of env.d it takes, file by file, only what is not set by then.
    # Within one file the last line counts.
    known: dict[str, str] = {}
    for file in _sftpgo_files(where):
        lines = re.findall(
            r"^[ \t]*(SFTPGO_\w+)[ \t]*=[ \t]*[\"']?([^\"'\n]*?)[\"']?[ \t\r]*$",
            file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE,
        )  # fmt: skip
        known = {**dict(lines), **known}
    return known


def _sftpgo_files(where: tuple[Path, ...]) -> Iterator[Path]:
    for place in where:
        try:
            is_folder = stat.S_ISDIR(place.stat().st_mode)
        except FileNotFoundError:
            continue
        if is_folder:
            yield from (f for f in sorted(place.iterdir()) if stat.S_ISREG(f.lstat().st_mode))  # SFTPGo skips symlinks
        else:
            yield place


def _has_systemd() -> bool:
    return SYSTEMD.is_dir() and shutil.which("systemctl") is not None


def _systemctl(question: str, unit: str) -> str:
    # is-active and is-failed both answer with the unit's state, which is active, inactive, activating, failed …
    return subprocess.run(["systemctl", question, unit], capture_output=True, text=True).stdout.strip() or "unknown"


def _timer() -> Item:
    if not _has_systemd():
        return Item(
            "timer", UNKNOWN, "this machine has no systemd", "Let something run on-upload.sh sweep every five minutes."
        )
    state = _systemctl("is-active", TIMER)
    if state == "active":
        return Item("timer", GOOD, f"{TIMER} is active")
    return Item("timer", BAD, f"{TIMER} is {state}", f"systemctl enable --now {TIMER} (see deploy/).")


def _services() -> Iterator[Item]:
    if not _has_systemd():
        return
    for unit in ("sftpgo.service", *(["caddy.service"] if CADDY_SETTINGS.exists() else [])):
        state = _systemctl("is-active", unit)
        if state == "active":
            yield Item(unit, GOOD, "is active")
        else:
            yield Item(unit, BAD, f"is {state}", f"systemctl restart {unit}; journalctl -u {unit} says why it ended.")
    state = _systemctl("is-failed", SWEEP)
    if state == "failed":
        yield Item(SWEEP, BAD, "the last sweep failed", f"journalctl -u {SWEEP} says why.")
    else:
        yield Item(SWEEP, UNKNOWN if state == "unknown" else GOOD, f"is {state}")


def _disks(settings: Settings) -> Iterator[Item]:
    seen: set[int] = set()
    for folder in (settings.data_dir, settings.log_dir, settings.state_dir):
        if not os.path.isdir(folder) or folder.stat().st_dev in seen:
            continue
        seen.add(folder.stat().st_dev)
        usage = shutil.disk_usage(folder)
        free = f"{usage.free / (1 << 30):.1f} GiB free of {usage.total / (1 << 30):.1f} at {folder}"
        scarce = usage.free < min(LEAST_FREE, usage.total * LEAST_FREE_SHARE)
        yield (
            Item("disk", BAD, free, "Make room: a full disk keeps files pending.")
            if scarce
            else Item("disk", GOOD, free)
        )
