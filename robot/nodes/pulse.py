"""A node's heartbeat: that its process lives and its callbacks run; a farewell says that it left in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from std_msgs.msg import Header

from robot import priority
from robot.nodes.messages import to_time
from robot.topics import topic

FAREWELL = "-"
"""Before the name of a node that leaves in order."""


class Pulse:
    """Beats on `publisher` when told to, or from a thread of its own: for a node that computes between its turns."""

    def __init__(self, publisher: Any, name: str, now_ns: Callable[[], int]) -> None:
        self._publisher, self._name, self._now_ns = publisher, name, now_ns
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def beat(self) -> None:
        self._publish(self._name)

    def beat_alone(self) -> None:
        """Beat from a thread of its own until `farewell`."""
        self._end.clear()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def farewell(self) -> None:
        """Say that the node leaves in order, and beat no more."""
        if self._thread is not None:
            self._end.set()
            self._thread.join()
            self._thread = None
        self._publish(FAREWELL + self._name)

    def _run(self) -> None:
        priority.raise_thread(priority.LEVEL_HEARTBEAT)
        while not self._end.wait(1.0 / topic("heartbeat").rate_hz):
            self.beat()

    def _publish(self, text: str) -> None:
        self._publisher.publish(Header(stamp=to_time(self._now_ns()), frame_id=text))
