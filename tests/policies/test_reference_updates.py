"""Every preset's update against a slow, plain reference that is written from the papers' formulas.

`METHODS` says what each paper says, in the reference's own words, and not what the presets say: a preset whose switch
does not mean what its paper means differs here. Widths, members and mini-batches are small; all else is the preset's.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace

import pytest
import torch
from conftest import small, toy_batch
from plain_learner import Method, PlainLearner

from policies.actor import Actor
from policies.learner import Learner
from policies.presets import PRESETS

STATE, SIZE = 5, 16
SUCCESS = (0.0, 1.0)

SAC = Method()
TD3 = Method(head="deterministic", every=2, climbs="first", smoothing=(0.2, 0.5), returns=SUCCESS)
RLPD = replace(SAC, critic_norm=True, members=4, every=20, climbs="mean", entropy=-0.5)
SERL = replace(
    RLPD, actor_norm=True, activation="tanh", log_std=(-11.5, 1.61), every=8, temperature=0.01, soft_target=False
)
SERL = replace(SERL, returns=SUCCESS)
HIL_SERL = replace(SERL, members=2, every=2)
RESFIT = replace(
    TD3,
    bound=0.1,
    actor_norm=True,
    critic_norm=True,
    members=4,
    critic_rate=1e-4,
    actor_rate=1e-6,
    every=4,
    climbs="mean",
    smoothing=(0.5, 3.0),
    clip_norm=1.0,
    decay=0.01,
)
RLIF = replace(RLPD, every=5, soft_target=False, returns=(-1.0 / (1.0 - 0.99**2), 0.0))
WSRL = replace(RLPD, actor_norm=True, actor_rate=1e-4, temperature_rate=1e-4, every=4, climbs="min", entropy=-1.0)
WSRL = replace(WSRL, soft_target=False, conservative=1.0, returns=SUCCESS)
PORL = replace(SAC, critic_norm=True, every=4, temperature=0.01, soft_target=False, returns=SUCCESS)
IBRL = replace(
    TD3,
    critic_norm=True,
    members=4,
    critic_rate=1e-4,
    actor_rate=1e-4,
    every=5,
    climbs="min",
    tau=0.01,
    smoothing=(0.1, 0.3),
    is_gated=True,
)
GATED = Method(
    head="deterministic",
    bound=0.5,
    actor_norm=True,
    critic_norm=True,
    members=4,
    actor_rate=1e-4,
    every=2,
    climbs="mean",
    smoothing=(0.2, 0.5),
    clip_norm=1.0,
    imitation=1.0,
    penalty=0.03,
    is_gated=True,
    returns=(-0.2 / (1.0 - 0.97**2), 1.0),
)

METHODS: dict[str, Method] = {
    "sac": SAC,
    "td3": TD3,
    "rlpd": RLPD,
    "serl": SERL,
    "hil-serl": HIL_SERL,
    "resfit": RESFIT,
    "rlif": RLIF,
    "wsrl": WSRL,
    "porl": PORL,
    "ibrl": IBRL,
    "jsrl": SAC,
    "gated": GATED,
}
CASES = [(name, method, 2) for name, method in METHODS.items()]
CASES.append(("hil-serl", replace(HIL_SERL, gripper=1, grip_penalty=0.02), 3))
CASES.append(("gated", replace(GATED, gripper=2, grip_penalty=0.02), 3))
SOFT = replace(GATED, head="gaussian", log_std=(-5.0, 2.0), entropy=-0.5, returns=(-math.inf, math.inf))
CASES.append(("gated", replace(GATED, filters=True), 2))
CASES.append(("gated", SOFT, 2))  # no preset, but a method: the base's action counts no entropy


def pair(name: str, method: Method, axes: int) -> tuple[Learner, PlainLearner]:
    """A learner somewhere in the middle of learning, and the reference from the same parameters."""
    more = {"actor.gripper_axis": method.gripper, "actor.has_gripper_head": True} if method.gripper >= 0 else {}
    if name == "gated":
        more |= {"actor.gate": "lower_bound", "actor.head": method.head, "learner.filters_imitation": method.filters}
    config = small(name, **more)
    learner = Learner(config.learner, Actor(config.actor, STATE, axes), config.value_range, seed=7)
    g = torch.Generator().manual_seed(1)
    for kind in (learner.flat, learner.target_flat):  # targets apart from what they follow, and a residual from zero
        for part, flat in kind.items():
            if part != "temperature":
                flat.add_(0.2 * torch.randn(flat.shape, generator=g))
    return learner, PlainLearner(method, learner, axes)


def batch(number: int, axes: int):
    made = toy_batch(STATE, SIZE, seed=number, axes=axes)
    g = torch.Generator().manual_seed(1000 + number)
    discount = torch.tensor([0.99, 0.97, 0.9, 0.0])[torch.randint(4, (SIZE,), generator=g)]
    return made._replace(discount=discount, weight=0.2 + torch.rand(SIZE, generator=g), base=1.2 * made.base)


def assert_same(plain: PlainLearner) -> None:
    assert {name: gap for name, gap in plain.differences().items() if gap > 1e-5} == {}
    assert {name: gap for name, gap in plain.gradient_differences().items() if gap > 1e-3} == {}


def moved(learner: Learner, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, flat in before.items() if not torch.equal(flat, learner.flat[name])}


def test_there_is_a_reference_for_every_preset() -> None:
    assert METHODS.keys() | {"dsrl"} == PRESETS.keys()  # its own is in test_steering.py


@pytest.mark.parametrize(
    ("name", "method", "axes"), CASES, ids=[f"{n}-{m.head}-{a}-axes{'-filter' * m.filters}" for n, m, a in CASES]
)
def test_an_update_is_the_papers(name: str, method: Method, axes: int) -> None:
    learner, plain = pair(name, method, axes)
    before = {part: flat.clone() for part, flat in learner.flat.items()}
    for number in range(max(6, 2 * method.every)):
        b = batch(number, axes)
        plain.update(b)
        learner.update(b)
        assert_same(plain)
    learns = {"critic", "actor"} | ({"temperature"} if method.head == "gaussian" else set())
    assert moved(learner, before) == learns | ({"gripper"} if method.gripper >= 0 else set())


def test_wsrls_pretraining_is_cal_qls_after_cloning() -> None:
    learner, plain = pair("wsrl", WSRL, 2)
    for number in range(3):
        b = batch(number, 2)
        plain.clone(b)
        learner.clone_step(b)
        assert_same(plain)
    for number in range(3, 7):
        b = batch(number, 2)
        plain.update(b, is_offline=True)
        learner.critic_step(b, is_offline=True)
        learner.actor_step(b)
        assert_same(plain)
    b = batch(8, 2)  # online nothing of it is left
    plain.update(b)
    learner.update(b)
    assert_same(plain)


def test_a_residual_is_cloned_within_its_bound() -> None:
    learner, plain = pair("resfit", RESFIT, 2)
    for number in range(3):
        plain.clone(batch(number, 2))
        learner.clone_step(batch(number, 2))
        assert_same(plain)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sac", {"entropy": -0.5}),
        ("sac", {"climbs": "mean"}),
        ("sac", {"soft_target": False}),
        ("td3", {"smoothing": (0.2, 0.1)}),
        ("td3", {"climbs": "min"}),
        ("rlpd", {"critic_norm": False}),
        ("serl", {"activation": "relu"}),
        ("serl", {"log_std": (-11.5, -0.5)}),
        ("resfit", {"decay": 0.1}),
        ("resfit", {"clip_norm": 0.01}),
        ("ibrl", {"is_gated": False}),
        ("ibrl", {"tau": 0.005}),
        ("gated", {"imitation": 0.0}),
        ("gated", {"penalty": 0.0}),
        ("gated", {"returns": (-100.0, 100.0)}),
        ("resfit", {"climbs": "min"}),
        ("resfit", {"penalty": 5.0}),
        ("resfit", {"imitation": 1.0}),
        ("hil-serl", {"entropy": -1.0}),
        ("rlif", {"climbs": "min"}),
        ("rlif", {"returns": (-1000.0, 1000.0)}),
        ("wsrl", {"climbs": "mean"}),
        ("wsrl", {"entropy": -0.5}),
        ("porl", {"soft_target": True}),
        ("jsrl", {"climbs": "mean"}),
    ],
)
def test_the_comparison_bites(name: str, change: dict) -> None:
    method = dataclasses.replace(METHODS[name], **change)
    learner, plain = pair(name, method, 2)
    for number in range(max(6, 2 * method.every)):
        b = batch(number, 2)
        plain.update(b)
        learner.update(b)
    with pytest.raises(AssertionError):
        assert_same(plain)
