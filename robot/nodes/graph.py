"""What the nodes of one session have in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Graph:
    """How the nodes of one session find each other: the arm's namespace, its base frame, and the clock's kind.

    In lockstep the arm advances by `period_s` for every target; in real time nodes run on their own timers.
    `silence_s` is how long, by the wall's clock, a lockstep session may be silent in mid-episode. `is_direct`: there
    is no mux, the arm takes the targets of any one client through the governor (real time only).
    """

    arm: str = "panda"
    base_frame: str = "panda_base"
    is_lockstep: bool = True
    period_s: float = 0.1
    silence_s: float = 2.0
    is_direct: bool = False

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the arm's joints in their order, as its robot description and CRISP's clients have them."""
        return tuple(f"{self.arm}_joint{i}" for i in range(1, 8))
