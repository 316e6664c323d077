"""The base policy: a perceptron that predicts a chunk of actions and executes the first few of them."""

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

from policies.features import FeatureConfig, Features, Standardiser
from policies.networks import EnsembleMlp
from policies.tensorfile import read_tensors, write_tensors
from robot.errors import SpecError
from robot.settings import Settings, setting
from robot.specs import RobotSpec
from robot.store import Episode
from robot.types import NO_VERSION, Decision, Observation, Source

FILE = "base.safetensors"


@dataclass(frozen=True)
class BaseConfig(Settings):
    """Shape of the base policy."""

    hidden: tuple[int, ...] = setting((128, 128), "width of each hidden layer", low=1, high=4096)
    chunk: int = setting(8, "actions predicted at once", unit="steps", low=1, high=100)
    execute_steps: int = setting(2, "actions executed before the next prediction", unit="steps", low=1, high=100)
    head_room: float = setting(
        0.1, "the base stays within 1/(1+head_room), so that the residual can add to it (ResFiT)", low=0.0, high=1.0
    )
    features: FeatureConfig = setting(FeatureConfig, "scales of the features")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.execute_steps > self.chunk:
            raise SpecError(
                f"BaseConfig.execute_steps must be at most chunk ({self.chunk}); found {self.execute_steps}."
            )


