"""The buttons of the emergency stop: any one stops, and each is released by itself alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from robot.nodes.base import NudgeNode
from robot.topics import topic

DEPTH = 1000
EVERY_S = 0.1
_PROFILES = (
    # the last word of publishers that latch; every word of those that do not; and of those that are not reliable
    QoSProfile(depth=DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    QoSProfile(depth=DEPTH),
    QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT),
)


class Buttons:
    """Calls `on_press` at every press on `e_stop`, at once; and knows who has not let go yet.

    A button is a publisher. Its "false" releases it, and those whose publishers are gone from the graph: who pressed
    by a program that has ended is released by another one. Nobody else's does. Who sent a message only the middleware
    tells, and the events executor does not hand that on: so a second set of subscriptions, which no executor spins, is
    read here.
    """

    def __init__(self, node: NudgeNode, on_press: Callable[[], None]) -> None:
        self._node = node
        self._said: dict[bytes, tuple[int, bool]] = {}
        row = topic("e_stop")
        path = f"/{node.graph.arm}/{row.name}"
        self._listener = Node(
            f"{node.get_name()}_buttons",
            namespace=node.get_namespace(),
            context=node.context,
            start_parameter_services=False,
            enable_rosout=False,
        )
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)  # no profile suits every publisher
        self._words = [
            self._listener.create_subscription(Bool, path, lambda _: None, profile, event_callbacks=quiet)
            for profile in _PROFILES
        ]

        def take(message: Bool) -> None:
            if message.data:
                on_press()

        for profile in _PROFILES:
            node.subscribe(row.name, take, is_always=True, qos=profile)
        node.every(EVERY_S, self.listen)

    def listen(self) -> None:
        """Take what the buttons have said since the last time."""
        for subscription in self._words:
            while (word := _take(subscription)) is not None:
                sender, stamp_ns, is_pressed = word
                # a word comes once or twice, or not at all, by each of the three
                if stamp_ns < self._said.get(sender, (0, False))[0]:
                    continue
                self._said[sender] = stamp_ns, is_pressed
                if not is_pressed:
                    there = self._publishers()
                    self._said = {who: said for who, said in self._said.items() if who == sender or who in there}

    def complaint(self) -> str:
        """Return who still presses, as a sentence; "" for nobody."""
        self.listen()
        there = self._publishers()
        pressed = [sender for sender, (_, is_pressed) in self._said.items() if is_pressed]
        names = sorted({there.get(sender, "a program that has ended") for sender in pressed})
        if not names:
            return ""
        return f"e_stop is still pressed by {' and '.join(names)}: release it first"

    def end(self) -> None:
        """Hear nobody any more; may be called twice."""
        self._listener.destroy_node()

    def _publishers(self) -> dict[bytes, str]:
        found = self._listener.get_publishers_info_by_topic(self._words[0].topic_name)
        return {bytes(info.endpoint_gid): info.node_name for info in found}


def _take(subscription: Any) -> tuple[bytes, int, bool] | None:
    """Return the next word's sender, stamp [ns] and content, as rclpy's own executor takes it; None for no more."""
    try:
        with subscription.handle:
            taken = subscription.handle.take_message(Bool, False)
    except rclpy_implementation.RCLError:  # no button: bytes that are no message
        return None
    if taken is None:
        return None
    message, info = taken
    sender = info.get("publisher_gid")  # older distributions of ROS 2 do not tell
    return bytes(sender["data"]) if sender else b"", int(info["source_timestamp"]), bool(message.data)
