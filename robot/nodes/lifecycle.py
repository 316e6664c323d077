"""The lifecycle of a node: four hooks to fill in, and what is created between two of them destroyed again."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from robot.errors import NudgeError, RobotError

_DONE, _FAILED = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.ERROR

MANY_FAULTS = 20
"""So many are logged one by one."""
LONGEST_SENTENCE, LONGEST_TRACE = 1_000, 10_000
"""A malformed message may carry a text of any length."""


class ManagedNode(LifecycleNode):
    """A lifecycle node whose subclasses fill in any of four hooks:

        setup()     configure: open the device; publishers, subscriptions, services, timers, parameters
        start()     activate: publish what others wait for
        halt()      deactivate: stop what moves
        teardown()  clean up: close the device

    What `setup` created is destroyed by cleaning up. A hook that raises ends in the state "unconfigured", with the
    arm held, the device closed, and the sentence in `fault`.
    """

    _is_active = False
    _is_set_up = False
    _is_started = False
    _lasting: frozenset[int] = frozenset()
    _faults = 0
    fault = ""
    """What went wrong last; forgotten when the node is configured again."""

    level = 0
    """In real time: SCHED_FIFO of its process' threads, where it may be had; 0 is ordinary."""
    scheduling = "Ordinary scheduling."
    """What came of asking for a real-time priority, in a sentence."""

    def setup(self) -> None:
        """Open the device; create publishers, subscriptions, services and timers."""

    def start(self) -> None:
        """Begin to work."""

    def halt(self) -> None:
        """Stop what moves; the node may be started again."""

    def teardown(self) -> None:
        """Close the device. Called as well after a `setup` that failed midway."""

    @property
    def state(self) -> str:
        """Lifecycle state: "unconfigured", "inactive", "active", "finalized", or a transition under way."""
        return str(self._state_machine.current_state[1])

    @property
    def is_active(self) -> bool:
        return self._is_active

    def bring_up(self) -> None:
        """Configure and activate.

        Raises:
            RobotError: saying which of the two failed, and why.
        """
        for trigger, verb in ((self.trigger_configure, "configured"), (self.trigger_activate, "activated")):
            if trigger() != _DONE:
                raise RobotError(f"{self.get_name()} could not be {verb}: {self.fault or f'it is {self.state}'}")

    def shut_down(self) -> None:
        """Stop what moves and close the device; may be called twice."""
        if self.context.ok() and self.state in ("unconfigured", "inactive", "active"):
            self.trigger_shutdown()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.fault = ""
        self._is_set_up = True
        return self._run_hook(self.setup)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._is_started = True
        done = self._run_hook(self.start)
        if done == _DONE:
            self._is_active = True
            self.activated()
        return done

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._stop()

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._close()

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        stopped, closed = self._stop(), self._close()
        return closed if stopped == _DONE else stopped

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        sentence = self.fault
        self._stop()
        self._close()
        self.fault = sentence  # the first one; what followed from it is in the log
        return _DONE

    def activated(self) -> None:
        """Called when the node has become active, after `start`."""

    def deactivated(self) -> None:
        """Called when the node is no longer active, before `halt`."""

    def forget(self) -> None:
        """Called when what `setup` created has been destroyed."""

    def tell(self, error: Exception) -> None:
        """Make `error` this node's fault, and log it."""
        is_ours = isinstance(error, NudgeError)
        self.fault = str(error) if is_ours else f"{type(error).__name__}: {error}"
        self._faults += 1
        if self._faults > MANY_FAULTS and self._faults & (self._faults - 1):
            return  # later only at powers of two: a flood of malformed messages must not flood the log
        trace = "" if is_ours else f"\n{''.join(traceback.format_exception(error))}"
        self.get_logger().error(f"{self.fault[:LONGEST_SENTENCE]} (fault {self._faults}){trace[-LONGEST_TRACE:]}")

    def keep_entities(self) -> None:
        """Let what has been created so far outlast cleaning up."""
        self._lasting = frozenset(id(entity) for entity, _ in self._entities())

    def _stop(self) -> TransitionCallbackReturn:
        if self._is_active:
            self._is_active = False
            self.deactivated()
        was_started, self._is_started = self._is_started, False
        return self._run_hook(self.halt) if was_started else _DONE

    def _close(self) -> TransitionCallbackReturn:
        was_set_up, self._is_set_up = self._is_set_up, False
        done = self._run_hook(self.teardown) if was_set_up else _DONE
        for entity, destroy in list(self._entities()):
            if id(entity) not in self._lasting:
                destroy(entity)
        self.forget()
        return done

    def _run_hook(self, hook: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            hook()
        except Exception as error:  # noqa: BLE001 - a hook that fails must end in a defined state
            self.tell(error)
            return _FAILED
        return _DONE

    def _entities(self) -> Iterator[tuple[Any, Callable[[Any], Any]]]:
        for kind, destroy in (
            (self.timers, self.destroy_timer),
            (self.guards, self.destroy_guard_condition),
            (self.subscriptions, self.destroy_subscription),
            (self.services, self.destroy_service),
            (self.clients, self.destroy_client),
            (self.publishers, self.destroy_publisher),
        ):
            for entity in kind:
                yield entity, destroy
