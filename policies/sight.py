"""Eyes that learn with the critics: their parameters are flat vectors, like all others of a learner."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from policies.batch import Batch
from policies.external import Base
from policies.networks import Views
from policies.training_config import TrainingConfig
from policies.vision.config import VisionConfig
from policies.vision.eyes import Eyes, Pictures
from robot.errors import ConfigError
from robot.specs import RobotSpec


class Sight:
    """Shapes of the eyes and their forward pass; parameters are the caller's.

        trained, fixed = sight.initial(generator)
        z = sight.forward(sight.whole(trained, fixed), pictures)      # (B, size), within [-1, 1]

    Fixed is what does not learn: a frozen encoder, and the statistics of a normalisation.

    Args:
        spec: of the robot.
        config: of the eyes.
    """

    def __init__(self, spec: RobotSpec, config: VisionConfig) -> None:
        with torch.random.fork_rng(devices=[]):
            self._eyes = Eyes(spec, config)
        self.config, self.size, self.keys = config, self._eyes.size, self._eyes.keys
        self.lens = self._eyes.lens
        whole = self._eyes.state_dict()
        learns = {name for name, parameter in self._eyes.named_parameters() if parameter.requires_grad}
        self.shapes = {name: tuple(tensor.shape) for name, tensor in whole.items() if name in learns}
        self.fixed_shapes = {name: tuple(tensor.shape) for name, tensor in whole.items() if name not in learns}
        self.sizes = [math.prod(shape) for shape in self.shapes.values()]

    def to(self, device: torch.device) -> Sight:
        self._eyes.to(device)
        return self

    def initial(self, generator: torch.Generator, like: Eyes | None = None) -> tuple[Tensor, Tensor]:
        """Return fresh flat parameters and what is fixed: at random, from the config's file, or those of `like`.

        Raises:
            ConfigError, StoreError: as `Eyes.begin` says.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
            eyes = Eyes(self._eyes.spec, self.config)
        whole = (eyes.begin() if like is None else like).state_dict()
        return _flat(whole, self.shapes), _flat(whole, self.fixed_shapes)

    def views(self, flat: Tensor) -> Views:
        """Return the named tensors of the flat parameters; gradients flow back into it."""
        return _views(flat, self.shapes)

    def leaves(self, flat: Tensor) -> Views:
        """Return the named tensors of the flat parameters to differentiate by, each on its own."""
        return {name: view.detach().requires_grad_() for name, view in self.views(flat).items()}

    def whole(self, flat: Tensor, fixed: Tensor) -> Views:
        """Return the named tensors of the flat parameters and of what is fixed."""
        return self.views(flat) | _views(fixed, self.fixed_shapes)

    def forward(self, views: Views, pictures: Pictures) -> Tensor:
        """Return (B, `size`) for pictures uint8 (B, side, side, 3) by key, as `lens` gives them."""
        found: Tensor = torch.func.functional_call(self._eyes, views, (pictures,))
        return found

    def look(self, batch: Batch, flat: Tensor, fixed: Tensor, generator: torch.Generator) -> tuple[Batch, Views]:
        """Return the batch with what the eyes see in its states, and their parameters to differentiate by.

        Pictures are shifted at random, those before and after a window each by themselves (DrQ). What is seen after it
        is a constant. A batch without pictures, or that was looked at before, is as it was.
        """
        if batch.pictures is None or batch.next_pictures is None:
            return batch, {}
        leaves = self.leaves(flat)
        whole, shifted = leaves | _views(fixed, self.fixed_shapes), self._eyes.shifted
        now = self.forward(whole, shifted(batch.pictures, generator))
        with torch.no_grad():
            then = self.forward(whole, shifted(batch.next_pictures, generator))
        return _with_sight(batch, now, then), leaves

    @torch.no_grad()
    def seen(self, batch: Batch, flat: Tensor, fixed: Tensor) -> Batch:
        """Return the batch with what the eyes see in its states; nothing is shifted, and nothing learns."""
        if batch.pictures is None or batch.next_pictures is None:
            return batch
        whole = self.whole(flat, fixed)
        return _with_sight(batch, self.forward(whole, batch.pictures), self.forward(whole, batch.next_pictures))


def _flat(whole: Views, shapes: dict[str, tuple[int, ...]]) -> Tensor:
    parts = [whole[name].detach().reshape(-1).float() for name in shapes]
    return torch.cat(parts) if parts else torch.zeros(0)


def _views(flat: Tensor, shapes: dict[str, tuple[int, ...]]) -> Views:
    parts = torch.split(flat, [math.prod(shape) for shape in shapes.values()])
    return {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def _with_sight(batch: Batch, now: Tensor, then: Tensor) -> Batch:
    """Return the batch with what eyes see, (B, Z) each, at the end of its states, in place of its pictures."""
    state = torch.cat([batch.state, now], dim=1)
    next_state = torch.cat([batch.next_state, then], dim=1)
    return batch._replace(state=state, next_state=next_state, pictures=None, next_pictures=None)


def learning_sight(spec: RobotSpec, base: Base | None, config: TrainingConfig) -> Sight | None:
    """Return the eyes that a learner trains; None where it has none, or sees with those of the base.

    Raises:
        ConfigError: they are to be those of a base that has none, or look at a camera that the robot has not.
    """
    if config.eyes == "base":
        return None
    if config.eyes == "own":
        return Sight(spec, config.vision)
    if base is None or base.eyes is None:
        raise ConfigError(
            "training.eyes=tuned goes on training the base policy's eyes, and it has none; clone one that sees "
            "(bc.base.vision.cameras), or set training.eyes=own with training.vision.cameras."
        )
    return Sight(spec, base.eyes.config)
