"""LeRobot's policy directories: what does not fit is refused before anything is converted; what fits acts as it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policies.external import ExternalPolicy, load_external
from robot.errors import ConfigError, SpecError
from robot.specs import ArraySpec, RobotSpec
from sessions.formats.lerobot_policy import PYTHON, ROOT, SOURCES, converted

SIDE = 48
SPEC = RobotSpec(
    "toy/arm",
    {
        "joints": ArraySpec((4,), "float32", "rad"),
        "force": ArraySpec((3,), "float32", "N"),
        "images/front": ArraySpec((SIDE, SIDE, 3), "uint8", "RGB"),
    },
    ("x", "y"),
    (0.1, 0.1),
    0.05,
)
CONFIG: dict[str, Any] = {
    "type": "act",
    "n_obs_steps": 1,
    "input_features": {
        "observation.state": {"type": "STATE", "shape": [7]},
        "observation.images.front": {"type": "VISUAL", "shape": [3, SIDE, SIDE]},
    },
    "output_features": {"action": {"type": "ACTION", "shape": [2]}},
    "chunk_size": 6,
    "n_action_steps": 3,
}

MAKE = """
import sys, torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.act.processor_act import make_act_pre_post_processors
torch.manual_seed(0)
inputs = {
    "observation.state": PolicyFeature(FeatureType.STATE, (7,)),
    "observation.images.front": PolicyFeature(FeatureType.VISUAL, (3, %(side)d, %(side)d)),
}
outputs = {"action": PolicyFeature(FeatureType.ACTION, (2,))}
config = ACTConfig(
    input_features=inputs, output_features=outputs, chunk_size=6, n_action_steps=3, dim_model=32, n_heads=2,
    dim_feedforward=32, n_encoder_layers=1, latent_dim=4, pretrained_backbone_weights=None, device="cpu",
)
stats = {}
for name, feature in {**inputs, **outputs}.items():
    shape = (3, 1, 1) if feature.type is FeatureType.VISUAL else feature.shape
    stats[name] = {"mean": 0.1 * torch.randn(shape), "std": 0.5 + 0.3 * torch.rand(shape)}
policy = ACTPolicy(config).eval()
before, after = make_act_pre_post_processors(config, stats)
config.pretrained_backbone_weights = "ResNet18_Weights.IMAGENET1K_V1"  # as those are that people have
for part in (policy, before, after):
    part.save_pretrained(sys.argv[1])
g = torch.Generator().manual_seed(3)
state = torch.randn(5, 7, generator=g)
picture = torch.randint(0, 256, (5, %(side)d, %(side)d, 3), generator=g, dtype=torch.uint8)
batch = {"observation.state": state, "observation.images.front": picture.permute(0, 3, 1, 2).float() / 255}
with torch.no_grad():
    chunk = after(policy.predict_action_chunk(before(batch)))
