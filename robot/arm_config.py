"""What an arm server is told: its settings and its modes."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from robot.homing import HomePosture, HomingConfig
from robot.settings import Settings, setting


class ArmMode(enum.Enum):
    """What the arm does at this tick."""

    HOLD = "hold"
    FOLLOW = "follow"
    HOMING = "homing"
    STOP = "stop"
    FAULT = "fault"


@dataclass(frozen=True)
class ArmServerConfig(Settings):
    """Timing and safety of the control tick."""

    control_step_s: float = setting(0.002, "Length of one control tick.", unit="s", low=2e-4, high=0.02)
    wrench_time_constant_s: float = setting(
        0.02, "Low-pass on the external wrench that is reported; 0 is off.", unit="s", low=0.0, high=1.0
    )
    fault_damping: float = setting(
        4.0, "Joint damping under a fault, where gravity alone is balanced.", unit="Nms/rad", low=0.0, high=50.0
    )
    is_kept_awake: bool = setting(
        False,
        "Real time: keep idle processors awake, by spinners that give way to all else. A steadier tick on a machine "
        "that sleeps deeply, or is a virtual one; costs power, and a container its share of time.",
    )
    home: HomePosture = setting(HomePosture, "Where homing ends.")
    homing: HomingConfig = setting(HomingConfig, "How homing gets there.")
