"""`messages`, `lost_nodes`, `moved_mrad`: nonsense on every topic and service of a running robot.

    python -m benchmarks.bench_fuzz [--quick] [--count N] [--seed S] [--direct]

What there is to attack is asked of the graph. Each topic gets random bytes, broken serialisations and messages of the
right type with wrong contents, each service wrong requests; nothing may crash, nothing may move. Services that move
or stop the robot when they are asked in order come last, as does the emergency stop: of them only crashes count.
`--direct` attacks an arm without a mux, as clients of the CRISP controllers meet it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import measure
from robot.errors import RobotError
from sessions import build
from sessions.config import load
from sessions.domain import Domain
from sessions.processes import Processes
from sessions.progress import Progress
from sessions.run import Run
from sessions.run_config import RunConfig

COUNT, QUICK_COUNT = 10_000, 200
SETTINGS = ("gripper.kind=sim", "recorder.is_on=true", "recorder.limits.reserve_mb=16")
START_S = 60.0
MOVED_MRAD = 1.0
ORDERS = ("arm", "mux", "reset", "gripper", "recorder")
"""Their services that are named `<node>/<verb>` move or change something when they are asked in order."""

OF_EVERY_NODE = (
    "parameters",
    "parameters_atomically",
    "parameter_types",
    "_state",
    "_states",
    "_transitions",
    "_graph",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="ends within a minute")
    parser.add_argument("--count", type=int, default=0, help=f"messages to each topic and service (default {COUNT})")
    parser.add_argument("--requests", type=int, default=0, help="requests to each service, where not as many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--direct", action="store_true", help="an arm without a mux")
    parser.add_argument("--logs", type=Path, help="folder to keep the nodes' logs in")
    arguments = parser.parse_args()
    count = arguments.count or (QUICK_COUNT if arguments.quick else COUNT)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), load(RunConfig, overrides=SETTINGS))
        run.save_config()
        with Domain() as domain, Processes(run.path / "logs", domain.environment) as processes:
            os.environ.update(domain.environment)
            try:
                requests = arguments.requests or count
                _attack(processes, run, count, requests, arguments.seed, arguments.direct)
            finally:
                if arguments.logs:
                    shutil.copytree(run.path / "logs", arguments.logs, dirs_exist_ok=True)


def _attack(processes: Processes, run: Run, count: int, requests: int, seed: int, is_direct: bool) -> None:
    from benchmarks.fuzz.attack import Attack
    from benchmarks.fuzz.probe import Probe
    from robot.nodes.spin import ros

    names = build.node_names(run.config, is_direct)
    clock = "--direct" if is_direct else "--realtime"
    for name in names:
        processes.start(name, "sessions.node", name, "--config", str(run.robot_file), clock)
    if not is_direct:
        processes.start("actor", "benchmarks.fuzz.actor", str(run.robot_file))
    with ros():
        probe = Probe(run.config.control.arm, seed)
        probe.wait_for(len(names) + (not is_direct), START_S)
        nodes = len(probe.managed())
        attack = Attack(probe, count, requests)
        topics, services = probe.topics(), probe.services()
        stops = {name: kind for name, kind in topics.items() if name.endswith("/e_stop")}
        orders = {name: kind for name, kind in services.items() if _is_order(name)}
        changes = {name: kind for name, kind in services.items() if name.endswith("/change_state")}
        rest = {name: kind for name, kind in services.items() if name not in orders | changes}
        _say(f"{nodes} nodes; {count} messages to {len(topics)} topics, {requests} to {len(services)} services\n")
        ordinary = {name: kind for name, kind in topics.items() if name not in stops}
        _stage("topics", count, partial(attack.topics, ordinary))
        _stage("services", requests, partial(attack.services, rest))
        _stage("change_state", requests, partial(attack.services, changes, is_restored=True))
        probe.restore()
        probe.spin(1.0)
        moved_mrad, moving_modes = 1e3 * probe.moved_rad, probe.moving_modes
        _stage("emergency stops", count, partial(attack.topics, stops))
        _stage("orders", requests, partial(attack.services, orders, patience_s=0.02))
        probe.restore()
        states = probe.states()
        probe.close()
    lost = [name for name, state in states.items() if state != "active"] + ["a node"] * (nodes - len(states))
    try:
        processes.check()
    except RobotError as error:
        lost.append(str(error))
    for name in lost:
        _say(f"lost: {name} {states.get(name, '')}\n")
    n = sum(attack.sent.values())
    measure.tell(measure.line("fuzz", "messages", n, "", len(attack.sent)))
    measure.tell(measure.line("fuzz", "lost_nodes", len(lost), "", nodes, at_most=0))
    measure.tell(measure.line("fuzz", "moved_mrad", moved_mrad, "mrad", n, at_most=MOVED_MRAD))
    measure.tell(measure.line("fuzz", "moving_modes", moving_modes, "", n, at_most=0))
    measure.tell(measure.line("fuzz", "unanswered", sum(attack.unanswered.values()), "", n))


def _stage(name: str, rounds: int, attack: Callable[..., None]) -> None:
    with Progress(name, rounds) as progress:
        attack(progress=progress)


def _is_order(service: str) -> bool:
    parent, verb = service.rsplit("/", 2)[1:]
    return parent in ORDERS and not verb.endswith(
        ("_parameters", "_parameter_types", "_state", "_states", "_transitions", "_graph", "_description")
    )


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    measure.run(main)
