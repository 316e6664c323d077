"""The process of the actor under test: `sessions.actor`, whose acknowledged steps are counted outside of the store.

    python -m benchmarks.faults.actor weave --run DIR --realtime --controls controls.bin --acknowledged acks.jsonl

Its phase "weave" keeps the tool in motion: in role "watch" the policy drives it round and round in free space, in role
"demonstrate" the operator does the task. The campaign chooses the role, and what is wrong with the policy's actions.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.faults.clock import make_steppable
from benchmarks.faults.controls import ACTION_FAULTS, Controls

CENTRE_M = (0.50, 0.0, 0.16)
RADIUS_M = 0.06
TURN_S = 3.0
PULL = 0.3
"""Share of the way back to the circle that a step makes up for."""


def count_appends(path: Path) -> None:
    """Write one line to `path` for each step that the store has acknowledged."""
    from robot.store import StoreWriter
    from robot.types import StepRecord

    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    append = StoreWriter.append

    def counted_append(self: StoreWriter, step: StepRecord) -> None:
        append(self, step)
        line = {"stamp_ns": step.stamp_ns, "at_ns": time.monotonic_ns()}
        os.write(file, json.dumps(line).encode() + b"\n")

    StoreWriter.append = counted_append  # type: ignore[method-assign]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("phase")
    parser.add_argument("--controls", type=Path, required=True)
    parser.add_argument("--acknowledged", type=Path, required=True)
    parser.add_argument("--go", type=Path, help="begin when there is such a file: to be ready before one is needed")
    arguments, rest = parser.parse_known_args()
    controls = Controls(arguments.controls)
    make_steppable(controls, "actor")
    sys.argv = [sys.argv[0], arguments.phase, *rest]

    import numpy as np

    from robot.interfaces import Policy
    from robot.nodes.port import RosRobot
    from robot.types import ROLES, Decision, Observation
    from sessions import actor
    from sessions.phases import PHASES, Phase
    from sessions.processes import die_with_parent

    count_appends(arguments.acknowledged)
    if arguments.go is not None:
        die_with_parent()
        arguments.go.with_suffix(".ready").touch()
        while not arguments.go.exists():
            time.sleep(0.01)

    class Weave:
        """A policy that follows a circle, and tells the robot at every step what the person's role is now."""

        def __init__(self, size: int) -> None:
            self._nothing = np.full(size, np.nan, np.float32)
            self._step = 0

        def reset(self, seed: int) -> None:
            self._step = seed % 30

        def replan(self) -> None:
            """Nothing was planned."""

        def act(self, observation: Observation) -> Decision:
            self._step += 1
            angle = 2.0 * np.pi * 0.1 * self._step / TURN_S
            place = np.array(CENTRE_M) + RADIUS_M * np.array([np.cos(angle), np.sin(angle), 0.0])
            way = place - np.asarray(observation["tool_pose"], np.float64)[:3]
            along = RADIUS_M * 2.0 * np.pi * 0.1 / TURN_S * np.array([-np.sin(angle), np.cos(angle), 0.0])
            action = np.zeros(len(self._nothing), np.float32)
            action[:3] = np.clip((along + PULL * way) / 0.02, -1.0, 1.0)
            fault = ACTION_FAULTS[controls["action"]]
            if fault == "nan":
                action[1] = np.nan
            elif fault == "infinity":
                action[0] = np.inf
            elif fault == "far":
                action[:3] = 1e6
            return Decision(action, self._nothing, self._nothing)

    class Weaving(actor.Actor):
        def _make_policy(self) -> Policy:
            if self._phase.name != "weave":
                return super()._make_policy()
            return Weave(4)

    # the person's role changes between two steps of a running episode
    RosRobot.role = property(lambda self: ROLES[controls["role"]], lambda self, role: None)  # type: ignore[assignment]
    PHASES["weave"] = Phase("weave", "weave", "record", "watch", "hold", "operator")
    actor.Actor = Weaving  # type: ignore[misc]
    return actor.main()


if __name__ == "__main__":
    sys.exit(main())
