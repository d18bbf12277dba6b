"""The loop: claim → read → encode → store → settle, one trap per file.

A file is read while the ones before it are on their way to the store; it is settled when the store has answered for
all of it, in the order of the uploads. What happens when the process dies: the file is still pending, and the next
run stores the same points again, which changes nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from powerview import fleet, inbox, line_protocol
from powerview.inbox import Claim, Inbox, Refusal, Upload
from powerview.journal import ERROR, OK, PARTIAL, PENDING, REFUSED, Journal, Outcome
from powerview.settings import Settings, SettingsError
from powerview.store import BadLines, Delivery, Store, StoreAway

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
            return 75
        return 1 if any(o.status in (ERROR, REFUSED) for o in self.outcomes) else 0


# ── choose ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def choose(tree: Inbox, *, again: bool, files: list[Path] | None) -> tuple[list[Upload], list[Refusal]]:
    """The files to read, in the order of their uploads, and those that are refused.

    `files` narrows it to these; `again` takes what was settled before instead of what is pending.
    Raises inbox.NoSuchFile for a named file that is not there, OSError if the tree cannot be read.
    """
    if files is not None:
        found: Iterable[Upload | Refusal] = dict.fromkeys(_wanted(tree.find(path), again) for path in files)
    else:
        found = tree.settled() if again else tree.pending()
    uploads, refusals = [], []
    for item in found:
        (uploads if isinstance(item, Upload) else refusals).append(item)
    return sorted(uploads, key=inbox.upload_order), refusals


def _wanted(found: Upload | Refusal, again: bool) -> Upload | Refusal:
    if isinstance(found, Refusal):
        return found
    settled = found.state == inbox.PARSED or found.name.startswith("PARSED_")
    if settled and not again:
        return Refusal(found.path, "this file was parsed before: read it once more with --again")
    if found.state == inbox.ERROR:
        return Refusal(found.path, "this file lies in error/: move it back into the device's folder to try it again")
    return found


# ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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
        self.now = latest_time(settings.state_dir) if journal else time.time()
        self.run = Run()
        self._told = Told(settings.state_dir) if journal else None
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
            self.run.outcomes.append(Outcome(PENDING, upload.path, str(busy)))
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

        outcome = Outcome(OK, upload.path, arrived=claim.arrived)
        try:
            recording = self._read(claim)
        except mv2.NotReadable as error:
            outcome.status, outcome.reason = ERROR, str(error)
            return _Sent(claim, upload, outcome, None)
        later = self._later(upload, recording)  # looked at before anything is sent that they must stand over
        delivery = self._deliver(recording, upload)
        _describe(outcome, recording, upload)
        outcome.notes += [f"{each.name}, uploaded later, was written again behind it" for each in later]
        return _Sent(claim, upload, outcome, delivery, [self._again(each) for each in later])

    def _read(self, claim: Claim):
        from powerview import mv2

        return mv2.read_recording(claim.file, timezone=self.settings.timezone, now=self.now)

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
            if all_again and later.state != inbox.ERROR:
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
        told = f"{settled.path}, which was uploaded later and must stand over it, cannot be read now"
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
            outcome.status = ERROR
            outcome.reason = f"InfluxDB refused some of its lines: {bad}. What it took of the others is stored"
        for delivery in sent.later:
            with suppress(BadLines):  # it refused them when they came, and their reason lies beside them
                delivery.result()
        if self.settle:
            self._move(sent.claim, outcome)
        outcome.seconds = time.perf_counter() - sent.started
        self._record(outcome)

    def _move(self, claim: Claim, outcome: Outcome) -> None:
        if outcome.status == ERROR:
            state, name = inbox.ERROR, claim.to_error(f"{outcome.path}: {outcome.reason}")
        else:
            state, name = inbox.PARSED, claim.to_parsed()
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
        outcome = Outcome(REFUSED, path, reason)
        self.run.outcomes.append(outcome)
        if self.journal and self._told.is_new(path, mark, reason):
            self.journal.file(outcome)

    def _tell_fleet(self) -> None:
        # For the admins' dashboard; last, since a failure here must not keep a reading from being stored.
        points = [fleet.point(o) for o in self.run.outcomes if o.status in (OK, PARTIAL, ERROR)]
        if not points or self.run.away or not self.settings.influxdb_host:
            return
        try:
            delivery = self.store.deliver(self.settings.influxdb_bucket, precision="ns")
            delivery.send(fleet.MEASUREMENT, b"".join(points))
            delivery.finish()
            delivery.result()
        except (StoreAway, BadLines) as error:
            print(f"how the uploads went cannot be stored in INFLUXDB_BUCKET: {error}", file=sys.stderr)

    def _finish(self, wanted: int) -> None:
        if not self.journal:
            return
        self._told.save(keep=not self.every or self.run.away is not None)
        self._tell_fleet()
        settled = sum(o.status in (OK, PARTIAL, ERROR) for o in self.run.outcomes)
        if self.run.away:
            self.journal.run(self.run.away, wanted - settled)
        elif growing := [o for o in self.run.outcomes if o.status == PENDING]:
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
    outcome.status = ERROR if recording.unread else PARTIAL if recording.torn else OK
    outcome.reason = recording.unread or recording.torn or ""
    outcome.rows, outcome.readings = recording.rows, recording.readings
    outcome.first, outcome.last = recording.first, recording.last
    outcome.left_out = +recording.left_out
    if recording.header.master != upload.device:
        outcome.notes.append(f"the folder is {upload.device}, the logger is {recording.header.master}")
    outcome.notes += [f"{n} {what}" for what, n in recording.notes.items()]


# ── what lasts from run to run ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def only_run(state_dir: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the lock that keeps two runs apart; calls `waiting` once if another holds it, then waits for it.

    The kernel lets go of it however the process ends. Raises SettingsError if POWERVIEW_STATE_DIR cannot be used.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(state_dir / "parser.lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise SettingsError(
            f"POWERVIEW_STATE_DIR {state_dir} cannot be used: {error.strerror}. Make it, owned by the user that runs "
            f"PowerView, or name another folder."
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def latest_time(state_dir: Path) -> float:
    """The latest UTC seconds that this server's clock has shown, which is now unless the clock was set back.

    Readings more than a day ahead are left out; a server's clock that was set back must not do that to good ones.
    """
    mark = state_dir / "latest-time"
    now = time.time()
    with suppress(OSError):  # the first run; or a full or read-only disk, where the clock alone must do
        latest = mark.stat().st_mtime
        if latest > now + 60:
            return latest
    with suppress(OSError):
        mark.touch(0o660)
    return now


class Told:
    """What was said of files that still lie there, so that no sweep says it again; kept in `told.json`."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "told.json"
        try:
            self._before = dict(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self._before = {}  # at worst something is said once more
        self._said: dict[str, list] = {}

    def is_new(self, path: str, mark: str, reason: str) -> bool:
        """Whether this was not said of the unchanged file before."""
        self._said[path] = [mark, reason]
        return self._before.get(path) != [mark, reason]

    def save(self, *, keep: bool) -> None:
        """Remember what this run said, and with `keep` what earlier ones said of files that it did not come to.

        A full disk only means that something is said again.
        """
        said = {**self._before, **self._said} if keep else self._said
        if said == self._before:
            return
        half = self._path.with_suffix(".half")
        try:
            half.touch(0o660)
            half.write_text(json.dumps(said), encoding="utf-8")
            half.replace(self._path)
        except OSError as error:
            print(f"{self._path} cannot be written: {error.strerror}", file=sys.stderr)
