"""Turns what the operating system says of a disk into one sentence for a person."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robot.errors import StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_errors(path: Path, advice: str) -> Iterator[None]:
    """Raise every OSError within as a StoreError that ends with `advice`: what was kept and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreError(f"No room is left on the disk of {path}; free some space. {advice}") from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StoreError(f"Cannot read or write {error.filename or path}: {reason}. {advice}") from error
