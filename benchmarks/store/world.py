"""Stores on a disk and what they should hold, side by side: each operation is done to both."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.store import plain_steps
from benchmarks.store.compare import batch_differences, memory_differences, plain_zarr_differences, reader_differences
from benchmarks.store.model import PlainEpisode, Reward, recovered, reward_of_events, reward_of_success
from robot.errors import StoreError
from robot.store import Episode, StoreReader, StoreSettings, StoreWriter, check
from robot.store.replay_memory import Replay, ReplayConfig
from robot.store.tables import JOURNAL
from robot.types import Source

SPEC = plain_steps.robot()
QUICK = StoreSettings(is_commit_synced=False)


class MismatchError(Exception):
    """A store is not what the lists say."""


@dataclass
class Place:
    """A store and its lists. A `running` episode without a `writer` lies in a dead session's journal.

    An edit puts a new list in place of `episodes`; who reads the old store keeps the old list.
    """

    path: Path
    episodes: list[PlainEpisode] = field(default_factory=list)
    writer: StoreWriter | None = None
    running: PlainEpisode | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    is_torn: bool = False
    """Whether a journal is there that has not even its header."""

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing to mend once the writer is closed."""
        return self.running is None and not self.is_torn


@dataclass
class Follower:
    """A replay that was open all along; `seen` is how much of each list it had taken in at its last refresh."""

    replay: Replay
    readers: dict[str, StoreReader]
    lists: dict[str, list[PlainEpisode]]
    shares: dict[str, float]
    config: ReplayConfig
    reward: Reward
    seen: dict[str, int]


class World:
    """All stores of one sequence, in `folder`; `here` is the one that operations are done to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: list[Place] = []
        self.here = self.add(Place(folder / "0.zarr", attributes={"code": "0"}))
        self.source = Source.POLICY
        self.followers: list[Follower] = []
        self.compared = 0
        """Windows that were compared."""
        self._number = 0
        self.writer()

    def add(self, place: Place) -> Place:
        self.places.append(place)
        return place

    def new_path(self) -> Path:
        return self.folder / f"{len(self.places)}.zarr"

    def number(self) -> int:
        """Return the next step's number; numbers grow, as stamps do."""
        self._number += 1
        return self._number

    def writer(self) -> StoreWriter:
        """Return the writer of the place; opening it mends what a dead session left."""
        place = self.here
        if place.writer is None:
            place.writer = StoreWriter.open(place.path, SPEC, place.attributes, QUICK)
            self.settle(place.writer.repaired is not None)
        return place.writer

    def settle(self, was_repaired: bool) -> None:
        """Do to the lists what opening or mending the store of a dead session does."""
        place, left = self.here, self.here.running
        found = None if left is None else recovered(left)
        expect(was_repaired or found is None, "a journal with steps was not repaired")
        if found is not None:
            place.episodes.append(found)
        place.running, place.is_torn = None, False
        expect(not (place.path / JOURNAL).exists(), "the journal is still there")

    def close(self) -> None:
        """End the writer as death does: what it journalled stays, and its lock is free."""
        if self.here.writer is not None:
            self.here.writer.close()
            self.here.writer = None

    def follow(self, draws_seed: int, config: ReplayConfig, is_paid_by_events: bool) -> None:
        """Open a reader and a replay on this store, and on another where there is one."""
        others = [place for place in self.places if place is not self.here]
        chosen = {"a": self.here, **({"b": others[draws_seed % len(others)]} if others else {})}
        shares = {"a": 0.5, "a:human": 0.2, **({"b": 0.2, "b:success": 0.1} if others else {"a:success": 0.3})}
        readers = {name: StoreReader.open(place.path, SPEC) for name, place in chosen.items()}
        reward = reward_of_events if is_paid_by_events else reward_of_success
        replay = Replay(readers, shares, labeller(reward), config, seed=draws_seed)
        lists = {name: place.episodes for name, place in chosen.items()}
        self.followers.append(Follower(replay, readers, lists, shares, config, reward, dict.fromkeys(lists, 0)))
        self.refresh(self.followers[-1])

    def refresh(self, follower: Follower) -> None:
        seen = {name: len(episodes) for name, episodes in follower.lists.items()}
        new = follower.replay.refresh()
        expect(new == sum(seen.values()) - sum(follower.seen.values()), f"refresh found {new} episodes")
        follower.seen = seen

    def draw(self, follower: Follower) -> None:
        """Draw two batches and compare each window of them."""
        wants = {name: follower.lists[name][: follower.seen[name]] for name in follower.lists}
        if not any(len(episode.observations) > 1 for want in wants.values() for episode in want):
            expect_refused(follower.replay.draw, "nothing to draw from")
            return
        for _ in range(2):
            sample = follower.replay.draw()
            tell(batch_differences(sample, follower.shares, wants, follower.config, follower.reward))
            self.compared += len(sample.step)
            if follower.config.priority:
                follower.replay.prioritise(sample, np.abs(sample.action[:, 0]))

    def examine(self, follower: Follower) -> None:
        """Compare all that a follower holds."""
        for name, reader in follower.readers.items():
            want = follower.lists[name][: follower.seen[name]]
            tell(reader_differences(reader, want))
            memory = follower.replay.memories[name]
            tell(memory_differences(memory, want, follower.config, follower.reward))
            self.compared += sum(len(episode.observations) - 1 for episode in want)

    def examine_all(self, is_by_zarr: bool) -> None:
        """Mend every store and compare all of it, by readers that were open and by new ones."""
        for follower in self.followers:
            self.refresh(follower)
            self.examine(follower)
            self.draw(follower)
        for place in self.places:
            self.here = place
            self.close()
            self.writer()
            self.close()
            tell(check(place.path))
            self.follow(len(self.places), ReplayConfig(batch=16, n_step=3, gamma=0.9), True)
            self.examine(self.followers[-1])
            self.draw(self.followers[-1])
            if is_by_zarr:
                tell(plain_zarr_differences(place.path, place.episodes))
        for follower in self.followers:
            follower.replay.close()

    def forget(self) -> None:
        """Close what is open."""
        for place in self.places:
            self.here = place
            self.close()


