"""Every sampled row is the row that was written: next observation, flags, source, images by content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from store_samples import QUICK, PlainEpisode, cut, plain_episode, robot
from store_samples import write as write_all

from robot.errors import ConfigError, StoreError
from robot.store import Episode, StoreReader, StoreWriter
from robot.store.frames import Frames
from robot.store.prefetch import Prefetch
from robot.store.remarks import Remark
from robot.store.replay_memory import Replay, ReplayConfig
from robot.types import Source

SPEC = robot()


def write(path: Path, plains: list[PlainEpisode], number_before: int = 0) -> None:
    """Append episodes; one that is cut is left as by a session that died."""
    for plain in plains:
        with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
            writer.begin(plain.seed, plain.attributes)
            for step in plain.steps:
                writer.append(step)
            if plain.final is not None:
                writer.commit(plain.final)
    StoreWriter.open(path, SPEC, {}, QUICK).close()


def success(episode: Episode) -> np.ndarray:
    reward = np.zeros(episode.length, np.float32)
    reward[-1] = float(episode.is_success)
    return reward


def model_of(lengths: list[tuple[int, str]]) -> list[PlainEpisode]:
    plains = []
    for number, (length, end) in enumerate(lengths):
        if end == "cut":
            plains.append(cut(plain_episode(SPEC, number, length + 1, "success"), length))
        else:
            plains.append(plain_episode(SPEC, number, length, end))
    return plains


MIXED = [(5, "success"), (1, "failure"), (20, "cut"), (1, "cut"), (7, "truncated"), (40, "success"), (3, "aborted")]


@pytest.mark.parametrize("n", [1, 3, 50])
def test_every_sampled_row_is_what_was_written(tmp_path: Path, n: int) -> None:
    model = model_of(MIXED)
    write(tmp_path / "a.zarr", model)
    reader = StoreReader.open(tmp_path / "a.zarr")
    replay = Replay({"a": reader}, {"a": 1.0}, success, ReplayConfig(batch=512, n_step=n, gamma=0.9), seed=1)
    assert replay.refresh() == len(model)
    seen = set()
    sample = replay.draw()
    for i in range(512):
        episode, step = int(sample.episode[i]), int(sample.step[i])
        seen.add((episode, step))
        plain = model[episode]
        transitions = len(plain.steps) - (plain.final is None)
        stop = min(step + n, transitions)
        before = plain.steps[step]
        after = plain.steps[stop] if stop < len(plain.steps) else plain.final
        assert after is not None
        for key in SPEC.observation:
            np.testing.assert_array_equal(sample.observation[key][i], before.observation[key], strict=True)
            np.testing.assert_array_equal(sample.next_observation[key][i], after.observation[key], strict=True)
        np.testing.assert_array_equal(sample.action[i], before.executed, strict=True)
        np.testing.assert_array_equal(sample.base_action[i], before.decision.base_action, strict=True)
        assert sample.source[i] == before.source
        last = plain.steps[-1]
        is_end = stop == transitions
        is_terminated = last.is_terminated and plain.final is not None
        assert sample.discount[i] == pytest.approx(0.0 if is_end and is_terminated else 0.9 ** (stop - step), abs=1e-6)
        reaches_success = is_end and last.is_success and plain.final is not None
        assert sample.ret[i] == pytest.approx(0.9 ** (transitions - 1 - step) if reaches_success else 0.0, abs=1e-6)
    assert seen == {(e, t) for e, plain in enumerate(model) for t in range(len(plain.steps) - (plain.final is None))}


def test_shares_are_exact_and_empty_pools_give_way(tmp_path: Path) -> None:
    write(tmp_path / "demos.zarr", model_of([(30, "success")]))
    write(tmp_path / "online.zarr", [])
    readers = {name: StoreReader.open(tmp_path / f"{name}.zarr") for name in ("demos", "online")}
    shares = {"demos": 0.5, "online": 0.3, "online:human": 0.2}
    replay = Replay(readers, shares, success, ReplayConfig(batch=40), seed=2)
    with pytest.raises(StoreError, match="nothing to draw from"):
        replay.draw()
    replay.refresh()
    assert replay.counts() == {"demos": 40}
    write(tmp_path / "online.zarr", model_of([(10, "failure"), (30, "success")]))
    replay.refresh()
    assert replay.counts() == {"demos": 20, "online": 12, "online:human": 8}
    sample = replay.draw()
    assert np.all(sample.source[32:] == Source.HUMAN)
    assert sample.pool.tolist() == [0] * 20 + [1] * 12 + [2] * 8
    with pytest.raises(ConfigError, match="'tests' is of no store"):
        Replay(readers, {"tests": 1.0}, success)
    with pytest.raises(ConfigError, match="no pool 'robot'"):
        Replay(readers, {"demos:robot": 1.0}, success)


def test_the_same_seed_draws_the_same_whatever_memory_the_images_have(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", model_of([(40, "success"), (35, "failure")]))
    samples = []
    for memory_gb in (1.0, 0.0, 5e-6):
        reader = StoreReader.open(tmp_path / "a.zarr")
        replay = Replay({"a": reader}, {"a": 1.0}, success, ReplayConfig(batch=64, memory_gb=memory_gb), seed=5)
        replay.refresh()
        samples.append([replay.draw() for _ in range(3)])
    for others in samples[1:]:
        for one, other in zip(samples[0], others, strict=True):
            np.testing.assert_array_equal(one.observation["images/front"], other.observation["images/front"])
            assert one.step.tolist() == other.step.tolist()


def test_memory_for_images_keeps_to_its_bound_and_drops_the_least_used(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", model_of([(200, "success")]))
    reader = StoreReader.open(tmp_path / "a.zarr")
    data, _ = reader.image_chunks("images/front")
    frames = Frames(2_000 * 2)
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows = rng.integers(0, 200, 8)
        found = frames.images(data, rows, 200)
        np.testing.assert_array_equal(found, reader.episode(0).images("images/front")[rows])
        assert frames.bytes <= 4_000
    with pytest.raises(IndexError, match="200 of 200"):
        frames.images(data, np.array([200]), 200)


def test_images_that_have_no_room_as_they_are_are_packed_before_any_is_dropped(tmp_path: Path) -> None:
    large = robot(image_size=32)
    plain = plain_episode(large, 0, 160, "success")
    dull = {"images/front": np.full((32, 32, 3), 7, np.uint8)}
    plain.steps = [replace(step, observation=step.observation | dull) for step in plain.steps]
    write_all(tmp_path / "a.zarr", large, [plain])
    data, _ = StoreReader.open(tmp_path / "a.zarr").image_chunks("images/front")
    whole = 160 * dull["images/front"].nbytes
    rows = np.arange(160)
    misses = {}
    for name, memory in (("plain", 2 * whole), ("packed", whole // 2), ("none", 0)):
        frames = Frames(memory)
        for _ in range(2):
            assert np.all(frames.images(data, rows, 160) == 7)
        misses[name] = frames.misses
        assert frames.bytes <= memory
        assert (name == "plain") == (frames.bytes > whole)
        frames.close()
    assert misses == {"plain": 10, "packed": 10, "none": 20}


def test_a_chunk_that_grew_is_read_anew(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", model_of([(5, "success")]))
    reader = StoreReader.open(tmp_path / "a.zarr")
    replay = Replay({"a": reader}, {"a": 1.0}, success, ReplayConfig(batch=16))
    replay.refresh()
    replay.draw()
    more = plain_episode(SPEC, 1, 6, "success")
    write(tmp_path / "a.zarr", [more])
    replay.refresh()
    for _ in range(10):
        sample = replay.draw()
        for i in np.flatnonzero(sample.episode == 1):
            expected = more.steps[sample.step[i]].observation["images/front"]
            np.testing.assert_array_equal(sample.observation["images/front"][i], expected)


def test_new_labels_are_seen_at_the_next_draw(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", model_of([(5, "success"), (4, "cut"), (6, "failure")]))
    reader = StoreReader.open(tmp_path / "a.zarr")
    replay = Replay({"a": reader}, {"a": 1.0}, success, ReplayConfig(batch=64, n_step=1))
    replay.refresh()
    replay.relabel(lambda episode: np.full(episode.length, 2.0, np.float32))
    assert set(replay.draw().ret.tolist()) == {2.0}


def test_batches_drawn_ahead_are_those_that_would_have_been_drawn(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", model_of([(30, "success")]))
    plain = Replay({"a": StoreReader.open(tmp_path / "a.zarr")}, {"a": 1.0}, success, ReplayConfig(batch=8), seed=4)
    inner = Replay({"a": StoreReader.open(tmp_path / "a.zarr")}, {"a": 1.0}, success, ReplayConfig(batch=8), seed=4)
    with Prefetch(inner, depth=3) as ahead:
        with pytest.raises(StoreError, match="nothing to draw from"):
            ahead.draw()
        for round_ in range(3):
            assert ahead.change(inner.refresh) == plain.refresh()
            for _ in range(5):
                one, other = ahead.draw(), plain.draw()
                assert (one.episode.tolist(), one.step.tolist()) == (other.episode.tolist(), other.step.tolist())
            assert ahead.state == plain.draws.state
            write(tmp_path / "a.zarr", [plain_episode(SPEC, 10 + round_, 20, "failure")])
    assert inner.draw().step.tolist() == plain.draw().step.tolist()


def test_priorities_draw_in_proportion_and_weights_undo_them(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", model_of([(16, "success")]))
    config = ReplayConfig(batch=4096, priority=1.0, correction=1.0)
    replay = Replay({"a": StoreReader.open(tmp_path / "a.zarr")}, {"a": 1.0}, success, config, seed=6)
    replay.refresh()
    sample = replay.draw()
    assert sample.weight.tolist() == [1.0] * 4096
    replay.prioritise(sample, 1.0 + sample.step)
    sample = replay.draw()
    counts = np.bincount(sample.step, minlength=16) / 4096
    expected = np.arange(1, 17) / np.arange(1, 17).sum()
    assert np.abs(counts - expected).max() < 4 * np.sqrt(0.12 / 4096)
    weighted = np.bincount(sample.step, sample.weight, minlength=16) / sample.weight.sum()
    assert np.abs(weighted - 1 / 16).max() < 0.02
    uniform = Replay({"a": StoreReader.open(tmp_path / "a.zarr")}, {"a": 1.0}, success)
    with pytest.raises(ConfigError, match=r"replay\.priority is 0"):
        uniform.prioritise(sample, sample.weight)


def test_a_success_is_drawn_although_nobody_saw_what_followed(tmp_path: Path) -> None:
    died = replace(plain_episode(SPEC, 0, 5, "success"), final=None)
    write(tmp_path / "a.zarr", [died])
    reader = StoreReader.open(tmp_path / "a.zarr")
    replay = Replay({"a": reader}, {"a": 1.0}, success, ReplayConfig(batch=64, n_step=3, gamma=0.9))
    replay.refresh()
    sample = replay.draw()
    assert set(sample.step.tolist()) == {0, 1, 2, 3, 4}
    np.testing.assert_allclose(sample.discount, np.where(sample.step < 2, 0.9**3, 0.0), rtol=1e-6)
    np.testing.assert_allclose(sample.ret, np.where(sample.step < 2, 0.0, 0.9 ** (4.0 - sample.step)), rtol=1e-6)
    shown = died.steps[4].observation
    for key in ("tool_pose", "images/front"):
        last = sample.next_observation[key][sample.step == 4]
        np.testing.assert_array_equal(last, np.broadcast_to(shown[key], last.shape))
    assert np.isnan(sample.next_base_action[sample.step == 4]).all()


def test_an_episode_that_could_not_be_read_is_taken_in_later(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", model_of([(5, "success"), (4, "failure")]))
    reader = StoreReader.open(tmp_path / "a.zarr")
    replay = Replay({"a": reader}, {"a": 1.0}, success, ReplayConfig(batch=8))
    chunk = tmp_path / "a.zarr/data/action/c.0.0"
    chunk.rename(tmp_path / "away")
    with pytest.raises(StoreError, match="missing"):
        replay.refresh()
    (tmp_path / "away").rename(chunk)
    assert replay.refresh() == 2
    assert len(replay.memories["a"].pool("")) == 9


def test_a_pool_whose_share_rounds_to_no_window_gives_none(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", model_of([(16, "success")]))
    readers = {"a": StoreReader.open(tmp_path / "a.zarr")}
    for priority in (0.0, 1.0):
        replay = Replay(readers, {"a": 0.95, "a:success": 0.05}, success, ReplayConfig(batch=4, priority=priority))
        replay.refresh()
        assert replay.draw().pool.tolist() == [0] * 4


@pytest.mark.parametrize("end", ["success", "failure", "aborted"])
@pytest.mark.parametrize("priority", [0.0, 0.6])
def test_an_end_that_is_taken_back_is_drawn_as_it_is_now(tmp_path: Path, end: str, priority: float) -> None:
    write(tmp_path / "a.zarr", model_of(MIXED))
    config, shares = ReplayConfig(batch=256, n_step=3, priority=priority), {"a": 0.5, "a:success": 0.5}
    replay = Replay({"a": StoreReader.open(tmp_path / "a.zarr")}, shares, success, config, seed=1)
    replay.refresh()
    replay.draw()
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK) as writer:
        for index in (0, 4):  # a success, and one that ran out of time
            writer.remark(Remark(index, "end", end))
    assert replay.refresh() == 0
    fresh = Replay({"a": StoreReader.open(tmp_path / "a.zarr")}, shares, success, config, seed=2)
    fresh.refresh()
    for replayed in (replay, fresh):
        sample = replayed.draw()
        assert set(sample.episode[sample.pool == 1]) <= ({0, 4, 5} if end == "success" else {5})
        aborted = sample.episode == 0
        assert aborted.any()
        assert bool((sample.ret[aborted] > 0.0).any()) == (end == "success")
        last = aborted & (sample.step >= 2)
        assert bool((sample.discount[last] > 0.0).all()) == (end == "aborted")
    np.testing.assert_array_equal(replay.memories["a"].rows.column("reward"), fresh.memories["a"].rows.column("reward"))
