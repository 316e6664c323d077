"""A client in the manner of crisp_py's Robot: its topics, its QoS, its timers. It knows nothing of nudge.

Not in it, because their message types are not on PyPI: switching of controllers, parameters of a controller through its
manager, joint trajectories (an action), and poses from tf.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data, qos_profile_system_default
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

PERIOD_S = 1.0 / 50.0


class CrispClient:
    """Publishes its targets at 50 Hz for as long as it lives; the first targets are where the arm is.

    Args:
        joints: names of the arm's joints, in order; others in `joint_states` are not its business.
    """

    def __init__(self, context: Context, namespace: str, base_frame: str, joints: list[str]) -> None:
        self._frame = base_frame
        self._joints = joints
        self.pose: PoseStamped | None = None
        self.q: np.ndarray | None = None
        self.twist: TwistStamped | None = None
        self.target: np.ndarray | None = None
        self.target_joint: np.ndarray | None = None
        self._orientation: object = None
        self._wrench: np.ndarray | None = None
        self._node = rclpy.create_node("robot_client", namespace=namespace, context=context)
        outputs, inputs = qos_profile_system_default, qos_profile_sensor_data
        self._poses = self._node.create_publisher(PoseStamped, "target_pose", outputs)
        self._wrenches = self._node.create_publisher(WrenchStamped, "target_wrench", outputs)
        self._stiffnesses = self._node.create_publisher(Float64MultiArray, "target_stiffness", outputs)
        self._postures = self._node.create_publisher(JointState, "target_joint", outputs)
        self._node.create_subscription(PoseStamped, "current_pose", self._on_pose, inputs)
        self._node.create_subscription(JointState, "joint_states", self._on_joints, inputs)
        self._node.create_subscription(TwistStamped, "current_twist", self._on_twist, inputs)
        for publish in (self._publish_pose, self._publish_posture, self._publish_wrench):
            self._node.create_timer(PERIOD_S, publish)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    @property
    def position(self) -> np.ndarray:
        """Position of the tool (3,) [m]."""
        assert self.pose is not None
        p = self.pose.pose.position
        return np.array([p.x, p.y, p.z])

    def wait_until_ready(self, timeout_s: float = 30.0) -> None:
        """Wait for poses and joints; TimeoutError names what is silent."""
        deadline = time.monotonic() + timeout_s
        while self.pose is None or self.q is None:
            if time.monotonic() > deadline:
                silent = "current_pose" if self.pose is None else "joint_states"
                raise TimeoutError(f"{silent} is silent")
            time.sleep(0.05)

    def follow(self, path: Callable[[float], np.ndarray], duration_s: float) -> np.ndarray:
        """Move the target along `path(t)` (3,) [m]; return how far the arm was from it, per sample [m]."""
        away = []
        start = time.monotonic()
        while (t := time.monotonic() - start) < duration_s:
            self.target = path(t)
            away.append(float(np.linalg.norm(self.position - self.target)))
            time.sleep(PERIOD_S)
        return np.array(away)

    def set_stiffness(self, translational: list[float], rotational: list[float]) -> None:
        """Send a stiffness (N/m, Nm/rad) once; the controller keeps it."""
        self._stiffnesses.publish(Float64MultiArray(data=[*translational, *rotational]))

    def set_wrench(self, force: list[float]) -> None:
        """Push with `force` (3,) [N] beside what the target asks for."""
        self._wrench = np.array(force)

    def close(self) -> None:
        """Fall silent, at once."""
        self._is_closed.set()
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()

    def _spin(self) -> None:
        while not self._is_closed.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def _on_pose(self, message: PoseStamped) -> None:
        self.pose = message
        if self.target is None:
            self._orientation = message.pose.orientation
            self.target = self.position

    def _on_joints(self, message: JointState) -> None:
        known = dict(zip(message.name, message.position, strict=False))
        self.q = np.array([known.get(name, 0.0) for name in self._joints])
        if self.target_joint is None:
            self.target_joint = self.q

    def _on_twist(self, message: TwistStamped) -> None:
        self.twist = message

    def _stamp(self, message: PoseStamped | WrenchStamped | JointState) -> None:
        message.header.frame_id = self._frame
        message.header.stamp = self._node.get_clock().now().to_msg()

    def _publish_pose(self) -> None:
        if self.target is None:
            return
        message = PoseStamped()
        self._stamp(message)
        p = message.pose.position
        p.x, p.y, p.z = (float(v) for v in self.target)
        message.pose.orientation = self._orientation
        self._poses.publish(message)

    def _publish_posture(self) -> None:
        if self.target_joint is None:
            return
        message = JointState(name=self._joints, position=self.target_joint.tolist())
        self._stamp(message)
        message.velocity = message.effort = [0.0] * len(self._joints)
        self._postures.publish(message)

    def _publish_wrench(self) -> None:
        if self._wrench is None:
            return
        message = WrenchStamped()
        self._stamp(message)
        f = message.wrench.force
        f.x, f.y, f.z = (float(v) for v in self._wrench)
        self._wrenches.publish(message)
