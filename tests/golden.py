"""The expected readings of the samples: beside `X.tsv` lies `X.tsv.expected`, read by a person before it was kept.

`make golden` writes the files anew and names those that changed; the tests compare.

A file says what is whole or torn and what was left out, then numbers the series as they go to InfluxDB, then lists the
events and, one line for an instant, the values of series 1, 2, 3 … It holds every point and nothing of how they were
cut into blocks, and can be laid beside the sample line by line.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from powerview.ingest import points as encoder
from powerview.ingest.journal import counted, iso
from powerview.ingest.late import whole
from powerview.mv2 import NotReadable, Recording, read_recording

SAMPLES = Path(__file__).resolve().parent / "samples"
CASES = SAMPLES.with_name("cases")
SUFFIX = ".expected"
CAMPAIGN = "campaign"
ZONE = ZoneInfo("Europe/Paris")
ARRIVED = 1_800_000_000  # 2027-01-15: the samples' last reading is of September 2026

Points = dict[tuple[str, int], str]
"""(series, UTC seconds) → the text of the value."""


def encoded(recording: Recording, campaign: str):
    """All points of a recording, as (series, lines)."""
    for series, lines, number, _ in encoder.readings(recording, recording.header, campaign, whole(recording)):
        assert lines.count(b"\n") == number  # of which InfluxDB is asked later
        yield series, lines
    for series, lines, _ in encoder.events(recording, recording.header, campaign):
        yield series, lines


def samples() -> list[Path]:
    """Every sample, in the order of their names."""
    return sorted(SAMPLES.rglob("*.tsv"))


def cases() -> list[Path]:
    """Every file of the small inputs that were read wrongly once, below case/client/campaign/device."""
    return sorted(CASES.rglob("*.tsv"))


def expected_file(sample: Path) -> Path:
    """Where the expected readings of a sample lie."""
    return sample.with_name(sample.name + SUFFIX)


def read(data: bytes, zone: ZoneInfo = ZONE, arrived: float = ARRIVED, name: str = "", folder: str = "") -> Recording:
    """The Recording of a file's bytes. Raises NotReadable."""
    return read_recording(io.BytesIO(data), timezone=zone, arrived=arrived, name=name, folder=folder)


def points(recording: Recording, campaign: str = CAMPAIGN) -> Points:
    """Every point of a recording, read back from its line protocol; a point that comes twice is an error."""
    found: Points = {}
    for _, lines in encoded(recording, campaign):
        for line in lines.decode().splitlines():
            series, value, seconds = line.rsplit(" ", 2)
            key = (series, int(seconds))
            assert key not in found, f"written twice: {line}"
            found[key] = value.split("=", 1)[1]
    return found


def read_sample(sample: Path) -> Recording:
    """The Recording of a sample or a case, in a folder called after its own. Raises NotReadable."""
    return read(sample.read_bytes(), name=sample.name, folder=sample.parent.name)


def text_of(sample: Path) -> str:
    """What the expected file of a sample or a case must hold."""
    try:
        recording = read_sample(sample)
        found = points(recording)
    except NotReadable as error:
        return f"not readable: {error}\n"
    return "\n".join([*_head(recording), *_series(found), *_events(found), *_readings(found)]) + "\n"


def _head(recording: Recording) -> Iterator[str]:
    header = recording.header
    yield f"{header.model}, logger {header.master}, stamps in {header.zone or 'UTC'}"
    yield f"torn: {recording.torn}" if recording.torn else "whole"
    if recording.unread:
        yield f"unread: {recording.unread}"
    if recording.notes:
        yield f"notes: {counted(recording.notes)}"
    yield f"left out: {counted(recording.left_out) or 'nothing'}"
    yield f"{recording.rows} rows, {recording.readings} readings"


def _series(found: Points) -> Iterator[str]:
    yield from ("", "series")
    for number, series in enumerate(_reading_series(found), 1):
        yield f"{number}\t{series}"


def _events(found: Points) -> Iterator[str]:
    yield from ("", "events")
    for (series, seconds), value in sorted(found.items(), key=lambda item: item[0][::-1]):
        if series.startswith("powerview_events,"):
            yield f"{iso(seconds)}\t{series}\t{value}"


def _readings(found: Points) -> Iterator[str]:
    yield from ("", "readings")
    series = _reading_series(found)
    for seconds in sorted({seconds for name, seconds in found if name in set(series)}):
        yield "\t".join([iso(seconds), *(found.get((name, seconds), "") for name in series)])


def _reading_series(found: Points) -> list[str]:
    # in the order of the file's columns, which is that of their first points
    return [name for name in dict.fromkeys(name for name, _ in found) if not name.startswith("powerview_events,")]


def expected_points(text: str) -> Points:
    """The points that an expected file lists; none for a sample that is not readable."""
    if text.startswith("not readable: "):
        return {}
    _, series, events, readings = (part.splitlines() for part in text.removesuffix("\n").split("\n\n"))
    names = [line.split("\t")[1] for line in series[1:]]
    found: Points = {}
    for line in events[1:]:
        when, name, value = line.split("\t")
        found[name, _seconds(when)] = value
    for line in readings[1:]:
        when, *values = line.split("\t")
        found |= {(name, _seconds(when)): value for name, value in zip(names, values, strict=True) if value}
    return found


def _seconds(when: str) -> int:
    return int(datetime.fromisoformat(when).timestamp())


def main() -> None:
    """Write the expected files anew and say which are not what they were."""
    for sample in samples() + cases():
        text, file = text_of(sample), expected_file(sample)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"{file.relative_to(SAMPLES.parent)}: read what has changed")


if __name__ == "__main__":
    main()
