"""Named methods: nothing but values of the learner's switches, each with the source of its numbers.

    preset("rlpd").values        # {"training.learner.members": 10, ...}, ready to be laid over a run's config

The numbers are in `policies/methods.py`; those of `gated` are the defaults. Sizes of a run (`training.total_steps`) are
nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policies import methods
from robot.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Preset:
    """A method.

    Attributes:
        about: in one sentence.
        source: where its numbers are from.
        settings: values of `TrainingConfig` by dotted key; empty for its defaults.
    """

    about: str
    source: str
    settings: dict[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        """Every switch by its dotted key in a run's config."""
        return {f"training.{key}": value for key, value in (self.settings or _defaults()).items()}


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        ConfigError: there is none of that name; names the near ones.
    """
    if name not in PRESETS:
        raise ConfigError(f"{name!r} is no preset.{did_you_mean(name, list(PRESETS))}")
    return PRESETS[name]


_GATED_ALONE = ("actor.gate_confidence", "actor.gate_margin", "schedule.rank", "schedule.hold_out")
"""Switches that say nothing where there is no such gate and no unlocking."""


def _defaults() -> dict[str, Any]:
    """Return the defaults of the same switches."""
    from policies.training_config import TrainingConfig  # here, since it brings torch, and --help only wants names

    found: dict[str, Any] = {}
    for key in {*methods.SAC, *methods.HIL_SERL, *methods.DSRL, *methods.JSRL, *_GATED_ALONE}:
        value: Any = TrainingConfig()
        for part in key.split("."):
            value = getattr(value, part)
        found[key] = value
    return found


PRESETS: dict[str, Preset] = {
    "gated": Preset(
        "a residual that acts only where the critics are sure that it is no worse than the base (the default)",
        "nudge; docs/benchmarks.md says what was measured",
        {},
    ),
    "sac": Preset("soft actor-critic, from nothing", "arXiv 1812.05905", methods.SAC),
    "td3": Preset("twin delayed deterministic policy gradient, from nothing", "arXiv 1802.09477 and code", methods.TD3),
    "rlpd": Preset("SAC on demonstrations and online data, half and half", "arXiv 2302.02948 and code", methods.RLPD),
    "serl": Preset("RLPD as SERL's learner has it", "arXiv 2401.16013 and code", methods.SERL),
    "hil-serl": Preset(
        "the same with a person's corrections as demonstrations", "arXiv 2410.21845 and code", methods.HIL_SERL
    ),
    "resfit": Preset("a residual on a cloned base, by TD3", "arXiv 2509.19301 and code", methods.RESFIT),
    "rlif": Preset("interventions are the only reward", "arXiv 2311.12996 and code", methods.RLIF),
    "wsrl": Preset(
        "pretrained by Cal-QL, then online without demonstrations", "arXiv 2412.07762 and code", methods.WSRL
    ),
    "porl": Preset("a cloned policy with fresh critics", "arXiv 2505.16856, most numbers ours", methods.PORL),
    "ibrl": Preset("the better of base and policy, step by step", "arXiv 2311.02198 and code", methods.IBRL),
    "dsrl": Preset("chooses the noise that a flow or diffusion base draws", "arXiv 2506.15799 and code", methods.DSRL),
    "jsrl": Preset("the base acts first, ever shorter", "arXiv 2204.02372 on SAC", methods.JSRL),
}
