"""Our learner on pictures: eyes that learn with the critics, or frozen ones whose numbers are cached.

python -m benchmarks.vision.ours --eyes own --pixels 64
"""

from __future__ import annotations

import torch

from benchmarks.learner import serve
from benchmarks.vision.scene import PIXELS, Scene, scene_of
from policies.actor import Actor, ActorConfig
from policies.allocator import keep_freed_memory
from policies.batch import Batch
from policies.learner import Learner
from policies.learner_config import LearnerConfig
from policies.sight import Sight
from policies.training import TOLD_EVERY

BATCHES = 4


def batches(scene: Scene, has_pictures: bool, seen: int) -> list[Batch]:
    """Return random mini-batches; with `seen` numbers in the state in place of pictures."""
    g = torch.Generator().manual_seed(0)

    def normal(width: int) -> torch.Tensor:
        return torch.randn(scene.batch, width, generator=g)

    made = []
    for _ in range(BATCHES):
        pictures = [scene.pictures(g, scene.batch) if has_pictures else None for _ in range(2)]
        made.append(
            Batch(
                state=normal(scene.state + seen),
                base=torch.tanh(normal(scene.action)),
                action=torch.tanh(normal(scene.action)),
                ret=(normal(1)[:, 0] > 1.3).float(),
                discount=torch.full((scene.batch,), 0.97),
                next_state=normal(scene.state + seen),
                next_base=torch.tanh(normal(scene.action)),
                is_human=torch.zeros(scene.batch, dtype=torch.bool),
                weight=torch.ones(scene.batch),
                to_go=torch.zeros(scene.batch),
                pictures=pictures[0],
                next_pictures=pictures[1],
            )
        )
    return made


def main() -> None:
    given = serve.arguments(__doc__, PIXELS, ("--eyes", ["own", "cached"]))
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    scene, is_own = scene_of(given), given.eyes == "own"
    sight = Sight(scene.spec, scene.vision)
    hidden = (scene.hidden, scene.hidden)
    actor = Actor(ActorConfig(hidden=hidden, gate="none"), scene.state + sight.size, scene.action)
    config = LearnerConfig(
        members=scene.members, subset=scene.subset, hidden=hidden, actor_every=scene.actor_every, imitation=0.0
    )
    learner = Learner(config, actor, (-1.0, 1.0), 0, sight=sight if is_own else None)
    drawn = batches(scene, is_own, 0 if is_own else sight.size)

    def block() -> int:
        for batch in drawn:
            learner.update(batch, is_told=learner.updates % TOLD_EVERY == 0)
        return len(drawn)

    serve.serve(given, block)


if __name__ == "__main__":
    main()
