"""Commands that no sender should ever send, sane ones among them, and the governor's promises, checked without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from robot_rig import quaternions

from robot import se3
from robot.safety import REFUSALS, Command, Reason, SafetyConfig, Situation, Verdict
from robot.se3 import Pose

MS = 1_000_000
NOW_NS = 5_000 * MS
MOVING = int(Reason.LINEAR_SPEED | Reason.WORKSPACE | Reason.KEEP_OUT)
NOT_THE_GOVERNORS = Reason.TWO_SOURCES | Reason.MODE | Reason.HANDOVER
"""Reasons that other parts give: who publishes, in which mode one is, and whose hand it is, no governor knows."""
EVERY = Reason(sum(Reason)) & ~NOT_THE_GOVERNORS


def hostile(rng: np.random.Generator, config: SafetyConfig) -> tuple[Command, Situation]:
    """Return something between a sane command and one that no sender should ever send."""
    low, high = np.array(config.workspace_low_m), np.array(config.workspace_high_m)
    tool = Pose(rng.uniform(low - 0.1, high + 0.1), quaternions(1, rng)[0])
    position = tool.position + rng.normal(size=3) * 10.0 ** rng.uniform(-4, -0.5)
    turn = se3.exp_rotation(rng.normal(size=3) * 10.0 ** rng.uniform(-3, 0.3))
    quaternion = se3.quaternion_multiply(turn, tool.quaternion) * rng.choice([1, 1, 1, -1])
    stamp_ns, frame = NOW_NS + int(rng.integers(-100, 100)) * MS, "base"
    last_ns = stamp_ns - int(rng.choice([10, 100])) * MS if rng.random() < 0.7 else None
    force, moment = rng.normal(size=(2, 3)) * [[25.0], [10.0]]
    period_s = rng.choice([0.05, 0.1])
    kind = rng.integers(20)
    if kind == 0:
        position[rng.integers(3)] = rng.choice([np.nan, np.inf, -np.inf, 1e200, -1e308])
    elif kind == 1:
        quaternion[rng.integers(4)] = rng.choice([np.nan, np.inf, 1e308, 5.0])
    elif kind == 2:
        quaternion = quaternion * rng.choice([0.0, 0.99, 1.01, -2.0, 1e-300])
    elif kind == 3:
        frame = str(rng.choice(["", "tool", "Base", "base ", "camera_optical_frame"]))
    elif kind == 4:
        stamp_ns = int(rng.choice([0, -(10**18), NOW_NS - 201 * MS, NOW_NS + 101 * MS, 2**62]))
    elif kind == 5:
        position = rng.uniform(-1e3, 1e3, 3)
    elif kind == 6:
        force[1] = rng.choice([np.nan, np.inf, 1e308, 79.9, 80.1])
    elif kind == 7:
        moment[2] = rng.choice([np.nan, -np.inf, 1e308, 39.9, 40.1])
    elif kind == 8:
        broken = tool.as_vector()
        broken[rng.integers(7)] = rng.choice([np.nan, -np.inf, 1e308, 1e3])
        tool = Pose.from_vector(broken)
        position = rng.choice([position, tool.position])
    elif kind == 9:
        last_ns = stamp_ns + int(rng.choice([0, 1, 50 * MS, 2**40, -1, -4 * MS]))
    situation = Situation(tool, force, NOW_NS, "base", float(period_s), moment, last_ns)
    return Command(Pose(position, quaternion), stamp_ns, frame), situation


def turns(q_to: np.ndarray, q_from: np.ndarray) -> np.ndarray:
    """Return the angles (n,) [rad] between unit quaternions (n, 4), by their chord: exact also where it is short."""
    chord = np.minimum(np.linalg.norm(q_to - q_from, axis=1), np.linalg.norm(q_to + q_from, axis=1))
    return 4.0 * np.arcsin(np.clip(0.5 * chord, 0.0, 1.0))


def inside(points: np.ndarray, box: tuple[float, ...], by_m: float = 0.0) -> np.ndarray:
    """Tell which of `points` (..., 3) lie in a box, at least `by_m` deep."""
    low, high = np.array(box[:3]) + by_m, np.array(box[3:]) - by_m
    return np.all((points >= low) & (points <= high), axis=-1)


def in_any(points: np.ndarray, config: SafetyConfig) -> np.ndarray:
    found = np.zeros(points.shape[:-1], bool)
    for box in config.keep_out_m:
        found |= inside(points, box)
    return found


def check_promises(cases: list[tuple[Command, Situation]], verdicts: list[Verdict], config: SafetyConfig) -> int:
    """Check all that `robot.safety.Governor` promises on these verdicts; returns how many commands it allowed."""
    for verdict in verdicts:
        assert (verdict.target is None) == bool(verdict.reasons & REFUSALS)
        assert not verdict.reasons & NOT_THE_GOVERNORS
        assert verdict.sentence()
    allowed = [(*case, v) for case, v in zip(cases, verdicts, strict=True) if v.target is not None]
    if not allowed:
        return 0
    for command, now, _ in allowed:
        assert command.frame == now.frame
        age_ns = now.now_ns - command.stamp_ns
        assert -1e9 * config.max_lead_s <= age_ns <= 1e9 * config.max_age_s
        assert now.last_ns is None or (command.stamp_ns - now.last_ns) * config.max_rate_hz >= 1e9
        assert np.linalg.norm(now.force) <= config.max_force_n
        assert np.linalg.norm(now.moment) <= config.max_moment_nm
    asked = np.array([command.target.as_vector() for command, _, _ in allowed])
    tool = np.array([now.T_base_tool.as_vector() for _, now, _ in allowed])
    target = np.array([verdict.target.as_vector() for _, _, verdict in allowed])
    _check_limits(asked, tool, target, np.array([now.period_s for _, now, _ in allowed]), config)
    reasons = np.array([int(verdict.reasons) for _, _, verdict in allowed])
    _check_boxes(tool[:, :3], target[:, :3], reasons, np.array([now.period_s for _, now, _ in allowed]), config)
    _check_changes(asked, target, reasons, [verdict for _, _, verdict in allowed])
    return len(allowed)


def _check_limits(
    asked: np.ndarray, tool: np.ndarray, target: np.ndarray, period_s: np.ndarray, config: SafetyConfig
) -> None:
    assert np.all(np.isfinite(target))
    assert np.abs(np.linalg.norm(target[:, 3:], axis=1) - 1.0).max() < 1e-12
    # the measured quaternion may be a little off its length
    unit = tool[:, 3:] / np.linalg.norm(tool[:, 3:], axis=1, keepdims=True)
    way = np.linalg.norm(target[:, :3] - tool[:, :3], axis=1)
    assert np.all(way <= config.max_linear_speed * period_s + 1e-12)
    assert np.all(turns(target[:, 3:], unit) <= config.max_angular_speed * period_s + 1e-9)
    assert np.all(np.linalg.norm(asked[:, :3] - tool[:, :3], axis=1) <= config.max_jump_m)


def _check_boxes(
    tool: np.ndarray, target: np.ndarray, reasons: np.ndarray, period_s: np.ndarray, config: SafetyConfig
) -> None:
    low, high = np.array(config.workspace_low_m), np.array(config.workspace_high_m)
    outside = np.linalg.norm(target - np.clip(target, low, high), axis=1)
    before = np.linalg.norm(tool - np.clip(tool, low, high), axis=1)
    is_caught = in_any(tool, config)
    # within the workspace, or on the way back to it: slowed down, or stopped by a box
    is_back = (outside <= before + 1e-12) & ((reasons & int(Reason.LINEAR_SPEED | Reason.KEEP_OUT)) > 0)
    assert np.all((outside <= 1e-12) | is_back)
    # a free tool: neither the target nor anything on the way to it lies in a box
    shares = np.linspace(0.0, 1.0, 41)[:, None, None]
    assert not in_any(tool[~is_caught] + shares * (target - tool)[~is_caught], config).any()
    assert not in_any(target[~is_caught], config).any()
    # a caught one: straight along one axis, and either out or as far as the speed allows
    way = target[is_caught] - tool[is_caught]
    assert np.all(np.count_nonzero(way, axis=1) == 1)
    is_full_step = np.isclose(np.linalg.norm(way, axis=1), config.max_linear_speed * period_s[is_caught], atol=1e-12)
    assert np.all(is_full_step | ~in_any(target[is_caught], config))


def _check_changes(asked: np.ndarray, target: np.ndarray, reasons: np.ndarray, verdicts: list[Verdict]) -> None:
    """No change without its reason and no reason without a change; what is told of it is true."""
    is_moved = np.any(asked[:, :3] != target[:, :3], axis=1)
    np.testing.assert_array_equal(is_moved, (reasons & MOVING) > 0)
    told = np.array([[verdict.moved_m, verdict.turned_rad] for verdict in verdicts])
    np.testing.assert_allclose(told[:, 0], np.linalg.norm(asked[:, :3] - target[:, :3], axis=1), atol=1e-12)
    unit = asked[:, 3:] / np.linalg.norm(asked[:, 3:], axis=1, keepdims=True)
    np.testing.assert_allclose(told[:, 1], turns(target[:, 3:], unit), atol=1e-6)
    is_turned = (reasons & int(Reason.ANGULAR_SPEED)) > 0
    np.testing.assert_array_equal(told[:, 1] > 0.0, is_turned)
    for want, got in zip(asked[~is_turned, 3:], target[~is_turned, 3:], strict=True):
        length = np.linalg.norm(want)
        assert np.array_equal(got, want if abs(length - 1.0) < 1e-12 else want / length)


def caught(config: SafetyConfig, rng: np.random.Generator, situation: Situation) -> Situation:
    """Return `situation` with the tool somewhere inside one of the boxes."""
    box = np.array(config.keep_out_m[rng.integers(len(config.keep_out_m))])
    at = rng.uniform(box[:3], box[3:])
    return replace(situation, T_base_tool=Pose(at, situation.T_base_tool.quaternion))
