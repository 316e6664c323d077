"""The impedance law: its cost a call, its steady force, and its contact force in ten thousand random sequences."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.measure import line, quick, run, tell
from benchmarks.press import STEP_S, Presser
from robot.gains import GAIN_SETS
from robot.impedance import CartesianImpedance, ImpedanceConfig
from sessions.progress import Progress

AXES = ("x", "y", "z")
SEQUENCES = 10_000
QUICK_SEQUENCES = 300
SEQUENCE_S = 0.5
CALLS = 3000
REPEATS = 10
SEED = 20


def main() -> None:
    sequences = QUICK_SEQUENCES if quick(__doc__) else SEQUENCES
    _cost()
    with Progress("law", sequences) as progress:
        for number, gains in enumerate(GAIN_SETS):
            share = sequences // len(GAIN_SETS) + (number < sequences % len(GAIN_SETS))
            _press(gains, share, progress)


def _press(gains: str, sequences: int, progress: Progress) -> None:
    """Tell how hard one gain set presses: at rest, and at the worst instant of so many random sequences."""
    pressers = [Presser(axis, ImpedanceConfig(gains=gains)) for axis in AXES]
    errors = [_steady_error(presser) for presser in pressers]
    found = []
    for number in range(sequences):
        presser = pressers[number % len(AXES)]
        found.append(presser.sequence(np.random.default_rng([SEED, number]), SEQUENCE_S))
        progress.advance(note=gains)
    peaks, bound = [press.peak_n for press in found], pressers[0].law.peak_force_bound_n
    past = sum(press.share > 1.0 for press in found)
    tell(line("law", f"steady_error_{gains}", max(errors), "share", len(AXES), at_most=0.02, note=STEADY_NOTE))
    tell(line("law", f"contact_p50_{gains}_n", float(np.percentile(peaks, 50)), "N", sequences))
    tell(line("law", f"contact_p99_{gains}_n", float(np.percentile(peaks, 99)), "N", sequences))
    tell(line("law", f"contact_max_{gains}_n", max(peaks), "N", sequences, at_most=bound, note=PEAK_NOTE))
    tell(line("law", f"sequences_past_bound_{gains}", past, "sequences", sequences, at_most=0))


STEADY_NOTE = "largest error of the steady force on a plate across x, y or z, as a share of clip times stiffness"
PEAK_NOTE = "target: the stated peak force; plate of 75 N/mm, peak over every step of 1 ms of all sequences"


def _cost() -> None:
    """Tell what one call of the law takes: the best of several rounds, as other processes only add to it."""
    presser = Presser("z", ImpedanceConfig())
    state, dynamics, target = presser.arm.read(), presser.arm.dynamics(), presser.pressed(-0.05)
    law, best = CartesianImpedance(ImpedanceConfig()), float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(CALLS):
            law.torque(state, dynamics, target, STEP_S)
        best = min(best, (time.perf_counter() - start) / CALLS)
    tell(line("law", "torque_us", 1e6 * best, "us", REPEATS * CALLS))


def _steady_error(presser: Presser) -> float:
    """Press to the plate until all is at rest; returns by which share the force misses the stated one."""
    presser.start(0)
    for _ in range(2000):
        presser.tick(presser.pressed(0.15))
    stated = presser.law.steady_force_bound_n
    return abs(presser.arm.plate_force_n - stated) / stated


if __name__ == "__main__":
    run(main)
