"""The robot over ROS 2 as the environment sees it: the actor's node."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger

from robot.actions import ActionMap
from robot.errors import ResetStoppedError, RobotError
from robot.labels import Heard, LabelButtons
from robot.nodes import messages, streams
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.reset import seed_parameter
from robot.nodes.spin import make_executor, turn
from robot.nodes.stops import MuxWatch, Stop
from robot.nodes.ticks import ANSWER_TIMEOUT_S, LockstepTicks, RealTimeTicks, Tick, wait
from robot.safety import SafetyConfig
from robot.timing import PathTimes
from robot.types import Decision, Outcome, Source, StepTiming

READY_TIMEOUT_S = 30.0
SETTLE_S = 0.3  # a reader may know its writer before the writer knows the reader; samples in between are lost
STOPPED_TIMEOUT_S = 1.0  # after a stop: what stopped the episode may be what does not answer
LOOK_S = 0.15  # before a reset in real time: nobody looked at the pictures while the last episode was stored
BLOCKED_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 0.5  # at the end of a session the other nodes may be gone already


class RosRobot(NudgeNode):
    """A RobotPort whose every motion goes over topics.

    Single-threaded: it spins itself while it waits, so that nothing happens behind the loop's back; only its heart
    beats in a thread of its own. Active from its construction to `close`.

    Args:
        cameras: camera namespaces whose `policy/image` belong to the observation.
        has_truth: take `sim/state` for the judge (simulation only; never part of an observation).
        has_tracker: take the socket's tracked pose.
        safety: where it lets streams be older than the topic table does, so may what is decided on.

    Attributes:
        role: what the person does, one of `robot.types.ROLES`; may be set at any time.
        guard: asked at every tick and all through a reset (real time); a sentence that it returns ends them.
        stop: what stopped the last episode; None where nothing did.
        mux: what the mux says of itself.
        on_remark: told what the operator says beside labels.
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
        has_tracker: bool = True,
        safety: SafetyConfig | None = None,
    ) -> None:
        super().__init__("actor", graph, context=context, wall=wall)
        self.role = "watch"
        self.guard: Callable[[], str] = lambda: ""
        self.stop: Stop | None = None
        self.on_remark: Callable[[Heard], None] = lambda said: None
        self._is_closed = self._is_ended = False
        self._actions, self._cameras = actions, cameras
        self._states = streams.states(has_tracker=has_tracker) | ({"truth": "sim/state"} if has_truth else {})
        self._limits_s = streams.age_limits_s(cameras, safety or SafetyConfig(), has_tracker=has_tracker)
        self._executor = make_executor(self.context, self.has_async_services)
        self._executor.add_node(self)
        self._turn = partial(turn, self._executor, self)
        names = (*self._states, *cameras)
        self._ticks = (
            LockstepTicks(names, graph.period_s, self._turn)
            if graph.is_lockstep
            else RealTimeTicks(names, graph.period_s, self._turn, self.now_ns)
        )
        self.mux, self._pictures = MuxWatch(), streams.PictureWatch()
        self._path_times, self._labels = PathTimes(), LabelButtons()
        self._pose: Any = None
        self._stamp_ns, self._captured_ns, self._observed_ns, self._episode_step = 0, 0, 0, -1
        self._nodes = ("arm", "mux", "teleop", "reset", *(f"camera_{camera}" for camera in cameras))
        self._ready_nodes: set[str] = set()
        self.bring_up()

    def setup(self) -> None:
        self.subscribe("ready", lambda message: self._ready_nodes.add(message.data))
        for name, row in self._states.items():
            self.subscribe(row, partial(self._ticks.take, name))
        for camera in self._cameras:
            self.subscribe("policy/image", partial(self._on_picture, camera), camera=camera)
        self.subscribe("intervention", partial(self._ticks.take_answer, "intervention"))
        self.subscribe("teleop/joy", self._on_joy)
        self.subscribe("console/say", self._on_say)
        self.subscribe("mux/status", self.mux.take)
        if not self.graph.is_lockstep:
            self.subscribe("mux/timing", partial(self._on_timing, "commanded", "commanded_s"))
            self.subscribe("arm/executed", partial(self._on_timing, "executed", "taken_s"))
        outputs = ("policy/target_pose", "policy/action", "policy/info", "episode/event")
        self._outputs = {name: self.publisher(name) for name in outputs}
        names = ("reset/reset", "mux/episode_end", "mux/reset_failed", "arm/hold")
        self._triggers: dict[str, Any] = {name: self.create_client(Trigger, name) for name in names}
        self._seed: Any = self.create_client(SetParameters, "reset/set_parameters")

    def wait_until_ready(self) -> None:
        """Wait until this node and all the others have found what they need of each other.

        Raises:
            RobotError: after 30 s, naming what is silent.
        """
        wait(self._turn, lambda: not self._not_ready(), READY_TIMEOUT_S, lambda: f"not ready: {self._not_ready()}")
        self.idle(SETTLE_S)

    def idle(self, duration_s: float) -> None:
        """Let the node's callbacks run for so long, and do nothing else."""
        until = time.monotonic() + duration_s
        wait(self._turn, lambda: time.monotonic() > until, duration_s + READY_TIMEOUT_S, lambda: "")

    def reset(self, seed: int) -> Outcome:
        """Reset by the reset node; returns the first observation of the episode.

        Raises:
            ResetStoppedError: it was stopped, as `stop` tells: another one may be tried.
            RobotError: it failed, was refused or did not answer; the sentence tells what the mux knows of it.
        """
        self.end()
        self.idle(0.0 if self.graph.is_lockstep else LOOK_S)
        with contextlib.suppress(RobotError):  # what stopped the last episode may pass by itself
            wait(self._turn, lambda: self.mux.may_reset and not self._pictures.problem, BLOCKED_TIMEOUT_S, lambda: "")
        self.mux.begin()
        self.stop = self.mux.seen("lost", problem) if (problem := self._lost()) else None
        if self.stop is not None:
            raise ResetStoppedError(self.stop.cause)
        self._call(self._seed, seed_parameter("episode_seed", seed), "reset/set_parameters")
        settled_ns = self._run_reset()
        self._episode_step = 0
        self._labels.begin()
        self.publish_event("start", seed=seed)
        outcome = self._outcome(self._ticks.first(settled_ns), *messages.to_executed(None, self._actions.size))
        if outcome.is_aborted:
            raise self.mux.reset_error(f"No episode was begun: {outcome.cause}", self.stop)
        return replace(outcome, source=Source.RESET)

    def step(self, decision: Decision) -> Outcome:
        """Publish the decision for the present tick and return what came of it one period later.

        Raises:
            RobotError: a node fell silent in lockstep; the sentence names the missing streams.
        """
        captured_ns, observed_ns = self._captured_ns, self._observed_ns
        decided_ns = self._ticks.decide()
        self._publish_decision(decision, decided_ns)
        tick = self._ticks.next()
        self._episode_step += 1
        outcome = self._outcome(tick, *messages.to_executed(tick.answer, self._actions.size))
        if self.graph.is_lockstep:
            return replace(outcome, timing=StepTiming.simulated(decided_ns))
        commanded_ns, executed_ns = (self._path_times.of(decided_ns, what) for what in ("commanded", "executed"))
        times = (captured_ns, observed_ns, decided_ns, commanded_ns, executed_ns)
        return replace(outcome, timing=StepTiming(*times, tick.late_ns))

    def end(self, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """End the episode: the mux is ready for the next one, the arm holds. Both are asked at once.

        Raises:
            RobotError: one of them did not answer.
        """
        if self._is_ended:
            return
        self._episode_step = -1
        timeout_s = timeout_s if self.stop is None else min(timeout_s, STOPPED_TIMEOUT_S)
        asked = {name: self._triggers[name].call_async(Trigger.Request()) for name in ("mux/episode_end", "arm/hold")}
        silent = lambda: f"{' and '.join(n for n, f in asked.items() if not f.done())} did not answer"  # noqa: E731
        wait(self._turn, lambda: all(future.done() for future in asked.values()), timeout_s, silent)
        self._is_ended = True

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

    def publish_event(self, event: str, **parts: Any) -> None:
        """Tell every listener of `episode/event` (a JSON text)."""
        text = json.dumps({"event": event, "stamp_ns": self._stamp_ns, **parts})
        self._outputs["episode/event"].publish(String(data=text))

    def on_clock_step(self, step_s: float) -> None:
        self.stop = self.stop or self.mux.seen("clock_stepped", f"The actor's clock was set by {step_s:+.3f} s.")

    def on_fault(self, what: str) -> None:
        self.stop = self.stop or self.mux.seen("fault", f"An error in the actor's node: {what}.")

    def _run_reset(self) -> int:
        """Let the reset node do its work; a stop in the midst of it ends the wait. Returns the stamp of its end."""
        self._is_ended = False
        future = self._triggers["reset/reset"].call_async(Trigger.Request())
        broken = partial(self.mux.broken, not self.graph.is_lockstep)
        over = lambda: bool(future.done() or self._lost() or broken())  # noqa: E731
        wait(self._turn, over, ANSWER_TIMEOUT_S, lambda: "reset/reset did not answer")
        if problem := self._lost():
            self._triggers["mux/reset_failed"].call_async(Trigger.Request())
            raise RobotError(f"Reset failed: {problem}")
        if not future.done():
            self.idle(STOPPED_TIMEOUT_S)  # the reset node may have better words for it
        answer = future.result() if future.done() else None
        if answer is None or not answer.success:
            with contextlib.suppress(RobotError):  # whose word may be under way
                wait(self._turn, lambda: bool(broken()), STOPPED_TIMEOUT_S, lambda: "")
            self.stop = broken()
            said = "Reset failed: the reset node did not answer." if answer is None else answer.message
            raise self.mux.reset_error(said, self.stop)
        with contextlib.suppress(RobotError):
            # the mux's word that all is well may be under way; without it the first tick stops the episode
            wait(self._turn, lambda: not self.mux.is_stopped, STOPPED_TIMEOUT_S, lambda: "")
            self.mux.begin()
        return int(answer.message)

    def _publish_decision(self, decision: Decision, stamp_ns: int) -> None:
        target = self._actions.target(messages.to_pose(self._pose), decision.action)
        publish = self._outputs
        publish["policy/info"].publish(messages.from_decision(decision, self._episode_step, self.role, stamp_ns))
        frame = self.graph.base_frame
        publish["policy/target_pose"].publish(messages.from_pose(target, stamp_ns, frame))
        publish["policy/action"].publish(Float64MultiArray(data=[float(v) for v in decision.action]))

    def _on_picture(self, camera: str, message: Any) -> None:
        if self.graph.is_lockstep or self._pictures.is_whole(camera, message):
            self._ticks.take(camera, message)

    def _on_joy(self, message: Any) -> None:
        self._labels.take(messages.to_label(message))
        self._ticks.take_answer("joy", message)

    def _on_say(self, message: Any) -> None:
        self.on_remark(messages.to_heard(message.data, self._episode_step, self._stamp_ns))

    def _on_timing(self, what: str, key: str, message: Any) -> None:
        self._path_times.tell(what, messages.stamp_of(message), messages.to_named(message)[key])

    def _outcome(self, tick: Tick, executed: Any, source: Source, reasons: int = 0) -> Outcome:
        truth = tick.row.get("truth")
        self._pose, self._stamp_ns = tick.row["pose"], tick.stamp_ns
        observation, stamps = streams.observation(tick.row, self._cameras)
        self._captured_ns = min(stamps.values())
        self._observed_ns = self._ticks.now_ns()
        self.stop = self.stop or self.mux.stop or self._own_stop()
        if self.stop is not None:
            self.get_logger().error(f"The episode is aborted: {self.stop.cause}")
        return Outcome(
            observation,
            self._stamp_ns,
            executed,
            source,
            label=self._labels.said(),
            reasons=reasons,
            stream_stamps_ns=stamps,
            truth_success=None if truth is None else messages.to_named(truth)["is_inserted"] > 0.5,
            is_aborted=self.stop is not None,
            cause="" if self.stop is None else self.stop.cause,
        )

    def _own_stop(self) -> Stop | None:
        """What the actor itself sees at a tick: also old streams, its own delay, a silent mux."""
        seen = self._unseen() | self._ticks.problems(self._limits_s)
        stop = next((self.mux.seen(event, cause) for event, cause in seen.items() if cause), None)
        return stop if stop or self.graph.is_lockstep else self.mux.silence

    def _unseen(self) -> dict[str, str]:
        """By event, what nobody but the actor looks at (real time): its learner, and into the pictures."""
        return {} if self.graph.is_lockstep else {"learner_lost": self.guard(), "sensor_spoilt": self._pictures.problem}

    def _lost(self) -> str:
        return next(filter(None, self._unseen().values()), "")

    def _not_ready(self) -> str:
        return ", ".join(self.absent() + [f"node {name}" for name in self._nodes if name not in self._ready_nodes])

    def _call(self, client: Any, request: Any, name: str) -> Any:
        future = client.call_async(request)
        wait(self._turn, future.done, ANSWER_TIMEOUT_S, lambda: f"{name} did not answer")
        return future.result()
