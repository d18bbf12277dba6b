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

MOST_TOGETHER = 50
"""So many campaigns of a client are made together: what InfluxDB is asked is asked for all of them at once."""

MOST_SECONDS = 60
"""How long a run makes what was never made before, as after an update, while new uploads may be waiting."""

RULES = 2
"""Where other figures are made, this changes; then each campaign is looked at once more after the update."""


class Totals:
    """What a run does about totals. `active` False: nothing, since there is no InfluxDB or the run leaves no trace."""

    def __init__(self, settings: Settings, database: Database, *, active: bool) -> None:
        self._settings = settings
        self._active = active and settings.influxdb_host is not None
        self._marks = Marks(database)
        self._rules = f"{RULES} {settings.timezone.key}"
        self._made_at = time.monotonic()

    def mark(self, client: str, campaign: str, first: int, last: int) -> None:
        """Readings from `first` to `last`, UTC seconds, are about to be sent or deleted."""
        if self._active:
            self._marks.add(client, campaign, (first // WINDOW * WINDOW, (last // WINDOW + 1) * WINDOW))

    def mark_labels(self, client: str, campaign: str) -> None:
        """Labels are about to change; what is shown by them is to be made anew, even if no reading is sent."""
        if self._active:
            self._marks.add(client, campaign, (0, 0))

    def outstanding(self, campaigns: Iterable[Campaign]) -> bool:
        """Whether totals are to be made: where there are marks or another sheet, and of these if they never were, or
        not by today's rules."""
        return bool(self._urgent() or self._never_made(campaigns))

    def _urgent(self) -> list[Campaign]:
        if not self._active:
            return []
        made, state_dir = self._marks.sheets(), self._settings.state_dir
        known = sorted({*made, *all_in_force(state_dir)})
        changed = [each for each in known if made.get(each, "") != mark_in_force(state_dir, *each)]
        return list(dict.fromkeys([*self._marks.campaigns(), *changed]))

    def _never_made(self, campaigns: Iterable[Campaign]) -> list[Campaign]:
        return sorted({*campaigns} - self._marks.made_by(self._rules)) if self._active and self._marks.last else []

    def is_time(self) -> bool:
        """Whether a long run should make what is marked before it goes on."""
        return time.monotonic() - self._made_at > EVERY_SECONDS and bool(self._active and self._marks.campaigns())

    def make(self, store: Store, campaigns: Iterable[Campaign] = ()) -> None:
        """Make what is outstanding; all deliveries must have been answered. Never raises for what InfluxDB does."""
        begun = time.monotonic()
        urgent = self._urgent()
        waiting = [*_together(urgent), *_together(each for each in self._never_made(campaigns) if each not in urgent)]
        while waiting:
            some = waiting.pop(0)
            if time.monotonic() - begun > MOST_SECONDS and some[0] not in urgent:
                break
            if not self._try(store, some):
                if not store.answers():
                    break
                waiting[:0] = [[campaign] for campaign in some if len(some) > 1]  # which one is it?
        self._made_at = time.monotonic()

    def _try(self, store: Store, campaigns: list[Campaign]) -> bool:
        # Make totals of campaigns of one client; returns whether that worked, and reports it of a single one.
        from powerview.ingest.making import InForce, make  # late: a run with nothing to do needs no pandas

        state_dir = self._settings.state_dir
        why = ""
        try:
            in_force = {
                campaign: InForce(
                    sheet_in_force(state_dir, client, campaign), mark_in_force(state_dir, client, campaign)
                )
                for client, campaign in campaigns
            }
            make(store, self._marks, campaigns[0][0], in_force, self._settings.timezone, self._rules)
        except (StoreAway, BadLines, NotUnderstood) as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not make a run fail whose files are stored
            traceback.print_exc()
            why = f"PowerView failed ({type(error).__name__}: {error}): report it"
        if why and (len(campaigns) == 1 or not store.answers()):
            names = "/".join(campaigns[0]) + (f" and {len(campaigns) - 1} more" if len(campaigns) > 1 else "")
            print(f"totals of {names} are not up to date; the next run makes them: {why}", file=sys.stderr)
        return not why


def _together(campaigns: Iterable[Campaign]) -> list[list[Campaign]]:
    # Those of one client that follow each other, at most MOST_TOGETHER.
    found: list[list[Campaign]] = []
    for campaign in campaigns:
        if found and found[-1][0][0] == campaign[0] and len(found[-1]) < MOST_TOGETHER:
            found[-1].append(campaign)
        else:
            found.append([campaign])
    return found
