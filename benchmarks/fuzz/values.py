"""What no sound program sends: random bytes, broken serialisations, and the right type with the wrong contents."""

from __future__ import annotations

import array
import importlib
import random
import re
import time
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rclpy.serialization import serialize_message

DOUBLES = (float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 0.0, -0.0, 1.0, 1e9)
STRINGS = (
    "",
    "x",
    "base",
    "..",
    "NaN",
    "\x7f",
    "é\U0001f916",
    "panda_base",
    "panda",
    "{}",
    '{"event": 1}',
    "%s%n",
    "a\nb",
)
LENGTHS = (0, 1, 2, 3, 6, 7, 8, 9, 64)
HUGE = 50_000
SEQUENCE = re.compile(r"sequence<(.+?)(?:, \d+)?>|(.+)\[(\d+)\]")


class Garbage:
    """Makes nonsense from a seed; the same seed makes the same nonsense, but for the stamps that are "now"."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def raw(self, kind: Any) -> bytes:
        """Return bytes that pass for a serialised message of `kind` and are none, or only by chance."""
        rng = self.rng
        how = rng.randrange(4)
        if how == 0:
            return rng.randbytes(rng.choice((0, 1, 3, 4, 5, 12, 100, 2000)))
        if how == 1:  # the header of a serialisation, then nothing that makes sense
            return bytes((0, rng.choice((0, 1, 2, 3, 0xFF)), 0, 0)) + rng.randbytes(rng.randrange(200))
        data = bytearray(serialize_message(self.message(kind) if how == 2 else kind()))
        if rng.random() < 0.5:
            return bytes(data[: rng.randrange(len(data))])
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(min(len(data), 400))] ^= 1 << rng.randrange(8)
        return bytes(data)

    def message(self, kind: Any) -> Any:
        """Return a message of `kind` with a wrong value in most of its fields."""
        message = kind()
        for name, type_name in kind.get_fields_and_field_types().items():
            if self.rng.random() < 0.8:
                setattr(message, name, self._value(type_name))
        if type(message).__name__ == "Time" and self.rng.random() < 0.3:
            message.sec = int(time.time()) + self.rng.choice((0, 0, -5, 5, 10**8))
        return message

    def parameters(self, names: list[str]) -> list[Parameter]:
        """Return wrong settings, of the known parameters `names` and of unknown ones."""
        rng = self.rng
        found = []
        for _ in range(rng.choice((0, 1, 1, 1, 2, 20))):
            name = rng.choice(names) if names and rng.random() < 0.7 else self._value("string")
            value = ParameterValue(type=rng.choice((10, 255)) if rng.random() < 0.005 else rng.randrange(10))
            if value.type == ParameterType.PARAMETER_DOUBLE:
                value.double_value = rng.choice((*DOUBLES[:5], -1.0))
            elif value.type == ParameterType.PARAMETER_INTEGER:
                value.integer_value = rng.choice((-1, -(2**63), -(2**31)))
            elif value.type == ParameterType.PARAMETER_STRING:
                value.string_value = self._value("string")
            elif value.type == ParameterType.PARAMETER_DOUBLE_ARRAY:
                value.double_array_value = self._value("sequence<double>")
            elif value.type == ParameterType.PARAMETER_INTEGER_ARRAY:
                value.integer_array_value = self._value("sequence<int64>")
            found.append(Parameter(name=name, value=value))
        return found

    def _value(self, type_name: str) -> Any:
        rng = self.rng
        sequence = SEQUENCE.fullmatch(type_name)
        if sequence:
            inner = sequence[1] or sequence[2]
            size = int(sequence[3]) if sequence[3] else self._size(inner)
            return (
                array.array("B", rng.randbytes(size)) if inner == "uint8" else [self._value(inner) for _ in range(size)]
            )
        if type_name in ("double", "float"):
            value = rng.choice((*DOUBLES, rng.gauss(0.0, 1.0)))
            return value if type_name == "double" or abs(value) < 3e38 or value != value else float("inf")
        if type_name == "boolean":
            return rng.random() < 0.5
        if type_name == "octet":
            return rng.randbytes(1)
        if type_name.startswith(("string", "wstring")):
            return "x" * HUGE if rng.random() < 0.01 else rng.choice(STRINGS)
        if "/" in type_name:
            package, name = type_name.split("/")
            return self.message(getattr(importlib.import_module(f"{package}.msg"), name))
        bits = int(re.sub(r"\D", "", type_name))
        low, high = (0, 2**bits - 1) if type_name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return rng.choice((0, 1, low, high, rng.randint(low, high)))

    def _size(self, inner: str) -> int:
        is_small = inner in ("uint8", "double", "float")
        return HUGE if is_small and self.rng.random() < 0.01 else self.rng.choice(LENGTHS)
