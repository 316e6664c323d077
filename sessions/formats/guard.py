"""What keeps a foreign file from doing harm: limits, paths that stay inside, one error whatever a library raises."""

from __future__ import annotations

import importlib
import json
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from robot.errors import NudgeError, StoreError

MAX_EPISODE_BYTES = 4 << 30
"""An episode is held in memory while it goes over."""

MAX_IMPORT_BYTES = 12 << 30
"""An episode comes in parts, is put together, and is written: three times its size for a moment."""

MAX_EPISODES = 1_000_000
MAX_TEXT_BYTES = 64 << 20
"""Of a JSON file or text."""

MAX_SIDE = 8192
"""Pixels of an image along either side."""


@contextmanager
def one_error(path: Path) -> Iterator[None]:
    """Raise whatever a library raises over a damaged or hostile file as a StoreError that names it."""
    try:
        yield
    except NudgeError:
        raise
    except MemoryError as error:
        raise StoreError(
            f"{path} takes more memory than there is, or than {MAX_IMPORT_BYTES >> 30} GiB; split it, if it is what "
            "it should be. Nothing was imported."
        ) from error
    except Exception as error:
        what = str(error).strip().split("\n")[0][:200]
        raise StoreError(
            f"{path} cannot be read ({type(error).__name__}: {what}); it is damaged, incomplete or of another format. "
            "Nothing was imported."
        ) from error


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Let this process take no more memory than is free now, and than MAX_IMPORT_BYTES: beyond, MemoryError.

    A hostile file that unpacks without end then ends with a sentence, before the machine runs out of memory. The bound
    holds for the whole process: for a command, not for a library's call.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    taken, free = _kilobytes("/proc/self/status", "VmData"), _kilobytes("/proc/meminfo", "MemAvailable")
    bound = (taken << 10) + min(MAX_IMPORT_BYTES, free << 10)
    hard = before[1]
    resource.setrlimit(resource.RLIMIT_DATA, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _kilobytes(file: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(file).read_text(), re.MULTILINE)
    return int(found[1]) if found else MAX_IMPORT_BYTES >> 10


def library(name: str) -> Any:
    """Import an optional library.

    Raises:
        StoreError: it is not installed; the text says how to.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = name.partition(".")[0]
        raise StoreError(
            f"This format needs {missing}, which is not installed: pip install -e '.[formats]' in nudge's folder"
        ) from error


def inside(root: Path, relative: str) -> Path:
    """Return the path of an existing file at `relative` below `root`.

    Raises:
        StoreError: it is missing, or leaves the folder (absolute, "..", or a link that points out of it).
    """
    parts = PurePosixPath(relative)
    if parts.is_absolute() or ".." in parts.parts or "\\" in relative or "\0" in relative:
        raise StoreError(f"{root} names the file {relative!r}, which is outside of it; such a dataset is not read.")
    path = root / parts
    if not path.exists():
        raise StoreError(f"{path} is missing; the dataset is incomplete, copy it again.")
    if not (path.is_file() or path.is_dir()):
        raise StoreError(f"{path} is neither a file nor a folder; it is not read.")
    if not path.resolve().is_relative_to(root.resolve()):
        raise StoreError(f"{path} is a link that leaves {root}; copy the files themselves first (cp -rL).")
    return path


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        StoreError: too large.
    """
    size = path.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise StoreError(f"{path} has {size} bytes; at most {MAX_TEXT_BYTES} are read of a JSON file.")
    return json.loads(path.read_bytes())


def require_size(what: str, size: int, most: int = MAX_EPISODE_BYTES) -> None:
    """Raise StoreError where something would take more than `most` bytes of memory."""
    if not 0 <= size <= most:
        raise StoreError(
            f"{what} would take {size:,} bytes of memory; at most {most:,} are read. Split the file first."
        )


def require(is_so: bool, sentence: str) -> None:
    """Raise StoreError with `sentence` unless `is_so`."""
    if not is_so:
        raise StoreError(sentence)
