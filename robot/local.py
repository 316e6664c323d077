"""The whole robot in one process, tick for tick what the ROS 2 graph does in lockstep; for tests and tuning."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robot import observe
from robot.actions import ActionMap
from robot.arm_server import HOMED, ArmServer
from robot.errors import FaultError, RobotError
from robot.interfaces import DeviceSample, World
from robot.mode import Event, Mode
from robot.mux import CommandMux, HumanInput
from robot.reset import ResetConfig, is_reached, next_target, start_pose
from robot.safety import Command, Situation
from robot.se3 import Pose
from robot.types import Array, Decision, Label, Outcome, Source, StepTiming

BASE_FRAME = "base"

Renderer = Callable[[str, Mapping[str, float]], NDArray[np.uint8]]
"""(camera, truth) -> uint8 (H, W, 3)."""


def nothing() -> None:
    """There is nothing to give back."""


class Watcher(Protocol):
    """A person (simulated) who watches the scene and holds the input device."""

    def sample(
        self, truth: Mapping[str, float], T_base_tool: Pose, stamp_ns: int, episode_step: int, role: str
    ) -> DeviceSample: ...


class LocalRobot:
    """A RobotPort without processes: arm server, world, mux and operator called in turn.

    Args:
        server, world: the arm's control tick and the simulated scene.
        mux, actions: command path.
        reset_config, period_s: as in the configuration of the session.
        operator: who holds the input device; None for nobody. `role` (see `robot.types.ROLES`) may be set at any time.
        cameras, render: camera names and what renders them; no images without. on_close: gives back what renders.
        has_tracker, tells_truth: whether the socket's tracked pose belongs to the observation, and its true one.
    """

    def __init__(
        self,
        server: ArmServer,
        world: World,
        mux: CommandMux,
        actions: ActionMap,
        reset_config: ResetConfig,
        period_s: float,
        operator: Watcher | None = None,
        cameras: tuple[str, ...] = (),
        render: Renderer | None = None,
        on_close: Callable[[], None] = nothing,
        *,
        has_tracker: bool = True,
        tells_truth: bool = False,
    ) -> None:
        self._server = server
        self._world = world
        self._mux = mux
        self._actions = actions
        self._reset_config = reset_config
        self._period_s = period_s
        self._operator = operator
        self._cameras = cameras
        self._render, self._on_close = render, on_close
        self._has_tracker, self._tells_truth = has_tracker, tells_truth
        self._episode_step = 0
        self.role = "watch"

    def reset(self, seed: int) -> Outcome:
        """Lay out the scene, home, move to the start pose.

        Raises:
            FaultError: the mux or the arm is at fault, and no person has cleared it.
            RobotError: the start pose was not reached; the mux then has a latched fault.
        """
        self.end()
        if self._mux.handle(Event.RESET_BEGIN) is not Mode.RESETTING:
            raise FaultError(f"Reset refused: the robot is in mode {self._mux.mode.value}; a person must clear it.")
        try:
            return self._reset(seed)
        except RobotError:
            self._mux.handle(Event.RESET_FAILED)
            raise

    def _reset(self, seed: int) -> Outcome:
        self._server.start_home(seed)
        while self._server.is_homing:
            self._server.tick()
        if self._server.cause != HOMED:
            raise RobotError(f"Reset failed: the arm did not reach its home ({self._server.cause}).")
        self._world.randomise(seed)
        self._server.settle()
        self._server.advance(self._period_s)
        self._server.hold()
        T_base_start = start_pose(self._reset_config, self._actions.q_home, seed)
        for _ in range(round(self._reset_config.timeout_s / self._period_s)):
            situation = self._situation()
            if is_reached(self._reset_config, situation.T_base_tool, T_base_start):
                self._mux.handle(Event.RESET_DONE)
                self._episode_step = 0
                return self._outcome(np.zeros(self._actions.size, np.float32), Source.RESET)
            target = next_target(self._reset_config, situation.T_base_tool, T_base_start)
            output = self._mux.forward_reset(Command(target, situation.now_ns, BASE_FRAME), situation)
            self._apply(output.target or situation.T_base_tool)
        raise RobotError(f"Reset failed: the start pose was not reached in {self._reset_config.timeout_s} s.")

    def step(self, decision: Decision) -> Outcome:
        """Run one control period."""
        situation = self._situation()
        target = self._actions.target(situation.T_base_tool, decision.action)
        sample = self._sample(situation)
        human = None if sample is None else HumanInput(self._over_twist(sample), sample.is_engaged)
        output = self._mux.decide(Command(target, situation.now_ns, BASE_FRAME), human, situation)
        self._apply(output.target or situation.T_base_tool)
        self._episode_step += 1
        outcome = self._outcome(output.executed, output.source, int(output.reasons))
        label = Label.NONE if sample is None else sample.label
        return dataclasses.replace(outcome, label=label, timing=StepTiming.simulated(situation.now_ns))

    def end(self) -> None:
        """Hold until the next reset."""
        self._mux.handle(Event.EPISODE_END)
        self._server.hold()

    def close(self) -> None:
        """Give back what renders; may be called twice."""
        self._on_close()

    def _sample(self, situation: Situation) -> DeviceSample | None:
        if self._operator is None:
            return None
        return self._operator.sample(
            self._world.truth(), situation.T_base_tool, situation.now_ns, self._episode_step, self.role
        )

    def _situation(self) -> Situation:
        now = self._server.snapshot()
        force, moment = now.wrench[:3], now.wrench[3:]
        return Situation(now.T_base_tool, force, now.stamp_ns, BASE_FRAME, self._period_s, moment)

    def _over_twist(self, sample: DeviceSample) -> Array:
        """The axes as they come out of `teleop/twist`, so that both robots round alike."""
        return self._actions.axes_from_twist(self._actions.twist_from_axes(sample.axes, self._period_s), self._period_s)

    def _apply(self, target: Pose) -> None:
        self._server.accept(target, self._server.snapshot().stamp_ns)
        self._server.advance(self._period_s)

    def _outcome(self, executed: NDArray[np.float32], source: Source, reasons: int = 0) -> Outcome:
        now = self._server.snapshot()
        truth = self._world.truth()
        images = {c: self._render(c, truth) for c in self._cameras} if self._render is not None else {}
        socket = self._world.tracked_pose() if self._has_tracker else None
        true = observe.true_socket(truth) if self._tells_truth else None
        observation = observe.assemble(now.q, now.dq, now.T_base_tool, now.twist, now.wrench, socket, images, true)
        stamps = dict.fromkeys(observation, now.stamp_ns)
        return Outcome(
            observation,
            now.stamp_ns,
            executed,
            source,
            reasons=reasons,
            stream_stamps_ns=stamps,
            truth_success=truth["is_inserted"] > 0.5,
            is_aborted=self._server.is_latched,
            cause=self._server.cause if self._server.is_latched else "",
        )
