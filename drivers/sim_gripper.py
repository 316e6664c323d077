"""A simulated parallel gripper with the published numbers of the Franka Hand; it moves on an injected clock."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from robot.clock import Clock, SystemClock, to_ns
from robot.errors import RobotError
from robot.interfaces import GripperState
from robot.settings import Settings, setting

POLL_S = 0.01
"""How often a moving gripper asks whether it is to give way."""


@dataclass(frozen=True)
class SimGripperConfig(Settings):
    """The simulated gripper; stroke, speed and force are those of the Franka Hand's data sheet."""

    stroke_m: float = setting(0.08, "Width when open.", unit="m", low=0.001, high=0.5)
    speed_m_s: float = setting(0.1, "Speed at which the width changes.", unit="m/s", low=0.001, high=2.0)
    max_force_n: float = setting(70.0, "Largest force that it can keep up.", unit="N", low=1.0, high=1000.0)
    object_width_m: float = setting(
        0.0, "Width of the thing between the fingers; 0 is none.", unit="m", low=0.0, high=0.5
    )


class SimGripper:
    """Fingers that close at a constant speed until they meet the object; nothing else of the cell feels them.

    gripper = SimGripper(SimGripperConfig(object_width_m=0.03))
    gripper.connect()
    gripper.command(0.0, 30.0, lambda: False)   # False: held at 0.03 m, with 30 N
    """

    def __init__(self, config: SimGripperConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._is_connected = False
        self._start_m = self._target_m = config.stroke_m
        self._start_ns = self._clock.now_ns()
        self._force_n = 0.0

    def connect(self) -> None:
        self._is_connected = True

    def read(self) -> GripperState:
        """Return the state now.

        Raises:
            RobotError: it is not connected.
        """
        self._require_connection()
        now_ns = self._clock.now_ns()
        with self._lock:
            width_m, force_n = self._width_m(now_ns), self._force_n
            is_holding = self._target_m < self._end_m() == width_m
        return GripperState(now_ns, width_m, self._config.stroke_m, force_n if is_holding else 0.0, is_holding)

    def command(self, width_m: float, force_n: float, gives_way: Callable[[], bool]) -> bool:
        """Move to `width_m`; blocks as `robot.interfaces.Gripper.command` does.

        Raises:
            RobotError: it is not connected, or cannot do what is asked.
        """
        self._require_connection()
        if not 0.0 <= width_m <= self._config.stroke_m:
            raise RobotError(f"The gripper opens from 0 to {self._config.stroke_m} m; it cannot go to {width_m} m.")
        if not 0.0 <= force_n <= self._config.max_force_n:
            raise RobotError(
                f"The gripper can press with 0 to {self._config.max_force_n} N; {force_n} N was asked for."
            )
        with self._lock:
            now_ns = self._clock.now_ns()
            self._start_m, self._start_ns = self._width_m(now_ns), now_ns
            self._target_m, self._force_n = width_m, force_n
            end_ns = now_ns + to_ns(abs(self._end_m() - self._start_m) / self._config.speed_m_s)
        while (now_ns := self._clock.now_ns()) < end_ns:
            if gives_way():
                with self._lock:
                    self._start_m = self._target_m = self._width_m(now_ns)
                return False
            self._clock.sleep_until(min(end_ns, now_ns + to_ns(POLL_S)))
        return math.isclose(self.read().width_m, width_m, abs_tol=1e-9)

    def home(self, gives_way: Callable[[], bool]) -> bool:
        """Close and open.

        Raises:
            RobotError: something is between the fingers.
        """
        if not self.command(0.0, min(20.0, self._config.max_force_n), gives_way) and not gives_way():
            width_m = self.read().width_m
            self.command(self._config.stroke_m, 0.0, gives_way)
            raise RobotError(f"Homing failed: something {width_m:.3f} m wide is between the fingers; take it out.")
        return self.command(self._config.stroke_m, 0.0, gives_way)

    def close(self) -> None:
        self._is_connected = False

    def _require_connection(self) -> None:
        if not self._is_connected:
            raise RobotError("The gripper is not connected; call connect() first.")

    def _end_m(self) -> float:
        """Width at which the fingers come to stand: their target, or the object that they close on."""
        object_m = self._config.object_width_m
        is_between = self._start_m >= object_m > self._target_m
        return object_m if is_between else self._target_m

    def _width_m(self, now_ns: int) -> float:
        way_m = self._end_m() - self._start_m
        moved_m = self._config.speed_m_s * 1e-9 * (now_ns - self._start_ns)
        return self._end_m() if moved_m >= abs(way_m) else self._start_m + math.copysign(moved_m, way_m)
