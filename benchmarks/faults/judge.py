"""Did the arm hold, and when? A verdict from what was seen from outside: modes, commanded targets and tool poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from robot.types import Array

MOVING = ("follow", "homing")
"""Modes of the arm's server in which something else than the hold moves it."""
HOLD_LIMIT_S = 0.2
"""A fault stops the arm within this plus one control period."""
WATCHED_S = 0.4
"""How long after that limit the tool is watched."""
SETTLE_M = 0.015
"""A compliant hold may move the tool this far after the limit. Homing moves it at up to 0.5 m/s; the springs let it
overshoot the pose of the hold by some 10 mm and pull it back within 0.3 s. From an episode's speeds it is 3 mm."""
SETTLE_SPEED = 0.01
"""and it has come to rest, slower than this [m/s], at the end of the watch."""
STANDING_M = 0.003
"""Targets that lie within this of the last one stand."""
FEWEST_POSES = 15
NS = 1_000_000_000


@dataclass
class Recording:
    """What was seen since before the injection; times are arrivals on the observer's monotonic clock [ns].

    Attributes:
        arm: (arrival, mode, that mode's beginning as the arm tells it, on the same clock, or 0).
        mux: (arrival, mode).
        poses, targets: (arrival, position (3,) [m]).
    """

    arm: list[tuple[int, str, int]] = field(default_factory=list)
    mux: list[tuple[int, str]] = field(default_factory=list)
    poses: list[tuple[int, Array]] = field(default_factory=list)
    targets: list[tuple[int, Array]] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """What came of an injection.

    Attributes:
        hold_ms: from the injection to the hold; 0 where the arm held already; None where it never did.
        was_holding: the arm held before the injection and ever after.
        moved_mm, speed_mm_s: of the tool in the watch after the limit: way, and speed at its end.
        why_unsafe: one sentence; empty for a hold in time.
    """

    hold_ms: float | None
    was_holding: bool
    moved_mm: float
    speed_mm_s: float
    why_unsafe: str


def judge(
    recording: Recording, injected_ns: int, period_s: float, is_by_target: bool = False, is_passing: bool = False
) -> Verdict:
    """Return the verdict on an injection at `injected_ns`.

    The arm holds when its server neither follows nor homes. With `is_by_target` it also holds when it follows targets
    that stand: what a refused command does, which is no stop. After a fault that `is_passing` a hold may be ended by
    the next reset, as the mux tells it.
    """
    is_cut = False
    if is_passing:
        recording, is_cut = _until_reset(recording, injected_ns)
    limit_s = HOLD_LIMIT_S + period_s
    limit_ns = injected_ns + round(limit_s * NS)
    held_ns = _held_since(recording, injected_ns)
    if is_by_target:
        standing_ns = _standing_since(recording, injected_ns)
        if standing_ns is not None and (held_ns is None or standing_ns < held_ns):
            held_ns = standing_ns
    moved_m, speed, poses = _motion(recording, limit_ns)
    why = ""
    hold_ms = None if held_ns is None else max(0.0, (held_ns - injected_ns) / 1e6)
    if hold_ms is None:
        why = "the arm went on"
    elif hold_ms > limit_s * 1e3:
        why = f"the arm held after {hold_ms:.0f} ms only"
    elif poses < FEWEST_POSES and not is_cut:
        why = f"only {poses} poses were seen, so nobody knows"
    elif moved_m > SETTLE_M:
        why = f"the tool went {moved_m * 1e3:.1f} mm after the limit"
    elif speed > SETTLE_SPEED:
        why = f"the tool still moved at {speed * 1e3:.0f} mm/s at the end"
    was_holding = hold_ms is not None and held_ns is not None and held_ns <= injected_ns
    return Verdict(hold_ms, was_holding and not is_by_target, moved_m * 1e3, speed * 1e3, why)


def _until_reset(recording: Recording, injected_ns: int) -> tuple[Recording, bool]:
    """Return what was seen before the mux began a new reset after the injection, and whether it did."""
    modes = [(at, mode) for at, mode in recording.mux if at >= injected_ns]
    stopped_ns = next((at for at, mode in modes if mode == "soft_stop"), None)
    if stopped_ns is None:
        return recording, False
    begun_ns = next((at for at, mode in modes if mode == "resetting" and at > stopped_ns), None)
    if begun_ns is None:
        return recording, False
    return Recording(
        arm=[row for row in recording.arm if row[0] < begun_ns],
        mux=recording.mux,
        poses=[sample for sample in recording.poses if sample[0] < begun_ns],
        targets=[sample for sample in recording.targets if sample[0] < begun_ns],
    ), True


def _held_since(recording: Recording, injected_ns: int) -> int | None:
    """Return since when the arm has been in a holding mode up to the end; None when it ends in motion."""
    since: int | None = None
    was_moving = True
    for arrived_ns, mode, begun_ns in recording.arm:
        is_moving = mode in MOVING
        if was_moving and not is_moving:
            # the arm's own word may be earlier than its message, never earlier than the injection
            since = begun_ns if injected_ns <= begun_ns <= arrived_ns else arrived_ns
        was_moving = is_moving
    return None if was_moving else since


def _standing_since(recording: Recording, injected_ns: int) -> int | None:
    """Return the arrival of the first target after the injection from which on all of them stand."""
    since: int | None = None
    later = [(at, position) for at, position in recording.targets if at >= injected_ns]
    for arrived_ns, position in reversed(later):
        if float(np.linalg.norm(position - later[-1][1])) > STANDING_M:
            break
        since = arrived_ns
    return since


def _motion(recording: Recording, limit_ns: int) -> tuple[float, float, int]:
    """Return how far [m] the tool goes after the limit, its speed [m/s] at the end, and the number of poses seen."""
    end_ns = limit_ns + round(WATCHED_S * NS)
    seen = [(at, position) for at, position in recording.poses if limit_ns <= at <= end_ns]
    if len(seen) < FEWEST_POSES:
        return 0.0, 0.0, len(seen)
    positions = np.array([position for _, position in seen])
    moved_m = float(np.linalg.norm(positions - positions[0], axis=1).max())
    return moved_m, _speed(seen[-FEWEST_POSES:]), len(seen)


def _speed(seen: Sequence[tuple[int, Array]]) -> float:
    """Return the mean speed [m/s] over `seen`."""
    (first_ns, first), (last_ns, last) = seen[0], seen[-1]
    return float(np.linalg.norm(last - first)) / max((last_ns - first_ns) / NS, 1e-3)
