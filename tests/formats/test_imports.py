"""Every import, compared with its source as the format's own library reads it."""

from __future__ import annotations

import pickle
from pathlib import Path

import av
import foreign
import h5py
import numcodecs
import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from foreign import LENGTHS
from format_samples import nothing_left

from robot.errors import StoreError
from robot.store import StoreReader, check
from robot.store.schema import NO_STAMP
from robot.types import NO_VERSION, Source
from sessions.formats import ImportOptions, import_store

TENTH = ImportOptions(period_s=0.1)


def _import(source: Path, out: Path, options: ImportOptions = TENTH) -> tuple:
    report = import_store(source, out, options=options)
    reader = StoreReader.open(out)
    assert check(out) == []
    return report, reader.spec, [reader.episode(index) for index in range(len(reader))]


def _assert_absent(episode, source: Source = Source.UNKNOWN) -> None:
    """Nobody said any of this, so nothing of it is there."""
    for name in ("requested", "base_action", "residual"):
        assert np.all(np.isnan(getattr(episode, name)))
    assert np.all(episode.stamp_ns == NO_STAMP)
    assert all(np.all(stamps == NO_STAMP) for stamps in episode.stream_stamps_ns.values())
    assert np.all(episode.source == source)
    assert np.all(episode.weights_version == NO_VERSION)
    assert not any(np.any(values) for values in (episode.label, episode.reasons, episode.timing_ns))
    assert episode.attributes["seed"] == -1


def test_robomimic(tmp_path: Path) -> None:
    source = foreign.robomimic(tmp_path / "lift.hdf5")
    report, spec, episodes = _import(source, tmp_path / "out", ImportOptions("human", 0.05))
    assert (spec.name, spec.period_s, spec.action_axes) == ("Lift", 0.05, tuple(f"a{i}" for i in range(7)))
    assert spec.observation["robot0_eef_pos"].dtype == "float64"
    with h5py.File(source) as file:
        for number, episode in enumerate(episodes):
            demo = file[f"data/demo_{number}"]
            np.testing.assert_array_equal(episode.action, demo["actions"][()].astype(np.float32), strict=True)
            np.testing.assert_array_equal(episode.reward, demo["rewards"][()].astype(np.float32), strict=True)
            for name in ("robot0_eef_pos", "object"):
                np.testing.assert_array_equal(episode.observation[name], demo[f"obs/{name}"], strict=True)
                np.testing.assert_array_equal(
                    episode.final_observation[name], demo[f"next_obs/{name}"][-1], strict=True
                )
            np.testing.assert_array_equal(episode.images("images/agentview_image"), demo["obs/agentview_image"])
            np.testing.assert_array_equal(
                episode.final_image("images/agentview_image"), demo["next_obs/agentview_image"][-1]
            )
            _assert_absent(episode, Source.HUMAN)
    assert [(e.is_success, e.is_truncated) for e in episodes] == [(True, False), (False, True)]
    assert "mask" in report.left_out
    assert any(line.startswith("states (demo_0") for line in report.left_out)
    assert any("how 1 episode ended" in line for line in report.left_out)
    assert any("rounded to float32" in entry.remark for entry in report.mapped)
    assert StoreReader.open(tmp_path / "out").attributes["imported_from"] == str(source)


def test_robomimic_without_next_obs_does_not_know_what_followed(tmp_path: Path) -> None:
    gone = dict.fromkeys(f"next_obs/{n}" for n in ("robot0_eef_pos", "agentview_image", "object"))
    report, _, episodes = _import(foreign.robomimic(tmp_path / "a.h5", **gone), tmp_path / "out")
    assert [episode.has_final for episode in episodes] == [True, False]
    assert any("what followed the last step" in line for line in report.left_out)


def test_robomimics_next_obs_that_disagree_are_told(tmp_path: Path) -> None:
    odd = foreign.robomimic(tmp_path / "a.h5", **{"next_obs/object": np.zeros((LENGTHS[1], 10))})
    report, _, _ = _import(odd, tmp_path / "out")
    assert any("next_obs/object where it differs" in line for line in report.left_out)


