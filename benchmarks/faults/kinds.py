"""The table of faults: what is done, what the robot does at that moment, and which words must name the culprit."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.faults.cell import Cell
from benchmarks.faults.controls import ACTION_FAULTS, CAMERAS, FRAME_FAULTS, PROCESSES

Inject = Callable[[Cell, random.Random], int]
"""Does it, and returns the moment [ns, monotonic] at which it was done."""

MOTION = ("policy", "human")
ANY = (*MOTION, "resetting")
CLOCKED = tuple(name for name in PROCESSES if name not in ("gripper", "recorder", "learner"))
QUICK_SIGNALS = ("kill_actor", "stop_mux", "kill_teleop", "stop_camera_wrist")
STEPS_S = (-5.0, -0.5, 0.5, 5.0)


@dataclass(frozen=True)
class Kind:
    """A fault.

    Attributes:
        inject: does it.
        activities: what the robot may be at when it happens, see `Cell.bring`.
        words: one of them must occur in the cause that is reported.
        is_by_target: the answer is a refused command, which the arm follows as "stay where you are".
        is_passing: over as soon as it is done, so that the next reset after the hold is in order.
        is_quick: belongs to the short campaign.
        phase: of the actor that it needs.
        mode: in which the mux must be afterwards; empty for any that does not move the arm.
    """

    name: str
    inject: Inject
    activities: tuple[str, ...]
    words: tuple[str, ...]
    is_by_target: bool = False
    is_passing: bool = False
    is_quick: bool = False
    phase: str = "weave"
    mode: str = ""


def _signal(name: str, number: signal.Signals) -> Inject:
    def inject(cell: Cell, rng: random.Random) -> int:
        now_ns = time.monotonic_ns()
        cell.signal(name, number)
        return now_ns

    return inject


def _spoil(slot: str, value: int) -> Inject:
    def inject(cell: Cell, rng: random.Random) -> int:
        now_ns = time.monotonic_ns()
        cell.controls[slot] = value
        return now_ns

    return inject


def _step_clock(name: str) -> Inject:
    def inject(cell: Cell, rng: random.Random) -> int:
        slot, step_ns = f"clock/{name}", round(1e9 * rng.choice(STEPS_S))
        # a host's clock stays off; back to the true time the next time, so that steps do not add up
        offset_ns = 0 if cell.controls[slot] else step_ns
        now_ns = time.monotonic_ns()
        cell.controls[slot] = offset_ns
        return now_ns

    return inject


def _intrude(row: str) -> Inject:
    return lambda cell, rng: cell.intrude(row)


def _press(cell: Cell, rng: random.Random) -> int:
    now_ns = time.monotonic_ns()
    cell.watcher.press(True)
    return now_ns


def _press_again(cell: Cell, rng: random.Random) -> int:
    _press(cell, rng)
    cell.watcher.wait_for("fault", 5.0)
    time.sleep(0.3)
    return _press(cell, rng)


def _press_stopped(cell: Cell, rng: random.Random) -> int:
    cell.signal("teleop", signal.SIGSTOP)
    cell.watcher.wait_for("soft_stop", 5.0)
    time.sleep(0.1)
    return _press(cell, rng)


def _block(cell: Cell, rng: random.Random) -> int:
    """Let the reset never arrive; the fault counts from the moment at which its time is up."""
    begun_ns = time.monotonic_ns()
    cell.controls["blocked"] = 1
    timeout_ns = round(1e9 * cell.run.config.reset.timeout_s)
    while (first_ns := cell.watcher.first_reset_target(begun_ns)) is None:
        if time.monotonic_ns() - begun_ns > 10_000_000_000:
            return begun_ns  # it did not even begin to move: judged as it is
        time.sleep(0.01)
    time.sleep(max(0.0, (first_ns + timeout_ns - time.monotonic_ns()) / 1e9))
    return first_ns + timeout_ns


def _kinds() -> list[Kind]:
    kinds: list[Kind] = []
    activities: tuple[str, ...]
    words: tuple[str, ...]
    for name in ("actor", "teleop", "mux", *(f"camera_{c}" for c in CAMERAS), "recorder", "reset"):
        is_reset = name == "reset"
        words = (name, name.removeprefix("camera_")) if name != "actor" else ("actor", "policy")
        for verb, number in (("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)):
            activities = ("resetting",) if is_reset else ANY if name in ("mux", "teleop") else MOTION
            kind = f"{verb}_{name}"
            kinds.append(Kind(kind, _signal(name, number), activities, words, is_quick=kind in QUICK_SIGNALS))
    kinds.append(Kind("stop_mux_homing", _signal("mux", signal.SIGSTOP), ("resetting",), ("mux",)))
    kinds.append(Kind("blocked_reset", _block, ("resetting",), ("reset", "not reached")))
    for camera in CAMERAS:
        for value, fault in enumerate(FRAME_FAULTS[1:], start=1):
            inject = _spoil(f"frames/camera_{camera}", value)
            is_quick = (camera, fault) in {("front", "dropped"), ("wrist", "black"), ("front", "repeated")}
            kinds.append(Kind(f"frames_{fault}_{camera}", inject, ANY, (camera,), is_quick=is_quick))
    for value, fault in enumerate(ACTION_FAULTS[1:], start=1):
        words = {"nan": ("nan",), "infinity": ("nan", "infinity"), "far": ("far", "jump")}[fault]
        inject = _spoil("action", value)
        is_quick = fault == "nan"
        kinds.append(Kind(f"action_{fault}", inject, ("policy",), words, True, is_passing=True, is_quick=is_quick))
    for name in CLOCKED:
        words = ("clock",)
        kinds.append(Kind(f"clock_{name}", _step_clock(name), MOTION, words, is_passing=True))
    kinds.append(Kind("clock_all", _step_clock("all"), MOTION, ("clock",), is_quick=True, is_passing=True))
    for row in ("target_pose", "policy/target_pose", "teleop/twist", "reset/target_pose"):
        activities = ("resetting",) if row.startswith("reset") else ("human",) if row.startswith("teleop") else ANY
        name = f"source_{row.replace('/', '_')}"
        kinds.append(Kind(name, _intrude(row), activities, ("intruder",), is_quick=row == "target_pose"))
    at = ("disabled", "ready", "policy", "human", "resetting")
    presses: list[tuple[str, Inject, tuple[str, ...]]] = [(activity, _press, (activity,)) for activity in at]
    presses += [("soft_stop", _press_stopped, MOTION), ("fault", _press_again, MOTION)]
    for before, press, activities in presses:
        is_quick = before in ("policy", "resetting")
        words = ("e_stop", "e-stop", "emergency")
        kinds.append(Kind(f"e_stop_{before}", press, activities, words, is_quick=is_quick, mode="fault"))
    for verb, number in (("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)):
        inject = _signal("learner", number)
        kinds.append(Kind(f"{verb}_learner", inject, ANY, ("learner",), phase="finetune"))
    return kinds


KINDS = {kind.name: kind for kind in _kinds()}
