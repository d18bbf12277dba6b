"""A file that is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write; when the block ends well it takes the place of `path`, in one step. Else `path` is as it was.

    Raises OSError.
    """
    try:
        half = NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name[:100]}.", delete=False)  # noqa: SIM115
    except OSError as error:
        error.filename = str(path)  # the other name means nothing to anybody
        raise
    try:
        with half:
            yield half
            half.flush()
            os.fsync(half.fileno())
            os.fchmod(half.fileno(), 0o666 & ~_umask())  # as any other new file of this user
        os.replace(half.name, path)
    except BaseException:
        os.unlink(half.name)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
