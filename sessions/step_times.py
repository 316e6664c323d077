"""How long the path from a picture to the motion took in the steps of a phase, and how regular its ticks were."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.store import StoreReader
from robot.timing import LATE, MISSED_SHARE, Spread, latencies_ms, missed_deadlines, spread
from robot.types import StepTiming

STAMPS = 5
"""Columns of a step's timing that are stamps."""


@dataclass(frozen=True, eq=False)
class StepTimes:
    """The timing of the steps of one phase: `rows` (N, 6) of `StepTiming`, under a control period of `period_s`.

    Of a phase that was played partly in lockstep, where nothing is measured, only the steps in real time count.
    """

    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, STAMPS + 1), np.int64))
    period_s: float = 0.1

    @staticmethod
    def of(timings: list[StepTiming], period_s: float) -> StepTimes:
        rows = [timing.as_row() for timing in timings]
        return StepTimes(_measured(np.array(rows, np.int64).reshape(-1, STAMPS + 1)), period_s)

    @staticmethod
    def read(store: Path) -> StepTimes:
        """Return those of all committed steps of a store; none where it is missing or damaged."""
        try:
            reader = StoreReader.open(store) if store.exists() else None
            return StepTimes(_measured(reader.timing_ns()), reader.spec.period_s) if reader is not None else StepTimes()
        except (StoreError, ValueError):
            return StepTimes()

    @property
    def steps(self) -> int:
        return len(self.rows)

    @property
    def is_simulated(self) -> bool:
        """Whether all stamps of each step are equal, as in lockstep: there was nothing to measure."""
        return bool(np.all(_is_simulated(self.rows)))

    @property
    def missed(self) -> int:
        """Deadlines of the control period that were missed, by more than `MISSED_SHARE` of it or altogether."""
        return missed_deadlines(self.rows[:, LATE], self._period_ns)

    @property
    def missed_share(self) -> float:
        """Missed deadlines per deadline; NaN without steps."""
        late = self.rows[:, LATE]
        left_out = self.missed - int(np.count_nonzero(late > MISSED_SHARE * self._period_ns))
        return self.missed / (self.steps + left_out) if self.steps else math.nan

    @property
    def latest_ms(self) -> float:
        """By how much the latest tick missed its deadline."""
        return float(self.rows[:, LATE].max(initial=0)) * 1e-6

    def spreads(self) -> dict[str, Spread]:
        """Return median, 99th percentile and largest [ms] of each way of `robot.timing.PATH`."""
        return {name: spread(values) for name, values in latencies_ms(self.rows).items()}

    def line(self) -> dict[str, Any]:
        """Return all of it for a line of JSON; None where nobody has told."""
        ways: dict[str, Any] = {}
        for name, found in self.spreads().items():
            values = {"p50": found.p50, "p99": found.p99, "max": found.max}
            rounded = {k: None if math.isnan(v) else round(v, 3) for k, v in values.items()}
            ways[f"{name.replace(' ', '_')}_ms"] = rounded | {"unknown": self.steps - found.samples}
        return {
            "clock": "lockstep" if self.is_simulated else "real time",
            "steps": self.steps,
            "period_ms": self.period_s * 1e3,
            **ways,
            "missed_deadlines": self.missed,
            "latest_ms": round(self.latest_ms, 3),
        }

    def brief(self) -> dict[str, Any]:
        """Return what a verb's result says of it; nothing in lockstep."""
        if self.is_simulated:
            return {}
        line = self.line()
        names = ("capture_to_command", "capture_to_executed")
        return {f"{name}_p99_ms": line[f"{name}_ms"]["p99"] for name in names} | {"missed_deadlines": self.missed}

    @property
    def _period_ns(self) -> int:
        return round(self.period_s * 1e9)


def _is_simulated(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return of each row (N, 6) whether all its stamps are equal, as in lockstep."""
    equal: NDArray[np.bool_] = np.all(rows[:, :STAMPS] == rows[:, :1], axis=1)
    return equal


def _measured(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows that were played in real time, or all where none was."""
    is_simulated = _is_simulated(rows)
    return rows if np.all(is_simulated) else rows[~is_simulated]
