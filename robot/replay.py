"""Replay of a recorded episode: the same start, the same actions, and how far the paths come to lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot.interfaces import RobotPort
from robot.store import Episode
from robot.types import Array, Decision, Source


@dataclass(frozen=True)
class ReplayResult:
    """A dynamic replay against its record.

    Attributes:
        stamps_s: time since the episode's start, (T + 1,).
        recorded_position_m, replayed_position_m: the tool in the base frame, (T + 1, 3).
        position_error_mm: distance between the recorded and the replayed tool, (T + 1,).
        rotation_error_deg: angle between them, (T + 1,).
        is_success: whether the replay ended in success, by simulation's truth.
    """

    stamps_s: Array
    recorded_position_m: Array
    replayed_position_m: Array
    position_error_mm: Array
    rotation_error_deg: Array
    is_success: bool

    @property
    def first_apart(self) -> int | None:
        """Index of the first observation that lies more than 1 mm apart, or None."""
        apart = np.flatnonzero(self.position_error_mm > 1.0)
        return int(apart[0]) if len(apart) else None


def replay_episode(robot: RobotPort, episode: Episode, seed: int) -> ReplayResult:
    """Send the actions of `episode` through `robot` from the start of `seed`, and compare the tool's path.

    Of the policy's steps the requested action is sent, so that safety acts on it anew; of a person's steps the
    executed one, because what the person's hand asked for is not an action of the policy.
    """
    outcome = robot.reset(seed)
    poses = [outcome.observation["tool_pose"]]
    nothing = np.full(episode.action.shape[1], np.nan, np.float32)
    for step in range(episode.length):
        is_policy = episode.source[step] == Source.POLICY
        action = episode.requested[step] if is_policy else episode.action[step]
        outcome = robot.step(Decision(action, nothing, nothing))
        poses.append(outcome.observation["tool_pose"])
    recorded = np.concatenate([episode.observation["tool_pose"], episode.final_observation["tool_pose"][None]])
    replayed = np.asarray(poses, np.float64)
    distance = np.linalg.norm(replayed[:, :3] - recorded[:, :3].astype(np.float64), axis=1)
    return ReplayResult(
        stamps_s=_stamps(episode, len(poses)),
        recorded_position_m=recorded[:, :3].astype(np.float64),
        replayed_position_m=replayed[:, :3],
        position_error_mm=1e3 * distance,
        rotation_error_deg=np.degrees(_angles(replayed[:, 3:], recorded[:, 3:].astype(np.float64))),
        is_success=bool(outcome.truth_success),
    )


def _angles(a: Array, b: Array) -> Array:
    """Return the angles [rad] between unit quaternions (N, 4), by the chord: exactly 0 for equal ones."""
    chord = np.minimum(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return np.asarray(4.0 * np.arcsin(np.minimum(0.5 * chord, 1.0)))


def _stamps(episode: Episode, count: int) -> Array:
    start_ns = int(episode.stamp_ns[0])
    period_s = float(np.median(np.diff(episode.stamp_ns))) * 1e-9 if episode.length > 1 else 0.0
    stamps = (episode.stamp_ns - start_ns) * 1e-9
    return np.append(stamps, stamps[-1] + period_s)[:count]
