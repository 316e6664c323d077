"""What somebody else's policy for the toy robot declares."""

from __future__ import annotations

from typing import Any

DECLARED: dict[str, Any] = {
    "observation": {"state": {"shape": [2], "dtype": "float32"}},
    "action_axes": ["x", "y"],
    "action_scale": [0.1, 0.1],
    "period_s": 0.1,
    "chunk": 4,
    "execute_steps": 3,
}
