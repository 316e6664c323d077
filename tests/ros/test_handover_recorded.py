"""What the store says of who did what equals an independent recording of the topics, step for step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import LIGHT, SMALL, Nudge
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from robot.store import Episode, StoreReader
from robot.types import Source

pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]
TRIES = 4
RECORDED = ("recorder.is_on=true", "recorder.limits.reserve_mb=0")
DECIDED = 2
"""Column of `timing_ns`: the decision's own stamp."""


def _stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def _recorded(run: Path, row: str) -> list[tuple[int, Any]]:
    """Return stamp and message of everything on a topic, in the order in which it was recorded."""
    found = []
    for path in sorted((run / "raw").glob("*.mcap")):
        with path.open("rb") as file:
            reader = make_reader(file, decoder_factories=[DecoderFactory()])
            found += [(_stamp_ns(m), m) for _, _, _, m in reader.iter_decoded_messages(topics=[f"/panda/{row}"])]
    return found


def _episodes(run: Path, store: str) -> list[Episode]:
    reader = StoreReader.open(run / store)
    return [reader.episode(i) for i in range(len(reader))]


def _check_against_the_mux(run: Path, episodes: list[Episode]) -> int:
    """Compare every step with what the mux said of it; returns of how many it had said nothing when they ended."""
    said = dict(_recorded(run, "intervention"))  # of one step the last word counts
    unknown = 0
    for episode in episodes:
        for step in range(episode.length):
            word = said.get(int(episode.timing_ns[step, DECIDED]))
            if word is None or (Source(episode.source[step]) is Source.HOLD and word.buttons[0] != Source.HOLD):
                unknown += 1
                continue
            assert Source(word.buttons[0]) is Source(episode.source[step]), (episode.index, step)
            assert np.array_equal(np.array(word.axes, np.float32), episode.action[step])
            assert int(word.buttons[1]) == int(episode.reasons[step])
    return unknown


def test_in_lockstep_source_onset_and_executed_actions_are_those_of_the_topics(nudge: Nudge, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert nudge.run("record", "--run", str(run), *SMALL)[0] == 0
    assert nudge.run("pretrain", "--run", str(run))[0] == 0
    status, output = nudge.run("finetune", "--run", str(run), *RECORDED)
    assert status == 0, output
    episodes = _episodes(run, "online.zarr")
    assert _check_against_the_mux(run, episodes) == 0
    # a step is a person's where the dead-man was held at its tick, from the first step on that it was
    held = {stamp_ns: bool(joy.buttons[0]) for stamp_ns, joy in _recorded(run, "teleop/joy")}
    takeovers = 0
    for episode in episodes:
        by_hand = [held[int(stamp_ns)] for stamp_ns in episode.timing_ns[:, DECIDED]]
        assert ((episode.source == Source.HUMAN) == np.array(by_hand)).all()
        takeovers += sum(now and not before for before, now in zip([False, *by_hand], by_hand, strict=False))
    assert takeovers == sum(episode.interventions for episode in episodes) > 0


def test_in_real_time_source_and_executed_actions_are_those_of_the_topics(nudge: Nudge, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for _ in range(TRIES):  # a machine that is busy for seconds stops a session: whoever sees that goes on, as it says
        words = ("record", "--realtime", "--run", str(run), "--episodes", "1", *LIGHT, *RECORDED)
        status, output = nudge.run(*words)
        if status == 0:
            break
        assert "Every acknowledged step is kept; go on with" in output
    assert status == 0, output
    episodes = _episodes(run, "demos.zarr")
    steps = sum(episode.length for episode in episodes)
    # a step whose answer came after its tick is stored as held: nothing was known to have been executed
    unknown = _check_against_the_mux(run, [e for e in episodes if not e.is_aborted])
    assert unknown <= 0.05 * steps
    held_ns = np.array([stamp_ns for stamp_ns, joy in _recorded(run, "teleop/joy") if joy.buttons[0]])
    for episode in episodes:
        for stamp_ns in episode.timing_ns[episode.source == Source.HUMAN, DECIDED]:
            assert np.any(np.abs(held_ns - stamp_ns) < 2.2e9), "a person's step without a hand on the device"
    assert any((episode.source == Source.HUMAN).any() for episode in episodes)