def labeller(reward: Reward) -> Callable[[Episode], np.ndarray]:
    """Return the rewards of a stored episode: one written for lists, on the lists that the episode gives back."""

    def label(episode: Episode) -> np.ndarray:
        total = np.zeros(episode.length, np.float32)
        if reward is reward_of_events:
            total += np.nan_to_num(episode.reward)
            is_human = episode.source == Source.HUMAN
            total[:-1] -= np.float32(3.0) * (is_human[1:] & ~is_human[:-1])
        total[-1] += np.float32((10.0 if reward is reward_of_events else 1.0) * episode.is_success)
        return total

    return label


def tell(differences: list[str]) -> None:
    """Raise MismatchError where there is a difference."""
    if differences:
        raise MismatchError("; ".join(differences[:5]))


def expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise MismatchError(what)


def expect_refused(act: Callable[[], object], sentence: str) -> None:
    """Do what must be refused with a StoreError that says `sentence`."""
    try:
        act()
    except StoreError as error:
        expect(sentence in str(error), f"refused with other words: {error}")
        return
    raise MismatchError(f"not refused: {sentence}")


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the operating system refuse to write any file beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def overwrite(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


def forget_records(place: Place, whole: int) -> None:
    """Take from the lists what a journal has lost that has `whole` good records left; below 0 not even its header."""
    running = place.running
    if running is None or whole < 0:
        place.running, place.is_torn = None, True
    elif whole < len(running.steps):
        place.running = replace(running, steps=running.steps[:whole], end="", final=None)
    elif whole == len(running.steps):
        place.running = replace(running, final=None)
