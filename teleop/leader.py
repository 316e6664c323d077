"""A person at a leader arm: the robot follows what its tool is moved by, from wherever both are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot import se3
from robot.clock import Clock, to_ns
from robot.interfaces import DeviceSample
from robot.se3 import Pose
from robot.types import Array, Label
from teleop.device_config import DeviceConfig

FRESH_S = 0.15
"""A leader, or a follower, that has told no pose for so long is not there."""
TAKEN_M, TAKEN_RAD = 0.005, 0.05
"""Who moves the leader by so much from where it rested takes over."""
STILL_M, STILL_RAD = 0.0005, 0.005
"""A leader that has not moved by so much for `teleop.linger_s` is let go, once the robot is where it shall be."""
REACHED_M, REACHED_RAD = 0.002, 0.02
"""So near to where it shall be the robot is there."""
JUMP_M = 0.1
"""No hand moves a leader so far between two of its poses: it has two senders, or was set anew."""
SETTLES_S = 0.5
"""Time constant in which a leader that nobody holds may creep without taking over."""


class PersonAtLeader:
    """`robot.interfaces.TeleopDevice` of an arm in a person's hand, which tells where its tool is.

        person.see_leader(T_leader_tool)      # whenever the leader says so
        person.see_follower(T_base_tool)      # and the robot
        sample = person.read()

    Moving the leader takes over; from there the robot makes the same way: the axes ask for what of it is still to be
    made, in control periods at full deflection. So nothing jumps, however differently both stand. A leader at rest is
    let go. Its way is turned by `teleop.facing_deg`, and `teleop.gain` times as long.

    Args:
        config: `facing_deg`, `gain` and `linger_s` of it count; a leader has neither buttons nor a dead zone.
        scale: (6,) [m, rad] ways of the tool per control period at full deflection; 0 for axes that it does not have.
        clock: steady; of the age of a pose.
    """

    def __init__(self, config: DeviceConfig, scale: Array, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._scale = np.asarray(scale, np.float64)
        self._turn = se3.about_z(math.radians(config.facing_deg))
        self._leader, self._follower = _Seen(), _Seen()
        self._rest: Pose | None = None
        self._grip: _Grip | None = None
        self._read_ns = 0
        self.complaint = "The leader arm has told no pose yet."

    def see_leader(self, T_leader_tool: Pose) -> None:
        """Note where the leader's tool is; one that jumps is let go, and has to be taken anew."""
        now_ns = self._clock.now_ns()
        before = self._leader.fresh(now_ns)
        if before is not None and _way(before, T_leader_tool)[0] > JUMP_M:
            self.close()
        self._leader = _Seen(T_leader_tool, now_ns)

    def see_follower(self, T_base_tool: Pose) -> None:
        """Note where the robot's tool is."""
        self._follower = _Seen(T_base_tool, self._clock.now_ns())

    def connect(self) -> None:
        """Nothing to open: a leader tells by itself."""

    def close(self) -> None:
        """Let go; may be called twice."""
        self._grip = self._rest = None

    def read(self) -> DeviceSample:
        """Return what the person does now; at rest where leader or robot are not heard."""
        now_ns = self._clock.now_ns()
        leader, follower = (seen.fresh(now_ns) for seen in (self._leader, self._follower))
        silent = "leader arm" if leader is None else "robot" if follower is None else ""
        self.complaint = f"The {silent} tells no pose." if silent else ""
        if leader is None or follower is None:
            self.close()
            return DeviceSample(np.zeros(6), False, Label.NONE)
        passed_s, self._read_ns = 1e-9 * (now_ns - self._read_ns), now_ns
        if self._grip is None and self._is_taken(leader, passed_s):
            self._grip = _Grip(leader, follower, leader, now_ns)
        if self._grip is None:
            return DeviceSample(np.zeros(6), False, Label.NONE)
        axes = self._to_go(self._grip, leader, follower)
        if self._is_let_go(self._grip, leader, axes, now_ns):
            self._grip, self._rest = None, leader
            axes = np.zeros(6)
        return DeviceSample(axes, self._grip is not None, Label.NONE)

    def _is_taken(self, leader: Pose, passed_s: float) -> bool:
        """Tell whether it was moved from its rest, which follows it slowly."""
        rest = self._rest or leader
        moved_m, moved_rad = _way(rest, leader)
        keep = math.exp(-max(passed_s, 0.0) / SETTLES_S)
        turn = se3.exp_rotation((1.0 - keep) * se3.rotation_error(leader.quaternion, rest.quaternion))
        position = keep * rest.position + (1.0 - keep) * leader.position
        self._rest = Pose(position, se3.normalised(se3.quaternion_multiply(turn, rest.quaternion)))
        return moved_m > TAKEN_M or moved_rad > TAKEN_RAD

    def _to_go(self, grip: _Grip, leader: Pose, follower: Pose) -> Array:
        """Return the deflections (6,) that ask for what the robot has not yet made of the leader's way."""
        gain = self._config.gain
        way = gain * se3.rotate(self._turn, leader.position - grip.leader.position)
        turned = gain * se3.rotate(self._turn, se3.rotation_error(leader.quaternion, grip.leader.quaternion))
        wanted = se3.quaternion_multiply(se3.exp_rotation(turned), grip.follower.quaternion)
        left = np.concatenate(
            [grip.follower.position + way - follower.position, se3.rotation_error(wanted, follower.quaternion)]
        )
        axes: Array = np.divide(left, self._scale, out=np.zeros(6), where=self._scale > 0.0)
        return axes.clip(-1.0, 1.0)

    def _is_let_go(self, grip: _Grip, leader: Pose, axes: Array, now_ns: int) -> bool:
        moved_m, moved_rad = _way(grip.still, leader)
        if moved_m > STILL_M or moved_rad > STILL_RAD:
            grip.still, grip.still_ns = leader, now_ns
        is_there = bool(np.all(np.abs(axes * self._scale) <= [REACHED_M] * 3 + [REACHED_RAD] * 3))
        return is_there and now_ns - grip.still_ns >= to_ns(self._config.linger_s)


@dataclass(frozen=True)
class _Seen:
    """A pose, and when it came."""

    pose: Pose | None = None
    at_ns: int = 0

    def fresh(self, now_ns: int) -> Pose | None:
        return self.pose if now_ns - self.at_ns <= to_ns(FRESH_S) else None


@dataclass
class _Grip:
    """Where leader and robot were when the leader was taken, and where the leader last rested, since when."""

    leader: Pose
    follower: Pose
    still: Pose
    still_ns: int


def _way(one: Pose, other: Pose) -> tuple[float, float]:
    """Return how far [m] and by how much [rad] two poses are apart."""
    turn = se3.rotation_error(other.quaternion, one.quaternion)
    return float(np.linalg.norm(other.position - one.position)), float(np.linalg.norm(turn))
