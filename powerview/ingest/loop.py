"""The loop: claim → read → encode → store → settle; a file that fails does not stop the others.

A file is read while earlier ones are being stored, and settled in the order of the uploads, once all of it is. If the
process dies, it is still pending; the next run stores the same points again, which changes nothing.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from powerview import inbox
from powerview.inbox import Claim, Inbox, Refusal, Upload
from powerview.inbox.disk import cannot
from powerview.ingest import late, points, uploads
from powerview.ingest.confirmed import Confirmations
from powerview.ingest.describe import describe
from powerview.ingest.index import UploadIndex
from powerview.ingest.journal import Outcome, Status
from powerview.ingest.late import LateFiles
from powerview.ingest.places import Places
from powerview.ingest.reports import Reports
from powerview.ingest.sent import Sent, deliver
from powerview.ingest.state import MOST_DEATHS, InHand
from powerview.ingest.totals import Totals
from powerview.mv2 import Changed, Channel, Header, NotReadable
from powerview.settings import Settings
from powerview.store import BadLines, Store, StoreAway

IN_FLIGHT = 16
"""How many files may wait for the store's answer while the next one is read."""

TOGETHER, SETTLE_SECONDS = 8, 0.2
"""So many files are settled together, or what there is after so long: each time is a write of what became of them."""

REST_SECONDS = 600
"""How long a file whose header promises END_DATA, and that lacks it, may still get its rest."""


