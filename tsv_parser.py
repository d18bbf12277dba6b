#!/usr/bin/env python3
"""Store the readings of uploaded logger files: the ingest lane's command line.

Exit status: 0 all stored; 1 a file went to error/ or was refused; 2 usage; 75 InfluxDB is away or refuses us and files
are pending; 70 PowerView failed; 77 another user owns the files; 78 a setting is missing or wrong; 130 interrupted
(Ctrl-C).
"""

from __future__ import annotations

import os
import signal
import sys

EX_USAGE, EX_INTERRUPTED = 2, 128 + signal.SIGINT
INTERRUPTED = "interrupted; files that were not settled are still pending."


def interrupted_early(*_) -> None:
    """Ctrl-C before `main` can catch it, while the rest is imported."""
    os.write(2, f"tsv_parser.py: {INTERRUPTED}\n".encode())
    os._exit(EX_INTERRUPTED)


if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, interrupted_early)

import argparse
import contextlib
import dataclasses
import pwd
import traceback
from pathlib import Path

try:
    from powerview import __version__, ingest
    from powerview.inbox import Inbox, NoSuchFile
    from powerview.ingest import journal
    from powerview.output import outlet, trouble
    from powerview.settings import Settings, SettingsError, load_settings, require_influxdb
    from powerview.store import line_protocol_folder, open_store
except Exception:  # noqa: BLE001 - of itself Python would end with 1, which means a file in error/
    traceback.print_exc()
    print(
        f"tsv_parser.py: PowerView cannot start in {sys.executable}: see above. Is everything installed? "
        f"pip install -r requirements.txt",
        file=sys.stderr,
    )
    sys.exit(os.EX_SOFTWARE)


def parser() -> argparse.ArgumentParser:
    """The options, whose help is the manual."""
    options = argparse.ArgumentParser(prog="tsv_parser.py", description=__doc__.splitlines()[0])
    options.add_argument("--version", action="version", version=f"PowerView {__version__}")
    options.add_argument("-d", "--dataFolder", type=some_path, metavar="DATA",
                         help="the tree client/campaign/device/*.tsv (default: POWERVIEW_DATA_DIR)")  # fmt: skip
    options.add_argument("-t", "--tsvFile", type=some_path, metavar="FILE", nargs="+", action="extend",
                         help="only these files of the tree")  # fmt: skip
    options.set_defaults(other_tree=False)
    options.add_argument("--dry-run", action="store_true", help="show what would happen, change nothing")
    options.add_argument("--output", type=some_path, metavar="DIR",
                         help="write line protocol files to DIR to look at, move nothing")  # fmt: skip
    options.add_argument("--again", action="store_true",
                         help="store again what is in parsed/ (and PARSED_*), move nothing")  # fmt: skip
    return options


def some_path(text: str) -> Path:
    """A path as options take it."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; a folder or file must be named")
    return Path(text)


def main(arguments: list[str] | None = None) -> int:
    """Run with command line arguments; returns the exit status."""
    sys.stdout, sys.stderr = outlet(sys.stdout), outlet(sys.stderr)
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if signal.getsignal(signal.SIGINT) is interrupted_early:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        settings = load_settings()
        if options.dataFolder is not None:
            data_dir = Path(os.path.abspath(options.dataFolder))
            options.other_tree = os.path.realpath(data_dir) != os.path.realpath(settings.data_dir)
            settings = dataclasses.replace(settings, data_dir=data_dir)
        if not (options.dry_run or options.output):
            require_influxdb(settings)
        return work(settings, options)
    except KeyboardInterrupt:
        return complain(INTERRUPTED, EX_INTERRUPTED)
    except NotOurs as error:
        return complain(error, os.EX_NOPERM)
    except SettingsError as error:
        return complain(error, os.EX_CONFIG)
    except NoSuchFile as error:
        return complain(error, EX_USAGE)
    except OSError as error:  # single files have a trap of their own: this is the tree or the output itself
        return complain(trouble(error), os.EX_CONFIG)


def work(settings: Settings, options: argparse.Namespace) -> int:
    """One run; returns the exit status. Raises SettingsError, NotOurs, NoSuchFile, OSError."""
    check_folders(settings, options)
    for_a_look = options.dry_run or options.output is not None
    if not for_a_look:
        check_owner(settings.state_dir)
    with contextlib.ExitStack() as stack:
        if not for_a_look:
            stack.enter_context(ingest.only_run(settings.state_dir, say_waiting))
        tree = Inbox(settings.data_dir, settings.influxdb_bucket)
        uploads, refusals = ingest.choose(tree, again=options.again, files=options.tsvFile)
        tick = stack.enter_context(progress(len(uploads)))
        done = ingest.run(
            settings, uploads, refusals, lambda: open_store(settings, options.output, dry_run=options.dry_run),
            parsed=tree.folders_with_parsed, keep=not for_a_look, again=options.again,
            every=options.tsvFile is None, own_tree=not options.other_tree, tick=tick,
        )  # fmt: skip
    report(done, dry_run=options.dry_run)
    return done.status


def check_folders(settings: Settings, options: argparse.Namespace) -> None:
    """Raise SettingsError if the tree is no folder, or --output would harm what is kept."""
    data = settings.data_dir
    if not data.is_dir():
        named = "-d" if options.dataFolder else f"POWERVIEW_DATA_DIR (set in {settings.env_file} or the environment)"
        raise SettingsError(f"{data} is not a folder: {named} must name the tree client/campaign/device/*.tsv.")
    if options.output is not None:
        output = options.output.resolve()
        if output == line_protocol_folder(data).resolve() or output.is_relative_to(data.resolve()):
            raise SettingsError(f"--output {options.output}: that folder holds uploads or readings; name another one.")


class NotOurs(Exception):
    """Another user owns the files; the text names him and the command to type."""


def check_owner(state_dir: Path) -> None:
    """Raise NotOurs if POWERVIEW_STATE_DIR belongs to another user, who could not write to what we would make."""
    folder = next(f for f in (state_dir, *state_dir.parents) if f.exists())
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"#{owner}"
        raise NotOurs(f"{folder} belongs to user {name}; run it as that user: sudo -u {name} {' '.join(sys.argv)}")


@contextlib.contextmanager
def progress(total: int):
    """A bar for a person at a terminal; nothing in a log. Yields what is to be called for each file."""
    if not sys.stderr.isatty() or not total:
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="file", leave=False) as bar:
        yield bar.update


def report(run: ingest.Result, *, dry_run: bool) -> None:
    """The summary on stdout, and on stderr why the run stopped.

    A log, such as the sweep's in systemd's journal, does not get again what an earlier run has reported.
    """
    outcomes = [o for o in run.outcomes if sys.stdout.isatty() or not o.repeated]
    if dry_run:
        for outcome in outcomes:
            print("would", outcome.line())
    if outcomes or not (run.away or run.outcomes):
        print(journal.summary(outcomes))
    if run.away:
        print(f"tsv_parser.py: {run.away}. Files stay pending; the next run takes them.", file=sys.stderr)


def say_waiting() -> None:
    """Another run holds the lock."""
    print("tsv_parser.py: another run is in progress; waiting for it to end.", file=sys.stderr)


def complain(error: Exception | str, status: int) -> int:
    """One sentence on stderr; returns the exit status."""
    print(f"tsv_parser.py: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:  # noqa: BLE001 - a fault of ours must not end like a file in error/, with status 1
        traceback.print_exc()
        sys.exit(os.EX_SOFTWARE)
