"""How a node's callbacks get to run: one executor a thread, by guarded turns, and a process that ends in order."""

from __future__ import annotations

import importlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from robot import priority

if TYPE_CHECKING:
    from robot.nodes.base import NudgeNode

try:
    EventsExecutor: Any = importlib.import_module("rclpy.experimental").EventsExecutor
except (ImportError, AttributeError):  # a ROS 2 distribution before it had one
    EventsExecutor = None

_PAUSE_S = 0.001
"""After a turn that failed, lest one that always fails takes a whole core."""


def make_executor(context: Context, has_async_services: bool) -> Any:
    """Return the executor for one node on one thread, always to be used by `turn` in a loop.

    The events executor costs about half of the wait-set one a message, but breaks services that answer later, and
    older ROS 2 distributions do not have it (docs/decisions/0004).
    """
    if has_async_services or EventsExecutor is None:
        return SingleThreadedExecutor(context=context)
    return EventsExecutor(context=context)


_interrupted = threading.Event()


def interrupt(*_: object) -> None:
    """Raise KeyboardInterrupt: a signal handler for a process that takes turns itself."""
    _interrupted.set()
    raise KeyboardInterrupt


def turn(executor: Any, node: NudgeNode, timeout_s: float) -> None:
    """Let `node` run its next callback, or wait `timeout_s` for one.

    Callbacks of ours raise nothing (`NudgeNode.guarded`). What else raises are messages that cannot be read, and
    rclpy's own services where a request makes no sense: such a message is dropped and counted, and nothing moves.

    Raises:
        KeyboardInterrupt: `interrupt` was called meanwhile; the middleware may have made another error of it, or none.
    """
    _interrupted.clear()
    try:
        executor.spin_once(timeout_sec=timeout_s)
    except Exception as error:
        if not node.context.ok():
            raise
        if not _interrupted.is_set():
            node.drop(error)
            time.sleep(_PAUSE_S)
    if _interrupted.is_set():
        raise KeyboardInterrupt


def scheduled_executor(node: NudgeNode) -> Any:
    """Return an executor with `node` on it, and the urgency that the node needs in real time (`schedule`).

    The events executor waits for timers in a thread that its first turn begins. It must be there to be raised: a
    thread that a real-time one begins is an ordinary one (SCHED_RESET_ON_FORK, sched(7)).
    """
    executor = make_executor(node.context, node.has_async_services)
    executor.add_node(node)
    turn(executor, node, 0.0)
    schedule(node)
    return executor


def spin(node: NudgeNode, executor: Any, should_stop: Callable[[], bool]) -> None:
    """Spin `node` on its `executor` until `should_stop()`; then shut it down and destroy both."""
    try:
        while not should_stop():
            turn(executor, node, 0.1)
        node.shut_down()
    finally:
        executor.shutdown()
        node.destroy_node()


def schedule(node: NudgeNode) -> None:
    """Give process and calling thread the urgency that `node` needs in real time; in lockstep none matters."""
    if node.graph.is_lockstep:
        return
    priority.raise_process()
    if node.level:
        priority.steady_interpreter()
        node.scheduling = priority.raise_thread(node.level)
        priority.raise_others(node.level)


@contextmanager
def ros() -> Iterator[None]:
    """Be a ROS 2 process for as long as the with-block lasts, with signals left to the caller."""
    # rclpy's own handlers end in an RCLError in some of the SIGTERMs
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        yield
    finally:
        rclpy.try_shutdown()


def run_node(build: Callable[[], NudgeNode], is_brought_up: bool = True) -> int:
    """Be a node's process: build it, bring it up, spin until SIGINT or SIGTERM, leave cleanly. Returns the exit code.

    With `is_brought_up` False the node waits, unconfigured, for who manages its lifecycle.

    Raises:
        RobotError: the node could not be configured or activated; the sentence says why.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ros():
        node = build()
        executor = scheduled_executor(node)
        if is_brought_up:
            try:
                node.bring_up()
            except BaseException:
                executor.shutdown()
                node.destroy_node()
                raise
        spin(node, executor, stop.is_set)
    return 0
