"""Our side of the comparison: `policies.learner.Learner`, by nothing but what a session calls.

python -m benchmarks.learner.ours --size 10
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch

from benchmarks.learner import serve
from benchmarks.learner.sizes import SIZES, SUBSET, Size
from policies.learner import Learner, LearnerConfig
from policies.residual import Actor, ResidualConfig
from policies.sampler import Batch, QuotaSampler

BOUND = 0.5


class Batches:
    """A sampler that has all its batches: what drawing costs is measured with the store."""

    def __init__(self, size: Size) -> None:
        rng = np.random.default_rng(0)
        self._batches = [_batch(size, rng) for _ in range(size.utd)]
        self._drawn = 0

    def draw(self) -> Batch:
        self._drawn += 1
        return self._batches[self._drawn % len(self._batches)]


def _batch(size: Size, rng: np.random.Generator) -> Batch:
    def normal(width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return rng.standard_normal((size.batch, width), dtype=np.float32)

    return Batch(
        state=normal(size.state),
        base=np.tanh(normal(size.action)),
        action=np.tanh(normal(size.action)),
        ret=(rng.random(size.batch) < 0.1).astype(np.float32),
        discount=np.full(size.batch, 0.99, np.float32),
        next_state=normal(size.state),
        next_base=np.tanh(normal(size.action)),
        is_human=np.zeros(size.batch, np.bool_),
    )


def learner(size: Size) -> Callable[[], object]:
    """Return what does one block: `utd` critic updates and an actor's. Only this knows the interface."""
    actor = Actor(ResidualConfig(bound=(BOUND,) * size.action, hidden=size.hidden), size.state, size.action)
    config = LearnerConfig(members=size.members, subset=SUBSET, hidden=size.hidden, actor_every=size.utd, imitation=0.0)
    made = Learner(config, actor, value_range=(0.0, 1.0), seed=0)
    sampler = cast(QuotaSampler, Batches(size))
    return lambda: made.update(sampler, size.utd)


def main() -> None:
    given = serve.arguments(__doc__)
    size = SIZES[given.size]
    torch.set_num_threads(given.threads)
    update = learner(size)

    def block() -> int:
        update()
        return size.utd

    serve.serve(given, block)


if __name__ == "__main__":
    main()
