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
from urllib.parse import urlsplit

from powerview.monitoring.item import Item, bad, good, unknown
from powerview.settings import Settings, SettingsError, require_language, require_notifications

PROJECT = Path(__file__).resolve().parents[2]
HOOK = PROJECT / "on-upload.sh"
MOUNTED = (PROJECT / "grafana-automation/provisioning", PROJECT / "grafana-automation/dashboards")  # by compose.yaml
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
    yield from _mounted(settings)
    yield _hook()
    yield _sftpgo(sftpgo)
    yield _timer()
    yield from _services()
    yield from _disks(settings)


def configuration(settings: Settings) -> Iterator[Item]:
    """Every item about the settings themselves."""
    missing = [
        name
        for name, value in (
            ("INFLUXDB_HOST", settings.influxdb_host),
            ("INFLUXDB_ADMIN_TOKEN", settings.influxdb_admin_token),
            ("GRAFANA_PASSWORD", settings.grafana_password),
        )
        if not value
    ]
    wrong = list(_wrong_settings(settings))
    if missing:
        yield bad("settings", "settings_missing", names=", ".join(missing), env=str(settings.env_file))
    for error in wrong:
        yield bad("settings", "settings_wrong", error, error=error)
    if not missing and not wrong:
        yield good("settings", f"read from {settings.env_file} and the environment")
    if settings.env_file.exists():
        yield _secrets(settings)
    if settings.alert_urls or settings.ping_url:
        addresses, ping = len(settings.alert_urls), "a ping" if settings.ping_url else "no ping"
        yield good("notifications", f"{addresses} {'address' if addresses == 1 else 'addresses'}, {ping}")
    else:
        yield unknown("notifications", "nobody is notified when something is wrong",
                      f"Set POWERVIEW_ALERT_URLS and POWERVIEW_PING_URL in {settings.env_file}.")  # fmt: skip


def _wrong_settings(settings: Settings) -> Iterator[str]:
    for require in (require_language, require_notifications):
        try:
            require(settings)
        except SettingsError as error:
            yield str(error)
    yield from settings.replaced


def _secrets(settings: Settings) -> Item:
    env, status = settings.env_file, settings.env_file.stat()
    if status.st_mode & stat.S_IRWXO:
        return bad("secrets", "env_open", env=str(env))
    user = _owner(settings.data_dir)
    if user and _owner(env) != user and not status.st_mode & stat.S_IRGRP:  # with an ACL, the group's bits are its mask
        return bad("secrets", "env_closed", env=str(env), owner=_owner(env), user=user)
    return good("secrets", f"{env} is closed to others")


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
        return bad(name, "folder_missing", folder=str(folder))
    if owner and _owner(folder) != owner:
        return bad(name, "folder_owner", folder=str(folder), owner=_owner(folder), user=owner)
    if folder.stat().st_mode & stat.S_IRWXU != stat.S_IRWXU:
        return bad(name, "folder_closed", folder=str(folder), owner=_owner(folder))
    return good(name, f"{folder}, owned by {_owner(folder)}")


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
        values = {"folder": str(path), "owner": _owner(path), "worker": asks_for, "user": owner, "data": str(data)}
        yield bad("ownership", "tree_closed", **values)


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
        return ""  # it is not there, which another line shows


def _hook() -> Item:
    if not HOOK.is_file():
        return bad("hook", "hook_missing", hook=str(HOOK))
    if not os.access(HOOK, os.X_OK):
        return bad("hook", "hook_not_executable", hook=str(HOOK))
    return good("hook", str(HOOK))


def _mounted(settings: Settings) -> Iterator[Item]:
    # Grafana's container reads these as a user of its own; a clone made under umask 027 is closed to it, and Grafana
    # reports nothing. A Grafana on another machine has files of its own.
    if urlsplit(settings.grafana_url).hostname not in ("localhost", "127.0.0.1"):
        return
    for folder in MOUNTED:
        for path in (folder, *sorted(folder.rglob("*"))):
            wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
            if path.stat().st_mode & wanted != wanted:
                yield bad("Grafana's files", "mounted_closed", path=str(path), folder=str(folder))
                break


def _sftpgo(where: tuple[Path, ...]) -> Item:
    try:
        set_to = _sftpgo_settings(where)
    except OSError as error:
        return unknown("SFTPGo", f"{error.filename}: {error.strerror}", "Run this as root or as SFTPGo's user.")
    if not set_to:
        return bad("SFTPGo", "sftpgo_unset", files=", ".join(map(str, where)))
    hook = set_to.get("SFTPGO_COMMON__ACTIONS__HOOK", "")
    if hook != str(HOOK):
        return bad("SFTPGo", "sftpgo_other_hook" if hook else "sftpgo_no_hook", hook=hook, wanted=str(HOOK))
    if "upload" in set_to.get("SFTPGO_COMMON__ACTIONS__EXECUTE_SYNC", ""):
        return bad("SFTPGo", "sftpgo_sync")
    events = {e.strip() for e in set_to.get("SFTPGO_COMMON__ACTIONS__EXECUTE_ON", "").split(",")} - {""}
    known = events | ({"disconnects"} if set_to.get("SFTPGO_COMMON__POST_DISCONNECT_HOOK") == str(HOOK) else set())
    missing = [event for event, other in (("mkdir", "mkdir"), ("upload", "disconnects")) if not known & {event, other}]
    if missing:
        return bad("SFTPGo", "sftpgo_events", hook=HOOK.name, events=" and ".join(missing))
    return good("SFTPGo", f"runs {HOOK.name} for {', '.join(sorted(known))}")


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
        return unknown(
            "timer", "this machine has no systemd", "Let something run on-upload.sh sweep every five minutes."
        )
    state = _systemctl("is-active", TIMER)
    if state == "active":
        return good("timer", f"{TIMER} is active")
    return bad("timer", "timer_inactive", unit=TIMER, state=state)


def _services() -> Iterator[Item]:
    if not _has_systemd():
        return
    for unit in ("sftpgo.service", *(["caddy.service"] if CADDY_SETTINGS.exists() else [])):
        state = _systemctl("is-active", unit)
        if state == "active":
            yield good(unit, "is active")
        else:
            yield bad(unit, "unit_inactive", unit=unit, state=state)
    state = _systemctl("is-failed", SWEEP)
    if state == "failed":
        yield bad(SWEEP, "sweep_failed", unit=SWEEP)
    elif state == "unknown":
        yield unknown(SWEEP, "is unknown")
    else:
        yield good(SWEEP, f"is {state}")


def _disks(settings: Settings) -> Iterator[Item]:
    seen: set[int] = set()
    for folder in (settings.data_dir, settings.log_dir, settings.state_dir):
        if not os.path.isdir(folder) or folder.stat().st_dev in seen:
            continue
        seen.add(folder.stat().st_dev)
        usage = shutil.disk_usage(folder)
        free, total = usage.free / (1 << 30), usage.total / (1 << 30)
        if usage.free < min(LEAST_FREE, usage.total * LEAST_FREE_SHARE):
            yield bad("disk", "disk_full", str(folder), free=free, total=total, folder=str(folder))
        else:
            yield good("disk", f"{free:.1f} GiB free of {total:.1f} at {folder}")
