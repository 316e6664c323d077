"""The table of `nudge`'s verbs: what each does, its options and the module that runs it."""

from __future__ import annotations

import argparse
from pathlib import Path

from policies.presets import PRESETS
from sessions.store_verbs import STORE_VERBS
from sessions.verb import Group, Verb


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"must lie in [1, 1000000]; found {number}")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**31:
        raise argparse.ArgumentTypeError(f"must lie in [0, 2^31); found {number}")
    return number


_count.__name__ = _seed.__name__ = "whole number"


def _directory(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("must name a folder; found an empty name")
    return Path(text)


def _run_directory(parser: argparse.ArgumentParser, is_made: bool = True) -> None:
    about = "run directory, made where missing (default: runs/...)" if is_made else "run directory"
    parser.add_argument("--run", type=_directory, metavar="DIR", help=about)
    parser.add_argument("--seed", type=_seed, metavar="N", help="seed of everything random (default: the config's)")


def _realtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--realtime", action="store_true", help="nodes run on timers; without it, in lockstep")


def _env(parser: argparse.ArgumentParser) -> None:
    about = "at a run's beginning: local (simulated arm, this process) or gym:<id>; without it, over ROS 2"
    parser.add_argument("--env", metavar="ENV", help=about)


def _preset(parser: argparse.ArgumentParser) -> None:
    about = "a named method, as long as nothing is learnt: " + ", ".join(PRESETS)
    parser.add_argument("--preset", metavar="NAME", help=about)


def _episodes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--episodes", type=_count, metavar="N", help="how many episodes (default: the config's)")


def _demo(parser: argparse.ArgumentParser) -> None:
    _run_directory(parser)
    _realtime(parser)
    parser.add_argument("--quick", action="store_true", help="a short version of everything, in about 3 minutes")
    parser.add_argument("--resume", action="store_true", help="go on in --run DIR after its last finished phase")


def _up(parser: argparse.ArgumentParser) -> None:
    _run_directory(parser)
    _realtime(parser)
    parser.add_argument(
        "--direct",
        action="store_true",
        help="no mux, teleop and reset: the arm takes the targets of one program, in real time, through the governor",
    )


def _console(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=_directory, metavar="DIR", help="run directory of the session")
    parser.add_argument("--text", action="store_true", help="show the session in this terminal, without pictures")


def _record(parser: argparse.ArgumentParser) -> None:
    _run_directory(parser)
    _env(parser)
    _preset(parser)
    _realtime(parser)
    _episodes(parser)


def _pretrain(parser: argparse.ArgumentParser) -> None:
    _played(parser)
    about = "begin --run with the demonstrations of this run, and clone its corrections by a person too"
    parser.add_argument("--from", type=Path, metavar="DIR", dest="source", help=about)
    about = (
        "take this policy as it is: a TorchScript (.pt) or ONNX file with <file>.json beside it, module:callable, or a "
        "policy directory of LeRobot's"
    )
    parser.add_argument("--external", metavar="PLACE", help=about)


def _played(parser: argparse.ArgumentParser) -> None:
    _run_directory(parser, is_made=False)
    _env(parser)


def _finetune(parser: argparse.ArgumentParser) -> None:
    _played(parser)
    _preset(parser)
    _realtime(parser)
    parser.add_argument("--resume", action="store_true", help="go on from the last acknowledged step in --run DIR")


def _evaluate(parser: argparse.ArgumentParser) -> None:
    _played(parser)
    _realtime(parser)
    _episodes(parser)
    choices = ("base", "final")
    parser.add_argument("--policy", choices=choices, default="final", help="which policy (default: %(default)s)")


def _replay(parser: argparse.ArgumentParser) -> None:
    _run_directory(parser, is_made=False)
    parser.add_argument("--store", type=Path, metavar="PATH", help="store to replay from (default: the run's)")
    parser.add_argument("--episode", type=int, metavar="I", help="index of the episode (default: chosen)")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, metavar="DIR", default=Path("runs"), help="where runs will be written")


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="control, faults, lockstep, store ...; all for every one")
    parser.add_argument("--quick", action="store_true", help="a rough version that ends within a minute")


