"""The learner: its speed against a plain loop in torch, JAX and the machine's own matmul rate; deaths, ratio, memory.

NUDGE_JAX_PYTHON names the interpreter that has jax and optax; by default this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from benchmarks import measure
from benchmarks.learner import endurance, kills
from benchmarks.learner import ratio as ratio_of_updates
from benchmarks.learner.side import Side, race, ratio, speed
from benchmarks.learner.sizes import SIZES, matmul_flops

THREADS = 2
INSTALL = "pip install -c constraints.txt 'nudge-robot[jax]', or name an interpreter: NUDGE_JAX_PYTHON=..."
TARGETS: dict[str, dict[str, float | None]] = {
    "10": {"loop": 2.5, "jax": 1.5, "matmul": 0.6},
    "2": {"loop": None, "jax": 1.1, "matmul": None},
}


def main() -> None:
    is_quick = measure.quick(__doc__)
    speeds: dict[str, measure.Part] = {
        f"{name} critics": lambda name=name: compare(name, is_quick)  # type: ignore[misc]
        for name in SIZES
    }
    measure.campaign(
        "learner",
        {**speeds, **ratio_of_updates.parts(is_quick), **kills.parts(is_quick), **endurance.parts(is_quick)},
        is_quick,
    )


def compare(name: str, is_quick: bool) -> list[dict[str, Any]]:
    """Let all sides take turns with so many critics; returns the metrics.

    The loop and JAX compute in float32, as they do unless told otherwise. Ours is measured in both: products in
    bfloat16 against them, and float32 against the products alone.
    """
    options = ["--size", name, "--threads", str(THREADS), "--seconds", "0.5" if is_quick else "2"]
    sides = {
        "bfloat16": Side("learner.ours", [*options, "--precision", "bfloat16"]),
        "float32": Side("learner.ours", options),
        "loop": Side("learner.plain_loop", options),
        "matmul": Side("learner.matmul", options),
        "matmul bfloat16": Side("learner.matmul", [*options, "--precision", "bfloat16"]),
    }
    if has_jax():
        sides["jax"] = Side("learner.jax_update", options, jax_python())
    told = race(f"{name} critics", sides, 3 if is_quick else 15)
    size, target = SIZES[name], TARGETS[name]
    note = f"{name} critics of {'x'.join(map(str, size.hidden))}, {size.utd} updates per actor's, {THREADS} threads"
    about = {side: f"the other side: {speed(found):.3g} updates a second" for side, found in told.items()}
    about["matmul"] += f"; {_rates(name, told)}"

    def line(metric: str, value: float, unit: str, n: int, note: str, at_least: float | None = None) -> dict[str, Any]:
        return measure.line("learner", f"{metric}_{name}", value, unit, n, at_least=at_least, note=note)

    lines = []
    for precision in ("bfloat16", "float32"):
        ours = told[precision]
        n = sum(one["n"] for one in ours)
        lines.append(line(f"updates_per_s_{precision}", speed(ours), "1/s", n, note))
        for other, metric in (("loop", "vs_loop"), ("jax", "vs_jax"), ("matmul", "matmul_share")):
            is_ours = (other == "matmul") == (precision == "float32")
            at_least = target[other] if is_ours else None
            if other in told:
                value = ratio(ours, told[other])
                lines.append(line(f"{metric}_{precision}", value, "times", n, about[other], at_least))
            else:
                lines.append(line(f"{metric}_{precision}", float("nan"), "times", 0, f"jax is missing: {INSTALL}"))
    return lines


def _rates(name: str, told: dict[str, list[dict[str, Any]]]) -> str:
    giga = 1e-9 * matmul_flops(SIZES[name])
    exact, half = told["matmul"], told["matmul bfloat16"]
    return f"{giga * speed(exact):.0f} GFLOP/s in float32 ({exact[0]['path']}), {giga * speed(half):.0f} in bfloat16"


def jax_python() -> str:
    """Return the interpreter that runs the JAX side."""
    return os.environ.get("NUDGE_JAX_PYTHON", sys.executable)


def has_jax() -> bool:
    """Return whether that interpreter has jax and optax."""
    found = subprocess.run([jax_python(), "-c", "import jax, optax"], capture_output=True, check=False)
    return found.returncode == 0


if __name__ == "__main__":
    measure.run(main)
