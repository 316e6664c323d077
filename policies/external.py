"""Base policies of other people: TorchScript or ONNX files, and Python callables, behind the same queue as our own.

Whatever it is, it says what it takes and gives (`Declared`), and is asked for observations as they are:

    chunks = predict({"images/front": uint8 (B, H, W, 3), "joint_positions": float32 (B, 7)})      # (B, H, A) or (B, A)
"""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policies.base import BasePolicy
from policies.declared import Declared
from policies.external_files import Arrays, Predict, last_line, onnx, torchscript
from policies.jsonfile import read_json, write_json
from policies.perception import Percept, in_parts, pictures_of, with_final
from policies.plans import Plans
from robot.errors import ConfigError, SpecError
from robot.specs import RobotSpec
from robot.store import Episode
from robot.types import NO_VERSION, Decision, Observation, Source

Float = NDArray[np.float32]

SIDECAR = ".json"
"""What is put behind a file's name for the file that declares it."""
FILE = "external.json"

SAME = 1e-3
"""Relative difference between two answers to one observation that rounding alone explains."""
FAR = 30.0
"""An action beyond this is one in other units, whatever it was asked."""


class ExternalPolicy:
    """A base policy that somebody else made: `robot.interfaces.Policy`, and all that a residual needs of a base.

    Args:
        spec: of the robot.
        declared: what it takes and gives.
        predict: see the module's docstring.
        name: of the file or callable; part of its digest.
        content: digest of the file's content.

    Raises:
        SpecError: it is for another robot.
    """

    perception = None
    """A learner does not see through its eyes."""
    eyes = None
    features = None
    """A learner's features have their default scales."""

    def __init__(self, spec: RobotSpec, declared: Declared, predict: Predict, name: str, content: str = "") -> None:
        declared.require(spec, name)
        self.spec, self.declared, self._predict = spec, declared, predict
        self._name, self._content = name, content
        self._plans = Plans(declared.chunk, spec.action_size, declared.execute_steps, declared.ensembling)
        self._absent = np.full(spec.action_size, np.nan, np.float32)

    @property
    def phases(self) -> int:
        return self.declared.execute_steps

    def reset(self, seed: int) -> None:
        """Begin an episode; it is taken to draw no random numbers."""
        self.replan()

    def replan(self) -> None:
        self._plans.clear()

    def act(self, observation: Observation) -> Decision:
        if self._plans.is_empty:
            self._plans.put(self.predict({key: observation[key][None] for key in self.declared.observation})[0])
        base, phase = self._plans.next()
        return Decision(base, base, self._absent, phase, NO_VERSION)

    def predict(self, observations: Arrays) -> Float:
        """Return chunks (B, H, A) within [-1, 1].

        Raises:
            SpecError: it fails, or what it gives has another shape than it declares, or is no number.
        """
        return np.clip(self._asked(observations), -1.0, 1.0) + np.float32(0.0)

    def _asked(self, observations: Arrays) -> Float:
        """Return the chunks (B, H, A) that it gives; raises as `predict`."""
        try:
            given = np.asarray(self._predict(observations), np.float32)
        except Exception as error:
            raise SpecError(f"{self._name} failed when it was asked: {last_line(error)}") from error
        count, shape = len(next(iter(observations.values()))), (self.declared.chunk, self.spec.action_size)
        if self.declared.chunk == 1 and given.shape == (count, shape[1]):
            given = given[:, None]
        if given.shape != (count, *shape):
            raise SpecError(
                f"{self._name} must give actions {[count, *shape]}; found {list(given.shape)}. Declare its chunk."
            )
        if not np.all(np.isfinite(given)):
            raise SpecError(f"{self._name} gave an action that is not finite; nothing was executed of it.")
        return given

    def try_out(self) -> None:
        """Ask it about random observations, one at a time and three at once.

        Raises:
            SpecError: what `predict` raises; or the same observation does not always give the same actions, so that
                what it did could not be told afterwards; or they are in other units.
        """
        rng = np.random.default_rng(0)
        some = {key: _random(rng, (3, *one.shape), one.dtype) for key, one in self.declared.observation.items()}
        order = [0, 1, 2, 0]
        alone = [self._asked({key: rows[i : i + 1] for key, rows in some.items()})[0] for i in order]
        together = self._asked(some)
        gap, largest = float(np.abs(np.stack(alone) - together[order]).max()), float(np.abs(together).max())
        if gap > SAME * (1.0 + largest):
            raise SpecError(
                f"{self._name} gave actions that differ by {gap:.2g} for the same observation, asked again or beside "
                "others. A base must be a function of one observation: no chance, no memory, no statistics of a batch."
            )
        if largest > FAR:
            raise SpecError(
                f"{self._name} gave an action of {largest:.3g}; actions are normalised, within [-1, 1]. "
                "Divide them by the robot's action_scale."
            )

    def relabel(self, episode: Episode, seen: Percept | None = None) -> tuple[Float, NDArray[np.int64]]:
        """Return base actions (T+1, A) and chunk phases (T+1,), as `BasePolicy.relabel`."""
        states = with_final(episode)
        whole = {
            key: pictures_of(episode, key) if key.startswith("images/") else states[key]
            for key in self.declared.observation
        }
        chunks = np.concatenate([self.predict(some) for some in in_parts(whole)])
        return self._plans.labels(chunks, episode.source[: episode.transitions] == Source.HUMAN)

    def digest(self) -> str:
        """Return 16 hex digits of its declaration, name and content."""
        text = json.dumps([asdict(self.declared), self._name, self._content], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> NDArray[np.generic]:
    if dtype == "uint8":
        return rng.integers(0, 256, shape, np.uint8)
    return rng.standard_normal(shape).astype(dtype)


Base = BasePolicy | ExternalPolicy
"""What a residual stands on."""


def load_base(directory: Path, spec: RobotSpec) -> Base:
    """Read the base policy that `nudge pretrain` left in `directory`, our own or an external one.

    Raises:
        StoreError, SpecError, ConfigError: as `BasePolicy.load` and `load_external` say.
    """
    named = read_json(Path(directory) / FILE)
    if named is None:
        return BasePolicy.load(directory, spec)
    place = named.get("place")
    if not isinstance(place, str) or not place:
        raise ConfigError(f"{Path(directory) / FILE} names no policy; take it again: nudge pretrain --external PLACE.")
    return load_external(place if ":" in place else str(Path(directory) / Path(place).name), spec)


def adopt(place: str, spec: RobotSpec, directory: Path) -> ExternalPolicy:
    """Make the policy at `place` the base in `directory`: files are copied there, a callable is named.

    Raises:
        ConfigError, SpecError: as `load_external` says; nothing is written then.
    """
    policy = load_external(place, spec)
    policy.try_out()
    directory.mkdir(parents=True, exist_ok=True)
    name, kept = place, {FILE}
    if Path(place).is_file():
        name = Path(place).name
        for file in (Path(place), Path(place).with_name(name + SIDECAR)):
            shutil.copyfile(file, directory / file.name)
            kept.add(file.name)
    write_json(directory / FILE, {"place": name})
    leave_only(directory, kept)
    return policy


def leave_only(directory: Path, kept: set[str]) -> None:
    """Remove the files of the base policy that was there before; `kept` are those of the present one."""
    for path in directory.iterdir():
        if path.is_file() and path.name not in kept:
            path.unlink()


def load_external(place: str, spec: RobotSpec) -> ExternalPolicy:
    """Return the policy at `place`: a TorchScript file (.pt), an ONNX file (.onnx), or module:attribute.

    A file is declared by `<file>.json` beside it, a callable by its attribute `declared` (a mapping).

    Raises:
        ConfigError: it is not there, not declared, or needs a package that is not installed.
        SpecError: it is for another robot.
    """
    if ":" in place and not Path(place).exists():
        return _of_callable(place, spec)
    path = Path(place)
    if path.suffix == SIDECAR:
        raise ConfigError(f"{place} is a declaration; name the file that it declares, {path.with_suffix('')}.")
    if not path.is_file():
        raise ConfigError(
            f"{place} is no file; name a TorchScript file (.pt), an ONNX file (.onnx), or module:callable."
        )
    sidecar = path.with_name(path.name + SIDECAR)
    try:
        raw = json.loads(sidecar.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{place} must be declared in {sidecar}, which cannot be read ({error}); docs/policies.md says how."
        ) from error
    predict = onnx(path) if path.suffix == ".onnx" else torchscript(path)
    content = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return ExternalPolicy(spec, Declared.of(raw, str(sidecar)), predict, path.name, content)


def _of_callable(place: str, spec: RobotSpec) -> ExternalPolicy:
    module, _, name = place.partition(":")
    try:
        predict = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise ConfigError(f"{place} is not to be had ({last_line(error)}); name module:callable.") from error
    if not hasattr(predict, "declared"):
        raise ConfigError(
            f"{place} must declare what it takes and gives in an attribute `declared`, a mapping; docs/policies.md "
            "says which."
        )
    source = getattr(sys.modules[module], "__file__", None)
    content = hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16] if source else ""
    return ExternalPolicy(spec, Declared.of(predict.declared, place), predict, place, content)
