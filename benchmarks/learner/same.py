"""What two learners have left behind, compared bit for bit: metrics, weights and the checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies import checkpoint
from policies.tensorfile import read_tensors

TIMING = frozenset({"updates_per_s", "behind"})
"""What of the metrics is measured by the clock."""


@dataclass
class Comparison:
    """How many things were equal of how many; `different` names the others."""

    compared: int = 0
    different: list[str] = field(default_factory=list)

    def take(self, name: str, is_equal: bool) -> None:
        self.compared += 1
        if not is_equal:
            self.different.append(name)

    def add(self, other: Comparison) -> None:
        self.compared += other.compared
        self.different += other.different


def compare(one: Path, other: Path, metrics: Path = Path("metrics") / "learner.jsonl") -> Comparison:
    """Compare the learners of two run directories: each line of the metrics, each version, the last checkpoint."""
    found = Comparison()
    ours, theirs = lines(one / metrics), lines(other / metrics)
    found.take("number of lines in the metrics", len(ours) == len(theirs))
    for mine, its in zip(ours, theirs, strict=False):
        found.take(f"metrics of version {its.get('version')}", mine == its)
    names = {path.name for run in (one, other) for path in (run / "weights").glob("*.safetensors")}
    for name in sorted(names):
        found.take(f"weights {name}", is_same_file(one / "weights" / name, other / "weights" / name))
    state = Path("learner") / checkpoint.FILE
    found.take("the checkpoint", is_same_file(one / state, other / state))
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics file without what the clock says; a NaN is written as a word, to be equal."""
    found = [json.loads(text) for text in path.read_text().splitlines()]
    return [{name: repr(value) for name, value in line.items() if name not in TIMING} for line in found]


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two files hold the same tensors, to the bit, under the same header."""
    if not one.exists() or not other.exists():
        return False
    (ours, our_header), (theirs, their_header) = read_tensors(one), read_tensors(other)
    if our_header != their_header or ours.keys() != theirs.keys():
        return False
    return all(
        ours[name].dtype == theirs[name].dtype and ours[name].numpy().tobytes() == theirs[name].numpy().tobytes()
        for name in ours
    )
