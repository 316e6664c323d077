"""A force plate in the simulated cell: a sprung plate that the tool can press, hit and rub, and that reads the force.

Robots are measured so before they may work near people (ISO/TS 15066:2016, annex A, and ISO/PAS 5672): not the
impact of two hard bodies, which depends on nothing but how they are modelled, but the force in a spring as hard as
the part of a body that it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from robot.types import Array

SIDE_M = 0.3
THICKNESS_M = 0.02
PLATE_MASS_KG = 0.3


@dataclass(frozen=True)
class Plate:
    """Where a plate stands: `face` (3,) [m] is the middle of its face, `normal` (3,) points out of the tool into it
    along an axis of the base frame, `stiffness` [N/m] is that of its spring. `height_m`, if given, is its size
    along z in place of 0.3 m."""

    face: tuple[float, float, float]
    normal: tuple[float, float, float]
    stiffness: float = 75_000.0
    height_m: float = SIDE_M

    @property
    def damping(self) -> float:
        """Of the spring [Ns/m]: a third of critical."""
        return float(2.0 * 0.3 * np.sqrt(self.stiffness * PLATE_MASS_KG))

    def mjcf(self) -> str:
        """Return the plate as MJCF for the cell."""
        normal = np.abs(self.normal)
        centre = np.array(self.face) + 0.5 * THICKNESS_M * np.array(self.normal)
        size = np.where(normal > 0.5, 0.5 * THICKNESS_M, 0.5 * np.array([SIDE_M, SIDE_M, self.height_m]))
        return f"""
    <body name="plate" pos="{_text(centre)}" gravcomp="1">
      <joint name="plate" type="slide" axis="{_text(np.array(self.normal))}" armature="0"
        stiffness="{self.stiffness}" damping="{self.damping}"/>
      <geom class="cell" type="box" size="{_text(size)}" mass="{PLATE_MASS_KG}" rgba="0.5 0.5 0.55 1"/>
    </body>"""


class PlateArm(MujocoArm):
    """The simulated arm in a cell with one plate; the socket stands out of the way."""

    def __init__(self, plate: Plate, physics_step_s: float = 0.001) -> None:
        config = SimConfig(physics_step_s=physics_step_s, torque_noise_nm=0.0, socket_x_m=0.35, socket_y_m=-0.2)
        super().__init__(config, scenery=plate.mjcf())
        self.plate = plate
        joint = self._model.joint("plate")
        self._slide, self._slide_speed = int(joint.qposadr[0]), int(joint.dofadr[0])

    @property
    def plate_force_n(self) -> float:
        """Force in the plate's spring [N], positive where it is pressed."""
        way, speed = self._data.qpos[self._slide], self._data.qvel[self._slide_speed]
        return float(self.plate.stiffness * way + self.plate.damping * speed)


def _text(v: Array) -> str:
    return " ".join(f"{x:.9g}" for x in v)
