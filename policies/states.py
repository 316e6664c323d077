"""What every network of the learner sees of an observation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from policies.actor import Actor, ActorConfig
from policies.external import Base
from policies.features import Batch as Float
from policies.features import Features, Standardiser
from policies.perception import Percept, Perception, pictures_of, with_final
from robot.errors import ConfigError, StoreError
from robot.specs import TRUTH, RobotSpec
from robot.store import Episode
from robot.types import Source

if TYPE_CHECKING:  # it knows of batches, which know of states
    from policies.sight import Sight
    from policies.steering import Steered


class States:
    """States (B, `size`) of a robot: features, and where a base policy counts its action and one-hot chunk phase.

    Args:
        spec: of the robot.
        base: frozen base policy, or None.
        uses_base: whether the base's action and phase are part of the state. For a learner that never refers to the
            base they are not, even where there is one.
        sight: eyes of the learner's own: what they make of pictures is no part of the state here, since it changes; the
            pictures are columns. None: the state has what the base's eyes see, if it has any.
        steered: the base where its noise is chosen: states are then standardised as it has them, and a decision lasts
            as long as one of its plans.
        tells_truth: whether critics are told what only a simulation knows, as features of its own.

    Raises:
        ConfigError: `uses_base` without a base, or `tells_truth` of a robot without truth.
    """

    def __init__(
        self,
        spec: RobotSpec,
        base: Base | None,
        *,
        uses_base: bool,
        sight: Sight | None = None,
        steered: Steered | None = None,
        tells_truth: bool = False,
    ) -> None:
        if uses_base and base is None:
            raise ConfigError(
                "A residual, and a gate, need a base policy: make one with nudge pretrain, or choose a preset without, "
                "such as --preset rlpd."
            )
        self.spec, self.base, self.uses_base = spec, base, uses_base
        self.sight, self.steered = sight, steered
        self.steps = 1 if steered is None else steered.steps
        """Steps that a decision lasts."""
        self.truth = truth_features(spec) if tells_truth else None
        self.truth_size = 0 if self.truth is None else self.truth.size
        self.picture_keys = () if sight is None else sight.keys
        theirs = None if base is None or sight is not None else base.perception
        self.perception = theirs or Perception(spec, None if base is None else base.features)
        extra = spec.action_size + base.phases if base is not None and uses_base else 0
        self.size = self.perception.size + extra
        self.seen_size = self.size + (0 if sight is None else sight.size)
        """Of a state with what the learner's own eyes see at its end."""
        self.standardiser = Standardiser.nothing(self.size) if steered is None else steered.standardiser
        """What states are standardised by until it is fitted to data; what is steered keeps its own."""

    def actor(self, config: ActorConfig, dtype: torch.dtype = torch.float32) -> Actor:
        """Return what acts in these states."""
        if self.steered is None:
            return Actor(config, self.seen_size, self.spec.action_size, dtype, self.spec.gripper_axis)
        return Actor(config, self.size, self.steered.noise_size, dtype, judged_size=self.steered.action_size)

    def of(self, feature: Float, base_action: Float, phase: NDArray[np.int64]) -> Float:
        """Return states (B, `size`) of features (B, D), base actions (B, A) and chunk phases (B,)."""
        if self.base is None or not self.uses_base:
            return feature
        one_hot = (phase[:, None] == np.arange(self.base.phases)).astype(np.float32)
        return np.concatenate([feature, base_action, one_hot], axis=1)

    def columns(self, episode: Episode) -> dict[str, NDArray[np.generic]]:
        """Return T + 1 rows over the T transitions of an episode; the last is its final observation.

            state: (T + 1, S).
            base: (T + 1, A) what the frozen base would do; zero without one, and where it is steered.
            action: (T + 1, A) what was executed; zero in the last row.
            is_human: (T + 1,) whether a person commanded the step.
            truth: (T + 1, P) what critics alone are told.
            images/<camera>: (T + 1, side, side, 3) what the learner's own eyes look at.

        Base actions that the log lacks (demonstrations) come from the frozen base.

        Raises:
            StoreError: a number is not finite; names the column and the step.
        """
        length = episode.transitions
        seen = self.perception.episode(episode)
        base_action, phase = self._base(episode, seen)
        pad = np.zeros((1, episode.action.shape[1]), np.float32)
        columns: dict[str, NDArray[np.generic]] = {
            "state": self.of(seen.vector, base_action, phase),
            "base": base_action,
            "action": np.concatenate([episode.action[:length], pad]).astype(np.float32),
            "is_human": np.append(episode.source[:length] == Source.HUMAN, False),
        }
        if self.truth is not None:
            known = {key.removeprefix(TRUTH): values for key, values in with_final(episode).items()}
            columns["truth"] = self.truth(known)
        for name in columns:
            _require_finite(episode, name, columns[name])
        if self.sight is not None:
            pictures = self.sight.lens({key: pictures_of(episode, key) for key in self.picture_keys})
            columns |= {key: picture.numpy() for key, picture in pictures.items()}
        return columns

    def _base(self, episode: Episode, seen: Percept) -> tuple[Float, NDArray[np.int64]]:
        length = episode.transitions
        if self.base is None or self.steered is not None:
            return np.zeros((length + 1, self.spec.action_size), np.float32), np.zeros(length + 1, np.int64)
        relabelled, relabelled_phase = self.base.relabel(
            episode, seen if self.perception is self.base.perception else None
        )
        stored = np.concatenate([episode.base_action, episode.final_base_action[None]])[: length + 1]
        absent = np.isnan(stored).any(axis=1)
        base_action = np.where(absent[:, None], relabelled, stored).astype(np.float32)
        stored_phase = np.append(episode.chunk_phase, episode.final_chunk_phase)[: length + 1]
        return base_action, np.where(absent, relabelled_phase, stored_phase).astype(np.int64)


def truth_features(spec: RobotSpec) -> Features:
    """Return features of the state and of what only a simulation knows; ConfigError where it tells nothing."""
    if not spec.truth_keys:
        raise ConfigError(
            f"training.privileged tells critics what only a simulation knows, and {spec.name} tells nothing of it; "
            "begin the run with env.tells_truth=true (--env local), or set training.privileged=false."
        )
    return Features(spec.told())


def _require_finite(episode: Episode, name: str, values: NDArray[np.generic]) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise StoreError(
            f"Episode {episode.index} (seed {episode.attributes.get('seed', '?')}) cannot be learnt from: its {name} "
            f"is not finite at step {int(bad[0][0])}; take it out with nudge store drop, and mend what recorded it."
        )
