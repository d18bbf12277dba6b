"""Logger files and trees of uploads for tests, and runs of the command line on them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from waiting import LONG

from powerview.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
PARSER = ROOT / "tsv_parser.py"

LABELS = ("Ph 1 V", "Voie1 W")
PREAMBLE = b'START_HEADER\n{"DataTimeSettings":"UTC","TimeZoneName":"Europe/Paris"}\nEND_HEADER\nSTART_DATA\n'


def v002(
    *rows: str, labels: Iterable[str] = LABELS, master: str = "02001283", devices: Iterable[str] | None = None
) -> bytes:
    """A V002 file: `rows` with a blank between the cells, except the one between date and time of day."""
    return _text("MV_T302_V002", rows, labels, master, devices)


def v003(
    *rows: str, labels: Iterable[str] = LABELS, master: str = "02001311", devices: Iterable[str] | None = None,
    preamble: bytes = PREAMBLE, end: bytes = b"END_DATA\n",
) -> bytes:  # fmt: skip
    """A V003 file, rows as in `v002`."""
    return preamble + _text("MV_T302_V003", rows, labels, master, devices) + end


def _text(model: str, rows: Iterable[str], labels: Iterable[str], master: str, devices: Iterable[str] | None) -> bytes:
    labels = list(labels)
    devices = list(devices) if devices is not None else [master] * len(labels)
    lines = ["\t".join([master, *devices]), "\t".join([model, *labels])]
    lines += [re.sub(r" (?!\d\d:)", "\t", row) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def day_rows(day: str = "01/07/25", count: int = 3) -> list[str]:
    """`count` ordinary rows of two channels, ten minutes apart, from midnight on; 144 make a day."""
    assert count <= 144
    return [f"{day} {i // 6:02}:{i % 6}0:00 24{i % 10}.5{i % 10} {i}.0" for i in range(count)]


@dataclass
class Site:
    """The folders of one installation below `root`, with a closed environment to run the command line in."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.data, self.log, self.state):
            folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.defpath,
            "INFLUXDB_HOST": "",
            "INFLUXDB_ADMIN_TOKEN": "",
            "INFLUXDB_ORG": "powerview",
            "INFLUXDB_BUCKET": "powerview",
            "POWERVIEW_DATA_DIR": str(self.data),
            "POWERVIEW_LOG_DIR": str(self.log),
            "POWERVIEW_STATE_DIR": str(self.state),
            "POWERVIEW_TIMEZONE": "Europe/Paris",
            **self.environment,
        }

    @property
    def data(self) -> Path:
        """The tree of uploads."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """The folder of uploads.log and uploads.jsonl."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """What lasts from run to run."""
        return self.root / "state"

    @property
    def lines(self) -> Path:
        """Where line protocol files lie when no InfluxDB is named."""
        return self.root / "line-protocol"

    def put(self, path: str, content: bytes) -> Path:
        """An upload at `path` below the tree."""
        file = self.data / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def run(self, *arguments: str | os.PathLike, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run tsv_parser.py with these arguments; `environment` adds to that of the site."""
        return subprocess.run(
            self.command(*arguments), env={**self.environment, **environment}, cwd="/", stdin=subprocess.DEVNULL,
            capture_output=True, encoding="utf-8", errors="backslashreplace", timeout=LONG,
        )  # fmt: skip

    def command(self, *arguments: str | os.PathLike) -> list[str | os.PathLike]:
        """The words that run tsv_parser.py."""
        return [sys.executable, PARSER, *arguments]

    def settings(self) -> Settings:
        """What this environment says, whatever `.env` the project has."""
        return load_settings(self.environment, self.root / "no.env")

    def files(self) -> dict[str, bytes]:
        """Every regular file of the tree: its path below the tree and its bytes."""
        return {str(p.relative_to(self.data)): p.read_bytes() for p in self.data.rglob("*") if is_file(p)}

    def logged(self) -> list[str]:
        """The lines of uploads.log, times and durations masked."""
        file = self.log / "uploads.log"
        return masked(file.read_text(encoding="utf-8")).splitlines() if file.exists() else []

    def records(self) -> list[dict]:
        """The records of uploads.jsonl."""
        file = self.log / "uploads.jsonl"
        return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []

    def stored(self, client: str) -> list[str]:
        """The lines of a client's line protocol file, in the order in which they were written."""
        return (self.lines / f"{client}.lp").read_text(encoding="utf-8").splitlines()


def masked(text: str) -> str:
    """Text with moments and durations masked: TIME and 0.00 s."""
    text = re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d ", "TIME ", text, flags=re.MULTILINE)
    return re.sub(r"\b\d+\.\d\d s$", "0.00 s", text, flags=re.MULTILINE)


def is_file(path: Path) -> bool:
    """Whether this is a regular file itself."""
    return stat.S_ISREG(path.lstat().st_mode)


def snapshot(folder: Path) -> dict[str, tuple]:
    """All that can be seen of a folder from outside: types, times, sizes, contents."""
    return {str(p.relative_to(folder)): _seen(p) for p in (folder, *folder.rglob("*"))}


def _seen(path: Path) -> tuple:
    status = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
    return stat.filemode(status.st_mode), status.st_ino, status.st_size, status.st_mtime_ns, content
