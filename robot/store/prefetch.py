"""Mini-batches drawn ahead in a thread, in the order and with the content they would have had without it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from robot.store.replay_memory import Replay, Sample

T = TypeVar("T")


class Prefetch:
    """Draws up to `depth` batches ahead of a replay; a context manager.

        with Prefetch(replay) as ahead:
            ahead.change(replay.refresh)
            sample = ahead.draw()

    Whatever changes what is drawn goes through `change`: what was drawn ahead is then dropped, and drawn anew, so that
    the samples are those of a replay without a thread. Priorities need not; they then count `depth` batches later.

    Attributes:
        state: random state after the last batch that was handed out, ready for JSON.
    """

    def __init__(self, replay: Replay, depth: int = 2) -> None:
        self._replay, self._depth = replay, depth
        self._ready: deque[tuple[Sample, dict[str, Any]]] = deque()
        self._lock = threading.Condition()
        self._drawing = threading.Lock()
        self._error: BaseException | None = None
        self._is_over = False
        self.state = replay.draws.state
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)

    def draw(self) -> Sample:
        """Return the next batch; raises what drawing it raised."""
        with self._lock:
            self._lock.wait_for(lambda: self._ready or self._error is not None)
            if not self._ready and self._error is not None:
                error, self._error = self._error, None
                self._lock.notify_all()
                raise error
            sample, self.state = self._ready.popleft()
            self._lock.notify_all()
            return sample

    def change(self, what: Callable[[], T]) -> T:
        """Call `what`, between two batches."""
        with self._drawing:
            with self._lock:
                self._ready.clear()
                self._error = None
                self._replay.draws.state = self.state
            result = what()
            with self._lock:
                self._lock.notify_all()
            return result

    def __enter__(self) -> Prefetch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_over = True
            self._lock.notify_all()
        self._thread.join()
        self._replay.draws.state = self.state

    def _work(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._is_over or (len(self._ready) < self._depth and self._error is None))
                if self._is_over:
                    return
            with self._drawing:
                if len(self._ready) >= self._depth or self._error is not None:
                    continue
                self._draw()

    def _draw(self) -> None:
        before = self._replay.draws.state
        try:
            drawn = self._replay.draw(), self._replay.draws.state
        except Exception as error:  # noqa: BLE001 - it is raised where the batch is asked for
            self._replay.draws.state = before
            with self._lock:
                self._error = error
                self._lock.notify_all()
            return
        with self._lock:
            self._ready.append(drawn)
            self._lock.notify_all()
