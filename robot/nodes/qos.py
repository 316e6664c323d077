"""Quality of service, in one place: publishers are reliable, so that every subscriber is compatible."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from robot.topics import Topic

LOCKSTEP_DEPTH = 10
"""In lockstep every sample counts: a lost one would stop the clock."""


SHARED_DEPTH = 50
"""Of rows that every node publishes: samples of different nodes must not displace each other."""


def publisher_qos(row: Topic, is_lockstep: bool) -> QoSProfile:
    return QoSProfile(
        depth=LOCKSTEP_DEPTH if is_lockstep else 1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if row.is_latched else DurabilityPolicy.VOLATILE,
    )


COMMANDS = frozenset(
    {
        "target_pose",
        "target_joint",
        "target_stiffness",
        "target_wrench",
        "gripper/command",
        "gripper/gripper_position_controller/commands",
        "intervention",
        "policy/target_pose",
        "reset/target_pose",
        "teleop/twist",
        "teleop/joy",
        "e_stop",
        "console/hand",
        "console/say",
    }
)
"""Rows that are taken reliably in real time too; states and images are best effort, the newest counts."""


EACH_COUNTS = frozenset({"mux/timing", "arm/executed", "console/hand", "console/say"})
"""Rows that tell of one command, press or remark each, of several at once."""


def subscription_qos(row: Topic, is_lockstep: bool) -> QoSProfile:
    """Return the profile to take `row` with. Of a latched row it asks for the last sample, which shuts out publishers
    that do not latch."""
    is_reliable = is_lockstep or row.is_latched or row.name in COMMANDS
    # a latched row may have several publishers; each one's last sample counts
    depth = LOCKSTEP_DEPTH if is_lockstep or row.is_latched or row.name in EACH_COUNTS else 1
    return QoSProfile(
        depth=SHARED_DEPTH if row.publisher == "every node" else depth,
        reliability=ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if row.is_latched else DurabilityPolicy.VOLATILE,
    )
