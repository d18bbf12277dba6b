"""One MV2 logger file to one Recording: its header, its frame of readings, what was left out and why.

The file is read twice. The first time only its rows' shapes and stamps are looked at, since whether a row counts can
hang on a later one (equal stamps, the doubled hour of October). The second time the cells of the rows that count are
read, a block of rows at a time, so that memory does not grow with the file. Cells stay the text that the logger wrote.

The formats were read off real files; `tests/samples/` holds one for each oddity named here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from powerview.mv2 import clock
from powerview.mv2.clock import A_DAY

UNITS = frozenset(
    ("V", "mV", "kV", "A", "mA", "kA", "W", "mW", "kW", "MW", "VA", "kVA", "var", "kvar", "VAr", "kVAr")
    + ("Wh", "kWh", "MWh", "VAh", "kVAh", "varh", "kvarh", "Hz", "°C", "%", "%RH", "ppm", "Pa", "hPa", "kPa")
    + ("bar", "mbar", "m3", "m³", "m3/h", "m³/h", "l/h", "l/min", "lx", "W/m2", "W/m²", "m/s")
)
"""Last words of a label that are units; any other last word belongs to the channel's name."""

EARLIEST = int(pd.Timestamp("2020-01-02").timestamp())
"""A logger that has lost its clock starts at 01/01/20 01:00:00: what is before this wall time was never set."""

BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 1 << 20
BLOCK_ROWS, BLOCK_BYTES = 4096, 1 << 21
LONGEST_NAME = 255
MOST_CHANNELS = 1000
"""More than ten times what a logger with all its slaves has."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_MODEL = re.compile(r"MV_[A-Za-z0-9]+_V(\d{3})")
_STAMP = re.compile(rb"\d\d/\d\d/\d\d \d\d:\d\d:\d\d")
# Possessive: a cell may be a megabyte of digits, which must not be tried in every division.
_NUMBER = re.compile(r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?", re.ASCII)
_PLAIN_NUMBERS = re.compile(rb"(?:-?[0-9]{1,300}(?:\.[0-9]{1,300})?\t)*+")


class NotReadable(Exception):
    """The file can never be read as it is. The text says what is wrong, on which line, and what to do."""


class Changed(Exception):
    """The file changed while it was read; what it says now is read another time."""


@dataclass(frozen=True)
class Channel:
    """One column of a file."""

    idx: int
    """1… in the order of the columns of one device."""
    device: str
    """Serial of the device that measures it: the master's, or a slave's own."""
    name: str
    unit: str | None
    channel: str
    """What tells it from every other channel of the file: `SN: <device> - Ch: <name>`."""


@dataclass(frozen=True)
class Header:
    """What stands above the readings."""

    model: str
    """Model and version as the file says them, such as MV_T302_V003."""
    version: str
    master: str
    channels: tuple[Channel, ...]
    zone: ZoneInfo | None
    """Zone of the stamps; None: they are UTC."""
    end_mark: bytes | None
    first_row: int
    """Offset in bytes of the first row."""
    lines: int
    """How many lines stand above the first row."""
    rows: tuple[bytes, bytes]
    """The two header rows as they stand in the file."""
    above: tuple[bytes, ...]
    """The lines above them."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the logger: `restart` or `clock_unset`, at UTC seconds."""

    kind: str
    time: int


