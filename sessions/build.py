"""The composition root: the one place where concrete classes of all parts meet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robot.actions import ActionMap
from robot.errors import ConfigError, StoreError
from robot.mux import CommandMux
from robot.observe import observation_spec
from robot.safety import Governor
from robot.specs import RobotSpec
from sessions import environments, people
from sessions.config_yaml import to_yaml
from sessions.robot_config import RobotConfig

if TYPE_CHECKING:  # rclpy and torch are loaded only by the processes that need them
    from policies.external import Base
    from robot.arm_server import ArmServer
    from robot.interfaces import World
    from robot.local import LocalRobot
    from robot.nodes.base import Graph, NudgeNode
    from robot.nodes.port import RosRobot
    from robot.store import StoreReader

PHASES = {"record": 0, "finetune": 200_000, "trial": 600_000, "evaluate": 800_000}
"""First episode seed of each phase, relative to a million times the run's seed."""


def robot_spec(config: RobotConfig) -> RobotSpec:
    """Return what this robot and task give and take."""
    if config.env.gym_id:
        return environments.spec(config.env)
    cameras = config.cameras.names if config.env.has_cameras or not config.env.is_local else ()
    return RobotSpec(
        name=f"sim_{config.control.arm}/{config.task.name}",
        observation=observation_spec(
            cameras,
            config.cameras.image_size,
            has_tracker=config.task.has_tracker,
            tells_truth=config.env.tells_truth,
        ),
        action_axes=config.control.axes,
        action_scale=config.control.scale,
        period_s=config.control.period_s,
    )


def episode_seed(config: RobotConfig, phase: str, index: int) -> int:
    """Return the seed of episode `index` of a phase of `PHASES`; equal for both evaluations."""
    return config.task.seed * 1_000_000 + PHASES[phase] + index


def action_map(config: RobotConfig) -> ActionMap:
    control = config.control
    # half of the way that the governor takes for a jump: the rest is for the action itself
    return ActionMap(control.axes, control.scale, control.q_home, 0.5 * config.safety.max_jump_rad)


def command_mux(config: RobotConfig, is_realtime: bool = False) -> CommandMux:
    step = config.control.handover_step if is_realtime else 0.0
    return CommandMux(action_map(config), Governor(config.safety), step)


def arm_server(config: RobotConfig, is_connected: bool = True) -> tuple[ArmServer, World]:
    """Return the simulated arm behind its server, and its world."""
    from drivers.mujoco_arm import MujocoArm
    from robot.arm_server import ArmServer
    from robot.impedance import CartesianImpedance

    arm = MujocoArm(config.sim, config.arm.home)
    server = ArmServer(arm, CartesianImpedance(config.impedance), config.arm, config.safety)
    if is_connected:
        server.connect()
    return server, arm


