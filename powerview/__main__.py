"""Look at uploads, name their channels, export them, check and watch the installation: `python -m powerview COMMAND`.

Exit status: 0 done; 1 something is not in place (check); 2 usage, or nothing is there to show or export; 75 InfluxDB is
away or refuses us, or a message could not be delivered (watch); 78 a setting is missing or wrong, or a file cannot be
read or written.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import signal
import sys
from datetime import date
from pathlib import Path

from powerview import __version__
from powerview.output import trouble
from powerview.settings import LANGUAGES, Settings, SettingsError, load_settings, require_grafana, require_language

EX_USAGE, EX_TEMPFAIL, EX_CONFIG = 2, os.EX_TEMPFAIL, os.EX_CONFIG


def parser() -> argparse.ArgumentParser:
    """The commands and their options, whose help is the manual."""
    top = argparse.ArgumentParser(prog="python -m powerview", description=__doc__.split(":")[0] + ".")
    top.add_argument("--version", action="version", version=f"PowerView {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    look = commands.add_parser("preview", help="make one page, readable without a network, from the files of a tree")
    look.add_argument("data", type=Path, metavar="DATA", nargs="?", help="the tree (default: POWERVIEW_DATA_DIR)")
    look.add_argument("-o", "--output", type=Path, metavar="FILE", default=Path("preview.html"),
                      help="where the page goes (default: preview.html)")  # fmt: skip
    look.set_defaults(run=preview)

    table = commands.add_parser("export", help="write a campaign's readings as a table, from InfluxDB or files")
    table.add_argument("client", metavar="CLIENT")
    table.add_argument("campaign", metavar="CAMPAIGN")
    table.add_argument("--from", dest="first", type=day, metavar="DATE", help="first local day, such as 2025-10-26")
    table.add_argument("--to", dest="last", type=day, metavar="DATE", help="last local day")
    table.add_argument("--format", choices=("csv", "parquet", "xlsx"), default="csv",
                       help="default: csv; xlsx has kWh per day and coverage as well")  # fmt: skip
    table.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")
    table.add_argument("-d", "--data", type=Path, metavar="DATA",
                       help="from the files of this tree (default: InfluxDB if INFLUXDB_HOST is set, else from the "
                            "files of POWERVIEW_DATA_DIR)")  # fmt: skip
    table.add_argument("--sheet", action="store_true",
                       help="as the campaign's channels.csv shows them: columns by name, readings times their factor; "
                            "with xlsx also the totals per day")  # fmt: skip
    table.set_defaults(run=export)

    paper = commands.add_parser("report", help="write a campaign's figures as a PDF to hand over, from InfluxDB or "
                                               "files")  # fmt: skip
    paper.add_argument("client", metavar="CLIENT")
    paper.add_argument("campaign", metavar="CAMPAIGN")
    paper.add_argument("--from", dest="first", type=day, metavar="DATE", help="first local day, such as 2025-10-26")
    paper.add_argument("--to", dest="last", type=day, metavar="DATE", help="last local day")
    paper.add_argument("--language", choices=LANGUAGES, help="default: POWERVIEW_LANGUAGE")
    paper.add_argument("--subscribed", type=kilowatts, metavar="KW",
                       help="subscribed power in kW, not kVA: for how long the load was above it")  # fmt: skip
    paper.add_argument("-o", "--output", type=Path, metavar="FILE", required=True, help="where the PDF goes")
    paper.add_argument("-d", "--data", type=Path, metavar="DATA",
                       help="from the files of this tree (default: as for export)")  # fmt: skip
    paper.set_defaults(run=report)

    sheet = commands.add_parser("channels", help="write channels.csv, which says what each clamp of a campaign "
                                                 "measures, or bring it up to date")  # fmt: skip
    sheet.add_argument("client", metavar="CLIENT")
    sheet.add_argument("campaign", metavar="CAMPAIGN")
    sheet.add_argument("-d", "--data", type=Path, metavar="DATA", help="the tree (default: POWERVIEW_DATA_DIR)")
    sheet.set_defaults(run=run_channels)

    check = commands.add_parser("check", help="is everything in place? One line for each thing, with the remedy")
    check.add_argument("--json", action="store_true", help="for monitoring")
    check.add_argument("--sftpgo-env", type=Path, metavar="PATH",
                       help="SFTPGo's environment, file or folder (default: those in /etc/sftpgo)")  # fmt: skip
    check.set_defaults(run=run_check)

    watch = commands.add_parser("watch", help="notify whoever is to be notified of what is wrong, and call the dead "
                                              "man's switch; the end of each sweep")  # fmt: skip
    watch.add_argument("--test", action="store_true", help="send one message and one ping, and print what came back")
    watch.add_argument("--sftpgo-env", type=Path, metavar="PATH", help="as for check")
    watch.set_defaults(run=run_watch)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run with command line arguments; returns the exit status."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return options.run(load_settings(), options)
    except SettingsError as error:
        return complain(error, EX_CONFIG)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return complain(trouble(error), EX_CONFIG)


def preview(settings: Settings, options: argparse.Namespace) -> int:
    """Make the page and print where it is."""
    settings = in_tree(settings, options.data)
    from powerview.reporting.preview import NothingToShow, write_preview  # late: charts take half a second to import

    try:
        campaigns = write_preview(settings, options.output)
    except NothingToShow as error:
        return complain(error, EX_USAGE)
    files = sum(len(campaign.files) for campaign in campaigns)
    size = options.output.stat().st_size / 1e6
    print(f"{options.output}: {len(campaigns)} campaigns from {files} files, {size:.1f} MB; open it in a browser.")
    return 0


def export(settings: Settings, options: argparse.Namespace) -> int:
    """Write the table."""
    from_files = options.data is not None or not settings.influxdb_host
    if from_files:
        settings = in_tree(settings, options.data)
    if options.format != "csv" and options.output is None:
        return complain(f"--format {options.format} needs -o FILE: it is not text for a terminal", EX_USAGE)
    from powerview.reporting import export  # late: pandas takes its time
    from powerview.store import StoreAway

    try:
        want = export.wanted(settings, options.client, options.campaign, options.first, options.last)
        export.export(settings, want, options.format, options.output, from_files=from_files, by_sheet=options.sheet)
    except export.NotExported as error:
        return complain(error, EX_USAGE)
    except StoreAway as error:
        return complain(error, EX_TEMPFAIL)
    return 0


def report(settings: Settings, options: argparse.Namespace) -> int:
    """Write the PDF and print where it is."""
    from_files = options.data is not None or not settings.influxdb_host
    if from_files:
        settings = in_tree(settings, options.data)
    if options.language is None:
        require_language(settings)
    from powerview.reporting import export  # late: pandas takes its time
    from powerview.reporting.report.pdf import write_report
    from powerview.store import StoreAway

    try:
        want = export.wanted(settings, options.client, options.campaign, options.first, options.last)
        write_report(
            settings, want, options.output, language=options.language or settings.language, from_files=from_files,
            subscribed=options.subscribed and options.subscribed * 1000,
        )  # fmt: skip
    except export.NotExported as error:
        return complain(error, EX_USAGE)
    except StoreAway as error:
        return complain(error, EX_TEMPFAIL)
    print(f"{options.output}: the report of {want}.")
    return 0


def run_channels(settings: Settings, options: argparse.Namespace) -> int:
    """Write the sheet and print what changed."""
    settings = in_tree(settings, options.data)
    require_language(settings)
    from powerview.channels import NAME, NotUnderstood
    from powerview.reporting.sheet import NoSheet, write_sheet  # late: pandas takes its time

    try:
        print("\n- ".join(write_sheet(settings, options.client, options.campaign)))
    except NoSheet as error:
        return complain(error, EX_USAGE)
    except NotUnderstood as error:
        where = settings.data_dir / options.client / options.campaign / NAME
        return complain(f"{where} is not changed: " + "\n".join(error.problems), EX_CONFIG)
    return 0


def run_check(settings: Settings, options: argparse.Namespace) -> int:
    """Look at the whole installation."""
    require_grafana(settings)
    from powerview.monitoring import check

    return check.run_check(settings, as_json=options.json, sftpgo=sftpgo_environment(options))


def run_watch(settings: Settings, options: argparse.Namespace) -> int:
    """Look at the whole installation and notify."""
    require_grafana(settings)
    from powerview.monitoring import watch

    if options.test:
        return watch.run_test(settings)
    return watch.run_watch(settings, sftpgo=sftpgo_environment(options))


def sftpgo_environment(options: argparse.Namespace) -> tuple[Path, ...]:
    """Where SFTPGo's environment is."""
    from powerview.monitoring.machine import SFTPGO_ENVIRONMENT

    return (options.sftpgo_env,) if options.sftpgo_env else SFTPGO_ENVIRONMENT


def day(text: str) -> date:
    """A day as options take it."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2025-10-26") from error


def kilowatts(text: str) -> float:
    """A power as options take it, with a decimal point or comma."""
    if not re.fullmatch(r"[0-9]{1,7}([.,][0-9]{1,6})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of kW such as 36 or 4.5")
    return float(text.replace(",", "."))


def in_tree(settings: Settings, data: Path | None) -> Settings:
    """The settings with another tree, if one is named. Raises SettingsError if the tree is no folder."""
    named = "DATA" if data else f"POWERVIEW_DATA_DIR (set in {settings.env_file} or the environment)"
    if data:
        settings = dataclasses.replace(settings, data_dir=data.absolute())
    if not settings.data_dir.is_dir():
        raise SettingsError(
            f"{settings.data_dir} is not a folder: {named} must name the tree client/campaign/device/*.tsv."
        )
    return settings


def complain(error: Exception | str, status: int) -> int:
    """One sentence on stderr; returns the exit status."""
    print(f"python -m powerview: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
