"""What the learner draws from: episodes in memory as states, exact quotas per pool, n-step windows when drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.batch import Batch
from policies.features import Standardiser
from policies.states import States
from robot.errors import StoreError
from robot.settings import Settings, setting
from robot.store import Episode
from robot.store.pools import Places, Pools
from robot.store.rows import EpisodeRows

DEMO, ONLINE = "demo", "online"
"""Where an episode comes from."""

POOLS = (DEMO, ONLINE, "human", "success")
"""Demonstrations; everything that was played online; of that a person's steps; of that the episodes that succeeded."""

Labeller = Callable[[Episode], NDArray[np.float32]]


class EpisodeBuffer:
    """Episodes in memory, low-dimensional; `add` is the only way in.

    Args:
        states: what of an episode the networks see.
        label: gives the rewards (T,) of an episode.
        gamma: discount a step, of the returns to go.
    """

    def __init__(self, states: States, label: Labeller, gamma: float) -> None:
        self.states, self._label, self._gamma = states, label, gamma
        self._rows = EpisodeRows()
        self._pools = {name: np.empty(0, np.int64) for name in POOLS}
        self._joined: dict[str, NDArray[np.int64]] = {}
        self._numbers: dict[int, int] = {}
        self.episodes = dict.fromkeys((DEMO, ONLINE), 0)
        self.standardiser = states.standardiser

    def add(self, episode: Episode, origin: str) -> None:
        """Append an episode of `origin`, DEMO or ONLINE; raises what `look` does, and nothing has changed then."""
        length = episode.transitions
        columns, reward = self.look(episode) if length else ({}, np.empty(0, np.float32))
        self.episodes[origin] += 1
        if length < 1:
            return
        number = self._rows.episodes
        start = self._rows.add(columns, reward, continues=not episode.is_terminated)
        rows = np.arange(start, start + length)
        self._grow(origin, rows)
        if origin == ONLINE:
            self._numbers[episode.index] = number
            self._grow("human", rows[columns["is_human"][:length].astype(bool)])
            if episode.is_success:
                self._grow("success", rows)

    def amend(self, episode: Episode) -> None:
        """Take in that an online episode, which may be here, ended otherwise than it was said at first."""
        if (number := self._numbers.get(episode.index)) is None:
            return
        length = self._rows.extent(number)[1]
        reward = self._label(episode)[:length]
        to_go = np.append(returns_to_go(reward, self._gamma), np.float32(0.0))
        # where nobody saw what followed the last step its value does not count
        self._rows.amend(number, reward, not episode.is_terminated and episode.has_final, to_go=to_go)
        self._pools["success"] = self._rows.regrouped(self._pools["success"], number, episode.is_success)

    def fresh(self) -> EpisodeBuffer:
        """Return an empty buffer that sees, labels and standardises alike."""
        other = EpisodeBuffer(self.states, self._label, self._gamma)
        other.standardiser = self.standardiser
        return other

    def look(self, episode: Episode) -> tuple[dict[str, NDArray[np.generic]], NDArray[np.float32]]:
        """Return the columns (T + 1, ...) and the rewards (T,) of an episode's T transitions.

        Raises:
            StoreError: a number in it is not finite.
        """
        columns = self.states.columns(episode)
        reward = self._label(episode)[: episode.transitions]
        if not np.all(np.isfinite(reward)):
            raise StoreError(
                f"Episode {episode.index} cannot be learnt from: its reward is not finite at step "
                f"{int(np.argwhere(~np.isfinite(reward))[0][0])}; take it out with: nudge store drop STORE "
                f"--episodes {episode.index}"
            )
        columns["to_go"] = np.append(returns_to_go(reward, self._gamma), np.float32(0.0))
        return columns, reward

    def _grow(self, pool: str, rows: NDArray[np.int64]) -> None:
        if len(rows):
            self._pools[pool] = np.append(self._pools[pool], rows)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of all rows; StoreError where there is no such column, or no row yet."""
        return self._rows.column(name)

    def pool(self, name: str) -> NDArray[np.int64]:
        """Return the rows of a pool, as they came; "a+b" for two pools one after the other."""
        if "+" not in name:
            return self._pools[name]
        parts = [self._pools[part] for part in name.split("+")]
        joined = self._joined.get(name)
        if joined is None or len(joined) != sum(map(len, parts)):  # pools only grow
            joined = self._joined[name] = np.concatenate(parts)
        return joined

    def standardise(self) -> None:
        """Fit the standardiser to all that is here; it is drawn through from now on. What is steered keeps its own."""
        if self.states.steered is None:
            self.standardiser = Standardiser.fit(self.column("state"), self.states.perception.raw)

    def windows(self, index: NDArray[np.int64], n: int, weight: NDArray[np.float32] | None = None) -> Batch:
        """Return the windows of n decisions that begin at rows `index` (B,), see `EpisodeRows.windows`."""
        windows = self._rows.windows(index, n * self.states.steps, self._gamma)
        state, base = self.column("state"), self.column("base")
        columns = {
            "state": self.standardiser(state[index]),
            "base": base[index],
            "action": self._actions(index),
            "ret": windows.ret,
            "discount": windows.discount,
            "next_state": self.standardiser(state[windows.after]),
            "next_base": base[windows.after],
            "is_human": self.column("is_human")[index],
            "weight": np.ones(len(index), np.float32) if weight is None else weight,
            "to_go": self.column("to_go")[index],
        }
        if self.states.truth is not None:
            truth = self.column("truth")
            columns |= {"truth": truth[index], "next_truth": truth[windows.after]}
        tensors: dict[str, Any] = {n: torch.from_numpy(np.ascontiguousarray(values)) for n, values in columns.items()}
        whole = Batch(**tensors)
        keys = self.states.picture_keys
        if not keys:
            return whole
        rows = {key: self.column(key) for key in keys}
        now, then = (
            {key: torch.from_numpy(pictures[at]) for key, pictures in rows.items()} for at in (index, windows.after)
        )
        return whole._replace(pictures=now, next_pictures=then)

    def _actions(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what was executed from rows `index` (B,) on as long as a decision lasts, (B, steps * A).

        After the end of an episode its last action is held: the value of what came before does not depend on it.
        """
        last = self.column("end")[index] - 1
        steps = np.minimum(index[:, None] + np.arange(self.states.steps), last[:, None])
        found: NDArray[np.float32] = self.column("action")[steps].reshape(len(index), -1)
        return found


