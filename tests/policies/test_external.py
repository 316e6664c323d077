"""Base policies of other people: refused with both specs where they do not fit, and otherwise a base like any other."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import make_episode, small, toy_base, toy_spec
from declared import DECLARED
from onnx import TensorProto, helper
from seeing import seeing_spec, seen_episode

from policies.acting import LearntPolicy
from policies.base import BasePolicy
from policies.declared import Declared
from policies.external import ExternalPolicy, adopt, load_base, load_external
from policies.training import Training
from policies.weights import WeightsDirectory
from robot.errors import ConfigError, SpecError


class Halving(torch.nn.Module):
    """Actions are minus half the state, in each step of a chunk less by 0.01."""

    def forward(self, o: dict[str, torch.Tensor]) -> torch.Tensor:
        steps = 0.01 * torch.arange(4).view(1, 4, 1)
        return -0.5 * o["state"][:, None, :] - steps


def by_hand(state: np.ndarray) -> np.ndarray:
    return -0.5 * state[:, None] - 0.01 * np.arange(4, dtype=np.float32)[None, :, None]


def torchscript(folder: Path) -> Path:
    path = folder / "halving.pt"
    torch.jit.save(torch.jit.script(Halving()), path)
    return path


def onnx_file(folder: Path) -> Path:
    steps = helper.make_tensor("steps", TensorProto.FLOAT, [1, 4, 1], [-0.01 * k for k in range(4)])
    half = helper.make_tensor("half", TensorProto.FLOAT, [1], [-0.5])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Mul", ["state", "half"], ["halved"]),
        helper.make_node("Unsqueeze", ["halved", "axes"], ["row"]),
        helper.make_node("Add", ["row", "steps"], ["action"]),
    ]
    graph = helper.make_graph(
        nodes,
        "halving",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["B", 2])],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, ["B", 4, 2])],
        [steps, half, axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path = folder / "halving.onnx"
    onnx.save(model, path)
    return path


def callable_place(monkeypatch: pytest.MonkeyPatch) -> str:
    module = types.ModuleType("my_policies")

    def halving(o):
        return by_hand(o["state"])

    halving.declared = DECLARED
    module.halving = halving
    monkeypatch.setitem(sys.modules, "my_policies", module)
    return "my_policies:halving"


@pytest.fixture(params=["torchscript", "onnx", "callable"])
def place(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "callable":
        return callable_place(monkeypatch)
    path = torchscript(tmp_path) if request.param == "torchscript" else onnx_file(tmp_path)
    path.with_name(path.name + ".json").write_text(json.dumps(DECLARED))
    return str(path)


def test_each_kind_acts_by_its_chunks_and_labels_what_it_would_have_done(place: str) -> None:
    policy = load_external(place, toy_spec())
    episode = make_episode(11, human=(1, 2, 6), seed=4)
    action, phase = policy.relabel(episode)
    policy.reset(0)
    for t in range(episode.length):
        decision = policy.act({"state": episode.observation["state"][t]})
        assert decision.chunk_phase == phase[t]
        np.testing.assert_allclose(decision.action, action[t], atol=1e-6)
        if phase[t] == 0:
            np.testing.assert_allclose(
                decision.action, by_hand(episode.observation["state"][t : t + 1])[0, 0], atol=1e-6
            )
        if t in (1, 2, 6):
            policy.replan()
    assert phase.tolist() == [0, 1, 0, 0, 1, 2, 0, 0, 1, 2, 0, 1]


def test_a_base_that_was_adopted_is_there_without_the_file_it_came_from(place: str, tmp_path: Path) -> None:
    policy = adopt(place, toy_spec(), tmp_path / "base")
    if ":" not in place:
        Path(place).unlink()
    loaded = load_base(tmp_path / "base", toy_spec())
    assert isinstance(loaded, ExternalPolicy)
    assert loaded.digest() == policy.digest()


def test_a_zero_residual_on_it_is_the_base_bit_for_bit_and_it_is_learnt_upon(place: str, tmp_path: Path) -> None:
    config = small("gated", schedule__warmup_steps=0, schedule__unlock="steps")
    base = load_external(place, toy_spec())
    training = Training(toy_spec(), base, [make_episode(6, seed=seed) for seed in range(3)], config)
    training.prepare()
    weights = WeightsDirectory(tmp_path / "weights")
    weights.publish(0, training.published(), toy_spec().digest(), training.directions().to_header())
    policy = LearntPolicy(toy_spec(), load_external(place, toy_spec()), config, weights, deterministic=True)
    policy.load_weights(0)
    alone, rng = load_external(place, toy_spec()), np.random.default_rng(0)
    policy.reset(3)
    alone.reset(3)
    for _ in range(7):
        observation = {"state": rng.uniform(-1, 1, 2).astype(np.float32)}
        np.testing.assert_array_equal(policy.act(observation).action, alone.act(observation).action)
    metrics = training.take(make_episode(6, seed=9))
    assert metrics["updates"] > 0


def test_one_that_looks_at_pictures_is_given_those_of_the_store() -> None:
    keys = {"images/wrist": {"shape": [40, 40, 3], "dtype": "uint8"}, "state": {"shape": [2], "dtype": "float32"}}
    declared = Declared.of(DECLARED | {"observation": keys, "chunk": 1, "execute_steps": 1}, "test")

    def brightness(o):
        return np.stack([o["images/wrist"].mean(axis=(1, 2, 3)) / 255.0, o["state"][:, 0]], axis=1)

    policy = ExternalPolicy(seeing_spec(), declared, brightness, "brightness")
    episode = seen_episode(5, seed=1)
    action, _ = policy.relabel(episode)
    whole = episode.attributes["images/wrist"]
    np.testing.assert_allclose(action[:, 0], whole.mean(axis=(1, 2, 3)) / 255.0, rtol=1e-5)
    np.testing.assert_array_equal(action[:-1, 1], episode.observation["state"][:, 0])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"observation": {"state": {"shape": [3], "dtype": "float32"}}}, r"\(observation state\)"),
        ({"observation": {"images/front": {"shape": [8, 8, 3], "dtype": "uint8"}}}, r"\(observation images/front\)"),
        ({"action_axes": ["y", "x"]}, r"\(actions\)"),
        ({"action_scale": [0.1, 0.2]}, r"\(actions\)"),
        ({"period_s": 0.05}, r"\(actions\)"),
    ],
)
def test_one_for_another_robot_is_refused_with_both_specs(change: dict, what: str) -> None:
    declared = Declared.of(DECLARED | change, "test")
    with pytest.raises(SpecError, match=rf"other\.pt does not fit this robot {what}") as refusal:
        ExternalPolicy(toy_spec(), declared, lambda o: o["state"], "other.pt")
    said = str(refusal.value)
    assert "It declares [" in said
    assert "toy/point has [state float32[2]; axes x y, scale [0.1, 0.1], period 0.1 s]" in said


@pytest.mark.parametrize(
    ("give", "why"),
    [
        (lambda o: o["state"], r"must give actions \[1, 4, 2\]; found \[1, 2\]"),
        (lambda o: np.full((1, 4, 2), np.nan), "gave an action that is not finite; nothing was executed"),
    ],
)
def test_what_it_gives_is_looked_at_before_it_acts(give, why: str) -> None:
    policy = ExternalPolicy(toy_spec(), Declared.of(DECLARED, "test"), give, "odd.pt")
    with pytest.raises(SpecError, match=why):
        policy.act({"state": np.zeros(2, np.float32)})


def test_actions_beyond_the_range_are_cut_off() -> None:
    policy = ExternalPolicy(toy_spec(), Declared.of(DECLARED, "test"), lambda o: np.full((1, 4, 2), -7.0), "wild.pt")
    np.testing.assert_array_equal(policy.act({"state": np.zeros(2, np.float32)}).action, [-1.0, -1.0])


def test_what_is_not_there_or_not_declared_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no file; name a TorchScript file"):
        load_external(str(tmp_path / "none.pt"), toy_spec())
    with pytest.raises(ConfigError, match=r"is not to be had .ModuleNotFoundError.*; name module:callable"):
        load_external("no_such_module:policy", toy_spec())
    path = tmp_path / "policy.pt"
    path.write_bytes(b"no archive")
    with pytest.raises(ConfigError, match=r"must be declared in .*policy\.pt\.json"):
        load_external(str(path), toy_spec())
    path.with_name("policy.pt.json").write_text(json.dumps(DECLARED))
    with pytest.raises(ConfigError, match="is no TorchScript file"):
        load_external(str(path), toy_spec())
    path.with_name("policy.pt.json").write_text(json.dumps({"observation": {}, "speed": 3}))
    with pytest.raises(ConfigError, match="must declare observation"):
        load_external(str(torchscript(tmp_path).rename(path)), toy_spec())


def test_a_base_of_our_own_is_loaded_where_no_other_is_named(tmp_path: Path) -> None:
    toy_base().save(tmp_path)
    assert isinstance(load_base(tmp_path, toy_spec()), BasePolicy)
    assert load_base(tmp_path, toy_spec()).digest() == toy_base().digest()
