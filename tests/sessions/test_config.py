"""The config system refuses what it does not know and gives back what it wrote."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot.errors import ConfigError
from robot.settings import Settings, setting
from sessions.config import digest, from_mapping, keys, load, to_mapping
from sessions.config_help import describe
from sessions.config_yaml import parse_yaml, to_yaml


@dataclass(frozen=True)
class Learner(Settings):
    """How the learner learns."""

    learning_rate: float = setting(3e-4, "Step size of Adam.", low=1e-8, high=1.0)
    batch: int = setting(256, "Transitions in a mini-batch.", low=1, high=65536)
    hidden: tuple[int, ...] = setting((256, 256), "Units of the hidden layers.", low=1, high=4096)
    head: str = setting("sac", "Actor head.", choices=("sac", "td3"))
    is_gated: bool = setting(False, "Whether the gate may refuse a residual.")


@dataclass(frozen=True)
class Limits(Settings):
    speed: float = setting(0.25, "Largest speed of the tool.", unit="m/s", low=0.0, high=1.0)
    box: tuple[float, float] = setting((-0.1, 0.2), "Lowest and highest x.", unit="m", low=-1.0, high=1.0)
    zones: tuple[tuple[float, ...], ...] = setting((), "Any number of boxes.", unit="m")


@dataclass(frozen=True)
class Config(Settings):
    learner: Learner = setting(Learner, "The learner.")
    safety: Limits = setting(lambda: Limits(speed=0.5), "Limits on motion.")
    seed: int = setting(0, "Seed of everything.", low=0)
    name: str = setting("", "Name of the run.")
    note: str | None = setting(None, "Free text.")
    clock: Literal["real", "lockstep"] = setting("lockstep", "Which clock.")


def test_without_file_or_overrides_the_defaults_stand() -> None:
    assert load(Config) == Config()


def test_a_section_keeps_the_defaults_of_its_owner_where_nothing_overrides_them() -> None:
    config = load(Config, overrides=["safety.box=[0, 0.1]"])
    assert config.safety.speed == 0.5
    assert config.safety.box == (0.0, 0.1)


def test_lists_of_lists_come_from_the_command_line_and_survive_yaml(tmp_path: Path) -> None:
    config = load(Config, overrides=["safety.zones=[[0, 1.5], [-2, 3, 4]]"])
    assert config.safety.zones == ((0.0, 1.5), (-2.0, 3.0, 4.0))
    assert to_mapping(config)["safety"]["zones"] == [[0.0, 1.5], [-2.0, 3.0, 4.0]]
    file = tmp_path / "robot.yaml"
    file.write_text(to_yaml(config))
    assert load(Config, file) == config
    assert digest(config) != digest(Config())


@pytest.mark.parametrize(
    ("zones", "message"),
    [
        ("5", r"safety\.zones must be a list"),
        ("[1, 2]", r"safety\.zones\[0\] must be a list"),
        ("[[1, 2], [1, two]]", r"safety\.zones\[1\]\[1\] must be a number; found 'two'"),
        ("[[1, .nan]]", r"safety\.zones\[0\]\[1\] must be a number; found NaN"),
    ],
)
def test_lists_of_lists_that_are_none_are_refused_by_their_place(zones: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(Config, overrides=[f"safety.zones={zones}"])


def test_overrides_win_over_the_file_and_the_last_override_wins(tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text("learner:\n  batch: 64\n  learning_rate: 1e-3\nseed: 7\n")
    config = load(Config, file, ["learner.batch=32", "learner.batch=16"])
    assert (config.learner.batch, config.learner.learning_rate, config.seed) == (16, 1e-3, 7)


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("learner.learning_rat=1", "'learner.learning_rate'"),
        ("lerner.batch=1", "'learner.batch'"),
        ("batch=1", "'learner.batch'"),
        ("sed=1", "'seed'"),
        ("learner.batch.size=1", "'learner.batch'"),
    ],
)
def test_a_misspelt_override_names_the_place_and_the_near_keys(override: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=r"command line: .* is no known setting") as caught:
        load(Config, overrides=[override])
    assert hint in str(caught.value)


def test_a_misspelt_key_in_a_file_names_the_file_and_the_near_key(tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text("safety:\n  sped: 0.1\n")
    with pytest.raises(ConfigError, match=r"robot\.yaml: 'safety\.sped' .*Did you mean 'speed'\?"):
        load(Config, file)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("learner.batch=2.5", "whole number; found 2.5"),
        ("learner.batch=2.0", "whole number"),
        ("learner.batch=true", "whole number; found True"),
        ("learner.learning_rate=fast", "a number; found 'fast'"),
        ("learner.learning_rate=true", "a number; found True"),
        ("learner.learning_rate=.nan", "found NaN"),
        ("learner.is_gated=1", "true or false; found 1"),
        ("learner.is_gated=yes", "true or false; found 'yes'"),
        ("learner.hidden=64", "a list"),
        ("learner.hidden=[64, big]", r"learner.hidden\[1\] must be a whole number"),
        ("safety.box=[1]", "2 elements; found 1"),
        ("safety.box=[.nan, 0]", r"safety.box\[0\] must be a number; found NaN"),
        ("name=3", "text; found 3"),
        ("seed=null", "whole number; found None"),
        ("clock=lockstp", "one of real, lockstep"),
        ("learner=3", "section 'learner' must be a mapping"),
    ],
)
def test_a_wrong_type_is_refused_with_what_was_expected_and_found(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(Config, overrides=[override])


@pytest.mark.parametrize(
    "override", ["safety.speed=1.01", "safety.speed=-0.1", "safety.speed=.inf", "safety.box=[0, 2]", "learner.head=ppo"]
)
def test_a_value_out_of_range_is_refused_and_the_place_named(override: str) -> None:
    with pytest.raises(ConfigError, match=rf"^command line: section {override.partition('.')[0]}"):
        load(Config, overrides=[override])


@pytest.mark.parametrize("text", ["learner.batch", "=3", ""])
def test_an_override_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        load(Config, overrides=[text])


def test_a_missing_or_broken_file_gives_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(Config, tmp_path / "none.yaml")
    for text, message in [
        ("seed: [1", "line 1, column 9"),
        ("seed: 1\nseed: 2\n", "'seed' stands here twice"),
        ("- 1\n", "the config must be a mapping"),
        ("seed: !!python/object:os.system {}\n", "could not determine a constructor"),
    ]:
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ConfigError, match=message):
            load(Config, tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(Config, tmp_path / "bad.yaml")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# only a comment\n")
    assert load(Config, tmp_path / "empty.yaml") == Config()


CONFIGS = st.builds(
    Config,
    learner=st.builds(
        Learner,
        learning_rate=st.floats(1e-8, 1.0),
        batch=st.integers(1, 65536),
        hidden=st.lists(st.integers(1, 4096), max_size=4).map(tuple),
        head=st.sampled_from(["sac", "td3"]),
        is_gated=st.booleans(),
    ),
    safety=st.builds(Limits, speed=st.floats(0, 1), box=st.tuples(st.floats(-1, 1), st.floats(-1, 1))),
    seed=st.integers(0, 2**63),
    name=st.text(st.characters(codec="utf-8")),
    note=st.none() | st.text(st.characters(codec="ascii")),
    clock=st.sampled_from(["real", "lockstep"]),
)


@settings(max_examples=40, deadline=None)
@given(CONFIGS)
def test_what_was_written_as_yaml_reads_back_equal(config: Config) -> None:
    assert from_mapping(Config, parse_yaml(to_yaml(config), "written")) == config


@settings(max_examples=40, deadline=None)
@given(CONFIGS)
def test_other_yaml_readers_see_the_same_values(config: Config) -> None:
    import yaml

    assert yaml.safe_load(to_yaml(config)) == to_mapping(config)


@settings(max_examples=40, deadline=None)
@given(CONFIGS, CONFIGS)
def test_digests_are_equal_exactly_where_configs_are(one: Config, other: Config) -> None:
    assert (digest(one) == digest(other)) == (to_yaml(one) == to_yaml(other))


def test_every_single_change_changes_the_digest() -> None:
    changed = ["learner.batch=1", "safety.speed=0.1", "seed=1", "name=a", "note=a", "clock=real"]
    assert len({digest(load(Config, overrides=[c])) for c in changed} | {digest(Config())}) == len(changed) + 1


def test_written_yaml_says_units_and_meaning() -> None:
    assert "  speed: 0.5  # [m/s] Largest speed of the tool." in to_yaml(Config()).splitlines()


def test_help_gives_every_key_with_unit_range_default_and_meaning() -> None:
    text = describe(Config)
    assert all(key + "=" in text for key in keys(Config))
    assert "  safety.speed=0.5 m/s  [0, 1]\n      Largest speed of the tool." in text
    assert "learner.head=sac  one of sac, td3" in text
    assert "seed=0  >= 0" in text


def test_help_can_be_narrowed_to_sections() -> None:
    text = describe(Config, sections=["safety"])
    assert "safety.box" in text
    assert "seed=" in text
    assert "learner." not in text


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), ("-5E2", -500.0), ("010", 10), (".inf", math.inf)])
def test_numbers_mean_what_they_look_like(text: str, value: float) -> None:
    assert parse_yaml(text, "here") == value
    assert type(parse_yaml(text, "here")) is type(value)


@pytest.mark.parametrize("text", ["no", "on", "12:30", "2026-01-02", "0x1F", "1_000"])
def test_words_that_yaml_1_1_bends_stay_text(text: str) -> None:
    assert parse_yaml(text, "here") == text


def test_a_field_type_that_configs_do_not_know_is_a_programming_error() -> None:
    @dataclass(frozen=True)
    class Odd:
        table: dict[str, int] = dataclasses.field(default_factory=dict)

    with pytest.raises(TypeError, match="no type that a config may use"):
        from_mapping(Odd, {"table": {}})
