"""What the store must hold, read slowly and plainly from the bytes of the uploads.

This is a second reading of the logger files, written from the contracts alone: plain loops, no pandas, nothing from
powerview/. It is not fast and repairs nothing. Where it and the parser disagree, one of them is wrong.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

UNITS = {"V", "A", "W", "kW", "VA", "var", "Wh", "kWh", "Hz", "°C", "%"}
MODEL = re.compile(r"MV_[A-Za-z0-9]+_V(002|003)")
STAMP = re.compile(rb"([0-9]{2})/([0-9]{2})/([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
NUMBER = re.compile(rb"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CLOCK_SET_SINCE = datetime(2020, 1, 2)

# (bucket, measurement, sorted tags, seconds since 1970) → value
Points = dict[tuple[str, str, tuple[tuple[str, str], ...], int], float]


@dataclass(frozen=True)
class Upload:
    """One file as a logger sent it; `name` may hold surrogates (bytes that are no UTF-8)."""

    client: str
    campaign: str
    device: str
    name: str
    data: bytes


@dataclass
class Row:
    """One complete row: its stamp as written (`written`), its cells, and where it stands in time (UTC)."""

    written: datetime
    cells: list[bytes]
    utc: datetime | None = None
    clock_was_set: bool = True

    @property
    def is_marker(self) -> bool:
        return all(cell == b"0" for cell in self.cells)


@dataclass(frozen=True)
class LoggerFile:
    """The parts of one file: serials and labels of the value columns, the master's serial, the zone, the rows."""

    master: str
    serials: list[str]
    labels: list[str]
    zone: tzinfo
    rows: list[Row]
    whole: bool = True
    """False where another header follows, below which columns may mean something else."""


class Unreadable(Exception):
    """No complete row can be had from the file: it belongs into error/."""


def points_of(uploads: list[Upload], local: str, now: datetime, admin_bucket: str = "powerview") -> Points:
    """Everything that the store must hold once all uploads are settled.

    `local` is the zone of V002 stamps, `now` the server's clock (aware).
    """
    store: Points = {}
    for upload in sorted(uploads, key=upload_order):
        if is_refused(upload, admin_bucket):
            continue
        try:
            store.update(points_of_file(upload, ZoneInfo(local), now))
        except Unreadable:
            continue
    return store


def is_readable(upload: Upload, local: str) -> bool:
    """Whether the file belongs into parsed/: it has a complete row, and all of them can be read."""
    try:
        file = read_file(upload.data, ZoneInfo(local))
        return bool(file.rows) and file.whole
    except Unreadable:
        return False


def is_refused(upload: Upload, admin_bucket: str = "powerview") -> bool:
    """Whether a name of the upload's folders is one that must be refused."""
    folders = (upload.client, upload.campaign, upload.device)
    return (
        not all(NAME.fullmatch(name) for name in folders)
        or upload.client.lower() in ("admin", "general", "powerview-master", admin_bucket.lower())
        or upload.campaign in ("powerview_events", "parsed", "error")
        or upload.device in ("parsed", "error")
    )


def upload_order(upload: Upload) -> tuple:
    """The order of uploads: the stamp in the name (none comes first), the name, the number of a sibling."""
    stamp = re.search(r"[0-9]{6}_[0-9]{6}", upload.name)
    parts = re.fullmatch(r"(.*?)(?:\.([0-9]+))?\.tsv", upload.name, re.DOTALL)
    return (stamp.group() if stamp else "", parts.group(1), int(parts.group(2) or 0))


def points_of_file(upload: Upload, local: tzinfo, now: datetime) -> Points:
    """One file's readings and events. Raises Unreadable."""
    file = read_file(upload.data, local)
    if not file.rows:
        raise Unreadable("no complete row")
    place_in_time(file, now)
    kept = kept_rows(file.rows)
    columns = channels(file, upload.campaign)
    points: Points = {}
    for row in kept:
        for tags, cell in zip(columns, row.cells, strict=True):
            if is_finite_number(cell):
                points[upload.client, upload.campaign, tags, seconds(row.utc)] = float(cell)
    for event, when in events(file):
        tags = (("campaign", upload.campaign), ("device", as_stored(file.master)), ("event", event))
        points[upload.client, "powerview_events", tags, seconds(when)] = 1.0
    return points


