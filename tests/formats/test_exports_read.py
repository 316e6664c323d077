"""Every export, read by the library of its format and by nothing of ours."""

from __future__ import annotations

import io
import json
from pathlib import Path

import av
import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from format_samples import episodes_of, make, robot
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from PIL import Image

from sessions.formats import ExportOptions, export_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("store") / "a.zarr", robot())


def test_robomimic_reads_as_its_documentation_says(store: Path, tmp_path: Path) -> None:
    export_store(store, tmp_path / "a.hdf5", "robomimic")
    with h5py.File(tmp_path / "a.hdf5") as file:
        data = file["data"]
        assert data.attrs["total"] == 14
        assert json.loads(data.attrs["env_args"])["env_name"] == "sim_panda/peg_insertion"
        assert sorted(data) == [f"demo_{n}" for n in range(4)]
        for number, episode in enumerate(episodes_of(store)):
            demo = data[f"demo_{number}"]
            assert demo.attrs["num_samples"] == episode.length
            np.testing.assert_array_equal(demo["actions"], episode.action, strict=True)
            np.testing.assert_array_equal(demo["rewards"], episode.reward, strict=True)
            assert demo["dones"][-1] == episode.is_terminated
            assert not demo["dones"][:-1].any()
            np.testing.assert_array_equal(demo["obs/wrist"], episode.images("images/wrist"), strict=True)
            np.testing.assert_array_equal(demo["obs/images_front"], episode.images("images/front"), strict=True)
            np.testing.assert_array_equal(demo["obs/tool_pose"], episode.observation["tool_pose"], strict=True)
            assert ("next_obs" in demo) == episode.has_final
            if episode.has_final:
                np.testing.assert_array_equal(demo["next_obs/wrench"][:-1], demo["obs/wrench"][1:])
                np.testing.assert_array_equal(demo["next_obs/wrench"][-1], episode.final_observation["wrench"])
                np.testing.assert_array_equal(demo["next_obs/wrist"][-1], episode.final_image("images/wrist"))


@pytest.mark.parametrize("name", ["a.zarr", "a.zarr.zip"])
def test_diffusion_policys_buffer_reads_with_zarr(name: str, store: Path, tmp_path: Path) -> None:
    export_store(store, tmp_path / name, "dp-zarr")
    source = zarr.storage.ZipStore(tmp_path / name, mode="r") if name.endswith("zip") else tmp_path / name
    root = zarr.open_group(source, mode="r")
    assert root.metadata.zarr_format == 2
    ends = root["meta/episode_ends"][:]
    assert ends.tolist() == [5, 8, 12, 14]
    assert all(array.shape[0] == 14 for _, array in root["data"].arrays())
    assert not list(root["data"].groups())
    for episode, stop in zip(episodes_of(store), ends, strict=True):
        rows = slice(stop - episode.length, stop)
        np.testing.assert_array_equal(root["data/action"][rows], episode.action, strict=True)
        np.testing.assert_array_equal(root["data/images_front"][rows], episode.images("images/front"), strict=True)
        np.testing.assert_array_equal(root["data/tactile_left"][rows], episode.observation["tactile/left"]) if (
            "tactile_left" in root["data"]
        ) else np.testing.assert_array_equal(root["data/left"][rows], episode.observation["tactile/left"])


