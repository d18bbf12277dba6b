"""Uploads to inject faults into: made ones whose values tell which file they come from, and the real samples."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from faults.truth import Upload

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
TEN_MINUTES = timedelta(minutes=10)
V003_HEADER = (
    b'START_HEADER\n{"DataZoneCode":3,"DataTypeCode":2,"DataTimeSettings":"UTC","TimeZone":"CET-1CEST,M3.5.0,M10.5.0/3"'
    b',"TimeZoneName":"Europe/Paris","FileVersion":3,"MasterType":"Tri"}\nEND_HEADER\nSTART_DATA\n'
)


def samples() -> list[Path]:
    """The real logger files."""
    found = sorted(SAMPLES.rglob("T?0*.tsv"))
    assert len(found) >= 12, f"the real logger files are missing from {SAMPLES}"
    return found


def sample_uploads() -> list[Upload]:
    """The real files, each under the serial of its own first cell where it has one."""
    return [
        Upload("samples", path.parent.name, _serial(data) or "02001283", path.name, data)
        for path in samples()
        for data in [path.read_bytes()]
    ]


def _serial(data: bytes) -> str:
    lines = data.split(b"\n")
    first = lines[4] if lines[0] == b"START_HEADER" else lines[0]
    return first.split(b"\t")[0].decode()


def v002(
    rows: Iterable[tuple[datetime, list[str]]], serials: list[str], labels: list[str], master: str = ""
) -> bytes:  # fmt: skip
    """A whole V002 file; `serials` and `labels` belong to the value columns, the first serial is the master's unless
    another is named."""
    head = ["\t".join([master or serials[0], *serials]), "\t".join(["MV_T302_V002", *labels])]
    body = ["\t".join([stamp.strftime("%d/%m/%y %H:%M:%S"), *cells]) for stamp, cells in rows]
    return "".join(f"{line}\n" for line in head + body).encode()


def v003(
    rows: Iterable[tuple[datetime, list[str]]], serials: list[str], labels: list[str], master: str = ""
) -> bytes:  # fmt: skip
    """A whole V003 file, as `v002`."""
    return V003_HEADER + v002(rows, serials, labels, master).replace(b"_V002", b"_V003", 1) + b"END_DATA\n"


def stretch(start: datetime, count: int, mark: int, columns: int = 6) -> list[tuple[datetime, list[str]]]:
    """Ten-minute rows; `mark` (0 to 999) is in every value, so that a value names the file that it comes from."""
    return [
        (start + i * TEN_MINUTES, [f"{mark}.{(i + column) % 100:02d}" for column in range(columns)])
        for i in range(count)
    ]


def columns(master: str, count: int = 6) -> tuple[list[str], list[str]]:
    """Serials and labels of a master with so many channels."""
    return [master] * count, [f"Ph {i} V" if i <= 3 else f"Voie{i - 3} W" for i in range(1, count + 1)]


def fleet(loggers: int = 4, seed: int = 5) -> list[Upload]:
    """Loggers of two clients; each sends a day, the day after, a longer stretch over both, and a torn file.

    Every file says something else about the stamps that it shares with the others: only the right order of writing
    gives the right store.
    """
    chance = random.Random(seed)
    uploads = []
    for number in range(loggers):
        serial = f"0200{1000 + number}"
        day = datetime(2025, 10, 1, 3, 20) + timedelta(days=chance.randrange(300))
        pieces = [(0, 24), (18, 24), (0, 50), (44, 20)]
        for i, (first, count) in enumerate(pieces):
            whole = v002(stretch(day + first * TEN_MINUTES, count, 10 * number + i), *columns(serial))
            data = whole[: -chance.randrange(1, 30)] if i == 3 else whole
            sent = (day + timedelta(days=1 + i)).strftime("T302_%y%m%d_0317") + f"{number:02d}.tsv"
            uploads.append(Upload(f"company{number % 2}", f"campaign{number // 2}", serial, sent, data))
    return uploads


def bulky(rows: int = 700, channels: int = 30, name: str = "T302_260301_031700.tsv") -> Upload:
    """One file that makes several bodies on each connection."""
    data = v002(stretch(datetime(2026, 1, 1), rows, 777, channels), *columns("02009999", channels))
    return Upload("company0", "campaign0", "02009999", name, data)


def local_stretch(start: datetime, count: int, zone: ZoneInfo, columns: int = 6) -> list[tuple[datetime, list[str]]]:
    """Ten-minute rows from `start` (UTC) on, stamped as a logger in that zone does; each has values of its own."""
    moments = (start + i * TEN_MINUTES for i in range(count))
    return [(m.astimezone(zone), [f"{i}.{column:02d}" for column in range(columns)]) for i, m in enumerate(moments)]


def clock_changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """The moments of a year (UTC) at which a zone's offset changes."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(365 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours[1:], offsets, offsets[1:], strict=False) if before != after]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The file with flipped bits, or cut, or with a line doubled or moved."""
    kind = chance.choice(["flipped", "flipped", "cut", "doubled", "moved"])
    if kind == "cut":
        return data[: chance.randrange(len(data))]
    if kind == "flipped":
        flipped = bytearray(data)
        for _ in range(chance.choice([1, 3, 30])):
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        return bytes(flipped)
    lines = data.split(b"\n")
    source = chance.randrange(len(lines) - 1)
    line = lines[source] if kind == "doubled" else lines.pop(source)
    lines.insert(chance.randrange(len(lines) - 1), line)
    return b"\n".join(lines)


def unreadable() -> list[Upload]:
    """Files that belong into error/: empty, headers only, a photograph's name changed, a version to come."""
    heads = v002([], *columns("02000001"))
    contents = [b"", heads, b"\xff\xd8\xff\xe0\0\x10JFIF\0", heads.replace(b"_V002", b"_V004")]
    return [
        Upload("company0", "campaign0", "02000001", f"T302_25120{i}_031700.tsv", data)
        for i, data in enumerate(contents)
    ]
