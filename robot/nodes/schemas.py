"""Definitions of message types as a raw log carries them: one text with all the types that a type is made of."""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from pathlib import Path

from robot.errors import RobotError

_SEPARATOR = "=" * 80
_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*")
_BASIC = re.compile(r"bool|byte|char|w?string|float(32|64)|u?int(8|16|32|64)")


@cache
def definition(type_name: str) -> str:
    """Return the definition of a type such as "sensor_msgs/msg/Image" followed by those it contains ("ros2msg").

    Raises:
        RobotError: the installed packages do not define it.
    """
    package, _, name = type_name.split("/")
    parts, todo, seen = [_text(package, name)], _contained(package, _text(package, name)), {(package, name)}
    while todo:
        inner = todo.pop(0)
        if inner in seen:
            continue
        seen.add(inner)
        text = _text(*inner)
        parts.append(f"{_SEPARATOR}\nMSG: {inner[0]}/{inner[1]}\n{text}")
        todo += _contained(inner[0], text)
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def _text(package: str, name: str) -> str:
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in (*prefixes, sys.prefix):
        path = Path(prefix) / "share" / package / "msg" / f"{name}.msg"
        if path.exists():
            return path.read_text()
    raise RobotError(f"No definition of {package}/msg/{name} is installed; is ROS 2's package {package} complete?")


def _contained(package: str, text: str) -> list[tuple[str, str]]:
    """Return (package, name) of the message types that the fields of `text` have, in order."""
    found = []
    for line in text.splitlines():
        field = _FIELD.match(line.partition("#")[0])
        if field and not _BASIC.fullmatch(field[1]):
            *scope, name = field[1].split("/")
            found.append((scope[0] if scope else package, name))
    return found