class SceneRenderer:
    """Renders truth at several sizes; each size has a renderer, made on first use."""

    def __init__(self, config: RobotConfig, camera: str) -> None:
        from drivers.mujoco_camera import SimRenderer

        self._make = partial(SimRenderer, config.sim)
        self._camera = camera
        self._renderers: dict[int, SimRenderer] = {}

    def __call__(self, truth: Mapping[str, float], size: int) -> NDArray[np.uint8]:
        if size not in self._renderers:
            self._renderers[size] = self._make(size)
        return self._renderers[size].render(self._camera, truth)

    def close(self) -> None:
        """Give the renderers back; may be called twice."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()


def local_robot(config: RobotConfig, has_images: bool | None = None) -> LocalRobot:
    """Return the whole robot in this process; with images where its config says so, or `has_images` does."""
    from robot.local import LocalRobot

    config.check_lockstep()
    server, world = arm_server(config)
    is_drawn = config.env.has_cameras if has_images is None else has_images
    scenes = {name: SceneRenderer(config, name) for name in config.cameras.names} if is_drawn else {}

    def close() -> None:
        for scene in scenes.values():
            scene.close()

    return LocalRobot(
        server,
        world,
        command_mux(config),
        action_map(config),
        config.reset,
        config.control.period_s,
        people.operator(config),
        cameras=tuple(scenes),
        render=lambda camera, truth: scenes[camera](truth, config.cameras.image_size),
        on_close=close,
        has_tracker=config.task.has_tracker,
        tells_truth=config.env.tells_truth,
    )


def graph(config: RobotConfig, is_realtime: bool, is_direct: bool = False) -> Graph:
    from robot.nodes.base import Graph

    if not is_realtime:
        config.check_lockstep()
    control = config.control
    frame = control.base_frame or f"{control.arm}_base"
    return Graph(control.arm, frame, not is_realtime, control.period_s, control.silence_s, is_direct)


def node_names(config: RobotConfig, is_direct: bool = False) -> list[str]:
    """Return the names of the node processes of a robot, in the order of starting; `is_direct` as in `Graph`."""
    gripper = ["gripper"] if config.gripper.kind != "none" else []
    recorder = ["recorder"] if config.recorder.is_on else []
    cameras = [f"camera_{name}" for name in config.cameras.names]
    commanding = [] if is_direct else ["teleop", "mux", "reset"]
    console = ["console"] if config.has_console and not is_direct else []
    return ["arm", *gripper, *cameras, *commanding, *console, *recorder]


def node(name: str, config: RobotConfig, is_realtime: bool, run: Path = Path(), is_direct: bool = False) -> NudgeNode:
    """Return the node of a process of `node_names`; what it writes goes below `run`."""
    from drivers.mujoco_model import FOVY_DEG
    from robot.nodes.arm import ArmNode
    from robot.nodes.camera import SimCameraNode
    from robot.nodes.mux import MuxNode
    from robot.nodes.reset import ResetNode
    from robot.nodes.watch import COMING_AND_GOING, ONLOOKERS

    links = graph(config, is_realtime, is_direct)
    if name == "arm":
        return ArmNode(links, *arm_server(config, is_connected=False), config.safety)
    if name == "teleop":
        return people.teleop_node(config, links, action_map(config))
    if name == "mux":
        others = tuple(other for other in node_names(config) if other not in ("mux", *COMING_AND_GOING, *ONLOOKERS))
        return MuxNode(
            links, command_mux(config, is_realtime), action_map(config), config.safety, config.cameras.names, others
        )
    if name == "reset":
        return ResetNode(links, config.reset, config.control.q_home, has_scene=True)
    if name == "gripper":
        return gripper_node(config, links)
    if name == "recorder":
        return recorder_node(config, links, run)
    if name == "console":
        from sessions.console import console_node

        return console_node(config, links, run)
    camera = name.removeprefix("camera_")
    cameras = config.cameras
    scene = SceneRenderer(config, camera)
    fovy_rad = math.radians(FOVY_DEG[camera])
    return SimCameraNode(links, camera, scene, fovy_rad, cameras.image_size, cameras.raw_size, cameras.rate_hz)


def gripper_node(config: RobotConfig, links: Graph) -> NudgeNode:
    from drivers.sim_gripper import SimGripper
    from robot.nodes.gripper import GripperNode

    gripper = config.gripper
    return GripperNode(links, lambda clock: SimGripper(gripper.sim, clock), gripper.force_n)


def recorder_node(config: RobotConfig, links: Graph, run: Path) -> NudgeNode:
    from robot.nodes.recorder import RecorderNode

    recorder = config.recorder
    folder = Path(recorder.directory) if recorder.directory else run / "raw"
    attachments = {"robot.yaml": to_yaml(config)}
    return RecorderNode(links, config.cameras.names, folder, recorder.skip, recorder.limits, attachments)


def ros_robot(config: RobotConfig, is_realtime: bool, has_truth: bool) -> RosRobot:
    """Return the robot over ROS 2; `has_truth` for the judge of an evaluation in simulation only."""
    from robot.nodes.port import RosRobot

    return RosRobot(
        graph(config, is_realtime),
        action_map(config),
        config.cameras.names,
        has_truth,
        has_tracker=config.task.has_tracker,
        safety=config.safety,
    )


def sound_store(path: Path, spec: RobotSpec) -> StoreReader:
    """Open a store to learn from or to replay, after a look at all of it.

    Raises:
        StoreError: it is missing, of another robot, or damaged.
    """
    from robot.store import StoreReader, check

    reader = StoreReader.open(path, spec)
    try:
        problems = [problem for problem in check(path) if not problem.startswith("A journal")]
    except ValueError as error:
        problems = [f"a chunk cannot be read ({error})"]
    if problems:
        raise StoreError(f"The store {path} is damaged: {problems[0].rstrip('.')}. See nudge store info {path}.")
    return reader


def base_policy(config: RobotConfig, run: Path) -> Base:
    """Return the run's base policy.

    Raises:
        ConfigError: there is none yet.
        NudgeError: it is of another robot, or damaged.
    """
    from policies.external import load_base

    if not (run / "base").is_dir():
        raise ConfigError(
            f"There is no base policy in {run}; make one with: nudge pretrain --run {run}, or choose a method that "
            "needs none, with --preset rlpd, or --preset sac where nobody demonstrates."
        )
    return load_base(run / "base", robot_spec(config))
