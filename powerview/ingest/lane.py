"""One run of the ingest lane."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from powerview.inbox import Refusal, Upload
from powerview.ingest.confirmed import Confirmations
from powerview.ingest.index import UploadIndex
from powerview.ingest.journal import Journal
from powerview.ingest.renames import Renames
from powerview.ingest.reports import Reports, Result
from powerview.ingest.sheets import put_into_force
from powerview.ingest.state import InHand, Reported
from powerview.ingest.totals import Totals
from powerview.settings import Settings
from powerview.store import Store

UNREAD = (
    "its parsed/ files were never read under this name, so nothing of them is in the store (was a folder renamed, or "
    "put here by hand?). To store them under it: tsv_parser.py --again"
)

MOST_PUT_OFF = 300
"""Seconds for which counting and totals make way for uploads that wait."""

Folder = tuple[str, str, str]


def run(
    settings: Settings, uploads: list[Upload], refusals: list[Refusal],
    store: Callable[[], AbstractContextManager[Store]], *, parsed: Iterable[Folder] = (), keep: bool = True,
    again: bool = False, every: bool = True, own_tree: bool = False, tick: Callable[[], object] = lambda: None,
) -> Result:  # fmt: skip
    """Store the uploads, report the refusals.

    `store` opens the store, and is called only when there is something to store. `parsed` are the devices' folders
    that have a `parsed/` folder. `keep` False: nothing is moved, logged or remembered. `again`: the uploads were
    settled before, and are left where they are. `every`: they are all that are pending, not a choice. `own_tree`: the
    tree is the installation's own, so its channels.csv are put into force, and what InfluxDB confirmed is counted;
    which messages were logged about another one is kept apart.
    `tick` is called once for each upload.
    """
    state_dir = settings.state_dir if keep else None
    other_tree = None if own_tree else settings.data_dir
    journal, reported = (Journal(settings.log_dir), Reported(state_dir, other_tree)) if keep else (None, None)
    missing: list[Upload] = []
    reports = Reports(journal, reported, every=every and not again)
    for refusal in refusals:
        reports.refused(refusal)
    with closing(UploadIndex(state_dir)) as index:
        if keep and own_tree:
            put_into_force(settings, reports, index)
        unread = index.unread(parsed) if keep and not again else []
        for folder in unread:
            reports.refused(Refusal("/".join(folder), UNREAD))
        totals = Totals(settings, index, active=keep)
        renames = Renames(index, active=keep and settings.influxdb_host is not None)
        campaigns = {(client, campaign) for client, campaign, _ in parsed}
        confirmations = Confirmations(index)
        due = confirmations.due() if keep and own_tree else []
        if uploads or due or renames.outstanding() or totals.outstanding(campaigns):
            with ExitStack() as stack:
                with _loading():
                    from powerview.ingest.loop import Ingest  # late: a run with nothing to do needs no pandas

                    opened = stack.enter_context(store())
                loop = partial(Ingest, settings, opened, reports, index, InHand(state_dir), confirmations, totals)
                loop(settle=keep and not again, again=again).run(uploads, tick)
                uploads_first = keep and _uploads_come_first(settings.state_dir, confirmations)
                if not (reports.result.away or uploads_first):
                    missing = confirmations.missing(opened, settings.data_dir, due, reports)
                    loop(settle=False, again=True).run(missing, lambda: None)
                if not (reports.result.away or uploads_first):
                    renames.make(opened)
                    totals.make(opened, campaigns)
            if not reports.result.away:
                index.remember_folders({upload.folder for upload in uploads} - set(unread))
    return reports.finish(len(uploads) + len(missing))


def _uploads_come_first(state_dir: Path, confirmations: Confirmations) -> bool:
    # An event has come since the hook's worker began this run, so it begins another at once: what was uploaded is
    # stored before anything is counted or added up. For some minutes, or a steady stream would put that off for ever.
    oldest = confirmations.oldest()
    marker = state_dir / "ingest.marker"
    return oldest is not None and 0 <= time.time() - oldest < MOST_PUT_OFF and marker.exists()


@contextmanager
def _loading() -> Iterator[None]:
    # What pandas and InfluxDB's client bring stays until the end: looking through it for garbage, while they load and
    # when the process ends, took a fourth of the time that a lone file needs.
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
