"""The base policy: predicts a chunk of actions from what it sees, and executes the first few of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.base_config import BaseConfig
from policies.chunks.act import ActChunk
from policies.chunks.decoder import Decoder
from policies.chunks.diffusion import DiffusionChunk
from policies.chunks.flow import FlowChunk
from policies.chunks.mlp import MlpChunk
from policies.chunks.model import ChunkModel, Seen
from policies.features import FeatureConfig, Standardiser
from policies.perception import Percept, Perception, seen_size
from policies.plans import Plans
from policies.tensorfile import read_tensors, write_tensors
from policies.vision.eyes import Eyes
from robot.errors import SpecError, StoreError
from robot.settings import restored
from robot.specs import RobotSpec
from robot.store import Episode
from robot.types import NO_VERSION, Decision, Observation, Source

FILE = "base.safetensors"

Float = NDArray[np.float32]


@dataclass(frozen=True)
class ActionScaler:
    """Maps the data's actions to about [-1, 1], with head-room at both ends (ResFiT, ActionScaler).

    `policies.chunks.decoder` maps them back.

    Attributes:
        middle, half: (A,) centre and half range, normalised action units.
    """

    middle: Float
    half: Float

    @staticmethod
    def fit(action: Float, head_room: float) -> ActionScaler:
        """Fit to actions (N, A). A constant axis gets the half range 0.05, so that nothing divides by zero."""
        low, high = action.min(axis=0), action.max(axis=0)
        half = np.maximum((high - low) / 2, 0.05) * (1.0 + head_room)
        return ActionScaler(((high + low) / 2).astype(np.float32), half.astype(np.float32))

    def scale(self, action: Float) -> Float:
        return (action - self.middle) / self.half


class BasePolicy:
    """A chunked policy: `robot.interfaces.Policy`. The same seed and observations give the same actions.

        policy.reset(seed)            # empties the queue: the first action comes from the episode's first observation
        decision = policy.act(obs)    # plans when the queue is empty, else pops
        policy.replan()               # a person moved the robot: the rest of the chunk is void

    Args:
        spec: robot it is for.
        config: shape.
        model: predicts the chunks.
        scaler: of the actions.
        standardiser: of the features; None where none needs it.
        eyes: what it sees pictures with; None for a policy of the state alone.
    """

    def __init__(
        self,
        spec: RobotSpec,
        config: BaseConfig,
        model: ChunkModel,
        scaler: ActionScaler,
        standardiser: Standardiser | None = None,
        eyes: Eyes | None = None,
    ) -> None:
        self.spec, self.config, self.scaler = spec, config, scaler
        self.model = model.eval().requires_grad_(requires_grad=False)
        self.eyes = None if eyes is None else eyes.eval().requires_grad_(requires_grad=False)
        self.perception = Perception(spec, config.features, self.eyes, gives_maps=config.kind == "act")
        self.standardiser = standardiser or Standardiser.nothing(self.perception.size)
        self.decoder = Decoder(self.model, scaler.middle, scaler.half, 1.0 / (1.0 + config.head_room))
        self._absent = np.full(spec.action_size, np.nan, np.float32)
        self._plans = Plans(config.chunk, spec.action_size, config.execute_steps, config.ensembling)
        self._rng = np.random.default_rng(0)

    @property
    def phases(self) -> int:
        """Number of chunk phases, which is how many actions of a chunk are executed."""
        return self.config.execute_steps

    @property
    def features(self) -> FeatureConfig:
        """Scales of what a learner sees of the state."""
        return self.config.features

    def reset(self, seed: int) -> None:
        """Begin an episode; all chance in the policy comes from `seed`."""
        self._rng = np.random.default_rng(seed)
        self.replan()

    def replan(self) -> None:
        self._plans.clear()

    def act(self, observation: Observation) -> Decision:
        return self.act_on(self.perception.one(observation))

    @property
    def plans_next(self) -> bool:
        """Whether the next action begins a new plan."""
        return self._plans.is_empty

    def act_on(self, seen: Percept, noise: Float | None = None) -> Decision:
        """Return the next action for what `perception` has seen already.

        Args:
            noise: (1, `model.noise_size`) that a new plan is made of; None: by chance.
        """
        drawn = self._rng.standard_normal((1, self.model.noise_size), dtype=np.float32)  # in every step: see `relabel`
        if self._plans.is_empty:
            seen = seen._replace(vector=seen.vector[None])
            self._plans.put(self.predict(seen, drawn if noise is None else noise)[0])
        base, phase = self._plans.next()
        return Decision(base, base, self._absent, phase, NO_VERSION)

    def predict(self, seen: Percept, noise: Float | None = None) -> Float:
        """Return chunks (B, chunk, A) for what is seen, within 1/(1+head_room).

        Args:
            noise: (B, `model.noise_size`) standard normal; None for zeros.
        """
        count = len(seen.vector)
        drawn = np.zeros((count, self.model.noise_size), np.float32) if noise is None else noise
        vector = torch.from_numpy(self.standardiser(seen.vector))
        with torch.no_grad():
            chunks: Float = self.decoder(Seen(vector, seen.maps), torch.from_numpy(drawn)).numpy()
        return chunks

    def relabel(self, episode: Episode, seen: Percept | None = None) -> tuple[Float, NDArray[np.int64]]:
        """Return base actions (T+1, A) and chunk phases (T+1,) over the T transitions of a recorded episode.

        The queue is empty at the episode's start and after each step of a person, exactly as the loop keeps it, and
        chance is that of the episode's seed; the last row belongs to the final observation. (Labels that let chunks
        leak across demonstrations are a known defect of the released ResFiT code, its issue 5.)

        Args:
            seen: what `perception.episode` gave for it, where that is known already.
        """
        seen = self.perception.episode(episode) if seen is None else seen
        length = episode.transitions
        rng = np.random.default_rng(int(episode.attributes.get("seed", 0)))
        chunks = self.predict(seen, rng.standard_normal((length + 1, self.model.noise_size), dtype=np.float32))
        return self._plans.labels(chunks, episode.source[:length] == Source.HUMAN)

    def digest(self) -> str:
        """Return 16 hex digits of all that it acts by."""
        found = hashlib.sha256(json.dumps(dataclasses.asdict(self.config), sort_keys=True).encode())
        for name, tensor in sorted(self._tensors().items()):
            found.update(name.encode() + tensor.numpy().tobytes())
        return found.hexdigest()[:16]

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        if self.eyes is not None:
            tensors |= {f"eyes.{name}": tensor for name, tensor in self.eyes.state_dict().items()}
        tensors["scaler.middle"] = torch.from_numpy(self.scaler.middle)
        tensors["scaler.half"] = torch.from_numpy(self.scaler.half)
        tensors["standardiser.mean"] = torch.from_numpy(self.standardiser.mean)
        tensors["standardiser.scale"] = torch.from_numpy(self.standardiser.scale)
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def save(self, directory: Path, file: str = FILE) -> None:
        """Write `base.safetensors` atomically, with the config and the robot's digest in its header."""
        header = {
            "config": json.dumps(dataclasses.asdict(self.config)),
            "spec": self.spec.to_json(),
            "spec_digest": self.spec.digest(),
        }
        write_tensors(Path(directory) / file, self._tensors(), header)

    @staticmethod
    def load(directory: Path, spec: RobotSpec, file: str = FILE) -> BasePolicy:
        """Read a base policy for the robot `spec`.

        Raises:
            StoreError: there is no base policy in `directory`, or the file is damaged.
            SpecError: it was trained for another robot.
            ConfigError: it is of another version.
        """
        path = Path(directory) / file
        tensors, header = read_tensors(path)
        if header["spec_digest"] != spec.digest():
            theirs = RobotSpec.from_json(header["spec"])
            raise SpecError(
                f"Base policy {path} is for robot {theirs.name!r} ({header['spec_digest']}), "
                f"this robot is {spec.name!r} ({spec.digest()}), which differs in {spec.difference(theirs)}; "
                "clone one from this robot's demonstrations."
            )
        config = restored(BaseConfig, json.loads(header["config"]))
        eyes = base_eyes(spec, config)
        model = chunk_model(spec, config, torch.Generator(), eyes)
        for name, module in (("model", model), ("eyes", eyes)):
            if module is None:
                continue
            theirs_ = {n.removeprefix(f"{name}."): t for n, t in tensors.items() if n.startswith(f"{name}.")}
            try:
                module.load_state_dict(theirs_)
            except RuntimeError as error:
                raise StoreError(
                    f"{path} is not as this version writes a base policy ({str(error).splitlines()[-1].strip()}); "
                    "clone it anew: nudge pretrain."
                ) from error
        scaler = ActionScaler(tensors["scaler.middle"].numpy(), tensors["scaler.half"].numpy())
        standardiser = Standardiser(tensors["standardiser.mean"].numpy(), tensors["standardiser.scale"].numpy())
        return BasePolicy(spec, config, model, scaler, standardiser, eyes)


def base_eyes(spec: RobotSpec, config: BaseConfig) -> Eyes | None:
    """Return fresh eyes of a base policy; None where it looks at no camera."""
    return Eyes(spec, config.vision) if config.vision.cameras else None


def chunk_model(
    spec: RobotSpec, config: BaseConfig, generator: torch.Generator, eyes: Eyes | None = None
) -> ChunkModel:
    """Return a fresh model of the kind that `config` says; `generator` draws its initial weights."""
    inputs = seen_size(spec, config.features, eyes)
    if config.kind == "mlp":
        return MlpChunk(inputs, config.hidden, config.chunk, spec.action_size, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        if config.kind == "act":
            maps = () if eyes is None else (eyes.shape,) * len(eyes.keys)
            return ActChunk(config.act, inputs, config.chunk, spec.action_size, maps)
        if config.kind == "diffusion":
            return DiffusionChunk(config.diffusion, inputs, config.chunk, spec.action_size)
        return FlowChunk(config.flow, inputs, config.chunk, spec.action_size)
