"""Somebody else's policy that fails, lies or has changed: said in a sentence, before anything is taken."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import toy_spec
from declared import DECLARED

from policies.external import adopt, load_base, load_external
from robot.errors import ConfigError, SpecError
from robot.specs import ArraySpec


class Halving(torch.nn.Module):
    def forward(self, o: dict[str, torch.Tensor]) -> torch.Tensor:
        return -0.5 * o["state"][:, None, :].repeat(1, 4, 1)


class Pair(torch.nn.Module):
    def forward(self, o: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        return o["state"], o["state"]


def _given(module: types.ModuleType, what, **declared) -> str:
    """Put a callable into a module that can be imported; returns its name."""
    what.declared = DECLARED | declared
    module.policy = what
    return f"{module.__name__}:policy"


@pytest.fixture
def module(monkeypatch) -> types.ModuleType:
    made = types.ModuleType("somebody_elses")
    monkeypatch.setitem(sys.modules, "somebody_elses", made)
    return made


def _fails(observation):
    raise RuntimeError("no weights")


DRAWS = np.random.default_rng(0)
ASKED: list[int] = []


def _chunks(rows):
    return np.repeat(rows[:, None, :], 4, axis=1)


def _counts(observation):
    """Remembers how often it was asked."""
    ASKED.append(1)
    return np.full((len(observation["state"]), 4, 2), 0.01 * len(ASKED))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (_fails, "failed when it was asked: RuntimeError: no weights"),
        (lambda o: np.full((len(o["state"]), 4, 2), np.nan), "not finite"),
        (lambda o: np.zeros((len(o["state"]), 3, 2)), r"must give actions \[1, 4, 2\]; found \[1, 3, 2\]"),
        (lambda o: np.zeros((1, 4, 2)), r"must give actions \[3, 4, 2\]; found \[1, 4, 2\]"),
        (lambda o: "left", "failed when it was asked: ValueError"),
        (lambda o: DRAWS.normal(size=(len(o["state"]), 4, 2)), "differ by .* for the same observation"),
        (lambda o: _chunks(o["state"] - o["state"].mean(axis=0)), "differ by .*no chance, no memory, no statistics"),
        (_counts, "differ by .* for the same observation, asked again"),
        (lambda o: 100.0 * _chunks(np.sign(o["state"])), r"an action of 100; actions are normalised, within \[-1, 1\]"),
    ],
)
def test_what_fails_at_a_first_try_is_not_taken(tmp_path: Path, module, what, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        adopt(_given(module, what), toy_spec(), tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize(
    "declared",
    [
        {"chunk": "4"},
        {"chunk": 4.0},
        {"chunk": 0},
        {"execute_steps": -1},
        {"observation": {}},
        {"observation": 5},
        {"period_s": "0.1"},
        {"period_s": float("nan")},
        {"ensembling": float("nan"), "execute_steps": 1},
        {"ensembling": float("inf"), "execute_steps": 1},
        {"action_scale": ["a", "b"]},
        {"more": 1},
    ],
)
def test_what_is_declared_wrongly_is_refused(tmp_path: Path, module, declared: dict) -> None:
    with pytest.raises(ConfigError, match="must declare observation"):
        adopt(_given(module, lambda o: np.zeros((len(o["state"]), 4, 2)), **declared), toy_spec(), tmp_path / "base")


def test_a_declaration_that_is_no_mapping_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "halving.pt"
    torch.jit.save(torch.jit.script(Halving()), path)
    path.with_name(path.name + ".json").write_text("[1, 2]")
    with pytest.raises(ConfigError, match="must declare observation"):
        load_external(str(path), toy_spec())
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    (tmp_path / "bad.onnx.json").write_text(json.dumps(DECLARED))
    with pytest.raises(ConfigError, match="no ONNX file that can be run"):
        load_external(str(tmp_path / "bad.onnx"), toy_spec())
    (tmp_path / "base").mkdir()
    for named in ("{}", '{"place": 5}'):
        (tmp_path / "base" / "external.json").write_text(named)
        with pytest.raises(ConfigError, match="names no policy; take it again"):
            load_base(tmp_path / "base", toy_spec())


def test_a_callable_that_declares_nothing_and_a_declaration_in_place_of_a_policy_are_refused(tmp_path, module) -> None:
    module.policy = lambda o: o["state"]
    with pytest.raises(ConfigError, match=r"somebody_elses:policy must declare .* in an attribute `declared`"):
        load_external("somebody_elses:policy", toy_spec())
    with pytest.raises(ConfigError, match=r"is a declaration; name the file that it declares, .*act\.pt\."):
        load_external(str(tmp_path / "act.pt.json"), toy_spec())


def test_what_gives_no_tensor_says_what_it_gave(tmp_path: Path) -> None:
    path = tmp_path / "pair.pt"
    torch.jit.save(torch.jit.script(Pair()), path)
    path.with_name(path.name + ".json").write_text(json.dumps(DECLARED))
    with pytest.raises(SpecError, match="it gave a tuple, a tensor of actions is wanted"):
        adopt(str(path), toy_spec(), tmp_path / "base")


def test_what_is_taken_leaves_nothing_of_the_base_that_was_there(tmp_path: Path, module) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for name in ("base.safetensors", "curve.png", "older.pt"):
        (base / name).write_bytes(b"another policy's")
    adopt(_given(module, lambda o: 0.5 * _chunks(o["state"])), toy_spec(), base)
    assert [path.name for path in base.iterdir()] == ["external.json"]


def test_what_only_a_simulation_knows_is_not_to_be_had(module) -> None:
    spec = dataclasses.replace(
        toy_spec(), observation=toy_spec().observation | {"truth/goal": ArraySpec((2,), "float32", "m")}
    )
    keys = {"truth/goal": {"shape": [2], "dtype": "float32"}}
    with pytest.raises(SpecError, match=r"does not fit this robot .observation truth/goal"):
        load_external(_given(module, lambda o: o["truth/goal"], observation=keys), spec)


def test_a_callable_whose_module_has_changed_is_another_policy(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for number in (1, 2):
        text = f"import numpy as np\ndef act(o):\n    return {number} * np.zeros((len(o['state']), 4, 2))\n"
        (tmp_path / "changing.py").write_text(text + f"act.declared = {DECLARED!r}\n")
        sys.modules.pop("changing", None)
        importlib.invalidate_caches()
        digests.append(load_external("changing:act", toy_spec()).digest())
    assert digests[0] != digests[1]
