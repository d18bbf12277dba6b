"""Look at everything, notify whoever is to be notified, call the dead man's switch: the end of each sweep."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from powerview.monitoring.check import SFTPGO_ENVIRONMENT, look
from powerview.monitoring.memory import Memory
from powerview.monitoring.message import first_lines, message, trial_message
from powerview.monitoring.notify import Recipient, ping, recipients
from powerview.monitoring.problems import (
    CONFIRMED_AFTER,
    News,
    Problems,
    delivered,
    due,
    forget,
    lasting,
    update,
)  # fmt: skip
from powerview.monitoring.texts import ENGLISH
from powerview.settings import LANGUAGES, Settings, SettingsError, require_notifications

NOBODY = "nobody is notified: set POWERVIEW_ALERT_URLS and POWERVIEW_PING_URL in {env}"


def run_watch(settings: Settings, *, sftpgo: tuple[Path, ...] = SFTPGO_ENVIRONMENT) -> int:
    """Look, report what is new, lasts or is over, and ping. Returns the exit status: 0, or 75 if something could not be
    delivered, which the next sweep tries again."""
    with _only_watch(settings.state_dir) as only:
        if not only:
            print("another watch is at work")
            return 0
        return _watch(settings, sftpgo)


def run_test(settings: Settings) -> int:
    """Send one message to everybody and one ping, and print what came back. Returns 0 if all of it was received, 75 if
    not. Raises SettingsError if an address is none, or there is nobody to notify."""
    require_notifications(settings)
    if not settings.alert_urls and not settings.ping_url:
        raise SettingsError(f"{NOBODY.format(env=settings.env_file)} or in the environment.")
    results = {to.label: to.send(*trial_message(_language(settings)), over=True) for to in recipients(settings)}
    if settings.ping_url:
        results["ping"] = ping(settings)
    for label, error in results.items():
        print(f"{label}: {f'NOT received: {error}' if error else 'received'}")
    return os.EX_TEMPFAIL if any(results.values()) else 0


def _watch(settings: Settings, sftpgo: tuple[Path, ...]) -> int:
    now = time.time()
    memory = Memory(settings.state_dir)
    problems = memory.load()
    update(problems, look(settings, sftpgo, write=True), now, _language(settings))
    memory.save(problems)
    if memory.lost:
        print(f"{memory.lost}. Messages may come twice.", file=sys.stderr)
        for problem in problems.values():  # it cannot be waited for what the next sweep sees
            problem.since = min(problem.since, now - CONFIRMED_AFTER)
    everybody = recipients(settings)
    failed = [to.label for to in everybody if not _report(to, problems, memory, settings, now)]
    forget(problems, [to.key for to in everybody])
    known, memory.nobody = memory.nobody, not everybody and not settings.ping_url
    memory.save(problems)
    wrong = lasting(problems)
    count = f"{len(wrong)} {'problem' if len(wrong) == 1 else 'problems'}"
    print(f"{count} (python -m powerview check)" if wrong else "all is well")
    if settings.ping_url and not _pinged(settings, first_lines(wrong)):
        failed.append("ping")
    if memory.nobody and (sys.stdout.isatty() or not known):  # a log gets it once
        print(NOBODY.format(env=settings.env_file))
    return os.EX_TEMPFAIL if failed else 0


def _report(to: Recipient, problems: Problems, memory: Memory, settings: Settings, now: float) -> bool:
    news = due(problems, to.key, now)
    keys = [f"{to.key} {kind} {problem.name} {problem.subject}" for kind, problem in news]
    if not news or (memory.lost and memory.was_sent(keys)):
        return True
    what = ", ".join(f"{count} {kind}" for kind, count in Counter(kind for kind, _ in news).items())
    only_ends = all(kind in (News.OVER, News.PASSED) for kind, _ in news)
    error = to.send(*message(news, _language(settings), now), over=only_ends)
    if error:
        print(f"{to.label}: {what} NOT delivered: {error}. The next sweep tries again.", file=sys.stderr)
        return False
    print(f"{to.label}: {what} delivered")
    delivered(news, to.key, now)
    memory.save(problems)
    if memory.lost:
        memory.mark_sent(keys)
    return True


def _pinged(settings: Settings, trouble: str) -> bool:
    error = ping(settings, trouble)
    if error:
        print(f"POWERVIEW_PING_URL: the ping was NOT received: {error}", file=sys.stderr)
    return not error


def _language(settings: Settings) -> str:
    return settings.language if settings.language in LANGUAGES else ENGLISH


@contextmanager
def _only_watch(state_dir: Path) -> Iterator[bool]:
    # Two at once would send everything twice. A lock that cannot be made must not silence anybody.
    try:
        lock = os.open(state_dir / "watch.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError:
        yield True
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(lock)
