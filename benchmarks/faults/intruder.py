"""A second program that sends commands where the robot has a sender already; plain rclpy, controlled by lines on stdin.

    python -m benchmarks.faults.intruder panda_base controls.bin

A line is the path of a topic, or `stop`. It answers a path with the moment [ns, monotonic] at which it began to send.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions

from benchmarks.faults.clock import make_steppable
from benchmarks.faults.controls import Controls

PERIOD_S = 0.02
FAR_M = (0.70, 0.30, 0.40)
NEAR_M = (0.55, 0.05, 0.20)
"""Hostile targets in turn: the corner of the workspace, and one that no limit on jumps refuses."""


class Intruder:
    def __init__(self, frame: str) -> None:
        self.node = Node("intruder", enable_rosout=False)
        self._frame = frame
        self._count = 0

    def send(self, path: str, until: threading.Event) -> None:
        """Publish to `path` every 20 ms until told to end, then leave the topic."""
        kind: Any = TwistStamped if path.endswith("twist") else PoseStamped
        publisher = self.node.create_publisher(kind, path, QoSProfile(depth=1))
        sys.stdout.write(f"{time.monotonic_ns()}\n")
        sys.stdout.flush()
        while not until.wait(PERIOD_S):
            publisher.publish(self._message(kind))
        self.node.destroy_publisher(publisher)

    def _message(self, kind: Any) -> Any:
        message = kind()
        now_ns = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 1_000_000_000)
        message.header.frame_id = self._frame
        if kind is TwistStamped:
            message.twist.linear.x = 1.0
            return message
        self._count += 1
        place = FAR_M if self._count % 2 else NEAR_M
        p = message.pose.position
        p.x, p.y, p.z = place
        message.pose.orientation.x = 1.0
        return message


def main() -> int:
    make_steppable(Controls(Path(sys.argv[2])), "actor")  # the clock that the host has for everybody
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    intruder = Intruder(sys.argv[1])
    until = threading.Event()
    thread: threading.Thread | None = None
    for line in sys.stdin:
        until.set()
        if thread is not None:
            thread.join()
            thread = None
        if line.strip() != "stop":
            until = threading.Event()
            thread = threading.Thread(target=intruder.send, args=(line.strip(), until), daemon=True)
            thread.start()
    return 0


if __name__ == "__main__":
    sys.exit(main())
