"""The lane's part with totals: which campaigns' totals are to be made, and making them from the readings in InfluxDB.

What is stored decides, not what a file held: so late files, renamed channels, several loggers in a campaign and files
that are read again need no rules of their own. Nothing here keeps a file waiting: what fails is made by the next run.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterable

from powerview.channels import NotUnderstood, all_in_force, mark_in_force, sheet_in_force
from powerview.ingest.database import Database
from powerview.ingest.marks import Campaign, Marks
from powerview.settings import Settings
from powerview.store import BadLines, Store, StoreAway

WINDOW = 600
EVERY_SECONDS = 300
"""In a long run the totals of what was stored are made so often."""

MOST_SECONDS = 60
"""How long a run makes what was never made before, as after an update, while new uploads may be waiting."""


class Totals:
    """What a run does about totals. `active` False: nothing, since there is no InfluxDB or the run leaves no trace."""

    def __init__(self, settings: Settings, database: Database, *, active: bool) -> None:
        self._settings = settings
        self._active = active and settings.influxdb_host is not None
        self._marks = Marks(database)
        self._made_at = time.monotonic()

    def mark(self, client: str, campaign: str, first: int, last: int) -> None:
        """Readings from `first` to `last`, UTC seconds, are about to be sent or deleted."""
        if self._active:
            self._marks.add(client, campaign, (first // WINDOW * WINDOW, (last // WINDOW + 1) * WINDOW))

    def outstanding(self, campaigns: Iterable[Campaign]) -> list[Campaign]:
        """Those whose totals are to be made, of all that have marks, were made before, or are among these."""
        if not self._active:
            return []
        made, state_dir = self._marks.sheets(), self._settings.state_dir
        known = sorted({*made, *all_in_force(state_dir)})
        changed = [each for each in known if made.get(each) != mark_in_force(state_dir, *each)]
        new = sorted({*campaigns} - set(made)) if self._marks.last else []
        return list(dict.fromkeys([*self._marks.campaigns(), *changed, *new]))

    def is_time(self) -> bool:
        """Whether a long run should make what is marked before it goes on."""
        return time.monotonic() - self._made_at > EVERY_SECONDS and bool(self._active and self._marks.campaigns())

    def make(self, store: Store, campaigns: Iterable[Campaign] = ()) -> None:
        """Make what is outstanding; all deliveries must have been answered. Never raises for what InfluxDB does."""
        from powerview.ingest.making import make  # late: a run with nothing to do needs no pandas

        begun = time.monotonic()
        marked = set(self._marks.campaigns())
        for campaign in self.outstanding(campaigns):
            if campaign not in marked and time.monotonic() - begun > MOST_SECONDS:
                break
            try:
                sheet = sheet_in_force(self._settings.state_dir, *campaign)
                make(store, self._marks, campaign, sheet, mark_in_force(self._settings.state_dir, *campaign))
            except StoreAway as away:
                _report(campaign, str(away))
                if not store.answers():
                    break
            except (BadLines, NotUnderstood) as error:
                _report(campaign, str(error))
            except Exception as error:  # noqa: BLE001 - a fault of ours must not make a stored file's run fail
                traceback.print_exc()
                _report(campaign, f"PowerView failed ({type(error).__name__}: {error}): report it")
        self._made_at = time.monotonic()


def _report(campaign: Campaign, why: str) -> None:
    print(f"totals of {'/'.join(campaign)} are not up to date; the next run makes them: {why}", file=sys.stderr)
