"""The ingest lane: claim → read → encode → store → settle, and what it reports."""

from powerview.ingest.choose import choose
from powerview.ingest.loop import Ingest, Run, encoded
from powerview.ingest.state import only_run

__all__ = ["Ingest", "Run", "choose", "encoded", "only_run"]
