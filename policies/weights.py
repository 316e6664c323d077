"""The seam `weights(version)`: numbered files, each published by one atomic rename."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from policies.tensorfile import read_tensors, write_tensors
from robot.errors import RobotError, SpecError, StoreError
from robot.types import NO_VERSION

_NAME = re.compile(r"v(\d{8})\.safetensors")
_POLL_S = 0.002  # far below a control period, far above the cost of one listing


class WeightsDirectory:
    """Versions of one actor in a directory; one process publishes, any number load.

        directory.publish(version, tensors, spec.digest())
        directory.wait_for(version, timeout_s=60.0)
        tensors, words = directory.load(version, spec.digest(), shapes)

    Args:
        path: directory; made at the first `publish`.
        keep: how many of the newest versions stay on disk.
    """

    def __init__(self, path: Path, keep: int = 20) -> None:
        self.path, self.keep = Path(path), keep

    def publish(
        self, version: int, tensors: Mapping[str, Tensor], spec_digest: str, words: Mapping[str, str] | None = None
    ) -> Path:
        """Make `version` visible, with `words` that go with it; of older ones the newest `keep` and version 0 stay."""
        path = self._file(version)
        header = {**(words or {}), "spec_digest": spec_digest, "version": str(version)}
        write_tensors(path, {name: tensor.cpu() for name, tensor in tensors.items()}, header)
        for old in self.versions()[: -self.keep]:
            if old:
                self._file(old).unlink(missing_ok=True)
        return path

    def versions(self) -> list[int]:
        """Return the versions on disk, ascending."""
        if not self.path.is_dir():
            return []
        matches = (_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        return sorted(int(m.group(1)) for m in matches if m)

    def latest(self) -> int:
        """Return the newest version, or NO_VERSION (-1) when none was published."""
        return max(self.versions(), default=NO_VERSION)

    def load(
        self, version: int, spec_digest: str, shapes: Mapping[str, tuple[int, ...]]
    ) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the tensors of `version`, and the words that were published with them.

        Raises:
            StoreError: the version is missing or damaged.
            SpecError: it belongs to another robot, or its tensors are not those of `shapes`.
        """
        if not self._file(version).exists():
            raise StoreError(f"Weights version {version} is not in {self.path}; there are {self.versions()}.")
        tensors, header = read_tensors(self._file(version))
        if header.get("spec_digest") != spec_digest:
            raise SpecError(
                f"Weights version {version} in {self.path} are for robot {header.get('spec_digest')}, "
                f"this robot is {spec_digest}; use this robot's run directory."
            )
        found = {name: tuple(t.shape) for name, t in tensors.items()}
        odd = [name for name in sorted(found.keys() | shapes.keys()) if found.get(name) != shapes.get(name)]
        if odd:
            raise SpecError(
                f"Weights version {version} in {self.path} have {odd[0]} {_shape(found, odd[0])}, this policy needs "
                f"{_shape(shapes, odd[0])} ({len(odd)} of its tensors differ): the run's config, base policy or its "
                "declaration is another than when they were learnt. Put it back, or start a new run."
            )
        return tensors, header

    def words(self, version: int) -> dict[str, str]:
        """Return the words that were published with `version`; StoreError where it is missing or damaged."""
        return read_tensors(self._file(version))[1]

    def wait_for(
        self,
        version: int,
        timeout_s: float,
        idle: Callable[[float], None] = time.sleep,
        is_in_work: Callable[[], bool] = lambda: False,
    ) -> None:
        """Return once `version` or a later one is on disk.

        Meanwhile `idle` is called with a duration [s], again and again.

        Raises:
            RobotError: nobody was at work on it for `timeout_s`, as `is_in_work` says.
        """
        deadline = time.monotonic() + timeout_s
        while self.latest() < version:
            if is_in_work():
                deadline = time.monotonic() + timeout_s
            elif time.monotonic() > deadline:
                raise RobotError(
                    f"Waited {timeout_s:.0f} s for weights version {version} in {self.path}; the newest is "
                    f"{self.latest()}, and no learner is at work on it."
                )
            idle(_POLL_S)

    def _file(self, version: int) -> Path:
        return self.path / f"v{version:08d}.safetensors"


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return str(list(shapes[name])) if name in shapes else "none"
