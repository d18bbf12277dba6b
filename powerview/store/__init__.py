"""Where line protocol goes: InfluxDB, or files when none is configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from powerview.settings import Settings
from powerview.store.files import FileStore, Nowhere, line_protocol_folder
from powerview.store.influxdb import InfluxStore
from powerview.store.protocol import BadLines, Delivery, Span, Store, StoreAway

__all__ = [
    "BadLines", "Delivery", "FileStore", "InfluxStore", "Nowhere", "Span", "Store", "StoreAway", "line_protocol_folder",
    "open_store",
]  # fmt: skip


@contextmanager
def open_store(settings: Settings, output: Path | None = None, *, dry_run: bool = False) -> Iterator[Store]:
    """The store that the settings name: InfluxDB, or else files; files in `output`, anew, if that is given."""
    if dry_run:
        store = Nowhere()
    elif output is not None:
        store = FileStore(output, anew=True)
    elif settings.influxdb_host:
        store = InfluxStore(settings)
    else:
        store = FileStore(line_protocol_folder(settings.data_dir))
    try:
        yield store
    finally:
        store.close()