def returns_to_go(reward: NDArray[np.float32], gamma: float) -> NDArray[np.float32]:
    """Return (T,): the discounted sum of the rewards (T,) from each step on."""
    total, found = 0.0, np.empty(len(reward), np.float32)
    for t in range(len(reward) - 1, -1, -1):
        total = float(reward[t]) + gamma * total
        found[t] = total
    return found


@dataclass(frozen=True)
class SamplerConfig(Settings):
    """Who fills a mini-batch."""

    batch: int = setting(256, "samples in a mini-batch", low=2, high=65536)
    demos: str = setting(
        "pool",
        "demonstrations have a share of their own, are part of the online data from the start (RLIF), or are left out",
        choices=("pool", "preload", "leave_out"),
    )
    demo_share: float = setting(0.5, "share of demonstrations (RLPD's symmetric sampling)", low=0.0, high=1.0)
    human_is_demo: bool = setting(
        False, "a person's steps also count as demonstrations (HIL-SERL's two buffers); human_share is then 0"
    )
    human_share: float = setting(
        0.25, "share of a person's steps within the online part, once there are any", low=0.0, high=1.0
    )
    success_share: float = setting(
        0.0, "share of episodes that succeeded within the online part, once there are any", low=0.0, high=1.0
    )
    n_step: int = setting(
        3, "length of the return's window, in decisions: steps, or of a steered base its plans", low=1, high=100
    )
    gamma: float = setting(0.97, "discount a step", low=0.0, high=0.9999)
    priority: float = setting(0.0, "exponent of the priorities, alpha; 0 draws uniformly", low=0.0, high=2.0)
    correction: float = setting(0.4, "exponent of the weights that undo them, beta", low=0.0, high=1.0)

    def shares(self) -> dict[str, float]:
        """Return the share of each pool, by name."""
        demo = self.demo_share if self.demos == "pool" else 0.0
        human = 0.0 if self.human_is_demo else self.human_share
        success = self.success_share * (1.0 - human)
        pool = f"{DEMO}+human" if self.human_is_demo else DEMO
        rest = 1.0 - demo
        of_online = {self.online: rest * (1.0 - human - success), "human": rest * human, "success": rest * success}
        return {pool: demo} | of_online

    @property
    def online(self) -> str:
        """Return the pool of the online part, which has the shares of a person and of success until they are filled."""
        return f"{DEMO}+{ONLINE}" if self.demos == "preload" else ONLINE


class QuotaSampler:
    """Draws mini-batches with exact counts per pool, the same for the same seed and the same buffer."""

    def __init__(self, buffer: EpisodeBuffer, config: SamplerConfig, seed: int, device: str = "cpu") -> None:
        self.buffer, self.config, self.device = buffer, config, torch.device(device)
        heirs = dict.fromkeys(("human", "success"), config.online)
        self.pools = Pools(config.shares(), config.priority, config.correction, seed, heirs)
        self._last: dict[str, Places] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is no window to draw yet."""
        return not any(size for name, size in self._filled().items() if self.pools.shares[name])

    def counts(self) -> dict[str, int]:
        """Return how many windows of each pool the next batch has.

        Raises:
            StoreError: no episode with a step was added yet.
        """
        return self.pools.counts(self.config.batch, self._filled())

    def draw(self) -> Batch:
        """Return the next mini-batch (`config.batch` rows), pool by pool.

        Raises:
            StoreError: no episode with a step was added yet.
        """
        return self._batch(self.pools.draw(self.config.batch, self._filled()))

    def draw_demos(self) -> Batch:
        """Return a mini-batch of demonstrations alone, uniformly."""
        pool = self.buffer.pool(DEMO)
        if not len(pool):
            raise StoreError("Learning from demonstrations needs some: record them with nudge record.")
        rows = pool[self.pools.draws.integers(len(pool), self.config.batch)]
        return self.buffer.windows(rows, self.config.n_step).on(self.device)

    def prioritise(self, errors: Tensor) -> None:
        """Set the priorities of the last mini-batch from its errors (B,), where anything is prioritised."""
        if not self.config.priority:
            return
        values, start = errors.cpu().numpy(), 0
        for name, places in self._last.items():
            self.pools.prioritise(name, places.place, values[start : start + len(places.place)])
            start += len(places.place)

    def _batch(self, places: dict[str, Places]) -> Batch:
        self._last = places
        rows = np.concatenate([self.buffer.pool(name)[chosen.place] for name, chosen in places.items()])
        weight = np.concatenate([chosen.weight for chosen in places.values()])
        return self.buffer.windows(rows, self.config.n_step, weight).on(self.device)

    def _filled(self) -> dict[str, int]:
        """Return the sizes of the pools; without online data, what is drawn is demonstrations alone."""
        return {name: len(self.buffer.pool(name)) for name in self.pools.shares}
