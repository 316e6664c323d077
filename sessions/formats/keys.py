"""Legal names in a store for foreign ones: cameras as images/<name>, no name twice, none that the store itself uses."""

from __future__ import annotations

import re

from robot.errors import StoreError
from robot.specs import ArraySpec, RobotSpec
from robot.store.schema import Schema
from sessions.formats.guard import MAX_SIDE, require

_NUMBERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
_MOST_KEYS = 1000
MOST_AXES = 4096
_RESERVED = frozenset(Schema(RobotSpec("", {}, ("a0",), (1.0,), 1.0)).step_names) | {"observation", "images"}


class Names:
    """Gives out the names of a store, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, foreign: str, is_image: bool) -> str:
        """Return the store's key for an array that is called `foreign` elsewhere."""
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", foreign).strip("_-") or "unnamed"
        if plain.startswith("images_") and is_image:
            plain = plain.removeprefix("images_")
        if plain in _RESERVED and not is_image:
            plain = f"observed_{plain}"
        prefix = "images/" if is_image else ""
        name, number = prefix + plain, 1
        while name in self._taken:
            number += 1
            name = f"{prefix}{plain}_{number}"
        self._taken.add(name)
        return name


def is_picture(shape: tuple[int, ...], dtype: str) -> bool:
    """Tell whether rows of this kind are images of a store: uint8 (H, W, 3) of at least 8x8 pixels."""
    return dtype == "uint8" and len(shape) == 3 and shape[2] == 3 and min(shape[:2]) >= 8


def kind(array: ArraySpec) -> str:
    """Return a row's type and shape as text, for example "float32[7]"."""
    return f"{array.dtype}{list(array.shape)}"


def axes(size: int, where: str) -> tuple[str, ...]:
    """Return names for the axes of an action whose source has none.

    Raises:
        StoreError: no action has so many.
    """
    require(1 <= size <= MOST_AXES, f"{where} has an action of {size:,} axes; 1 to {MOST_AXES} are possible.")
    return tuple(f"a{i}" for i in range(size))


def require_sane(spec: RobotSpec, where: str) -> RobotSpec:
    """Return `spec`, which a file gave.

    Raises:
        StoreError: names, shapes, types, scales or the period are no robot's.
    """
    require(len(spec.observation) <= _MOST_KEYS, f"{where} has {len(spec.observation)} keys; at most {_MOST_KEYS}.")
    for key, array in spec.observation.items():
        legal = all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", part) for part in key.split("/"))
        require(legal, f"{where} has the key {key!r}; letters, digits and _ - . are allowed. Rename it.")
        sane = all(isinstance(n, int) and 0 < n <= 1 << 24 for n in array.shape) and len(array.shape) <= 6
        require(
            sane and array.dtype in _NUMBERS,
            f"{where}: {key!r} is {array.dtype}{list(array.shape)}; a store has {', '.join(_NUMBERS)} of shapes > 0.",
        )
        if key.startswith("images/"):
            fits = is_picture(array.shape, array.dtype) or (len(array.shape) == 3 and array.dtype == "uint8")
            require(fits and max(array.shape) <= MAX_SIDE, f"{where}: the image {key!r} is {kind(array)}.")
    axes(spec.action_size, where)
    require(len(spec.action_scale) == spec.action_size, f"{where} has another number of action scales than of axes.")
    require(1e-4 <= spec.period_s <= 60, f"{where} has a control period of {spec.period_s} s; give it with --period.")
    try:
        Schema(spec)
    except StoreError as error:
        raise StoreError(f"{where}: {error}") from error
    return spec