@dataclass
class Recording:
    """One file: header, readings, events, and what was left out.

    `left_out` counts by reason; "cells" is complete only when the blocks have been read. `first` and `last` are the
    UTC seconds of the earliest and the latest row that counts. `torn` says why the file is not whole, `unread` why
    what stands behind some line cannot be read; or None.
    """

    header: Header
    rows: int
    first: int | None
    last: int | None
    events: list[Event]
    left_out: Counter[str]
    notes: Counter[str]
    torn: str | None
    unread: str | None
    readings: int = 0
    _file: BinaryIO | None = field(default=None, repr=False)
    _fate: _Fate | None = field(default=None, repr=False)

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[pd.DataFrame]:
        """The rows that count, in the file's order, `rows` at a time at most, as the text of their cells.

        Index `time`: int64 UTC seconds. Columns: positions 0… in `header.channels`. A cell is the text of a finite
        number, or None where the logger wrote none. Raises Changed if the file is shorter than it was.
        """
        self.readings = 0
        del self.left_out["cells"]
        for lines, times in _kept_lines(self._file, self.header, self._fate, rows):
            frame, bad = _cells(lines, len(self.header.channels))
            frame.index = pd.Index(times, name="time")
            self.left_out["cells"] += bad
            self.readings += frame.size - bad
            yield frame

    def frame(self) -> pd.DataFrame:
        """All readings as floats: index `time` (UTC, sorted), a column per channel named by `Channel.channel`."""
        names = [c.channel for c in self.header.channels]
        blocks = [block.astype(float) for block in self.blocks()]
        whole = pd.concat(blocks) if blocks else pd.DataFrame(columns=range(len(names)), dtype=float)
        whole.index = pd.to_datetime(whole.index.astype("int64"), unit="s", utc=True).rename("time")
        return whole.set_axis(names, axis=1).sort_index()


def read_recording(file: BinaryIO, *, timezone: ZoneInfo, now: float) -> Recording:
    """Read one logger file, open for reading in binary and seekable; it must stay open while blocks are read.

    `timezone` is that of stamps without a zone (V002); `now` (UTC seconds) bounds what a set clock can say.
    Raises NotReadable.
    """
    header = read_header(file, timezone)
    rows = _survey(file, header)
    return _judged(file, header, rows, now)


# ── the header ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Format:
    """How a version of the file begins and ends. A new version is one more of these in FORMATS."""

    first_line: bytes | None
    """The line that only files of this version begin with; None: the header rows come at once."""
    end_mark: bytes | None
    """The line without which a file is torn; None: nothing says that a file is whole."""
    preamble: Callable[[_Lines, ZoneInfo], ZoneInfo | None]
    """Reads what stands above the two header rows; returns the zone of the stamps (None: UTC)."""


def _no_preamble(_lines: _Lines, timezone: ZoneInfo) -> ZoneInfo | None:
    return timezone


