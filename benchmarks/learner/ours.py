"""Our side of the comparison: `policies.learner.Learner`, by nothing but what a session calls.

python -m benchmarks.learner.ours --size 10 --precision bfloat16 --mode compiled
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.learner import serve
from benchmarks.learner.sizes import SIZES, SUBSET, Size
from policies.actor import Actor, ActorConfig
from policies.allocator import keep_freed_memory
from policies.batch import Batch
from policies.learner import Learner
from policies.learner_config import LearnerConfig
from policies.training import TOLD_EVERY


def learner(size: Size, precision: str, is_compiled: bool) -> Callable[[], object]:
    """Return what does one block: `utd` critic updates and an actor's. Only this knows the interface."""
    actor = ActorConfig(composer="policy", head="gaussian", gate="none", hidden=size.hidden)
    config = LearnerConfig(
        members=size.members,
        subset=SUBSET,
        hidden=size.hidden,
        actor_every=size.utd,
        imitation=0.0,
        clip_norm=0.0,
        precision=precision,
        is_compiled=is_compiled,
    )
    made = Learner(
        config, Actor(actor, size.state, size.action, getattr(torch, precision)), value_range=(-100.0, 100.0), seed=0
    )
    generator = torch.Generator().manual_seed(0)
    batches = [_batch(size, generator) for _ in range(size.utd)]  # what drawing costs is measured with the store

    def block() -> None:
        for batch in batches:
            made.update(batch, is_told=made.updates % TOLD_EVERY == 0)

    return block


def _batch(size: Size, generator: torch.Generator) -> Batch:
    def normal(width: int) -> torch.Tensor:
        return torch.randn(size.batch, width, generator=generator)

    return Batch(
        state=normal(size.state),
        base=torch.tanh(normal(size.action)),
        action=torch.tanh(normal(size.action)),
        ret=(normal(1)[:, 0] > 1.3).float(),
        discount=torch.full((size.batch,), 0.99),
        next_state=normal(size.state),
        next_base=torch.tanh(normal(size.action)),
        is_human=torch.zeros(size.batch, dtype=torch.bool),
        weight=torch.ones(size.batch),
        to_go=torch.zeros(size.batch),
    )


def main() -> None:
    given = serve.arguments(__doc__, ("--precision", ["float32", "bfloat16"]), ("--mode", ["eager", "compiled"]))
    size = SIZES[given.size]
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    update = learner(size, given.precision, given.mode == "compiled")

    def block() -> int:
        update()
        return size.utd

    serve.serve(given, block)


if __name__ == "__main__":
    main()
