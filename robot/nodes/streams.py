"""From the messages of one tick to an observation, with the capture time of each of its parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from robot import observe, pictures
from robot.nodes import messages
from robot.safety import SafetyConfig
from robot.topics import topic
from robot.types import Observation

STATES = {
    "joints": "joint_states",
    "pose": "current_pose",
    "twist": "current_twist",
    "wrench": "external_wrench",
    "socket": "tracker/socket_pose",
}
"""What an observation is made of beside images: name here -> row of the topic table."""


def states(*, has_tracker: bool) -> dict[str, str]:
    """Return the `STATES` of a robot with a tracker, or of one that has none."""
    return {name: row for name, row in STATES.items() if has_tracker or name != "socket"}


def observation(row: Mapping[str, Any], cameras: tuple[str, ...]) -> tuple[Observation, dict[str, int]]:
    """Return the observation of `row` (messages by the names of `states` and `cameras`) and its stamps [ns] by key."""
    joints = row["joints"]
    assembled = observe.assemble(
        np.array(joints.position),
        np.array(joints.velocity),
        messages.to_pose(row["pose"]),
        messages.to_twist(row["twist"]),
        messages.to_wrench(row["wrench"]),
        messages.to_pose(row["socket"]) if "socket" in row else None,
        {camera: messages.to_image(row[camera]) for camera in cameras},
    )
    socket = ("socket",) if "socket" in row else ()
    order = ("joints", "joints", "pose", "twist", "wrench", *socket, *cameras)
    return assembled, {key: messages.stamp_of(row[name]) for key, name in zip(assembled, order, strict=True)}


def age_limits_s(cameras: tuple[str, ...], safety: SafetyConfig, *, has_tracker: bool = True) -> dict[str, float]:
    """Return by stream the age [s] up to which a sample is decided on: that of its row, or what `safety` allows."""
    rows = states(has_tracker=has_tracker)
    states_s = {name: max(topic(row).max_age_s, safety.state_max_age_s) for name, row in rows.items()}
    return states_s | dict.fromkeys(cameras, max(topic("policy/image").max_age_s, safety.camera_max_age_s))


class PictureWatch:
    """Tells pictures from what is none. One that was torn on its way is left out; several in a row are a problem."""

    MOST = 2
    """Pictures in a row that may be spoilt."""

    def __init__(self) -> None:
        self._spoilt: dict[str, tuple[int, str]] = {}

    def is_whole(self, camera: str, message: Any) -> bool:
        """Note an image message of a camera; whether it can be read as a picture."""
        why = pictures.problem(message.encoding, message.height, message.width, len(message.data))
        self._spoilt[camera] = (self._spoilt.get(camera, (0, ""))[0] + 1, why) if why else (0, "")
        return not why

    @property
    def problem(self) -> str:
        """Which cameras send no pictures, and why, in a sentence; "" for none."""
        found = [f"{camera} ({why})" for camera, (count, why) in self._spoilt.items() if count > self.MOST]
        return f"No picture comes from {', '.join(found)}." if found else ""


class Alignment:
    """The newest samples of several streams; a tick takes of each the newest that is not later than itself."""

    DEPTH = 16
    """Samples kept of a stream: at 100 Hz the last 160 ms."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._samples: dict[str, deque[tuple[int, Any]]] = {name: deque(maxlen=self.DEPTH) for name in names}

    def __len__(self) -> int:
        return len(self._samples)

    def put(self, name: str, stamp_ns: int, sample: Any) -> None:
        self._samples[name].append((stamp_ns, sample))

    def at(self, tick_ns: int) -> dict[str, Any]:
        """Return the sample of each stream at the tick; of a stream that has only later ones its earliest."""
        return {name: self._pick(samples, tick_ns)[1] for name, samples in self._samples.items() if samples}

    def behind(self, stamp_ns: int) -> list[str]:
        """Return the streams that have not told of `stamp_ns` or later yet."""
        return [
            name
            for name, samples in self._samples.items()
            if not samples or max(stamp for stamp, _ in samples) < stamp_ns
        ]

    def older(self, tick_ns: int, limits_s: Mapping[str, float]) -> list[str]:
        """Return, in words, the streams whose sample at the tick is older than `limits_s`, or later than the tick."""
        found = []
        for name, limit_s in limits_s.items():
            age_s = (tick_ns - self._pick(self._samples[name], tick_ns)[0]) * 1e-9
            if age_s > limit_s:
                found.append(f"{name} by {age_s:.2f} s (allowed {limit_s:g} s)")
            elif age_s < 0:
                found.append(f"{name} has only samples from the future, by {-age_s:.2f} s")
        return found

    @staticmethod
    def _pick(samples: deque[tuple[int, Any]], tick_ns: int) -> tuple[int, Any]:
        known = [sample for sample in samples if sample[0] <= tick_ns]
        return max(known, key=_stamp) if known else min(samples, key=_stamp)


def _stamp(sample: tuple[int, Any]) -> int:
    return sample[0]