def test_a_bag_reads_with_mcap_ros2_support(store: Path, tmp_path: Path) -> None:
    export_store(store, tmp_path / "a.mcap", "mcap")
    found: dict[str, list] = {}
    with (tmp_path / "a.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        for schema, channel, message, ros in reader.iter_decoded_messages(log_time_order=False):
            found.setdefault(channel.topic, []).append((schema.name, message, ros))
    episodes = episodes_of(store)
    actions = np.stack([np.array(ros.data, np.float32) for _, _, ros in found["/action"]])
    np.testing.assert_array_equal(actions, np.concatenate([e.action for e in episodes]))
    assert [m.log_time for _, m, _ in found["/action"]] == np.concatenate([e.stamp_ns for e in episodes]).tolist()
    images = [
        np.frombuffer(bytes(ros.data), np.uint8).reshape(ros.height, ros.width, 3) for *_, ros in found["/images/front"]
    ]
    wanted = [
        image
        for e in episodes
        for image in (*e.images("images/front"), *([e.final_image("images/front")] if e.has_final else []))
    ]
    np.testing.assert_array_equal(images, wanted)
    kind, message, ros = found["/images/front"][0]
    stamp_ns = int(episodes[0].stream_stamps_ns["images/front"][0])
    stamp_ns = int(episodes[0].stamp_ns[0]) if stamp_ns == -1 else stamp_ns
    assert (kind, ros.encoding, ros.step, ros.header.frame_id) == (
        "sensor_msgs/msg/Image",
        "rgb8",
        54,
        "front_optical_frame",
    )
    assert ros.header.stamp.sec * 10**9 + ros.header.stamp.nanosec == stamp_ns == message.publish_time
    touch = found["/observation/tactile/left"]
    assert [d.size for d in touch[0][2].layout.dim] == [4, 3]
    np.testing.assert_array_equal(
        np.array(touch[1][2].data, np.float32).reshape(4, 3), episodes[0].observation["tactile/left"][1]
    )
    assert [json.loads(ros.data)["event"] for *_, ros in found["/nudge/episode"]] == ["begin", "end"] * 4


def test_lerobot_reads_with_pyarrow(store: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    export_store(store, root, "lerobot")
    info = json.loads((root / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"], info["total_frames"]) == ("v3.0", 10, 4, 14)
    entries = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(e["dataset_from_index"], e["dataset_to_index"]) for e in entries] == [(0, 5), (5, 8), (8, 12), (12, 14)]
    table = pq.read_table(root / info["data_path"].format(chunk_index=0, file_index=0))
    assert set(table.column_names) == set(info["features"])
    assert table.column("index").to_pylist() == list(range(14))
    episodes = episodes_of(store)
    state = np.array(table.column("observation.state").to_pylist(), np.float32)
    assert info["features"]["observation.state"]["names"][:8] == [f"tool_pose.{i}" for i in range(7)] + ["wrench.0"]
    np.testing.assert_array_equal(state[:, :7], np.concatenate([e.observation["tool_pose"] for e in episodes]))
    np.testing.assert_array_equal(state[:, 7:], np.concatenate([e.observation["wrench"] for e in episodes]))
    actions = np.array(table.column("action").to_pylist(), np.float32)
    np.testing.assert_array_equal(actions, np.concatenate([e.action for e in episodes]))
    pictures = [
        np.asarray(Image.open(io.BytesIO(p["bytes"]))) for p in table.column("observation.images.wrist").to_pylist()
    ]
    np.testing.assert_array_equal(pictures, np.concatenate([e.images("images/wrist") for e in episodes]))
    stats = json.loads((root / "meta/stats.json").read_text())
    np.testing.assert_allclose(stats["action"]["mean"], actions.astype(np.float64).mean(0))
    np.testing.assert_allclose(stats["action"]["std"], actions.astype(np.float64).std(0))
    np.testing.assert_allclose(np.ravel(stats["observation.images.wrist"]["mean"]), np.mean(pictures, (0, 1, 2)) / 255)
    assert stats["action"]["count"] == [14]
    tasks = pq.read_table(root / "meta/tasks.parquet").to_pylist()
    assert tasks == [{"task_index": 0, "task": "sim_panda/peg_insertion"}]


def test_lerobots_videos_decode_with_av(store: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    export_store(store, root, "lerobot", ExportOptions(images="video"))
    info = json.loads((root / "meta/info.json").read_text())
    name = "observation.images.wrist"
    entries = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    for entry, episode in zip(entries, episodes_of(store), strict=True):
        place = {"chunk_index": entry[f"videos/{name}/chunk_index"], "file_index": entry[f"videos/{name}/file_index"]}
        with av.open(str(root / info["video_path"].format(video_key=name, **place))) as container:
            decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(decoded) == episode.length
        assert entry[f"videos/{name}/to_timestamp"] == pytest.approx(episode.length / 10)
        noise = np.abs(np.array(decoded, int) - episode.images("images/wrist")).mean()
        assert noise < 60  # random pixels suffer; the order of the frames is what this tells
