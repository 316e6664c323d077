"""The configuration of a robot: what its nodes need, and no more, so that they start fast."""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers.gymnasium_config import EnvConfig
from drivers.mujoco_model import FOVY_DEG, SimConfig
from drivers.sim_gripper import SimGripperConfig
from robot.actions import ActionMap
from robot.arm_server import ArmServerConfig
from robot.clock import to_ns
from robot.errors import ConfigError
from robot.impedance import ImpedanceConfig
from robot.raw_log import RawLogLimits
from robot.reset import ResetConfig
from robot.safety import SafetyConfig
from robot.settings import Settings, setting
from robot.topics import topic
from teleop.console.config import ConsoleConfig
from teleop.device_config import DeviceConfig
from teleop.operator_config import OperatorConfig
from teleop.supervisor_config import SupervisorConfig


@dataclass(frozen=True)
class TaskConfig(Settings):
    """What is to be learnt, and when an episode is over."""

    name: str = setting("peg_insertion", "task of the simulated cell", choices=("peg_insertion",))
    max_steps: int = setting(80, "an episode is truncated after this many control periods", low=1, high=100_000)
    seed: int = setting(0, "seed of everything random in the run", low=0, high=2**31 - 1)
    has_tracker: bool = setting(True, "a tracker tells the socket's pose; without, it is to be found in the pictures")


@dataclass(frozen=True)
class ControlConfig(Settings):
    """What an action means, and how often there is one."""

    arm: str = setting("panda", "namespace of the arm's topics")
    base_frame: str = setting("", "frame of the arm's base; empty: <arm>_base; clients of CRISP call it base")
    period_s: float = setting(0.1, "control period of policy and person", unit="s", low=0.02, high=1.0)
    axes: tuple[str, ...] = setting(("x", "y", "z", "rz"), "components of an action, in the base frame")
    scale: tuple[float, ...] = setting(
        (0.02, 0.02, 0.02, 0.1), "way of the target at |a| = 1, one an axis", unit="m or rad", low=1e-4, high=1.0
    )
    q_home: tuple[float, float, float, float] = setting(
        (1.0, 0.0, 0.0, 0.0), "quaternion xyzw of the tool at yaw zero: pointing down", low=-1.0, high=1.0
    )
    handover_step: float = setting(
        0.25,
        "real time: while control goes to a person or comes back, a command differs from the last by at most this on "
        "each axis, as a share of its scale",
        low=0.1,
        high=2.0,
    )
    silence_s: float = setting(
        1.0, "lockstep: wall time without a command after which the arm holds", unit="s", low=0.1, high=60.0
    )


