"""Lay the real sample files out as loggers upload them: `python tests/sample_tree.py DATA [CLIENT]`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent / "samples"

CAMPAIGNS = {"v002": ("acme", "roof-2025"), "v003": ("globex", "cold-store"), "torn": ("initech", "meter-room")}
"""Which client and campaign a folder of samples stands for."""


def serial(file: Path) -> str:
    """The serial number in the first cell of the header, as the folder is named after it; of an empty file, none's."""
    for line in file.read_text(encoding="ascii").splitlines():
        first = line.split("\t")[0]
        if first.isdigit():
            return first
    return "02001283"


def lay_out(data: Path, client: str = "") -> list[Path]:
    """Copy the samples to DATA/client/campaign/device/, all below one client if it is named; returns where they are."""
    placed = []
    for folder, (usual_client, campaign) in CAMPAIGNS.items():
        for file in sorted((SAMPLES / folder).glob("*.tsv")):
            device = data / (client or usual_client) / campaign / serial(file)
            device.mkdir(parents=True, exist_ok=True)
            placed.append(Path(shutil.copyfile(file, device / file.name)))
    return placed


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]), *sys.argv[2:3])
