"""Turns what the operating system says of a disk into one sentence for a person."""

from __future__ import annotations

import errno
import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robot.errors import StoreError

_OPEN_FOLDER = re.compile(r"^/proc/self/fd/\d+")
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
        place = _OPEN_FOLDER.sub(str(path), str(error.filename or path))
        raise StoreError(f"Cannot read or write {place}: {reason}. {advice}") from error


class OpenFolder:
    """A folder as it was opened, whatever is put in its place later (Linux); open for as long as somebody has this.

    Attributes:
        path: means the folder itself, not its name; for every access, never for a sentence.

    Raises:
        OSError: it is not there, or no folder.
    """

    def __init__(self, name: Path) -> None:
        self._name = name
        self._descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        weakref.finalize(self, os.close, self._descriptor)
        self.path = Path(f"/proc/self/fd/{self._descriptor}")

    @property
    def is_current(self) -> bool:
        """Whether its name still stands for it."""
        try:
            return self._name.stat().st_ino == os.fstat(self._descriptor).st_ino
        except OSError:
            return False
