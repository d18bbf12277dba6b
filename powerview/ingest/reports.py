"""What a run reports: its outcomes, their lines in the logs, each message once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from powerview.inbox import Refusal
from powerview.ingest.journal import Journal, Outcome, Status
from powerview.ingest.state import Reported

SETTLED = (Status.OK, Status.PARTIAL, Status.ERROR)


@dataclass
class Result:
    """What one run did: an outcome for each file, and why it stopped, if it did."""

    outcomes: list[Outcome] = field(default_factory=list)
    away: str | None = None

    @property
    def status(self) -> int:
        """Exit status: 0 all stored, 1 something went to error/ or was refused, 75 the store is away."""
        if self.away:
            return os.EX_TEMPFAIL
        return 1 if any(o.status in (Status.ERROR, Status.REFUSED) for o in self.outcomes) else 0


class Reports:
    """Collects a run's outcomes and logs them; without a `journal` nothing is kept of it.

    `every`: the run looks at all that is pending, so that messages about files that are gone can be forgotten.
    """

    def __init__(self, journal: Journal | None, reported: Reported | None, *, every: bool) -> None:
        self.result = Result()
        self._journal = journal
        self._reported = reported
        self._every = every

    def settled(self, outcome: Outcome) -> None:
        """A file was stored, or moved to error/."""
        self.result.outcomes.append(outcome)
        if self._journal:
            self._journal.file(outcome)

    def pending(self, path: str, reason: str) -> None:
        """A file is left for the next run, and nobody needs to do anything about it."""
        self.result.outcomes.append(Outcome(Status.PENDING, path, reason))

    def refused(self, refusal: Refusal) -> None:
        """A file is left, and somebody must do something about it: logged once while it does not change."""
        outcome = Outcome(Status.REFUSED, refusal.path, refusal.reason)
        self.result.outcomes.append(outcome)
        if self._reported and self._journal:
            outcome.repeated = not self._reported.is_new(refusal.path, refusal.mark, refusal.reason)
            if not outcome.repeated:
                self._journal.file(outcome)

    def sheet(self, path: str, what: str) -> None:
        """A channels.csv was put into force or taken out of it."""
        outcome = Outcome(Status.OK, path, what, sheet=True)
        self.result.outcomes.append(outcome)
        if self._journal:
            self._journal.file(outcome)

    def finish(self, wanted: int) -> Result:
        """The run is over; `wanted` files were to be read."""
        if not self._journal:
            return self.result
        self._reported.save(keep=not self._every or self.result.away is not None)
        pending = [o for o in self.result.outcomes if o.status == Status.PENDING]
        if self.result.away:
            settled = sum(o.status in SETTLED and not o.sheet for o in self.result.outcomes)
            self._journal.run(self.result.away, wanted - settled)
        elif pending:
            self._journal.run(f"{pending[0].path} {pending[0].reason}", len(pending))
        return self.result
