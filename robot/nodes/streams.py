"""From the messages of one tick to an observation, with the capture time of each of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from robot import observe
from robot.nodes import messages
from robot.topics import topic
from robot.types import Observation

STATES = {
    "joints": "joint_states",
    "pose": "current_pose",
    "twist": "current_twist",
    "wrench": "external_wrench",
    "socket": "tracker/socket_pose",
}
"""What an observation is made of beside images: name here -> row of the topic table."""


def observation(row: Mapping[str, Any], cameras: tuple[str, ...]) -> tuple[Observation, dict[str, int]]:
    """Return the observation of `row` (messages by the names of `STATES` and `cameras`) and its stamps [ns] by key."""
    joints = row["joints"]
    assembled = observe.assemble(
        np.array(joints.position),
        np.array(joints.velocity),
        messages.to_pose(row["pose"]),
        messages.to_twist(row["twist"]),
        messages.to_wrench(row["wrench"]),
        messages.to_pose(row["socket"]),
        {camera: messages.to_image(row[camera]) for camera in cameras},
    )
    order = ("joints", "joints", "pose", "twist", "wrench", "socket", *cameras)
    return assembled, {key: messages.stamp_of(row[name]) for key, name in zip(assembled, order, strict=True)}


def stale(row: Mapping[str, Any], cameras: tuple[str, ...], now_ns: int) -> list[str]:
    """Return the names of the streams that are older than their row in the topic table allows."""
    limits_s = {name: topic(row_name).max_age_s for name, row_name in STATES.items()}
    limits_s |= dict.fromkeys(cameras, topic("policy/image").max_age_s)
    return [name for name, limit_s in limits_s.items() if now_ns - messages.stamp_of(row[name]) > limit_s * 1e9]