# The file's parts


def read_file(data: bytes, local: tzinfo) -> LoggerFile:
    """Cut a file into its parts. Raises Unreadable for what is no V002 or V003 file."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:-1]  # what no newline ends is not trusted
    lines = [line.removesuffix(b"\r") for line in lines]
    if lines[:1] == [b"START_HEADER"]:
        zone, lines = body_under_json_header(lines)
        versions = "002", "003"
    else:
        zone, versions = local, ("002",)
    if len(lines) < 2:
        raise Unreadable("no header rows")
    serials, labels = (cells_of(line) for line in lines[:2])
    model = MODEL.fullmatch(labels[0])
    if model is None or model.group(1) not in versions or len(serials) != len(labels) or len(labels) < 2:
        raise Unreadable("the header rows are not those of a logger")
    body = until_another_header(lines)
    rows = [row for line in body if (row := complete_row(line, len(labels)))]
    return LoggerFile(serials[0], serials[1:], labels[1:], zone, rows, whole=len(body) == len(lines) - 2)


def body_under_json_header(lines: list[bytes]) -> tuple[tzinfo, list[bytes]]:
    """The zone that a JSON header names, and the lines behind START_DATA."""
    if len(lines) < 4 or lines[2] != b"END_HEADER" or lines[3] != b"START_DATA":
        raise Unreadable("a mark of the JSON header is missing")
    try:
        header = json.loads(text(lines[1]))
        setting = header["DataTimeSettings"].lower()
        zone = UTC if setting == "utc" else ZoneInfo(header["TimeZoneName"])
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise Unreadable("the JSON header cannot be read") from error
    if setting not in ("utc", "local"):
        raise Unreadable(f"DataTimeSettings {setting!r} is not known")
    return zone, lines[4:]  # END_DATA is no row, and what a client appended behind it is not lost


def until_another_header(lines: list[bytes]) -> list[bytes]:
    """The lines below the two header rows, up to where the header rows of another file follow.

    The same two rows again (a client appended one file to another) change nothing.
    """
    for place, line in enumerate(lines[2:], 2):
        if line.startswith(b"MV_") and lines[place - 1 : place + 1] != lines[:2]:
            return lines[2:place]
    return lines[2:]


def text(line: bytes) -> str:
    """A header line as text: UTF-8, else CP1252."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def cells_of(line: bytes) -> list[str]:
    """The cells of a header row, without blanks around them."""
    return [cell.strip() for cell in text(line).split("\t")]


def as_stored(said: str) -> str:
    """A text in a tag: what line protocol has no form for is written otherwise."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", said).replace("\\", "/")


def complete_row(line: bytes, width: int) -> Row | None:
    """The row in a line, or None if it has another number of cells than the header, or no valid stamp."""
    cells = line.split(b"\t")
    stamp = STAMP.fullmatch(cells[0])
    if len(cells) != width or stamp is None:
        return None
    day, month, year, hour, minute, second = (int(part) for part in stamp.groups())
    try:
        return Row(datetime(2000 + year, month, day, hour, minute, second), cells[1:])
    except ValueError:
        return None


def is_finite_number(cell: bytes) -> bool:
    """Whether a cell counts: a decimal number that a float can hold, blanks around it or none."""
    return NUMBER.fullmatch(cell.strip(b" ")) is not None and math.isfinite(float(cell))


# Time


def place_in_time(file: LoggerFile, now: datetime) -> None:
    """Give every row its UTC time, and say of which rows the logger's clock was not set."""
    passes: dict[object, int] = {}  # the night's date → which pass through its double hour we are in
    last: dict[object, datetime] = {}
    double = nights_passed_twice(file)
    for row in file.rows:
        fold = 0
        if is_double(row.written, file.zone):
            night = row.written.date()
            if night not in passes:
                begins_inside = file.rows[0].written.date() == night and is_double(file.rows[0].written, file.zone)
                passes[night] = 1 if begins_inside and night not in double else 0
            elif not row.is_marker and row.written < last.get(night, row.written):
                passes[night] = 1
            if not row.is_marker:
                last[night] = row.written
            fold = passes[night]
        row.utc = to_utc(row.written, file.zone, fold)
        row.clock_was_set = row.written >= CLOCK_SET_SINCE and row.utc <= now + timedelta(days=1)


