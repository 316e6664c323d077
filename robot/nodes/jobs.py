"""Services whose answer takes long, in a thread of their own, so that the node keeps the faster executor."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.executors import SingleThreadedExecutor

from robot.nodes.base import NudgeNode
from robot.nodes.helper import helper
from robot.nodes.spin import turn


class Jobs:
    """Serves requests of `node` one after the other; their callbacks may block, and run beside the node's others.

    The events executor cannot answer later than a callback returns (docs/decisions/0004).
    """

    def __init__(self, node: NudgeNode) -> None:
        self._owner = node
        self._node = helper(node, "jobs")
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self._node)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def serve(self, type_: Any, name: str, callback: Any) -> None:
        """As `NudgeNode.serve`."""
        self._node.create_service(type_, name, self._owner.answering(callback))

    def end(self) -> None:
        """Serve no more; what blocks must have been ended."""
        self._ending.set()
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()

    def _run(self) -> None:
        while not self._ending.is_set():
            turn(self._executor, self._owner, 0.5)
