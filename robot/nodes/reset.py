"""The reset node: lays out the scene (in simulation), homes, moves to the start pose, verifies."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from rcl_interfaces.srv import SetParameters
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from robot.errors import RobotError
from robot.nodes import messages
from robot.nodes.base import Graph, NudgeNode
from robot.reset import ResetConfig, is_reached, next_target, start_pose

ENDED = frozenset({"soft_stop", "fault", "disabled"})
"""Modes of the mux in which no reset goes on."""
PATIENCE_S = 5.0
"""How long a reset waits for what forbids motion to go away (real time)."""
RETRY_S = 0.1
POSE_TIMEOUT_S = 30.0
"""By the wall's clock; in lockstep the machine may be slow."""
ANSWER_TIMEOUT_S = 2.0
"""How long a service may be silent in real time: one whose process was killed never answers."""
HOMING_TIMEOUT_S = 40.0
"""The same for `arm/home`, which answers when the arm is there; the arm itself gives up earlier."""


def seed_parameter(name: str, seed: int) -> SetParameters.Request:
    """Return the request that sets an integer parameter."""
    parameter = Parameter(name, Parameter.Type.INTEGER, seed).to_parameter_msg()
    return SetParameters.Request(parameters=[parameter])


class ResetNode(NudgeNode):
    """Offers `reset/reset` (Trigger), answered when the start pose is verified or the time is up.

    The start pose and the scene follow from the parameter `episode_seed`, to be set before the call.
    The answer's message is the stamp [ns] of the verified pose, or one sentence about what failed.
    """

    has_async_services = True

    def __init__(
        self,
        graph: Graph,
        config: ResetConfig,
        q_home: tuple[float, float, float, float],
        has_scene: bool,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("reset", graph, context=context, wall=wall)
        self._config = config
        self._q_home = q_home
        self._has_scene = has_scene
        self._seed = 0
        self._pose: Any = None
        self._pose_waiter: Future[Any] | None = None
        self._answer_waiter: Future[Any] | None = None
        self._answers_until = 0.0
        self._wanted_ns = 0
        self._waits_until = 0.0
        self._mode = self._ended = ""
        self._is_busy = self._has_begun = False

    def setup(self) -> None:
        self._target = self.publisher("reset/target_pose")
        self._state = self.publisher("reset/state")
        self.subscribe("current_pose", self._on_pose)
        self.subscribe("mode", self._on_mode)
        self.every(0.1, self._watch)
        group = ReentrantCallbackGroup()
        self.parameters.declare("reset", self._config)
        self.parameters.declare_integer("episode_seed", 0, "seed of the next start pose and scene", self._on_seed)
        self.serve(Trigger, "reset/reset", self._on_reset)
        names = ("arm/home", "arm/hold", "mux/reset_begin", "mux/reset_done", "mux/reset_failed")
        self._triggers: dict[str, Any] = {n: self.create_client(Trigger, n, callback_group=group) for n in names}
        self._scene: Any = self.create_client(SetParameters, "arm/set_parameters", callback_group=group)

    def start(self) -> None:
        self._say("idle")

    def halt(self) -> None:
        self._give_up("the reset node was deactivated")

    def _on_seed(self, seed: int) -> None:
        self._seed = seed

    async def _on_reset(self, request: Any, response: Any) -> Any:
        if self._is_busy:
            response.success, response.message = False, "a reset is under way already"
            return response
        self._is_busy = True
        self._say("resetting")
        try:
            response.message = str(await self._reset(self._seed))
            response.success = True
            self._say("done")
        except RobotError as error:
            with contextlib.suppress(RobotError):  # then the mux is gone, and the arm holds for want of it
                await self._trigger("mux/reset_failed")
            response.success, response.message = False, str(error)
            self._say("failed")
        finally:
            self._is_busy = self._has_begun = False
        return response

    async def _reset(self, seed: int) -> int:
        await self._begin()
        settled_ns = int(await self._trigger("arm/home"))
        if self._has_scene:
            await self._answer(self._scene, seed_parameter("scene_seed", seed), "arm/set_parameters")
            settled_ns = int(await self._trigger("arm/hold"))
        T_base_start = start_pose(self._config, self._q_home, seed)
        pose = await self._pose_since(settled_ns)
        started_ns = messages.stamp_of(pose)
        while not is_reached(self._config, messages.to_pose(pose), T_base_start):
            stamp_ns = messages.stamp_of(pose)
            if stamp_ns - started_ns > self._config.timeout_s * 1e9:
                raise RobotError(f"Reset failed: the start pose was not reached in {self._config.timeout_s} s.")
            target = next_target(self._config, messages.to_pose(pose), T_base_start)
            self._target.publish(messages.from_pose(target, stamp_ns, self.graph.base_frame))
            # a little slack: in real time the states come at 100 Hz, in lockstep once a period
            pose = await self._pose_since(stamp_ns + round(0.95e9 * self.graph.period_s))
        await self._trigger("mux/reset_done")
        return messages.stamp_of(pose)

    async def _begin(self) -> None:
        """Begin, as soon as nothing forbids motion any more: in real time that may take a moment after a stop."""
        deadline = time.monotonic() + (0.0 if self.graph.is_lockstep else PATIENCE_S)
        while True:
            try:
                await self._trigger("mux/reset_begin")
                self._has_begun, self._ended = True, ""
                return
            except RobotError:
                if time.monotonic() > deadline or self._mode in ENDED:
                    raise
            await self._pose_since(self.now_ns() + round(RETRY_S * 1e9))

    async def _trigger(self, name: str) -> str:
        answer = await self._answer(self._triggers[name], Trigger.Request(), name)
        if not answer.success:
            advice = "; clear it with mux/clear_fault" if "mode fault" in answer.message else ""
            raise RobotError(f"Reset failed: {name} answered {answer.message!r}{advice}.")
        return str(answer.message)

    async def _answer(self, client: Any, request: Any, name: str) -> Any:
        """Return what a service answers.

        Raises:
            RobotError: it did not answer in time.
        """
        is_long = self.graph.is_lockstep or name == "arm/home"
        timeout_s = HOMING_TIMEOUT_S if is_long else ANSWER_TIMEOUT_S
        self._answers_until = time.monotonic() + timeout_s
        waiter = self._answer_waiter = Future(executor=self.executor)
        future = client.call_async(request)
        future.add_done_callback(lambda done: None if waiter.done() else waiter.set_result(done.result()))
        answer = await waiter
        self._answer_waiter = None
        if answer is None:
            client.remove_pending_request(future)
            raise RobotError(f"Reset failed: {name} did not answer for {timeout_s} s.")
        return answer

    async def _pose_since(self, stamp_ns: int) -> Any:
        """Return the first pose whose stamp is not before `stamp_ns`, as soon as there is one.

        Raises:
            RobotError: there came none, or the mux has ended the reset.
        """
        if self._has_begun and self._ended:
            raise RobotError(f"Reset failed: {self._ended}.")
        if self._pose is not None and messages.stamp_of(self._pose) >= stamp_ns:
            return self._pose
        self._wanted_ns = stamp_ns
        self._waits_until = time.monotonic() + POSE_TIMEOUT_S
        self._pose_waiter = Future(executor=self.executor)
        pose = await self._pose_waiter
        if isinstance(pose, str):
            raise RobotError(f"Reset failed: {pose}.")
        return pose

    def _on_pose(self, message: Any) -> None:
        self._pose = message
        waiter = self._pose_waiter
        if waiter is not None and messages.stamp_of(message) >= self._wanted_ns:
            self._pose_waiter = None
            waiter.set_result(message)

    def _on_mode(self, message: Any) -> None:
        self._mode = message.data
        if self._has_begun and self._mode in ENDED and not self.graph.is_lockstep:
            self._ended = f"the mux went to {self._mode}"
            self._give_up(self._ended)

    def _watch(self) -> None:
        if time.monotonic() > self._waits_until:
            self._give_up(f"the arm has told no pose for {POSE_TIMEOUT_S} s")
        waiter = self._answer_waiter
        if waiter is not None and not waiter.done() and time.monotonic() > self._answers_until:
            waiter.set_result(None)

    def _give_up(self, why: str) -> None:
        """End what waits for a pose; what waits for a service ends by that service's answer."""
        waiter, self._pose_waiter = self._pose_waiter, None
        if waiter is not None:
            waiter.set_result(why)

    def _say(self, state: str) -> None:
        self._state.publish(String(data=state))
