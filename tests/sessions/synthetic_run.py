"""Writes a run directory as a demo leaves it, from made-up numbers, so that reports can be tested without a robot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from robot.specs import ArraySpec, RobotSpec
from robot.store import StoreWriter
from robot.types import Decision, FinalRecord, Label, Observation, Source, StepRecord, StepTiming
from sessions.config_yaml import to_yaml
from sessions.run_config import RunConfig
from sessions.statistics import wilson


def write_run(path: Path, episodes: int = 6, evaluations: int = 4, image_size: int = 32, steps: int = 5) -> Path:
    """Write a whole run: `episodes` of finetuning, two evaluations of `evaluations` with images, metrics, replay."""
    random = np.random.default_rng(7)
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text(to_yaml(RunConfig()))
    lines = [_line("record", i, True, steps, random) for i in range(4)]
    lines += [_line("evaluate_base", i, i % 2 == 0, steps, random) for i in range(evaluations)]
    lines += [
        _line("finetune", i, random.random() < 0.5 + 0.5 * i / episodes, steps, random, human=0.5 * (1 - i / episodes))
        for i in range(episodes)
    ]
    lines += [_line("evaluate_final", i, True, steps, random) for i in range(evaluations)]
    write_lines(path / "metrics" / "episodes.jsonl", lines)
    write_lines(
        path / "metrics" / "phases.jsonl",
        [
            {"phase": "record", "seed": 0, "wall_s": 61.2, "what": "20 demonstrations <by> the operator", "steps": 812},
            {"phase": "pretrain", "seed": 0, "wall_s": 24.8, "what": "Base policy cloned", "loss": 0.01234567},
            {"phase": "finetune", "seed": 0, "wall_s": 300.5, "what": "Residual on top of the base policy"},
        ],
    )
    for name, flags in (("base", [i % 2 == 0 for i in range(evaluations)]), ("final", [True] * evaluations)):
        rate = wilson(sum(flags), evaluations)
        write_json(
            path / "evaluation" / f"{name}.json",
            {**rate._asdict(), "seed": 0, "episode_seeds": [100, 101], "interventions": 0},
        )
        write_store(path / f"eval_{name}.zarr", flags, image_size, steps, is_realtime=name == "final")
    write_lines(
        path / "metrics" / "stops.jsonl",
        [
            {
                "stamp_ns": 1_700_000_000_000_000_000,
                "phase": "finetune",
                "episode": 2,
                "step": 17,
                "mode": "soft_stop",
                "event": "sensor_frozen",
                "cause": "camera_front <repeats> the same picture since 0.16 s.",
            }
        ],
    )
    error = np.abs(np.cumsum(random.normal(0, 0.02, 40)))
    replay = {"episode": 3, "stamps_s": np.arange(40) * 0.1, "position_error_mm": error, "max_error_mm": error.max()}
    write_json(path / "replay" / "replay.json", {**replay, "verdict": "reproduced"})
    return path


def write_store(
    path: Path, successes: list[bool], image_size: int, steps: int, is_realtime: bool = False, is_dead: bool = False
) -> None:
    """Write one episode for each flag, with seeds 100, 101, ... and a moving square as images.

    Where the session `is_dead`, its last episode is not committed.
    """
    image = ArraySpec((image_size, image_size, 3), "uint8")
    observation = {"tool_pose": ArraySpec((7,), "float32", "m", "base"), "images/front": image, "images/wrist": image}
    spec = RobotSpec("synthetic/peg", observation, ("x", "y"), (0.02, 0.02), 0.1)
    nothing = np.zeros(2, np.float32)
    with StoreWriter.open(path, spec, {}) as writer:
        for index, is_success in enumerate(successes):
            writer.begin(100 + index, {"phase": "evaluate"})
            for step in range(steps):
                is_last = step == steps - 1
                writer.append(
                    StepRecord(
                        _observation(step, steps, image_size),
                        (step + 1) * 100_000_000,
                        {},
                        Decision(nothing, nothing, nothing),
                        nothing,
                        Source.POLICY,
                        Label.NONE,
                        0,
                        is_terminated=is_last and is_success,
                        is_truncated=is_last and not is_success,
                        is_aborted=False,
                        is_success=is_last and is_success,
                        timing=timing(index * steps + step) if is_realtime else StepTiming.simulated(10**9),
                    )
                )
            if is_dead and index == len(successes) - 1:
                return
            writer.commit(FinalRecord(_observation(steps, steps, image_size), (steps + 1) * 100_000_000, nothing))


def timing(number: int) -> StepTiming:
    """Return a real-time step's timing: 30 ms to the observation, then 2, 3 and `number` + 1 ms; every 4th is late.

    Of step 1 nobody has told what became of its command.
    """
    start_ns = 1_700_000_000_000_000_000 + number * 100_000_000
    captured, observed, decided, commanded = (start_ns + 1_000_000 * ms for ms in (0, 30, 32, 35))
    executed = commanded + 1_000_000 * (number + 1)
    late_ns = 11_000_000 if number % 4 == 3 else 100_000
    if number == 1:
        return StepTiming(captured, observed, decided, late_ns=late_ns)
    return StepTiming(captured, observed, decided, commanded, executed, late_ns)


def _observation(step: int, steps: int, size: int) -> Observation:
    front = np.full((size, size, 3), (60, 70, 90), np.uint8)
    left = round(0.7 * size * step / steps)
    front[size // 3 : size // 2, left : left + size // 4] = (224, 122, 38)
    wrist = np.full((size, size, 3), (120, 130, 120), np.uint8)
    return {"tool_pose": np.zeros(7, np.float32), "images/front": front, "images/wrist": wrist}


def _line(
    phase: str, index: int, success: bool, steps: int, random: np.random.Generator, human: float = 0.0
) -> dict[str, object]:
    human_steps = int(random.binomial(steps, human))
    return {
        "phase": phase,
        "index": index,
        "seed": 100 + index,
        "steps": steps,
        "success": bool(success),
        "human_steps": human_steps,
        "interventions": min(human_steps, int(random.integers(1, 3))),
        "robot_steps": (index + 1) * steps,
        "weights_version": index,
        "wall_s": 0.02 * steps + 0.1,
        "sim_s": 0.1 * steps,
        "step_ms": random.lognormal(2.3, 0.25, steps).round(3).tolist(),
        "reset_s": 0.05,
        "wait_s": 0.03 if phase == "finetune" else 0.0,
    }


def write_lines(file: Path, rows: list[dict[str, object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_json(file: Path, value: dict[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({k: v.tolist() if hasattr(v, "tolist") else v for k, v in value.items()}))
