"""What the mux watches in real time: streams, pictures, heartbeats, clocks and second senders."""

from __future__ import annotations

from typing import Any

from robot.clock import NANOSECONDS, ClockWatch, read_clocks, to_ns
from robot.health import NodePulse, StreamHealth
from robot.mode import Event
from robot.nodes import messages
from robot.nodes.base import NudgeNode
from robot.nodes.publishers import REFUSED, Publishers, complaint
from robot.nodes.pulse import FAREWELL
from robot.safety import SafetyConfig

Blockers = dict[str, tuple[Event, str]]

COMING_AND_GOING = frozenset({"actor", "gripper", "recorder"})
"""Nodes that may leave in order; when they fall silent without a farewell they are missed like any other."""
ONLOOKERS = frozenset({"console"})
"""Nodes without which a robot moves as well: what they say to it is believed only while it is fresh."""
MAX_SKEW_S = 0.1
"""Clocks of two nodes that differ by more do not tell the same time."""
LATE_S = 0.05
"""A watch that comes so late was itself put to sleep: what waits for it is heard before anything is judged."""
SHOWN_S = 0.2
"""How long a step of the clock forbids motion: until stamps of both sides of it are gone. And what the arm refused."""


class Watch:
    """Tells what forbids motion, by name, with its event and a sentence (`robot.mux.CommandMux.watch`).

    Args:
        node: the mux; its wall clock is the one of all stamps.
        cameras: camera namespaces that must send pictures.
        nodes: nodes without which nothing moves, by their names in the graph.
        senders: subscriptions by row of the topic table that may have one publisher only.
    """

    def __init__(
        self,
        node: NudgeNode,
        safety: SafetyConfig,
        cameras: tuple[str, ...],
        nodes: tuple[str, ...],
        senders: dict[str, Any],
        own_publisher: Any,
    ) -> None:
        self._node, self._safety = node, safety
        self._senders = senders
        self._publishers = Publishers(node, own_publisher)
        self._clock = ClockWatch()
        self._step = (-NANOSECONDS, 0.0)
        self._last_ns = 0
        self._was_late = False
        self._arm = ("", "")
        self._refused = (-NANOSECONDS, "")
        self._pose = StreamHealth("the arm's pose", safety.state_max_age_s)
        self._wrench = StreamHealth("the arm's wrench", safety.state_max_age_s, safety.frozen_after_s)
        self._cameras = {
            camera: StreamHealth(f"camera {camera}", safety.camera_max_age_s, safety.frozen_after_s)
            for camera in cameras
        }
        self._required = nodes
        self._pulses = {name: self._make_pulse(name) for name in nodes}
        self._left: set[str] = set()
        self._skews: dict[str, float] = {}
        self._blockers: Blockers = {}

    @property
    def is_arm_homing(self) -> bool:
        return self._arm[0] == "homing"

    def take_pose(self, message: Any) -> None:
        self._pose.take(messages.stamp_of(message), self._node.now_ns())

    def take_wrench(self, message: Any) -> None:
        # the only part of the state that no standstill makes repeat itself: every estimate of a force has noise
        self._wrench.take(messages.stamp_of(message), self._node.now_ns(), tuple(messages.to_wrench(message)))

    def take_pulse(self, camera: str, header: Any) -> None:
        self._cameras[camera].take(messages.to_stamp_ns(header.stamp), self._node.now_ns(), header.frame_id)

    def take_arm_status(self, message: Any) -> None:
        cause = next((pair.value for pair in message.values if pair.key == "cause"), "")
        if cause.endswith(REFUSED) and cause != self._arm[1]:
            # the arm may know of a second sender long before the middleware tells this node
            self._refused = read_clocks()[1], cause
        self._arm = message.message, cause

    def take_heartbeat(self, header: Any) -> None:
        name = header.frame_id.removeprefix(FAREWELL)
        is_farewell = name != header.frame_id
        if name not in self._pulses:
            if name not in COMING_AND_GOING or is_farewell:
                return
            self._pulses[name] = self._make_pulse(name)
        now_ns, stamp_ns = self._node.now_ns(), messages.to_stamp_ns(header.stamp)
        self._skews[name] = 0.0 if is_farewell else (stamp_ns - now_ns) / NANOSECONDS
        # by arrival: what its stamp tells is told apart, as a clock that is off
        self._pulses[name].take(now_ns, now_ns, is_farewell)
        if is_farewell and name in self._required:
            self._left.add(name)
        else:
            self._left.discard(name)

    def doubled(self, row: str) -> str:
        """Return a sentence when the row has more than one living sender, "" otherwise."""
        names = self._publishers.doubled(self._senders[row])
        return complaint(row, names) if names else ""

    def blockers(self) -> Blockers:
        """Return what forbids motion now; what explains the rest comes first."""
        wall_ns, monotonic_ns = read_clocks(self._node.now_ns)
        step_s = self._clock.step_s(wall_ns, monotonic_ns)
        if step_s:
            self._step = monotonic_ns, step_s
        late_ns, self._last_ns = monotonic_ns - self._last_ns, monotonic_ns
        was_late, self._was_late = self._was_late, late_ns > to_ns(LATE_S)
        found: Blockers = {}
        if monotonic_ns - self._step[0] < to_ns(SHOWN_S):
            found["clock"] = Event.CLOCK_STEPPED, f"the clock was set by {self._step[1]:+.3f} s"
        if self._was_late and not was_late and not found:
            return self._blockers  # once: a watch that is always late must judge all the same
        if monotonic_ns - self._refused[0] < to_ns(SHOWN_S):
            found["target_pose"] = Event.TWO_SOURCES, self._refused[1]
        for row in self._senders:
            if sentence := self.doubled(row):
                found[row] = Event.TWO_SOURCES, sentence
        if self._arm[0] in ("stop", "fault"):
            found["arm"] = Event.NODE_SILENT, f"the arm is in {self._arm[0]} ({self._arm[1]}): clear arm/reset_fault"
        for name, pulse in self._pulses.items():
            if name in self._left:
                found[name] = Event.NODE_SILENT, f"{name} has left"
            elif problem := pulse.problem(wall_ns):
                found[name] = problem
            elif abs(self._skews.get(name, 0.0)) > MAX_SKEW_S:
                sentence = f"the clock of {name} is off by {self._skews[name]:+.3f} s"
                found[f"clock of {name}"] = Event.CLOCK_STEPPED, sentence
        for health in (self._pose, self._wrench, *self._cameras.values()):
            if problem := health.problem(wall_ns):
                found[health.name] = problem
        self._blockers = found
        return found

    def status(self) -> dict[str, str]:
        """Return rates, ages and gaps of all that is watched."""
        now_ns = self._node.now_ns()
        values = {}
        watched: list[StreamHealth | NodePulse] = [self._pose, self._wrench, *self._cameras.values()]
        for health in [*watched, *self._pulses.values()]:
            values[f"{health.name} rate [Hz]"] = f"{health.rate_hz:.1f}"
            values[f"{health.name} age [ms]"] = f"{1e3 * health.age_s(now_ns):.0f}"
            values[f"{health.name} gap p99 [ms]"] = f"{health.p99_gap_ms:.0f}"
        return values

    def _make_pulse(self, name: str) -> NodePulse:
        return NodePulse(name, self._safety.heartbeat_timeout_s, is_expected=name in self._required)
