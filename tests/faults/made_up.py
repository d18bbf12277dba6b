"""Small made-up logger files of everything that makes a reader err: folds, markers, unset clocks, jumps, odd bytes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from faults.truth import Upload

NIGHTS = [datetime(2025, 10, 26, 2), datetime(2024, 10, 27, 2), datetime(2025, 3, 30, 2), datetime(2025, 7, 1, 12)]
UNSET = [datetime(2020, 1, 1, 1), datetime(2020, 1, 1), datetime(2020, 1, 30, 22), datetime(2019, 12, 31, 23),
         datetime(2018, 6, 1), datetime(2020, 2, 3, 4)]  # fmt: skip
AHEAD = [datetime(2027, 1, 16, 9), datetime(2027, 1, 16, 9, 30), datetime(2040, 1, 1)]
ARRIVALS = [datetime(2027, 1, 15, 8), datetime(2027, 1, 15, 8), datetime(2020, 2, 4), datetime(2025, 10, 25, 0, 30)]
NAMES = ["x.tsv", "T302_251026_031500.tsv", "T302_180601_031500.tsv", "T302_200102_070000.tsv", "T_199999_000000.tsv"]
HEADERS = [
    b"",
    b'START_HEADER\n{"DataTimeSettings":"UTC","TimeZoneName":"Europe/Paris"}\nEND_HEADER\nSTART_DATA\n',
    b'START_HEADER\n{\n"DataTimeSettings":"Local",\n"TimeZoneName":"Europe/Paris"\n}\nEND_HEADER\nSTART_DATA\n',
]
CELLS = ["1.5", "0", "0.0", "-0.0", "7", "+.5", "x", "", "1e3", "2,5", "9" * 320, " 4.5", "1\0"]
PIECES = [b"\0", b"\r", b"\r\n", b"\n", b"\t", b"\xef\xbb\xbf", b"\xe9", b"\xff\xfe", b"\xc2\xa0", b"0" * 5000,
          b"END_DATA\n", b"START_HEADER\n", b"MV_T302_V002\tPh 1 V\n", b"26/10/25 02:30:00\t1.5\t2.5\n"]  # fmt: skip


def upload(chance: random.Random) -> tuple[Upload, datetime]:
    """One made-up file, and when it arrived; the same for the same seed."""
    data = whole_file(chance)
    if chance.random() < 0.15:
        data += whole_file(chance) if chance.random() < 0.5 else data
    if chance.random() < 0.1:
        data = data.replace(b"\n", chance.choice([b"\r\n", b"\r\r\n"]))
    if chance.random() < 0.1:
        data = b"\xef\xbb\xbf" + data
    for _ in range(chance.choice([0, 0, 0, 0, 1, 3])):
        at = chance.randrange(len(data))
        data = data[:at] + chance.choice(PIECES) + data[at + chance.choice([0, 0, 1, 20]) :]
    if chance.random() < 0.1:
        data = data[: chance.randrange(len(data))]
    folder = chance.choice(["2001283", "02001283", "02001999"])
    arrived = chance.choice(ARRIVALS).replace(tzinfo=UTC)
    return Upload("client", "campaign", folder, chance.choice(NAMES), data), arrived


def whole_file(chance: random.Random) -> bytes:
    """A header in one of its forms, rows, and its end mark or none."""
    preamble = chance.choice(HEADERS)
    version = chance.choice(["002", "003"]) if preamble else chance.choice(["002"] * 9 + ["003"])
    master = chance.choice(["02001283", "02001283", "2001283"])
    labels = chance.choice([["Ph 1 V"], ["Voie1 W", "Voie1 W"], ["Été\N{NO-BREAK SPACE}°C", "Chambre 2"]])
    cells = ["1.5", "2.5"] if chance.random() < 0.5 else CELLS
    if chance.random() < 0.05:
        cells = ["2,5", "-1,25", "7"]
    head = ["\t".join([master] + [master] * len(labels)), "\t".join([f"MV_T302_V{version}", *labels])]
    lines = head + [line for _, line in rows(chance, len(labels), cells)]
    end = b"END_DATA\n" if preamble and chance.random() < 0.8 else b""
    return preamble + "".join(f"{line}\n" for line in lines).encode(chance.choice(["utf-8", "cp1252"])) + end


def rows(chance: random.Random, width: int, cells: list[str]) -> list[tuple[datetime, str]]:
    """Rows of a walk through time: small steps, steps back, jumps to other nights, to unset clocks, ahead."""
    time = chance.choice(NIGHTS) + timedelta(minutes=chance.randrange(-90, 90))
    step = timedelta(minutes=chance.choice([1, 7, 10, 10, 10, 30, 60]))
    forward = chance.choice([1, 1, 1, 1, -1])
    found = []
    for _ in range(chance.randrange(1, 28)):
        kind = chance.random()
        if kind < 0.06:
            time += timedelta(minutes=chance.randrange(-70, 30))
        elif kind < 0.08:
            time = chance.choice(NIGHTS + UNSET + AHEAD)
        elif kind < 0.12:
            time -= timedelta(hours=1)
        elif kind > 0.2:
            time += step * forward
        stamp = time.strftime("%d/%m/%y %H:%M:%S") if chance.random() > 0.01 else "31/02/25 02:30:00"
        values = ["0"] * width if chance.random() < 0.12 else [chance.choice(cells) for _ in range(width)]
        found.append((time, "\t".join([stamp, *values[: width - (chance.random() < 0.01)]])))
    return found
