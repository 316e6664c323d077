"""The simulated operator: demonstrates, or watches the policy, corrects it and lets go; it sees and it acts."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robot import se3
from robot.clock import NANOSECONDS, to_ns
from robot.errors import RobotError
from robot.interfaces import DeviceSample
from robot.se3 import Pose
from robot.types import ROLES, Label
from teleop.operator_config import OperatorConfig
from teleop.operator_hand import Hand, Sight

__all__ = ["OperatorConfig", "OperatorView", "SimulatedOperator"]


@dataclass(frozen=True)
class OperatorView:
    """What the operator sees at one tick.

    Attributes:
        truth: the scene; it uses socket_x, socket_y, socket_z, socket_yaw [m, rad] and is_inserted.
        T_base_tool: pose of the peg's tip.
        episode_step: 0 at the first tick of an episode; inner state starts afresh there.
        role: one of `robot.types.ROLES`.
    """

    truth: Mapping[str, float]
    T_base_tool: Pose
    stamp_ns: int
    episode_step: int
    role: str


class SimulatedOperator:
    """Implements `robot.interfaces.TeleopDevice` with a person's skill, errors and delays.

        operator.see(OperatorView(truth, T_base_tool, stamp_ns, episode_step, "supervise"))
        sample = operator.read()

    Its random choices follow from its seed and from where the socket lies, so an episode that is laid out
    alike finds it alike, whatever came before.
    """

    def __init__(self, config: OperatorConfig, seed: int) -> None:
        self.config = config
        self._seed = seed
        self._has_begun = False
        self._now_ns = 0
        self._sample = DeviceSample(np.zeros(6), False, Label.NONE)

    def connect(self) -> None:
        """Nothing to open; a real device does that here."""

    def close(self) -> None:
        """Nothing to close."""

    def sample(
        self, truth: Mapping[str, float], T_base_tool: Pose, stamp_ns: int, episode_step: int, role: str
    ) -> DeviceSample:
        """`see` and `read` in one call."""
        self.see(OperatorView(truth, T_base_tool, stamp_ns, episode_step, role))
        return self.read()

    def read(self) -> DeviceSample:
        """Return what the operator does about the last view; at rest before the first one."""
        return self._sample

    def see(self, view: OperatorView) -> None:
        """Look at the scene once; raises RobotError for an unknown role."""
        if view.role not in ROLES:
            raise RobotError(f"An operator's role is one of {', '.join(ROLES)}; found {view.role!r}.")
        if not self._has_begun or view.episode_step == 0:
            self._begin(view)
            self._has_begun = True
        dt_s = max((view.stamp_ns - self._now_ns) / NANOSECONDS, 0.0)
        self._now_ns = view.stamp_ns
        sight = look(view)
        self._judge(sight)
        is_engaged = self._is_engaged_in(view.role, sight)
        axes = self._hand.axes(sight, dt_s) if is_engaged else np.zeros(6)
        self._sample = DeviceSample(axes, is_engaged, self._label(view))

    def _begin(self, view: OperatorView) -> None:
        scene = [round(1e5 * view.truth[name]) % 2**32 for name in ("socket_x", "socket_y", "socket_yaw")]
        rng = np.random.default_rng([self._seed, *scene])
        is_careless = bool(rng.random() < self.config.carelessness)
        self._hand = Hand(self.config, rng, is_careless)
        self._reaction_ns = to_ns(self.config.reaction_time_s) * (2 if is_careless else 1)
        self._is_engaged = False
        self._now_ns = self._begin_ns = self._better_ns = view.stamp_ns
        self._wish_ns: int | None = None
        self._inserted_ns: int | None = None
        self._best_m = self._nearest_m = math.inf
        self._whim = np.random.default_rng([self._seed, *scene, 1])  # of when it takes over; the hand has its own
        self._engaged_ns = view.stamp_ns
        self._past: deque[tuple[int, float]] = deque()

    def _judge(self, sight: Sight) -> None:
        """Keep track of how the episode goes: the best so far, when that was, how near the axis, the last moments."""
        to_go = sight.lateral_m + max(self.config.success_depth_m - sight.depth_m, 0.0)
        self._past.append((self._now_ns, to_go))
        while len(self._past) > 1 and self._past[1][0] <= self._now_ns - to_ns(self.config.value_window_s):
            self._past.popleft()
        if to_go < self._best_m - self.config.progress_m:
            self._best_m, self._better_ns = to_go, self._now_ns
        if sight.depth_m > -2.0 * self.config.approach_height_m:
            self._nearest_m = min(self._nearest_m, sight.lateral_m)

    def _is_engaged_in(self, role: str, sight: Sight) -> bool:
        if role != "supervise":
            self._is_engaged = False
            return role == "demonstrate"
        if self._is_engaged:
            if self._has_had_enough(sight):
                self._let_go()
        elif not self._has_reason(sight):
            self._wish_ns = None
        else:
            self._wish_ns = self._now_ns if self._wish_ns is None else self._wish_ns
            if self._now_ns - self._wish_ns >= self._reaction_ns:
                self._is_engaged, self._engaged_ns = True, self._now_ns
                self._hand.grasp()
        return self._is_engaged

    def _has_had_enough(self, sight: Sight) -> bool:
        """Tell whether it lets go: the peg is well in, or (value, random) it has helped for long enough."""
        is_over = self._now_ns - self._engaged_ns >= to_ns(self.config.hold_s)
        return sight.depth_m >= self.config.release_depth_m or (self.config.rule in ("value", "random") and is_over)

    def _has_reason(self, sight: Sight) -> bool:
        """Tell whether it wants to take over, by its rule; one that has begun to want goes on to."""
        c = self.config
        if sight.depth_m >= c.success_depth_m or c.rule == "never":
            return False
        if c.rule == "trouble":
            return self._is_in_trouble(sight)
        if self._wish_ns is not None:
            return True
        return (c.rule == "random" or self._is_outdone()) and bool(self._whim.random() < c.onset)

    def _is_in_trouble(self, sight: Sight) -> bool:
        """Tell whether the policy is doing badly: stuck, drifting off the hole, or out of time."""
        c = self.config
        is_stuck = self._now_ns - self._better_ns >= to_ns(c.stuck_s)
        is_drifting = sight.lateral_m > self._nearest_m + c.drift_m
        is_late = self._now_ns - self._begin_ns >= to_ns(c.time_budget_s) and sight.depth_m < c.release_depth_m
        return is_stuck or is_drifting or is_late

    def _is_outdone(self) -> bool:
        """Tell whether the operator would have got on better, by `value_gap`, in the last `value_window_s`.

        RLIF's rule (arXiv 2311.12996, section 4.2) with the way to the goal as value: the operator's is the way at its
        own pace, the policy's the one that was seen.
        """
        c = self.config
        (then_ns, before_m), (_, now_m) = self._past[0], self._past[-1]
        passed_s = (self._now_ns - then_ns) / NANOSECONDS
        if passed_s < c.value_window_s:
            return False
        own_m = min(before_m, c.pace_m_s * passed_s)
        return before_m - now_m < (1.0 - c.value_gap) * own_m

    def _let_go(self) -> None:
        self._is_engaged = False
        self._wish_ns, self._better_ns = None, self._now_ns
        self._best_m = self._nearest_m = math.inf
        self._past.clear()

    def _label(self, view: OperatorView) -> Label:
        """SUCCESS for as long as the peg is seen in, from the reaction time on."""
        if view.truth["is_inserted"] < 0.5:
            self._inserted_ns = None
            return Label.NONE
        self._inserted_ns = self._now_ns if self._inserted_ns is None else self._inserted_ns
        is_noticed = self._now_ns - self._inserted_ns >= self._reaction_ns
        return Label.SUCCESS if is_noticed else Label.NONE


def look(view: OperatorView) -> Sight:
    """Return the way from the peg to the hole as the view shows it."""
    truth, tip = view.truth, view.T_base_tool.position
    x, y = truth["socket_x"] - tip[0], truth["socket_y"] - tip[1]
    quarter = 0.5 * math.pi
    turn = truth["socket_yaw"] - se3.yaw(view.T_base_tool.quaternion)
    yaw = (turn + 0.5 * quarter) % quarter - 0.5 * quarter
    return Sight(float(x), float(y), float(truth["socket_z"] - tip[2]), float(yaw))