class Ingest:
    """One run over some uploads into a store. `settle` False leaves every file where it is.

    `again`: what was read before is read once more, and the store is asked what it holds.
    """

    def __init__(
        self, settings: Settings, store: Store, reports: Reports, index: UploadIndex, in_hand: InHand,
        confirmations: Confirmations, totals: Totals, *, settle: bool = True, again: bool = False,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.store = store
        self.reports = reports
        self.settle = settle
        self._index = index
        self._in_hand = in_hand
        self._confirmations = confirmations
        self._totals = totals
        self._places = Places(store, index, ask=again)
        self._sent: deque[Sent] = deque()
        self._settled_at = time.monotonic()
        self._look_at_the_tree()

    def run(self, files: list[Upload], tick: Callable[[], object]) -> None:
        """Work through the uploads; `tick` is called once for each of them. Never raises for a single file."""
        try:
            waiting = self._pass(files, tick)
            if waiting:  # look back at what had only just changed, once it has had time to grow
                time.sleep(max(0.0, max(quiet_at for _, quiet_at in waiting) - time.time()))
                self._look_at_the_tree()
                self._pass([upload for upload, _ in waiting], lambda: None, last=True)
        except StoreAway as away:
            self.reports.result.away = str(away)
        while self._sent:  # the store is away: what is on its way stays pending
            self._sent.popleft().claim.close()

    def _look_at_the_tree(self) -> None:
        tree = Inbox(self.settings.data_dir, self.settings.influxdb_bucket)
        self._late = LateFiles(self.settings, tree, self._index, self._in_hand, self._totals)

    def _pass(self, files: list[Upload], tick: Callable[[], object], last: bool = False) -> list[tuple[Upload, float]]:
        growing = []
        for upload in files:
            with self._trap(upload):
                try:
                    self._take(upload)
                except inbox.Growing as grows:
                    if last:
                        raise
                    growing.append((upload, grows.quiet_at))
            self._collect(IN_FLIGHT)
            if self._totals.is_time():
                self._collect(0)
                self._totals.make(self.store)
            tick()
        self._collect(0)
        return growing

    @contextmanager
    def _trap(self, upload: Upload, mark: str = "") -> Iterator[None]:
        # One file's trouble is reported and does not stop the others; only the store's does.
        try:
            yield
        except StoreAway:
            raise
        except inbox.Busy as busy:
            self.reports.pending(upload.path, str(busy))
        except Changed as changed:
            self.reports.pending(upload.path, f"changed while it was read: {changed}")
        except inbox.Pending as pending:
            self.reports.refused(Refusal(upload.path, str(pending), mark))
        except OSError as error:
            self.reports.refused(Refusal(upload.path, cannot("the file cannot be read and stays pending", error), mark))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not keep the other files waiting
            traceback.print_exc()
            what = f"PowerView failed on this file ({type(error).__name__}: {error}) and left it pending: report it"
            self.reports.refused(Refusal(upload.path, what, mark))

    # ── read and send ────────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, upload: Upload) -> None:
        started = time.perf_counter()
        claim = Claim(self.settings.data_dir, upload)
        try:
            if self._in_hand.died_on(upload.path, claim.mark):
                self._collect(0)  # alone this time: whoever ended the process may have meant something else
            with self._in_hand.holding(upload.path, claim.mark) as deaths:
                sent = self._given_up(claim, deaths) if deaths >= MOST_DEATHS and self.settle else self._send(claim)
        except BaseException:
            claim.close()
            raise
        sent.started = started
        self._sent.append(sent)

    def _given_up(self, claim: Claim, deaths: int) -> Sent:
        reason = (
            f"PowerView's process ended {deaths} times while it read this file, so it is read no more: other files "
            f"must not wait for it. Was memory short, or was the process killed? To try again, move it back."
        )
        return Sent(claim, claim.upload, Outcome(Status.ERROR, claim.upload.path, reason, arrived=claim.modified))

    def _send(self, claim: Claim) -> Sent:
        upload = claim.upload
        outcome = Outcome(Status.OK, upload.path, arrived=claim.modified)
        try:
            recording = late.read(self.settings, claim)
        except NotReadable as error:
            self._wait_for_the_rest(claim, error.incomplete)
            outcome.status, outcome.reason = Status.ERROR, str(error)
            return Sent(claim, upload, outcome)
        self._wait_for_the_rest(claim, recording.incomplete)
        self._wait_for_other_columns(upload, recording.header)
        covered = self._late.covered(upload, recording)
        header, others = self._late.relabelled(upload, recording.header)
        sent = Sent(claim, upload, outcome, recording, header=header, parts=covered.parts)
        self._mark(sent)
        self._prepare_store(sent, others)
        deliver(self.store, sent)
        points.count_the_rest(recording, covered.parts)
        describe(outcome, recording, covered)
        if outcome.left_out["cells"]:
            self._delete_missing(sent)
        return sent

    def _wait_for_the_rest(self, claim: Claim, incomplete: bool) -> None:
        age = time.time() - claim.arrived
        if incomplete and not claim.upload.state and 0 <= age < REST_SECONDS:
            raise inbox.Busy(
                f"has no END_DATA yet and changed {age:.0f} seconds ago: its rest may still come. After "
                f"{REST_SECONDS // 60} minutes without a change it is read as it is"
            )

    def _wait_for_other_columns(self, upload: Upload, header: Header) -> None:
        # What a file changes in the store depends on the files before it that have other columns for its devices.
        devices = {c.device for c in header.channels}
        for sent in self._sent:
            before = sent.recording and sent.recording.header.channels  # nearly always the same
            if before and before != header.channels and sent.upload.folder[:2] == upload.folder[:2]:
                theirs = {c for c in before if c.device in devices}
                if theirs and theirs != {c for c in header.channels if c.device in {t.device for t in theirs}}:
                    self._collect(0)
                    return

    def _mark(self, sent: Sent) -> None:
        # What is sent, moved and deleted for this file: totals of it are to be made anew.
        for part in sent.parts:
            times = sent.recording.times[part.keep]
            self._totals.mark(sent.upload.client, sent.upload.campaign, int(times.min()), int(times.max()))

    def _prepare_store(self, sent: Sent, others: list[Channel]) -> None:
        client, campaign = sent.upload.client, sent.upload.campaign
        sent.changes = self._places.changes(client, campaign, sent.header, others)
        if sent.changes:
            self._totals.mark_labels(client, campaign)
            self._collect(0)
            seconds = points.seconds(sent.recording, sent.header, sent.parts)
            self._places.carry_out(sent.changes, client, campaign, seconds)
        # Before anything is written: if the process dies and a later upload is stored first, that one must know of it.
        self._places.remember(client, campaign, sent.header, sent.changes)

    def _delete_missing(self, sent: Sent) -> None:
        # Now, before a later file is sent that may have a reading there, and once the earlier ones are stored.
        if any(sent.overlaps(other) for other in self._sent):
            self._collect(0)
        for missing in points.missing_cells(sent.recording, sent.header, sent.parts):
            self._places.delete_missing(sent.upload.client, sent.upload.campaign, missing)

    # ── settle ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _collect(self, most: int) -> None:
        # Settle what the store has answered for; wait only while more than `most` files are on their way.
        if len(self._sent) <= most and self._may_wait():
            return
        while self._sent and (len(self._sent) > most or self._sent[0].done):
            answered = [self._sent.popleft()]
            while self._sent and self._sent[0].done:
                answered.append(self._sent.popleft())
            try:
                self._settle([sent for sent in answered if self._is_answered(sent)])
            finally:
                self._settled_at = time.monotonic()
                for sent in answered:
                    sent.claim.close()

    def _may_wait(self) -> bool:
        # A few small files that the store has answered for are settled a little later, with those behind them.
        together = len(self._sent) >= TOGETHER and self._sent[TOGETHER - 1].done
        return not together and time.monotonic() - self._settled_at < SETTLE_SECONDS

    def _is_answered(self, sent: Sent) -> bool:
        with self._trap(sent.upload, sent.claim.mark):
            try:
                if sent.delivery:
                    sent.delivery.result()
            except BadLines as bad:
                sent.outcome.status = Status.ERROR
                sent.outcome.reason = (
                    f"InfluxDB rejected some of its lines: {bad}. The lines that it accepted are stored"
                )
            sent.outcome.seconds = time.perf_counter() - sent.started
            return True
        return False

    def _settle(self, answered: list[Sent]) -> None:
        if answered:
            self._in_hand.settled()
        self._report_uploads(answered)
        for sent in answered:
            with self._trap(sent.upload, sent.claim.mark):
                if self.settle:
                    self._move(sent)
                else:
                    self._remember(sent.upload, sent)
                self.reports.settled(sent.outcome)

    def _move(self, sent: Sent) -> None:
        # Remembered first: a file that is remembered and not there is looked for in vain, but one that lies there and
        # is not remembered, since the process died in between, could be overwritten by an earlier one.
        claim, outcome = sent.claim, sent.outcome
        expected = self._late.expected(sent.upload)
        self._remember(expected, sent)
        if outcome.status == Status.ERROR:
            state, name = inbox.ERROR_DIR, claim.to_error(f"{outcome.path}: {outcome.reason}")
        else:
            state, name = inbox.PARSED_DIR, claim.to_parsed()
        settled = Upload(*claim.upload.folder, name, state)
        if settled != expected:
            self._late.forget(expected)
            self._confirmations.forget(expected)
            self._remember(settled, sent)
        outcome.settled_as = settled.path

    def _remember(self, upload: Upload, sent: Sent) -> None:
        self._late.remember(upload, sent.recording)
        if sent.span and sent.outcome.status != Status.ERROR and self.settings.influxdb_host:
            self._confirmations.remember(upload, *sent.span, sent.readings)
        else:
            self._confirmations.forget(upload)

    def _report_uploads(self, answered: list[Sent]) -> None:
        # For the admins' dashboard; before files are moved, else a killed run would lose it. A failure stops nothing.
        if not answered or not self.settings.influxdb_host:
            return
        lines = [uploads.points(sent.outcome, self._late.settled_name(sent.upload)) for sent in answered]
        try:
            self.store.report(self.settings.influxdb_bucket, b"".join(lines))
        except StoreAway as error:
            print(f"the record of these uploads cannot be stored in INFLUXDB_BUCKET: {error}", file=sys.stderr)
