"""How a verb says what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def tell(arguments: argparse.Namespace, result: dict[str, Any], sentence: str) -> int:
    """Write the result, for a person or (`--json`) for a machine; returns exit status 0."""
    if arguments.json:
        sys.stdout.write(json.dumps(result) + "\n")
        return 0
    numbers = {k: v for k, v in result.items() if k not in ("phase", "what")}
    sys.stdout.write(f"{result['what']}: " + ", ".join(f"{k} {_short(v)}" for k, v in numbers.items()) + "\n")
    sys.stdout.write(sentence + "\n")
    return 0


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
