"""Who ticks the arm: in lockstep the caller, in real time a thread of its own that alone touches the arm."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from robot import priority
from robot.arm_server import ArmServer, ArmSnapshot
from robot.awake import Awake
from robot.clock import NANOSECONDS, read_clocks, to_ns
from robot.errors import RobotError
from robot.interfaces import World
from robot.safety import Reason
from robot.se3 import Pose
from robot.timing import PeriodMeter
from robot.topics import topic
from robot.wake import EarlyWake

T = TypeVar("T")
ANSWER_TIMEOUT_S = 1.0
LATE_NS = 100_000_000
"""A thread that is so far behind drops the debt, rather than run a burst, and holds the arm."""
SAMPLES = 4096


class Look(NamedTuple):
    """What is published of the arm, all of one instant; `socket` and `truth` in simulation only.

    Attributes:
        stamp_ns: of the measurements, by the node's clock.
        mode, cause, since_ns: of the arm server; since when, by the node's clock.
        executed: of each target that was followed for the first time since the last look (real time), its stamp and
            when the tick that did so had written its torque, by the node's clock.
    """

    arm: ArmSnapshot
    socket: Pose | None
    truth: dict[str, float] | None
    stamp_ns: int
    mode: str
    cause: str
    since_ns: int
    executed: tuple[tuple[int, int], ...] = ()


class Control:
    """Lockstep: what is asked for is done in the caller's thread, and the arm's clock is everybody's."""

    scheduling = "Ordinary scheduling."

    def __init__(self, server: ArmServer, world: World | None) -> None:
        self.server = server
        self.offset_ns = 0
        """From the arm's stamps to the node's clock."""
        self._world = world

    def begin(self) -> None:
        """Start to tick."""

    def end(self) -> None:
        """Tick no more."""

    def do(self, action: Callable[[], T]) -> T:
        """Do `action` between two ticks and return what it does; raises what it raises."""
        return action()

    def post(self, action: Callable[[], Any]) -> None:
        """Have `action` done before the next tick, without waiting for it."""
        action()

    def look(self) -> Look:
        """Return what the arm measures and does now."""
        server, world, offset_ns = self.server, self._world, self.offset_ns
        now = server.snapshot()
        socket, truth = (None, None) if world is None else (world.tracked_pose(), world.truth())
        since_ns = server.mode_since_ns + offset_ns
        return Look(now, socket, truth, now.stamp_ns + offset_ns, server.mode, server.cause, since_ns)

    def look_now(self) -> Look:
        """As `look`, between two ticks, after all that was asked for before."""
        return self.look()


