"""What the store costs the control loop, how fast it is sampled, how large it may be, and whether it loses anything.

Losses are looked for by random sequences of operations against plain lists, by deaths, full disks and spoilt journals.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import measure
from benchmarks.store import append, crash, sampling, scale, scenes


def main() -> None:
    is_quick = measure.quick(__doc__)
    with TemporaryDirectory(prefix="nudge-bench-") as name:
        folder = Path(name)
        parts: dict[str, measure.Part] = {
            "append": lambda: [*append.append(folder, 5 if is_quick else 40, is_loaded=False), *append.reading(folder)],
            "append_loaded": lambda: append.append(folder, 2 if is_quick else 20, is_loaded=True),
            "sampling": lambda: sampling.sampling(folder, 10 if is_quick else 40, 3 if is_quick else 20, noise=0.0),
            "sampling_with_noise": lambda: sampling.sampling(
                folder, 5 if is_quick else 40, 2 if is_quick else 20, scenes.NOISE
            ),
            "large": lambda: scale.trains(folder, 2_000 if is_quick else 100_000),
            "long journal": lambda: scale.mends(folder, 60 if is_quick else 600),
            "million": lambda: scale.opens(folder, 20_000 if is_quick else scale.MILLION),
        }
        measure.campaign("store", {**parts, **crash.parts(is_quick)}, is_quick)


if __name__ == "__main__":
    measure.run(main)
