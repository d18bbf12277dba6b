"""Line protocol files: the store when no InfluxDB is configured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from powerview.store.protocol import Delivery, Span, StoreAway


def line_protocol_folder(data_dir: Path) -> Path:
    """Where line protocol files are when no InfluxDB is configured: beside the tree."""
    return data_dir.parent / "line-protocol"


class Nowhere:
    """A store that keeps nothing, to show what would be stored; its own delivery."""

    done = True

    def deliver(self, bucket: str, precision: str = "s") -> Delivery:  # noqa: ARG002
        return self

    def stored(self, bucket: str, campaign: str) -> None:  # noqa: ARG002
        """Line protocol is only ever appended to."""

    def beside(self, bucket: str) -> None:  # noqa: ARG002
        """Nothing is made of line protocol."""

    def answers(self) -> bool:
        """A folder is always there."""
        return True

    def report(self, bucket: str, lines: bytes) -> None:  # noqa: ARG002
        """Points about uploads are for InfluxDB alone."""

    def send(self, series: str, lines: bytes, span: Span) -> None:  # noqa: ARG002
        pass

    def finish(self) -> None:
        pass

    def result(self) -> None:
        pass

    def close(self) -> None:
        pass


class FileStore:
    """Line protocol files, `<bucket>.lp` with times in seconds, in one folder: what any InfluxDB takes.

    They are appended to; with `anew` each is begun anew when a run first writes to it.
    """

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        self.folder = folder
        self._anew = anew
        self._files: dict[str, int] = {}

    def deliver(self, bucket: str, precision: str = "s") -> Delivery:  # noqa: ARG002 - whoever writes knows it
        """Begin a delivery. Raises StoreAway if the folder or the file cannot be written."""
        with self._as_store_away():
            if bucket not in self._files:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._files[bucket] = self._open(self.folder / f"{bucket}.lp")
            return _FileDelivery(self, self._files[bucket])

    def stored(self, bucket: str, campaign: str) -> None:  # noqa: ARG002
        """Line protocol is only ever appended to."""

    def beside(self, bucket: str) -> None:  # noqa: ARG002
        """Nothing is made of line protocol."""

    def answers(self) -> bool:
        """A folder is always there."""
        return True

    def report(self, bucket: str, lines: bytes) -> None:  # noqa: ARG002
        """Points about uploads are for InfluxDB alone."""

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._files.values():
            os.close(descriptor)

    def _open(self, path: Path) -> int:
        anew = os.O_TRUNC if self._anew else 0
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | anew, 0o640)
        _cut_unfinished_line(descriptor)
        return descriptor

    @contextmanager
    def _as_store_away(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreAway(
                f"line protocol files cannot be written in {self.folder}: {error.strerror or error}. Make room, or let "
                f"this user write there, or name an InfluxDB in INFLUXDB_HOST"
            ) from error


class _FileDelivery:
    def __init__(self, store: FileStore, descriptor: int) -> None:
        self._store = store
        self._descriptor = descriptor
        self._away: StoreAway | None = None
        self.done = False

    def send(self, series: str, lines: bytes, span: Span) -> None:  # noqa: ARG002 - the order of the file is the order of writing
        if self._away:
            return
        try:
            with self._store._as_store_away():
                rest = memoryview(lines)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        except StoreAway as away:
            with suppress(OSError):
                _cut_unfinished_line(self._descriptor)
            self._away = away

    def finish(self) -> None:
        try:
            with self._store._as_store_away():
                os.fsync(self._descriptor)
        except StoreAway as away:
            self._away = self._away or away
        self.done = True

    def result(self) -> None:
        if self._away:
            raise self._away


def _cut_unfinished_line(descriptor: int) -> None:
    # A run that was killed while it wrote left half a line. Its file is still pending, so nothing is lost with it.
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65_536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    os.ftruncate(descriptor, end)
