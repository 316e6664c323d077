"""A store made in one go from whole episodes: by an import, a merge, or an edit of another store.

    with StoreBuilder.open("runs/b.zarr", spec, {"imported from": "a.hdf5"}) as builder:
        builder.add(seed, attributes, rows, final)
        builder.finish()

Until `finish` nothing is at the path; a process that dies before leaves a folder `<name>.building-<pid>`, and no store.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.specs import RobotSpec
from robot.store.disk import disk_errors
from robot.store.journal import EpisodeHeader
from robot.store.remarks import Remark
from robot.store.tables import Tables

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Of Linux' renameat2(2)."""


class StoreBuilder:
    """Writes episodes to a store that is not there yet. Open one with `open`; a context manager."""

    def __init__(self, tables: Tables, path: Path) -> None:
        self._tables = tables
        self._path = path
        self._digest = tables.schema.spec.digest()
        self.row = tables.schema.row()
        """Type of a step, as the journal has it: all arrays of the schema, images included, and the end's flags."""

    @staticmethod
    def open(path: str | Path, spec: RobotSpec, attributes: dict[str, str], is_replacing: bool = False) -> StoreBuilder:
        """Begin a store that will be at `path`.

        Raises:
            StoreError: something is there already (unless `is_replacing`), or the disk does not take it.
        """
        path = Path(path)
        if path.exists() and not is_replacing:
            raise StoreError(f"{path} exists already; name another place.")
        building = path.with_name(f"{path.name}.building-{os.getpid()}")
        with disk_errors(path, "Nothing was written."):
            shutil.rmtree(building, ignore_errors=True)
            return StoreBuilder(Tables.create(building, spec, attributes), path)

    def add(
        self,
        seed: int,
        attributes: dict[str, str | int | float],
        steps: NDArray[np.void],
        final: NDArray[np.void] | None,
        remarks: Sequence[Remark] = (),
    ) -> int:
        """Append an episode; returns its index.

        Args:
            steps: (T,) of type `row`, T at least 1, the end's flags in the last one.
            final: (1,) of what followed; None where it is not known.
            remarks: what was said of it, whatever index they name.

        Raises:
            StoreError: no step, wrong type, or the disk is full.
        """
        if len(steps) == 0 or steps.dtype != self.row:
            raise StoreError(
                f"An episode is at least one row of the store's type; found {len(steps)} of {steps.dtype}."
            )
        header = EpisodeHeader(self._digest, len(self._tables.ends()), seed, attributes)
        with disk_errors(self._tables.path, "The store was not made."):
            index = self._tables.commit(header, steps, final, is_synced=False)
            for remark in remarks:
                self._tables.remarks.append(replace(remark, episode=index))
            return index

    def finish(self, old: Path | None = None) -> None:
        """Put the store in its place at once; what stood there, whose writer's lock is the caller's, is moved to `old`.

        Raises:
            StoreError: something has appeared there meanwhile and `old` is not given, or the disk does not take it.
        """
        building = self._tables.path
        with disk_errors(self._path, "The store was not made; what was there is untouched."):
            _sync_disk_of(self._tables.root)
            if old is None:
                if self._path.exists():
                    raise StoreError(f"{self._path} has appeared meanwhile; name another place.")
                building.rename(self._path)
                return
            # Named for good first: the old store must never have a name whose folders are deleted.
            building.rename(old)
            try:
                _exchange(old, self._path)
            except (OSError, StoreError):
                old.rename(building)
                raise

    def __enter__(self) -> StoreBuilder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._tables.path, ignore_errors=True)  # gone where it was finished


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _sync_disk_of(folder: Path) -> None:
    """Flush the file system of `folder`, and no other; says where it could not (sync(2) does not)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _libc().syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> None:
    """Exchange two folders in one step, so that there is a whole store at either path at any moment."""
    done = _libc().renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if done != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(number, os.strerror(number), str(other))
        raise StoreError(f"The file system of {other} cannot exchange folders; write to another place with --out.")
