"""One writer a store."""

from __future__ import annotations

from pathlib import Path

from robot.errors import StoreError
from robot.filelock import FileLock


class WriterLock:
    """The lock of a store's only writer, on a file in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path)

    @property
    def is_free(self) -> bool:
        return not self._lock.is_held

    def acquire(self) -> None:
        """Take the lock at once.

        Raises:
            StoreError: another writer holds it; names its process id.
        """
        if not self._lock.try_acquire():
            raise StoreError(
                f"A store has one writer at a time, and process {self._lock.holder} is writing to "
                f"{self._path.parent.parent}; end that process or choose another store."
            )

    def release(self) -> None:
        """Give the lock back; may be called twice."""
        self._lock.release()
