"""The recorder node: every topic of the table as raw bytes into a file that `ros2 bag` and Foxglove read."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rclpy.context import Context
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from std_srvs.srv import Trigger

from robot.clock import NANOSECONDS
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.messages import message_class
from robot.nodes.qos import subscription_qos
from robot.nodes.schemas import definition
from robot.raw_log import Channel, LogState, RawLog, RawLogLimits
from robot.topics import TOPICS, Topic

DEPTH = 50
STATE_PERIOD_S = 0.1
HALT_S = 1.5
"""How long the end of the node waits for the end of the file."""


class RecorderNode(NudgeNode):
    """Writes `folder`/<date and time>.mcap from when it is active; `recorder/start`, `stop` and `discard` as well.

    `recorder/stop` and `discard` answer at once; `recorder/state` (latched) tells when the file is complete: "idle",
    "recording: FILE", "finishing: FILE" or "failed: WHY".

    Args:
        cameras: camera namespaces to record.
        skip: rows of the topic table not to record.
        attachments: texts by name that go into each file, for example the config in force.
    """

    def __init__(
        self,
        graph: Graph,
        cameras: tuple[str, ...],
        folder: Path,
        skip: tuple[str, ...] = (),
        limits: RawLogLimits | None = None,
        attachments: Mapping[str, str] | None = None,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("recorder", graph, context=context, wall=wall)
        self._folder = folder
        self._attachments = attachments or {}
        self._rows = [
            (self._path(row, camera), row)
            for row in TOPICS.values()
            if row.name not in skip
            for camera in (cameras if row.scope == "camera" else ("",))
        ]
        channels = [Channel(path, row.type, definition(row.type)) for path, row in self._rows]
        self._log = RawLog(channels, limits or RawLogLimits())
        self._said = ""
        self._newest_ns = 0

    def setup(self) -> None:
        self._state = self.publisher("recorder/state")
        self._said = ""
        for number, (path, row) in enumerate(self._rows):
            self._take_raw(number, path, row)
        self.serve(Trigger, "recorder/start", self._on_start)
        self.serve(Trigger, "recorder/stop", self._on_stop)
        self.serve(Trigger, "recorder/discard", self._on_discard)
        self.every(STATE_PERIOD_S, self._tell_state)

    def start(self) -> None:
        self._begin()

    def halt(self) -> None:
        self._log.stop()
        self._log.wait(HALT_S)
        self._tell_state()

    def _take_raw(self, number: int, path: str, row: Topic) -> None:
        kind = message_class(row.type)
        first = next(iter(kind.get_fields_and_field_types().values()), "")
        is_stamped = first in ("std_msgs/Header", "builtin_interfaces/Time")
        usual = subscription_qos(row, self.graph.is_lockstep)
        qos = QoSProfile(depth=DEPTH, reliability=usual.reliability, durability=usual.durability)

        def take(data: bytes) -> None:
            stamp_ns = _first_stamp_ns(data) if is_stamped else None
            if self.graph.is_lockstep:
                self._newest_ns = max(self._newest_ns, stamp_ns or 0)
            log_ns = self._newest_ns if self.graph.is_lockstep else self.now_ns()
            self._log.put(number, data, log_ns, log_ns if stamp_ns is None else stamp_ns)

        self.create_subscription(kind, path, self.guarded(take), qos, raw=True)

    def _begin(self) -> None:
        name = time.strftime("%Y%m%d-%H%M%S")
        path = self._folder / f"{name}.mcap"
        count = 1
        while path.exists():
            count += 1
            path = self._folder / f"{name}-{count}.mcap"
        self._log.start(path, self._attachments)
        self.fault = ""
        self._tell_state()

    def _on_start(self, request: Any, response: Any) -> Any:
        self._begin()
        response.success, response.message = True, str(self._log.path)
        return response

    def _on_stop(self, request: Any, response: Any) -> Any:
        return self._end(response, is_discarded=False)

    def _on_discard(self, request: Any, response: Any) -> Any:
        return self._end(response, is_discarded=True)

    def _end(self, response: Any, is_discarded: bool) -> Any:
        response.success = self._log.state is LogState.RECORDING
        response.message = str(self._log.path) if response.success else "nothing is being recorded"
        self._log.stop(is_discarded=is_discarded)
        self._tell_state()
        return response

    def _tell_state(self) -> None:
        log = self._log
        state, about = log.state, str(log.path)
        if state is LogState.FAILED:
            about = self.fault = log.problem
        text = state.value if state is LogState.IDLE else f"{state.value}: {about}"
        if text != self._said:
            self._said = text
            self._state.publish(String(data=text))

    def status(self) -> dict[str, str]:
        log = self._log
        return {
            "log": self._said,
            "messages written": str(log.written),
            "messages dropped": str(log.dropped),
            "file [MB]": f"{log.written_bytes / 1e6:.1f}",
        }


def _first_stamp_ns(data: bytes) -> int | None:
    """Return the stamp [ns] with which serialised messages begin that have a header; None for what is too short."""
    if len(data) < 12:
        return None
    # four bytes of encapsulation, of which the second tells the byte order (OMG CDR), then sec and nanosec
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * NANOSECONDS + int(nanoseconds)
