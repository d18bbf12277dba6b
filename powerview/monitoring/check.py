"""Is everything in place? One line for each item, with what is wrong and what to do; nothing is changed anywhere."""

from __future__ import annotations

import gzip
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import requests
import yaml

from powerview.inbox import ERROR_DIR, REASON, Inbox, Refusal, Upload
from powerview.ingest.journal import Status, now_text, printable
from powerview.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent
HOOK = PROJECT / "on-upload.sh"
ALERTS = PROJECT / "grafana-automation" / "provisioning" / "alerting" / "powerview.yml"
SFTPGO_ENVIRONMENT = (Path("/etc/sftpgo/sftpgo.env"), Path("/etc/sftpgo/env.d"))
TIMER = "powerview-sweep.timer"
SWEEP = "powerview-sweep.service"
CADDY_SETTINGS = Path("/etc/systemd/system/caddy.service.d/powerview.conf")
SYSTEMD = Path("/run/systemd/system")
SFTPGO_USER = "sftpgo"
JOURNAL = "uploads.jsonl"
MASTER, ADMIN_DATASOURCE = "powerview-master", "powerview-master"
STORED_MASTER = f"/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/{MASTER}"
TIMEOUT = 10
LEAST_FREE = 1 << 30
LEAST_FREE_SHARE = 0.05
PENDING_TOO_LONG = 3600
FIRST_FEW = 3

GOOD, BAD, UNKNOWN = "ok", "bad", "unknown"
SIGN = {GOOD: "✓", BAD: "✗", UNKNOWN: "–"}


@dataclass(frozen=True)
class Item:
    """One thing that was looked at. `state`: ok, bad, or unknown where it cannot be told; `remedy`: what to do."""

    name: str
    state: str
    found: str
    remedy: str = ""

    def line(self) -> str:
        """The line for people."""
        return f"{SIGN[self.state]} {self.name}: {printable(self.found)}" + (f". {self.remedy}" if self.remedy else "")


NEW_SCHEMA = Item(
    "Master", BAD, "it was saved in Grafana's new schema",
    "Export it as classic JSON (Share, Export, classic model) and import that over it.",
)  # fmt: skip


def run_check(settings: Settings, *, as_json: bool = False, sftpgo: tuple[Path, ...] = SFTPGO_ENVIRONMENT) -> int:
    """Look at everything and print it; returns the exit status, 1 if anything is bad. `sftpgo` is where SFTPGo's
    environment stands, files or folders of files: what is set in one wins over those behind it."""
    items = list(look(settings, sftpgo))
    bad = any(item.state == BAD for item in items)
    if as_json:
        print(json.dumps({"time": now_text(), "ok": not bad, "items": [asdict(i) for i in items]}, ensure_ascii=False))
    else:
        print("\n".join(item.line() for item in items))
    return int(bad)


def look(settings: Settings, sftpgo: tuple[Path, ...]) -> Iterator[Item]:
    """Every item, in the order in which one builds on the other."""
    yield from _settings(settings)
    yield from _influxdb(settings)
    yield from _grafana(settings)
    yield from _folders(settings)
    yield _hook()
    yield _sftpgo(sftpgo)
    yield _timer()
    yield from _services()
    yield from _disks(settings)
    yield from _uploads(settings)


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _settings(settings: Settings) -> Iterator[Item]:
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


# ── the servers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _influxdb(settings: Settings) -> Iterator[Item]:
    if not settings.influxdb_host:
        yield Item(
            "InfluxDB", BAD, "none is named", "Set INFLUXDB_HOST; until then readings go to line protocol files."
        )
        return
    look_at = f"Is it running, and is INFLUXDB_HOST ({settings.influxdb_host}) right?"
    health = _get(f"{settings.influxdb_host}/health")
    if not isinstance(health, requests.Response) or health.status_code != 200:
        yield Item("InfluxDB", BAD, f"does not answer at {settings.influxdb_host} ({_said(health)})", look_at)
        return
    version = _json(health).get("version", "")
    if _json(health).get("name") != "influxdb":
        yield Item("InfluxDB", BAD, f"what answers at {settings.influxdb_host} is no InfluxDB 2", look_at)
        return
    yield Item("InfluxDB", GOOD, f"answers at {settings.influxdb_host}, {version}")
    if settings.influxdb_admin_token:
        yield from _influxdb_rights(settings)


