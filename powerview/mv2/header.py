"""What is above the rows of a logger file.

The opening line decides the form: START_HEADER begins a JSON header, which names the clock and promises END_DATA;
anything else is the first of the two header rows, and the stamps are local time. The marker MV_<model>_V<version> is
a name, kept and shown; a version that was never seen with a form is refused, since nothing is known about its rows.
The forms were read off real files; `tests/samples/` holds one for each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from powerview.mv2.channels import Channel, channels, clean, restored_zeros
from powerview.mv2.errors import AS_WRITTEN, SEND_AGAIN, UPDATE_FIRST, NotReadable

BOM = b"\xef\xbb\xbf"
START_HEADER, END_HEADER, START_DATA, END_DATA = b"START_HEADER", b"END_HEADER", b"START_DATA", b"END_DATA"
LONGEST_LINE = 1 << 20
LONGEST_NAME = 255
MOST_CHANNELS = 1000
"""More than ten times what a logger with all its slaves has."""

_MODEL = re.compile(r"MV_[A-Za-z0-9]+_V(\d{3})")


@dataclass(frozen=True)
class Header:
    """What is above the readings."""

    model: str
    """The marker: model and version as written in the file, such as MV_T302_V003."""
    version: str
    master: str
    channels: tuple[Channel, ...]
    zone: ZoneInfo | None
    """Zone of the stamps; None: they are UTC."""
    end_mark: bytes | None
    """The line without which the file is torn; None: nothing shows that a file of this form is whole."""
    first_row: int
    """Offset in bytes of the first row."""
    lines: int
    """How many lines are above the first row."""
    rows: tuple[bytes, bytes]
    """The two header rows, byte for byte."""
    master_type: str | None = None
    """MasterType of the JSON header (Mono or Tri: phases)."""
    file_version: str | None = None
    """FileVersion of the JSON header."""
    zeros_restored: int = 0
    """How many serials had lost their leading zeros, and got them back from the folder's name."""

    def same_meaning(self, other: Header) -> bool:
        """Whether rows below the other header mean what rows below this one mean."""
        return self.rows == other.rows and self.zone == other.zone


@dataclass(frozen=True)
class _Preamble:
    # What is above the two header rows.
    zone: ZoneInfo | None
    fields: dict[str, Any]


@dataclass(frozen=True)
class Form:
    """How files of one form begin and end. A new form is one more of these in FORMS."""

    opening: bytes | None
    """The line that only files of this form begin with; None: the header rows come at once."""
    end_mark: bytes | None
    versions: frozenset[str]
    """The versions whose markers were seen in this form."""
    preamble: Callable[[_Lines, ZoneInfo], _Preamble]


def _no_preamble(_lines: _Lines, timezone: ZoneInfo) -> _Preamble:
    return _Preamble(timezone, {})


def _json_preamble(lines: _Lines, _timezone: ZoneInfo) -> _Preamble:
    # START_HEADER, one JSON object on one line or several, END_HEADER, START_DATA
    lines.take()
    first = lines.number + 1
    text = bytearray()
    while (line := lines.take()) != END_HEADER:
        text += line
        if len(text) > LONGEST_LINE:
            raise NotReadable(f"line {lines.number}: there is no END_HEADER within 1 MiB. {SEND_AGAIN}")
    try:
        fields = json.loads(_text(text))
    except (ValueError, RecursionError) as error:
        what = error if isinstance(error, json.JSONDecodeError) else "numbers or brackets without end"
        raise NotReadable(f"line {first}: the header is not valid JSON: {what}. {SEND_AGAIN}") from error
    if not isinstance(fields, dict):
        raise NotReadable(f"line {first}: the header must be a JSON object. {SEND_AGAIN}")
    if lines.take() != START_DATA:
        raise NotReadable(f"line {lines.number}: START_DATA is missing here, after END_HEADER. {SEND_AGAIN}")
    return _Preamble(_zone(fields, first), fields)


def _zone(fields: dict[str, Any], line: int) -> ZoneInfo | None:
    settings = _field(fields, "DataTimeSettings") or ""
    kind = settings.casefold()
    if kind == "utc":
        return None
    if not settings:
        raise NotReadable(f"line {line}: without DataTimeSettings the header does not name the clock. {UPDATE_FIRST}")
    if not kind.startswith("local"):
        raise NotReadable(f"line {line}: DataTimeSettings {settings!r}: UTC and local are known. {UPDATE_FIRST}")
    name = _field(fields, "TimeZoneName") or ""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise NotReadable(
            f"line {line}: TimeZoneName {name!r} is not the name of a time zone. {UPDATE_FIRST}"
        ) from error


FORMS = (
    Form(opening=START_HEADER, end_mark=END_DATA, versions=frozenset({"002", "003"}), preamble=_json_preamble),
    Form(opening=None, end_mark=None, versions=frozenset({"002"}), preamble=_no_preamble),
)


class _Lines:
    # The lines of a header, without their ends; `number` is the last one's number in the file.

    def __init__(self, file: BinaryIO, start: int, number: int) -> None:
        self.file = file
        self.number = number
        self.offset = start
        file.seek(start)

    def take(self) -> bytes:
        line = self.file.readline(LONGEST_LINE)
        self.number += 1
        self.offset += len(line)
        if not line:
            raise _Ended(f"the file ends inside its header, after line {self.number - 1}. {SEND_AGAIN}")
        if not line.endswith(b"\n"):
            if len(line) == LONGEST_LINE:
                raise NotReadable(f"line {self.number} of the header is longer than 1 MiB: {_NOT_WHOLE}")
            raise _Ended(f"line {self.number} of the header ends without a newline: {_NOT_WHOLE}")
        return line_body(line)


