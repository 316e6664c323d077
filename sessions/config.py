"""One config system for every verb: nested frozen dataclasses, a YAML file of values, `key=value` overrides.

    config = load(RunConfig, file=Path("robot.yaml"), overrides=["learner.discount=0.98", "task.seed=3"])

A config type is a frozen dataclass deriving from `robot.settings.Settings`; a field whose type is again a
dataclass is a section. Field types may be bool, int, float, str, tuples of them, Literal, and any of these or None.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from robot.errors import ConfigError, did_you_mean
from sessions.config_yaml import parse_yaml

T = TypeVar("T")


class Sourced(NamedTuple):
    """A checked value and the place that gave it, for messages."""

    value: Any
    place: str


def load(kind: type[T], file: Path | None = None, overrides: Iterable[str] = (), base: T | None = None) -> T:
    """Build `kind` from its defaults (or `base`), then the YAML `file`, then `overrides` (`section.key=value`).

    Raises:
        ConfigError: the file is missing or no mapping, a key is unknown, a value of the wrong type or out of range.
    """
    values: dict[str, Sourced] = {}
    if file is not None:
        values |= flatten(kind, _read(file), str(file))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"An override is section.key=value; found {text!r}.")
        parsed = parse_yaml(value, f"command line, {key}")
        values |= _flatten_one(kind, key.strip(), parsed, "command line")
    return _build(default_of(kind) if base is None else base, values, "")


def from_mapping(kind: type[T], values: Mapping[str, Any], place: str = "mapping", base: T | None = None) -> T:
    """Build `kind` from nested `values` over its defaults (or `base`); `place` names their origin in errors."""
    return _build(default_of(kind) if base is None else base, flatten(kind, values, place), "")


def to_mapping(config: Any) -> dict[str, Any]:
    """Return `config` as nested dicts of plain values, in the order of the fields; tuples become lists."""
    return {
        f.name: to_mapping(v) if dataclasses.is_dataclass(v) else _plain(v)
        for f in dataclasses.fields(config)
        for v in [getattr(config, f.name)]
    }


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def flat_values(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of `config` by dotted key, in the order of the fields."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        is_nested = dataclasses.is_dataclass(value)
        flat |= flat_values(value, f"{prefix}{field.name}.") if is_nested else {prefix + field.name: value}
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested dicts of values by dotted key; inverse of `flat_values`."""
    whole: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        at = whole
        for section in sections:
            at = at.setdefault(section, {})
        at[name] = value
    return whole


