"""The file lock: one holder, who is named, until it is given back, forgotten or dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from robot.filelock import FileLock

HOLDER = """
import sys
from pathlib import Path
from robot.filelock import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.try_acquire(), flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.try_acquire()
    assert not second.try_acquire()
    assert (first.is_held, second.is_held) == (True, False)
    assert second.holder == str(os.getpid())


def test_what_is_given_back_or_forgotten_can_be_taken(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.try_acquire()
    lock.release()
    lock.release()
    assert not lock.is_held
    again = FileLock(tmp_path / "lock")
    assert again.try_acquire()
    del again
    assert FileLock(tmp_path / "lock").try_acquire()


def test_a_killed_holder_holds_no_longer(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        lock = FileLock(tmp_path / "lock")
        assert not lock.try_acquire()
        assert lock.holder == str(child.pid)
        child.kill()
        child.wait()
        assert lock.try_acquire()


def test_a_lock_that_nobody_signed_has_an_unknown_holder(tmp_path: Path) -> None:
    assert FileLock(tmp_path / "lock").holder == "unknown"
