"""Which environment a run is played in, and what counts as success there."""

from __future__ import annotations

from dataclasses import dataclass

from robot.errors import ConfigError
from robot.settings import Settings, setting

GYM = "gym:"
LOCAL = "local"
AUTO, NOBODY = "auto", "none"


@dataclass(frozen=True)
class EnvConfig(Settings):
    """Where a run takes place: the robot over ROS 2, the simulated arm in this process, or a gymnasium environment."""

    id: str = setting("", "empty: the robot over ROS 2; local: the simulated arm in this process; gym:<id>")
    has_cameras: bool = setting(False, "env.id=local: draw the cameras (cameras.*) too; a step takes 5 ms longer")
    tells_truth: bool = setting(
        False,
        "env.id=local: log where the socket really is (truth/socket_pose), for critics alone (training.privileged)",
    )
    max_steps: int = setting(
        0,
        "an episode of gymnasium is truncated after this many steps; 0: by the environment's own limit",
        unit="steps",
        low=0,
        high=100_000,
    )
    success_ends: bool = setting(True, "whether an episode ends where the environment reports success")
    success_reward: float | None = setting(
        None, "a terminating step that pays at least this is a success, where the environment reports none"
    )
    expert: str = setting(
        AUTO, "who plays the person: auto, the task's own expert if it has one; none; or module:function(env) of yours"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.id not in ("", LOCAL) and not (self.id.startswith(GYM) and len(self.id) > len(GYM)):
            raise ConfigError(f"env.id must be empty, {LOCAL} or {GYM}<id>; found {self.id!r}.")
        if self.tells_truth and self.id != LOCAL:
            raise ConfigError(
                f"env.tells_truth is for --env local, whose simulation knows the truth; env.id is {self.id!r}."
            )
        if self.expert not in (AUTO, NOBODY) and not all(self.expert.partition(":")):
            raise ConfigError(f"env.expert must be {AUTO}, {NOBODY} or module:function; found {self.expert!r}.")

    @property
    def is_local(self) -> bool:
        """Whether the run needs neither ROS 2 nor other processes."""
        return bool(self.id)

    @property
    def gym_id(self) -> str:
        """The gymnasium id, or a short name of `drivers.bench`; empty for a robot of ours."""
        return self.id.removeprefix(GYM) if self.id.startswith(GYM) else ""