def _json_preamble(lines: _Lines, _timezone: ZoneInfo) -> ZoneInfo | None:
    # START_HEADER, one JSON object, END_HEADER, START_DATA
    lines.take()
    text = bytearray()
    while (line := lines.take()) != b"END_HEADER":
        text += line
        if len(text) > LONGEST_LINE:
            raise NotReadable(f"line {lines.number}: END_HEADER does not come within 1 MiB. {AGAIN}")
    try:
        said = json.loads(_text(text))
        kind = str(said["DataTimeSettings"]).casefold()
        zone = None if kind == "utc" else str(said["TimeZoneName"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotReadable(
            f"line 2: the header must be a JSON object with DataTimeSettings (and TimeZoneName for local time): "
            f"{type(error).__name__} {error}. {AGAIN}"
        ) from error
    if lines.take() != b"START_DATA":
        raise NotReadable(f"line {lines.number}: START_DATA must stand here. {AGAIN}")
    if zone is None:
        return None
    if not kind.startswith("local"):
        raise NotReadable(f"line 2: DataTimeSettings {kind[:40]!r}: UTC and local are known. {TELL_US}")
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise NotReadable(f"line 2: TimeZoneName {zone[:40]!r} is not the name of a time zone. {TELL_US}") from error


FORMATS = {
    "002": Format(first_line=None, end_mark=None, preamble=_no_preamble),
    "003": Format(first_line=b"START_HEADER", end_mark=b"END_DATA", preamble=_json_preamble),
}

AGAIN = "The logger sends these readings again in a later file; if it does not, upload the file again."
TELL_US = "Keep the file: it can be read with --again once PowerView knows this."


class _Lines:
    # The lines of a header, without their ends; `number` is the last one's number.

    def __init__(self, file: BinaryIO, start: int) -> None:
        self.file = file
        self.number = 0
        self.offset = start
        self.taken: list[bytes] = []
        file.seek(start)

    def take(self) -> bytes:
        line = self.file.readline(LONGEST_LINE)
        self.number += 1
        self.offset += len(line)
        if not line:
            raise NotReadable(f"the file ends inside its header, behind line {self.number - 1}. {AGAIN}")
        if not line.endswith(b"\n"):
            what = "is longer than 1 MiB" if len(line) == LONGEST_LINE else "ends without a newline"
            raise NotReadable(f"line {self.number} of the header {what}: this is no whole MV2 file. {AGAIN}")
        self.taken.append(line.rstrip(b"\r\n"))
        return self.taken[-1]


def read_header(file: BinaryIO, timezone: ZoneInfo) -> Header:
    """Identify the format by the file's head and read the header; at most a few lines are read. Raises NotReadable."""
    opening = _opening_line(file)
    marked = {f.first_line: f for f in FORMATS.values()}
    shape = marked.get(opening.removeprefix(BOM), marked[None])
    lines = _Lines(file, start=len(BOM) if opening.startswith(BOM) else 0)
    zone = shape.preamble(lines, timezone)
    rows = lines.take(), lines.take()
    if rows[1].count(b"\t") > MOST_CHANNELS:
        raise NotReadable(f"line {lines.number} has more than {MOST_CHANNELS} channels: this is no MV2 logger file.")
    devices, labels = map(_texts, rows)
    version = _version(labels[0], shape, lines.number)
    return Header(
        model=labels[0],
        version=version,
        master=devices[0],
        channels=_channels(devices, labels, lines.number),
        zone=zone,
        end_mark=shape.end_mark,
        first_row=lines.offset,
        lines=lines.number,
        rows=rows,
        above=tuple(lines.taken[:-2]),
    )


def _opening_line(file: BinaryIO) -> bytes:
    file.seek(0)
    opening = file.readline(4096)
    if not opening:
        raise NotReadable(f"the file is empty. {AGAIN}")
    if opening.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotReadable("the file is UTF-16 text; MV2 loggers write ASCII. Save it as UTF-8 and upload it again.")
    if b"\0" in opening:
        raise NotReadable("line 1 holds NUL bytes: this is no MV2 file, or its beginning was lost. " + AGAIN)
    return opening.rstrip(b"\r\n")


def _version(model: str, shape: Format, line: int) -> str:
    match = _MODEL.fullmatch(model)
    if not match:
        raise NotReadable(
            f"line {line}: MV_<model>_V<version> must stand in the first cell, not {model[:40]!r}: "
            f"this is no MV2 logger file. Only .tsv files of MV2 loggers belong here."
        )
    version = match[1]
    if version not in FORMATS:
        known = " and ".join(sorted(FORMATS))
        raise NotReadable(f"{model[:40]}: versions {known} are known. {TELL_US}")
    if FORMATS[version] is not shape:
        wanted = FORMATS[version].first_line or b"the serial numbers"
        raise NotReadable(f"{model[:40]}, but the file does not begin with {wanted.decode()}. {AGAIN}")
    return version


def _text(line: bytes) -> str:
    # Headers hold what people typed: UTF-8, or else the code page of their Windows.
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _texts(row: bytes) -> list[str]:
    # Line protocol has no escape for a backslash, and no line may end inside a name: both are replaced here, once, so
    # that what is compared, shown and stored is the same text.
    return [_CONTROL.sub(" ", cell).replace("\\", "/").strip() for cell in _text(row).split("\t")]


def _channels(devices: list[str], labels: list[str], line: int) -> tuple[Channel, ...]:
    if len(devices) != len(labels):
        raise NotReadable(
            f"line {line - 1} has {len(devices)} cells, line {line} has {len(labels)}: each column needs a serial "
            f"number above its label. {AGAIN}"
        )
    if len(devices) < 2:
        raise NotReadable(f"line {line}: there is no channel beside the time. {AGAIN}")
    if not devices[0]:
        raise NotReadable(f"line {line - 1}: the first cell must hold the serial number of the logger. {AGAIN}")
    longest = max(devices + labels, key=len)
    if len(longest) > LONGEST_NAME:
        raise NotReadable(f"lines {line - 1} and {line}: {longest[:20]!r}… is longer than {LONGEST_NAME} characters.")
    return tuple(_unique([_channel(d or devices[0], x) for d, x in zip(devices[1:], labels[1:], strict=True)]))


def _channel(device: str, label: str) -> tuple[str, str, str | None]:
    name, _, last = label.rpartition(" ")
    return (device, name.rstrip(), last) if name.strip() and last in UNITS else (device, label, None)


def _unique(columns: list[tuple[str, str, str | None]]) -> Iterator[Channel]:
    # Queries group by the label, so no two channels of a unit may have one, as InfluxDB will have it.
    counted: Counter[str] = Counter()
    places = []
    for device, name, unit in columns:
        counted[device] += 1
        # a column that nobody named is known by its place
        places.append((device, name or str(counted[device]), unit, counted[device]))
    labels = [f"SN: {device} - Ch: {name}" for device, name, _, _ in places]
    same = Counter((label, unit) for label, (_, _, unit, _) in zip(labels, places, strict=True))
    taken: set[tuple[str, str | None]] = set()
    for label, (device, name, unit, idx) in zip(labels, places, strict=True):
        if same[label, unit] > 1:
            label += f" ({idx})"
        while (label, unit) in taken:
            label += f" ({idx})"
        taken.add((label, unit))
        yield Channel(idx=idx, device=device, name=name, unit=unit, channel=label)


# ── the rows: which of them count ────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Rows:
    # The rows that have the right shape, in the file's order, and what was left out because it has not.
    wall: np.ndarray
    marker: np.ndarray
    left_out: Counter[str]
    torn: str | None
    unread: str | None


_ANOTHER_HEADER = b"another header"


@dataclass
class _Fate:
    # For each row of the right shape: its UTC seconds and whether it counts.
    utc: np.ndarray
    counts: np.ndarray


def _row_lines(file: BinaryIO, header: Header) -> Iterator[bytes]:
    # Every line behind the header; the last one may lack its newline. A line of any length costs 1 MiB at most: what
    # is longer than any row is cut short, and is no row. Where another header begins, as when a client appends one
    # file to another, columns may mean other channels, and stamps another clock: nothing behind it is read.
    file.seek(header.first_row)
    before = b""
    for line in iter(partial(file.readline, LONGEST_LINE), b""):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            line = b"\0" + _line_end(file)
        body = line.rstrip(b"\r\n")
        other_channels = body.startswith(b"MV_") and not (body == header.rows[1] and before.endswith(header.rows[0]))
        other_settings = body.startswith(b"{") and (before,) == header.above[:1] and body != header.above[1]
        if other_channels or other_settings:
            yield _ANOTHER_HEADER
            return
        yield line
        before = body


def _line_end(file: BinaryIO) -> bytes:
    # Skips to the end of the line; returns its newline, or nothing if the file ends first.
    while (more := file.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
        pass
    return more[-1:]


def _survey(file: BinaryIO, header: Header) -> _Rows:
    width = len(header.channels)
    marker_cells = b"\t0" * width
    stamps: list[bytes] = []
    walls: list[np.ndarray] = []
    markers = bytearray()
    left_out: Counter[str] = Counter()
    whole = header.end_mark is None
    torn = unread = None
    for number, line in enumerate(_row_lines(file, header), header.lines + 1):
        body = line.rstrip(b"\r\n")
        if body == header.end_mark:
            whole = True
        elif line == _ANOTHER_HEADER:
            unread = (
                f"line {number}: another header begins here, with other channels or time settings. What stands above "
                f"it is stored; upload the rest, from line {number - 1} on, as a file of its own."
            )
        elif not line.endswith(b"\n"):
            torn = "the last row is cut"
            left_out["cut rows"] += 1
        elif _shaped(body, width):
            stamps.append(body[:17])
            markers.append(body[17:] == marker_cells)
            if len(stamps) == BLOCK_ROWS:
                walls.append(clock.parse_stamps(stamps))
                stamps.clear()
        elif body.strip():
            torn = torn or "there are malformed rows"
            left_out["malformed rows"] += 1
    walls.append(clock.parse_stamps(stamps))
    marker = np.frombuffer(bytes(markers), np.bool_)
    torn = torn if whole else f"{header.end_mark.decode()} is missing"
    return _Rows(np.concatenate(walls), marker, left_out, torn, unread)


def _shaped(body: bytes, width: int) -> bool:
    return body.count(b"\t") == width and body[17:18] == b"\t" and _STAMP.fullmatch(body, 0, 17) is not None


def _judged(file: BinaryIO, header: Header, rows: _Rows, now: float) -> Recording:
    dated = rows.wall != clock.NO_TIME
    if not dated.any():
        raise NotReadable(_no_row(header, rows))
    rows.left_out["bad stamps"] = int(np.count_nonzero(~dated))
    reading = dated & ~rows.marker
    unset = reading & (rows.wall < EARLIEST)
    reading &= ~unset
    utc = np.full(len(rows.wall), clock.NO_TIME, np.int64)
    utc[reading], missing_hour = clock.to_utc(rows.wall[reading], header.zone)
    ahead = reading & (utc > now + A_DAY)
    if ahead.any():  # read the rest once more: such a row may stand between the two passes of the doubled hour
        reading &= ~ahead
        unset |= ahead
        utc[ahead] = clock.NO_TIME
        utc[reading], missing_hour = clock.to_utc(rows.wall[reading], header.zone)
    _place_markers(utc, rows, reading, header.zone, latest=now + A_DAY)
    events = sorted(_events(utc, rows.marker & dated, unset, reading), key=lambda e: (e.time, e.kind))
    repeated = _drop_repeated(utc, reading, rows.marker & (utc != clock.NO_TIME))
    rows.left_out.update({
        "restart markers": int(np.count_nonzero(rows.marker & dated)),
        "unset clock": int(np.count_nonzero(unset)),
        "repeated stamps": repeated,
    })  # fmt: skip
    kept = utc[reading]
    return Recording(
        header=header,
        rows=len(kept),
        first=int(kept.min()) if len(kept) else None,
        last=int(kept.max()) if len(kept) else None,
        events=events,
        left_out=+rows.left_out,
        notes=+Counter({"stamps in the hour that March leaves out": missing_hour}),
        torn=rows.torn,
        unread=rows.unread,
        _file=file,
        _fate=_Fate(utc, reading),
    )


def _no_row(header: Header, rows: _Rows) -> str:
    found = ", ".join(f"{n} {what}" for what, n in rows.left_out.items()) or "nothing"
    if len(rows.wall):
        found = f"{len(rows.wall)} rows whose stamp is no date"
    return f"there is no complete row behind line {header.lines}, the header: {found}. {AGAIN}"


def _place_markers(utc: np.ndarray, rows: _Rows, reading: np.ndarray, zone: ZoneInfo | None, latest: float) -> None:
    # A marker's own stamp as an instant; markers of a clock that was not set stay without one.
    markers = np.flatnonzero(rows.marker & (rows.wall >= EARLIEST))
    own = clock.nearest_to_utc(rows.wall[markers], zone, _before(utc, reading, markers))
    utc[markers] = np.where(own <= latest, own, clock.NO_TIME)


def _before(utc: np.ndarray, rows: np.ndarray, where: np.ndarray) -> np.ndarray:
    # For each place the time of the last of `rows` above it; NO_TIME if there is none.
    at = np.flatnonzero(rows)
    return np.append(utc[at], clock.NO_TIME)[np.searchsorted(at, where) - 1]


def _behind(utc: np.ndarray, rows: np.ndarray, where: np.ndarray) -> np.ndarray:
    # For each place, which is none of `rows`, the time of the first of them below it; NO_TIME if there is none.
    at = np.flatnonzero(rows)
    return np.append(utc[at], clock.NO_TIME)[np.searchsorted(at, where)]


def _events(utc: np.ndarray, marker: np.ndarray, unset: np.ndarray, reading: np.ndarray) -> Iterator[Event]:
    # A marker's stamp is only believed between its neighbours': some loggers write local time there in a UTC file.
    yield from (Event("clock_unset", t) for t in _times(_behind(utc, reading, np.flatnonzero(unset))))
    markers = np.flatnonzero(marker)
    own, following = utc[markers], _behind(utc, reading, markers)
    believed = (_before(utc, reading, markers) <= own) & (own <= following) & (own != clock.NO_TIME)
    in_order = own >= _before(utc, utc != clock.NO_TIME, markers)
    at_the_end = np.where(in_order, own, clock.NO_TIME)
    times = np.where(following == clock.NO_TIME, at_the_end, np.where(believed, own, following))
    yield from (Event("restart", t) for t in _times(times))


def _times(times: np.ndarray) -> list[int]:
    return np.unique(times[times != clock.NO_TIME]).tolist()


def _drop_repeated(utc: np.ndarray, reading: np.ndarray, marker: np.ndarray) -> int:
    # Of rows with the same stamp the later one stands, unless it steps back behind the row before it, markers
    # included: some loggers, after a restart, repeat an old stamp with the mean of half an interval.
    at = np.flatnonzero(reading)
    times = utc[at]
    stands = times >= _before(utc, reading | marker, at)
    stands[np.unique(times, return_index=True)[1]] = True  # the first of each stamp
    at, times = at[stands], times[stands]
    last = len(at) - 1 - np.unique(times[::-1], return_index=True)[1]
    repeated = int(np.count_nonzero(reading)) - len(last)
    reading[:] = False
    reading[at[last]] = True
    return repeated


# ── the cells of the rows that count ─────────────────────────────────────────────────────────────────────────────────


def _kept_lines(file: BinaryIO, header: Header, fate: _Fate, rows: int) -> Iterator[tuple[list[bytes], np.ndarray]]:
    # The kept rows' cells (what stands behind the stamp), a block at a time, with their UTC seconds.
    width = len(header.channels)
    counts = fate.counts.tolist()
    times = fate.utc[fate.counts]
    done = row = size = 0
    block: list[bytes] = []
    for line in _row_lines(file, header):
        body = line.rstrip(b"\r\n")
        if row == len(counts):
            break
        if line.endswith(b"\n") and _shaped(body, width):
            if counts[row]:
                block.append(body[18:])
                size += len(body)
                if len(block) == rows or size > BLOCK_BYTES:
                    yield block, times[done : done + len(block)]
                    done += len(block)
                    block, size = [], 0
            row += 1
    if done + len(block) != len(times):
        raise Changed(f"the file had {len(times)} rows that count, and now has {done + len(block)}")
    if block:
        yield block, times[done:]


def _cells(lines: list[bytes], width: int) -> tuple[pd.DataFrame, int]:
    # Every line has `width` cells, so that one split gives them all, row after row. Nothing is converted: where every
    # cell is a plain number one pass over the bytes has proved it.
    text = b"\t".join(lines) + b"\t"
    cells = text.decode(errors="replace").split("\t")
    columns = {column: cells[column:-1:width] for column in range(width)}
    if _PLAIN_NUMBERS.fullmatch(text):
        return pd.DataFrame(columns, dtype=object), 0
    checked = pd.DataFrame({column: [*map(_finite, values)] for column, values in columns.items()}, dtype=object)
    return checked, int(checked.isna().to_numpy().sum())


def _finite(cell: str) -> str | None:
    # The cell as InfluxDB takes it, or None: blanks around and a plus sign are no part of a number's text.
    text = cell.strip(" ")
    if not _NUMBER.fullmatch(text) or not np.isfinite(float(text)):
        return None
    text = text.removeprefix("+")
    digits = text.removeprefix("-")
    if digits.startswith("."):
        return text.replace(".", "0.", 1)
    return text