VERBS: dict[str, Verb | Group] = {
    "demo": Verb(
        "sessions.demo",
        "the whole story on the simulated arm, with a report at its end",
        "Brings the nodes up, records demonstrations, clones a base policy, finetunes a residual while the simulated\n"
        "operator intervenes, evaluates before and after, replays an episode and writes report.html.",
        ("nudge demo", "nudge demo --quick --seed 1"),
        _demo,
        go_on="nudge demo --resume --run {run}",
    ),
    "up": Verb(
        "sessions.up",
        "start the ROS 2 nodes of a robot and leave them running",
        "Starts every node as its own process and watches them until Ctrl-C.",
        ("nudge up --realtime", "nudge up --direct"),
        _up,
        has_json=False,
        go_on="nudge up --run {run}",
    ),
    "console": Verb(
        "sessions.console",
        "tell where the console of a session under way is, for one visit",
        "A session serves it with console.is_on=true, or teleop.device=browser. Each link lets one browser in, once.",
        ("nudge console --run runs/peg", "nudge console --run runs/peg --text"),
        _console,
        has_config=False,
    ),
    "record": Verb(
        "sessions.record",
        "record teleoperated demonstrations into a store",
        "Records episodes into DIR/demos.zarr; a store that is already there grows.",
        ("nudge record --run runs/peg --episodes 20", "nudge record --env gym:pick-cube --run runs/cube"),
        _record,
        go_on="nudge record --run {run}",
    ),
    "pretrain": Verb(
        "sessions.pretrain",
        "clone a base policy from the demonstrations of a run",
        "Fits an action-chunked policy to DIR/demos.zarr and writes it to DIR/base.",
        (
            "nudge pretrain --run runs/peg",
            "nudge pretrain --from runs/peg --run runs/peg-corrected",
            "nudge pretrain --run runs/peg --external act.pt",
        ),
        _pretrain,
        go_on="nudge pretrain --run {run}",
    ),
    "finetune": Verb(
        "sessions.finetune",
        "a finetuning session on the robot: actor, learner and a person who intervenes",
        "Learns on top of DIR/base, a residual unless --preset says otherwise. Every acknowledged step\n"
        "is in DIR/online.zarr.",
        (
            "nudge finetune --run runs/peg",
            "nudge finetune --run runs/peg --resume",
            "nudge finetune --env gym:Pendulum-v1 --preset sac --run runs/pendulum",
        ),
        _finetune,
        go_on="nudge finetune --resume --run {run}",
    ),
    "evaluate": Verb(
        "sessions.evaluate",
        "evaluate without interventions, judged independently",
        "Runs the policy deterministically on fixed seeds and writes its success rate with a 95% interval.",
        ("nudge evaluate --run runs/peg --episodes 50", "nudge evaluate --run runs/peg --policy base"),
        _evaluate,
        go_on="nudge evaluate --policy {policy} --run {run}",
    ),
    "replay": Verb(
        "sessions.replay",
        "replay a recorded episode in simulation and measure the difference",
        "Sends the executed actions of one episode through a fresh simulation and compares the paths.",
        ("nudge replay --run runs/peg", "nudge replay --run runs/peg --store runs/peg/demos.zarr --episode 3"),
        _replay,
        go_on="nudge replay --run {run}",
    ),
    "doctor": Verb(
        "sessions.doctor",
        "check this machine and say what to do about each finding",
        "Checks Python, packages, name collisions, the ROS domain, its sockets, rendering, disk, shared memory,\n"
        "the clocks and whether control threads may have real-time priorities.",
        ("nudge doctor", "nudge doctor --json"),
        _doctor,
        has_config=False,
    ),
    "store": Group("look into stores, mend, change and exchange them", STORE_VERBS),
    "bench": Verb(
        "sessions.bench",
        "measure this machine against the targets of docs/benchmarks.md",
        "Runs a benchmark of benchmarks/ and shows its metrics, with baselines of the same run and targets.\n"
        "Exit status 1 where a target does not hold. --json gives one line a metric.",
        ("nudge bench control --quick", "nudge bench all --json"),
        _bench,
        has_config=False,
    ),
}
