"""The loop: claim → read → encode → store → settle, one trap per file.

A file is read while the ones before it are on their way to the store; it is settled when the store has answered for
all of it, in the order of the uploads. What happens when the process dies: the file is still pending, and the next
run stores the same points again, which changes nothing.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from powerview import inbox
from powerview.inbox import Claim, Inbox, Refusal, Upload
from powerview.ingest import uploads as upload_points
from powerview.ingest.journal import Journal, Outcome, Status
from powerview.ingest.state import Reported
from powerview.settings import Settings
from powerview.store import BadLines, Delivery, Store, StoreAway, line_protocol

IN_FLIGHT = 8
"""How many files may wait for the store's answer while the next one is read."""


@dataclass
class Run:
    """What one run did: an outcome for each file, and why it stopped, if it did."""

    outcomes: list[Outcome] = field(default_factory=list)
    away: str | None = None

    @property
    def status(self) -> int:
        """Exit status: 0 all stored, 1 something went to error/ or was refused, 75 the store is away."""
        if self.away:
            return os.EX_TEMPFAIL
        return 1 if any(o.status in (Status.ERROR, Status.REFUSED) for o in self.outcomes) else 0


class Ingest:
    """One run over some uploads into a store.

    Without a `journal` nothing is kept of it. `settle` False leaves every file where it is. `every` says that the
    uploads are all that there are, not a choice of them: nothing later is left behind, what was told is up to date.
    """

    def __init__(
        self, settings: Settings, store: Store, journal: Journal | None, *, settle: bool = True, every: bool = True
    ) -> None:
        self.settings = settings
        self.store = store
        self.journal = journal
        self.settle = settle
        self.every = every
        self.tree = Inbox(settings.data_dir, settings.influxdb_bucket)
        self.run = Run()
        self._reported = Reported(settings.state_dir) if journal else None
        self._sent: deque[_Sent] = deque()
        self._spans: dict[str, tuple[int, int] | None] = {}

    def __call__(self, uploads: list[Upload], refusals: list[Refusal], tick: Callable[[], object]) -> Run:
        """Work through the uploads; `tick` is called once for each of them. Never raises for a single file."""
        for refusal in refusals:
            self._refuse(refusal.path, refusal.reason, refusal.mark)
        try:
            waiting = self._pass(uploads, tick)
            if waiting:  # look back at what had only just changed, once it has had time to grow
                time.sleep(max(0.0, max(quiet_at for _, quiet_at in waiting) - time.time()))
                self.tree = Inbox(self.settings.data_dir, self.settings.influxdb_bucket)  # look at parsed/ anew
                self._pass([upload for upload, _ in waiting], lambda: None, last=True)
        except StoreAway as away:
            self.run.away = str(away)
        self._drop()
        self._finish(len(uploads))
        return self.run

    def _pass(
        self, uploads: list[Upload], tick: Callable[[], object], last: bool = False
    ) -> list[tuple[Upload, float]]:
        growing = []
        for upload in uploads:
            with self._trap(upload):
                try:
                    self._take(upload)
                except inbox.Growing as grows:
                    if last:
                        raise
                    growing.append((upload, grows.quiet_at))
            self._collect(IN_FLIGHT)
            tick()
        self._collect(0)
        return growing

    @contextmanager
    def _trap(self, upload: Upload, mark: str = "") -> Iterator[None]:
        # One file's trouble is told and does not stop the others; only the store's does.
        try:
            yield
        except StoreAway:
            raise
        except inbox.Busy as busy:
            self.run.outcomes.append(Outcome(Status.PENDING, upload.path, str(busy)))
        except inbox.Pending as pending:
            self._refuse(upload.path, str(pending), mark)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not keep the other files waiting
            traceback.print_exc()
            what = f"PowerView failed on this file ({type(error).__name__}: {error}) and left it pending: report it"
            self._refuse(upload.path, what, mark)

    def _take(self, upload: Upload) -> None:
        started = time.perf_counter()
        claim = Claim(self.settings.data_dir, upload)
        try:
            sent = self._send(claim, upload)
        except BaseException:
            claim.close()
            raise
        sent.started = started
        self._sent.append(sent)

    def _send(self, claim: Claim, upload: Upload) -> _Sent:
        from powerview import mv2  # late: a run with nothing to do needs no pandas

        outcome = Outcome(Status.OK, upload.path, arrived=claim.arrived)
        try:
            recording = self._read(claim)
        except mv2.NotReadable as error:
            outcome.status, outcome.reason = Status.ERROR, str(error)
            return _Sent(claim, upload, outcome, None)
        later = self._later(upload, recording)  # looked at before anything is sent that they must stand over
        delivery = self._deliver(recording, upload)
        _describe(outcome, recording, upload)
        outcome.notes += [f"{each.name}, uploaded later, was stored again after it" for each in later]
        return _Sent(claim, upload, outcome, delivery, [self._again(each) for each in later])

    def _read(self, claim: Claim):
        from powerview import mv2

        where = {"name": claim.upload.name, "folder": claim.upload.device}
        return mv2.read_recording(claim.file, timezone=self.settings.timezone, arrived=claim.arrived, **where)

    def _deliver(self, recording, upload: Upload) -> Delivery:
        from powerview import mv2

        delivery = self.store.deliver(upload.client)
        try:
            for series, lines in encoded(recording, upload.campaign):
                delivery.send(series, lines)
        except mv2.Changed as changed:
            raise inbox.Busy(f"{upload.path} changed while it was read: {changed}") from changed
        finally:
            delivery.finish()
        return delivery

    def _later(self, upload: Upload, recording) -> list[Upload]:
        # A file that comes late must not win over uploads made after it: those that speak of the same time are
        # written once more behind it, before it is settled. What is written again comes late as well: the time that
        # must be looked at grows with it.
        if recording.last is None:
            return []
        found = []
        first, last = recording.first, recording.last
        all_again = not self.settle and self.every  # each in its turn, but for those in error/
        for later in self.tree.later_settled(upload):
            if all_again and later.state != inbox.ERROR_DIR:
                continue
            span = self._span(later)
            if span and span[0] <= last and span[1] >= first:
                first, last = min(first, span[0]), max(last, span[1])
                found.append(later)
        return found

    def _span(self, settled: Upload) -> tuple[int, int] | None:
        # The first and last reading of a settled file, None if it has none. Looked at once in a run: behind a backfill
        # of many files each of them would be read again for each of those.
        if settled.path not in self._spans:
            from powerview import mv2

            try:
                with self._claimed(settled) as claim:
                    recording = self._read(claim)
                    self._spans[settled.path] = (recording.first, recording.last) if recording.rows else None
            except mv2.NotReadable:  # put there by hand, or in error/ for that reason
                self._spans[settled.path] = None
        return self._spans[settled.path]

    def _again(self, settled: Upload) -> Delivery:
        with self._claimed(settled) as claim:
            return self._deliver(self._read(claim), settled)

    @contextmanager
    def _claimed(self, settled: Upload) -> Iterator[Claim]:
        # Another file's trouble, told of the one that has to wait for it.
        told = f"{settled.path}, which was uploaded later and takes precedence, cannot be read now"
        try:
            claim = Claim(self.settings.data_dir, settled)
        except inbox.Busy as busy:
            raise inbox.Busy(f"{told}: {busy}") from busy
        except inbox.Pending as pending:
            raise inbox.Pending(f"{told}: {pending}") from pending
        with claim:
            yield claim

    def _collect(self, most: int) -> None:
        # Settle what the store has answered for; wait only while more than `most` files are on their way.
        while self._sent and (len(self._sent) > most or self._sent[0].done):
            sent = self._sent.popleft()
            with sent.claim, self._trap(sent.upload, sent.claim.mark):
                self._settled(sent)

    def _settled(self, sent: _Sent) -> None:
        outcome = sent.outcome
        try:
            if sent.delivery:
                sent.delivery.result()
        except BadLines as bad:
            outcome.status = Status.ERROR
            outcome.reason = f"InfluxDB rejected some of its lines: {bad}. The lines that it accepted are stored"
        for delivery in sent.later:
            with suppress(BadLines):  # it refused them when they came, and their reason lies beside them
                delivery.result()
        if self.settle:
            self._move(sent.claim, outcome)
        outcome.seconds = time.perf_counter() - sent.started
        self._record(outcome)

    def _move(self, claim: Claim, outcome: Outcome) -> None:
        if outcome.status == Status.ERROR:
            state, name = inbox.ERROR_DIR, claim.to_error(f"{outcome.path}: {outcome.reason}")
        else:
            state, name = inbox.PARSED_DIR, claim.to_parsed()
        outcome.settled_as = Upload(*claim.upload.folder, name, state).path

    def _drop(self) -> None:
        # The store is away: what is on its way stays pending.
        while self._sent:
            self._sent.popleft().claim.close()

    # ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _record(self, outcome: Outcome) -> None:
        self.run.outcomes.append(outcome)
        if self.journal:
            self.journal.file(outcome)

    def _refuse(self, path: str, reason: str, mark: str) -> None:
        outcome = Outcome(Status.REFUSED, path, reason)
        self.run.outcomes.append(outcome)
        if self.journal and self._reported.is_new(path, mark, reason):
            self.journal.file(outcome)

    def _report_uploads(self) -> None:
        # For the admins' dashboard; last, since a failure here must not keep a reading from being stored.
        points = [
            upload_points.point(o) for o in self.run.outcomes if o.status in (Status.OK, Status.PARTIAL, Status.ERROR)
        ]
        if not points or self.run.away or not self.settings.influxdb_host:
            return
        try:
            delivery = self.store.deliver(self.settings.influxdb_bucket, precision="ns")
            delivery.send(upload_points.MEASUREMENT, b"".join(points))
            delivery.finish()
            delivery.result()
        except (StoreAway, BadLines) as error:
            print(f"the record of these uploads cannot be stored in INFLUXDB_BUCKET: {error}", file=sys.stderr)

    def _finish(self, wanted: int) -> None:
        if not self.journal:
            return
        self._reported.save(keep=not self.every or self.run.away is not None)
        self._report_uploads()
        settled = sum(o.status in (Status.OK, Status.PARTIAL, Status.ERROR) for o in self.run.outcomes)
        if self.run.away:
            self.journal.run(self.run.away, wanted - settled)
        elif growing := [o for o in self.run.outcomes if o.status == Status.PENDING]:
            self.journal.run(f"{growing[0].path} {growing[0].reason}", len(growing))


