"""What arrays a robot gives and takes: shapes, types, units and frames, with a digest that names the robot."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

import numpy as np

from robot.errors import SpecError
from robot.types import Observation

GRIPPER = "gripper"

TRUTH = "truth/"
"""Prefix of keys of an observation that only a simulation has, and that nobody who acts may see."""


@dataclass(frozen=True)
class ArraySpec:
    """Shape, numpy dtype name, unit and frame of one array."""

    shape: tuple[int, ...]
    dtype: str
    unit: str = ""
    frame: str = ""

    def check(self, name: str, value: np.ndarray) -> None:
        """Raise SpecError unless `value` has this shape and dtype and (if floating) is finite."""
        if value.shape != self.shape or value.dtype != np.dtype(self.dtype):
            raise SpecError(f"{name} must be {self.dtype}{list(self.shape)}; found {value.dtype}{list(value.shape)}.")
        if value.dtype.kind == "f" and not np.all(np.isfinite(value)):
            raise SpecError(f"{name} must be finite; found NaN or infinity at {_first_bad(value)}.")


@dataclass(frozen=True)
class RobotSpec:
    """A robot and its task as the data sees them.

    Attributes:
        name: robot and task, for example "sim_panda/peg_insertion".
        observation: spec by key; image keys start with "images/".
        action_axes: names of the action's components, of an arm a subset of x y z rx ry rz (base frame); one that is
            called gripper opens and closes it between -1 and 1.
        action_scale: metres or radians per control period at |a| = 1, one per axis.
        period_s: control period.
    """

    name: str
    observation: dict[str, ArraySpec]
    action_axes: tuple[str, ...]
    action_scale: tuple[float, ...]
    period_s: float

    @property
    def action_size(self) -> int:
        return len(self.action_axes)

    @property
    def gripper_axis(self) -> int:
        """Index of the action's axis that is called gripper; -1 where there is none."""
        return self.action_axes.index(GRIPPER) if GRIPPER in self.action_axes else -1

    @property
    def image_keys(self) -> tuple[str, ...]:
        return tuple(k for k in self.observation if k.startswith("images/"))

    @property
    def state_keys(self) -> tuple[str, ...]:
        return tuple(k for k in self.observation if not k.startswith("images/"))

    @property
    def truth_keys(self) -> tuple[str, ...]:
        return tuple(k for k in self.observation if k.startswith(TRUTH))

    @property
    def seen_keys(self) -> tuple[str, ...]:
        """State keys that whoever acts sees."""
        return tuple(k for k in self.state_keys if not k.startswith(TRUTH))

    def difference(self, other: RobotSpec) -> str:
        """Return in a few words what of another spec is not as here; empty where all is."""
        keys = self.observation.keys() | other.observation.keys()
        odd = sorted(key for key in keys if self.observation.get(key) != other.observation.get(key))
        parts = [f"observation {', '.join(odd)}"] if odd else []
        names = ("name", "action_axes", "action_scale", "period_s")
        return "; ".join([*parts, *(name for name in names if getattr(self, name) != getattr(other, name))])

    def told(self) -> RobotSpec:
        """Return the spec of the same robot to one that is told the truth: its keys stand for what is only seen."""
        known = {k.removeprefix(TRUTH): spec for k, spec in self.observation.items() if k.startswith(TRUTH)}
        seen = {k: spec for k, spec in self.observation.items() if not k.startswith(TRUTH)}
        return replace(self, observation=seen | known)

    def check(self, observation: Observation) -> None:
        """Raise SpecError unless `observation` has exactly the keys and arrays declared."""
        if observation.keys() != self.observation.keys():
            missing = sorted(self.observation.keys() - observation.keys())
            extra = sorted(observation.keys() - self.observation.keys())
            raise SpecError(f"Observation of {self.name}: missing {missing}, unexpected {extra}.")
        for key, spec in self.observation.items():
            spec.check(key, np.asarray(observation[key]))

    def to_json(self) -> str:
        """Return JSON text that keeps the order of the keys, since `state_keys` depends on it."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> RobotSpec:
        raw = json.loads(text)
        keys = {
            k: ArraySpec(tuple(v["shape"]), v["dtype"], v["unit"], v["frame"]) for k, v in raw["observation"].items()
        }
        return RobotSpec(raw["name"], keys, tuple(raw["action_axes"]), tuple(raw["action_scale"]), raw["period_s"])

    def digest(self) -> str:
        """Return 16 hex digits that differ whenever any part of the spec does, the order of keys apart."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _first_bad(value: np.ndarray) -> list[int]:
    return [int(i) for i in np.argwhere(~np.isfinite(value))[0]]
