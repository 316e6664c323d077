"""What a caller may say about an import or an export that the files do not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from robot.errors import ConfigError, did_you_mean
from robot.types import Source

IMAGES = ("exact", "video")


@dataclass(frozen=True)
class ImportOptions:
    """About an import.

    Attributes:
        source: who commanded the steps, where the log does not say: "policy", "human", "reset", "hold" or "unknown".
        period_s: control period, where the log has no rate (it then is required) or another than it says.
        name: robot and task; "" for what the log says.
        topics: ROS bags only: key of the store by topic; "action" for the topic with the executed action.
    """

    source: str = "unknown"
    period_s: float | None = None
    name: str = ""
    topics: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [source.name.lower() for source in Source]
        if self.source not in names:
            raise ConfigError(f"No source {self.source!r}.{did_you_mean(self.source, names)}")
        if self.period_s is not None and not (math.isfinite(self.period_s) and 1e-4 <= self.period_s <= 60.0):
            raise ConfigError(f"A control period is between 0.0001 and 60 s; found {self.period_s}.")

    @property
    def commanded_by(self) -> Source:
        return Source[self.source.upper()]


@dataclass(frozen=True)
class ExportOptions:
    """About an export.

    Attributes:
        images: LeRobot only: "exact" keeps every pixel (PNG in the parquet files), "video" makes mp4 files with loss.
        task: LeRobot only: the task in words; "" for the name of the robot and task.
    """

    images: str = "exact"
    task: str = ""

    def __post_init__(self) -> None:
        if self.images not in IMAGES:
            raise ConfigError(f"Images go over as {' or '.join(IMAGES)}; found {self.images!r}.")
