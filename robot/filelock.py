"""A lock that the operating system drops when its holder dies, in a file that names the holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from pathlib import Path


class FileLock:
    """Holds `flock` on a file; it is given back by `release`, or with the last reference, or with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._close: weakref.finalize[[int], FileLock] | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._close is not None and self._close.alive

    @property
    def holder(self) -> str:
        """Process id of whoever took the lock last, "unknown" where it could not be written."""
        try:
            return self._path.read_text(errors="replace").strip() or "unknown"
        except OSError:
            return "unknown"

    def try_acquire(self) -> bool:
        """Take the lock at once; False when another holds it.

        Raises:
            OSError: the file cannot be made.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        # the lock holds without the name: a full disk must not keep a session from its repair
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._close = weakref.finalize(self, os.close, descriptor)
        return True

    def release(self) -> None:
        """Give the lock back; may be called twice."""
        if self._close is not None:
            self._close()
