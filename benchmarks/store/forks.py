"""Processes that are forked from this one, ready at once, to be killed or to end by themselves."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn


class Fork:
    """A child that does `work(descriptor)`; what it writes to the descriptor is read here."""

    def __init__(self, work: Callable[[int], object]) -> None:
        self.output, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.output)
            _work(work, theirs)
        os.close(theirs)
        self._status: int | None = None

    def kill(self) -> None:
        """Send SIGKILL; may be called twice."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def wait(self) -> int:
        """Wait for the end; returns the exit status, minus the signal's number where one ended it."""
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def rest(self) -> bytes:
        """Return everything that is still to be read, up to the child's end."""
        parts = []
        while part := os.read(self.output, 65536):
            parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        self.kill()
        os.close(self.output)


def _work(work: Callable[[int], object], descriptor: int) -> NoReturn:
    status = 1
    try:
        work(descriptor)
        status = 0
    except BaseException:  # noqa: BLE001 - a fork must never go on in its parent's code
        traceback.print_exc()
    finally:
        os._exit(status)


@contextmanager
def forked(work: Callable[[int], object]) -> Iterator[Fork]:
    """Have a child for a while; it is killed at the end."""
    fork = Fork(work)
    try:
        yield fork
    finally:
        fork.close()


def hog(_: int) -> None:
    """Take a processor."""
    while True:
        pass
