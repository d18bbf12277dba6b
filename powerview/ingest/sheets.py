"""The lane's part with channels.csv: what became of each sheet is reported as an upload's fate is."""

from __future__ import annotations

import sys

from powerview import channels
from powerview.channels import Fate
from powerview.inbox import Refusal
from powerview.inbox.disk import cannot
from powerview.ingest.index import UploadIndex
from powerview.ingest.reports import Reports
from powerview.settings import Settings


def put_into_force(settings: Settings, reports: Reports, index: UploadIndex) -> None:
    """Put every sheet into force that has changed, and report it. Never raises: uploads must not wait for a sheet."""

    def clamps(client: str, campaign: str) -> set[tuple[str, int, str | None]] | None:
        return index.places(client, campaign) if index.is_whole(client, campaign) else None

    try:
        for change in channels.put_into_force(settings.data_dir, settings.state_dir, settings.influxdb_bucket, clamps):
            if change.fate == Fate.REFUSED:
                reports.refused(Refusal(change.path, change.text, change.mark))
            elif change.fate == Fate.WAITING:
                reports.pending(change.path, change.text)
            else:
                reports.sheet(change.path, change.text)
    except OSError as error:
        print(cannot("channels.csv: the sheets in force cannot be brought up to date", error), file=sys.stderr)