def _influxdb_rights(settings: Settings) -> Iterator[Item]:
    headers = {"Authorization": f"Token {settings.influxdb_admin_token}"}
    organisations = _get(f"{settings.influxdb_host}/api/v2/orgs", headers=headers)
    if getattr(organisations, "status_code", 0) != 200:
        found = f"INFLUXDB_ADMIN_TOKEN is not accepted ({_said(organisations)})"
        yield Item("token", BAD, found, _all_access(settings))
        return
    known = {org.get("name"): org.get("id") for org in _json(organisations).get("orgs", [])}
    if settings.influxdb_org not in known:
        sees = ", ".join(map(str, known)) or "none"
        yield Item("organisation", BAD, f"the token sees {sees}, not {settings.influxdb_org}",
                   "Set INFLUXDB_ORG, or make the token in that organisation.")  # fmt: skip
        return
    yield Item("organisation", GOOD, settings.influxdb_org)
    yield _may_do_all(settings, headers, known[settings.influxdb_org]) or _may_write(settings, headers)


def _may_do_all(settings: Settings, headers: dict[str, str], org_id: str) -> Item | None:
    """What the token lacks of what the parser (buckets) and the playbooks (buckets, tokens) do; None if nothing.

    InfluxDB tells a token nothing of its own rights, but says which is missing when it is asked for a token: whether
    it may make one, then each right that it would pass on. The last one can be passed on by nobody, so no token is
    made. The answer to a token that may do all is 403, about that last one.
    """
    everywhere = [("write", "buckets"), ("read", "buckets"), ("read", "authorizations")]
    rights = [{"action": a, "resource": {"type": t, "orgID": org_id}} for a, t in everywhere]
    nobodys = {"action": "read", "resource": {"type": "instance"}}
    body = {"orgID": org_id, "status": "inactive", "description": "asked by check", "permissions": [*rights, nobodys]}
    answer = _ask("POST", f"{settings.influxdb_host}/api/v2/authorizations", headers=headers, json=body)
    status = getattr(answer, "status_code", 0)
    if status == 403 and "read:instance" in str(_json(answer).get("message")):
        return None
    if status in (401, 403):
        found = f"may not do all that PowerView does: make buckets, write to them, make tokens ({_said(answer)})"
        return Item("token", BAD, found, _all_access(settings))
    return Item("token", UNKNOWN, f"what it may do cannot be told ({_said(answer)})", _all_access(settings))


def _all_access(settings: Settings) -> str:
    return (
        "Make an all-access token on InfluxDB's page (Load Data, API Tokens, Generate, All Access) and set it in "
        f"{settings.env_file}."
    )


def _may_write(settings: Settings, headers: dict[str, str]) -> Item:
    # A comment is no point: the server looks at token and bucket, and stores nothing.
    address = f"{settings.influxdb_host}/api/v2/write"
    params = {"org": settings.influxdb_org, "bucket": settings.influxdb_bucket, "precision": "s"}
    answer = _ask("POST", address, headers=headers, params=params, data=b"# is this token allowed to write?\n")
    status = getattr(answer, "status_code", 0)
    if status == 204:
        return Item("token", GOOD, f"may write to {settings.influxdb_bucket}, make buckets and tokens")
    if status == 404:
        return Item("token", BAD, f"the bucket {settings.influxdb_bucket} (INFLUXDB_BUCKET) is missing",
                    "The first upload makes it.")  # fmt: skip
    return Item("token", BAD, f"cannot write to {settings.influxdb_bucket} ({_said(answer)})",
                "InfluxDB's own log says why.")  # fmt: skip


