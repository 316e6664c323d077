"""Random command sequences against a force plate: what tests and `bench_law.py` press with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from drivers.mujoco_plate import Plate, PlateArm
from robot import se3
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.se3 import Pose
from robot.types import Array

STEP_S = 0.001
PLATES = {
    "z": Plate((0.50, 0.0, 0.04), (0.0, 0.0, -1.0)),
    "x": Plate((0.44, 0.0, 0.01), (-1.0, 0.0, 0.0), height_m=0.06),
    "y": Plate((0.50, 0.06, 0.01), (0.0, 1.0, 0.0), height_m=0.06),
}
"""A plate across each base axis. The upright ones are low, so that the peg touches them and the hand does not; the
one across x stands towards the base: away from it the wrist saturates before a force of 40 N is reached."""
TOUCH = {"z": (0.50, 0.0, 0.04), "x": (0.448, 0.0, 0.02), "y": (0.50, 0.052, 0.02)}
"""Where the tip of the upright peg just touches."""

GAPS_M = (-0.004, 0.0, 0.02, 0.08)
"""Where sequences start: pressed to the plate, touching it, and before it."""


@dataclass(frozen=True)
class Press:
    """The hardest that one sequence pressed: `peak_n` and the bound stated at that instant [N], the largest share
    of the bound that any instant reached, and the tool's largest speed [m/s] along the normal."""

    peak_n: float
    bound_n: float
    share: float
    speed: float


class Presser:
    """The arm, its law and a plate across `axis`."""

    def __init__(self, axis: str, config: ImpedanceConfig) -> None:
        self.arm = PlateArm(PLATES[axis], STEP_S)
        self.law = CartesianImpedance(config)
        self.normal = np.array(PLATES[axis].normal)
        self.touch = np.array(TOUCH[axis])
        self.arm.connect()
        self._start = self.arm.dynamics().T_base_tool
        self.upright = self._start.quaternion
        self._truths = [self._approached(gap) for gap in GAPS_M]

    def start(self, number: int) -> None:
        """Put the arm at rest where the start of that `number` is; the law forgets all but the gain set's name."""
        self.law.reset()
        self.law.use_gains(self.law.gains_in_use)
        self.law.reset()
        self.arm.set_truth(self._truths[number])

    def tick(self, target: Pose) -> float:
        """One control tick; returns the speed [m/s] into the plate before it."""
        state, dynamics = self.arm.read(), self.arm.dynamics()
        self.arm.write(self.law.torque(state, dynamics, target, STEP_S))
        return float(self.normal @ (dynamics.jacobian[:3] @ state.dq))

    def pressed(self, depth_m: float, quaternion: Array | None = None, along: Array | None = None) -> Pose:
        """Return the target `depth_m` behind the plate's face, moved `along` (3,) [m] it."""
        aside = np.zeros(3) if along is None else along - (along @ self.normal) * self.normal
        return Pose(self.touch + depth_m * self.normal + aside, self.upright if quaternion is None else quaternion)

    def sequence(self, rng: np.random.Generator, duration_s: float) -> Press:
        """Run one random sequence of commands and compare the plate's force with the stated peak at every step."""
        self.start(int(rng.integers(len(GAPS_M))))
        commands = _commands(rng, self, round(duration_s / STEP_S))
        peak = bound_then = share = speed = 0.0
        bound = self.law.peak_force_bound_n
        for target, has_changed in commands:
            bound = self.law.peak_force_bound_n if has_changed else bound
            speed = max(speed, self.tick(target))
            force = self.arm.plate_force_n
            share = max(share, force / bound)
            if force > peak:
                peak, bound_then = force, bound
        return Press(peak, bound_then, share, speed)

    def _approached(self, gap_m: float) -> dict[str, float]:
        """Return the truth of the arm at rest `gap_m` before the plate; negative presses."""
        self.arm.set_truth(self.arm.truth())
        self.law.reset()
        end = self.pressed(-gap_m).position
        begin = self.arm.dynamics().T_base_tool.position
        for tick in range(2000):
            self.tick(Pose(begin + (end - begin) * min(1.0, tick / 1500), self.upright))
        return self.arm.truth()


def _commands(rng: np.random.Generator, presser: Presser, ticks: int) -> Iterator[tuple[Pose, bool]]:
    """Yield the target of every tick and whether the gains changed: a new target each 10 to 200 ms, in front of
    the plate or behind it, turned by up to 0.3 rad; now and then another stiffness or a feed-forward wrench."""
    law, next_change = presser.law, 0
    target = presser.pressed(0.0)
    for tick in range(ticks):
        has_changed = False
        if tick >= next_change:
            next_change = tick + int(rng.integers(10, 200))
            depth = float(rng.uniform(-0.08, 0.08)) if rng.random() < 0.7 else float(rng.uniform(-0.005, 0.02))
            turn = se3.exp_rotation(rng.uniform(-0.3, 0.3, 3) * (rng.random() < 0.7))
            along = rng.uniform(-0.03, 0.03, 3) * (rng.random() < 0.7)
            target = presser.pressed(depth, se3.quaternion_multiply(turn, presser.upright), along)
            what = rng.random()
            has_changed = what < 0.2
            if what < 0.1:
                law.set_stiffness(rng.uniform(0.0, 1.0, 6) * np.array([6000.0] * 3 + [400.0] * 3))
            elif what < 0.2:
                law.set_wrench(rng.uniform(-100.0, 100.0, 6))
        yield target, has_changed
