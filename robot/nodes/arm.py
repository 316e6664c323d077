"""The arm node: owns the control tick, takes targets, tells what the arm measures and does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.context import Context
from std_srvs.srv import Trigger

from robot import priority
from robot.arm_server import HOMED, ArmServer
from robot.clock import to_ns
from robot.errors import RobotError
from robot.impedance import CartesianImpedance
from robot.interfaces import World
from robot.mode import MOVING, Mode
from robot.nodes.arm_outputs import ArmOutputs
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.buttons import Buttons
from robot.nodes.control import Control, ControlThread
from robot.nodes.jobs import Jobs
from robot.nodes.targets import Targets
from robot.safety import Governor, SafetyConfig
from robot.se3 import Pose
from robot.topics import topic

HOMING_LIMIT_S = 30.0
"""Time after which homing has failed; simulated time in lockstep."""
RESETTING_WAIT_S = 0.5
"""The mux' word that it is resetting may come later than the call to home: topics and services have no order."""
FOREVER_NS = 1 << 62
_MOVING = frozenset(mode.value for mode in MOVING)


class ArmNode(NudgeNode):
    """Runs an `ArmServer`.

    In lockstep each accepted target advances the arm by one period, after which the state is published. When the
    session falls silent in mid-episode the arm goes on in real time: the command expires and the arm holds.

    In real time a `ControlThread` ticks the server from configuring to cleaning up. It follows only while the mux
    says, by `mux/status`, that it moves the arm, and homes only while it says "resetting"; in direct mode
    (`Graph.is_direct`) there is no mux, and each target passes the governor here.

    Parameter `scene_seed` (simulation only): setting it lays out the scene anew. `arm/home` and `arm/hold` answer
    with the stamp [ns] of the state they reached. `e_stop` latches a hold; `arm/reset_fault` clears that and faults,
    once the button is released.
    """

    level = priority.LEVEL_EXECUTOR

    def __init__(
        self,
        graph: Graph,
        server: ArmServer,
        world: World | None,
        safety: SafetyConfig,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        if graph.is_direct and graph.is_lockstep:
            raise RobotError("Direct mode is for real time: in lockstep the mux keeps the arm's clock going.")
        super().__init__("arm", graph, context=context, wall=wall)
        self._server, self._world, self._safety = server, world, safety
        self._scene_seed = 0
        self._is_commanded = False
        self._last_advance = time.monotonic()
        self._has_homed = threading.Event()
        self._homed_how = ""
        self._is_told = False
        self._jobs: Jobs | None = None
        self._mux_mode = ""
        self._is_resetting = threading.Event()
        self._early: tuple[Pose, int] | None = None
        self._thread: ControlThread | None = None
        self._control = Control(server, world)
        if not graph.is_lockstep:
            self._thread = ControlThread(server, world, wall, self._wake, self._on_homed, self.tell)
            self._control = self._thread

    def setup(self) -> None:
        # before the targets: of two messages that wait, the one of the subscription made first is taken first
        self._buttons = Buttons(self, self._on_e_stop)
        self._server.connect()
        self._outputs = ArmOutputs(self, self._world is not None, self._more)
        if self._world is not None:
            self.parameters.declare_integer("scene_seed", 0, "setting it lays out the scene anew", self._on_scene_seed)
        law = self._server.law
        if isinstance(law, CartesianImpedance):
            self.parameters.declare("impedance", law.config, {"gains": self._use_gains})
        self.parameters.declare("arm", self._server.config)
        self.parameters.declare("safety", self._safety)
        on_mux = None if self.graph.is_lockstep or self.graph.is_direct else self._on_mux
        governor = Governor(self._safety) if self.graph.is_direct else None
        expiry_s = self._safety.command_expiry_s
        self._targets = Targets(self, self._control, self._outputs.any, self._on_target, on_mux, governor, expiry_s)
        self.serve(Trigger, "arm/hold", self._on_hold)
        self.serve(Trigger, "arm/reset_fault", self._on_reset_fault)
        self.every(1.0 / topic("arm/status").rate_hz, self._publish_status)
        if self._thread is None:
            self.serve(Trigger, "arm/home", self._on_home_at_once)
            self.every(0.1, self._watch_silence)
            return
        self._jobs = Jobs(self)
        self._jobs.serve(Trigger, "arm/home", self._on_home)
        self._thread.follow_until_ns = self._thread.home_until_ns = FOREVER_NS if self.graph.is_direct else 0
        self._thread.why_not = "the mux has not been heard"
        self._thread.begin()

    def start(self) -> None:
        self._is_told = False
        self._publish_look()

    def halt(self) -> None:
        self._control.do(lambda: self._server.hold("the arm node was deactivated"))
        self._is_commanded = False
        self._outputs.tell_status(self._control.look_now())

    def teardown(self) -> None:
        if self._jobs is not None:
            self._jobs.end()
            self._jobs = None
        self._control.end()
        self._buttons.end()
        self._server.close()

    def _on_target(self, target: Pose, stamp_ns: int) -> None:
        if self._thread is None:
            if stamp_ns != self._server.snapshot().stamp_ns or self._server.is_homing:
                self._targets.refuse("not of the present tick")
                return
            self._accept(target, stamp_ns)
            self._is_commanded = True
            self._advance(self.graph.period_s)
        elif self.graph.is_direct or self._mux_mode in _MOVING:
            self._thread.post(lambda: self._accept(target, stamp_ns))
        else:
            self._early = target, stamp_ns  # it may have overtaken the word that the mux begins to move

    def _accept(self, target: Pose, stamp_ns: int) -> None:
        refused = (self._server if self._thread is None else self._thread).accept(target, stamp_ns)
        if refused:
            self._targets.refuse(refused.sentence())

    def _on_mux(self, message: Any) -> None:
        """Renew what the arm may do for as long as the mux is heard, by what it says."""
        thread, mode = self._thread, message.message
        if thread is None:
            return
        until_ns = time.monotonic_ns() + to_ns(self._safety.heartbeat_timeout_s)
        self._mux_mode = mode
        is_moving = mode in _MOVING
        thread.why_not = f"the mux has been silent for {self._safety.heartbeat_timeout_s} s"
        if not is_moving:
            cause = next((pair.value for pair in message.values if pair.key == "cause"), "")
            thread.why_not = f"the mux is in mode {mode}{f': {cause}' if cause else ''}"
        thread.follow_until_ns = until_ns if is_moving else 0
        if mode == Mode.RESETTING.value:
            thread.home_until_ns = until_ns
            self._is_resetting.set()
        else:
            thread.home_until_ns = 0
            self._is_resetting.clear()
        early, self._early = self._early, None
        if early is not None and is_moving:
            self._on_target(*early)

    def _advance(self, duration_s: float) -> None:
        self._server.advance(duration_s)
        self._last_advance = time.monotonic()
        self._publish_look()

    def _watch_silence(self) -> None:
        if self._is_commanded and time.monotonic() - self._last_advance > self.graph.silence_s:
            while self._is_commanded and not self._server.is_holding and not self._server.is_latched:
                self._server.tick()
            self._is_commanded = False
            self._publish_look()

    def _on_home_at_once(self, request: Any, response: Any) -> Any:
        """Lockstep: the arm's time passes here."""
        self._is_commanded = False
        self._server.start_home(self._scene_seed)
        for _ in range(round(HOMING_LIMIT_S / self._server.config.control_step_s)):
            if not self._server.is_homing:
                break
            self._server.tick()
        self._publish_look()
        return self._answer(response, self._server.cause == HOMED)

    def _on_home(self, request: Any, response: Any) -> Any:
        """Real time: in the thread of the jobs, until homing ends."""
        thread = self._thread
        is_allowed = self.graph.is_direct or self._is_resetting.wait(RESETTING_WAIT_S)
        if thread is None or not is_allowed or time.monotonic_ns() > thread.home_until_ns:
            why = f"now {thread.why_not}" if thread is not None else "it does not tick"
            raise RobotError(f"the arm homes only while the mux is in mode resetting; {why}")
        self._has_homed.clear()
        thread.home(self._scene_seed)
        if not self._has_homed.wait(HOMING_LIMIT_S):
            thread.do(lambda: self._server.hold(f"homing took more than {HOMING_LIMIT_S} s"))
            self._has_homed.wait(1.0)
        return self._answer(response, self._homed_how == HOMED)

    def _on_homed(self, cause: str) -> None:
        self._homed_how = cause
        self._has_homed.set()

    def _on_hold(self, request: Any, response: Any) -> Any:
        self._control.do(self._server.hold)
        self._is_commanded = False
        return self._answer(response, True)

    def _on_reset_fault(self, request: Any, response: Any) -> Any:
        if complaint := self._buttons.complaint():
            raise RobotError(complaint)
        self._control.do(self._server.reset_fault)
        return self._answer(response, True)

    def _answer(self, response: Any, is_done: bool) -> Any:
        """Success with the stamp [ns] of the present state, or why not."""
        mode, cause, stamp_ns = self._control.do(
            lambda: (self._server.mode, self._server.cause, self._server.snapshot().stamp_ns)
        )
        response.success = is_done and mode not in ("fault", "stop", "homing")
        response.message = str(stamp_ns + self._control.offset_ns)
        if mode in ("fault", "stop"):
            what = "at fault" if mode == "fault" else "stopped"
            response.message = f"the arm is {what} ({cause}): clear it with arm/reset_fault"
        elif not response.success:
            response.message = f"the arm did not reach its home ({cause})"
        return response

    def _on_e_stop(self) -> None:
        self._control.post(lambda: self._server.stop("e_stop"))

    def _on_scene_seed(self, seed: int) -> None:
        world = self._world
        if world is None or not self.is_active:
            return

        def lay_out() -> None:
            world.randomise(seed)
            self._server.settle()

        self._scene_seed = seed
        self._control.do(lay_out)
        if self._thread is None:
            # a new stamp, so that nobody takes the old scene for the new one
            self._advance(self.graph.period_s)

    def _use_gains(self, name: str) -> None:
        law = self._server.law
        if isinstance(law, CartesianImpedance):
            self._control.do(lambda: law.use_gains(name))

    def _wake(self) -> None:
        """Have the newest look published: called by the control thread, so that neither waits for the other."""
        executor = self.executor
        if self.is_active and executor is not None and not self._is_told:
            self._is_told = True
            executor.create_task(self.guarded(self._on_look))

    def _on_look(self) -> None:
        self._is_told = False
        if self.is_active:
            self._targets.watch()
            self._publish_look()

    def _publish_look(self) -> None:
        self._outputs.publish(self._control.look())

    def _publish_status(self) -> None:
        self._outputs.tell_status(self._control.look())

    def _more(self) -> dict[str, str]:
        law, targets, thread = self._server.law, self._targets, self._thread
        values = {k: str(v) for k, v in self._server.counters.items()}
        values |= {"targets refused": str(targets.refused), "last refused because": targets.why}
        if isinstance(law, CartesianImpedance):
            values |= {"gains": law.gains_in_use, "bounds": law.describe()}
            values |= {"force bound [N]": f"{law.steady_force_bound_n:.1f}"}
            values |= {"moment bound [Nm]": f"{law.steady_moment_bound_nm:.2f}"}
        if thread is not None:
            values |= thread.meter.status("loop") | {"scheduling": thread.scheduling}
        return values

    def status(self) -> dict[str, str]:
        return {"mode": self._server.mode} | (self._more() if self.state in ("inactive", "active") else {})

    def on_clock_step(self, step_s: float) -> None:
        self._control.post(lambda: self._server.hold(f"the clock of the arm was set by {step_s:+.3f} s"))

    def on_fault(self, what: str) -> None:
        self._control.post(lambda: self._server.hold(f"an error in the arm node: {what}"))
