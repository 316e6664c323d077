"""The buttons of the emergency stop: any one stops, and each is released by itself alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from robot.nodes.base import NudgeNode
from robot.nodes.helper import helper
from robot.topics import topic

DEPTH = 1000
EVERY_S = 0.1
"""So often all that the buttons have said is read; of more words than `DEPTH` in that time the oldest are lost."""


def _profiles(depth: int) -> list[QoSProfile]:
    """Return what hears publishers that latch, those that do not, and those that are not reliable."""
    return [
        QoSProfile(depth=depth, durability=DurabilityPolicy.TRANSIENT_LOCAL),
        QoSProfile(depth=depth),
        QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT),
    ]


class Buttons:
    """Calls `on_press` at every press on `e_stop`, at once; and knows who has not let go yet.

    A button is a publisher. Its "false" releases it, and those whose publishers are gone from the graph: who pressed
    by a program that has ended is released by another one. Nobody else's does. Who sent a message only the middleware
    tells, and the events executor does not hand that on: so a second set of subscriptions, which no executor spins, is
    read here.
    """

    def __init__(self, node: NudgeNode, on_press: Callable[[], None]) -> None:
        self._said: dict[bytes, tuple[int, bool]] = {}
        row = topic("e_stop")
        path = f"/{node.graph.arm}/{row.name}"
        self._listener = helper(node, "buttons")
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)  # no profile suits every publisher
        self._words = [
            self._listener.create_subscription(Bool, path, lambda _: None, profile, event_callbacks=quiet)
            for profile in _profiles(DEPTH)
        ]

        def take(message: Bool) -> None:
            # a press that a later word of another button displaced stands in the second set
            if self.listen() or message.data:
                on_press()

        for profile in _profiles(1):  # only the newest: a press that was released since must not stop anew
            node.subscribe(row.name, take, is_always=True, qos=profile)

        def look() -> None:
            if self.listen():
                on_press()

        node.every(EVERY_S, look, name="buttons")

    def listen(self) -> bool:
        """Take what the buttons have said since the last time; returns whether one is pressed that was not before."""
        before = self._pressed()
        for subscription in self._words:
            while (word := _take(subscription)) is not None:
                sender, number, is_pressed = word
                # a word comes once or twice, or not at all, by each of the three
                if number < self._said.get(sender, (0, False))[0]:
                    continue
                self._said[sender] = number, is_pressed
                if not is_pressed:
                    there = self._publishers()
                    self._said = {who: said for who, said in self._said.items() if who == sender or who in there}
        return bool(self._pressed() - before)

    def complaint(self) -> str:
        """Return who still presses, as a sentence; "" for nobody."""
        self.listen()
        there = self._publishers()
        names = sorted({there.get(sender, "a program that has ended") for sender in self._pressed()})
        if not names:
            return ""
        return f"e_stop is still pressed by {' and '.join(names)}: release it first"

    def _pressed(self) -> set[bytes]:
        return {sender for sender, (_, is_pressed) in self._said.items() if is_pressed}

    def end(self) -> None:
        """Hear nobody any more."""
        self._listener.destroy_node()

    def _publishers(self) -> dict[bytes, str]:
        found = self._listener.get_publishers_info_by_topic(self._words[0].topic_name)
        return {bytes(info.endpoint_gid): info.node_name for info in found}


def _take(subscription: Any) -> tuple[bytes, int, bool] | None:
    """Return the next word's sender, place among that sender's words, and content; None for no more."""
    try:
        with subscription.handle:  # as rclpy's own executor takes it
            taken = subscription.handle.take_message(Bool, False)
    except rclpy_implementation.RCLError:  # no button: bytes that are no message
        return None
    if taken is None:
        return None
    message, info = taken
    sender = info.get("publisher_gid")  # older distributions of ROS 2 do not tell
    return bytes(sender["data"]) if sender else b"", place_of(info), bool(message.data)


def place_of(info: Mapping[str, Any]) -> int:
    """Return a number that grows with every word of a sender, whatever its clock does: the middleware's own.

    One that does not number (None) leaves the time at which the word came here. The sender's stamp is never asked: a
    button whose clock was set back would be pressed, and not count as pressed.
    """
    number = info.get("publication_sequence_number")
    return int(info["received_timestamp"] if number is None else number)
