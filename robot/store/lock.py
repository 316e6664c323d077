"""One writer a store: an advisory lock that the operating system drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from robot.errors import StoreError


class WriterLock:
    """Holds `flock` on a file, which names the holder's process id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def is_free(self) -> bool:
        return self._descriptor is None

    def acquire(self) -> None:
        """Take the lock at once.

        Raises:
            StoreError: another writer holds it; names its process id.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreError(
                f"A store has one writer at a time, and process {holder} is writing to "
                f"{self._path.parent.parent}; end that process or choose another store."
            ) from None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # the lock holds without the name: a full disk must not keep a session from its repair
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; may be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
