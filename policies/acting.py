"""The policy that acts by what was learnt: `robot.interfaces.Policy` over base, actor, gate and stage."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.base import BasePolicy
from policies.critics import Critics
from policies.external import Base
from policies.features import Standardiser
from policies.learner import Learner
from policies.networks import Views
from policies.perception import Percept
from policies.proof import player
from policies.schedule import START, Directions
from policies.sight import learning_sight
from policies.states import States
from policies.steering import steered
from policies.training_config import TrainingConfig
from policies.weights import WeightsDirectory
from robot.errors import ConfigError
from robot.specs import RobotSpec
from robot.store import Episode
from robot.types import NO_VERSION, Decision, Observation

Float = NDArray[np.float32]


class Proposal(NamedTuple):
    """An action (A,), and the correction (A,) of the base in it; NaN where there is none."""

    action: Float
    residual: Float


def published(learner: Learner, standardiser: Standardiser) -> dict[str, Tensor]:
    """Return what an acting policy needs of a learner, by "part.name"; of the critics only where there is a gate."""
    actor = learner.actor
    source = learner.target_flat if actor.config.acts_on_average else learner.flat
    views = {"actor": actor.network.views(source["actor"])}
    if actor.config.gate != "none":
        views["critic"] = learner.critic.views(learner.target_flat["critic"])
    if actor.has_gripper:
        views["gripper"] = learner.gripper.views(learner.flat["gripper"])
    tensors = {f"{part}.{name}": view for part, named in views.items() for name, view in named.items()}
    tensors["standardiser.mean"] = torch.from_numpy(standardiser.mean)
    tensors["standardiser.scale"] = torch.from_numpy(standardiser.scale)
    return tensors | {f"eyes.{name}": tensor for name, tensor in learner.eyes().items()}


def part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the published tensors of one part."""
    return {n.removeprefix(f"{name}."): t for n, t in tensors.items() if n.startswith(f"{name}.")}