class _Ended(NotReadable):
    # The file ends inside its header.
    pass


_ONLY_MV2 = "Only .tsv files of MV2 loggers belong here."
_NOT_WHOLE = f"this is not a complete MV2 file. {SEND_AGAIN}"


def read_header(
    file: BinaryIO, timezone: ZoneInfo, folder: str = "", *, start: int = 0, lines_above: int = 0
) -> Header:
    """Identify the form by the opening line and read the header; at most a few lines are read.

    `timezone` is that of stamps in a file that names none, `folder` the name of the device's folder, `start` the
    offset at which the header begins, below `lines_above` lines. Raises NotReadable.
    """
    opening = _opening_line(file, start)
    form = next(f for f in FORMS if f.opening in (None, opening.removeprefix(BOM)))
    lines = _Lines(file, start + len(BOM) if opening.startswith(BOM) else start, lines_above)
    try:
        preamble = form.preamble(lines, timezone)
        rows = lines.take(), lines.take()
    except _Ended as ended:
        raise NotReadable(str(ended), incomplete=START_HEADER.startswith(opening.removeprefix(BOM))) from ended
    if rows[1].count(b"\t") > MOST_CHANNELS:
        raise NotReadable(
            f"line {lines.number} has more than {MOST_CHANNELS} channels: this is not an MV2 logger file. {_ONLY_MV2}"
        )
    devices, labels = ([clean(cell) for cell in _text(row).split("\t")] for row in rows)
    version = _version(labels[0], form, lines.number)
    _check_cells(devices, labels, lines.number)
    devices, restored = restored_zeros([device or devices[0] for device in devices], folder)
    return Header(
        model=labels[0],
        version=version,
        master=devices[0],
        channels=channels(devices[1:], labels[1:]),
        zone=preamble.zone,
        end_mark=form.end_mark,
        first_row=lines.offset,
        lines=lines.number,
        rows=rows,
        master_type=_field(preamble.fields, "MasterType"),
        file_version=_field(preamble.fields, "FileVersion"),
        zeros_restored=restored,
    )


def line_body(line: bytes) -> bytes:
    """A line without its end: LF, CRLF, or CRCRLF, which some transfers make of it."""
    return line.removesuffix(b"\n").removesuffix(b"\r").removesuffix(b"\r")


def _opening_line(file: BinaryIO, start: int) -> bytes:
    file.seek(start)
    opening = file.readline(4096)
    if not opening:
        raise NotReadable(f"the file is empty. {SEND_AGAIN}")
    if opening.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotReadable("the file is UTF-16 text; MV2 loggers write ASCII. Save it as UTF-8 and upload it again.")
    if b"\0" in opening:
        raise NotReadable(
            "line 1 contains NUL bytes: this is not an MV2 file, or its beginning was lost. " + SEND_AGAIN
        )
    if b"\r" in line_body(opening) and not opening.endswith(b"\n"):
        raise NotReadable(f"line 1 ends with a carriage return alone, where a newline is wanted. {AS_WRITTEN}")
    return line_body(opening)


def _version(model: str, form: Form, line: int) -> str:
    match = _MODEL.fullmatch(model)
    if not match:
        raise NotReadable(
            f"line {line}: MV_<model>_V<version> must be in the first cell, not {model[:40]!r}: "
            f"this is not an MV2 logger file. {_ONLY_MV2}"
        )
    version = match[1]
    known = sorted(set().union(*(f.versions for f in FORMS)))
    if version not in known:
        raise NotReadable(f"line {line}: {model[:40]}: versions {' and '.join(known)} are known. {UPDATE_FIRST}")
    if version not in form.versions:
        wanted = next(f.opening for f in FORMS if version in f.versions)
        raise NotReadable(
            f"{model[:40]}, but the file does not begin with {wanted.decode()}: nothing names its clock. {SEND_AGAIN}"
        )
    return version


def _check_cells(devices: list[str], labels: list[str], line: int) -> None:
    if len(devices) != len(labels):
        raise NotReadable(
            f"line {line - 1} has {len(devices)} cells, line {line} has {len(labels)}: each column needs a serial "
            f"number above its label. {SEND_AGAIN}"
        )
    if len(devices) < 2:
        raise NotReadable(f"line {line}: there is a time column, but no channel. {SEND_AGAIN}")
    if not devices[0]:
        raise NotReadable(f"line {line - 1}: the first cell must hold the serial number of the logger. {SEND_AGAIN}")
    longest = max(devices + labels, key=len)
    if len(longest) > LONGEST_NAME:
        raise NotReadable(
            f"lines {line - 1} and {line}: {longest[:20]!r}… is longer than {LONGEST_NAME} characters. "
            f"Shorten it there and upload the file again."
        )


def _text(line: bytes | bytearray) -> str:
    # Headers hold what people typed: UTF-8, or else the code page of their Windows.
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _field(fields: dict[str, Any], name: str) -> str | None:
    # As text for logs; None for what is no text or number.
    value = fields.get(name)
    if not isinstance(value, str | int | float):
        return None
    return clean(str(value)).encode("utf-8", "replace").decode()[:40]
