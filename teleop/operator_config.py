"""What the simulated operator is like: skill, reaction time, and its rules for taking over and letting go."""

from __future__ import annotations

from dataclasses import dataclass

from robot.settings import Settings, setting

RULES = ("trouble", "value", "random", "never")


@dataclass(frozen=True)
class Skill:
    """What a level of skill makes of the hand that the other settings describe.

    Attributes:
        aim: factor on the errors of its aim; tremor: on its unsteadiness.
        insight: on how fast it sees its error on the rim; search: on how far it searches there.
    """

    aim: float = 1.0
    tremor: float = 1.0
    insight: float = 1.0
    search: float = 1.0


SKILLS = {
    "practised": Skill(),
    "apprentice": Skill(aim=2.5, tremor=1.5, insight=0.05, search=0.0),
    "clumsy": Skill(aim=10.0, tremor=2.0, insight=0.0, search=0.0),
}
"""By name, the levels of experiments; docs/teleop.md says how often each of them succeeds."""


@dataclass(frozen=True)
class OperatorConfig(Settings):
    """The person at the input device; the defaults are a practised one."""

    action_scale_m: float = setting(
        0.02, "Way of the tool's target per control period at full deflection.", unit="m", low=1e-3, high=0.1
    )
    action_scale_rad: float = setting(
        0.1, "Turn of the tool's target per control period at full deflection.", unit="rad", low=1e-3, high=1.0
    )
    skill: str = setting(
        "practised",
        "How able it is: practised: as the settings below say; apprentice: succeeds in about 90% of its own episodes; "
        "clumsy: in about 10%.",
        choices=tuple(SKILLS),
    )
    speed: float = setting(0.7, "Deflection at which it moves through free space.", low=0.1, high=1.0)
    motion_noise: float = setting(
        0.08, "Unsteadiness of the hand, in deflection (standard deviation).", low=0.0, high=0.5
    )
    aim_error_m: float = setting(
        0.0004, "How badly it judges where the hole is, per axis and episode.", unit="m", low=0.0, high=0.01
    )
    aim_error_rad: float = setting(
        0.01, "How badly it judges the hole's yaw, per episode.", unit="rad", low=0.0, high=0.3
    )
    carelessness: float = setting(
        0.1, "Share of episodes in which it aims three times worse and reacts half as fast.", low=0.0, high=1.0
    )
    reaction_time_s: float = setting(0.3, "From seeing a reason to acting on it.", unit="s", low=0.0, high=5.0)
    approach_height_m: float = setting(
        0.012, "Height over the mouth at which it stops to align.", unit="m", low=0.002, high=0.1
    )
    aligned_m: float = setting(0.0012, "It descends when it sees less error than this.", unit="m", low=1e-4, high=0.01)
    aligned_rad: float = setting(0.04, "The same for yaw.", unit="rad", low=0.001, high=0.3)
    push: float = setting(0.5, "Deflection with which it pushes down.", low=0.05, high=1.0)
    search_m: float = setting(0.003, "Radius of its search when the peg sits on the rim.", unit="m", low=0.0, high=0.01)
    success_depth_m: float = setting(
        0.02, "Depth at which the peg is in; the same as the simulation's.", unit="m", low=0.001, high=0.05
    )
    rule: str = setting(
        "trouble",
        "When it takes over: trouble: the policy is stuck, drifts or is late; value: it gets on worse than the person "
        "would (RLIF's rule); random; never.",
        choices=RULES,
    )
    onset: float = setting(
        0.95, "value, random: probability of taking over at a tick at which the rule lets it.", low=0.0, high=1.0
    )
    pace_m_s: float = setting(
        0.04, "value: how fast the operator would get nearer to the goal.", unit="m/s", low=0.001, high=1.0
    )
    value_gap: float = setting(
        0.6, "value: takes over when the policy gets less than one less this share of that.", low=0.0, high=2.0
    )
    value_window_s: float = setting(0.5, "value: over so long it is compared.", unit="s", low=0.1, high=10.0)
    hold_s: float = setting(1.0, "value, random: lets go after so long.", unit="s", low=0.1, high=60.0)
    stuck_s: float = setting(1.5, "Takes over when nothing has got better for this long.", unit="s", low=0.1, high=30.0)
    progress_m: float = setting(
        0.001, "What counts as better: this much nearer to the bottom of the hole.", unit="m", low=1e-4, high=0.05
    )
    drift_m: float = setting(
        0.008,
        "Takes over when the peg moves this far off the hole's axis, near the mouth.",
        unit="m",
        low=1e-3,
        high=0.1,
    )
    time_budget_s: float = setting(
        5.0, "Takes over when an episode has lasted this long.", unit="s", low=0.1, high=120.0
    )
    release_depth_m: float = setting(
        0.008, "Lets go once the peg is this deep in the hole.", unit="m", low=0.0, high=0.05
    )
