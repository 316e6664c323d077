"""Files of other programs, written with their formats' own libraries and nothing of ours."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import av
import h5py
import numcodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from mcap_ros2.writer import Writer
from PIL import Image

LENGTHS = (4, 3)
SIZE = 16


def numbers(*shape: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def pixels(*shape: int, seed: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(count: int) -> np.ndarray:
    """Pictures (count, SIZE, SIZE, 3) that a video codec keeps well, each of another brightness."""
    ramp = np.linspace(0, 60, SIZE)[None, :, None, None] + np.zeros((count, SIZE, SIZE, 3))
    return (ramp + 20 * np.arange(count)[:, None, None, None]).astype(np.uint8)


def robomimic(path: Path, **changes: Any) -> Path:
    """Two demos with two states and a camera; `changes` replace datasets of demo_1."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": {}})
        data.attrs["total"] = sum(LENGTHS)
        for number, length in enumerate(LENGTHS):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = length
            after = {
                "robot0_eef_pos": numbers(length + 1, 3, seed=number),
                "agentview_image": pixels(length + 1, SIZE, SIZE, 3, seed=number),
                "object": numbers(length + 1, 10, seed=10 + number),
            }
            content: dict[str, Any] = {f"obs/{name}": values[:-1] for name, values in after.items()}
            content |= {f"next_obs/{name}": values[1:] for name, values in after.items()}
            content["actions"], content["states"] = numbers(length, 7, seed=20 + number), numbers(length, 30)
            content["rewards"] = np.r_[np.zeros(length - 1), 1.0 - number]
            content["dones"] = np.r_[np.zeros(length - 1, int), 1]
            for name, values in (content | (changes if number else {})).items():
                if values is not None:
                    demo[name] = values
        file["mask/train"] = np.array([b"demo_0"])
    return path


def replay_buffer(path: Path, compressor: Any = None, is_zip: bool = False) -> Path:
    """Two episodes of PushT-like data: an image of floats, a uint8 camera, a state, an action."""
    count = sum(LENGTHS)
    root = zarr.create_group(zarr.storage.ZipStore(path, mode="w") if is_zip else path, zarr_format=2)
    arrays = {
        "img": np.floor(numbers(count, SIZE, SIZE, 3) * 127 + 128).astype(np.float32),
        "camera_0": pixels(count, SIZE, SIZE, 3),
        "state": numbers(count, 5).astype(np.float32),
        "source": numbers(count, 2),
        "action": numbers(count, 2),
    }
    for name, values in arrays.items():
        root.create_array(f"data/{name}", data=values, chunks=(3, *values.shape[1:]), compressors=compressor)
    root.create_array("meta/episode_ends", data=np.cumsum(LENGTHS), chunks=(1,), compressors=compressor)
    if is_zip:
        root.store.close()
    return path


BLOSC = numcodecs.Blosc("lz4", clevel=5, shuffle=numcodecs.Blosc.NOSHUFFLE)


def transitions() -> list[dict[str, Any]]:
    """HIL-SERL's: two episodes of stacked frames, with a success and a time-out, then two that were cut."""
    found = []
    for number, length in enumerate((*LENGTHS, 2, 2)):
        seen = [
            {
                "state": numbers(1, 6, seed=100 * number + t).astype(np.float32),
                "wrist_1": pixels(1, SIZE, SIZE, 3, seed=t),
            }
            for t in range(length + 1)
        ]
        for t in range(length):
            is_last = t == length - 1 and number < 2
            infos: dict[str, Any] = {"grasp_penalty": 0.0, "left": False}
            if t % 2:
                infos["intervene_action"] = numbers(4, seed=t)
            if is_last:
                infos["succeed"] = np.bool_(number == 0)
            found.append(
                {
                    "observations": seen[t],
                    "actions": numbers(4, seed=t).astype(np.float32),
                    "next_observations": seen[t + 1],
                    "rewards": np.float64(is_last and number == 0),
                    "masks": 1.0 - is_last,
                    "dones": is_last,
                    "infos": infos,
                }
            )
    return found


def serl(path: Path, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(transitions(), protocol))
    return path


