"""A store in an archive: a copy of its files under the same names in any store that zarr can write to.

What is archived is a zarr group like the one it came from, so that plain zarr reads it where it is. `zarr.json` of the
group is written last and read first: an archive that was not finished is none.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype

from robot.errors import StoreError
from robot.store.check import check
from robot.store.disk import disk_errors
from robot.store.lock import locked
from robot.store.remarks import FILE as REMARKS
from robot.store.tables import JOURNAL, Tables

ROOT = "zarr.json"
TOP = ("data", "meta", str(PurePosixPath(JOURNAL).parent))
AT_ONCE = 8
"""Files on their way at a time; one is at most some megabytes."""

Seen = Callable[[int, int], None]
"""Is told of every file that has arrived: how many there are by now, and in all."""


def push(path: str | Path, archive: Store, seen: Seen = lambda done, total: None) -> int:
    """Copy the store at `path` into an empty archive; returns the number of files.

    Raises:
        StoreError: no store, a damaged one, a writer at work or a dead session's journal; an archive is there.
    """
    path = Path(path)
    tables, lock = locked(lambda: Tables.open(path))  # nothing may be committed meanwhile
    try:
        if (tables.root / JOURNAL).exists():
            raise StoreError(f"A session of {path} died within an episode; first: nudge store repair {path}")
        if problems := check(path):
            raise StoreError(f"The store {path} is damaged and was not archived: {problems[0]}")
        return asyncio.run(_push(tables.root, archive, seen))
    finally:
        lock.release()


def pull(archive: Store, path: str | Path, seen: Seen = lambda done, total: None) -> int:
    """Copy an archived store to `path`, check it, and put it there in one step; returns the number of files.

    Raises:
        StoreError: something is at `path`, there is no whole store in the archive, or what arrived is damaged.
    """
    path = Path(path)
    if path.exists():
        raise StoreError(f"{path} exists already; name another place.")
    arriving = path.with_name(f"{path.name}.pulling-{os.getpid()}")
    try:
        count = asyncio.run(_pull(archive, arriving, seen))
        if problems := check(arriving):
            raise StoreError(f"What arrived is damaged and was not kept: {problems[0]}")
        if path.exists():
            raise StoreError(f"{path} has appeared meanwhile; name another place.")
        with disk_errors(path, "Nothing was kept of the archive."):
            arriving.rename(path)
        return count
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def files_of(root: Path) -> list[str]:
    """Return the names of a store's files below `root`, without what belongs to sessions; the group's own is last."""
    files = (file for file in root.rglob("*") if file.is_file() and not file.is_symlink())
    names = (file.relative_to(root).as_posix() for file in files)
    session = str(PurePosixPath(JOURNAL).parent)
    kept_of_it = (f"{session}/{ROOT}", REMARKS)
    kept = sorted(name for name in names if not name.startswith(f"{session}/") or name in kept_of_it)
    return [*(name for name in kept if name != ROOT), ROOT]


async def _push(root: Path, archive: Store, seen: Seen) -> int:
    with _reached("It was not finished."):
        is_there = await archive.exists(ROOT)
    if is_there:
        raise StoreError("There is an archive at this place already; name another one.")
    prototype = default_buffer_prototype()

    async def send(name: str) -> None:
        with disk_errors(root / name, "The archive was not finished."):
            content = (root / name).read_bytes()
        with _reached("It was not finished."):
            await archive.set(name, prototype.buffer.from_bytes(content))

    names = files_of(root)
    await _each(names[:-1], send, lambda done: seen(done, len(names)))
    await send(names[-1])
    seen(len(names), len(names))
    return len(names)


async def _pull(archive: Store, root: Path, seen: Seen) -> int:
    with _reached("Nothing was kept of it."):
        is_there = await archive.exists(ROOT)
        names = [name async for name in archive.list()] if is_there else []
    if not is_there:
        raise StoreError("There is no whole store at this place; correct it, or push again what was cut off.")
    prototype = default_buffer_prototype()

    async def fetch(name: str) -> None:
        parts = PurePosixPath(name).parts
        if not parts or (name != ROOT and parts[0] not in TOP) or ".." in parts:
            raise StoreError(f"The archive holds {name!r}, which is no name of a store's file; nothing was kept.")
        with _reached("Nothing was kept of it."):
            buffer = await archive.get(name, prototype)
        if buffer is None:
            raise StoreError(f"{name} went away while the archive was read; nothing was kept.")
        place = root / name
        with disk_errors(root, "Nothing was kept of the archive."):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(buffer.to_bytes())

    await _each(names, fetch, lambda done: seen(done, len(names)))
    return len(names)


@contextmanager
def _reached(advice: str) -> Iterator[None]:
    """Raise what a network or a disk says of the archive as one sentence that ends with `advice`."""
    try:
        yield
    except OSError as error:
        first = (str(error).splitlines() or [""])[0][:200]
        what = "there is no such bucket or folder" if isinstance(error, FileNotFoundError) else first
        raise StoreError(f"The archive cannot be reached: {what}. {advice}") from error


async def _each(names: Iterable[str], work: Callable[[str], Awaitable[None]], seen: Callable[[int], None]) -> None:
    """Do the work for all names, some at a time; the first that fails ends it."""
    gate = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(name: str) -> None:
        nonlocal done
        async with gate:
            await work(name)
        done += 1
        seen(done)

    tasks = [asyncio.create_task(one(name)) for name in names]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
