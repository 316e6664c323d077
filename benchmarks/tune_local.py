"""Runs the demo's learning in one process, without ROS 2: demonstrations, cloning, finetuning, evaluation.

    python benchmarks/tune_local.py --seed 0 --out /tmp/tune

prints one JSON line a phase; `--set learner.actor_rate=1e-4` overrides a setting of the finetuning.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from policies.base import BasePolicy
from policies.bc import BCConfig, train_base
from policies.residual import ResidualPolicy
from policies.training import Training, TrainingConfig
from policies.weights import WeightsDirectory
from robot.actions import ActionMap
from robot.arm_server import ArmServer, ArmServerConfig
from robot.env import RobotEnv
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.interfaces import Policy
from robot.local import LocalRobot
from robot.loop import EpisodeSummary, HoldPolicy, run_episode
from robot.mux import CommandMux
from robot.observe import observation_spec
from robot.reset import ResetConfig
from robot.safety import Governor, SafetyConfig
from robot.specs import RobotSpec
from robot.store import StoreReader, StoreSettings, StoreWriter
from sessions.statistics import wilson
from teleop.operator import SimulatedOperator
from teleop.operator_config import OperatorConfig

AXES, SCALE, PERIOD_S, MAX_STEPS = ("x", "y", "z", "rz"), (0.02, 0.02, 0.02, 0.1), 0.1, 80
SEED_DEMO, SEED_ONLINE, SEED_EVALUATE = 1_000_000, 2_000_000, 3_000_000
"""Offsets that keep the episodes of the phases apart, whatever the seed."""


class Cell:
    """The robot in process and its stores under one folder."""

    def __init__(self, out: Path, seed: int, sim: SimConfig, operator: OperatorConfig) -> None:
        arm = MujocoArm(sim)
        server = ArmServer(arm, CartesianImpedance(ImpedanceConfig()), ArmServerConfig())
        server.connect()
        quaternion = server.snapshot().T_base_tool.quaternion
        actions = ActionMap(AXES, SCALE, tuple(float(v) for v in quaternion))
        mux = CommandMux(actions, Governor(SafetyConfig()))
        self.spec = RobotSpec("sim_panda/peg_insertion", observation_spec((), 128), AXES, SCALE, PERIOD_S)
        self.robot = LocalRobot(server, arm, mux, actions, ResetConfig(), PERIOD_S, SimulatedOperator(operator, seed))
        self.out, self.seed = out, seed

    def play(self, name: str, role: str, policy: Policy, seeds: list[int], judge: str, each: Any = None) -> list[Any]:
        """Play one episode per seed into the store `name`; `each(index, summary)` may return True to end early."""
        self.robot.role = role
        env = RobotEnv(self.robot, self.spec, MAX_STEPS, judge)
        summaries: list[EpisodeSummary] = []
        fast = StoreSettings(is_commit_synced=False)
        with StoreWriter.open(self.out / name, self.spec, {}, fast) as sink:
            for index, seed in enumerate(seeds):
                summary = run_episode(env, policy, sink, seed, {"role": role})
                summaries.append(summary)
                if each and each(index, summary):
                    break
        return summaries

    def episodes(self, name: str) -> list[Any]:
        reader = StoreReader.open(self.out / name)
        return [reader.episode(i) for i in range(len(reader))]


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def outcome(summaries: list[EpisodeSummary], wall_s: float) -> dict[str, Any]:
    good = sum(s.is_success for s in summaries)
    _, _, low, high = wilson(good, len(summaries))
    return {
        "successes": good,
        "episodes": len(summaries),
        "low": round(low, 3),
        "high": round(high, 3),
        "steps": float(np.mean([s.steps for s in summaries])),
        "human_share": round(sum(s.human_steps for s in summaries) / sum(s.steps for s in summaries), 3),
        "interventions": sum(s.interventions for s in summaries),
        "wall_s": round(wall_s, 1),
    }


def finetune(cell: Cell, base: BasePolicy, config: TrainingConfig, every: int, episodes: int) -> ResidualPolicy:
    """Alternate one episode and the updates owed for it until `config.total_steps` robot steps."""
    training = Training(base, cell.episodes("demos.zarr"), config)
    weights = WeightsDirectory(cell.out / "weights")
    digest = cell.spec.digest()
    weights.publish(0, training.actor_tensors(), digest)
    policy = ResidualPolicy(base, config.residual, weights)
    policy.load_weights(0)
    reader: StoreReader | None = None
    begun, learnt_s, window = time.time(), 0.0, []

    def each(index: int, summary: EpisodeSummary) -> bool:
        nonlocal reader, learnt_s, window
        reader = reader or StoreReader.open(cell.out / "online.zarr")
        reader.refresh()
        start = time.time()
        metrics = training.take(reader.episode(index))
        learnt_s += time.time() - start
        weights.publish(training.version, training.actor_tensors(), digest)
        policy.load_weights(training.version)
        window.append(summary)
        if len(window) == every or training.is_finished:
            short = {k: round(v, 4) for k, v in metrics.items()}
            own = sum(s.is_success and not s.human_steps for s in window)
            say(phase="finetune", **outcome(window, time.time() - begun), own=own, learnt_s=round(learnt_s), **short)
            window = []
        return training.is_finished

    seeds = [SEED_ONLINE + 10_000 * cell.seed + i for i in range(episodes)]
    cell.play("online.zarr", "supervise", policy, seeds, "operator", each)
    return policy


def nested(config: Any, overrides: list[str]) -> Any:
    """Return `config` with dotted `key=value` overrides applied."""
    for text in overrides:
        key, _, value = text.partition("=")
        config = _replace(config, key.split("."), yaml.safe_load(value))
    return config


def _replace(config: Any, path: list[str], value: Any) -> Any:
    if len(path) > 1:
        value = _replace(getattr(config, path[0]), path[1:], value)
    elif isinstance(getattr(config, path[0]), tuple):
        value = tuple(float(v) if isinstance(getattr(config, path[0])[0], float) else v for v in value)
    elif isinstance(getattr(config, path[0]), float):
        value = float(value)
    return dataclasses.replace(config, **{path[0]: value})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for stores and weights; must be new")
    parser.add_argument("--demos", type=int, default=20)
    parser.add_argument("--evaluate", type=int, default=50)
    parser.add_argument("--until", choices=("demos", "base", "all"), default="all")
    parser.add_argument("--every", type=int, default=10, help="episodes per printed line of the finetuning")
    for name in ("set", "bc", "sim", "operator"):
        parser.add_argument(f"--{name}", nargs="*", default=[], help="overrides, key=value")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sim, operator = nested(SimConfig(), args.sim), nested(OperatorConfig(), args.operator)
    cell = Cell(args.out, args.seed, sim, operator)
    start = time.time()
    if not (args.out / "demos.zarr").exists():
        seeds = [SEED_DEMO + 10_000 * args.seed + i for i in range(args.demos)]
        demos = cell.play("demos.zarr", "demonstrate", HoldPolicy(len(AXES)), seeds, "operator")
        say(phase="record", seed=args.seed, **outcome(demos, time.time() - start))
    if args.until == "demos":
        return
    start = time.time()
    base, metrics = train_base(cell.episodes("demos.zarr"), cell.spec, nested(BCConfig(), args.bc), args.seed)
    base.save(args.out / "base")
    say(phase="pretrain", wall_s=round(time.time() - start, 1), **metrics)
    held_out = [SEED_EVALUATE + 10_000 * args.seed + i for i in range(args.evaluate)]
    start = time.time()
    say(phase="evaluate_base", **outcome(cell.play("base.zarr", "watch", base, held_out, "truth"), time.time() - start))
    if args.until == "base":
        return
    config = nested(TrainingConfig(seed=args.seed), args.set)
    policy = finetune(cell, base, config, args.every, 100_000)
    policy.deterministic = True
    start = time.time()
    final = cell.play("final.zarr", "watch", policy, held_out, "truth")
    say(phase="evaluate_final", seed=args.seed, **outcome(final, time.time() - start))


if __name__ == "__main__":
    main()
