"""What the store must hold, read slowly and plainly from the bytes of the uploads.

This is a second reading of the logger files, written from the contracts alone: plain loops, no pandas, nothing from
powerview/. It is not fast and repairs nothing. Where it and the parser disagree, one of them is wrong.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from faults.truth_time import Row, events, kept_rows, place_in_time

UNITS = {"V", "A", "W", "kW", "VA", "var", "Wh", "kWh", "Hz", "°C", "%"}
MODEL = re.compile(r"MV_[A-Za-z0-9]+_V(002|003)")
STAMP = re.compile(rb"([0-9]{2})/([0-9]{2})/([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
NUMBER = re.compile(rb"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")

Tags = tuple[tuple[str, str], ...]
# (bucket, measurement, sorted tags, seconds since 1970) → value
Points = dict[tuple[str, str, Tags, int], float]
Place = tuple[str, str, str]
"""Which clamp: the device's serial, the position of its column (`channel_idx`), the unit."""


@dataclass(frozen=True)
class Upload:
    """One file as a logger sent it; `name` may hold surrogates (bytes that are no UTF-8)."""

    client: str
    campaign: str
    device: str
    name: str
    data: bytes


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


@dataclass(frozen=True)
class Contents:
    """What one file says: the tags of its columns; of each second that has a reading's row, what its places read; the
    events."""

    columns: list[Tags]
    rows: dict[int, dict[Place, float]]
    events: Points


class Unreadable(Exception):
    """Nothing can be had from the file: it belongs into error/."""


class Ended(Unreadable):
    """The file ends inside a header."""


def is_readable(upload: Upload, local: str, arrived: datetime | None = None) -> bool:
    """Whether the file belongs into parsed/: it has a complete row and a number, and all of them can be read."""
    try:
        points_of_file(upload, ZoneInfo(local), arrived or datetime.now(UTC))
        return read_file(upload.data, ZoneInfo(local), upload.device).whole
    except Unreadable:
        return False


def points_of_file(upload: Upload, local: tzinfo, arrived: datetime) -> Points:
    """One file's readings and events. Raises Unreadable."""
    contents = contents_of_file(upload, local, arrived)
    labels = {place_of(tags): tags for tags in contents.columns}
    points = dict(contents.events)
    for when, values in contents.rows.items():
        for place, value in values.items():
            points[upload.client, upload.campaign, labels[place], when] = value
    return points


def contents_of_file(upload: Upload, local: tzinfo, arrived: datetime) -> Contents:
    """One file's columns, readings and events. Raises Unreadable."""
    file = read_file(upload.data, local, upload.device)
    if not file.rows:
        raise Unreadable("no complete row")
    rows = place_in_time(file.rows, file.zone, arrived, upload.name)
    decimal = b"," if has_decimal_commas(file.rows) else b"."
    columns = channels(file, upload.campaign)
    readings: dict[int, dict[Place, float]] = {}
    for row in kept_rows(rows):
        numbers = [cell.replace(decimal, b".") for cell in row.cells]
        readings[seconds(row.utc)] = {
            place_of(tags): float(number)
            for tags, number in zip(columns, numbers, strict=True)
            if is_finite_number(number)
        }
    if readings and not any(readings.values()):
        raise Unreadable("no cell is a number")
    found: Points = {}
    for event, when in events(rows):
        tags = (("campaign", upload.campaign), ("device", file.master), ("event", event))
        found[upload.client, "powerview_events", tags, seconds(when)] = 1.0
    return Contents(columns, readings, found)


def place_of(tags: Tags) -> Place:
    """The place that a channel's tags name: which clamp it is, whatever its label."""
    known = dict(tags)
    return known["device"], known["channel_idx"], known.get("unit", "")


def has_decimal_commas(rows: list[Row]) -> bool:
    """Whether a comma in the cells is a decimal point: there are commas and no points."""
    cells = b" ".join(cell for row in rows for cell in row.cells)
    return b"," in cells and b"." not in cells


# The file's parts