def lerobot(root: Path, kind: str = "video", names: Any = ("x", "y"), **info: Any) -> Path:
    """A dataset of version 3: two episodes in one parquet file and, as videos, in one mp4 file."""
    count = sum(LENGTHS)
    episode = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    frame = np.concatenate([np.arange(n) for n in LENGTHS])
    pictures = smooth(count)
    columns: dict[str, Any] = {
        "observation.state": pa.FixedSizeListArray.from_arrays(pa.array(numbers(count * 6).astype(np.float32)), 6),
        "observation.grid": pa.array(
            numbers(count, 2, 3).astype(np.float32).tolist(), pa.list_(pa.list_(pa.float32()))
        ),
        "observation.note": pa.array(["a"] * count),
        "action": pa.array(numbers(count, 2).astype(np.float32).tolist(), pa.list_(pa.float32())),
        "next.reward": pa.array(np.r_[np.zeros(3), 1, np.zeros(3)].astype(np.float32)),
        "next.success": pa.array([False] * 3 + [True] + [False] * 3),
        "timestamp": pa.array((frame / 10).astype(np.float32)),
        "frame_index": pa.array(frame),
        "episode_index": pa.array(episode),
        "index": pa.array(np.arange(count)),
        "task_index": pa.array(np.zeros(count, int)),
    }
    features: dict[str, Any] = {
        "observation.state": {"dtype": "float32", "shape": [6], "names": None},
        "observation.grid": {"dtype": "float32", "shape": [2, 3], "names": None},
        "observation.note": {"dtype": "string", "shape": [1], "names": None},
        "observation.images.top": {"dtype": kind, "shape": [3, SIZE, SIZE], "names": ["channels", "height", "width"]},
        "action": {"dtype": "float32", "shape": [2], "names": list(names) if names else None},
        "next.reward": {"dtype": "float32", "shape": [1], "names": None},
        "next.success": {"dtype": "bool", "shape": [1], "names": None},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    }
    features |= {
        n: {"dtype": "int64", "shape": [1], "names": None}
        for n in ("frame_index", "episode_index", "index", "task_index")
    }
    if kind == "image":
        files = [{"bytes": _png(picture), "path": f"{i}.png"} for i, picture in enumerate(pictures)]
        columns["observation.images.top"] = pa.array(files)
    else:
        _video(root / "videos/observation.images.top/chunk-000/file-000.mp4", pictures)
    (root / "data/chunk-000").mkdir(parents=True)
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    pq.write_table(pa.table(columns), root / "data/chunk-000/file-000.parquet", row_group_size=5)
    starts = np.cumsum((0, *LENGTHS))
    entries = [
        {
            "episode_index": i,
            "tasks": ["push the block"],
            "length": n,
            "data/chunk_index": 0,
            "data/file_index": 0,
            "dataset_from_index": int(starts[i]),
            "dataset_to_index": int(starts[i + 1]),
            "videos/observation.images.top/chunk_index": 0,
            "videos/observation.images.top/file_index": 0,
            "videos/observation.images.top/from_timestamp": float(starts[i]) / 10,
            "videos/observation.images.top/to_timestamp": float(starts[i + 1]) / 10,
            "stats/action/mean": [0.0, 0.0],
        }
        for i, n in enumerate(LENGTHS)
    ]
    pq.write_table(pa.Table.from_pylist(entries), root / "meta/episodes/chunk-000/file-000.parquet")
    about = {
        "codebase_version": "v3.0",
        "robot_type": "so101",
        "total_episodes": 2,
        "total_frames": count,
        "fps": 10,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": features,
    }
    (root / "meta/info.json").write_text(json.dumps(about | info))
    return root


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def _video(path: Path, pictures: np.ndarray) -> None:
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


HEADER = """std_msgs/Header header
{}
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
JOINTS = HEADER.format("string[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort")
IMAGE = HEADER.format("uint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\nuint8[] data")
FLOAT = "float64 data"
S = 10**9


def bag(path: Path) -> Path:
    """Joints at 20 Hz from 1.0 s, pictures at 10 Hz from 1.02 s, 80 ms late, commands at 10 Hz from 1.01 s."""
    events = []
    for n in range(20):
        events.append((S + n * 50_000_000, 0, "/joint_states", n))
    for n in range(9):
        events.append((S + 20_000_000 + n * 100_000_000, 80_000_000, "/camera/image", n))
        events.append((S + 10_000_000 + n * 100_000_000, 0, "/command", n))
    with path.open("wb") as file:
        writer = Writer(file)
        joints = writer.register_msgdef("sensor_msgs/msg/JointState", JOINTS)
        image = writer.register_msgdef("sensor_msgs/msg/Image", IMAGE)
        number = writer.register_msgdef("std_msgs/msg/Float64", FLOAT)
        for stamp, late, topic, n in sorted(events, key=lambda e: (e[0] + e[1], e[2])):
            head = {"stamp": {"sec": stamp // S, "nanosec": stamp % S}, "frame_id": ""}
            if topic == "/joint_states":
                message: Any = {"header": head, "name": ["a"], "position": [n], "velocity": [-n], "effort": []}
                writer.write_message(topic, joints, message, stamp + late, stamp + late)
            elif topic == "/camera/image":
                data = np.full((SIZE, SIZE, 3), n, np.uint8).tobytes()
                message = {"header": head, "height": SIZE, "width": SIZE, "encoding": "bgr8", "is_bigendian": 0}
                writer.write_message(
                    topic, image, message | {"step": 3 * SIZE, "data": data}, stamp + late, stamp + late
                )
            else:
                writer.write_message(topic, number, {"data": float(n)}, stamp, stamp)
        writer.finish()
    return path
