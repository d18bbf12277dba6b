"""The ingest lane: claim → read → encode → store → settle, and what it reports."""

from powerview.ingest.choose import choose
from powerview.ingest.lane import run
from powerview.ingest.reports import Result
from powerview.ingest.state import only_run

__all__ = ["Result", "choose", "only_run", "run"]
