"""The console's node: what a page shows of the robot, and the way of its words into the graph."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.context import Context
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from robot import pictures
from robot.labels import HAND_BUTTONS
from robot.mode import MOVING, Mode
from robot.nodes import messages
from robot.nodes.base import Graph, NudgeNode
from robot.types import ROLES, Array
from robot.usage import Usage

CLEARING = ("arm/reset_fault", "mux/clear_fault", "mux/enable")
"""What brings a robot back after an emergency stop, in this order."""
UNDONE = {
    "taken_back": "The last label is taken back: the episode counts as aborted.",
    "nothing_to_take_back": "There is no label that could be taken back.",
    "not_taken_back": "Nothing is taken back of an evaluation, which the simulation judges.",
}
"""What the session answers to an undo, by its event."""
TIMES = 100


class Server(Protocol):
    """What serves the page, in a thread of its own."""

    def start(self) -> None: ...
    def close(self) -> None: ...


class ConsoleNode(NudgeNode):
    """Collects what a page shows, and publishes what its driver does: `console/hand`, `console/say`, `e_stop`.

    It moves nothing by itself: the teleop node believes a hand that is fresh, like any other device (docs/teleop.md).
    `view`, `episodes`, `picture`, `hand`, `say`, `press_e_stop` and `clear_faults` may be called from any thread.

    Args:
        make_server: makes the server of the page, which calls this node.
        episodes: returns what is known of the episodes so far, one mapping each; asked once a second.
        device: what the person teleoperates with; the page drives only where it is "browser".
        advise: returns a sentence for who supervises, from how long they took over lately [s] and the episodes.
    """

    def __init__(
        self,
        graph: Graph,
        cameras: tuple[str, ...],
        make_server: Callable[[ConsoleNode], Server],
        episodes: Callable[[], list[dict[str, Any]]],
        device: str = "",
        advise: Callable[[list[float], list[dict[str, Any]]], str] = lambda takeovers_s, episodes: "",
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("console", graph, context=context, wall=wall)
        self._cameras, self._make_server = cameras, make_server
        self._ask_episodes, self._advise = episodes, advise
        self._lock = threading.Lock()
        self._pictures: dict[str, Any] = {}
        self._shown: dict[str, Any] = {
            "mode": "",
            "cause": "",
            "blockers": "",
            "arm": "",
            "reset": "",
            "device": device,
        }
        self._episode: dict[str, Any] = {}
        self._episodes: list[dict[str, Any]] = []
        self._news = 0
        self._policy: dict[str, Any] = {}
        self._times: dict[str, deque[float]] = {name: deque(maxlen=TIMES) for name in ("commanded", "executed")}
        self._usage = Usage()
        self._began_s, self._coach, self._told = 0.0, "", 1
        self._server: Server | None = None
        self._wanted: list[Callable[[str], None]] = []

    def setup(self) -> None:
        self._hand, self._say = self.publisher("console/hand"), self.publisher("console/say")
        self._e_stop = self.publisher("e_stop")
        self._services_asked: dict[str, Any] = {name: self.create_client(Trigger, name) for name in CLEARING}
        for camera in self._cameras:
            self.subscribe("policy/image", partial(self._take_picture, camera), camera=camera)
        self.subscribe("mux/status", self._on_status)
        self.subscribe("mode", self._on_mode)
        self.subscribe("arm/status", lambda m: self._show(arm=m.message))
        self.subscribe("reset/state", lambda m: self._show(reset=m.data))
        self.subscribe("policy/info", self._on_info)
        self.subscribe("episode/event", self._on_event)
        self.subscribe("intervention", self._on_executed)
        self.subscribe("teleop/engaged", lambda m: self._show(engaged=m.data))
        if not self.graph.is_lockstep:
            self.subscribe("mux/timing", lambda m: self._time("commanded", messages.to_named(m)["commanded_s"]))
            self.subscribe("arm/executed", lambda m: self._time("executed", messages.to_named(m)["taken_s"]))
        self.every(1.0, self._look)
        self.every(0.05, self._serve_wishes)
        self._server = self._make_server(self)
        self._server.start()

    def teardown(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    # ------------------------------------------------------------------ for the server's thread

    def view(self) -> dict[str, Any]:
        """Return what there is to show, as JSON values."""
        now_s = time.monotonic()
        with self._lock:
            episode = self._episode | ({"seconds": now_s - self._began_s} if self._episode.get("is_running") else {})
            times = {f"{name}_ms": _spread_ms(values) for name, values in self._times.items()}
            return {
                **self._shown,
                "clock": "lockstep" if self.graph.is_lockstep else "real time",
                "period_ms": 1e3 * self.graph.period_s,
                "episode": episode,
                "policy": self._policy,
                "loop": times,
                "duty": self._usage.shares(now_s),
                "coach": self._coach,
                "news_of_episodes": self._news,
            }

    def episodes(self) -> list[dict[str, Any]]:
        """Return what is known of the episodes so far, one mapping each."""
        return self._episodes

    def picture(self, camera: str) -> tuple[int, NDArray[np.uint8]] | None:
        """Return the newest picture (H, W, 3) uint8 RGB under its stamp [ns]; None where there is none."""
        message = self._pictures.get(camera)
        if message is None or pictures.problem(message.encoding, message.height, message.width, len(message.data)):
            return None
        return messages.stamp_of(message), messages.to_image(message)

    def hand(self, axes: Array, buttons: frozenset[str]) -> None:
        """Publish what the driver's hand does now: six `axes` in [-1, 1], and which of `HAND_BUTTONS` are down."""
        down = tuple(int(name in buttons) for name in HAND_BUTTONS)
        if self.is_active:
            self._hand.publish(messages.from_axes(axes, down, self.now_ns()))

    def say(self, kind: str, text: str) -> None:
        """Publish what the operator says beside labels."""
        self._say.publish(String(data=json.dumps({"say": kind, "text": text})))

    def press_e_stop(self) -> None:
        """Press the emergency stop."""
        self._e_stop.publish(Bool(data=True))
        self.get_logger().warning("Emergency stop, pressed on the console.")

    def clear_faults(self, on_answer: Callable[[str], None]) -> None:
        """Release the emergency stop and clear the faults; `on_answer` is told how that ended, in a sentence."""
        with self._lock:
            self._wanted.append(on_answer)

    # ------------------------------------------------------------------ the node's own thread

    def _serve_wishes(self) -> None:
        with self._lock:
            wanted, self._wanted = self._wanted, []
        for on_answer in wanted:
            self._e_stop.publish(Bool(data=False))
            self._call(list(CLEARING), on_answer)

    def _call(self, names: list[str], on_answer: Callable[[str], None]) -> None:
        """Call services one after the other; the answer is the first refusal of the last two, or that all is well."""
        if not names:
            on_answer("Cleared: a reset or a person may begin.")
            return
        name, rest = names[0], names[1:]
        if not self._services_asked[name].service_is_ready():
            on_answer(f"Not cleared: {name} is not there.")
            return

        def answered(future: Any) -> None:
            answer = future.result()
            # an arm that has no fault has nothing to reset: what counts is what the mux says
            if answer.success or name == CLEARING[0]:
                self._call(rest, on_answer)
            else:
                on_answer(f"Not cleared: {name} answered {answer.message!r}.")

        self._services_asked[name].call_async(Trigger.Request()).add_done_callback(answered)

    def _look(self) -> None:
        episodes = self._ask_episodes()
        self._news += episodes != self._episodes
        self._episodes = episodes
        with self._lock:
            takeovers, is_supervised = self._usage.takeovers, self._episode.get("role") == "supervise"
        self._coach = self._advise(takeovers, self._episodes) if is_supervised else ""

    def _take_picture(self, camera: str, message: Any) -> None:
        self._pictures[camera] = message

    def _show(self, **values: Any) -> None:
        with self._lock:
            self._shown.update(values)

    def _time(self, name: str, seconds: float) -> None:
        with self._lock:
            self._times[name].append(seconds)

    def _on_status(self, message: Any) -> None:
        values = {pair.key: pair.value for pair in message.values}
        self._show(mode=message.message, cause=values.get("cause", ""), blockers=values.get("blockers", ""))

    def _on_mode(self, message: Any) -> None:
        with self._lock:
            self._shown["mode"] = message.data
            self._usage.enter(_activity(message.data), time.monotonic())

    def _on_info(self, message: Any) -> None:
        info = messages.to_named(message)
        with self._lock:
            self._episode |= {"step": int(info["step"]), "role": ROLES[int(info["role"])]}
            self._policy = {
                "version": int(info["weights_version"]),
                "phase": int(info["chunk_phase"]),
                "certainty": _number(info["certainty"]),
                "is_refused": info["is_refused"] > 0.5,
                "base": _vector(info, "base"),
                "residual": _vector(info, "residual"),
            }

    def _on_executed(self, message: Any) -> None:
        self._show(executed=[_number(v) for v in message.axes])

    def _on_event(self, message: Any) -> None:
        parts = messages.to_event(message.data)
        with self._lock:
            if parts.get("event") in UNDONE:
                self._shown["told"] = {"number": self._told, "text": UNDONE[parts["event"]]}
                self._told += 1
            elif parts.get("event") == "start":
                self._began_s = time.monotonic()
                self._episode = {"is_running": True, "step": 0}
            else:
                self._episode |= {"is_running": False, "ended": parts.get("event", "")}


def _activity(mode: str) -> str:
    known = {Mode.HUMAN.value: "human", Mode.POLICY.value: "policy", Mode.RESETTING.value: "reset"}
    assert len(known) == len(MOVING)
    stopped = mode in (Mode.SOFT_STOP.value, Mode.FAULT.value, Mode.DISABLED.value)
    return known.get(mode, "stopped" if stopped else "waiting")


def _vector(info: Mapping[str, float], name: str) -> list[float | None]:
    """Return the parts called name0, name1 ...; None for what is no number (JSON knows no NaN)."""
    return [_number(info[f"{name}{i}"]) for i in range(len(info)) if f"{name}{i}" in info]


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _spread_ms(values: deque[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"median": round(1e3 * float(np.median(values)), 2), "p99": round(1e3 * float(np.quantile(values, 0.99)), 2)}
