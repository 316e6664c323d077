"""Help text of a config type: every key with its unit, range, default and meaning."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Sequence
from typing import Any

from sessions.config import default_of
from sessions.config_yaml import scalar


def describe(kind: type[Any], sections: Sequence[str] = (), width: int = 100) -> str:
    """Return help for every key of `kind`, or only for the named top-level `sections` and the top-level keys."""
    lines = _describe(default_of(kind), "", "", sections, width)
    return "\n".join(lines).strip("\n") + "\n"


def _describe(config: Any, prefix: str, title: str, sections: Sequence[str], width: int) -> list[str]:
    keys: list[str] = []
    below: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            if prefix or not sections or field.name in sections:
                about = field.metadata.get("help") or (type(value).__doc__ or "").strip().partition("\n")[0]
                below += _describe(value, f"{prefix}{field.name}.", about, (), width)
        else:
            keys += [_head(prefix, field, value), *_wrapped(field.metadata.get("help", ""), width)]
    heading = ["", f"{prefix[:-1]}: {title}".rstrip(": ")] if prefix and keys else []
    return heading + keys + below


def _head(prefix: str, field: dataclasses.Field[Any], value: Any) -> str:
    unit = field.metadata.get("unit", "")
    limits = range_of(field)
    return f"  {prefix}{field.name}={scalar(value)}" + (f" {unit}" if unit else "") + (f"  {limits}" if limits else "")


def range_of(field: dataclasses.Field[Any]) -> str:
    """Return the allowed values of a field: "[0, 1]", ">= 0", "one of a, b", or nothing."""
    choices = field.metadata.get("choices", ())
    if choices:
        return f"one of {', '.join(choices)}"
    low, high = field.metadata.get("low", -math.inf), field.metadata.get("high", math.inf)
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f">= {_number(low)}"
    return f"<= {_number(high)}" if math.isinf(low) else f"[{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e12 else f"{value:g}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), width, initial_indent="      ", subsequent_indent="      ")
