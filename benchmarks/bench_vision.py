"""Policies that see: image updates a second, cached and not, against a plain implementation; how long bases take."""

from __future__ import annotations

from typing import Any

from benchmarks import measure
from benchmarks.learner.side import Side, race, ratio, speed
from benchmarks.vision import acting

THREADS = 2


def main() -> None:
    is_quick = measure.quick(__doc__)
    sizes = ("64",) if is_quick else ("64", "84", "128")
    parts: dict[str, measure.Part] = {
        f"{pixels} pixels": lambda pixels=pixels: compare(pixels, is_quick)  # type: ignore[misc]
        for pixels in sizes
    }
    measure.campaign("vision", {"acting": lambda: acting.part(is_quick), **parts}, is_quick)


def compare(pixels: str, is_quick: bool) -> list[dict[str, Any]]:
    """Let the sides take turns on pictures of `pixels` squared from two cameras; returns the metrics."""
    options = ["--pixels", pixels, "--threads", str(THREADS), "--seconds", "1" if is_quick else "4"]
    sides = {
        "own": Side("vision.ours", options),
        "cached": Side("vision.ours", [*options, "--eyes", "cached"]),
        "plain": Side("vision.plain", options),
    }
    told = race(f"{pixels} pixels", sides, 2 if is_quick else 9)
    lines = []
    for side, metric in (
        ("own", "updates_per_s"),
        ("cached", "cached_updates_per_s"),
        ("plain", "plain_updates_per_s"),
    ):
        peak = max(one["peak_mb"] for one in told[side])
        note = f"batch 128, two cameras, 5 critics, {THREADS} threads; peak memory of the process {peak:.0f} MB"
        n = sum(one["n"] for one in told[side])
        lines.append(measure.line("vision", f"{metric}_{pixels}", speed(told[side]), "1/s", n, note=note))
    for metric, one, other in (("vs_plain", "own", "plain"), ("cached_ratio", "cached", "own")):
        value = ratio(told[one], told[other])
        note = f"{one} over {other}, in the same round"
        lines.append(measure.line("vision", f"{metric}_{pixels}", value, "times", len(told[one]), note=note))
    return lines


if __name__ == "__main__":
    measure.run(main)
