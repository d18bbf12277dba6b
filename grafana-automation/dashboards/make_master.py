"""Write `master.json`, the Master dashboard, from its parts in `master/`: `python make_master.py`.

The file is committed, because playbooks and Grafana read it; a test holds it equal to what this writes.
"""

from __future__ import annotations

import json
from pathlib import Path

from master import base_load, channels, data, energy, frame, glance, load_profile, other_units, power, voltage

FILE = Path(__file__).with_name("master.json")
COLUMNS = 24


def master() -> dict:
    """The Master: what a client sees first, below it rows that ask for nothing until they are opened."""
    return frame.dashboard(
        lay_out([
            *glance.panels(data.COVERAGE),
            *power.panels(),
            *energy.panels(),
            *channels.panels(),
            *energy.closed_panels(),
            *load_profile.panels(),
            *base_load.panels(),
            *voltage.panels(),
            *data.panels(),
            *other_units.panels(),
        ])
    )  # fmt: skip


def lay_out(panels: list[dict]) -> list[dict]:
    """Give panels their places, in lines from left to right; what follows a collapsed row is put into it."""
    placed: list[dict] = []
    into, x, y, height = placed, 0, 0, 0
    for panel in panels:
        if panel["type"] == "row":
            placed.append(panel | {"gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y + height}})
            into = placed[-1]["panels"] if panel["collapsed"] else placed
            x, y, height = 0, y + height + 1, 0
            continue
        wide, high = panel["gridPos"]["w"], panel["gridPos"]["h"]
        if x + wide > COLUMNS:
            x, y, height = 0, y + height, 0
        into.append(panel | {"gridPos": {"h": high, "w": wide, "x": x, "y": y}})
        x, height = x + wide, max(height, high)
    return placed


def text() -> str:
    """The file's content, as Grafana writes its exports."""
    return json.dumps(master(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