def read_file(data: bytes, local: tzinfo, folder: str = "") -> LoggerFile:
    """Cut a file into its parts. Raises Unreadable for what is in no form that loggers write."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:-1]  # what no newline ends is not trusted
    lines = [line.removesuffix(b"\r").removesuffix(b"\r") for line in lines]
    if not lines or b"\0" in lines[0] or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable("no text")
    zone, body = header(lines, local)
    serials, labels = (cells_of(line) for line in body[:2])
    if len(serials) != len(labels) or len(labels) < 2 or not serials[0] or max(map(len, serials + labels)) > 255:
        raise Unreadable("the header rows are not those of a logger")
    lines, whole = until_another_header(body, zone, local)
    rows = [row for line in lines if (row := complete_row(line, len(labels)))]
    serials = with_zeros([serial or serials[0] for serial in serials], folder)
    return LoggerFile(serials[0], serials[1:], labels[1:], zone, rows, whole)


def header(lines: list[bytes], local: tzinfo) -> tuple[tzinfo, list[bytes]]:
    """The zone of the stamps, and the lines from the two header rows on."""
    versions = ("002",)
    zone, body = local, lines
    if lines[0] == b"START_HEADER":
        zone, body = body_under_json_header(lines)
        versions = "002", "003"
    if len(body) < 2:
        raise Ended("no header rows")
    model = MODEL.fullmatch(cells_of(body[1])[0])
    if model is None or model.group(1) not in versions:
        raise Unreadable("the marker is not one of a form that loggers write")
    return zone, body


def body_under_json_header(lines: list[bytes]) -> tuple[tzinfo, list[bytes]]:
    """The zone that a JSON header names, and the lines behind START_DATA."""
    if b"END_HEADER" not in lines[1:]:
        raise Ended("the JSON header does not end")
    end = lines.index(b"END_HEADER", 1)
    if len(lines) == end + 1:
        raise Ended("the file ends behind END_HEADER")
    try:
        said = json.loads(text(b"".join(lines[1:end])))
        setting = as_stored(said["DataTimeSettings"]).strip().lower()
        zone = UTC if setting == "utc" else ZoneInfo(as_stored(said["TimeZoneName"]).strip())
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise Unreadable("the JSON header cannot be read") from error
    if lines[end + 1] != b"START_DATA" or not (setting == "utc" or setting.startswith("local")):
        raise Unreadable("START_DATA is missing, or the clock is not known")
    return zone, lines[end + 2 :]  # END_DATA is no row, and what a client appended behind it is not lost


def until_another_header(lines: list[bytes], zone: tzinfo, local: tzinfo) -> tuple[list[bytes], bool]:
    """The lines below the two header rows, up to where those of another file follow; and whether that is all.

    A header that means the same (a client appended one file to another) changes nothing.
    """
    found, place = [], 2
    while place < len(lines):
        line = lines[place]
        if line.endswith(b"START_HEADER"):
            try:
                other_zone, body = header([b"START_HEADER", *lines[place + 1 :]], local)
            except Ended:
                return found, True
            except Unreadable:
                return found, False
            if other_zone != zone or body[:2] != lines[:2]:
                return found, False
            place = len(lines) - len(body) + 2
            continue
        if line.startswith(b"MV_"):
            above = lines[place - 1] if place > 2 else b""
            if line != lines[1] or not above.endswith(lines[0]):
                return found, False
        found.append(line)
        place += 1
    return found, True


def with_zeros(serials: list[str], folder: str) -> list[str]:
    """The serials with the zeros that a spreadsheet cut, where the folder's name shows that it did."""
    if not re.fullmatch("[0-9]+", folder) or serials[0] == folder or serials[0] != folder.lstrip("0"):
        return serials
    return [serial.zfill(len(folder)) if re.fullmatch("[0-9]+", serial) else serial for serial in serials]


def text(line: bytes) -> str:
    """A header line as text: UTF-8, else CP1252."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def cells_of(line: bytes) -> list[str]:
    """The cells of a header row as they are stored, without blanks around them."""
    return [as_stored(cell).strip() for cell in text(line).split("\t")]


def as_stored(said: str) -> str:
    """A text in a tag: what line protocol has no form for is written otherwise."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029\ufeff]", " ", said).replace("\\", "/")


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


def seconds(moment: datetime) -> int:
    """Seconds since 1970."""
    return round(moment.timestamp())


# Channels


def channels(file: LoggerFile, campaign: str) -> list[Tags]:
    """The tags of each value column, sorted by key."""
    indexes = [file.serials[: place + 1].count(serial) for place, serial in enumerate(file.serials)]
    # a column that nobody named is known by its place
    names = [name_and_unit(label or str(index)) for label, index in zip(file.labels, indexes, strict=True)]
    parts = [(serial, *name) for serial, name in zip(file.serials, names, strict=True)]
    columns = []
    for index, (device, name, unit) in zip(indexes, parts, strict=True):
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
        columns.append(tuple(sorted((key, value) for key, value in tags.items() if value)))
    return columns


def name_and_unit(label: str) -> tuple[str, str]:
    """A label's name and its unit; the unit is empty when the last word is not a known one."""
    parts = re.fullmatch(r"(.*\S)\s+(\S+)", label)
    return (parts[1], parts[2]) if parts and parts[2] in UNITS else (label, "")
