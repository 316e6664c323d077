"""gym-hil's PandaPickCubeBase as a benchmark: a block lies anywhere in reach, is grasped and lifted by 0.1 m.

Ours are: the block's place from the episode's seed (gym-hil draws it from numpy's global state, or fixes it), no
picture and no OpenGL context, three axes of motion in place of six of which gym-hil ignores three, and lengths in
decimetres, so that a network sees numbers of order one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
from gym_hil.envs import PandaPickCubeGymEnv
from gymnasium import spaces
from numpy.typing import NDArray

from drivers.gymnasium_robot import Env
from robot.specs import GRIPPER
from robot.types import Array, Observation

STEP_M = 0.03
"""Way of the hand's target at |a| = 1, in a tenth of a second; gym-hil's own wrapper for people has 0.025."""

BLOCK_LOW_M, BLOCK_HIGH_M = (0.3, -0.15), (0.5, 0.15)
"""Where the block may lie: gym-hil's `_SAMPLING_BOUNDS`."""

CENTRE_M = np.array([0.4, 0.0, 0.1])
"""Middle of the workspace, from which positions are told."""

LIFT_M = 0.1
DM = 10.0
"""Decimetres in a metre."""

OPEN, CLOSE = -1.0, 1.0
"""Command of the fingers: gym-hil adds it to their closure, 0 to 1, and clips."""


class _NoRenderer:
    """Stands in for the picture that gym-hil draws when it is made, and never asks for again."""

    def __init__(self, *_: object, **__: object) -> None: ...
    def render(self) -> None: ...
    def close(self) -> None: ...


@contextlib.contextmanager
def _without_pictures() -> Iterator[None]:
    kept, mujoco.Renderer = mujoco.Renderer, _NoRenderer
    try:
        yield
    finally:
        mujoco.Renderer = kept


class PickCube(gymnasium.Env[Observation, NDArray[np.float32]]):
    """Four actions (x, y, z of the hand, fingers) in [-1, 1]; ten steps a second, 100 of them.

    Observations, float32: `hand` (3,) from the workspace's middle, `block_from_hand` (3,), `block` (3,) from the
    middle [dm], `hand_velocity` (3,) [dm/s], `fingers` (2,): commanded closure and measured joint [0 to 1, rad].
    The reward is gym-hil's sparse one; a block pushed out of reach ends the episode in failure.
    """

    metadata = {"render_modes": [], "render_fps": 10}  # noqa: RUF012 - gymnasium's own declaration
    max_episode_steps = 100
    action_axes = ("x", "y", "z", GRIPPER)

    def __init__(self) -> None:
        with _without_pictures():
            self.hil = PandaPickCubeGymEnv(reward_type="sparse", random_block_position=False)
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        sizes = {"hand": 3, "block_from_hand": 3, "block": 3, "hand_velocity": 3, "fingers": 2}
        boxes: dict[str, spaces.Space[Any]] = {
            key: spaces.Box(-np.inf, np.inf, (size,), np.float32) for key, size in sizes.items()
        }
        self.observation_space = cast("spaces.Space[Observation]", spaces.Dict(boxes))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self.hil.reset(seed=seed)
        data = self.hil.data
        data.jnt("block").qpos[:2] = self.np_random.uniform(BLOCK_LOW_M, BLOCK_HIGH_M)
        mujoco.mj_forward(self.hil.model, data)
        return self._observe(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        x, y, z, fingers = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        command = np.array([STEP_M * x, STEP_M * y, STEP_M * z, 0.0, 0.0, 0.0, fingers])
        _, reward, is_terminated, _, info = self.hil.step(command)
        return self._observe(), float(reward), bool(is_terminated), False, {"is_success": bool(info["succeed"])}

    def close(self) -> None:
        self.hil.close()

    @property
    def hand_m(self) -> Array:
        return np.array(self.hil.data.sensor("2f85/pinch_pos").data)

    @property
    def target_m(self) -> Array:
        """Where the hand is told to be."""
        return np.array(self.hil.data.mocap_pos[0])

    @property
    def block_m(self) -> Array:
        return np.array(self.hil.data.sensor("block_pos").data)

    def _observe(self) -> Observation:
        data, hand, block = self.hil.data, self.hand_m, self.block_m
        parts = {
            "hand": DM * (hand - CENTRE_M),
            "block_from_hand": DM * (block - hand),
            "block": DM * (block - CENTRE_M),
            "hand_velocity": DM * np.array(data.sensor("2f85/pinch_vel").data),
            "fingers": np.array([self.hil.get_gripper_pose()[0] / 255.0, data.jnt("right_driver_joint").qpos[0]]),
        }
        return {key: value.astype(np.float32) for key, value in parts.items()}


class PickCubeExpert:
    """Goes above the block, down to it, closes the fingers and lifts.

    Without noise it solves 100 of the 100 episodes with seeds 0 to 99 (95% Wilson interval 96 to 100%), in 16 steps.
    """

    def __init__(self, env: Env) -> None:
        self._env = cast("PickCube", env.unwrapped)
        self._closing = 0

    def reset(self, seed: int) -> None:
        self._closing = 0

    def act(self, observation: Observation) -> NDArray[np.float32]:
        env = self._env
        way = env.block_m - env.hand_m
        level = float(np.hypot(way[0], way[1]))
        if level > 0.03 or (self._closing and np.linalg.norm(way) > 0.04):
            self._closing = 0  # not there yet, or the block was lost
        if not self._closing and level < 0.012 and abs(way[2]) < 0.012:
            self._closing = 1
        if self._closing:
            self._closing += 1
            rise = STEP_M if self._closing > 4 else 0.0
            goal = np.array([env.target_m[0], env.target_m[1], env.target_m[2] + rise])
            return self._towards(goal, CLOSE)
        height = 0.0 if level < 0.015 else 0.06
        goal = np.array([*env.block_m[:2], env.block_m[2] + height])
        return self._towards(goal, OPEN)

    def progress(self, observation: Observation) -> float:
        """Nearness of the hand to the block, then height of the block: 0 to 2."""
        way = float(np.linalg.norm(self._env.block_m - self._env.hand_m))
        lift = float(np.clip((self._env.block_m[2] - 0.02) / LIFT_M, 0.0, 1.0))
        return 1.0 - float(np.tanh(5.0 * way)) + lift

    def _towards(self, goal_m: Array, fingers: float) -> NDArray[np.float32]:
        way = np.clip((goal_m - self._env.target_m) / STEP_M, -1.0, 1.0)
        return np.array([*way, fingers], np.float32)


def make(name: str) -> Env:
    return PickCube()


def expert(name: str, env: Env) -> PickCubeExpert:
    return PickCubeExpert(env)