@dataclass
class _Sent:
    # A file that was read and is on its way into the store; without a delivery it cannot be read.
    claim: Claim
    upload: Upload
    outcome: Outcome
    delivery: Delivery | None
    later: list[Delivery] = field(default_factory=list)
    started: float = 0.0

    @property
    def done(self) -> bool:
        return all(d.done for d in (self.delivery, *self.later) if d)


def encoded(recording, campaign: str) -> Iterator[tuple[str, bytes]]:
    """All points of a recording, as (series, lines) in the order in which they must be written."""
    for block in recording.blocks():
        yield from line_protocol.readings(recording.header, campaign, block)
    yield from line_protocol.events(recording.header, campaign, recording.events)


def _describe(outcome: Outcome, recording, upload: Upload) -> None:
    outcome.status = Status.ERROR if recording.unread else Status.PARTIAL if recording.torn else Status.OK
    outcome.reason = recording.unread or recording.torn or ""
    outcome.rows, outcome.readings = recording.rows, recording.readings
    outcome.first, outcome.last = recording.first, recording.last
    outcome.left_out = +recording.left_out
    if recording.header.master != upload.device:
        outcome.notes.append(f"the folder is {upload.device}, the logger is {recording.header.master}")
    outcome.notes += [f"{n} {what}" for what, n in recording.notes.items()]
