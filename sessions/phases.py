"""The phases of a run: who acts, what the person does, who judges, and under which name and seeds it is kept."""

from __future__ import annotations

from dataclasses import dataclass

from sessions.run import STORES


@dataclass(frozen=True)
class Phase:
    """What an actor does: who acts, what the person does, who judges, and under which seeds and name it is kept."""

    name: str
    store: str
    seeds: str
    role: str
    policy: str
    judge: str


PHASES = {
    phase.name: phase
    for phase in (
        Phase("record", STORES["record"], "record", "demonstrate", "hold", "operator"),
        Phase("evaluate_base", STORES["evaluate_base"], "evaluate", "watch", "base", "truth"),
        Phase("finetune", STORES["finetune"], "finetune", "supervise", "residual", "operator"),
        Phase("evaluate_final", STORES["evaluate_final"], "evaluate", "watch", "final", "truth"),
    )
}