def digest(config: Any) -> str:
    """Return 16 hex digits that differ whenever any value differs."""
    text = json.dumps(to_mapping(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def default_of(kind: type[T]) -> T:
    """Return `kind` with all its defaults.

    Raises:
        TypeError: a field has no default; a config type is complete without any file.
    """
    return kind()


def keys(kind: type[Any], prefix: str = "") -> list[str]:
    """Return every dotted key of `kind`, in the order of the fields."""
    found: list[str] = []
    for name, hint in hints(kind).items():
        found += keys(hint, f"{prefix}{name}.") if is_section(hint) else [prefix + name]
    return found


def is_section(hint: Any) -> bool:
    """Whether a field of this type is a section."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def hints(kind: type[Any]) -> dict[str, Any]:
    """Return the resolved type of each field of the dataclass `kind`."""
    resolved = typing.get_type_hints(kind)
    return {field.name: resolved[field.name] for field in dataclasses.fields(kind)}


def flatten(kind: type[Any], values: Any, place: str, prefix: str = "") -> dict[str, Sourced]:
    """Return `values` (nested) as checked values by dotted key.

    Raises:
        ConfigError: an unknown key, with near matches, or a wrong type.
    """
    if not isinstance(values, Mapping):
        section = f"section {prefix[:-1]!r}" if prefix else "the config"
        raise ConfigError(f"{place}: {section} must be a mapping of keys to values; found {values!r}.")
    flat: dict[str, Sourced] = {}
    for name, value in values.items():
        hint = hints(kind).get(name) if isinstance(name, str) else None
        if hint is None:
            raise ConfigError(f"{place}: {prefix + str(name)!r} is no known setting.{_near(kind, str(name))}")
        if is_section(hint):
            flat |= flatten(hint, value, place, f"{prefix}{name}.")
        else:
            flat[prefix + name] = Sourced(convert(hint, value, f"{place}: {prefix}{name}"), place)
    return flat


def _flatten_one(kind: type[Any], key: str, value: Any, place: str) -> dict[str, Sourced]:
    """Flatten one dotted override; an unknown key is compared with the dotted keys of the whole config."""
    at: Any = kind
    for part in key.split("."):
        if not is_section(at) or part not in hints(at):
            raise ConfigError(f"{place}: {key!r} is no known setting.{_near(kind, key)}")
        at = hints(at)[part]
    return flatten(kind, nested({key: value}), place)


def _near(kind: type[Any], name: str) -> str:
    """Return a hint: the same key in another section, else near matches among the names of `kind`."""
    known = keys(kind)
    same_leaf = [key for key in known if key.rpartition(".")[2] == name.rpartition(".")[2]]
    if same_leaf:
        return did_you_mean(same_leaf[0], same_leaf)
    return did_you_mean(name, known if "." in name else {key.partition(".")[0] for key in known})


def convert(hint: Any, value: Any, place: str) -> Any:
    """Return `value` as the type `hint` demands: int passes for float, lists for tuples; nothing else is bent.

    Raises:
        ConfigError: naming `place`, the type expected and the value found.
        TypeError: `hint` is no type that a config may use.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        rest = [option for option in arguments if option is not type(None)]
        if len(rest) != 1 or len(rest) == len(arguments):
            raise TypeError(f"{place}: a config field is one type, or one type or None; found {hint}.")
        return None if value is None else convert(rest[0], value, place)
    if origin is typing.Literal:
        if value in arguments and type(value) in {type(a) for a in arguments}:
            return value
        raise ConfigError(f"{place} must be one of {', '.join(map(str, arguments))}; found {value!r}.")
    if origin is tuple:
        return _convert_tuple(arguments, value, place)
    if hint is float and type(value) is int:
        value = float(value)
    if hint not in (bool, int, float, str):
        raise TypeError(f"{place}: {hint} is no type that a config may use.")
    if type(value) is not hint:
        raise ConfigError(f"{place} must be {type_name(hint)}; found {value!r}{_found(value)}.")
    if hint is float and math.isnan(value):
        raise ConfigError(f"{place} must be a number; found NaN.")
    return value


def _convert_tuple(arguments: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(f"{place} must be a list such as [1, 2]; found {value!r}{_found(value)}.")
    if arguments[-1:] == (Ellipsis,):
        arguments = (arguments[0],) * len(value)
    if len(value) != len(arguments):
        raise ConfigError(f"{place} must have {len(arguments)} elements; found {len(value)}: {list(value)!r}.")
    return tuple(convert(hint, v, f"{place}[{i}]") for i, (hint, v) in enumerate(zip(arguments, value, strict=True)))


def type_name(hint: Any) -> str:
    """Return `hint` in words, for messages and help."""
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return names.get(hint) or str(hint).replace("typing.", "").replace("NoneType", "none")


def _found(value: Any) -> str:
    """Return the type of `value` in words where its repr alone does not tell it."""
    return f" ({type(value).__name__})" if value is not None else ""


def _read(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"Config file {file} cannot be read: {error.strerror}. Name another with --config."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"Config file {file} must be UTF-8 text; byte {error.start} is not.") from error
    values = parse_yaml(text, str(file))
    return {} if values is None else values


def _build(instance: T, values: Mapping[str, Sourced], prefix: str) -> T:
    """Return `instance` with `values` put in; sections that nothing changes stay the same object."""
    changes: dict[str, Any] = {}
    places: list[str] = []
    for name in hints(type(instance)):
        current = getattr(instance, name)
        if dataclasses.is_dataclass(current):
            changes[name] = _build(current, values, f"{prefix}{name}.")
        elif prefix + name in values:
            changes[name] = values[prefix + name].value
            places.append(values[prefix + name].place)
    try:
        return dataclasses.replace(instance, **changes)  # type: ignore[type-var]  # T is a dataclass
    except ConfigError as error:
        where = " and ".join(dict.fromkeys(places)) or "defaults"
        raise ConfigError(f"{where}: section {prefix[:-1] or 'top'}: {error}") from error