def _grafana(settings: Settings) -> Iterator[Item]:
    look_at = f"Is it running, and is GRAFANA_URL ({settings.grafana_url}) right?"
    health = _get(f"{settings.grafana_url}/api/health")
    if getattr(health, "status_code", 0) != 200 or "database" not in _json(health):
        yield Item("Grafana", BAD, f"does not answer at {settings.grafana_url} ({_said(health)})", look_at)
        return
    yield Item("Grafana", GOOD, f"answers at {settings.grafana_url}, {_json(health).get('version', '')}")
    if not settings.grafana_password:
        return
    login = (settings.grafana_username, settings.grafana_password)
    headers = {"X-Grafana-Org-Id": "1"}
    organisation = _get(f"{settings.grafana_url}/api/orgs/1/users", auth=login, headers=headers)
    status = getattr(organisation, "status_code", 0)
    if status != 200:
        what = "is refused" if status == 401 else "is no administrator" if status == 403 else "cannot be tried"
        yield Item("Grafana's admin", BAD, f"the login of {settings.grafana_username} {what} ({_said(organisation)})",
                   "Set GRAFANA_USERNAME and GRAFANA_PASSWORD.")  # fmt: skip
        return
    yield Item("Grafana's admin", GOOD, f"{settings.grafana_username} can log in")
    yield _master(settings, login, headers)
    yield _admin_datasource(settings, login, headers)


def _master(settings: Settings, login: tuple[str, str], headers: dict[str, str]) -> Item:
    address = f"{settings.grafana_url}/api/dashboards/uid/{MASTER}"
    answer = _get(address, params={"apiVersion": "v1beta1"}, auth=login, headers=headers)
    status = getattr(answer, "status_code", 0)
    if status == 404:
        return Item("Master", BAD, "the dashboard is not there", "The next sweep imports it: on-upload.sh sweep.")
    dashboard = _json(answer).get("dashboard", {})
    if status == 406 or "elements" in dashboard:
        return NEW_SCHEMA
    stored = _get(f"{settings.grafana_url}{STORED_MASTER}", auth=login, headers=headers)
    if _stored_version(stored).startswith("v2"):
        return NEW_SCHEMA
    if status != 200 or "panels" not in dashboard:
        return Item("Master", BAD, f"it cannot be read ({_said(answer)})", "Look at it in Grafana: Dashboards, admin.")
    return Item("Master", GOOD, f"there and classic, {len(dashboard['panels'])} panels")


def _stored_version(answer: requests.Response | str) -> str:
    # Grafana 13 converts a dashboard of the new schema where the old address is asked, with loss; this one tells.
    status = _json(answer).get("status")
    conversion = status.get("conversion") if isinstance(status, dict) else None
    return str(conversion.get("storedVersion", "")) if isinstance(conversion, dict) else ""


def _admin_datasource(settings: Settings, login: tuple[str, str], headers: dict[str, str]) -> Item:
    address = f"{settings.grafana_url}/api/datasources/uid/{ADMIN_DATASOURCE}"
    answer = _get(f"{address}/health", auth=login, headers=headers)
    status = getattr(answer, "status_code", 0)
    if status == 200:
        return Item("Grafana reads InfluxDB", GOOD, f"at {settings.influxdb_url}")
    if status == 404:
        return Item("Grafana reads InfluxDB", BAD, "the data source powerview-master is not there",
                    "The next sweep makes it: on-upload.sh sweep.")  # fmt: skip
    return Item("Grafana reads InfluxDB", BAD, f"it cannot ({_said(answer)})",
                f"INFLUXDB_URL ({settings.influxdb_url}) must be InfluxDB's address as Grafana sees it.")  # fmt: skip


def _get(address: str, **kwargs) -> requests.Response | str:
    return _ask("GET", address, **kwargs)


def _ask(method: str, address: str, **kwargs) -> requests.Response | str:
    # The answer, or why there was none; a redirect is no answer of these servers.
    try:
        return requests.request(method, address, timeout=TIMEOUT, allow_redirects=False, **kwargs)
    except requests.ConnectionError:
        return "no connection"
    except requests.Timeout:
        return f"no answer within {TIMEOUT} s"
    except requests.RequestException as error:
        return type(error).__name__


def _json(answer: requests.Response | str) -> dict:
    try:
        said = answer.json() if isinstance(answer, requests.Response) else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _said(answer: requests.Response | str) -> str:
    if isinstance(answer, str):
        return answer
    message = _json(answer).get("message", "")
    return f"{answer.status_code} {str(message)[:150]}".strip()


# ── this machine ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── the uploads ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _uploads(settings: Settings) -> Iterator[Item]:
    if not os.path.isdir(settings.data_dir):
        return
    yield _last_upload(settings.log_dir)
    yield _in_error(settings.data_dir)
    yield from _pending(settings)


