"""Episodes left out, cut, put together and said otherwise: the rest stays as it was, and nothing is half done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from store_samples import QUICK, PlainEpisode, assert_same, plain_episode, robot

from robot.errors import StoreError
from robot.store import StoreReader, StoreWriter, check
from robot.store.builder import StoreBuilder
from robot.store.edit import drop, merge, read_whole, relabel, trim
from robot.store.tables import Tables
from robot.types import FinalRecord

SPEC = robot()


def store(path: Path, first: int = 0, count: int = 3) -> list[PlainEpisode]:
    model = [plain_episode(SPEC, number, 6 + number, "success") for number in range(first, first + count)]
    with StoreWriter.open(path, SPEC, {"code": "1", "who": path.stem}, QUICK) as writer:
        for plain in model:
            writer.begin(plain.seed, plain.attributes)
            for step in plain.steps:
                writer.append(step)
            assert plain.final is not None
            writer.commit(plain.final)
    return model


def assert_holds(path: Path, model: list[PlainEpisode]) -> None:
    reader = StoreReader.open(path)
    assert len(reader) == len(model)
    for index, plain in enumerate(model):
        assert_same(SPEC, reader.episode(index), plain)
    assert check(path) == []


def trimmed(plain: PlainEpisode, start: int, stop: int) -> PlainEpisode:
    """What is left of an episode that is cut to [start, stop) before its end."""
    after = plain.steps[stop]
    final = FinalRecord(after.observation, after.stamp_ns, after.decision.base_action, after.decision.chunk_phase)
    steps = [*plain.steps[start : stop - 1], replace(plain.steps[stop - 1], is_truncated=True)]
    return PlainEpisode(plain.seed, plain.attributes, steps, final)


def test_dropped_episodes_are_gone_and_the_old_store_is_kept(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr")
    assert drop(tmp_path / "a.zarr", [1]) == tmp_path / "a.zarr"
    assert_holds(tmp_path / "a.zarr", [model[0], model[2]])
    assert_holds(tmp_path / "a.zarr.before-1", model)
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK) as writer:
        assert writer.repaired is None


def test_to_another_place_leaves_the_source_untouched(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr")
    drop(tmp_path / "a.zarr", [0, 2], out=tmp_path / "b.zarr")
    assert_holds(tmp_path / "b.zarr", [model[1]])
    assert_holds(tmp_path / "a.zarr", model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]
    with pytest.raises(StoreError, match=r"b\.zarr exists already"):
        drop(tmp_path / "a.zarr", [0], out=tmp_path / "b.zarr")


@pytest.mark.parametrize(("start", "stop"), [(0, 4), (2, 5), (3, 4)])
def test_an_episode_cut_before_its_end_is_truncated_and_knows_what_followed(
    tmp_path: Path, start: int, stop: int
) -> None:
    model = store(tmp_path / "a.zarr")
    trim(tmp_path / "a.zarr", 1, start, stop)
    assert_holds(tmp_path / "a.zarr", [model[0], trimmed(model[1], start, stop), model[2]])


def test_an_episode_cut_at_its_beginning_alone_ends_as_it_did(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr")
    trim(tmp_path / "a.zarr", 2, 3, 8)
    assert_holds(tmp_path / "a.zarr", [*model[:2], replace(model[2], steps=model[2].steps[3:])])


def test_an_end_said_otherwise_is_kept_with_what_it_was_before(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr")
    relabel(tmp_path / "a.zarr", {0: "failure", 2: "aborted"})
    changed = []
    for plain, flags in ((model[0], {"is_success": False}), (model[2], {"is_terminated": False, "is_success": False})):
        last = replace(plain.steps[-1], **flags)
        changed.append(PlainEpisode(plain.seed, {**plain.attributes, "relabelled_from": "success"}, list(plain.steps)))
        changed[-1].steps[-1] = last
        changed[-1].final = plain.final
    changed[1].steps[-1] = replace(changed[1].steps[-1], is_truncated=True, is_aborted=True)
    assert_holds(tmp_path / "a.zarr", [changed[0], model[1], changed[1]])
    with pytest.raises(StoreError, match="found 'won'"):
        relabel(tmp_path / "a.zarr", {0: "won"})


def test_merged_stores_keep_every_episode_and_what_differed_between_them(tmp_path: Path) -> None:
    one, other = store(tmp_path / "a.zarr"), store(tmp_path / "b.zarr", first=3, count=2)
    merge([tmp_path / "a.zarr", tmp_path / "b.zarr"], tmp_path / "c.zarr")
    expected = [
        replace(p, attributes={"who": who, **p.attributes}) for who, ps in (("a", one), ("b", other)) for p in ps
    ]
    assert_holds(tmp_path / "c.zarr", expected)
    assert StoreReader.open(tmp_path / "c.zarr").attributes == {"code": "1"}


def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr")
    store(tmp_path / "b.zarr")
    for act, sentence in (
        (lambda: drop(tmp_path / "a.zarr", [3]), "has episodes 0 to 2; there is no 3"),
        (lambda: trim(tmp_path / "a.zarr", 0, 2, 2), "has 6 steps, from 0; .* found start 2 and stop 2"),
        (lambda: trim(tmp_path / "a.zarr", 0, 0, 7), "has 6 steps, from 0"),
        (lambda: drop(tmp_path / "c.zarr", [0]), "no store at"),
        (lambda: merge([], tmp_path / "d.zarr"), "at least one store"),
        (lambda: merge([tmp_path / "a.zarr"], tmp_path / "b.zarr"), "exists already"),
    ):
        with pytest.raises(StoreError, match=sentence):
            act()
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK) as writer:
        with pytest.raises(StoreError, match="one writer at a time"):
            drop(tmp_path / "a.zarr", [0])
        writer.begin(0, {})
        writer.append(model[0].steps[0])
    with pytest.raises(StoreError, match=r"died within an episode; .*nudge store repair"):
        drop(tmp_path / "a.zarr", [0])
    (tmp_path / "a.zarr/journal/episode").unlink()
    assert_holds(tmp_path / "a.zarr", model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]


def test_whoever_has_a_store_open_goes_on_reading_what_it_was(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr")
    reader = StoreReader.open(tmp_path / "a.zarr")
    drop(tmp_path / "a.zarr", [0])
    for index, plain in enumerate(model):
        assert_same(SPEC, reader.episode(index), plain)
    assert reader.refresh() == 3
    assert_holds(tmp_path / "a.zarr", model[1:])


def test_an_old_store_that_cannot_be_put_aside_stays_where_it_is(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr")
    whole = read_whole(Tables.open(tmp_path / "a.zarr"), 0)
    with StoreBuilder.open(tmp_path / "a.zarr", SPEC, {}, is_replacing=True) as builder:
        builder.add(whole.seed, whole.attributes, whole.steps, whole.final)
        with pytest.raises(StoreError, match="what was there is untouched"):
            builder.finish(tmp_path / "missing" / "a.zarr.before-1")
    assert_holds(tmp_path / "a.zarr", model)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
