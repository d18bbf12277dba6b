"""One installation around a copy of `on-upload.sh`, its hook called as SFTPGo calls it, its programs fakes or real."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from waiting import LONG, wait_until

PROJECT = Path(__file__).resolve().parent.parent
PLAYBOOK = "grafana-automation/playbooks/create_grafana_resources.yml"

# What SFTPGo 2.7.5 hands over. The README's ENV line puts SFTPGO_ACTION=upload before an event's own variables.
ACTION = {
    "SFTPGO_ACTION": "upload",
    "SFTPGO_ACTION_USERNAME": "company1",
    "SFTPGO_ACTION_PATH": "/srv/sftpgo/data/company1/campaign1/02001084/T302_251012_031720.tsv",
    "SFTPGO_ACTION_VIRTUAL_PATH": "/campaign1/02001084/T302_251012_031720.tsv",
    "SFTPGO_ACTION_TARGET": "",
    "SFTPGO_ACTION_VIRTUAL_TARGET": "",
    "SFTPGO_ACTION_SSH_CMD": "",
    "SFTPGO_ACTION_BUCKET": "",
    "SFTPGO_ACTION_ENDPOINT": "",
    "SFTPGO_ACTION_ROLE": "",
    "SFTPGO_ACTION_FILE_SIZE": "26711",
    "SFTPGO_ACTION_ELAPSED": "41",
    "SFTPGO_ACTION_OPEN_FLAGS": "0",
    "SFTPGO_ACTION_FS_PROVIDER": "0",
    "SFTPGO_ACTION_STATUS": "1",
    "SFTPGO_ACTION_PROTOCOL": "SFTP",
    "SFTPGO_ACTION_IP": "127.0.0.1",
    "SFTPGO_ACTION_SESSION_ID": "SFTP_784a1b2c_1",
    "SFTPGO_ACTION_TIMESTAMP": "1795520134161728330",
}
CONNECTION = {
    "SFTPGO_CONNECTION_USERNAME": "company1",
    "SFTPGO_CONNECTION_IP": "127.0.0.1",
    "SFTPGO_CONNECTION_PROTOCOL": "SFTP",
    "SFTPGO_CONNECTION_DURATION": "2",
}
UPLOAD = ACTION
MKDIR = {
    **ACTION,
    "SFTPGO_ACTION": "mkdir",
    "SFTPGO_ACTION_PATH": "/srv/sftpgo/data/company1/campaign2",
    "SFTPGO_ACTION_VIRTUAL_PATH": "/campaign2",
    "SFTPGO_ACTION_FILE_SIZE": "0",
    "SFTPGO_ACTION_ELAPSED": "0",
}
RENAME = {
    **MKDIR,
    "SFTPGO_ACTION": "rename",
    "SFTPGO_ACTION_PATH": "/srv/sftpgo/data/company1/New folder",
    "SFTPGO_ACTION_VIRTUAL_PATH": "/New folder",
    "SFTPGO_ACTION_TARGET": "/srv/sftpgo/data/company1/campaign2",
    "SFTPGO_ACTION_VIRTUAL_TARGET": "/campaign2",
}
DISCONNECT = {"SFTPGO_ACTION": "upload", **CONNECTION}

# A program that notes how it was called, waits while there is a file `gate` or `gate-<program>`, prints what the test
# wants and ends with the status that it wants. `python -m powerview watch` is the program `watch`.
FAKE = """#!/bin/bash
cd '{notes}'
me=${{0##*/}}
if [[ ${{1-}} == -m ]]; then me=$3; fi
mkdir running-$me 2>/dev/null || echo "$me overlaps" >>calls
cat /proc/$$/environ >$me.environment
printf -v words ' %q' "$@"
printf '%s%s\\n' "$me" "$words" >>calls
while [[ -e gate || -e gate-$me ]]; do sleep 0.02; done
[[ -e $me.out ]] && cat $me.out
[[ -e $me.err ]] && cat $me.err >&2
rmdir running-$me 2>/dev/null
if [[ -e $me.status ]]; then exit "$(<$me.status)"; fi
"""


class Installation:
    """A copy of the hook in a folder of its own, with its tree, logs, state and `.env`."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "powerview"
        self.notes = folder / "notes"
        self.data, self.logs, self.state = folder / "data", folder / "logs", folder / "state"
        for each in (self.home, self.notes, self.data, self.logs, self.state):
            each.mkdir(parents=True)
        self.script = self.home / "on-upload.sh"
        shutil.copy(PROJECT / "on-upload.sh", self.script)
        self.set(POWERVIEW_DATA_DIR=self.data, POWERVIEW_LOG_DIR=self.logs, POWERVIEW_STATE_DIR=self.state)

    # What it is made of

    def set(self, **settings: object) -> None:
        """Add lines to `.env`."""
        with open(self.home / ".env", "a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())

    def fake_programs(self, venv: str = ".venv") -> None:
        """Put fakes where the parser's Python and ansible-playbook are looked for, and a playbook to run."""
        for program in ("python", "ansible-playbook"):
            path = self.home / venv / "bin" / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(FAKE.format(notes=self.notes), encoding="utf-8")
            path.chmod(0o755)
        self.playbook("")

    def constants(self, **values: int) -> None:
        """Give constants of the hook other values."""
        text = self.script.read_text(encoding="utf-8")
        for name, value in values.items():
            text, count = re.subn(rf"\b{name}=\d+", f"{name}={value}", text)
            assert count == 1, f"{name} was replaced {count} times"
        self.script.write_text(text, encoding="utf-8")

    def replace_program(self, name: str, text: str) -> None:
        """Let the hook find this bash script under the name of a system program."""
        folder = self.home / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
        hook = self.script.read_text(encoding="utf-8")
        assert hook.count(" PATH=/usr/local/sbin:") == 2
        self.script.write_text(hook.replace(" PATH=", f" PATH={folder}:"), encoding="utf-8")

    def playbook(self, text: str) -> None:
        """Put a playbook where the hook runs one."""
        path = self.home / PLAYBOOK
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def real_programs(self) -> None:
        """This Python with all that is installed for it, and the real parser."""
        programs = self.home / "envs/powerview/bin"
        programs.mkdir(parents=True)
        for program, name in ((sys.executable, "python"), (shutil.which("ansible-playbook", path=bin_folder()), None)):
            if program:
                wrapper = programs / (name or Path(program).name)
                wrapper.write_text(f'#!/bin/bash\nexec "{program}" "$@"\n', encoding="utf-8")
                wrapper.chmod(0o755)
        shutil.copy(PROJECT / "tsv_parser.py", self.home)
        shutil.copytree(PROJECT / "powerview", self.home / "powerview", ignore=shutil.ignore_patterns("__pycache__"))

    # What happens to it

    def hook(self, variables: dict, **more: str | bytes) -> subprocess.Popen:
        """Start the hook as SFTPGo does, with nothing but these variables."""
        return subprocess.Popen(
            [self.script], env={**variables, **more}, cwd="/etc",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def event(self, variables: dict, **more: str | bytes) -> None:
        """One event: the hook has come back, with status 0."""
        assert self.hook(variables, **more).wait(LONG) == 0

    def settled_event(self, variables: dict, **more: str | bytes) -> None:
        """One event, and whatever it set going has come to its end."""
        self.event(variables, **more)
        self.rest()

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        """Run it as a person or a timer does, in a process group of its own."""
        return subprocess.Popen(
            [self.script, *arguments], env={"PATH": os.defpath, **environment}, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
        )  # fmt: skip

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Run it to its end: status, output, errors; times are masked."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=LONG)
        return process.returncode, out, masked(err)

    def close_gate(self, program: str = "") -> None:
        """From now on the fakes wait, or only this one."""
        (self.notes / (f"gate-{program}" if program else "gate")).touch()

    def open_gate(self, program: str = "") -> None:
        """Let the fakes go on."""
        (self.notes / (f"gate-{program}" if program else "gate")).unlink()

    # What can be seen of it

    def processes(self) -> dict[int, int]:
        """Every process at work in this installation: its pid and its parent's.

        They are known by their working directory: a process has no words between two programs.
        """
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and os.readlink(folder / "cwd") == str(self.home):
                    found[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # it has ended meanwhile
        return found

    def commands(self) -> dict[int, tuple[int, str]]:
        """Those processes for a person: each one's parent and words."""
        return {p: (of, command(p).replace(b"\0", b" ").decode()) for p, of in self.processes().items()}

    def workers(self, lane: str = "ingest", does: str = "work") -> list[int]:
        """The pids of a lane's workers (of those of sweeps: `does="lane"`), without the shells that they forked."""
        words = [b"/bin/bash", str(self.script).encode(), does.encode(), lane.encode(), b""]
        ours = {pid: parent for pid, parent in self.processes().items() if command(pid) == b"\0".join(words)}
        return [pid for pid, parent in ours.items() if parent not in ours]

    def rest(self) -> None:
        """Wait until none of its processes is left.

        Twice in a row: what is listed may end, and what it has started meanwhile is not in the list.
        """
        wait_until(
            lambda: not (self.processes() or self.processes()), LONG, lambda: f"still running: {self.commands()}"
        )

    def kill_all(self) -> None:
        """What a restart of SFTPGo's unit does to the workers and all below them."""
        for pid in [*self.processes(), *children_of(self.processes())]:
            kill(pid)
        self.rest()

    def calls(self) -> list[str]:
        """How the fakes were called, in order."""
        return lines(self.notes / "calls")

    def wait_for_calls(self, count: int) -> None:
        """Wait until the fakes were called this often."""
        wait_until(lambda: len(self.calls()) >= count, LONG, lambda: f"calls: {self.calls()}")

    def wait_for_end(self, pid: int) -> None:
        """Wait until a process of this installation has ended and holds no lock any more."""
        wait_until(lambda: has_ended(pid), LONG, lambda: f"{pid} is still running")

    def lane_status(self, lane: str) -> int | None:
        """The exit status in a lane's status file; None if there is no file."""
        file = self.state / f"{lane}.status"
        return int(file.read_text(encoding="ascii").split()[0]) if file.exists() else None

    def environment(self, program: str) -> dict[str, str]:
        """The environment that a fake was given last."""
        text = (self.notes / f"{program}.environment").read_text(encoding="utf-8")
        return dict(pair.split("=", 1) for pair in text.split("\0") if pair)

    def log(self, name: str) -> list[str]:
        """The lines of a log, times masked."""
        return [masked(line) for line in lines(self.logs / name)]


def lines(path: Path) -> list[str]:
    """The lines of a file, none if there is no file; only a newline ends a line."""
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []


def masked(text: str) -> str:
    """Text with its times as TIME."""
    return re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d ", "TIME ", text, flags=re.MULTILINE)


def bin_folder() -> str:
    """Where the programs of this Python's environment are."""
    return str(Path(sys.executable).parent)


def command(pid: int) -> bytes:
    """A process's words, each ended by a NUL; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits for nothing but to be noticed by its parent: its locks are free then.

    That it has no working directory any more is not enough: it loses its files a little later.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in ("Z", "X")
    except OSError:
        return True


def children_of(parents: Iterable[int]) -> list[int]:
    """The pids of all processes whose parent is one of these."""
    found = []
    for parent in parents:
        try:
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        except OSError:
            continue  # it has ended meanwhile
    return found


def kill(pid: int) -> None:
    """SIGKILL, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