torch.save({"state": state, "picture": picture, "chunk": chunk}, sys.argv[1] + "/expected.pt")
"""


def directory(folder: Path, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    return folder


def refused(folder: Path, tmp_path: Path, spec: RobotSpec = SPEC) -> str:
    with pytest.raises((ConfigError, SpecError)) as caught:
        converted(folder, spec, tmp_path)
    assert not (tmp_path / "lerobot.pt").exists()
    return str(caught.value)


def test_a_folder_that_is_no_policy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no policy directory of LeRobot" in refused(tmp_path / "empty", tmp_path)
    (tmp_path / "empty" / "config.json").write_text("[1, 2]")
    assert "no policy directory of LeRobot" in refused(tmp_path / "empty", tmp_path)
    (tmp_path / "empty" / "config.json").write_text('{"type": "act"}')
    assert "lacks input_features, output_features, chunk_size, n_action_steps" in refused(tmp_path / "empty", tmp_path)


def test_a_policy_that_draws_random_numbers_or_remembers_is_refused(tmp_path: Path) -> None:
    assert "type 'diffusion'; taken are act" in refused(directory(tmp_path / "a", type="diffusion"), tmp_path)
    assert "looks at 2 observations" in refused(directory(tmp_path / "b", n_obs_steps=2), tmp_path)
    assert "looks at two observations" in refused(directory(tmp_path / "c", n_obs_steps="two"), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"input_features": None},
        {"input_features": {}},
        {"output_features": {}},
        {"chunk_size": "six"},
        {"chunk_size": 0},
    ],
)
def test_a_config_that_says_nothing_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert "copy it again" in refused(directory(tmp_path / "p", **changes), tmp_path)


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("observation.state", [8], "observation.state"),
        ("observation.images.front", [3, 64, 64], "observation.images.front"),
        ("observation.images.top", [3, SIDE, SIDE], "observation.images.top"),
        ("observation.environment_state", [3], "observation.environment_state"),
    ],
)
def test_another_robots_policy_is_refused_with_both_specs(
    tmp_path: Path, name: str, shape: list[int], said: str
) -> None:
    inputs = CONFIG["input_features"] | {name: {"type": "STATE", "shape": shape}}
    sentence = refused(directory(tmp_path / "p", input_features=inputs), tmp_path)
    assert f"does not fit this robot ({said})" in sentence
    assert f"{name} {shape}" in sentence
    assert "'observation.images.front': [48, 48, 3]" in sentence
    assert "['joints', 'force']" in sentence


def test_actions_of_another_size_are_refused(tmp_path: Path) -> None:
    outputs = {"action": {"type": "ACTION", "shape": [7]}}
    sentence = refused(directory(tmp_path / "p", output_features=outputs), tmp_path)
    assert "(action)" in sentence
    assert "gives actions [7]" in sentence
    assert "takes [2]" in sentence


def test_a_mapping_of_inputs_that_nobody_has_is_refused(tmp_path: Path) -> None:
    folder = directory(tmp_path / "p")
    (folder / SOURCES).write_text('{"observation.stat": ["joints"]}')
    assert "names ['observation.stat']" in refused(folder, tmp_path)
    (folder / SOURCES).write_text('{"observation.state": ["joints", "nothing"]}')
    assert "does not fit this robot (observation.state)" in refused(folder, tmp_path)
    for source in ("5", '[["a"]]'):
        (folder / SOURCES).write_text(f'{{"observation.state": {source}}}')
        assert "must give a key, or a list of keys" in refused(folder, tmp_path)
    (folder / SOURCES).write_text("[1]")
    assert "must be a JSON object" in refused(folder, tmp_path)
    (folder / SOURCES).write_text('{"observation.state": ["joints"')
    assert "must be a JSON object" in refused(folder, tmp_path)


def test_without_lerobot_it_says_how_to_have_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(PYTHON, str(tmp_path / "no-python"))
    sentence = refused(directory(tmp_path / "p"), tmp_path)
    assert "make lerobot-setup" in sentence
    assert PYTHON in sentence
    monkeypatch.setenv(PYTHON, sys.executable)  # an interpreter, but without lerobot
    assert "No module named 'lerobot'" in refused(directory(tmp_path / "p"), tmp_path)


@pytest.fixture(scope="module")
def lerobot() -> str:
    python = os.environ.get(PYTHON, str(ROOT / ".venv-lerobot" / "bin" / "python"))
    if not Path(python).exists():
        pytest.skip(f"needs lerobot: make lerobot-setup, or {PYTHON}=...")
    return python


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_was_converted_does_what_the_policy_does(lerobot: str, tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "act"
    folder.mkdir()
    subprocess.run([lerobot, "-c", MAKE % {"side": SIDE}, str(folder)], check=True, capture_output=True)
    policy = load_external(str(converted(folder, SPEC, tmp_path)), SPEC)
    assert isinstance(policy, ExternalPolicy)
    assert (policy.declared.chunk, policy.declared.execute_steps, policy.phases) == (6, 3, 3)
    expected = torch.load(folder / "expected.pt", weights_only=True)
    state = expected["state"].numpy()
    observations = {"joints": state[:, :4], "force": state[:, 4:], "images/front": expected["picture"].numpy()}
    chunks = policy.predict(observations)
    np.testing.assert_allclose(chunks, expected["chunk"].numpy().clip(-1, 1), atol=1e-4)
    assert np.abs(chunks - chunks[:1]).max() > 1e-3  # it looks
    policy.reset(0)
    one = policy.act({key: value[0] for key, value in observations.items()})
    np.testing.assert_allclose(one.action, chunks[0, 0], atol=1e-5)
