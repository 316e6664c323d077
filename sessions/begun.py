"""What a command found where it opened a run, so that one that comes to nothing leaves everything as it was."""

from __future__ import annotations

import contextlib
from pathlib import Path

from robot.filelock import FileLock

FOLDERS = ("logs", "metrics", "evaluation")
FILES = ("config.yaml", "robot.yaml", "safety.yaml")
LOCK, UP_LOCK = ".lock", ".up.lock"
"""Of every command, and of `nudge up`, which may serve the sessions of one other command."""


class Begun:
    """Looks at a run's place before anything is written there.

    Args:
        path: the run directory, which need not be there.
        lock: name of the lock that the command takes.
    """

    def __init__(self, path: Path, lock: str) -> None:
        self._path, self._lock = path, lock
        self._files = {name: _content(path / name) for name in FILES}
        self._made = [place for place in (path, *path.parents) if not place.exists()]
        self._folders = [path / name for name in FOLDERS if not (path / name).exists()]
        self._is_locked_before = (path / lock).exists()
        self.is_at_work = False
        """Whether the command's checks have passed, and it has begun to do what it is for."""

    def undo(self) -> None:
        """Put back what was there, unless something has been recorded or logged, or another command is at work there.

        Settings of a command that was refused before it did anything are put back whatever was recorded before. Only
        what the command itself has written is taken away; a folder that somebody else made stays.
        """
        if not self._path.is_dir() or self._is_shared():
            return
        is_fresh = is_untouched(self._path)
        if not is_fresh and self.is_at_work:
            return
        for name, content in self._files.items():
            if content is not None:
                (self._path / name).write_bytes(content)
            elif is_fresh:
                (self._path / name).unlink(missing_ok=True)
        if not is_fresh:
            return
        if not self._is_locked_before:
            (self._path / self._lock).unlink(missing_ok=True)
        for place in (*self._folders, *self._made):
            with contextlib.suppress(OSError):  # not empty: somebody has put something there
                place.rmdir()

    def _is_shared(self) -> bool:
        """Whether another command holds the run's other lock."""
        other = self._path / (LOCK if self._lock == UP_LOCK else UP_LOCK)
        return other.exists() and not FileLock(other).try_acquire()


def is_untouched(path: Path) -> bool:
    """Whether nothing has been recorded, measured or logged in a run directory."""
    return not any(path.glob("*.zarr")) and not any(_is_used(path / name) for name in FOLDERS)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _is_used(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
