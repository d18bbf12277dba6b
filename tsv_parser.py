#!/usr/bin/env python3
"""Store the readings of uploaded logger files: the ingest lane's command line.

Exit status: 0 all stored; 1 a file went to error/ or was refused; 2 usage; 75 InfluxDB is away or refuses us and files
are pending; 78 a setting is missing or wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import signal
import sys
from pathlib import Path

from powerview import __version__, ingest
from powerview.inbox import Inbox, NoSuchFile
from powerview.ingest import journal
from powerview.output import outlet, trouble
from powerview.settings import Settings, SettingsError, load_settings, require_influxdb
from powerview.store import line_protocol_folder, open_store

EX_USAGE, EX_CONFIG = 2, os.EX_CONFIG


def parser() -> argparse.ArgumentParser:
    """The options, whose help is the manual."""
    options = argparse.ArgumentParser(prog="tsv_parser.py", description=__doc__.splitlines()[0])
    options.add_argument("--version", action="version", version=f"PowerView {__version__}")
    options.add_argument("-d", "--dataFolder", type=Path, metavar="DATA",
                         help="the tree client/campaign/device/*.tsv (default: POWERVIEW_DATA_DIR)")  # fmt: skip
    options.add_argument("-t", "--tsvFile", type=Path, metavar="FILE", nargs="+", action="extend",
                         help="only these files of the tree")  # fmt: skip
    options.add_argument("--dry-run", action="store_true", help="show what would happen, change nothing")
    options.add_argument("--output", type=Path, metavar="DIR",
                         help="write line protocol files to DIR to look at, move nothing")  # fmt: skip
    options.add_argument("--again", action="store_true",
                         help="store again what is in parsed/ (and PARSED_*), move nothing")  # fmt: skip
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run with command line arguments; returns the exit status."""
    sys.stdout, sys.stderr = outlet(sys.stdout), outlet(sys.stderr)
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        settings = load_settings()
        if options.dataFolder is not None:
            settings = dataclasses.replace(settings, data_dir=Path(os.path.abspath(options.dataFolder)))
        if not (options.dry_run or options.output):
            require_influxdb(settings)
        return work(settings, options)
    except SettingsError as error:
        return complain(error, EX_CONFIG)
    except NoSuchFile as error:
        return complain(error, EX_USAGE)
    except OSError as error:  # single files have a trap of their own: this is the tree or the output itself
        return complain(trouble(error), EX_CONFIG)


def work(settings: Settings, options: argparse.Namespace) -> int:
    """One run; returns the exit status. Raises SettingsError, NoSuchFile, OSError."""
    check_folders(settings, options)
    for_a_look = options.dry_run or options.output is not None
    with contextlib.ExitStack() as stack:
        if not for_a_look:
            stack.enter_context(ingest.only_run(settings.state_dir, say_waiting))
        tree = Inbox(settings.data_dir, settings.influxdb_bucket)
        uploads, refusals = ingest.choose(tree, again=options.again, files=options.tsvFile)
        tick = stack.enter_context(progress(len(uploads)))
        done = ingest.run(
            settings, uploads, refusals, lambda: open_store(settings, options.output, dry_run=options.dry_run),
            keep=not for_a_look, again=options.again, every=options.tsvFile is None, tick=tick,
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
    """The summary on stdout, and on stderr why the run stopped."""
    if dry_run:
        for outcome in run.outcomes:
            print("would", outcome.line())
    if run.outcomes or not run.away:
        print(journal.summary(run.outcomes))
    if run.away:
        print(f"tsv_parser.py: {run.away}. Files stay pending; the next run takes them.", file=sys.stderr)


def say_waiting() -> None:
    """Another run holds the lock."""
    print("tsv_parser.py: another run is in progress; waiting for it to end.", file=sys.stderr)


def complain(error: Exception, status: int) -> int:
    """One sentence on stderr; returns the exit status."""
    print(f"tsv_parser.py: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
