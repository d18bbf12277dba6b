"""Lay the real sample files out as loggers upload them: `python tests/sample_tree.py DATA CLIENT`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent / "samples"

CAMPAIGNS = {"v002": ("acme", "roof-2025"), "v003": ("globex", "cold-store"), "torn": ("initech", "meter-room")}
"""The client and campaign of each folder of samples."""


SHOWS = {
    "T202_251022_121951.tsv": "clock-lost",
    "T302_251012_031720.tsv": "day-of-30-channels",
    "T302_251024_204336.tsv": "installation",
    "T302_251026_031500.tsv": "night-with-an-hour-twice",
    "T302_251101_031719.tsv": "upload-cut-inside-a-time",
    "T302_251123_032039.tsv": "day-of-6-channels",
    "T302_260122_162658_UTC.tsv": "restarts",
    "T302_260208_211459_UTC.tsv": "three-phases",
    "torn": "uploads-cut-and-sent-again",
    "v002-header": "json-header-with-v002-marker",
}
"""What a sample shows, or the samples of a folder: the campaign that it is in the demonstration."""


def serial(file: Path) -> str:
    """The serial number in the first cell of the header, as the folder is named after it; of an empty file, none's."""
    for line in file.read_text(encoding="ascii").splitlines():
        first = line.split("\t")[0]
        if first.isdigit():
            return first
    return "02001283"


def lay_out(data: Path) -> list[Path]:
    """Copy the samples to DATA/client/campaign/device/; returns where they are."""
    return [
        _place(file, data / client / campaign)
        for folder, (client, campaign) in CAMPAIGNS.items()
        for file in sorted((SAMPLES / folder).glob("*.tsv"))
    ]


def lay_out_by_subject(data: Path, client: str) -> None:
    """Copy the samples to DATA/client/campaign/device/, each into a campaign that is named after what it shows."""
    for file in sorted(SAMPLES.glob("*/*.tsv")):
        folder = file.parent.name
        _place(file, data / client / (SHOWS.get(file.name) or SHOWS.get(folder, folder)))


def _place(file: Path, campaign: Path) -> Path:
    device = campaign / serial(file)
    device.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(file, device / file.name))


if __name__ == "__main__":
    lay_out_by_subject(Path(sys.argv[1]), sys.argv[2])
