"""The simulated operator: demonstrates, or watches the policy, corrects it and lets go; it sees and it acts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robot import se3
from robot.clock import NANOSECONDS
from robot.errors import RobotError
from robot.interfaces import DeviceSample
from robot.se3 import Pose
from robot.types import ROLES, Array, Label
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
        self._view: OperatorView | None = None
        self._sample = DeviceSample(np.zeros(6), False, Label.NONE)

    def connect(self) -> None:
        """Nothing to open; a real device does that here."""

    def close(self) -> None:
        self._view = None

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
        if self._view is None or view.episode_step == 0:
            self._begin(view)
        last = self._view if self._view is not None else view
        dt_s = max((view.stamp_ns - last.stamp_ns) / NANOSECONDS, 0.0)
        self._view = view
        sight = look(view)
        self._judge(sight, dt_s)
        axes: Array = np.zeros(6)
        is_engaged = self._is_engaged_in(view.role, sight, dt_s)
        if is_engaged:
            axes = self._hand.axes(sight, dt_s)
        self._sample = DeviceSample(axes, is_engaged, self._label(view, dt_s))

    def _begin(self, view: OperatorView) -> None:
        scene = [round(1e5 * view.truth[name]) % 2**32 for name in ("socket_x", "socket_y", "socket_yaw")]
        rng = np.random.default_rng([self._seed, *scene])
        is_careless = bool(rng.random() < self.config.carelessness)
        self._hand = Hand(self.config, rng, is_careless)
        self._reaction_s = self.config.reaction_time_s * (2.0 if is_careless else 1.0)
        self._view = None
        self._is_engaged = False
        self._elapsed_s = self._wish_s = self._idle_s = 0.0
        self._inserted_s = -1.0
        self._best_m = self._nearest_m = math.inf

    def _judge(self, sight: Sight, dt_s: float) -> None:
        """Keep track of how the episode goes: time, best progress, and how long nothing got better."""
        self._elapsed_s += dt_s
        to_go = sight.lateral_m + max(self.config.success_depth_m - sight.depth_m, 0.0)
        if to_go < self._best_m - self.config.progress_m:
            self._best_m, self._idle_s = to_go, 0.0
        else:
            self._idle_s += dt_s
        if sight.depth_m > -2.0 * self.config.approach_height_m:
            self._nearest_m = min(self._nearest_m, sight.lateral_m)

    def _is_engaged_in(self, role: str, sight: Sight, dt_s: float) -> bool:
        if role == "demonstrate":
            return True
        if role == "watch":
            self._is_engaged = False
            return False
        if self._is_engaged:
            if sight.depth_m >= self.config.release_depth_m:
                self._let_go()
        elif self._has_reason(sight):
            self._wish_s += dt_s
            if self._wish_s >= self._reaction_s:
                self._is_engaged = True
                self._hand.grasp()
        else:
            self._wish_s = 0.0
        return self._is_engaged

    def _has_reason(self, sight: Sight) -> bool:
        """Tell whether the policy is doing badly: stuck, drifting off the hole, or out of time."""
        c = self.config
        if sight.depth_m >= c.success_depth_m:
            return False
        is_stuck = self._idle_s >= c.stuck_s
        is_drifting = sight.lateral_m > self._nearest_m + c.drift_m
        is_late = self._elapsed_s >= c.time_budget_s and sight.depth_m < c.release_depth_m
        return is_stuck or is_drifting or is_late

    def _let_go(self) -> None:
        self._is_engaged = False
        self._wish_s = self._idle_s = 0.0
        self._best_m = self._nearest_m = math.inf

    def _label(self, view: OperatorView, dt_s: float) -> Label:
        """SUCCESS for as long as the peg is seen in, from the reaction time on."""
        if view.truth["is_inserted"] < 0.5:
            self._inserted_s = -1.0
            return Label.NONE
        self._inserted_s = 0.0 if self._inserted_s < 0.0 else self._inserted_s + dt_s
        return Label.SUCCESS if self._inserted_s >= self._reaction_s else Label.NONE


def look(view: OperatorView) -> Sight:
    """Return the way from the peg to the hole as the view shows it."""
    truth, tip = view.truth, view.T_base_tool.position
    x, y = truth["socket_x"] - tip[0], truth["socket_y"] - tip[1]
    quarter = 0.5 * math.pi
    turn = truth["socket_yaw"] - se3.yaw(view.T_base_tool.quaternion)
    yaw = (turn + 0.5 * quarter) % quarter - 0.5 * quarter
    return Sight(float(x), float(y), float(truth["socket_z"] - tip[2]), float(yaw))