CODECS = {
    "none": None,
    "blosc": foreign.BLOSC,
    "zstd": numcodecs.Zstd(3),
    "zlib": numcodecs.Zlib(1),
    "gzip": numcodecs.GZip(1),
    "lz4": numcodecs.LZ4(),
    "bz2": numcodecs.BZ2(1),
    "lzma": numcodecs.LZMA(),
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("is_zip", [False, True])
def test_diffusion_policys_buffer(codec: str, is_zip: bool, tmp_path: Path) -> None:
    name = "pusht.zarr.zip" if is_zip else "pusht.zarr"
    source = foreign.replay_buffer(tmp_path / name, CODECS[codec], is_zip)
    report, spec, episodes = _import(source, tmp_path / "out")
    root = zarr.open_group(zarr.storage.ZipStore(source, mode="r") if is_zip else source, mode="r")
    assert spec.name == "pusht"
    assert set(spec.observation) == {"images/img", "images/camera_0", "state", "observed_source"}
    ends = root["meta/episode_ends"][:]
    for episode, stop in zip(episodes, ends, strict=True):
        rows = slice(stop - episode.length, stop)
        np.testing.assert_array_equal(episode.action, root["data/action"][rows].astype(np.float32), strict=True)
        np.testing.assert_array_equal(episode.observation["state"], root["data/state"][rows], strict=True)
        np.testing.assert_array_equal(episode.observation["observed_source"], root["data/source"][rows], strict=True)
        np.testing.assert_array_equal(episode.images("images/camera_0"), root["data/camera_0"][rows], strict=True)
        np.testing.assert_array_equal(episode.images("images/img"), root["data/img"][rows])
        assert (episode.is_truncated, episode.is_aborted, episode.has_final) == (True, False, False)
        assert np.all(np.isnan(episode.reward))
        _assert_absent(episode)
    assert any("how each episode ended" in line for line in report.missing)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_serls_transitions(protocol: int, tmp_path: Path) -> None:
    source = foreign.serl(tmp_path / "demos.pkl", protocol)
    report, spec, episodes = _import(source, tmp_path / "out")
    transitions = pickle.loads(source.read_bytes())
    assert list(spec.observation) == ["state", "images/wrist_1"]
    assert [episode.length for episode in episodes] == [*LENGTHS, 2, 2]
    number = 0
    for episode in episodes:
        for step in range(episode.length):
            one = transitions[number]
            np.testing.assert_array_equal(episode.action[step], one["actions"], strict=True)
            np.testing.assert_array_equal(
                episode.observation["state"][step], one["observations"]["state"][0], strict=True
            )
            np.testing.assert_array_equal(episode.images("images/wrist_1")[step], one["observations"]["wrist_1"][0])
            assert episode.reward[step] == one["rewards"]
            human = "intervene_action" in one["infos"]
            assert episode.source[step] == (Source.HUMAN if human else Source.UNKNOWN)
            number += 1
        after = transitions[number - 1]["next_observations"]
        np.testing.assert_array_equal(episode.final_observation["state"], after["state"][0], strict=True)
        np.testing.assert_array_equal(episode.final_image("images/wrist_1"), after["wrist_1"][0])
    assert number == len(transitions)
    assert [episode.is_success for episode in episodes] == [True, False, False, False]
    assert [episode.is_truncated for episode in episodes] == [False, True, True, True]
    assert {"infos/grasp_penalty", "infos/left"} <= set(report.left_out)


@pytest.mark.parametrize("kind", ["video", "image"])
def test_lerobot(kind: str, tmp_path: Path) -> None:
    root = foreign.lerobot(tmp_path / "pusht", kind)
    report, spec, episodes = _import(root, tmp_path / "out", ImportOptions("human"))
    assert (spec.name, spec.period_s, spec.action_axes) == ("so101", 0.1, ("x", "y"))
    assert set(spec.observation) == {"state", "grid", "images/top"}
    table = pq.read_table(root / "data/chunk-000/file-000.parquet")
    pictures = foreign.smooth(sum(LENGTHS))
    if kind == "video":
        with av.open(str(root / "videos/observation.images.top/chunk-000/file-000.mp4")) as container:
            decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        assert np.abs(decoded.astype(int) - pictures).max() < 12
        pictures = decoded
    stop = 0
    for episode, length in zip(episodes, LENGTHS, strict=True):
        rows, stop = slice(stop, stop + length), stop + length
        for column, values in (
            ("observation.state", episode.observation["state"]),
            ("observation.grid", episode.observation["grid"]),
            ("action", episode.action),
            ("next.reward", episode.reward),
        ):
            np.testing.assert_array_equal(
                values, np.array(table.column(column).to_pylist()[rows], np.float32), strict=True
            )
        np.testing.assert_array_equal(episode.images("images/top"), pictures[rows], strict=True)
        assert episode.attributes["task"] == "push the block"
        _assert_absent(episode, Source.HUMAN)
    assert [(e.is_success, e.is_truncated) for e in episodes] == [(True, False), (False, True)]
    assert "observation.note (string)" in report.left_out
    assert any("lossy" in entry.remark for entry in report.mapped) == (kind == "video")


def test_a_foreign_bag_gives_the_newest_sample_not_later_than_each_tick(tmp_path: Path) -> None:
    source = foreign.bag(tmp_path / "run.mcap")
    topics = {
        "/joint_states": "joints",
        "/joint_states#velocity": "speeds",
        "/camera/image": "top",
        "/command": "action",
    }
    report, spec, (episode,) = _import(source, tmp_path / "out", ImportOptions(period_s=0.1, topics=topics))
    assert list(spec.observation) == ["joints", "speeds", "images/top"]
    first_ns, stamp_ns = 1_020_000_000, episode.stamp_ns
    assert stamp_ns.tolist() == [first_ns + n * 100_000_000 for n in range(episode.length)]
    assert episode.length == 8
    for step in range(episode.length):
        joint = max(n for n in range(20) if 10**9 + n * 50_000_000 <= stamp_ns[step])
        assert episode.observation["joints"][step] == joint
        assert episode.observation["speeds"][step] == -joint
        assert episode.stream_stamps_ns["joints"][step] == 10**9 + joint * 50_000_000
        # taken at the tick itself, though it reached the bag 80 ms later
        assert np.all(episode.images("images/top")[step] == step)
        assert episode.stream_stamps_ns["images/top"][step] == stamp_ns[step]
        assert episode.action[step] == step + 1
    assert "samples between the ticks" in report.left_out


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        ({}, "Say which topics"),
        ({"/joint_states": "joints"}, "must become 'action'"),
        ({"/joint_state": "joints", "/command": "action"}, "Did you mean '/joint_states'"),
        ({"/joint_states#speed": "joints", "/command": "action"}, "has no part 'speed'"),
        ({"/joint_states#effort": "joints", "/command": "action"}, "has no effort"),
    ],
)
def test_what_cannot_be_mapped_of_a_bag_is_refused(topics: dict[str, str], said: str, tmp_path: Path) -> None:
    source = foreign.bag(tmp_path / "run.mcap")
    with pytest.raises(StoreError, match=said):
        import_store(source, tmp_path / "out", options=ImportOptions(period_s=0.1, topics=topics))
    assert nothing_left(tmp_path, "run.mcap")


@pytest.mark.parametrize("name", ["robomimic", "replay_buffer", "serl"])
def test_a_format_without_a_rate_asks_for_the_period(name: str, tmp_path: Path) -> None:
    suffix = {"robomimic": "a.hdf5", "replay_buffer": "a.zarr", "serl": "a.pkl"}[name]
    source = getattr(foreign, name)(tmp_path / suffix)
    with pytest.raises(StoreError, match="--period"):
        import_store(source, tmp_path / "out")
    assert nothing_left(tmp_path, suffix)
