"""What several uploads give together: for each device and second the latest one, under the latest labels."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from faults import truth_uploads
from faults.truth import Upload

ARRIVED = datetime(2025, 12, 1, tzinfo=UTC)
A, B = "02001283", "02001284"


def sent(day: int, labels: str, *lines: str, folder: str = A, serials: str = "", name: str = "") -> Upload:
    """The upload of a day in July: `labels` with a comma between two, lines `HH:MM cell cell …` of the 1st."""
    columns = labels.split(",")
    head = ["\t".join([folder, *(serials.split() or [folder] * len(columns))]), "\t".join(["MV_T302_V002", *columns])]
    body = [f"01/07/25 {line[:5]}:00\t" + "\t".join(line[6:].split()) for line in lines]
    data = "".join(f"{line}\n" for line in head + body).encode()
    return Upload("company", "roof", folder, name or f"T302_2507{day:02d}_031500.tsv", data)


def held(*uploads: Upload) -> list[str]:
    """What the store must hold, as `DEVICE/PLACE LABEL UNIT HH:MM value` in UTC; serials by their last digit."""
    found = []
    for (bucket, measurement, tags, seconds), value in truth_uploads.points_of(
        list(uploads), "Europe/Paris", ARRIVED
    ).items():
        assert bucket == "company"
        known = dict(tags)
        hour = datetime.fromtimestamp(seconds, UTC).strftime("%H:%M")
        if measurement == "powerview_events":
            found.append(f"{known['event']} {hour}")
        else:
            assert (measurement, known["campaign"]) == ("roof", "roof")
            assert known["channel"].startswith(f"SN: {known['device']} - Ch: {known['channel_name']}")
            label = " ".join(filter(None, [known["channel_name"], known.get("unit")]))
            found.append(f"{known['device'][-1]}/{known['channel_idx']} {label} {hour} {value}")
    return sorted(found)


CASES = {
    "a renamed channel is one, under its latest label": (
        [sent(2, "Voie1 W", "12:00 1.0", "12:10 2.0"), sent(3, "Oven W", "12:10 3.0", "12:20 4.0")],
        ["3/1 Oven W 10:00 1.0", "3/1 Oven W 10:10 3.0", "3/1 Oven W 10:20 4.0"],
    ),
    "whichever came first": (
        [sent(3, "Oven W", "12:10 3.0"), sent(2, "Voie1 W", "12:00 1.0", "12:10 2.0")],
        ["3/1 Oven W 10:00 1.0", "3/1 Oven W 10:10 3.0"],
    ),
    "renamed back": (
        [sent(2, "Voie1 W", "12:00 1.0"), sent(3, "Oven W", "12:10 2.0"), sent(4, "Voie1 W", "12:20 3.0")],
        ["3/1 Voie1 W 10:00 1.0", "3/1 Voie1 W 10:10 2.0", "3/1 Voie1 W 10:20 3.0"],
    ),
    "a column that moved counts once for each second": (
        [sent(2, "Voie1 W,Voie2 W", "12:00 1.0 2.0", "12:10 1.0 2.0"),
         sent(3, "Voie1 W,Oven W,Voie2 W", "12:10 1.0 9.0 2.0")],
        ["3/1 Voie1 W 10:00 1.0", "3/1 Voie1 W 10:10 1.0", "3/2 Oven W 10:00 2.0", "3/2 Oven W 10:10 9.0",
         "3/3 Voie2 W 10:10 2.0"],
    ),
    "a column that went does not count where the later upload has the second": (
        [sent(2, "Voie1 W,Voie2 W", "12:00 1.0 2.0", "12:10 1.0 2.0"), sent(3, "Voie1 W", "12:10 5.0")],
        ["3/1 Voie1 W 10:00 1.0", "3/1 Voie1 W 10:10 5.0", "3/2 Voie2 W 10:00 2.0"],
    ),
    "another unit is another place, and counts once for each second": (
        [sent(2, "Voie1 W", "12:00 1.0", "12:10 2.0"), sent(3, "Voie1 V", "12:10 240.0")],
        ["3/1 Voie1 V 10:10 240.0", "3/1 Voie1 W 10:00 1.0"],
    ),
    "a cell that the later upload lacks is not filled from the earlier": (
        [sent(2, "Voie1 W,Voie2 W", "12:00 1.0 2.0"), sent(3, "Voie1 W,Voie2 W", "12:00 5.0 -", "12:10 5.0 6.0")],
        ["3/1 Voie1 W 10:00 5.0", "3/1 Voie1 W 10:10 5.0", "3/2 Voie2 W 10:10 6.0"],
    ),
    "a device that the later upload does not have is not covered": (
        [sent(2, "Voie1 W,Voie1 W", "12:00 1.0 2.0", serials=f"{A} {B}"), sent(3, "Voie1 W", "12:00 5.0")],
        ["3/1 Voie1 W 10:00 5.0", "4/1 Voie1 W 10:00 2.0"],
    ),
    "a slave counts once for each second, whichever master it delivers through": (
        [sent(2, "Voie1 W", "12:00 1.0", "12:10 2.0", folder=A, serials=B),
         sent(3, "Oven W", "12:10 3.0", folder=B)],
        ["4/1 Oven W 10:00 1.0", "4/1 Oven W 10:10 3.0"],
    ),
    "a name that comes again is a later upload, and X.10 is behind X.2": (
        [sent(0, "A W", "12:00 1.0", name="x.10.tsv"), sent(0, "B W", "12:00 2.0", name="x.2.tsv"),
         sent(0, "C W", "12:00 3.0", name="x.tsv")],
        ["3/1 A W 10:00 1.0"],
    ),
    "a marker covers no reading, and its file's label is the latest all the same": (
        [sent(2, "Voie1 W", "12:00 1.0"), sent(3, "Oven W", "12:00 0")],
        ["3/1 Oven W 10:00 1.0", "restart 10:00"],
    ),
    "a file that cannot be read names nothing and covers nothing": (
        [sent(2, "Voie1 W", "12:00 1.0"), sent(3, "Oven W", "12:00 -"), sent(4, "Oven W")],
        ["3/1 Voie1 W 10:00 1.0"],
    ),
    "an event stays, whatever later uploads say of its second": (
        [sent(2, "Voie1 W", "12:00 0", "12:10 1.0"), sent(3, "Voie1 W", "12:00 5.0", "12:10 6.0")],
        ["3/1 Voie1 W 10:00 5.0", "3/1 Voie1 W 10:10 6.0", "restart 10:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_uploads_give_together_what_was_written_out_by_hand(name):
    uploads, wanted = CASES[name]
    assert held(*uploads) == sorted(wanted)
    assert held(*reversed(uploads)) == sorted(wanted), "the order of arrival decides"
