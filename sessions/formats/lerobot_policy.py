"""LeRobot's policy directories as base policies: turned into TorchScript once, by an environment that has lerobot.

What acts on the robot afterwards is that file; lerobot itself, which holds torch back, is never near it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from robot.errors import ConfigError, SpecError
from robot.specs import RobotSpec
from sessions.formats.lerobot_carry import IMAGES, STATE, names, state_keys

PYTHON = "NUDGE_LEROBOT_PYTHON"
"""Variable that names an interpreter with lerobot."""

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "policies" / "lerobot_trace.py"
LONGEST_S = 900.0

KINDS = ("act",)
"""Kinds of policies that are a function of one observation, and draw no random numbers."""

NEEDED = ("input_features", "output_features", "chunk_size", "n_action_steps")

SOURCES = "nudge.json"
"""File in the directory that says, by the policy's inputs, of which of the robot's observations they are made."""


def converted(directory: Path, spec: RobotSpec, out: Path) -> Path:
    """Return a TorchScript file in `out`, with its declaration beside it, for `policies.external`.

    The state is what `nudge store export --format lerobot` makes of it: the robot's float32 vectors, one after the
    other, in the spec's order; a picture `observation.images.<camera>` is the robot's `images/<camera>`. `SOURCES` may
    say otherwise.

    Args:
        directory: with config.json and model.safetensors, as `save_pretrained` leaves them.
        spec: of the robot; axes, scale and period of the actions, of which the directory says nothing, are the robot's.

    Raises:
        ConfigError: it is no such directory, or of a kind that cannot be taken, or nothing here has lerobot.
        SpecError: it is for another robot.
    """
    config = _read(directory)
    sources = _sources(directory, config, spec)
    file = out / "lerobot.pt"
    _trace(directory, sources, spec, file)
    used = [key for source in sources.values() for key in ([source] if isinstance(source, str) else source)]
    declared = {
        "observation": {
            k: {"shape": list(spec.observation[k].shape), "dtype": spec.observation[k].dtype} for k in used
        },
        "action_axes": list(spec.action_axes),
        "action_scale": list(spec.action_scale),
        "period_s": spec.period_s,
        "chunk": int(config["chunk_size"]),
        "execute_steps": int(config["n_action_steps"]),
    }
    decay = config.get("temporal_ensemble_coeff")
    file.with_name(file.name + ".json").write_text(
        json.dumps(declared | ({} if decay is None else {"ensembling": decay}))
    )
    return file


def _read(directory: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((directory / "config.json").read_text())
        kind = config["type"]
        missing = [key for key in NEEDED if kind in KINDS and key not in config]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{directory} is no policy directory of LeRobot: config.json with a type is what makes one ({error!r})."
        ) from error
    if kind not in KINDS:
        raise ConfigError(
            f"{directory} is a policy of LeRobot's type {kind!r}; taken are {', '.join(KINDS)}: a base has to do the "
            "same for the same observation, and others draw random numbers or remember."
        )
    if missing:
        raise ConfigError(f"{directory / 'config.json'} lacks {', '.join(missing)}; copy the directory again.")
    if config.get("n_obs_steps", 1) != 1:
        raise ConfigError(f"{directory} looks at {config['n_obs_steps']} observations at once; only 1 can be taken.")
    try:
        shapes = [tuple(config["output_features"]["action"]["shape"])]
        shapes += [tuple(feature["shape"]) for feature in config["input_features"].values()]
        counts = [int(config["chunk_size"]), int(config["n_action_steps"])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{directory / 'config.json'} cannot be understood ({error!r}); copy it again.") from error
    if not shapes[1:] or min(counts) < 1:
        raise ConfigError(f"{directory / 'config.json'} names no input, or a chunk without actions; copy it again.")
    return config


def _sources(directory: Path, config: dict[str, Any], spec: RobotSpec) -> dict[str, str | list[str]]:
    """Return, by the policy's inputs, of which keys they are made: a picture of one, a vector of several."""
    wanted = {name: tuple(feature["shape"]) for name, feature in config["input_features"].items()}
    action = tuple(config["output_features"]["action"]["shape"])
    chosen = _chosen(directory, wanted)
    keys = {name: key for key, name in names(spec).items()}
    found: dict[str, str | list[str]] = {}
    odd = []
    for name, shape in wanted.items():
        default: Any = list(state_keys(spec)) if name == STATE else keys.get(name)
        source = chosen.get(name, [default] if isinstance(default, str) and not name.startswith(IMAGES) else default)
        if source is None or shape != _shape(source, spec):
            odd.append(name)
            continue
        found[name] = source
    if odd or action != (spec.action_size,):
        what = ", ".join(odd) if odd else "action"
        ours = {name: list(spec.observation[key].shape) for key, name in names(spec).items()}
        raise SpecError(
            f"{directory} does not fit this robot ({what}). It takes {_text(wanted)} and gives actions {list(action)}; "
            f"{spec.name} has {ours}, {STATE} being {list(state_keys(spec))}, and takes {[spec.action_size]}. "
            f"{directory / SOURCES} may say of which of the robot's keys an input is made."
        )
    return found


def _chosen(directory: Path, wanted: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    path = directory / SOURCES
    if not path.exists():
        return {}
    try:
        chosen: dict[str, Any] = json.loads(path.read_text())
        unknown = set(dict(chosen)) - set(wanted)
        odd = [name for name, source in chosen.items() if not _is_source(source)]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} must be a JSON object by the policy's inputs; found {error}.") from error
    if odd:
        raise ConfigError(
            f"{path} must give a key, or a list of keys, for each input; {odd[0]} has {chosen[odd[0]]!r}."
        )
    if unknown:
        raise ConfigError(f"{path} names {sorted(unknown)}; the policy's inputs are {sorted(wanted)}.")
    return chosen


def _is_source(source: Any) -> bool:
    return isinstance(source, str) or (isinstance(source, list) and all(isinstance(key, str) for key in source))


def _shape(source: Any, spec: RobotSpec) -> tuple[int, ...] | None:
    """Return the shape of what is made of a source; None where the robot does not have it."""
    keys = [source] if isinstance(source, str) else list(source)
    if any(key not in (*spec.seen_keys, *spec.image_keys) for key in keys):
        return None
    arrays = [spec.observation[key] for key in keys]
    if isinstance(source, str):
        return (3, *arrays[0].shape[:2]) if source in spec.image_keys else None
    if any(array.dtype != "float32" or len(array.shape) != 1 for array in arrays):
        return None
    return (sum(array.shape[0] for array in arrays),)


def _text(wanted: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in wanted.items())


def _trace(directory: Path, sources: dict[str, str | list[str]], spec: RobotSpec, file: Path) -> None:
    python = os.environ.get(PYTHON, str(ROOT / ".venv-lerobot" / "bin" / "python"))
    asked = json.dumps({"sources": sources, "shapes": {key: spec.observation[key].shape for key in spec.observation}})
    try:
        done = subprocess.run(
            [python, str(PROGRAM), str(directory), str(file)],
            input=asked,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise ConfigError(
            f"{directory} needs an environment with lerobot, and there is no {python}: make lerobot-setup, or name an "
            f"interpreter by {PYTHON}."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"{python} took more than {LONGEST_S:.0f} s to convert {directory}; nothing was taken."
        ) from error
    if done.returncode != 0 or not file.exists():
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ConfigError(f"{python} could not convert {directory}: {why}")
