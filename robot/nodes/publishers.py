"""Refuses commands that have more than one sender, and tells their names."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from rclpy.node import Node

from robot.sources import Endpoint, Sources

_EVERY_S = 0.01
"""How long an answer holds while the middleware lists more than one: asking costs some 0.2 ms."""
_NOTED_EVERY_S = 0.5
"""How often an only publisher is noted as alive, so that its death can be told when another one follows it."""

REFUSED = ": all are refused"


def complaint(row: str, names: tuple[str, ...]) -> str:
    """Say that a topic has several publishers; ends with `REFUSED`."""
    return f"{row} has {len(names)} publishers, {' and '.join(names)}{REFUSED}"


class Foreign(NamedTuple):
    """A topic that the node does not subscribe to, to be asked about all the same."""

    node: Node
    topic_name: str

    def get_publisher_count(self) -> int:
        return int(self.node.count_publishers(self.topic_name))


class Publishers:
    """Asks the middleware who publishes; `own` is any publisher of the node."""

    def __init__(self, node: Node, own: Any) -> None:
        self._node, self._own = node, own
        self._sources: Sources | None = None
        self._answers: dict[str, tuple[float, tuple[str, ...]]] = {}

    def doubled(self, subscription: Any) -> tuple[str, ...]:
        """Return the names of the nodes that publish on the topic of a subscription (or of a `Foreign`), sorted; ()
        unless there are at least two."""
        path = subscription.topic_name
        count = subscription.get_publisher_count()
        if count == 0:
            return ()
        asked, names = self._answers.get(path, (0.0, ()))
        now = time.monotonic()
        if now - asked > (_EVERY_S if count > 1 else _NOTED_EVERY_S):
            names = self._names(path)
            self._answers[path] = now, names
        return names if count > 1 else ()

    def _names(self, path: str) -> tuple[str, ...]:
        if self._sources is None:
            self._sources = self._make_sources()
        listed = [Endpoint(i.node_name, bytes(i.endpoint_gid)) for i in self._node.get_publishers_info_by_topic(path)]
        living = self._sources.living(listed)
        return tuple(sorted(map(self._sources.name, living))) if len(living) > 1 else ()

    def _make_sources(self) -> Sources:
        name = self._node.get_name(), self._node.get_namespace()
        listed = self._node.get_publishers_info_by_topic(self._own.topic_name)
        own = next((bytes(i.endpoint_gid) for i in listed if (i.node_name, i.node_namespace) == name), b"")
        return Sources(own)
