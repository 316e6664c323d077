"""The smallest robot that runs an episode: simulated arm, arm server, action map, operator; 10 Hz ticks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from robot.actions import ActionMap
from robot.arm_server import ArmServer, ArmServerConfig, ArmSnapshot
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.interfaces import DeviceSample
from robot.safety import SafetyConfig
from robot.types import Label
from teleop.operator import OperatorConfig, SimulatedOperator

PERIOD_S = 0.1
MAX_STEPS = 80
ACTIONS = ActionMap(("x", "y", "z", "rz"), (0.02, 0.02, 0.02, 0.1), (1.0, 0.0, 0.0, 0.0))

Policy = Callable[[ArmSnapshot], np.ndarray]


@dataclass
class Tick:
    """One tick of an episode: the truth before it and what the operator did."""

    truth: dict[str, float]
    sample: DeviceSample


class Rig:
    def __init__(self, sim: SimConfig | None = None, operator: OperatorConfig | None = None) -> None:
        self.arm = MujocoArm(sim or SimConfig())
        self.law = CartesianImpedance(ImpedanceConfig())
        self.server = ArmServer(self.arm, self.law, ArmServerConfig(), SafetyConfig())
        self.server.connect()
        self.operator = SimulatedOperator(operator or OperatorConfig(), seed=0)

    def reset(self, seed: int) -> None:
        self.arm.randomise(seed)
        self.server.settle()

    def step(self, action: np.ndarray) -> None:
        now = self.server.snapshot()
        self.server.accept(ACTIONS.target(now.T_base_tool, np.clip(action, -1.0, 1.0)), now.stamp_ns)
        self.server.advance(PERIOD_S)

    def episode(self, seed: int, role: str, policy: Policy | None = None, steps: int = MAX_STEPS) -> list[Tick]:
        """Run until the operator says success, or `steps`; the last tick holds how it ended."""
        self.reset(seed)
        ticks: list[Tick] = []
        for k in range(steps):
            now, truth = self.server.snapshot(), self.arm.truth()
            sample = self.operator.sample(truth, now.T_base_tool, now.stamp_ns, k, role)
            ticks.append(Tick(truth, sample))
            if Label.SUCCESS in sample.label:
                break
            own = policy(now) if policy is not None else np.zeros(ACTIONS.size)
            self.step(ACTIONS.from_axes(sample.axes) if sample.is_engaged else own)
        return ticks


def hover(now: ArmSnapshot) -> np.ndarray:
    """A policy that never gets anywhere."""
    return np.zeros(ACTIONS.size)
