"""YAML as configs use it: the 1.2 core types only, no duplicate keys, written with units as comments."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import yaml

from robot.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalar types of YAML 1.2: `1e-3` is a number, `no` and `12:30` are text, dates too."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # set below

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands here twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"  # YAML 1.2.2, section 10.3.2
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", rf"{_FLOAT}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))  # decimal always; YAML 1.1 reads 010 as eight


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def parse_yaml(text: str, place: str) -> Any:
    """Return the value that `text` holds.

    Raises:
        ConfigError: the text is no YAML, or a key stands twice; names `place`, line and column.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{place}{where}: {error.problem or 'is no YAML'}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{place}: is no YAML text ({error}).") from error


def to_yaml(config: Any) -> str:
    """Return the config dataclass `config` as YAML that `sessions.config.load` reads back to an equal one."""
    return "\n".join(_lines(config, "")) + "\n"


def _lines(config: Any, indent: str) -> list[str]:
    lines: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            help_text = field.metadata.get("help", "")
            lines += [f"{indent}{field.name}:" + (f"  # {help_text}" if help_text else "")]
            lines += _lines(value, indent + "  ") or [f"{indent}  {{}}"]
        else:
            comment = comment_of(field)
            lines.append(f"{indent}{field.name}: {scalar(value)}" + (f"  # {comment}" if comment else ""))
    return lines


def comment_of(field: dataclasses.Field[Any]) -> str:
    """Return "[unit] help" of a field, as far as it declares them."""
    unit, help_text = field.metadata.get("unit", ""), field.metadata.get("help", "")
    return " ".join(part for part in (f"[{unit}]" if unit else "", " ".join(help_text.split())) if part)


def scalar(value: Any) -> str:
    """Return one value as YAML text on one line, read alike by YAML 1.1 and 1.2."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isinf(value):
            return ".inf" if value > 0 else "-.inf"
        text = repr(value)
        mantissa, e, exponent = text.partition("e")
        return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else text
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(scalar(v) for v in value)}]"
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z][\w/-]*", value) and _is_text(value) else _quoted(value)
    return str(value)


def _quoted(value: str) -> str:
    dumped: str = yaml.safe_dump(value, default_style='"', width=math.inf, allow_unicode=True)
    return dumped.rstrip("\n")


def _is_text(value: str) -> bool:
    return isinstance(yaml.safe_load(value), str)
