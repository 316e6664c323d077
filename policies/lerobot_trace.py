"""Turns a LeRobot policy directory into TorchScript. Run by an interpreter that has lerobot, and nothing of ours:

    python policies/lerobot_trace.py DIRECTORY OUT.pt < sources.json

`sources.json` says of what each of the policy's inputs is made: {"observation.state": ["tool_pose", "wrench"],
"observation.images.front": "images/front"}. What is written takes a dictionary of the latter, float32 (B, D) and uint8
(B, H, W, 3), and gives chunks of actions (B, chunk, A): its normalisation of inputs and outputs is inside.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors
from torch import Tensor, nn

SAME = 1e-4
"""Largest difference between the policy and what was traced of it, in units of its actions."""


class Whole(nn.Module):
    """A policy between its processors, as a function of a robot's own observations."""

    def __init__(self, directory: Path, sources: dict[str, list[str] | str]) -> None:
        super().__init__()
        config = PreTrainedConfig.from_pretrained(directory)
        config.device = "cpu"
        if hasattr(config, "pretrained_backbone_weights"):
            config.pretrained_backbone_weights = None  # all weights are in the directory: nothing is downloaded
        policy = get_policy_class(config.type).from_pretrained(directory, config=config, strict=True)
        self.policy, self.sources = policy.eval(), sources
        self.before, self.after = make_pre_post_processors(
            config,
            str(directory),
            preprocessor_overrides={"device_processor": {"device": "cpu"}},
            postprocessor_overrides={"device_processor": {"device": "cpu"}},
        )

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        batch = {}
        for feature, source in self.sources.items():
            if isinstance(source, str):
                batch[feature] = observation[source].permute(0, 3, 1, 2).float() / 255.0
            else:
                batch[feature] = torch.cat([observation[key] for key in source], dim=1)
        chunk: Tensor = self.after(self.policy.predict_action_chunk(self.before(batch)))
        return chunk


def example(shapes: dict[str, tuple[int, ...]], count: int, generator: torch.Generator) -> dict[str, Tensor]:
    return {
        key: torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
        if len(shape) == 3
        else torch.randn((count, *shape), generator=generator)
        for key, shape in shapes.items()
    }


def main() -> int:
    directory, out = Path(sys.argv[1]), Path(sys.argv[2])
    asked = json.load(sys.stdin)
    shapes = {key: tuple(shape) for key, shape in asked["shapes"].items()}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        whole = Whole(directory, asked["sources"])
        traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
            whole, (example(shapes, 2, generator),), check_trace=False, strict=False
        )
        for count in (1, 3, 5):
            batch = example(shapes, count, generator)
            gap = float((traced(batch) - whole(batch)).abs().max())
            if not gap < SAME:
                sys.stderr.write(f"what was traced differs from the policy by {gap:.2g} in its actions\n")
                return 1
    torch.jit.save(traced, str(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