class ControlThread(Control):
    """Real time: ticks on absolute deadlines; nobody else may touch server and world once it has begun.

    Whatever raises in a tick latches a fault. The arm moves only as long as it is allowed to: following needs
    `follow_until_ns`, homing `home_until_ns` to lie ahead, both by the monotonic clock. Who allows it must do so again
    and again, so that nobody who dies leaves a moving arm behind.

    Args:
        wall: the host's clock [ns], of the node's stamps.
        on_look: called in this thread after each look, 100 times a second.
        on_homed: called in this thread when homing has ended, with the cause: "homed", or why not.
        report: called in this thread with an error that was caught.
    """

    def __init__(
        self,
        server: ArmServer,
        world: World | None,
        wall: Callable[[], int],
        on_look: Callable[[], None],
        on_homed: Callable[[str], None],
        report: Callable[[Exception], None],
    ) -> None:
        super().__init__(server, world)
        self.follow_until_ns = self.home_until_ns = 0
        self.why_not = "nobody allows it to move"
        """Why neither lies ahead, for a person."""
        self.meter = PeriodMeter(server.config.control_step_s, SAMPLES)
        self.newest: Look | None = None
        self._wall, self._on_look, self._on_homed, self._report = wall, on_look, on_homed, report
        self._step_ns = to_ns(server.config.control_step_s)
        self._ticks_a_look = max(1, round(NANOSECONDS / (topic("joint_states").rate_hz * self._step_ns)))
        self._ticks = 0
        self._was_homing = False
        self._accepted = 0, 0
        self._followed_ns = 0
        self._executed: list[tuple[int, int]] = []
        self._last_error = ""
        self._asked: deque[Callable[[], Any]] = deque()
        self._ending = threading.Event()
        self._awake = Awake()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self.offset_ns = self._wall() - self.server.snapshot().stamp_ns
        self.newest = Control.look(self)
        self._ending.clear()
        if self.server.config.is_kept_awake:
            self._awake.begin()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(ANSWER_TIMEOUT_S)
            self._thread = None
        self._awake.end()

    def do(self, action: Callable[[], T]) -> T:
        """As `Control.do`, in the control thread.

        Raises:
            RobotError: the thread does not tick any more.
        """
        done = threading.Event()
        answer: list[T] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                answer.append(action())
            except Exception as error:  # noqa: BLE001 - it is raised again, in the thread that asked
                errors.append(error)
            done.set()

        self._asked.append(run)
        if not done.wait(ANSWER_TIMEOUT_S):
            raise RobotError(f"The arm's control thread did not answer for {ANSWER_TIMEOUT_S} s.")
        if errors:
            raise errors[0]
        return answer[0]

    def post(self, action: Callable[[], Any]) -> None:
        self._asked.append(action)

    def accept(self, target: Pose, stamp_ns: int) -> Reason:
        """As `ArmServer.accept`, with a stamp by the node's clock; to be posted."""
        at_ns = stamp_ns - self.offset_ns
        self._accepted = at_ns, stamp_ns
        return self.server.accept(target, at_ns)

    def home(self, seed: int) -> None:
        """Begin to home; `on_homed` tells how it ended. Raises what `ArmServer.start_home` does."""

        def begin() -> None:
            self.server.start_home(seed)
            self._was_homing = True

        self.do(begin)

    def look(self) -> Look:
        """Return the newest look; at most a hundredth of a second old."""
        return self.newest or self.look_now()

    def look_now(self) -> Look:
        return self.do(super().look)

    def _run(self) -> None:
        self.scheduling = priority.raise_thread()
        wake = EarlyWake(self._step_ns)
        deadline_ns = time.monotonic_ns()
        while not self._ending.is_set():
            now_ns = time.monotonic_ns()
            self.meter.tick(now_ns)
            try:
                self._tick(now_ns, deadline_ns)
            except Exception as error:  # noqa: BLE001 - nothing may end this thread while the arm is on
                self._fail(error)
            deadline_ns += self._step_ns
            if time.monotonic_ns() <= deadline_ns + LATE_NS:
                wake.wait_until(deadline_ns)
            else:
                deadline_ns = time.monotonic_ns()
                self._asked.append(lambda: self.server.hold("the control thread was not given the processor"))

    def _tick(self, now_ns: int, deadline_ns: int) -> None:
        while self._asked:
            self._asked.popleft()()
        server = self.server
        until_ns = {"follow": self.follow_until_ns, "homing": self.home_until_ns}.get(server.mode, now_ns)
        if now_ns > until_ns:
            server.hold(self.why_not)
        server.tick()
        followed_ns = server.executed[0]
        if followed_ns != self._followed_ns:
            self._followed_ns = followed_ns
            if followed_ns == self._accepted[0]:  # under the very stamp that it came with: that names the decision
                self._executed.append((self._accepted[1], self._wall()))
        if self._was_homing and not server.is_homing:
            self._on_homed(server.cause)
        self._was_homing = server.is_homing
        self._ticks += 1
        if self._ticks % self._ticks_a_look == 0:
            self._take_look(deadline_ns)

    def _take_look(self, deadline_ns: int) -> None:
        look = Control.look(self)
        # anchored at every look: the arm's clock and the host's drift apart, and dropped ticks are lost time
        wall_ns, monotonic_ns = read_clocks(self._wall)
        self.offset_ns = wall_ns - (monotonic_ns - deadline_ns) - look.arm.stamp_ns
        self.newest = look._replace(stamp_ns=look.arm.stamp_ns + self.offset_ns, executed=tuple(self._executed))
        self._executed.clear()
        self._on_look()

    def _fail(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        self.server.fail(text)
        if text != self._last_error:  # once, not at every tick
            self._last_error = text
            self._report(error)
