"""Who fills a mini-batch: exact counts for every preset, in every mini-batch, and draws that repeat."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial

import numpy as np
import pytest
from conftest import make_episode, small, toy_base, toy_spec
from hypothesis import given
from hypothesis import strategies as st

from policies.presets import PRESETS
from policies.rewards import RewardConfig, label
from policies.sampler import DEMO, ONLINE, EpisodeBuffer, QuotaSampler, SamplerConfig
from policies.states import States
from robot.errors import StoreError

ORIGIN = {"demo": 0.1, "human": 0.2, "success": 0.3, "online": 0.4}
"""The action by which a step is known again."""


def buffer() -> EpisodeBuffer:
    states = States(toy_spec(), toy_base(), uses_base=True)
    return EpisodeBuffer(states, partial(label, config=RewardConfig(intervention=0.0)), 0.9)


def filled(*kinds: str) -> EpisodeBuffer:
    """Demonstrations, a success of the policy, and a failure with two steps of a person."""
    made = buffer()

    def marked(kind: str, length: int, **more: object):
        return make_episode(length, action=np.full((length, 2), ORIGIN[kind], np.float32), **more)

    if "demo" in kinds:
        made.add(marked("demo", 9, human=tuple(range(9))), DEMO)
    if "success" in kinds:
        made.add(marked("success", 7), ONLINE)
    if "online" in kinds:
        made.add(marked("online", 6, end="failure"), ONLINE)
    if "human" in kinds:
        made.add(marked("human", 5, end="failure", human=(0, 1, 2, 3, 4)), ONLINE)
    return made


def sampler(data: EpisodeBuffer, seed: int = 0, **config: object) -> QuotaSampler:
    return QuotaSampler(data, SamplerConfig(**{"batch": 64} | config), seed)


def origins(action: np.ndarray) -> Counter[str]:
    names = {np.float32(value): name for name, value in ORIGIN.items()}
    return Counter(names[value] for value in np.asarray(action)[:, 0])


EVERYTHING = ("demo", "success", "online", "human")

DEMOS_OF_PRESETS = {
    "gated": 0.5,
    "sac": 0.0,
    "td3": 0.0,
    "rlpd": 0.5,
    "serl": 0.5,
    "hil-serl": 0.5,
    "resfit": 0.5,
    "rlif": None,
    "wsrl": 0.0,
    "porl": 0.0,
    "ibrl": None,
    "jsrl": 0.0,
    "dsrl": 0.0,
}
"""Share of demonstrations (and, with two buffers, corrections) in every mini-batch; None where they are online data."""


def test_until_there_are_people_and_successes_the_demonstrations_keep_their_share() -> None:
    for kinds in (("demo", "online"), ("demo", "online", "human"), ("demo", "success"), EVERYTHING):
        draw = sampler(filled(*kinds), demo_share=0.25, human_share=0.5, success_share=0.25)
        assert origins(draw.draw().action)["demo"] == draw.counts()["demo"] == 16


@pytest.mark.parametrize("size", [16, 33, 256])
@pytest.mark.parametrize("name", PRESETS)
def test_every_mini_batch_of_every_preset_has_exactly_its_share_of_demonstrations(name: str, size: int) -> None:
    """R10."""
    share, config = DEMOS_OF_PRESETS[name], small(name, sampler__batch=size).sampler
    draw = QuotaSampler(filled(*EVERYTHING), config, 0)
    for _ in range(10):
        batch = draw.draw()
        assert len(batch.ret) == size
        found = origins(batch.action)
        if name == "hil-serl":
            assert draw.counts()["demo+human"] in (size // 2, (size + 1) // 2)
            assert found["demo"] + found["human"] >= size // 2
        elif share is None:
            assert draw.counts() == {"demo+online": size}
        else:
            assert found["demo"] in (int(size * share), int(np.ceil(size * share)))
    if name == "gated":
        rest = size - draw.counts()["demo"]
        assert draw.counts()["human"] == pytest.approx(rest * 0.25, abs=1)


def test_shares_of_people_and_successes_are_of_the_online_part_and_exact() -> None:
    draw = sampler(filled(*EVERYTHING), demo_share=0.25, human_share=0.5, success_share=0.5)
    assert draw.counts() == {"demo": 16, "online": 12, "human": 24, "success": 12}
    for _ in range(20):
        batch = draw.draw()
        found = origins(batch.action)
        assert found["demo"] == 16
        assert batch.is_human[28:52].all()
        assert set(np.asarray(batch.action)[52:, 0]) == {np.float32(0.3)}


def test_corrections_count_as_demonstrations_where_that_is_asked_for() -> None:
    """HIL-SERL's two buffers: a person's steps are in both."""
    draw = sampler(filled("online", "human"), demo_share=0.5, human_is_demo=True, human_share=0.9)
    assert draw.counts() == {"demo+human": 32, "online": 32}
    for _ in range(10):
        batch = draw.draw()
        assert batch.is_human[:32].all()
        assert 0 < batch.is_human[32:].sum() < 32


def test_preloaded_demonstrations_are_drawn_as_often_as_all_else_and_left_out_ones_never() -> None:
    data = filled(*EVERYTHING)
    preloaded = sampler(data, demos="preload", human_share=0.0, batch=2700)
    assert preloaded.counts() == {"demo+online": 2700}
    assert origins(preloaded.draw().action)["demo"] == pytest.approx(900, abs=100)  # 9 of 27 steps; deviation 24
    without = sampler(data, demos="leave_out", batch=2700)
    assert origins(without.draw().action)["demo"] == 0


def test_every_step_is_drawn_those_right_before_the_end_too() -> None:
    data = buffer()
    data.add(make_episode(5), ONLINE)
    draw, seen = sampler(data, n_step=3, human_share=0.0, batch=200), set()
    seen |= {tuple(row) for row in draw.draw().action.tolist()}
    assert len(seen) == 5


def test_steps_and_not_episodes_are_equally_likely() -> None:
    data = buffer()
    for length, value in ((1, 0.1), (19, 0.4)):
        data.add(make_episode(length, action=np.full((length, 2), value, np.float32)), ONLINE)
    found = origins(sampler(data, human_share=0.0, batch=4000).draw().action)
    assert found["demo"] == pytest.approx(200, abs=60)  # a twentieth; standard deviation 14


def test_empty_sources_give_their_place_to_the_others() -> None:
    assert sampler(filled("demo")).counts() == {"demo": 64}
    assert sampler(filled("demo", "online")).counts() == {"demo": 32, "online": 32}
    assert sampler(filled("online")).counts() == {"online": 64}
    with pytest.raises(StoreError, match="nothing to draw from"):
        sampler(buffer()).draw()
    with pytest.raises(StoreError, match="nothing to draw from"):
        sampler(filled("demo"), demos="leave_out").draw()
    with pytest.raises(StoreError, match="from demonstrations needs some"):
        sampler(filled("online")).draw_demos()


def test_demonstrations_alone_are_what_pretraining_draws() -> None:
    assert origins(sampler(filled(*EVERYTHING)).draw_demos().action) == {"demo": 64}


@given(st.integers(2, 300), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_quotas_always_fill_the_batch(size: int, demo: float, human: float, success: float, is_demo: bool) -> None:
    config = SamplerConfig(batch=size, demo_share=demo, human_share=human, success_share=success, human_is_demo=is_demo)
    assert sum(config.shares().values()) == pytest.approx(1.0)
    counts = QuotaSampler(FULL, config, 0).counts()
    assert sum(counts.values()) == size
    assert min(counts.values()) >= 0


FULL = filled(*EVERYTHING)


def test_the_draws_follow_from_the_seed_and_from_the_restored_state() -> None:
    data = filled(*EVERYTHING)
    first, second, other = sampler(data), sampler(data), sampler(data, seed=1)
    a = [first.draw().ret.numpy() for _ in range(3)]
    state = json.loads(json.dumps(first.pools.state()))
    np.testing.assert_array_equal([second.draw().ret.numpy() for _ in range(3)], a)
    following = first.draw().state
    other.pools.restore(state, {})
    np.testing.assert_array_equal(other.draw().state, following)
    assert not np.array_equal(sampler(data, seed=1).draw().state, sampler(data).draw().state)