class LearntPolicy:
    """Executes base plus residual, or the learnt action, as the stage, the gate and the alarms have it.

        policy = LearntPolicy(spec, base, config, WeightsDirectory(path))
        policy.load_weights(version)      # at an episode's start
        policy.deterministic = True       # evaluation: no exploration noise

    Before the first `load_weights` a residual is zero and the policy is the base, bit for bit, but for exploration
    noise. Noise is drawn from the seed given to `reset`, and a residual with its noise stays within its bound.

    Args:
        spec: of the robot.
        base: frozen base policy, whose queue is this policy's; None where there is none.
        config: must equal the learner's.
        weights: where `load_weights` reads.
        deterministic: whether to leave out all that explores: noise, the start's actions, trials of what the gate
            refuses.
    """

    def __init__(
        self,
        spec: RobotSpec,
        base: Base | None,
        config: TrainingConfig,
        weights: WeightsDirectory | None = None,
        *,
        deterministic: bool = False,
    ) -> None:
        self.spec, self.base, self.weights = spec, base, weights
        self.config, self.schedule = config.actor, config.schedule
        self.deterministic = deterministic
        self.version = NO_VERSION
        self.directions = Directions()
        self.sight = learning_sight(spec, base, config)
        self.states = States(
            spec, base, uses_base=self.config.sees_base, sight=self.sight, steered=steered(base, config)
        )
        self.actor = self.states.actor(self.config)
        self.critics = Critics(config.learner, self.actor, config.value_range)
        self._judges: Views = {}
        self._views = self.actor.network.views(self.actor.initial(torch.Generator().manual_seed(0)))
        self._gripper: Views = {}
        self._eyes: Views = {}
        if self.sight is not None:  # until there are weights a residual is zero, whatever is seen
            self._eyes = self.sight.whole(*self.sight.initial(torch.Generator().manual_seed(0)))
        self._standardiser = self.states.standardiser
        self._bound: Float = self.actor.bound.numpy()
        self._absent = np.full(spec.action_size, np.nan, np.float32)
        self._rng = np.random.default_rng(0)
        self._step = 0
        self._is_trial = self._is_bases = self._is_steered = False
        self._judged = (math.nan, False)

    def reset(self, seed: int) -> None:
        if self.base is not None:
            self.base.reset(seed)
        self._rng = np.random.default_rng(seed)
        self._step = 0
        doubt = bool(self.directions.doubt)
        who = player(seed, doubt, self.config)
        self._is_trial = who == "trial" and not self.deterministic
        self._is_bases = doubt and (who == "base" or self.deterministic)

    def replan(self) -> None:
        if self.base is not None:
            self.base.replan()

    def act(self, observation: Observation) -> Decision:
        seen = self.states.perception.one(observation)
        if self.states.steered is not None and isinstance(self.base, BasePolicy):
            return self._steer(self.base, seen)
        plan = self._planned(observation, seen)
        base = plan.base_action if plan is not None else np.zeros(self.spec.action_size, np.float32)
        phase = plan.chunk_phase if plan is not None else 0
        self._judged = (math.nan, False)
        chosen = self._choose(observation, seen.vector, base, phase)
        self._step += 1
        stored = base if plan is not None else self._absent
        return Decision(chosen.action, stored, chosen.residual, phase, self.version, *self._judged)

    def advantages(self, episode: Episode) -> Float:
        """Return (T,): by how much the critics rate what was executed in an episode above what the base would do.

        Raises:
            ConfigError: no critics were published: only those of a method with a gate are.
        """
        if not self._judges:
            raise ConfigError(
                "The critics of a method without a gate are not published, so nobody can judge by them: leave "
                "bc.filters_corrections out, or take the session of a method with a gate (gated, ibrl)."
            )
        columns = self.states.columns(episode)
        length = episode.transitions
        state = torch.from_numpy(self._standardiser(np.asarray(columns["state"][:length], np.float32)))
        base, action = (torch.from_numpy(np.asarray(columns[name][:length], np.float32)) for name in ("base", "action"))
        with torch.no_grad():
            if self.sight is not None:
                pictures = {k: torch.from_numpy(np.asarray(columns[k][:length], np.uint8)) for k in self.sight.keys}
                state = torch.cat([state, self.sight.forward(self._eyes, pictures)], dim=1)
            rated, alone = (self.critics.all_values(self._judges, state, base, a).mean(dim=0) for a in (action, base))
        found = np.zeros(episode.length, np.float32)
        found[:length] = (rated - alone).numpy()
        return found

    def load_weights(self, version: int) -> None:
        """Take the weights published as `version` from the next step on.

        Raises:
            StoreError: that version is not there.
            SpecError: the weights are for another robot or another shape of actor.
        """
        if self.weights is None:
            raise ConfigError("This policy was built without a weights directory; pass one to load weights.")
        tensors, header = self.weights.load(version, self.spec.digest(), self.shapes())
        self._views = part(tensors, "actor")
        self._gripper = part(tensors, "gripper")
        self._judges = part(tensors, "critic")
        self._eyes = part(tensors, "eyes")
        found = part(tensors, "standardiser")
        self._standardiser = Standardiser(found["mean"].numpy(), found["scale"].numpy())
        self.directions = Directions.from_header(header)
        self.version = version

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the tensors that `load_weights` takes."""
        networks = {"actor": self.actor.network}
        if self.config.gate != "none":
            networks["critic"] = self.critics.network
        if self.actor.has_gripper:
            networks["gripper"] = self.critics.gripper
        shapes = {f"{name}.{key}": shape for name, network in networks.items() for key, shape in network.shapes.items()}
        if self.sight is not None:
            seen = self.sight.shapes | self.sight.fixed_shapes
            shapes |= {f"eyes.{name}": shape for name, shape in seen.items()}
        return shapes | dict.fromkeys(("standardiser.mean", "standardiser.scale"), (self.states.size,))

    def _choose(self, observation: Observation, feature: Float, base: Float, phase: int) -> Proposal:
        if self.directions.stage == START and not self.deterministic:
            return self._start(observation, feature, base, phase)
        if self.base is not None and self._is_left_to_base():
            return self._corrected(base, np.zeros_like(base))
        return self._learnt(observation, feature, base, phase)

    def _is_left_to_base(self) -> bool:
        is_guided = self._step < self.directions.guide_steps and not self.deterministic
        return is_guided or self._is_bases or bool(self.directions.alarm)

    def _steer(self, base: BasePolicy, seen: Percept) -> Decision:
        """Return what a base does whose noise is ours to choose; what it would have done by its own is not known."""
        noise = None
        if base.plans_next:
            noise = self._noise(seen)
            self._is_steered = noise is not None
        self._step += 1
        decision = replace(base.act_on(seen, noise), weights_version=self.version)
        return replace(decision, base_action=self._absent) if self._is_steered else decision

    def _noise(self, seen: Percept) -> Float | None:
        """Return the noise (1, W) of the next plan; None where the base draws its own."""
        is_start = self.directions.stage == START and not self.deterministic
        if is_start and self.schedule.starter == "uniform":
            return (self._rng.uniform(-1.0, 1.0, self._bound.shape)[None] * self._bound).astype(np.float32)
        if self.version == NO_VERSION or (is_start and self.schedule.starter == "base") or self._is_left_to_base():
            return None
        with torch.no_grad():
            return self._explored(torch.from_numpy(self._standardiser(seen.vector[None])))[None]

    def _start(self, observation: Observation, feature: Float, base: Float, phase: int) -> Proposal:
        starter, noise = self.schedule.starter, self.schedule.start_noise
        if starter == "uniform":
            return Proposal(self._rng.uniform(-1.0, 1.0, len(base)).astype(np.float32), self._absent)
        if starter == "policy" or self.base is None:
            return self._learnt(observation, feature, base, phase)
        return self._corrected(base, self._rng.uniform(-noise, noise, len(base)).astype(np.float32))

    def _learnt(self, observation: Observation, feature: Float, base: Float, phase: int) -> Proposal:
        state = self._standardiser(self.states.of(feature[None], base[None], np.array([phase])))
        with torch.no_grad():
            at = torch.cat([torch.from_numpy(state), self._look(observation)], dim=1)
            if self._is_refused(at, base):
                return self._corrected(base, np.zeros_like(base))
            u = self._explored(at)
            grip = self._grip(at)
            if not self.actor.has_gripper and self.actor.is_residual:
                return self._corrected(base, u)
            action = self.actor.compose(torch.from_numpy(base[None]), torch.from_numpy(u[None]), grip)[0].numpy()
        return Proposal(action, action - base if self.actor.is_residual else self._absent)

    def _planned(self, observation: Observation, seen: Percept) -> Decision | None:
        """Return what the base does; None without one. What is seen for the learner need not be looked at twice."""
        if isinstance(self.base, BasePolicy) and self.base.perception is self.states.perception:
            return self.base.act_on(seen)
        return None if self.base is None else self.base.act(observation)

    def _look(self, observation: Observation) -> Tensor:
        """Return what the learnt eyes see, (1, Z); without such eyes there is no number."""
        if self.sight is None:
            return torch.zeros(1, 0)
        return self.sight.forward(self._eyes, self.sight.lens({k: observation[k][None] for k in self.sight.keys}))

    def _is_refused(self, at: Tensor, base: Float) -> bool:
        if self.config.gate == "none" or self._is_trial or self.version == NO_VERSION:
            return False
        b = torch.from_numpy(base[None])
        a = self.actor.compose(b, self.actor.mode(self._views, at), self._grip(at))
        is_taken, certainty = self.critics.judge(self._judges, at, b, a)
        self._judged = (float(certainty[0]), not bool(is_taken[0]))
        return self._judged[1]

    def _explored(self, at: Tensor) -> Float:
        """Return u (U,), with noise unless `deterministic`."""
        if self.deterministic or (not self.actor.is_gaussian and self.config.noise == 0.0):
            mode: Float = self.actor.mode(self._views, at)[0].numpy()
            return mode
        noise = self._rng.standard_normal(len(self._bound), dtype=np.float32)
        drawn: Float = self.actor.sample(self._views, at, torch.from_numpy(noise[None]))[0][0].numpy()
        if self.actor.is_gaussian:
            return drawn
        clip = self.config.noise_clip
        added = np.clip(self.config.noise * noise, -clip, clip) * self._bound
        explored: Float = np.clip(drawn + added, -self._bound, self._bound).astype(np.float32)
        return explored

    def _grip(self, at: Tensor) -> Tensor | None:
        if not self.actor.has_gripper:
            return None
        if not self._gripper:
            return torch.zeros(1)
        return self.critics.gripper.forward(self._gripper, at)[0].argmax(dim=1).float() - 1.0

    def _corrected(self, base: Float, u: Float) -> Proposal:
        # in numpy, so that a residual of zero leaves the base's very bits
        return Proposal(np.clip(base + u, -1.0, 1.0).astype(np.float32), u)
