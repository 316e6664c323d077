"""Settings as ROS 2 parameters: types, ranges and meaning from where they are declared, refusals in one sentence."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from robot.errors import NudgeError
from robot.settings import Settings

_INTEGERS = 2**63 - 1


class Parameters:
    """Declares parameters on a node and hands on what is set while it runs.

        parameters = Parameters(node)
        parameters.declare("law", impedance_config, live={"gains": law.use_gains})
        parameters.declare_integer("episode_seed", 0, "seed of the next episode", take)

    A parameter that is not live is read-only: it tells what is in force. What is declared stays so when the node is
    cleaned up, with its value.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._live: dict[str, tuple[Callable[[Any], Any], Callable[[Any], None]]] = {}
        node.add_on_set_parameters_callback(self._on_set)

    def declare(self, prefix: str, settings: Settings, live: Mapping[str, Callable[[Any], None]] | None = None) -> None:
        """Declare every setting of `settings` as `prefix.name`, nested ones as `prefix.section.name`.

        `live` maps names below `prefix` to what takes a new value that passed the setting's own checks. It may raise
        ConfigError for what only it can know; the parameter is then not set.
        """
        for field in dataclasses.fields(settings):  # type: ignore[arg-type]  # subclasses are dataclasses
            value = getattr(settings, field.name)
            name = f"{prefix}.{field.name}"
            if isinstance(value, Settings):
                start = f"{field.name}."
                below = {n.removeprefix(start): take for n, take in (live or {}).items() if n.startswith(start)}
                self.declare(name, value, below)
                continue
            take = (live or {}).get(field.name)
            self._declare(name, value, field.metadata, is_read_only=take is None)
            if take is not None:
                self._live[name] = _check_of(settings, field.name), take

    def declare_integer(
        self, name: str, default: int, about: str, take: Callable[[int], None], low: int = 0, high: int = _INTEGERS
    ) -> None:
        """Declare one live whole number within [`low`, `high`]."""
        self._declare(name, default, {"help": about, "low": low, "high": high}, is_read_only=False)
        self._live[name] = int, take

    def _declare(self, name: str, value: Any, about: Mapping[str, Any], is_read_only: bool) -> None:
        if not self._node.has_parameter(name):
            self._node.declare_parameter(name, _plain(value), _descriptor(value, about, is_read_only))

    def _on_set(self, parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        live = [(*self._live[p.name], p.value) for p in parameters if p.name in self._live]
        try:
            checked = [(take, check(value)) for check, take, value in live]
            for take, value in checked:
                take(value)
        except (NudgeError, TypeError, ValueError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)


def _check_of(settings: Settings, name: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        is_list = isinstance(getattr(settings, name), tuple)
        # built anew, because a setting is checked where its dataclass is built
        changed = dataclasses.replace(settings, **{name: tuple(value) if is_list else value})  # type: ignore[type-var]
        return getattr(changed, name)

    return check


def _plain(value: Any) -> Any:
    """Return `value` as ROS 2 knows parameters: rows of numbers become one long row, nothing becomes no text."""
    if not isinstance(value, (tuple, list)):
        return value
    if value and isinstance(value[0], (tuple, list)):
        value = [item for row in value for item in row]
    return list(value) if value else Parameter.Type.DOUBLE_ARRAY


def _descriptor(value: Any, about: Mapping[str, Any], is_read_only: bool) -> ParameterDescriptor:
    unit = f" [{about['unit']}]" if about.get("unit") else ""
    choices = f" One of: {', '.join(about['choices'])}." if about.get("choices") else ""
    low, high = about.get("low", -math.inf), about.get("high", math.inf)
    descriptor = ParameterDescriptor(
        description=f"{about.get('help', '')}{unit}{choices}".strip(), read_only=is_read_only
    )
    is_bounded = math.isfinite(low) or math.isfinite(high)
    if not is_bounded or isinstance(value, (bool, str)):
        return descriptor
    if isinstance(value, int):
        bounds = [int(min(max(x, -_INTEGERS), _INTEGERS)) for x in (low, high)]
        descriptor.integer_range = [IntegerRange(from_value=bounds[0], to_value=bounds[1])]
    elif isinstance(value, float):
        # a range must be finite
        edge = sys.float_info.max
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=max(float(low), -edge), to_value=min(float(high), edge))
        ]
    else:
        descriptor.additional_constraints = f"each element within [{low}, {high}]"
    return descriptor
