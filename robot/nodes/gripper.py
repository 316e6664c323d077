"""The gripper node: openings in [0, 1] to a device that blocks; of all commands the newest counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.context import Context
from rclpy.task import Future
from std_srvs.srv import Trigger

from robot.errors import RobotError
from robot.gripper import FollowingClock, GripperServer
from robot.interfaces import Gripper
from robot.nodes import messages
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.buttons import Buttons
from robot.topics import topic

COMMAND_ROWS = ("gripper/command", "gripper/gripper_position_controller/commands")
"""The second is the name of CRISP's clients."""


class GripperNode(NudgeNode):
    """Runs a `GripperServer`.

    `gripper/joint_states` has the opening in [0, 1] first, as CRISP's clients read it, then the width [m]; effort is
    the force [N]. An emergency stop leaves the fingers where they are, holding what they hold, until
    `gripper/reset_fault`. In lockstep the gripper's clock is the stamp of `joint_states`; commands come in from a
    thread, so a lockstep session with a gripper does not repeat bit for bit.

    Args:
        device: makes the gripper, given its clock in lockstep; None means the host's.
    """

    has_async_services = True

    def __init__(
        self,
        graph: Graph,
        device: Callable[[FollowingClock | None], Gripper],
        force_n: float,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("gripper", graph, context=context, wall=wall)
        self._ticks = FollowingClock() if graph.is_lockstep else None
        self._device = device(self._ticks)
        self._server = GripperServer(self._device, force_n)

    def setup(self) -> None:
        self._buttons = Buttons(self, lambda: self._server.trip("emergency stop"))
        self._device.connect()
        self._states = self.publisher("gripper/joint_states")
        for name in COMMAND_ROWS:
            self.subscribe(name, self._on_command)
        self.serve(Trigger, "gripper/home", self._on_home)
        self.serve(Trigger, "gripper/reset_fault", self._on_reset_fault)
        if self._ticks is not None:
            self.subscribe("joint_states", partial(self._on_tick, self._ticks))
        else:
            self.every(1.0 / topic("gripper/joint_states").rate_hz, self._publish_state)

    def start(self) -> None:
        self._server.start()

    def halt(self) -> None:
        self._server.stop()

    def teardown(self) -> None:
        self._buttons.end()
        self._device.close()

    def _on_command(self, message: Any) -> None:
        self._server.accept(message.data)

    def _on_tick(self, clock: FollowingClock, message: Any) -> None:
        clock.advance(messages.stamp_of(message))
        self._publish_state()

    async def _on_home(self, request: Any, response: Any) -> Any:
        over: Future[tuple[bool, str]] = Future(executor=self.executor)
        self._server.home(lambda is_success, text: over.set_result((is_success, text)))
        response.success, response.message = await over or (False, "the gripper's node is ending")
        return response

    def _on_reset_fault(self, request: Any, response: Any) -> Any:
        if complaint := self._buttons.complaint():
            raise RobotError(complaint)
        self._server.reset_fault()
        response.success = True
        return response

    def _publish_state(self) -> None:
        state = self._server.state()
        stamp_ns = self.now_ns()
        message = messages.from_named(
            {"gripper_opening": state.width_m / state.stroke_m, "gripper_width": state.width_m}, stamp_ns
        )
        message.effort = [state.force_n, state.force_n]
        self._states.publish(message)

    def status(self) -> dict[str, str]:
        counters = {k: str(v) for k, v in self._server.counters.items()}
        return counters | {"gripper": self._server.fault or "no fault"}

    def on_fault(self, what: str) -> None:
        self._server.trip(what)
