"""Random sequences of operations on stores and on plain lists, compared; one that fails is made as short as it goes."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.store.operations import OPERATIONS, Op, chosen
from benchmarks.store.world import MismatchError, World

SHORTEST, LONGEST = 6, 28
ZARR_EVERY = 10
"""One sequence in so many is read by the zarr library as well."""
SHRINK_TRIES = 200
TEMPORARY = "/dev/shm" if Path("/dev/shm").is_dir() else None


@dataclass(frozen=True)
class Failure:
    """A sequence that went wrong; `shortest` still does when it is done alone."""

    seed: int
    number: int
    what: str
    operations: list[Op]
    shortest: list[Op]

    def __str__(self) -> str:
        return (
            f"sequence {self.number} of seed {self.seed}: {self.what}\n"
            f"  {len(self.operations)} operations, of which these do: {', '.join(map(str, self.shortest))}"
        )


@dataclass
class Result:
    """What a campaign came to."""

    sequences: int = 0
    windows: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    mismatches: list[Failure] = field(default_factory=list)


def run(sequences: int, seed: int, progress: Callable[[str], None], first: int = 0) -> Result:
    """Do sequences `first` to `first + sequences` of `seed`; `progress` is called after each with a note."""
    result = Result()
    for number in range(first, first + sequences):
        operations = sequence(seed, number)
        what, windows = attempt(operations, number % ZARR_EVERY == 0)
        if what:
            shortest = shrunk(operations, number % ZARR_EVERY == 0)
            result.mismatches.append(Failure(seed, number, what, operations, shortest))
        result.sequences += 1
        result.windows += windows
        result.operations.update(op.name for op in operations)
        progress(f"{result.windows} windows, {len(result.mismatches)} mismatches")
    return result


def sequence(seed: int, number: int) -> list[Op]:
    """Return the operations of sequence `number`."""
    rng = np.random.default_rng((seed, number))
    return chosen(rng, int(rng.integers(SHORTEST, LONGEST + 1)))


def attempt(operations: list[Op], is_by_zarr: bool) -> tuple[str, int]:
    """Do operations in new stores; returns what went wrong ("" for nothing), and how many windows were compared."""
    with TemporaryDirectory(dir=TEMPORARY) as folder, _without_warnings():
        world = World(Path(folder))
        done = "beginning"
        try:
            for number, op in enumerate(operations):
                done = f"operation {number}, {op}"
                OPERATIONS[op.name][0](world, op.a, op.b, op.c)
            done = "the end"
            world.examine_all(is_by_zarr)
        except MismatchError as error:
            return f"{done}: {error}", world.compared
        except Exception as error:  # noqa: BLE001 - whatever a store raises unasked is a finding
            place = traceback.extract_tb(error.__traceback__)[-1]
            return (
                f"{done}: {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})",
                world.compared,
            )
        finally:
            world.forget()
        return "", world.compared


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep the store from warning of each journal that it mends."""
    log = logging.getLogger("nudge.store")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def shrunk(operations: list[Op], is_by_zarr: bool) -> list[Op]:
    """Leave out every operation that the failure does not need, larger pieces first."""
    kept, tries, size = operations, 0, max(1, len(operations) // 2)
    while tries < SHRINK_TRIES:
        is_shorter = False
        for start in range(len(kept) - size, -1, -size):
            shorter = kept[:start] + kept[start + size :]
            tries += 1
            if attempt(shorter, is_by_zarr)[0]:
                kept, is_shorter = shorter, True
        if size == 1 and not is_shorter:
            break
        size = max(1, size // 2)
    return kept
