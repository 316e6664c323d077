"""Translates gymnasium's spaces: observations into named arrays of a spec, actions from [-1, 1] into a box."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from robot.errors import SpecError
from robot.specs import ArraySpec
from robot.types import Observation


@dataclass(frozen=True)
class ActionBox:
    """Maps normalised actions (A,) in [-1, 1] to a Box: linearly where an axis is bounded, else as they are.

    Attributes:
        low, high: (A,) of the box, flattened; `shape` and `dtype` are the box's own.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @staticmethod
    def of(name: str, space: spaces.Space[Any]) -> ActionBox:
        """Return the map for an action space.

        Raises:
            SpecError: the space is no Box of numbers, or has no axis.
        """
        if not isinstance(space, spaces.Box) or not space.shape or 0 in space.shape:
            raise SpecError(
                f"{name} takes actions from {space}; nudge learns continuous actions only, so name an environment "
                "whose action space is a Box."
            )
        low, high = (np.asarray(bound, np.float64).ravel() for bound in (space.low, space.high))
        return ActionBox(low, high, space.shape, space.dtype)

    @property
    def size(self) -> int:
        return len(self.low)

    @property
    def is_bounded(self) -> NDArray[np.bool_]:
        return np.isfinite(self.low) & np.isfinite(self.high)

    def to_env(self, action: NDArray[np.float32]) -> NDArray[Any]:
        """Return the environment's action for a normalised one."""
        middle, half = self._middle_and_half()
        wide = np.clip(middle + half * np.asarray(action, np.float64), self.low, self.high)
        return wide.reshape(self.shape).astype(self.dtype)

    def from_env(self, action: NDArray[Any]) -> NDArray[np.float32]:
        """Return the normalised action for one of the environment's."""
        middle, half = self._middle_and_half()
        wide = np.asarray(action, np.float64).ravel()
        return np.clip((wide - middle) / np.where(half > 0, half, 1.0), -1.0, 1.0).astype(np.float32)

    def _middle_and_half(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        is_bounded = self.is_bounded
        low, high = np.where(is_bounded, self.low, -1.0), np.where(is_bounded, self.high, 1.0)
        return (low + high) / 2, (high - low) / 2


def observation_spec(name: str, space: spaces.Space[Any]) -> dict[str, ArraySpec]:
    """Return the arrays of an observation space by key.

    Pictures (uint8, H x W x 3) become "images/<key>", everything else float32 under its key; the keys of nested
    dictionaries are joined by "_". A Box that stands alone is called "state" or "images/image".

    Raises:
        SpecError: a part of it is no array of numbers.
    """
    return {_key(path, box): _array(box) for path, box in _boxes(name, "", space).items()}


def observation_of(observation: Any, spec: Mapping[str, ArraySpec]) -> Observation:
    """Return an environment's observation as the arrays of `spec`, copied."""
    found = _values("", observation)
    if "" in found:
        found = dict.fromkeys((key.removeprefix("images/") for key in spec), found[""])
    return {key: _array_of(key, found.get(key.removeprefix("images/")), array) for key, array in spec.items()}


def _array_of(key: str, value: Any, spec: ArraySpec) -> NDArray[Any]:
    if value is None or np.size(value) != math.prod(spec.shape):
        raise SpecError(
            f"The environment's observation {key!r} must be {list(spec.shape)}, as its space says; found "
            f"{'none' if value is None else list(np.shape(value))}."
        )
    return np.array(value, dtype=spec.dtype).reshape(spec.shape)


def _boxes(name: str, path: str, space: spaces.Space[Any]) -> dict[str, spaces.Space[Any]]:
    if isinstance(space, spaces.Dict):
        found: dict[str, spaces.Space[Any]] = {}
        for key, part in space.spaces.items():
            found |= _boxes(name, _join(path, key), part)
        return found
    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        return {path: space}
    raise SpecError(
        f"{name} observes {space}{f' as {path!r}' if path else ''}; nudge takes arrays of numbers (Box) and "
        "dictionaries of them, so wrap the environment or name another."
    )


def _values(path: str, observation: Any) -> dict[str, Any]:
    if isinstance(observation, Mapping):
        found: dict[str, Any] = {}
        for key, part in observation.items():
            found |= _values(_join(path, key), part)
        return found
    return {path: observation}


def _join(path: str, key: str) -> str:
    return f"{path}_{key}" if path else str(key)


def _key(path: str, space: spaces.Space[Any]) -> str:
    return f"images/{path or 'image'}" if _is_image(space) else path or "state"


def _array(space: spaces.Space[Any]) -> ArraySpec:
    shape = tuple(int(side) for side in space.shape or ()) or (1,)
    return ArraySpec(shape, "uint8", "RGB") if _is_image(space) else ArraySpec(shape, "float32")


def _is_image(space: spaces.Space[Any]) -> bool:
    shape = space.shape or ()
    return space.dtype == np.uint8 and len(shape) == 3 and shape[-1] == 3
