"""One writer a store."""

from __future__ import annotations

from collections.abc import Callable

from robot.errors import StoreError
from robot.filelock import FileLock
from robot.store.disk import disk_errors
from robot.store.tables import LOCK, Tables


class WriterLock:
    """The lock of a store's only writer, on a file in it."""

    def __init__(self, tables: Tables) -> None:
        self._store = tables.path
        self._lock = FileLock(tables.root / LOCK)

    @property
    def is_free(self) -> bool:
        return not self._lock.is_held

    def acquire(self) -> None:
        """Take the lock at once.

        Raises:
            StoreError: another writer holds it, whose process id is named, or the store cannot be written to.
        """
        with disk_errors(self._store, "Nothing was written."):
            is_free = self._lock.try_acquire()
        if not is_free:
            raise StoreError(
                f"A store has one writer at a time, and process {self._lock.holder} is writing to "
                f"{self._store}; end that process or choose another store."
            )

    def release(self) -> None:
        """Give the lock back; may be called twice."""
        self._lock.release()


def locked(open_store: Callable[[], Tables]) -> tuple[Tables, WriterLock]:
    """Return a store and its writer's lock, taken; of the folder that is at its path, not of one that an edit replaced.

    Raises:
        StoreError: as `open_store`, or another writer holds the lock.
    """
    while True:
        tables = open_store()
        lock = WriterLock(tables)
        lock.acquire()
        if tables.is_current:
            return tables, lock
        lock.release()
