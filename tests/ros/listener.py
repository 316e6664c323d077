"""A plain rclpy program, as a second terminal would run it: it knows names and types, and nothing of nudge."""

import json
import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image, JointState

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Listener(Node):
    """Counts what it hears and keeps the last of each, as JSON lines on standard output every 0.2 s."""

    def __init__(self) -> None:
        super().__init__("second_terminal")
        self.heard: dict[str, dict] = {}
        for name, kind, describe in (
            ("/panda/target_pose", PoseStamped, self.pose),
            ("/panda/current_pose", PoseStamped, self.pose),
            ("/panda/joint_states", JointState, lambda m: {"names": list(m.name), "q": list(m.position)}),
            ("/front/policy/image", Image, lambda m: {"size": [m.height, m.width], "encoding": m.encoding}),
            ("/wrist/policy/image", Image, lambda m: {"size": [m.height, m.width], "encoding": m.encoding}),
        ):
            self.create_subscription(
                kind, name, lambda m, n=name, d=describe: self.take(n, m, d), qos_profile_sensor_data
            )
        self.create_subscription(DiagnosticStatus, "/panda/arm/status", self.status, LATCHED)

    def pose(self, message: PoseStamped) -> dict:
        p = message.pose.position
        return {"frame": message.header.frame_id, "position": [p.x, p.y, p.z]}

    def take(self, name: str, message, describe) -> None:
        stamp = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        count = self.heard.get(name, {}).get("count", 0) + 1
        self.heard[name] = {"count": count, "stamp": stamp, **describe(message)}

    def status(self, message: DiagnosticStatus) -> None:
        self.heard["status"] = {"message": message.message}


def main() -> None:
    rclpy.init()
    node = Listener()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    last = time.monotonic()
    while True:
        executor.spin_once(timeout_sec=0.05)
        if time.monotonic() - last > 0.2:
            last = time.monotonic()
            print(json.dumps(node.heard), flush=True)  # noqa: T201 - its standard output is what it is for


if __name__ == "__main__":
    sys.exit(main())
