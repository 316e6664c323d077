"""Numbers that the campaign sets and the processes under test read at once: a file that all of them map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CAMERAS = ("front", "wrist")
CAMERA_NODES = tuple(f"camera_{camera}" for camera in CAMERAS)
PROCESSES = ("arm", *CAMERA_NODES, "teleop", "mux", "reset", "gripper", "recorder", "actor", "learner")
"""Every process that has a clock of its own to step."""

FRAME_FAULTS = ("none", "dropped", "delayed", "repeated", "black", "cut", "noise", "garbled")
"""What a camera may do to its pictures: give none; give them late; the same under new stamps; all black; with too few
bytes; random bytes of another size; under an encoding that there is not."""
ACTION_FAULTS = ("none", "nan", "infinity", "far")
"""What a policy may do to its actions."""

_SLOTS = (
    "clock/all",
    *(f"clock/{name}" for name in PROCESSES),
    *(f"frames/{name}" for name in CAMERA_NODES),
    "action",
    "role",
    "blocked",
)


class Controls:
    """Named int64 numbers in a file; a write is seen by the other processes at once.

    controls = Controls(path, is_new=True)
    controls["clock/mux"] = 500_000_000      # its clock is half a second ahead [ns]
    controls["frames/camera_front"] = FRAME_FAULTS.index("black")
    """

    def __init__(self, path: Path, is_new: bool = False) -> None:
        self._values: NDArray[np.int64] = np.memmap(path, np.int64, "w+" if is_new else "r+", shape=(len(_SLOTS),))
        self._index = {name: index for index, name in enumerate(_SLOTS)}

    def __getitem__(self, name: str) -> int:
        return int(self._values[self._index[name]])

    def __setitem__(self, name: str, value: int) -> None:
        self._values[self._index[name]] = value

    def offset_ns(self, process: str) -> int:
        """Return by how much the wall clock of a process is off: the host's, and its own beside it."""
        return self["clock/all"] + self[f"clock/{process}"]

    def cure(self) -> None:
        """Take back every fault; a host's clock that was set stays set."""
        for name in _SLOTS:
            if name not in ("clock/all", "role"):
                self[name] = 0
