"""The process of the real arm node with a meter in its control tick; tells on standard output what it measured.

Reads one word a line: `reset` forgets, `tell` writes the spread of the period's error as JSON and forgets; the end of
the input ends it.
`--without` takes away measures of the node, by name, to see what each is worth.
"""

from __future__ import annotations

import argparse
import gc
import json
import queue
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from robot import priority, wake
from robot.arm_server import ArmServer
from robot.nodes.spin import ros, scheduled_executor, spin
from robot.timing import PeriodMeter
from sessions import build
from sessions.config import load
from sessions.processes import die_with_parent
from sessions.robot_config import RobotConfig

MEASURES = ("control_fifo", "executor_fifo", "short_turns", "early_wake", "process_nice", "frozen_heap", "kept_awake")
SIZE = 1 << 19
"""Ticks that the meter remembers, nearly nine minutes at 1 kHz."""


def take_away(measures: set[str]) -> None:
    """Replace what `measures` name by nothing, in this process."""
    raised, frozen = priority.raise_thread, gc.freeze
    levels = {"control_fifo": priority.LEVEL, "executor_fifo": priority.LEVEL_EXECUTOR}
    refused = {level for name, level in levels.items() if name in measures}

    def raise_thread(level: int = priority.LEVEL) -> str:
        return "Ordinary scheduling." if level in refused else raised(level)

    priority.raise_thread = raise_thread
    gc.freeze = (lambda: None) if "frozen_heap" in measures else frozen
    if "process_nice" in measures:
        priority.raise_process = lambda nice=0: False
    if "early_wake" in measures:
        wake.MOST_NS = 0
    if "short_turns" in measures:
        priority.SWITCH_INTERVAL_S = sys.getswitchinterval()


def meter_ticks(meter: PeriodMeter) -> None:
    """Let every tick of an arm server in this process pass `meter`."""
    tick = ArmServer.tick

    def metered(self: ArmServer) -> None:
        meter.tick(time.monotonic_ns())
        tick(self)

    ArmServer.tick = metered  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--without", nargs="*", choices=MEASURES, default=[])
    arguments = parser.parse_args()
    die_with_parent()
    take_away(set(arguments.without))
    config = load(RobotConfig, arguments.config)
    if "kept_awake" in arguments.without:
        config = replace(config, arm=replace(config.arm, is_kept_awake=False))
    meter = PeriodMeter(config.arm.control_step_s, SIZE)
    meter_ticks(meter)
    words: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            words.put(line.strip())
        words.put("end")

    threading.Thread(target=read, daemon=True).start()

    def is_over() -> bool:
        while not words.empty():
            word = words.get()
            if word == "end":
                return True
            if word == "tell":
                found = meter.errors_ms()._asdict() | {"missed": meter.missed}
                sys.stdout.write(json.dumps(found | {"scheduling": node.status()["scheduling"]}) + "\n")
                sys.stdout.flush()
            meter.reset()
        return False

    with ros():
        node = build.node("arm", config, is_realtime=True)
        executor = scheduled_executor(node)
        node.bring_up()
        spin(node, executor, is_over)


if __name__ == "__main__":
    main()
