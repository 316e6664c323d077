"""The presets: values that fit, each its own, and names that are told apart."""

from __future__ import annotations

import pytest
from conftest import small

from policies.presets import PRESETS, preset
from policies.training_config import TrainingConfig
from robot.errors import ConfigError


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_config_that_names_its_source(name: str) -> None:
    found = preset(name)
    assert all(key.startswith("training.") for key in found.values)
    assert found.about
    assert found.source
    assert isinstance(small(name), TrainingConfig)


def test_a_preset_leaves_no_switch_to_the_defaults() -> None:
    keys = set(preset("sac").values)
    assert all(keys <= preset(name).values.keys() for name in PRESETS)


def test_the_default_is_the_gated_presets_values() -> None:
    for key, value in preset("gated").values.items():
        found = TrainingConfig()
        for part in key.split(".")[1:]:
            found = getattr(found, part)
        assert found == value


def test_presets_differ_from_each_other() -> None:
    values = [repr(sorted(preset(name).values.items())) for name in PRESETS]
    assert len(set(values)) == len(PRESETS)


def test_the_gated_preset_has_a_gate() -> None:
    assert preset("gated").values["training.actor.gate"] != "none"


def test_an_unknown_preset_is_refused_with_the_near_ones() -> None:
    with pytest.raises(ConfigError, match=r"'rlpdd' is no preset.*rlpd"):
        preset("rlpdd")
