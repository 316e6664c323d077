"""A store gives back what a plain list of the same episodes would."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import ENDS, QUICK, PlainEpisode, assert_same, cut, plain_episode, robot

from robot.errors import SpecError, StoreError
from robot.store import StoreReader, StoreWriter, check
from robot.store.schema import ENDS_ROWS, EPISODE_ROWS, STATE_ROWS

SPEC = robot()

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["commit", "commit", "discard", "die", "reopen"]), st.integers(1, 24), st.sampled_from(ENDS)
    ),
    max_size=8,
)


def write(writer: StoreWriter, plain: PlainEpisode, length: int | None = None) -> None:
    writer.begin(plain.seed, plain.attributes)
    for step in plain.steps[:length]:
        writer.append(step)


def commit(writer: StoreWriter, plain: PlainEpisode) -> int:
    write(writer, plain)
    assert plain.final is not None
    return writer.commit(plain.final)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(events=EVENTS)
def test_any_sequence_of_commits_discards_and_deaths_reads_back_in_full(
    events: list[tuple[str, int, str]],
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.zarr"
        model: list[PlainEpisode] = []
        writer = StoreWriter.open(path, SPEC, {}, QUICK)
        follower = StoreReader.open(path)
        for number, (event, length, end) in enumerate(events):
            plain = plain_episode(SPEC, number, length, end)
            if event == "commit":
                assert commit(writer, plain) == len(model)
                model.append(plain)
            elif event == "discard":
                write(writer, plain)
                writer.discard()
            elif event == "die":
                write(writer, plain, length - 1)
                if length > 1:
                    model.append(cut(plain, length - 1))
            if event in ("die", "reopen"):
                writer.close()
                writer = StoreWriter.open(path, SPEC, {}, QUICK)
                assert (writer.repaired is not None) == (event == "die" and length > 1)
            assert follower.refresh() == len(model)
            if model:
                assert_same(SPEC, follower.episode(len(model) - 1), model[-1])
        writer.close()
        reader = StoreReader.open(path)
        assert len(reader) == len(model)
        for index, plain in enumerate(model):
            assert_same(SPEC, reader.episode(index), plain)
        assert check(path) == []


def test_episodes_cross_the_chunks_of_low_dimensional_arrays(tmp_path: Path) -> None:
    spec = robot(image_size=0)
    model = [plain_episode(spec, n, length, "truncated") for n, length in enumerate((STATE_ROWS - 3, 7, STATE_ROWS))]
    with StoreWriter.open(tmp_path / "a.zarr", spec, {}, QUICK) as writer:
        for plain in model:
            commit(writer, plain)
    reader = StoreReader.open(tmp_path / "a.zarr")
    for index, plain in enumerate(model):
        assert_same(spec, reader.episode(index), plain)


@pytest.mark.parametrize("count", [EPISODE_ROWS - 1, ENDS_ROWS - 1])
def test_episodes_cross_the_chunks_of_the_episode_table(tmp_path: Path, count: int) -> None:
    spec = robot(image_size=0)
    path = tmp_path / "a.zarr"
    StoreWriter.open(path, spec, {}, QUICK).close()
    with zarr.config.set({"array.write_empty_chunks": True}):
        root = zarr.open_group(path)
        for name, array in root.members(max_depth=None):
            if isinstance(array, zarr.Array) and name != "journal":
                array.resize((count, *array.shape[1:]))
                array[:] = np.zeros(array.shape, array.dtype)
        root["meta/episode_ends"][:] = np.arange(1, count + 1)
    model = [plain_episode(spec, n, 3, "success") for n in range(3)]
    with StoreWriter.open(path, spec, {}, QUICK) as writer:
        assert [commit(writer, plain) for plain in model] == [count, count + 1, count + 2]
    reader = StoreReader.open(path)
    assert len(reader) == count + 3
    for index, plain in enumerate(model):
        assert_same(spec, reader.episode(count + index), plain)


def test_an_episode_without_steps_is_refused_and_can_be_discarded(tmp_path: Path) -> None:
    plain = plain_episode(SPEC, 0, 3, "success")
    assert plain.final is not None
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK) as writer:
        writer.begin(0, {})
        with pytest.raises(StoreError, match="found 0 steps"):
            writer.commit(plain.final)
        writer.discard()
        assert commit(writer, plain) == 0


def test_an_episode_that_has_not_ended_is_not_committed(tmp_path: Path) -> None:
    plain = plain_episode(SPEC, 0, 3, "success")
    assert plain.final is not None
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK) as writer:
        write(writer, plain, 2)
        with pytest.raises(StoreError, match="found 2 steps without"):
            writer.commit(plain.final)
        writer.append(plain.steps[2])
        with pytest.raises(StoreError, match="has ended"):
            writer.append(plain.steps[2])
        assert writer.commit(plain.final) == 0
    assert_same(SPEC, StoreReader.open(tmp_path / "a.zarr").episode(0), plain)


def test_a_step_that_does_not_fit_the_robot_is_refused_and_leaves_the_episode_whole(tmp_path: Path) -> None:
    plain = plain_episode(SPEC, 0, 2, "failure")
    good = plain.steps[0]
    bad = {
        "NaN or infinity": {"observation": {**good.observation, "wrench": np.full(6, np.nan, np.float32)}},
        "must be float32": {"observation": {**good.observation, "wrench": np.zeros(6)}},
        "missing": {"observation": {"wrench": np.zeros(6, np.float32)}},
        "must be finite": {"executed": np.array([0, np.nan, 0], np.float32)},
        "action must be float32": {"executed": np.zeros(4, np.float32)},
        "Stream 'wrenc'.*Did you mean 'wrench'": {"stream_stamps_ns": {"wrenc": 1}},
    }
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK) as writer:
        write(writer, plain, 1)
        for sentence, change in bad.items():
            with pytest.raises(SpecError, match=sentence):
                writer.append(type(good)(**{**good.__dict__, **change}))
        writer.append(plain.steps[1])
        assert plain.final is not None
        writer.commit(plain.final)
    assert_same(SPEC, StoreReader.open(tmp_path / "a.zarr").episode(0), plain)


def test_attributes_that_differ_from_the_stores_are_kept_with_the_episodes(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    with StoreWriter.open(path, SPEC, {"code": "1", "safety": "aa"}, QUICK) as writer:
        commit(writer, plain_episode(SPEC, 0, 2, "success"))
    with StoreWriter.open(path, SPEC, {"code": "2", "safety": "aa"}, QUICK) as writer:
        commit(writer, plain_episode(SPEC, 1, 2, "success"))
    reader = StoreReader.open(path)
    assert reader.attributes == {"code": "1", "safety": "aa"}
    assert "code" not in reader.episode(0).attributes
    assert reader.episode(1).attributes["code"] == "2"


def test_attributes_too_long_are_refused_before_the_episode_begins(tmp_path: Path) -> None:
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK) as writer:
        with pytest.raises(StoreError, match="may take 2048 bytes"):
            writer.begin(0, {"note": "x" * 3000})
        assert commit(writer, plain_episode(SPEC, 0, 2, "success")) == 0
