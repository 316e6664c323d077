"""Settings are checked when they are built, and an error names the setting, its range and what was found."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robot_rig import repeatable

from robot.errors import ConfigError
from robot.homing import HomingConfig
from robot.reset import ResetConfig
from robot.safety import SafetyConfig
from robot.settings import Settings, setting


@dataclass(frozen=True)
class Inner(Settings):
    depth: int = setting(2, "levels", low=0, high=9)


@dataclass(frozen=True)
class Toy(Settings):
    """One of each kind."""

    speed: float = setting(0.5, "how fast", unit="m/s", low=0.0, high=1.0)
    box: tuple[float, ...] = setting((0.0, 0.5), "corners", unit="m", low=-1.0, high=1.0)
    free: float = setting(0.0, "anything but NaN")
    kind: str = setting("round", "shape", choices=("round", "square"))
    is_on: bool = setting(True, "switch", low=5.0)
    inner: Inner = setting(Inner, "more of them")


def test_defaults_and_the_ends_of_the_range_are_allowed():
    assert Toy().inner == Inner(2)
    for value in (0.0, 1.0, 0, 1):
        assert Toy(speed=value).speed == value
    assert Toy(box=(-1.0, 1.0)).box == (-1.0, 1.0)


@pytest.mark.parametrize("value", [-1e-9, 1.0 + 1e-9, math.inf, -math.inf, math.nan, 2, np.float32(2.0), np.int64(2)])
def test_a_number_out_of_range_is_refused(value: float):
    with pytest.raises(ConfigError, match=r"Toy\.speed must lie in \[0\.0, 1\.0\] m/s; found"):
        Toy(speed=value)


@repeatable
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_is_allowed_exactly_if_it_lies_in_the_range(value: float):
    if 0.0 <= value <= 1.0:
        assert Toy(speed=value).speed == value
    else:
        with pytest.raises(ConfigError):
            Toy(speed=value)


@pytest.mark.parametrize("box", [(0.0, 1.1), (math.nan, 0.0), (-2,), [0.0, math.nan]])
def test_each_element_of_a_tuple_is_checked(box):
    with pytest.raises(ConfigError, match=r"Toy\.box must lie in \[-1\.0, 1\.0\] m"):
        Toy(box=box)


def test_a_setting_without_a_range_still_refuses_nan():
    assert Toy(free=-1e300).free == -1e300
    with pytest.raises(ConfigError, match=r"Toy\.free .*found nan"):
        Toy(free=math.nan)


def test_a_name_must_be_one_of_the_choices():
    with pytest.raises(ConfigError, match=r"Toy\.kind must be one of round, square; found 'flat'\."):
        Toy(kind="flat")


def test_a_switch_is_no_number():
    assert Toy(is_on=False).is_on is False


def test_settings_cannot_be_changed_and_are_checked_again_when_replaced():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Toy().speed = 0.1  # type: ignore[misc]
    with pytest.raises(ConfigError):
        dataclasses.replace(Toy(), speed=7.0)


def test_a_nested_setting_is_made_anew_for_each_owner_and_checked():
    assert dataclasses.fields(Toy)[-1].default_factory is Inner
    with pytest.raises(ConfigError, match=r"Inner\.depth"):
        Toy(inner=Inner(depth=10))


@pytest.mark.parametrize("config", [SafetyConfig, ResetConfig, HomingConfig])
def test_every_setting_of_the_hub_documents_itself_and_refuses_nan(config: type[Settings]):
    for field in dataclasses.fields(config):
        assert field.metadata["help"]
        default = field.default
        broken = (math.nan,) * len(default) if isinstance(default, tuple) else math.nan
        if field.name == "keep_out_m":  # boxes, and by default none
            broken = ((math.nan,) * 6,)
        with pytest.raises(ConfigError, match=rf"{config.__name__}\.{field.name}"):
            config(**{field.name: broken})
