"""robosuite's Lift, Can and Square as benchmarks: a Panda under OSC_POSE at 20 Hz, low-dimensional observations.

Ours are: everything random follows from the episode's seed, an episode ends in success, and lengths are in
decimetres, so that a network sees numbers of order one.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.gymnasium_robot import Env
from drivers.mujoco_scene import ModelRenderer
from robot.interfaces import Expert
from robot.specs import GRIPPER
from robot.types import Array, Observation

DM = 10.0
"""Decimetres in a metre."""

FINGER_M = 0.04
"""Largest way of a finger."""


PIXELS = 84
"""Width and height of a picture, as in robosuite's and ResFiT's image policies."""

CAMERAS = {"front": "agentview", "wrist": "robot0_eye_in_hand"}
"""Our names of the suite's cameras."""

COLLISION_GROUP = 0
"""Of geoms that are for contacts only."""


@dataclass(frozen=True)
class SuiteTask:
    """One task of robosuite.

    Attributes:
        suite: its name there.
        thing: prefix of the object's observations.
        centre_m: point in the world from which positions are told: above the table's middle.
        max_steps: length of an episode.
        is_seen: whether the thing is seen in pictures alone, rather than told.
    """

    suite: str
    thing: str
    centre_m: tuple[float, float, float]
    max_steps: int
    is_seen: bool = False


TASKS = {
    "lift": SuiteTask("Lift", "cube", (0.0, 0.0, 0.9), 100),
    "lift-pictures": SuiteTask("Lift", "cube", (0.0, 0.0, 0.9), 100, is_seen=True),
    "can": SuiteTask("PickPlaceCan", "Can", (0.1, 0.0, 0.9), 200),
    "square": SuiteTask("NutAssemblySquare", "SquareNut", (0.0, 0.0, 0.9), 250),
}


class Suite(gymnasium.Env[Observation, NDArray[np.float32]]):
    """Seven actions in [-1, 1]: way (0.05 m a step) and turn (0.5 rad a step) of the hand's target, fingers (1 closes).

    Observations, float32: `hand` (3,) from the centre, `thing_from_hand` (3,), `thing` (3,) from the centre [dm],
    `hand_axes` (6,) and `thing_axes` (6,), the first two columns of their rotations, `fingers` (2,) [0 to 1],
    `arm_rates` (7,) [rad/s]. The reward is robosuite's sparse one. Where the thing is seen, what tells of it is left
    out, and there are `front` and `wrist`, pictures (84, 84, 3) uint8.
    """

    metadata = {"render_modes": [], "render_fps": 20}  # noqa: RUF012 - gymnasium's own declaration
    action_axes = ("x", "y", "z", "rx", "ry", "rz", GRIPPER)

    def __init__(self, name: str) -> None:
        self.task = TASKS[name]
        self.max_episode_steps = self.task.max_steps
        with _quiet():
            import robosuite

            self.suite: Any = robosuite.make(
                self.task.suite,
                robots="Panda",
                has_renderer=False,
                has_offscreen_renderer=False,
                use_camera_obs=False,
                use_object_obs=True,
                control_freq=20,
                horizon=1_000_000,
                ignore_done=True,
                reward_shaping=False,
                hard_reset=False,
                seed=0,  # things are made in a size drawn at random: the same in every process
            )
        self.action_space = spaces.Box(-1.0, 1.0, (7,), np.float32)
        sizes = {"hand": 3, "thing_from_hand": 3, "thing": 3, "hand_axes": 6, "thing_axes": 6, "fingers": 2}
        sizes |= {"arm_rates": 7}
        boxes: dict[str, spaces.Space[Any]] = {
            key: spaces.Box(-np.inf, np.inf, (size,), np.float32) for key, size in sizes.items()
        }
        self._scene: ModelRenderer | None = None
        if self.task.is_seen:
            boxes = {key: box for key, box in boxes.items() if not key.startswith("thing")}
            boxes |= dict.fromkeys(CAMERAS, spaces.Box(0, 255, (PIXELS, PIXELS, 3), np.uint8))
            self._scene = ModelRenderer(self.suite.sim.model._model, PIXELS, hidden=(COLLISION_GROUP,))
        self._boxes = boxes
        self.observation_space = cast("spaces.Space[Observation]", spaces.Dict(boxes))
        self.raw: dict[str, Array] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        for owner in _random_owners(self.suite):
            owner.rng = self.np_random
        state = np.random.get_state()  # noqa: NPY002 - robosuite's noise on the first pose comes from numpy's own
        np.random.seed(int(self.np_random.integers(2**31)))  # noqa: NPY002
        try:
            self.raw = self.suite.reset()
        finally:
            np.random.set_state(state)  # noqa: NPY002
        return self._observe(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.raw, reward, _, _ = self.suite.step(np.clip(np.asarray(action, np.float64), -1.0, 1.0))
        is_success = bool(self.suite._check_success())
        return self._observe(), float(reward), is_success, False, {"is_success": is_success}

    def close(self) -> None:
        if self._scene is not None:
            self._scene.close()
        self.suite.close()

    @property
    def hand_m(self) -> Array:
        return self.raw["robot0_eef_pos"]

    @property
    def hand_rotation(self) -> Rotation:
        return Rotation.from_quat(self.raw["robot0_eef_quat"])

    @property
    def thing_m(self) -> Array:
        return self.raw[f"{self.task.thing}_pos"]

    @property
    def thing_rotation(self) -> Rotation:
        return Rotation.from_quat(self.raw[f"{self.task.thing}_quat"])

    def _observe(self) -> Observation:
        centre = np.array(self.task.centre_m)
        parts = {
            "hand": DM * (self.hand_m - centre),
            "thing_from_hand": DM * (self.thing_m - self.hand_m),
            "thing": DM * (self.thing_m - centre),
            "hand_axes": self.hand_rotation.as_matrix()[:, :2].T.ravel(),
            "thing_axes": self.thing_rotation.as_matrix()[:, :2].T.ravel(),
            "fingers": np.abs(self.raw["robot0_gripper_qpos"]) / FINGER_M,
            "arm_rates": self.raw["robot0_joint_vel"],
        }
        told = {key: value.astype(np.float32) for key, value in parts.items() if key in self._boxes}
        if self._scene is None:
            return told
        data = self.suite.sim.data._data
        return told | {key: self._scene.render(data, camera) for key, camera in CAMERAS.items()}


def make(name: str) -> Env:
    return Suite(name)


def expert(name: str, env: Env) -> Expert:
    from drivers.bench_robosuite_experts import EXPERTS

    return EXPERTS[name](cast("Suite", env.unwrapped))


def _random_owners(suite: Any) -> list[Any]:
    """Return everything that draws random numbers at a reset."""
    placing = getattr(suite, "placement_initializer", None)
    inner = list(getattr(placing, "samplers", {}).values()) if placing is not None else []
    return [owner for owner in (suite, placing, *inner, *suite.robots) if owner is not None]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """robosuite warns, when it is imported and made, of macros and robots that nobody asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
