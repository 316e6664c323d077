"""The learner's process: the store in order, versions, stopping, and exact resume."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from conftest import assert_equal_states, toy_base, toy_spec
from sample_runs import CONFIG, DEMOS, ONLINE, paths, write

from policies import checkpoint
from policies.acting import LearntPolicy
from policies.process import Progress, run_learner
from policies.tensorfile import read_tensors
from policies.training import Training
from policies.weights import WeightsDirectory
from robot.errors import StoreError
from robot.store import StoreWriter
from robot.store.remarks import Remark


def stored(root, *, short: bool = False) -> None:
    write(root / "demos.zarr", DEMOS)
    write(root / "online.zarr", ONLINE)
    if short:
        write(root / "short.zarr", ONLINE[:2])
    toy_base().save(root / "base")


def test_the_process_learns_the_store_in_order_stops_when_told_and_resumes_exactly(tmp_path) -> None:
    stored(tmp_path)
    config = dataclasses.replace(CONFIG, total_steps=sum(e.length for e in ONLINE))
    whole = run_learner(toy_spec(), paths(tmp_path), config, stop=lambda: False)
    assert whole == Progress(whole.robot_steps * 3 // 2, config.total_steps, len(ONLINE), True)
    assert Progress.read(tmp_path / "learner") == whole
    weights = WeightsDirectory(tmp_path / "weights")
    assert weights.versions() == list(range(len(ONLINE) + 1))
    lines = [json.loads(x) for x in (tmp_path / "metrics" / "learner.jsonl").read_text().splitlines()]
    assert [x["version"] for x in lines] == list(range(1, len(ONLINE) + 1))

    again = tmp_path / "again"
    again.mkdir()
    calls = itertools.count()
    split = paths(tmp_path, results=again)
    partial = run_learner(toy_spec(), split, config, stop=lambda: next(calls) > 30)
    assert partial.version == 3  # stopped among the updates of the fourth episode; the checkpoint has two
    assert not partial.is_finished
    fresh = dataclasses.replace(split, weights=again / "fresh")
    assert run_learner(toy_spec(), fresh, config, stop=lambda: False) == whole
    assert WeightsDirectory(again / "fresh").versions() == list(range(2, len(ONLINE) + 1))
    shapes = LearntPolicy(toy_spec(), toy_base(), config).shapes()
    mine, _ = WeightsDirectory(again / "fresh").load(len(ONLINE), toy_spec().digest(), shapes)
    theirs, _ = weights.load(len(ONLINE), toy_spec().digest(), shapes)
    assert all(torch.equal(mine[n], theirs[n]) for n in shapes)
    lines = [json.loads(x) for x in (tmp_path / "metrics" / "learner.jsonl").read_text().splitlines()]
    assert [x["version"] for x in lines] == list(range(1, len(ONLINE) + 1))


def test_the_process_is_the_training_object_bit_for_bit(tmp_path) -> None:
    stored(tmp_path)
    config = dataclasses.replace(CONFIG, total_steps=15)
    progress = run_learner(toy_spec(), paths(tmp_path), config, stop=lambda: False)
    training = Training(toy_spec(), toy_base(), DEMOS, config)
    training.prepare()
    for episode in ONLINE[: progress.version]:
        training.take(episode)
    shapes = LearntPolicy(toy_spec(), toy_base(), config).shapes()
    tensors, _ = WeightsDirectory(tmp_path / "weights").load(progress.version, toy_spec().digest(), shapes)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in training.published().items())


def test_the_process_publishes_the_zero_residual_and_ends_without_an_online_store(tmp_path) -> None:
    write(tmp_path / "demos.zarr", DEMOS)
    toy_base().save(tmp_path / "base")
    calls = iter([False, True])
    progress = run_learner(toy_spec(), paths(tmp_path), CONFIG, stop=lambda: next(calls))
    assert progress == Progress(0, 0, 0, False)
    policy = LearntPolicy(toy_spec(), toy_base(), CONFIG, WeightsDirectory(tmp_path / "weights"), deterministic=True)
    policy.load_weights(0)
    assert not policy.act({"state": np.ones(2, np.float32)}).residual.any()


def test_a_resume_that_is_stopped_before_it_learns_leaves_the_checkpoint_as_it_was(tmp_path) -> None:
    stored(tmp_path)
    config = dataclasses.replace(CONFIG, total_steps=999)
    calls = itertools.count()
    run_learner(toy_spec(), paths(tmp_path), config, stop=lambda: next(calls) > 30)
    before, header = read_tensors(tmp_path / "learner" / checkpoint.FILE)
    progress = run_learner(toy_spec(), paths(tmp_path), config, stop=lambda: True)
    assert progress.version == 2
    after, same = read_tensors(tmp_path / "learner" / checkpoint.FILE)
    assert_equal_states(before, after)
    assert same == header


def test_a_store_shorter_than_the_checkpoint_or_missing_is_refused(tmp_path) -> None:
    stored(tmp_path, short=True)
    run_learner(toy_spec(), paths(tmp_path), CONFIG, stop=lambda: False)
    with pytest.raises(StoreError, match="the store has 2"):
        run_learner(toy_spec(), paths(tmp_path, "short.zarr"), CONFIG, stop=lambda: False)
    with pytest.raises(StoreError, match=r"lost\.zarr"):
        run_learner(toy_spec(), paths(tmp_path, "lost.zarr"), CONFIG, stop=lambda: False)


def test_a_torn_last_line_of_the_metrics_is_learnt_again(tmp_path) -> None:
    stored(tmp_path)
    run_learner(toy_spec(), paths(tmp_path), CONFIG, stop=lambda: False)
    file = tmp_path / "metrics" / "learner.jsonl"
    whole = file.read_text()
    file.write_text(whole[:-20])
    run_learner(toy_spec(), paths(tmp_path, results=tmp_path / "again"), CONFIG, stop=lambda: False)
    versions = [json.loads(line)["version"] for line in file.read_text().splitlines()]
    assert versions == [json.loads(line)["version"] for line in whole.splitlines()]


def test_damaged_metrics_and_progress_are_named(tmp_path) -> None:
    stored(tmp_path)
    run_learner(toy_spec(), paths(tmp_path), CONFIG, stop=lambda: False)
    progress = tmp_path / "learner" / Progress.FILE
    for text in ("{", "[]", '{"updates": 3}'):
        progress.write_text(text)
        with pytest.raises(StoreError, match=rf"{Progress.FILE} is damaged"):
            run_learner(toy_spec(), paths(tmp_path), CONFIG, stop=lambda: False)
    progress.unlink()
    file = tmp_path / "metrics" / "learner.jsonl"
    file.write_text("{}\n" + file.read_text())
    with pytest.raises(StoreError, match=r"Line 1 of .*learner\.jsonl is damaged"):
        run_learner(toy_spec(), paths(tmp_path), CONFIG, stop=lambda: False)


def test_what_a_killed_learner_left_half_written_is_removed_and_nothing_else(tmp_path) -> None:
    stored(tmp_path)
    torn = [
        tmp_path / "weights" / ".v00000003.safetensors.4711.tmp",
        tmp_path / "learner" / f".{checkpoint.FILE}.4711.tmp",
    ]
    for path in torn:
        path.parent.mkdir()
        path.write_bytes(b"half of it")
    run_learner(toy_spec(), paths(tmp_path), CONFIG, stop=lambda: False)
    assert not any(path.exists() for path in torn)
    assert {path.name for path in (tmp_path / "learner").iterdir()} == {checkpoint.FILE, Progress.FILE}


def test_a_learner_that_is_late_tells_by_how_much_at_every_episode(tmp_path, monkeypatch) -> None:
    stored(tmp_path, short=True)
    take = Training.take

    def overtaken(self: Training, episode, stop):
        if self.version == 0:
            write(tmp_path / "short.zarr", ONLINE[2:])  # all that the robot plays, it plays meanwhile
        return take(self, episode, stop)

    monkeypatch.setattr(Training, "take", overtaken)
    config = dataclasses.replace(CONFIG, total_steps=sum(e.length for e in ONLINE))
    run_learner(toy_spec(), paths(tmp_path, online="short.zarr"), config, stop=lambda: False)
    lines = [json.loads(x) for x in (tmp_path / "metrics" / "learner.jsonl").read_text().splitlines()]
    assert [x["behind"] for x in lines] == [1, 6, 5, 4, 3, 2, 1, 0]


def test_an_end_that_is_taken_back_is_heard_while_the_learner_waits_and_once_only(tmp_path, monkeypatch) -> None:
    stored(tmp_path)
    heard: list[tuple[int, bool]] = []
    amend = Training.amend

    def hearing(training: Training, episode) -> None:
        heard.append((episode.index, episode.is_aborted))
        amend(training, episode)

    monkeypatch.setattr(Training, "amend", hearing)
    calls = itertools.count()

    def stop() -> bool:
        if next(calls) == 200:  # all that there is has been learnt: it waits for more
            with StoreWriter.open(tmp_path / "online.zarr", toy_spec(), {}) as writer:
                writer.remark(Remark(1, "end", "aborted"))
        return next(calls) > 1000

    config = dataclasses.replace(CONFIG, total_steps=10**6, updates=0)
    progress = run_learner(toy_spec(), paths(tmp_path), config, stop)
    assert progress.version == len(ONLINE)
    assert heard == [(1, True)]
