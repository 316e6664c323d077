"""An operator takes back how an episode ended: it is no demonstration any more, and its seed comes again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

from robot.errors import RobotError
from robot.labels import Heard
from robot.local import LocalRobot
from robot.loop import EpisodeSummary
from robot.nodes.stops import Stop
from robot.store import StoreReader, check
from robot.store.remarks import MOST_CHARACTERS
from robot.types import Decision, Outcome
from sessions import build
from sessions.actor import Actor
from sessions.console import Curves
from sessions.episode_book import EpisodeBook
from sessions.phases import PHASES, Phase
from sessions.run import Run
from sessions.run_config import RunConfig
from sessions.session import lines_of

RECORD = PHASES["record"]
UNDO = Heard("undo", "", None, 0)


class TalkedTo:
    """The simulated robot in this process, whose operator says things in numbered resets, steps and ends."""

    def __init__(self, robot: LocalRobot, said: dict[str, Heard]) -> None:
        self._robot, self._said = robot, said
        self.on_remark: Callable[[Heard], None] = lambda said: None
        self.stop: Stop | None = None
        self.role, self.guard = "watch", str
        self.seeds: list[int] = []
        self.events: list[str] = []
        self._steps = self._ends = 0

    def _hear(self, when: str) -> None:
        if when in self._said:
            self.on_remark(self._said[when])

    def reset(self, seed: int) -> Outcome:
        self.seeds.append(seed)
        self._hear(f"reset {len(self.seeds) - 1}")
        return self._robot.reset(seed)

    def step(self, decision: Decision) -> Outcome:
        self._hear(f"step {self._steps}")
        self._steps += 1
        return self._robot.step(decision)

    def end(self) -> None:
        if not self._is_over:
            self._hear(f"end {self._ends}")
            self._ends += 1
        self._robot.end()

    @property
    def _is_over(self) -> bool:
        return self._ends >= len(self.seeds)

    def close(self) -> None:
        self._robot.close()

    def idle(self, duration_s: float) -> None: ...

    def wait_until_ready(self) -> None: ...

    def publish_event(self, event: str, **parts: Any) -> None:
        self.events.append(event)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., TalkedTo]:
    def played(said: dict[str, Heard], episodes: int = 3, phase: Phase = RECORD) -> TalkedTo:
        config = RunConfig()
        config = dataclasses.replace(config, task=dataclasses.replace(config.task, max_steps=3))
        robot = TalkedTo(build.local_robot(config, has_images=True), said)
        monkeypatch.setattr(build, "ros_robot", lambda *_, **__: robot)
        Actor(Run(tmp_path, config), phase, is_realtime=False).play(episodes)
        assert check(tmp_path / "demos.zarr") == []
        return robot

    return played


def aborted(path: Path) -> list[bool]:
    store = StoreReader.open(path / "demos.zarr")
    return [store.episode(index).is_aborted for index in range(len(store))]


def test_its_seed_comes_again_and_the_phase_has_as_many_as_it_was_to(
    play: Callable[..., TalkedTo], tmp_path: Path
) -> None:
    robot = play({"reset 2": UNDO})
    first = robot.seeds[0]
    assert [seed - first for seed in robot.seeds] == [0, 1, 2, 1]
    assert aborted(tmp_path) == [False, True, False, False]
    assert "taken_back" in robot.events
    lines = lines_of(Run(tmp_path, RunConfig()), "record")
    assert [(line["index"], line["aborted"], line["seed"] - first) for line in lines] == [
        (0, False, 0),
        (1, False, 1),
        (2, False, 2),
    ]
    assert [episode["index"] for episode in Curves(tmp_path)()] == [0, 1, 2]
    book = EpisodeBook(Run(tmp_path, RunConfig()), RECORD)
    book.open(tmp_path / "demos.zarr")
    assert (book.index, book.episodes, book.steps) == (3, 3, 9)
    assert play({}, 3).seeds == []  # who asks again finds that there are enough


def test_an_episode_that_is_ending_is_meant_itself(play: Callable[..., TalkedTo], tmp_path: Path) -> None:
    play({"end 1": UNDO}, 2)
    assert aborted(tmp_path) == [False, True, False]
    remarks = [json.loads(line) for line in (tmp_path / "metrics" / "remarks.jsonl").read_text().splitlines()]
    assert [(line["say"], line["episode"], line["step"]) for line in remarks] == [("undo", 1, None)]


@pytest.mark.parametrize("said", [{"reset 0": UNDO}, {"reset 1": UNDO, "step 4": Heard("undo", "", 1, 0)}])
def test_where_there_is_nothing_to_take_back_it_is_said(
    play: Callable[..., TalkedTo], tmp_path: Path, said: dict[str, Heard]
) -> None:
    robot = play(said, 2)
    assert "nothing_to_take_back" in robot.events
    assert sum(aborted(tmp_path)) == len(said) - 1


def test_nobody_chooses_what_counts_of_an_evaluation(play: Callable[..., TalkedTo], tmp_path: Path) -> None:
    robot = play({"reset 1": UNDO}, 2, dataclasses.replace(RECORD, judge="truth"))
    assert aborted(tmp_path) == [False, False]
    assert "not_taken_back" in robot.events


def test_a_note_of_any_length_is_kept_as_far_as_there_is_room(play: Callable[..., TalkedTo], tmp_path: Path) -> None:
    play({"step 1": Heard("note", "x" * 9000, 1, 0)}, 1)
    assert StoreReader.open(tmp_path / "demos.zarr").episode(0).remarks[0].text == "x" * MOST_CHARACTERS


def test_the_store_knows_of_it_first_so_that_a_death_between_leaves_no_contradiction(
    play: Callable[..., TalkedTo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(_: EpisodeBook) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(EpisodeBook, "take_back", dies)
    with pytest.raises(KeyboardInterrupt):
        play({"reset 1": UNDO}, 2)
    monkeypatch.undo()
    assert aborted(tmp_path) == [True]
    book = EpisodeBook(Run(tmp_path, RunConfig()), RECORD)
    book.open(tmp_path / "demos.zarr")
    assert book.index == 0  # it comes again


def test_in_finetuning_what_is_taken_back_has_been_played_all_the_same(tmp_path: Path) -> None:
    book = EpisodeBook(Run(tmp_path, RunConfig()), PHASES["finetune"])
    assert not book.may_take_back
    for index in range(2):
        book.log(EpisodeSummary(seed=index, steps=7, is_success=True), index, waited_s=0.0)
    book.take_back()
    assert (book.index, book.episodes, book.steps, book.may_take_back) == (2, 2, 14, False)
    assert [line["success"] for line in lines_of(Run(tmp_path, RunConfig()), "finetune")] == [True, False]
    with pytest.raises(RobotError, match="no episode that could be taken back"):
        book.take_back()


def test_marks_and_notes_are_of_the_episode_in_which_they_are_made_or_of_the_last_one(
    play: Callable[..., TalkedTo], tmp_path: Path
) -> None:
    play(
        {
            "reset 0": Heard("note", "of nothing yet", None, 1),
            "step 1": Heard("mark", "", 1, 2),
            "end 0": Heard("note", "still the first", None, 3),
            "reset 1": Heard("note", "as well", None, 4),
            "step 3": Heard("note", "the second", 0, 5),
        },
        2,
    )
    store = StoreReader.open(tmp_path / "demos.zarr")
    said = [[(r.kind, r.text, r.step) for r in store.episode(index).remarks] for index in range(2)]
    assert said[0] == [("mark", "", 1), ("note", "still the first", None), ("note", "as well", None)]
    assert said[1] == [("note", "the second", 0)]
