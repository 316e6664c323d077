"""What somebody else's policy says that it takes and gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robot.errors import ConfigError, SpecError
from robot.specs import ArraySpec, RobotSpec


@dataclass(frozen=True)
class Declared:
    """What an external policy takes and gives.

    Attributes:
        observation: shape and dtype of each key that it looks at; a subset of the robot's.
        action_axes, action_scale, period_s: as in RobotSpec; its actions are normalised by them, within [-1, 1].
        chunk: actions that it predicts at once; execute_steps: of which so many are executed.
        ensembling: decay of temporal ensembling, with execute_steps=1; below 0 for none.
    """

    observation: dict[str, ArraySpec]
    action_axes: tuple[str, ...]
    action_scale: tuple[float, ...]
    period_s: float
    chunk: int = 1
    execute_steps: int = 1
    ensembling: float = -1.0

    @staticmethod
    def of(raw: Mapping[str, Any], place: str) -> Declared:
        """Return what a mapping declares: `observation` by key with `shape` and `dtype`, and the other attributes.

        Raises:
            ConfigError: something is missing, or there is something that nobody knows.
        """
        try:
            raw = dict(raw)
            keys = {key: ArraySpec(tuple(one["shape"]), one["dtype"]) for key, one in raw["observation"].items()}
            rest = {name: value for name, value in raw.items() if name != "observation"}
            axes, scale = tuple(rest.pop("action_axes")), tuple(float(one) for one in rest.pop("action_scale"))
            found = Declared(keys, axes, scale, **rest)
            counts = (found.chunk, found.execute_steps)
            if not keys or any(type(one) is not int or one < 1 for one in counts):
                raise TypeError(
                    f"observation must name a key, chunk and execute_steps be whole numbers; found {counts}"
                )
            if any(type(one) not in (int, float) for one in (found.period_s, found.ensembling)):
                raise TypeError("period_s and ensembling must be numbers")
            if not (0.0 < found.period_s < math.inf and -1.0 <= found.ensembling <= 10.0):
                raise ValueError("period_s must be above 0, ensembling from -1 to 10")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"{place} must declare observation (shape and dtype by key), action_axes, action_scale, period_s and, "
                f"for chunks, chunk and execute_steps; found {raw!r} ({error})."
            ) from error
        return found

    def require(self, spec: RobotSpec, place: str) -> None:
        """Raise SpecError, with both specs, unless the robot gives what it takes and takes what it gives."""
        seen = (*spec.seen_keys, *spec.image_keys)
        there = {key: (spec.observation[key].shape, spec.observation[key].dtype) for key in seen}
        odd = [k for k, wanted in self.observation.items() if there.get(k) != (wanted.shape, wanted.dtype)]
        ours = (spec.action_axes, spec.action_scale, spec.period_s)
        theirs = (self.action_axes, self.action_scale, self.period_s)
        if odd or ours != theirs:
            what = f"observation {', '.join(odd)}" if odd else "actions"
            raise SpecError(
                f"{place} does not fit this robot ({what}). It declares {_text(self.observation, *theirs)}; "
                f"{spec.name} has {_text(spec.observation, *ours)}."
            )


def _text(observation: Mapping[str, ArraySpec], axes: tuple[str, ...], scale: tuple[float, ...], period: float) -> str:
    keys = ", ".join(f"{key} {one.dtype}{list(one.shape)}" for key, one in observation.items())
    return f"[{keys}; axes {' '.join(axes)}, scale {list(scale)}, period {period} s]"
