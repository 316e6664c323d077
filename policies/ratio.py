"""The seam `ratio(steps, updates)`: how many updates the learner owes for the steps the robot has made."""

from __future__ import annotations

from robot.errors import ConfigError


class UpdateRatio:
    """Holds `updates` per `steps` exactly, in integers.

        owed = ratio.owed(robot_steps)      # after an episode
        learner.update(sampler, owed); ratio.done(owed)

    At every call, updates done + owed = floor(robot_steps * updates / steps).

    Args:
        updates, steps: the ratio as a fraction, for example 4, 1 or 1, 2.
    """

    def __init__(self, updates: int, steps: int = 1) -> None:
        if updates < 0 or steps < 1:
            raise ConfigError(f"UpdateRatio needs updates >= 0 and steps >= 1; found {updates} / {steps}.")
        self.updates, self.steps = updates, steps
        self.total = 0

    def owed(self, robot_steps: int) -> int:
        """Return the updates still to do after `robot_steps` steps in all; never negative."""
        return max(0, robot_steps * self.updates // self.steps - self.total)

    def done(self, updates: int) -> None:
        """Count `updates` as done."""
        if updates < 0:
            raise ConfigError(f"UpdateRatio counts updates >= 0; found {updates}.")
        self.total += updates
