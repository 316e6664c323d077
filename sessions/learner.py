"""The learner's process: tails the online store, updates, publishes weights."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from robot import priority
from robot.errors import NudgeError
from robot.liveness import Beacon
from sessions import learning
from sessions.processes import die_with_parent
from sessions.run import Run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--realtime", action="store_true", help="stand back for who moves the robot")
    arguments = parser.parse_args()
    die_with_parent()
    if arguments.realtime:
        priority.lower_process(priority.NICE_LEARNER)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        run = Run.read(arguments.run)
        beacon = Beacon(run.learner_file)

        def should_stop() -> bool:
            beacon.beat()
            return stop.is_set()

        progress = learning.learn(run.config, run.path, should_stop)
        if progress.is_finished:
            beacon.finish()
        return 0
    except NudgeError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