def _last_upload(logs: Path) -> Item:
    try:
        said = next(filter(None, map(_last_settled, _journals(logs))), None)
    except OSError as error:
        return Item("last upload", UNKNOWN, f"{error.filename}: {error.strerror}",
                    "Run this as root or as SFTPGo's user.")  # fmt: skip
    if said is None:
        return Item("last upload", UNKNOWN, f"no {logs / JOURNAL} tells of one", "The first upload writes it.")
    age = time.time() - datetime.fromisoformat(said["time"]).timestamp()
    found = f"{said['time']} {said['status']} {said['path']}"
    if age > silent_hours() * 3600:
        return Item("last upload", BAD, f"{found}: nothing for {age / 3600:.0f} hours",
                    "Do the loggers reach SFTPGo (port 2022), and does SFTPGo run the hook?")  # fmt: skip
    return Item("last upload", GOOD, found)


def silent_hours() -> float:
    """How long a silence may last: as the alert rule says, which is the one place where it stands."""
    rules = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
    silent = next(rule for rule in rules if rule["uid"] == "powerview-silent")
    return silent["data"][1]["model"]["conditions"][0]["evaluator"]["params"][0]


def _journals(logs: Path) -> Iterator[Path]:
    # The newest first. logrotate calls them by their date, compresses all but the newest, and makes no new one.
    yield logs / JOURNAL
    yield from sorted(logs.glob(f"{JOURNAL}-*"), key=lambda p: (p.name.removesuffix(".gz"), p.suffix), reverse=True)


def _last_settled(journal: Path) -> dict | None:
    said = None
    try:
        with gzip.open(journal) if journal.suffix == ".gz" else journal.open("rb") as file:
            for line in file:
                said = _settled(line) or said
    except FileNotFoundError:
        pass  # rotated a moment ago, or never written
    except (EOFError, zlib.error, gzip.BadGzipFile):
        pass  # damaged, or logrotate is still writing it; what could be read counts
    return said


def _settled(line: bytes) -> dict | None:
    # A record of a file that was moved. What `--again` reads was uploaded long ago and stays where it is.
    try:
        said = json.loads(line)
    except ValueError:
        return None  # a full disk may have cut it
    moved = (
        isinstance(said, dict)
        and said.get("status") in (Status.OK, Status.PARTIAL, Status.ERROR)
        and said.get("settled_as")
    )
    return said if moved else None


def _in_error(data: Path) -> Item:
    found = [p for p in data.glob(f"*/*/*/{ERROR_DIR}/*") if not p.name.endswith(REASON)]
    if not found:
        return Item("files in error/", GOOD, "none")
    newest = max(found, key=lambda p: p.lstat().st_mtime)
    return Item("files in error/", BAD, f"{len(found)}, the newest {newest.relative_to(data)}",
                "Each has its reason in a .reason.txt beside it; move them away when that is seen to.")  # fmt: skip


def _pending(settings: Settings) -> Iterator[Item]:
    tree = Inbox(settings.data_dir, settings.influxdb_bucket)
    try:
        found = sorted(tree.pending(), key=lambda f: f.path)
    except OSError as error:
        yield Item("pending files", BAD, f"{settings.data_dir} cannot be read: {error.strerror}", "Look at its owner.")
        return
    yield _waiting([u for u in found if isinstance(u, Upload) and _age(settings.data_dir / u.path) > PENDING_TOO_LONG])
    yield _refused([f for f in found if isinstance(f, Refusal)])


def _waiting(old: list[Upload]) -> Item:
    if not old:
        return Item("pending files", GOOD, "none for longer than an hour")
    return Item("pending files", BAD, f"{len(old)} for longer than an hour, such as {old[0].path}",
                "uploads.log says why; on-upload.sh sweep tries them now.")  # fmt: skip


def _refused(refusals: list[Refusal]) -> Item:
    # The parser says it once of a file, which then lies there: nobody would know a month later.
    if not refusals:
        return Item("refused files", GOOD, "none")
    first = ", ".join(r.path for r in refusals[:FIRST_FEW])
    more = f" and {len(refusals) - FIRST_FEW} more" if len(refusals) > FIRST_FEW else ""
    return Item("refused files", BAD, f"{len(refusals)}: {first}{more}; {refusals[0].reason.removesuffix('.')}",
                "Rename or move them: the next sweep takes them. uploads.log has the reason of each.")  # fmt: skip


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_ctime  # a client may have set its own time of change
    except OSError:
        return 0.0
