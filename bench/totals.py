"""What the totals and named channels beside the readings cost, on a campaign of 102 channels and two years.

`python bench/totals.py`: 10.7 million readings are in a real InfluxDB; measured are whole runs of the lane: the first
one that makes totals of them, one that puts a channels.csv into force, one with a changed factor, one in which every
name is another, one in which the sheet is gone, and a night's day file of all channels with and without totals.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from load import (  # first: it makes the tests' modules known
    DEVICES,
    ON_DISK,
    Finished,
    InfluxServer,
    cpu_seconds,
    let_rest,
    run_parser,
    running_influxdb,
    table,
)

from master_queries import CAMPAIGN, SLAVES, STOP, serials, store_campaign  # isort: skip

CLIENT = "client"
NIGHTS = 5
COLUMNS = "device,place,unit,name,role,group,factor"


def main() -> None:
    """Measure and print the table."""
    os.environ.update(ON_DISK)
    with tempfile.TemporaryDirectory() as name, running_influxdb(Path(name) / "influxdb") as server:
        folder = Path(name)
        store_campaign(server, CLIENT, SLAVES["102 channels"])
        campaign = folder / "data" / CLIENT / CAMPAIGN
        (campaign / DEVICES[0] / "parsed").mkdir(parents=True)
        os.environ["POWERVIEW_DATA_DIR"] = str(folder / "data")
        rows = [measured(server, folder, "first totals, no sheet")]
        rows.append(nights(server, folder, "a night's day file, no sheet", 0))
        for what, text in sheets().items():
            put_sheet(campaign, text)
            rows.append(measured(server, folder, what))
        rows.append(nights(server, folder, "a night's day file, with the sheet", NIGHTS))
        (campaign / "channels.csv").unlink()
        rows.append(measured(server, folder, "the sheet removed"))
    print(table(("what", "seconds", "CPU of the lane", "CPU of InfluxDB", "peak memory"), rows))


def sheets() -> dict[str, str]:
    """A sheet, the same with another factor, and with other names."""
    first = sheet("Circuit", "")
    return {"a first sheet": first, "another factor": sheet("Circuit", "-1"), "every name changed": sheet("Load", "-1")}


def sheet(name: str, factor: str) -> str:
    """A meter of three phases, a roof of three, and the circuits, one of them with a factor."""
    lines = [f"{DEVICES[0]},{i + 3},W,,main,Meter," for i in (1, 2, 3)]
    clamps = [(device, place) for device in serials(SLAVES["102 channels"]) for place in range(1, 7)]
    for number, (device, place) in enumerate(clamps, 1):
        role = "production" if number <= 3 else "part"
        lines.append(f"{device},{place},W,{name} {number},{role},,{factor if number == 9 else ''}")
    return "\n".join([COLUMNS, *lines, ""])


def put_sheet(campaign: Path, text: str) -> None:
    """As SFTPGo puts an upload: written aside, then renamed."""
    half = campaign / ".half"
    half.write_text(text, encoding="utf-8")
    half.rename(campaign / "channels.csv")


def measured(server: InfluxServer, folder: Path, what: str) -> tuple[str, ...]:
    """A row of the table: one run of the lane."""
    let_rest(server)
    before = cpu_seconds(server.process.pid)
    return row(what, [run_parser(folder, server)], [cpu_seconds(server.process.pid) - before])


def nights(server: InfluxServer, folder: Path, what: str, first: int) -> tuple[str, ...]:
    """A row of the table: the median of some nights' files, each in a run of its own."""
    runs, used = [], []
    for night in range(first, first + NIGHTS):
        day_file(folder, night)
        let_rest(server)
        before = cpu_seconds(server.process.pid)
        runs.append(run_parser(folder, server))
        used.append(cpu_seconds(server.process.pid) - before)
    return row(what, runs, used)


def day_file(folder: Path, night: int) -> None:
    """A day of all channels, with the labels that the campaign has."""
    labels = [(DEVICES[0], f"Ph {i} V") for i in (1, 2, 3)] + [(DEVICES[0], f"Voie{i} W") for i in (1, 2, 3)]
    labels += [(device, f"Voie{i} W") for device in serials(SLAVES["102 channels"]) for i in range(1, 7)]
    begin = STOP.replace(tzinfo=None) + timedelta(days=night)
    stamps = (begin + timedelta(minutes=10 * i) for i in range(144))
    lines = [
        "\t".join([DEVICES[0], *(device for device, _ in labels)]),
        "\t".join(["MV_T302_V002", *(x for _, x in labels)]),
    ]
    lines += ["\t".join([f"{stamp:%d/%m/%y %H:%M:%S}", *(f"{i}.5" for i in range(len(labels)))]) for stamp in stamps]
    name = f"T302_{begin + timedelta(days=1):%y%m%d}_031500.tsv"
    (folder / "data" / CLIENT / CAMPAIGN / DEVICES[0] / name).write_text("\n".join(lines) + "\n", encoding="ascii")


def row(what: str, runs: Sequence[Finished], used: Sequence[float]) -> tuple[str, ...]:
    """Medians, and the largest memory."""
    seconds, cpu = (statistics.median(values) for values in ([r.seconds for r in runs], [r.cpu for r in runs]))
    memory = max(r.megabytes for r in runs)
    return what, f"{seconds:.2f} s", f"{cpu:.2f} s", f"{statistics.median(used):.2f} s", f"{memory:.0f} MB"


if __name__ == "__main__":
    main()