@dataclass(frozen=True)
class CameraConfig(Settings):
    """The cameras of the cell; their images are always recorded."""

    names: tuple[str, ...] = setting(("front", "wrist"), "camera namespaces")
    image_size: int = setting(128, "side of `policy/image`", unit="pixels", low=16, high=1024)
    raw_size: int = setting(480, "side of `color/image_raw`", unit="pixels", low=16, high=2048)
    rate_hz: float = setting(30.0, "frames a second in real time", unit="Hz", low=1.0, high=120.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.names:
            if name not in FOVY_DEG:
                raise ConfigError(
                    f"cameras.names must be cameras of the simulated cell, which has {', '.join(FOVY_DEG)}; "
                    f"found {name!r}."
                )
            if self.names.count(name) > 1:
                raise ConfigError(f"cameras.names must name each camera once; found {name!r} twice, leave one out.")


@dataclass(frozen=True)
class GripperConfig(Settings):
    """The gripper; in the simulated cell the peg is fixed to the hand, so that nothing there depends on one."""

    kind: str = setting("none", "which gripper there is", choices=("none", "sim"))
    force_n: float = setting(30.0, "force with which it holds", unit="N", low=0.0, high=1000.0)
    sim: SimGripperConfig = setting(SimGripperConfig, "the simulated gripper")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "sim" and self.force_n > self.sim.max_force_n:
            raise ConfigError(
                f"gripper.force_n is {self.force_n}; gripper.sim.max_force_n allows {self.sim.max_force_n}."
            )


@dataclass(frozen=True)
class RecorderConfig(Settings):
    """A raw log of the topics, beside the stores: for looking at a run with ROS 2's tools."""

    is_on: bool = setting(False, "write raw/<date and time>.mcap")
    skip: tuple[str, ...] = setting(
        ("color/image_raw", "color/camera_info", "sim/state"),
        "rows of robot/topics.py not to write; large simulated pictures are drawn only for who asks",
    )
    directory: str = setting("", "folder of the files; empty: raw/ of the run")
    limits: RawLogLimits = setting(RawLogLimits, "memory, disk, and what a crash may cost")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.skip:
            topic(name)  # says what there is


@dataclass(frozen=True)
class RobotConfig(Settings):
    """A robot with its cell, person and task; saved with the run as `robot.yaml`."""

    task: TaskConfig = setting(TaskConfig, "the task")
    env: EnvConfig = setting(EnvConfig, "where the run takes place")
    control: ControlConfig = setting(ControlConfig, "actions and time")
    sim: SimConfig = setting(SimConfig, "the simulated cell")
    arm: ArmServerConfig = setting(ArmServerConfig, "the arm's control tick")
    impedance: ImpedanceConfig = setting(ImpedanceConfig, "the control law")
    safety: SafetyConfig = setting(SafetyConfig, "the governor's limits")
    reset: ResetConfig = setting(ResetConfig, "where episodes start")
    cameras: CameraConfig = setting(CameraConfig, "cameras")
    gripper: GripperConfig = setting(GripperConfig, "the gripper")
    recorder: RecorderConfig = setting(RecorderConfig, "the raw log")
    teleop: DeviceConfig = setting(DeviceConfig, "the person's input device")
    console: ConsoleConfig = setting(ConsoleConfig, "the operator's page in the browser")
    operator: OperatorConfig = setting(OperatorConfig, "the simulated operator")
    person: SupervisorConfig = setting(SupervisorConfig, "the scripted person beside a gymnasium environment")

    @property
    def has_console(self) -> bool:
        """Whether the console's page is served: it was asked for, or somebody teleoperates with it."""
        return self.console.is_on or self.teleop.device == "browser"

    def __post_init__(self) -> None:
        super().__post_init__()
        ActionMap(self.control.axes, self.control.scale, self.control.q_home)  # says what does not fit
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", self.control.arm):
            raise ConfigError(f"control.arm names topics: letters, digits and _ only; found {self.control.arm!r}.")
        if self.control.arm in self.cameras.names:
            raise ConfigError(
                f"control.arm must differ from the cameras, whose names are namespaces as well; found "
                f"{self.control.arm!r} in cameras.names too, choose another."
            )
        scale = dict(zip(self.control.axes, self.control.scale, strict=False))
        person = self.operator
        for name, found, other, wanted in (
            ("operator.action_scale_m", person.action_scale_m, "control.scale of x", scale.get("x")),
            ("operator.action_scale_rad", person.action_scale_rad, "control.scale of rz", scale.get("rz")),
            ("operator.success_depth_m", person.success_depth_m, "sim.success_depth_m", self.sim.success_depth_m),
        ):
            if wanted is not None and found != wanted:
                raise ConfigError(f"{name} is {found} and {other} is {wanted}: they must be equal, set both.")
        if to_ns(self.arm.control_step_s) != to_ns(self.sim.physics_step_s):
            raise ConfigError(
                f"arm.control_step_s and sim.physics_step_s must be equal, because the simulated arm makes one physics "
                f"step a control tick; found {self.arm.control_step_s} and {self.sim.physics_step_s}, set both."
            )
        self._check_safety()

    def check_lockstep(self) -> None:
        """Raise ConfigError unless a control period is a whole number of control ticks.

        Simulated time can stop only after a whole tick; in real time periods end by the host's clock.
        """
        period_ns, step_ns = to_ns(self.control.period_s), to_ns(self.arm.control_step_s)
        if period_ns % step_ns:
            below = period_ns // step_ns * step_ns
            near = [number * 1e-9 for number in (below, below + step_ns)]
            raise ConfigError(
                f"control.period_s must be a whole multiple of arm.control_step_s in simulated time; found "
                f"{self.control.period_s} and {self.arm.control_step_s}, choose a period such as {near[0]:.9g} or "
                f"{near[1]:.9g}."
            )

    def _check_safety(self) -> None:
        """Refuse limits under which nothing could ever move."""
        safety, period_s = self.safety, self.control.period_s
        if safety.command_expiry_s <= period_s:
            raise ConfigError(
                f"safety.command_expiry_s must be longer than control.period_s, or every command would expire before "
                f"the next; found {safety.command_expiry_s} and {period_s}."
            )
        start, spread = self.reset.start_position_m, self.reset.start_spread_m
        for low, at, high in zip(safety.workspace_low_m, start, safety.workspace_high_m, strict=True):
            if not low <= at <= high:
                raise ConfigError(f"reset.start_position_m {list(start)} lies outside of safety's workspace.")
        for index, box in enumerate(safety.keep_out_m):
            if all(a - s <= h and a + s >= w for a, s, w, h in zip(start, spread, box[:3], box[3:], strict=True)):
                raise ConfigError(f"safety.keep_out_m[{index}] {list(box)} holds starts of episodes (section reset).")
