"""Small JSON files: replaced atomically, or grown by whole lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from robot.errors import StoreError


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace `path` by `value` in one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value))
    os.replace(temporary, path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of `path`, or None when there is no such file.

    Raises:
        StoreError: it holds no JSON object.
    """
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path} is damaged: it must hold a JSON object ({error}). Move it away.") from error


def whole_lines(path: Path) -> bytes:
    """Return the lines of `path`, none where there is no file; a last one that a crash tore is taken out of it."""
    text = path.read_bytes() if path.exists() else b""
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        path.write_bytes(whole)
    return whole


def append_json_line(path: Path, value: dict[str, Any]) -> None:
    """Append one line to `path` in a single write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")
