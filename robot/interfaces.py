"""Protocols that hardware, policies and people implement; at most five methods each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robot.se3 import Pose
from robot.types import Array, Decision, FinalRecord, Label, Observation, Outcome, StepRecord


@dataclass(frozen=True)
class ArmState:
    """What an arm measures at one instant.

    Attributes:
        stamp_ns: capture time on the host's clock.
        q, dq: joint positions (7,) [rad] and velocities (7,) [rad/s].
        tau_external: external joint torques (7,) [Nm].
    """

    stamp_ns: int
    q: Array
    dq: Array
    tau_external: Array


@dataclass(frozen=True)
class ArmDynamics:
    """Model quantities at an `ArmState`, all in the base frame.

    Attributes:
        T_base_tool: pose of the tool centre point.
        jacobian: (6, 7) geometric Jacobian of the tool, rows (v, omega).
        bias: (7,) Coriolis and gravity torques [Nm].
        mass: (7, 7) joint-space inertia [kg m^2].
    """

    T_base_tool: Pose
    jacobian: Array
    bias: Array
    mass: Array


class Law(Protocol):
    """A control law; `robot.impedance.CartesianImpedance` is one."""

    def torque(
        self,
        state: ArmState,
        dynamics: ArmDynamics,
        T_base_target: Pose,
        dt_s: float,
        posture: Array | None = None,
        is_held: bool = False,
    ) -> Array: ...
    def stretch(self, dynamics: ArmDynamics, T_base_target: Pose) -> float: ...
    def reset(self, torque: Array | None = None) -> None: ...


@runtime_checkable
class Arm(Protocol):
    """A torque-controlled arm. `connect` talks, `write` moves, `close` may be called twice.

    arm.connect()
    while running:
        state = arm.read()
        arm.write(law.torque(state, arm.dynamics(), target))   # one control tick
    """

    def connect(self) -> None: ...
    def read(self) -> ArmState: ...
    def dynamics(self) -> ArmDynamics: ...
    def write(self, torque: Array) -> None:
        """Apply joint torques (7,) [Nm] for one control tick; a simulated arm advances by it."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class GripperState:
    """What a parallel gripper measures at one instant.

    Attributes:
        stamp_ns: capture time on the gripper's clock.
        width_m: way between the fingers; 0 is closed.
        stroke_m: largest width.
        force_n: what the fingers press with.
        is_holding: something between the fingers keeps them from their target.
    """

    stamp_ns: int
    width_m: float
    stroke_m: float
    force_n: float
    is_holding: bool


@runtime_checkable
class Gripper(Protocol):
    """A parallel gripper. `connect` talks, `command` and `home` move and block, `close` may be called twice.

    gripper.connect()
    gripper.command(0.02, 30.0, gives_way=newer.is_set)   # in a thread of its own
    gripper.read()                                        # from any thread, also meanwhile
    """

    def connect(self) -> None: ...
    def read(self) -> GripperState: ...
    def command(self, width_m: float, force_n: float, gives_way: Callable[[], bool]) -> bool:
        """Move the fingers to `width_m` with at most `force_n`; return whether they got there.

        Ends when they stand, at the width or at a thing between them, or, with the fingers stopped where they are,
        soon after `gives_way()` turns true.
        """
        ...

    def home(self, gives_way: Callable[[], bool]) -> bool:
        """Learn the stroke by a move to both ends, as `command` does; leaves the gripper open."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class World(Protocol):
    """What only a simulated robot has: a scene that can be laid out anew, a tracker and the truth."""

    def randomise(self, seed: int) -> None: ...
    def tracked_pose(self) -> Pose:
        """Pose of the socket in the base frame as the tracker reports it: with noise and latency."""
        ...

    def truth(self) -> dict[str, float]:
        """Simulation truth by name, for the judge, the operator and the cameras only."""
        ...


@dataclass(frozen=True)
class Frame:
    """One camera image: `image` uint8 (H, W, 3) RGB, captured at `stamp_ns`, counted by `number`."""

    image: NDArray[np.uint8]
    stamp_ns: int
    number: int


@runtime_checkable
class Camera(Protocol):
    def connect(self) -> None: ...
    def latest(self, max_age_s: float) -> Frame: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class DeviceSample:
    """What an input device reads: six `axes` in [-1, 1] (x, y, z, rx, ry, rz in the base frame),
    `is_engaged` (dead-man held) and `label` (buttons)."""

    axes: Array
    is_engaged: bool
    label: Label


@dataclass(frozen=True)
class DeviceReading:
    """What an input device measures: six `axes` of about [-1, 1], and the names of the `buttons` that are pressed.

    Axes are x, y, z, rx, ry, rz as its user sees them: x away from the user, y to the left, z up, and the turns about
    them by the right hand.
    """

    axes: Array
    buttons: frozenset[str]


@runtime_checkable
class InputDevice(Protocol):
    """Something that a person holds. `connect` and `read` raise RobotError where it is not there (any more).

    device.connect()
    reading = device.read()      # the newest, at once: it never waits for the person
    """

    @property
    def buttons(self) -> tuple[str, ...]:
        """Names of all its buttons."""
        ...

    def connect(self) -> None: ...
    def read(self) -> DeviceReading: ...
    def close(self) -> None: ...


@runtime_checkable
class TeleopDevice(Protocol):
    def connect(self) -> None: ...
    def read(self) -> DeviceSample: ...
    def close(self) -> None: ...


@runtime_checkable
class Policy(Protocol):
    """Chooses actions.

    policy.reset(seed)
    while not done:
        decision = policy.act(observation)
        ...                                   # when a person took over in this step:
        policy.replan()                       # drop what is left of the action chunk
    """

    def reset(self, seed: int) -> None: ...
    def act(self, observation: Observation) -> Decision: ...
    def replan(self) -> None: ...


@runtime_checkable
class RobotPort(Protocol):
    """A whole robot as the environment sees it, over ROS 2 (`robot.nodes.port`) or in process (`robot.local`)."""

    def reset(self, seed: int) -> Outcome: ...
    def step(self, decision: Decision) -> Outcome: ...
    def end(self) -> None:
        """The episode is over: the arm holds until the next reset; may be called twice."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Expert(Protocol):
    """Solves one task by a script; it may look at the simulation's truth, since it stands for a person.

    expert.reset(seed)                    # after the environment's own reset
    action = expert.act(observation)      # float32 (A,) in [-1, 1]
    """

    def reset(self, seed: int) -> None: ...
    def act(self, observation: Observation) -> NDArray[np.float32]: ...
    def progress(self, observation: Observation) -> float:
        """How far the task is; it rises towards the success. Units are the expert's own."""
        ...


@runtime_checkable
class Supervisor(Protocol):
    """Who watches an environment that runs in this process, and acts in the policy's place where need be."""

    def begin(self, seed: int, role: str) -> None:
        """An episode begins; `role` is one of `robot.types.ROLES`."""
        ...

    def take(self, observation: Observation) -> NDArray[np.float32] | None:
        """Return the person's action for this step, float32 (A,) in [-1, 1]; None lets the policy act."""
        ...


class StepSink(Protocol):
    """Seam 1 of actor and learner: where steps go. A step is acknowledged when `append` returns."""

    def begin(self, episode_seed: int, attributes: dict[str, str | int | float]) -> None: ...
    def append(self, step: StepRecord) -> None: ...
    def commit(self, final: FinalRecord) -> int:
        """Make the running episode visible to readers; returns its index."""
        ...

    def discard(self) -> None: ...
