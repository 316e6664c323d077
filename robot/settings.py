"""One way to declare a setting: default, unit, range and meaning, checked at construction."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeVar

from robot.errors import ConfigError

T = TypeVar("T")


def setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a dataclass field that documents itself.

    Args:
        default: value, or a zero-argument callable for nested or mutable defaults.
        help: one sentence; shown by `--help`.
        unit: SI unit as text, for example "m" or "N/m".
        low, high: inclusive range; for tuples it holds for every element.
        choices: allowed strings, when the setting is a name.
    """
    meta = {"help": help, "unit": unit, "low": low, "high": high, "choices": choices}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


class Settings:
    """Base of every frozen config dataclass; checks ranges and choices when built.

    Raises:
        ConfigError: naming the setting, the range and the value found.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            _check(type(self).__name__, field, getattr(self, field.name))


def _check(owner: str, field: dataclasses.Field[Any], value: Any) -> None:
    meta = field.metadata
    if "low" not in meta:
        return
    choices = meta["choices"]
    if choices and value not in choices:
        raise ConfigError(f"{owner}.{field.name} must be one of {', '.join(choices)}; found {value!r}.")
    for number in value if isinstance(value, (tuple, list)) else (value,):
        if isinstance(number, bool) or not isinstance(number, Real):  # numpy's numbers are Real too
            continue
        if not meta["low"] <= number <= meta["high"]:  # also refuses NaN
            unit = f" {meta['unit']}" if meta["unit"] else ""
            raise ConfigError(
                f"{owner}.{field.name} must lie in [{meta['low']}, {meta['high']}]{unit}; found {number}."
            )


def restored(kind: type[T], raw: Mapping[str, Any]) -> T:
    """Return the settings that `dataclasses.asdict` gave, after a way through JSON; what is not there has its default.

    Raises:
        ConfigError: a value is out of range, or there is one that this version does not know.
    """
    hints = typing.get_type_hints(kind)
    unknown = sorted(raw.keys() - hints.keys())
    if unknown:
        raise ConfigError(f"{kind.__name__} has no {', '.join(unknown)}: another version wrote it; use that one.")
    return kind(**{name: _restored(hints[name], value) for name, value in raw.items()})


def _restored(hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return restored(hint, value)
    return tuple(_restored(None, item) for item in value) if isinstance(value, list) else value