def nights_passed_twice(file: LoggerFile) -> set[object]:
    """The dates of nights in whose double hour some reading steps back behind the reading before it."""
    found, last = set(), {}
    for row in file.rows:
        if not row.is_marker and is_double(row.written, file.zone):
            night = row.written.date()
            if row.written < last.get(night, row.written):
                found.add(night)
            last[night] = row.written
    return found


def is_double(written: datetime, zone: tzinfo) -> bool:
    """Whether a local time is there twice (the clock goes back over it)."""
    return to_utc(written, zone, 0) < to_utc(written, zone, 1)


def to_utc(written: datetime, zone: tzinfo, fold: int) -> datetime:
    """A local time in UTC. One that the spring leaves out (fold 0) counts with the offset of the winter before."""
    return written.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def seconds(moment: datetime) -> int:
    """Seconds since 1970."""
    return round(moment.timestamp())


# Readings and events


def kept_rows(rows: list[Row]) -> list[Row]:
    """The readings that count: of two with one stamp the later, unless it steps back behind the row before it."""
    kept: dict[datetime, Row] = {}
    before: Row | None = None
    for row in rows:
        if not row.clock_was_set:
            continue
        steps_back = before is not None and row.utc < before.utc
        if not row.is_marker and not (row.utc in kept and steps_back):
            kept[row.utc] = row
        before = row
    return list(kept.values())


def events(file: LoggerFile) -> list[tuple[str, datetime]]:
    """Restarts and clock faults, each with its time; none where no time is left."""
    before = readings_before(file.rows)
    after = readings_before(file.rows[::-1])[::-1]
    found = []
    for row, earlier, later in zip(file.rows, before, after, strict=True):
        if row.is_marker:
            found.append(("restart", marker_time(row, file.zone, earlier, later)))
        elif not row.clock_was_set:
            found.append(("clock_unset", later))
    return [(event, when) for event, when in found if when is not None]


def readings_before(rows: list[Row]) -> list[datetime | None]:
    """For each row the time of the last reading that stands before it."""
    times, last = [], None
    for row in rows:
        times.append(last)
        if row.clock_was_set and not row.is_marker:
            last = row.utc
    return times


def marker_time(row: Row, zone: tzinfo, before: datetime | None, after: datetime | None) -> datetime | None:
    """A marker's own time if it lies between its neighbours', else the next reading's."""
    if not row.clock_was_set:
        return after
    for fold in (0, 1):
        own = to_utc(row.written, zone, fold)
        if (before is None or before <= own) and (after is None or own <= after):
            return own
    return after


def channels(file: LoggerFile, campaign: str) -> list[tuple[tuple[str, str], ...]]:
    """The tags of each value column, sorted by key."""
    parts = [(serial, *name_and_unit(label)) for serial, label in zip(file.serials, file.labels, strict=True)]
    columns = []
    for place, (device, name, unit) in enumerate(parts):
        index = [serial for serial, _, _ in parts[: place + 1]].count(device)
        channel = f"SN: {device} - Ch: {name}"
        if parts.count((device, name, unit)) > 1:
            channel += f" ({index})"
        tags = {
            "campaign": campaign,
            "channel": channel,
            "channel_idx": str(index),
            "channel_name": name,
            "device": device,
            "unit": unit,
        }
        columns.append(tuple(sorted((key, as_stored(value)) for key, value in tags.items() if value)))
    return columns


def name_and_unit(label: str) -> tuple[str, str]:
    """A label's name and its unit; the unit is empty when the last word is not a known one."""
    name, _, last = label.rpartition(" ")
    return (name.rstrip(), last) if name.strip() and last in UNITS else (label, "")
