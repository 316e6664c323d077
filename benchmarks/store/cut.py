"""An act on a store cut at any of its file operations: killed there, or refused by the operating system there.

Python tells an audit hook of each file that it opens, renames or removes, before it does; the hook counts, and at one
of them kills its process or raises OSError.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.store.forks import forked
from benchmarks.store.judge import Verdicts
from benchmarks.store.life import Expected
from benchmarks.store.sequences import TEMPORARY
from benchmarks.store.told import EDITS, SPEC, STRIDE, edit, merged, told
from robot.errors import StoreError
from robot.store import StoreSettings, StoreWriter

ACTS = ("commit", "begin", "open", *EDITS)
BEFORE, RUNNING = 3, 4 * STRIDE
"""Episodes that are there, and the number of the one that is running."""
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link"}
"""Folders that are made are left out: the zarr library makes them in threads, so that their number varies."""
CALLS = {"renameat2", "syncfs"}
LAST = 12
"""Operations at an act's end that are always cut at."""
ERRNO = 5
"""EIO."""
QUICK = StoreSettings(is_commit_synced=False)


def run(most: int, seed: int, progress: Callable[[str], None], acts: Sequence[str] = ACTS) -> Verdicts:
    """Cut each of `acts` at up to `most` of its file operations, each by death and by an error."""
    verdicts, rng = Verdicts(), random.Random(seed)
    with TemporaryDirectory(dir=TEMPORARY) as folder:
        base = Path(folder) / "base"
        for act in acts:
            base.mkdir()
            expected = _prepare(base / "a.zarr", act)
            count = _count(base, act)
            early = range(max(0, count - LAST))
            chosen = [*sorted(rng.sample(early, min(len(early), max(0, most - LAST)))), *range(len(early), count)]
            for at in chosen[-most:]:
                for is_killed in (True, False):
                    place = Path(folder) / "cut"
                    shutil.copytree(base, place)
                    _cut(place / "a.zarr", act, at, is_killed, expected(), verdicts)
                    shutil.rmtree(place)
                progress(f"{act}, {len(verdicts.wrong) + len(verdicts.half)} wrong")
            shutil.rmtree(base)
    return verdicts


def _prepare(path: Path, act: str) -> Callable[[], Expected]:
    """Make a store that is about to do `act`; returns what it holds."""
    is_running = act in ("commit", "open")
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        for number in range(BEFORE):
            _write(writer, STRIDE * (number + 1))
        if is_running:
            _write(writer, RUNNING, is_committed=False)
    episodes = [told(STRIDE * (number + 1)) for number in range(BEFORE)]

    def expected() -> Expected:
        found = Expected(list(episodes))
        if is_running:
            found.hear(f"<begin {RUNNING}")
            for number in range(len(told(RUNNING).steps)):
                found.hear(f"<append {RUNNING + number}")
        found.doing = act
        return found

    return expected


def _write(writer: StoreWriter, first: int, is_committed: bool = True) -> None:
    plain = told(first)
    writer.begin(plain.seed, dict(plain.attributes))
    for step in plain.steps:
        writer.append(step)
    if is_committed and plain.final is not None:
        writer.commit(plain.final)


def _act(path: Path, act: str) -> Callable[[], object]:
    """Return the act, ready to be done; whatever comes before it is done here."""
    if act in EDITS:
        return lambda: edit(path, act)
    if act == "open":
        return lambda: StoreWriter.open(path, SPEC, {}, QUICK).close()
    if act == "commit":
        # the journal of the base is the same episode's: it is written again, to have its writer
        (path / "journal" / "episode").unlink()
        writer = StoreWriter.open(path, SPEC, {})
        _write(writer, RUNNING, is_committed=False)
        final = told(RUNNING).final
        assert final is not None
        return lambda: writer.commit(final)
    writer = StoreWriter.open(path, SPEC, {}, QUICK)
    return lambda: writer.begin(RUNNING, {"first": RUNNING})


def _count(base: Path, act: str) -> int:
    """Return how many file operations an act has, done on a copy."""
    place = base.with_name("count")
    shutil.copytree(base, place)

    def work(out: int) -> None:
        do, hook = _act(place / "a.zarr", act), Hook(-1, True)
        do()
        os.write(out, str(hook.stop()).encode())

    with forked(work) as fork:
        count = int(fork.rest())
    shutil.rmtree(place)
    return count


def _cut(path: Path, act: str, at: int, is_killed: bool, expected: Expected, verdicts: Verdicts) -> None:
    def work(out: int) -> None:
        do, hook = _act(path, act), Hook(at, is_killed)
        try:
            do()
        except StoreError:
            hook.stop()
            with suppress(FileNotFoundError):
                shutil.rmtree(merged(path))
            do()  # again, as a person would
            os.write(out, b"done at the second time")
        else:
            os.write(out, b"done")

    with forked(work) as fork:
        said, status = fork.rest().decode(), fork.wait()
    if status != (-signal.SIGKILL if is_killed else 0):
        verdicts.wrong.append(f"{act} cut at {at}: ended with {status}, said {said!r}")
    if said and act in ("commit", "open", *EDITS):
        expected.hear(f"<{act}")
    before = len(verdicts.wrong) + len(verdicts.half) + len(verdicts.problems)
    verdicts.judge(path, expected)
    if len(verdicts.wrong) + len(verdicts.half) + len(verdicts.problems) > before:
        verdicts.wrong.append(f"(that was {act} cut at {at} by {'death' if is_killed else 'an error'})")


class Hook:
    """Counts the file operations of this process from now on, and cuts at number `at`; cannot be taken away again."""

    def __init__(self, at: int, is_killed: bool) -> None:
        self._at, self._is_killed = at, is_killed
        self._count, self._is_on = 0, True
        sys.addaudithook(self._hear)

    def stop(self) -> int:
        """Count no more; returns how many there were."""
        self._is_on = False
        return self._count

    def _hear(self, event: str, arguments: Sequence[Any]) -> None:
        if not self._is_on or not _changes(event, arguments):
            return
        self._count += 1
        if self._count - 1 == self._at:
            if self._is_killed:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(ERRNO, os.strerror(ERRNO))


def _changes(event: str, arguments: Sequence[Any]) -> bool:
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        return bool(flags & (os.O_WRONLY | os.O_RDWR)) or (mode is not None and any(c in mode for c in "wa+"))
    return event in CHANGES or (event == "ctypes.dlsym" and arguments[1] in CALLS)