@dataclass(frozen=True)
class ActionScaler:
    """Maps the data's actions to about [-1, 1] and back, with head-room at both ends (ResFiT, ActionScaler).

    Attributes:
        middle, half: (A,) centre and half range, normalised action units.
    """

    middle: NDArray[np.float32]
    half: NDArray[np.float32]

    @staticmethod
    def fit(action: NDArray[np.float32], head_room: float) -> ActionScaler:
        """Fit to actions (N, A). A constant axis gets the half range 0.05, so that nothing divides by zero."""
        low, high = action.min(axis=0), action.max(axis=0)
        half = np.maximum((high - low) / 2, 0.05) * (1.0 + head_room)
        return ActionScaler(((high + low) / 2).astype(np.float32), half.astype(np.float32))

    def scale(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        return (action - self.middle) / self.half

    def unscale(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.middle + np.clip(scaled, -1.0, 1.0) * self.half


class BasePolicy:
    """A deterministic chunked policy: `robot.interfaces.Policy`.

        policy.reset(seed)            # empties the queue: the first action comes from the episode's first observation
        decision = policy.act(obs)    # plans when the queue is empty, else pops
        policy.replan()               # a person moved the robot: the rest of the chunk is void

    Args:
        spec: robot it is for.
        config: shape.
        flat: network parameters (`network.size`,).
        scaler: of the actions.
        standardiser: of the features; None where none needs it.
    """

    def __init__(
        self,
        spec: RobotSpec,
        config: BaseConfig,
        flat: Tensor,
        scaler: ActionScaler,
        standardiser: Standardiser | None = None,
    ) -> None:
        self.spec, self.config, self.scaler = spec, config, scaler
        self.features = Features(spec, config.features)
        self.standardiser = standardiser or Standardiser.nothing(self.features.size)
        self.network = base_network(spec, config)
        self._flat = flat.detach().clone()
        self._views = self.network.views(self._flat)
        self._limit = 1.0 / (1.0 + config.head_room)
        self._absent = np.full(spec.action_size, np.nan, np.float32)
        self._plan: NDArray[np.float32] = np.empty((0, spec.action_size), np.float32)
        self._phase = 0

    @property
    def phases(self) -> int:
        """Number of chunk phases, which is how many actions of a chunk are executed."""
        return self.config.execute_steps

    def reset(self, seed: int) -> None:
        """Begin an episode; the base draws no random numbers, so `seed` has no effect on it."""
        self.replan()

    def replan(self) -> None:
        self._phase = 0

    def act(self, observation: Observation) -> Decision:
        return self.act_on(self.features.one(observation))

    def act_on(self, feature: NDArray[np.float32]) -> Decision:
        """Return the next action for features (D,) that `features` has made already."""
        if self._phase == 0:
            self._plan = self.predict(feature[None])[0]
        phase, base = self._phase, self._plan[self._phase].copy()
        self._phase = (phase + 1) % self.config.execute_steps
        return Decision(base, base, self._absent, phase, NO_VERSION)

    def predict(self, feature: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return chunks (B, chunk, A) for features (B, D), within 1/(1+head_room)."""
        with torch.no_grad():
            out = self.network.forward(self._views, torch.from_numpy(self.standardiser(feature)))[0].numpy()
        scaled = out.reshape(len(out), self.config.chunk, self.spec.action_size)
        action = np.clip(self.scaler.unscale(scaled), -self._limit, self._limit)
        return (action + np.float32(0.0)).astype(np.float32)  # -0 becomes +0, so that b + 0 has b's very bits

    def relabel(self, episode: Episode) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return base actions (T+1, A) and chunk phases (T+1,) over the T transitions of a recorded episode.

        The queue is empty at the episode's start and after each step of a person, exactly as the loop keeps it;
        the last row belongs to the final observation. (Labels that let chunks leak across demonstrations are a
        known defect of the released ResFiT code, its issue 5.)
        """
        chunks = self.predict(self.features(with_final(episode)))
        length = episode.transitions
        phase = np.zeros(length + 1, np.int64)
        for t in range(length):
            human = episode.source[t] == Source.HUMAN
            phase[t + 1] = 0 if human else (phase[t] + 1) % self.config.execute_steps
        rows = np.arange(length + 1)
        return chunks[rows - phase, phase], phase

    def digest(self) -> str:
        """Return 16 hex digits of all that it acts by."""
        shapes = json.dumps(dataclasses.asdict(self.config), sort_keys=True)
        arrays = (self.scaler.middle, self.scaler.half, self.standardiser.mean, self.standardiser.scale)
        parts = [shapes.encode(), self._flat.numpy().tobytes(), *(array.tobytes() for array in arrays)]
        return hashlib.sha256(b"".join(parts)).hexdigest()[:16]

    def save(self, directory: Path) -> None:
        """Write `base.safetensors` atomically, with the config and the robot's digest in its header."""
        header = {
            "config": json.dumps(dataclasses.asdict(self.config)),
            "spec": self.spec.to_json(),
            "spec_digest": self.spec.digest(),
        }
        tensors = {f"network.{n}": v.contiguous() for n, v in self._views.items()}
        tensors["scaler.middle"] = torch.from_numpy(self.scaler.middle.copy())
        tensors["scaler.half"] = torch.from_numpy(self.scaler.half.copy())
        tensors["standardiser.mean"] = torch.from_numpy(self.standardiser.mean.copy())
        tensors["standardiser.scale"] = torch.from_numpy(self.standardiser.scale.copy())
        write_tensors(Path(directory) / FILE, tensors, header)

    @staticmethod
    def load(directory: Path, spec: RobotSpec) -> BasePolicy:
        """Read a base policy for the robot `spec`.

        Raises:
            StoreError: there is no base policy in `directory`, or the file is damaged.
            SpecError: it was trained for another robot.
        """
        path = Path(directory) / FILE
        tensors, header = read_tensors(path)
        if header["spec_digest"] != spec.digest():
            theirs = RobotSpec.from_json(header["spec"])
            raise SpecError(
                f"Base policy {path} is for robot {theirs.name!r} ({header['spec_digest']}), "
                f"this robot is {spec.name!r} ({spec.digest()}); clone one from this robot's demonstrations."
            )
        raw = json.loads(header["config"])
        raw["features"] = FeatureConfig(**raw["features"])
        config = BaseConfig(**raw | {"hidden": tuple(raw["hidden"])})
        views = {n.removeprefix("network."): v for n, v in tensors.items() if n.startswith("network.")}
        scaler = ActionScaler(tensors["scaler.middle"].numpy(), tensors["scaler.half"].numpy())
        standardiser = None  # of a file from before there was one
        if "standardiser.mean" in tensors:
            standardiser = Standardiser(tensors["standardiser.mean"].numpy(), tensors["standardiser.scale"].numpy())
        return BasePolicy(spec, config, base_network(spec, config).flatten(views), scaler, standardiser)


def base_network(spec: RobotSpec, config: BaseConfig) -> EnsembleMlp:
    """Return the base policy's network: features in, one scaled chunk out."""
    inputs = Features(spec, config.features).size
    return EnsembleMlp(1, inputs, config.hidden, config.chunk * spec.action_size)


def with_final(episode: Episode) -> dict[str, NDArray[np.generic]]:
    """Return the state observations (N+1, ...) that surround an episode's N transitions.

    Where nobody saw what followed a terminal step, its own observation stands there, and its value does not count.
    """
    if episode.transitions < episode.length:
        return dict(episode.observation)
    last = episode.final_observation if episode.has_final else {k: v[-1] for k, v in episode.observation.items()}
    return {key: np.concatenate([value, np.asarray(last[key])[None]]) for key, value in episode.observation.items()}
