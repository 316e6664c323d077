"""The robot over ROS 2 as the environment sees it: the actor's node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger

from robot.actions import ActionMap
from robot.clock import to_ns
from robot.errors import RobotError
from robot.nodes import messages, streams
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.join import StampJoin
from robot.nodes.reset import seed_parameter
from robot.nodes.spin import make_executor, turn
from robot.types import ROLES, Decision, Label, Outcome, Source, StepTiming

READY_TIMEOUT_S = 30.0
SETTLE_S = 0.3
"""A reader may know its writer before the writer knows the reader; samples in between are lost."""
ANSWER_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 0.5
"""At the end of a session the other nodes may be gone already."""


class RosRobot(NudgeNode):
    """A RobotPort whose every motion goes over topics.

    Single-threaded: it spins itself while it waits, so that nothing happens behind the loop's back; only its heart
    beats in a thread of its own. It is active from its construction to `close`.

    Args:
        cameras: camera namespaces whose `policy/image` belong to the observation.
        has_truth: take `sim/state` for the judge (simulation only; never part of an observation).
    """

    beats_alone = True

    def __init__(
        self,
        graph: Graph,
        actions: ActionMap,
        cameras: tuple[str, ...],
        has_truth: bool,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("actor", graph, context=context, wall=wall)
        self.role = "watch"
        self._is_closed = False
        self._is_ended = False
        self._actions = actions
        self._cameras = cameras
        self._executor = make_executor(self.context, self.has_async_services)
        self._executor.add_node(self)
        names = (*streams.STATES, *cameras, *(("truth",) if has_truth else ()))
        self._observations = StampJoin(names)
        self._answers = StampJoin(("intervention", "joy"))
        self._streams = names
        self._newest: dict[str, Any] = {}
        self._row: dict[str, Any] | None = None
        self._answer: dict[str, Any] | None = None
        self._pose: Any = None
        self._stamp_ns = 0
        self._decided_ns = 0
        self._episode_step = 0
        self._label = Label.NONE
        self._deadline = 0.0
        self._nodes = ("arm", "mux", "teleop", "reset", *(f"camera_{camera}" for camera in cameras))
        self._ready_nodes: set[str] = set()
        self._has_truth = has_truth
        self.bring_up()

    def setup(self) -> None:
        self.subscribe("ready", self._on_ready)
        for name, row in streams.STATES.items():
            self.subscribe(row, partial(self._take, name))
        for camera in self._cameras:
            self.subscribe("policy/image", partial(self._take, camera), camera=camera)
        if self._has_truth:
            self.subscribe("sim/state", partial(self._take, "truth"))
        self.subscribe("intervention", partial(self._take_answer, "intervention"))
        self.subscribe("teleop/joy", partial(self._take_answer, "joy"))
        self._outputs = {
            n: self.publisher(n) for n in ("policy/target_pose", "policy/action", "policy/info", "episode/event")
        }
        self._triggers: dict[str, Any] = {
            n: self.create_client(Trigger, n) for n in ("reset/reset", "mux/episode_end", "arm/hold")
        }
        self._seed: Any = self.create_client(SetParameters, "reset/set_parameters")

    def wait_until_ready(self) -> None:
        """Wait until this node and all the others have found what they need of each other.

        Raises:
            RobotError: after 30 s, naming what is silent.
        """
        self._wait(lambda: not self._not_ready(), READY_TIMEOUT_S, lambda: f"not ready: {', '.join(self._not_ready())}")
        settled = time.monotonic() + SETTLE_S
        self._wait(lambda: time.monotonic() > settled, READY_TIMEOUT_S, lambda: "")

    def reset(self, seed: int) -> Outcome:
        """Reset by the reset node; returns the first observation of the episode.

        Raises:
            RobotError: the reset failed or did not answer; the mux then has a latched fault.
        """
        self.end()
        self._call(self._seed, seed_parameter("episode_seed", seed), "reset/set_parameters")
        answer = self._call(self._triggers["reset/reset"], Trigger.Request(), "reset/reset")
        if not answer.success:
            raise RobotError(answer.message)
        self._episode_step = 0
        self._is_ended = False
        self._label = Label.NONE
        self.publish_event("start", seed=seed)
        row = self._observe(int(answer.message))
        self._deadline = time.monotonic()
        return self._outcome(row, np.zeros(self._actions.size, np.float32), Source.RESET)

    def step(self, decision: Decision) -> Outcome:
        """Publish the decision for the present tick and return what came of it one period later.

        Raises:
            RobotError: a node fell silent; the sentence names the missing streams.
        """
        stamp_ns = self._stamp_ns if self.graph.is_lockstep else self.now_ns()
        self._answer = None
        self._decided_ns = stamp_ns
        self._publish_decision(decision, stamp_ns)
        if self.graph.is_lockstep:
            row = self._observe(stamp_ns + to_ns(self.graph.period_s))
            self._wait(lambda: self._answer is not None, ANSWER_TIMEOUT_S, lambda: "missing: intervention or joy")
        else:
            row = self._observe_in_time()
        self._episode_step += 1
        outcome = self._outcome(row, *self._executed())
        return replace(outcome, timing=StepTiming.simulated(stamp_ns)) if self.graph.is_lockstep else outcome

    def close(self) -> None:
        """End the episode, let the arm hold, and leave the graph; may be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self.end(CLOSE_TIMEOUT_S)
        except RobotError as error:
            self.get_logger().warning(str(error))
        self._executor.shutdown()
        self.destroy_node()

    def end(self, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """End the episode: the mux is ready for the next one, the arm holds."""
        if not self._is_ended:
            for name in ("mux/episode_end", "arm/hold"):
                self._call(self._triggers[name], Trigger.Request(), name, timeout_s)
            self._is_ended = True

    def publish_event(self, event: str, **parts: Any) -> None:
        """Tell every listener of `episode/event` (a JSON text)."""
        text = json.dumps({"event": event, "stamp_ns": self._stamp_ns, **parts})
        self._outputs["episode/event"].publish(String(data=text))

    def _publish_decision(self, decision: Decision, stamp_ns: int) -> None:
        target = self._actions.target(messages.to_pose(self._pose), decision.action)
        info = {
            "step": float(self._episode_step),
            "role": float(ROLES.index(self.role)),
            "chunk_phase": float(decision.chunk_phase),
            "weights_version": float(decision.weights_version),
        }
        info |= {f"base{i}": float(v) for i, v in enumerate(decision.base_action)}
        info |= {f"residual{i}": float(v) for i, v in enumerate(decision.residual)}
        publish = self._outputs
        publish["policy/info"].publish(messages.from_named(info, stamp_ns))
        frame = self.graph.base_frame
        publish["policy/target_pose"].publish(messages.from_pose(target, stamp_ns, frame))
        publish["policy/action"].publish(Float64MultiArray(data=[float(v) for v in decision.action]))

    def _take(self, name: str, message: Any) -> None:
        if not self.graph.is_lockstep:
            self._newest[name] = message
            return
        row = self._observations.put(name, messages.stamp_of(message), message)
        if row is not None:
            self._row = row

    def _take_answer(self, name: str, message: Any) -> None:
        if name == "joy":
            pressed = (Label.SUCCESS, Label.FAILURE, Label.DISCARD)
            for label, is_down in zip(pressed, message.buttons[1:], strict=False):
                self._label |= label if is_down else Label.NONE
        if not self.graph.is_lockstep:
            self._newest[name] = message
            return
        answer = self._answers.put(name, messages.stamp_of(message), message)
        if answer is not None:
            self._answer = answer

    def _observe(self, stamp_ns: int) -> dict[str, Any]:
        """Return the samples of every stream at `stamp_ns` (lockstep), or the newest (real time)."""
        if not self.graph.is_lockstep:
            self._wait(lambda: self._newest.keys() >= set(self._streams), ANSWER_TIMEOUT_S, lambda: "no states yet")
            return dict(self._newest)

        def is_there() -> bool:
            return self._row is not None and messages.stamp_of(self._row["pose"]) >= stamp_ns

        missing = self._observations.missing
        self._wait(is_there, ANSWER_TIMEOUT_S, lambda: f"missing at this tick: {', '.join(missing(stamp_ns))}")
        row, self._row = self._row, None
        return row or {}

    def _observe_in_time(self) -> dict[str, Any]:
        self._deadline += self.graph.period_s
        if self._deadline < time.monotonic() - self.graph.period_s:
            self._deadline = time.monotonic()  # a missed deadline is not made up for by a burst
        while (left := self._deadline - time.monotonic()) > 0:
            turn(self._executor, self, left)
        self._answer = {n: self._newest[n] for n in ("intervention", "joy") if n in self._newest}
        return dict(self._newest)

    def _executed(self) -> tuple[Any, Source, int]:
        if not self._answer or "intervention" not in self._answer:
            return np.zeros(self._actions.size, np.float32), Source.HOLD, 0
        message = self._answer["intervention"]
        if messages.stamp_of(message) != self._decided_ns:
            # the mux has not answered this tick: nothing of it was executed
            return np.zeros(self._actions.size, np.float32), Source.HOLD, 0
        executed = np.array(message.axes, np.float32)
        return executed, Source(message.buttons[0]), int(message.buttons[1])

    def _outcome(self, row: dict[str, Any], executed: Any, source: Source, reasons: int = 0) -> Outcome:
        truth = row.get("truth")
        self._pose = row["pose"]
        self._stamp_ns = messages.stamp_of(self._pose)
        observation, stamps = streams.observation(row, self._cameras)
        label, self._label = self._label, Label.NONE
        return Outcome(
            observation,
            self._stamp_ns,
            executed,
            source,
            label=label,
            reasons=reasons,
            stream_stamps_ns=stamps,
            truth_success=None if truth is None else messages.to_named(truth)["is_inserted"] > 0.5,
            is_aborted=self._is_stale(row),
        )

    def _is_stale(self, row: dict[str, Any]) -> bool:
        """Whether a stream is too old for a decision (real time; in lockstep all are of the tick)."""
        if self.graph.is_lockstep:
            return False
        late = streams.stale(row, self._cameras, self.now_ns())
        if late:
            self.get_logger().error(f"Stale: {', '.join(late)}; the episode is aborted.")
        return bool(late)

    def _not_ready(self) -> list[str]:
        return self.absent() + [f"node {name}" for name in self._nodes if name not in self._ready_nodes]

    def _on_ready(self, message: Any) -> None:
        self._ready_nodes.add(message.data)

    def _call(self, client: Any, request: Any, name: str, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        future = client.call_async(request)
        self._wait(future.done, timeout_s, lambda: f"{name} did not answer")
        return future.result()

    def _wait(self, is_done: Callable[[], bool], timeout_s: float, what: Callable[[], str]) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_done():
            if time.monotonic() > deadline:
                raise RobotError(f"The robot fell silent for {timeout_s:.0f} s ({what()}); are all nodes running?")
            turn(self._executor, self, 0.05)
