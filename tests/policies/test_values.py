"""What critics give: numbers and distributions, by hand and by law."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.actor import Actor, ActorConfig
from policies.critics import Critics
from policies.learner_config import LearnerConfig
from policies.values import C51, HlGauss, SquaredError, cross_entropy, values_for
from robot.errors import ConfigError

INSIDE = st.floats(-1.0, 1.0, width=32)


def test_the_loss_of_numbers_is_the_mean_of_squares_over_members() -> None:
    q = torch.tensor([[[1.0]], [[3.0]]])
    assert SquaredError().loss(q, torch.zeros(1)).item() == 5.0  # the square of the mean would be 4


def test_a_number_beyond_the_possible_returns_is_clipped_to_them() -> None:
    values = SquaredError(-1.0, 2.0)
    got = values.target(torch.tensor([0.5, 5.0, -5.0]), torch.tensor([0.5, 0.5, 0.5]), torch.ones(3, 1))
    assert got.tolist() == [1.0, 2.0, -1.0]


@given(st.lists(INSIDE, min_size=11, max_size=11), st.lists(st.floats(-3, 3, width=32), min_size=11, max_size=11))
def test_projection_keeps_all_probability_and_within_the_support_the_mean(moved: list, logits: list) -> None:
    values = C51(11, -1.0, 1.0)
    probability = torch.softmax(torch.tensor([logits]), dim=1)
    projected = values.project(torch.tensor([moved]), probability)
    assert projected.sum().item() == pytest.approx(1.0, abs=1e-5)
    assert projected.min() >= 0.0
    mean = (projected * values.support).sum().item()
    assert mean == pytest.approx((probability * torch.tensor([moved])).sum().item(), abs=1e-5)


def test_projection_by_hand_and_beyond_the_support_onto_its_ends() -> None:
    values = C51(5, -1.0, 1.0)  # atoms at -1, -0.5, 0, 0.5, 1
    got = values.project(torch.tensor([[-9.0, -1.0, 0.125, 1.0, 9.0]]), torch.tensor([[0.1, 0.2, 0.4, 0.2, 0.1]]))
    torch.testing.assert_close(got, torch.tensor([[0.3, 0.0, 0.3, 0.1, 0.3]]))


def test_a_distributions_target_moves_by_the_return_and_shrinks_by_the_windows_discount() -> None:
    """Not by one step's: the released ResFiT code shrinks n-step targets by 0.99."""
    values = C51(51, -1.0, 1.0)
    sure = torch.full((1, 51), -1e9)
    sure[0, 50] = 0.0  # all probability at 1
    for discount in (0.9, 0.9**3, 0.0):
        target = values.target(torch.tensor([0.1]), torch.tensor([discount]), sure)
        assert (target * values.support).sum().item() == pytest.approx(min(1.0, 0.1 + discount), abs=1e-5)


@given(st.floats(-2.0, 0.5, width=32))
def test_the_value_of_a_numbers_histogram_is_the_number(y: float) -> None:
    values = HlGauss(51, -2.0, 0.5)
    histogram = values.histogram(torch.tensor([y]))
    assert histogram.sum().item() == pytest.approx(1.0, abs=1e-5)
    width = float(values.edges[1] - values.edges[0])
    assert values.value(histogram.clamp(min=1e-30).log()).item() == pytest.approx(y, abs=0.01 * width)


def test_a_histogram_is_the_normal_distributions_mass_in_each_bin() -> None:
    values = HlGauss(20, 0.0, 1.0)
    normal = torch.distributions.Normal(0.37, values.sigma)
    expected = normal.cdf(values.edges[1:]) - normal.cdf(values.edges[:-1])
    torch.testing.assert_close(values.histogram(torch.tensor([0.37]))[0], expected / expected.sum(), atol=1e-5, rtol=0)


def test_the_target_of_a_histogram_is_the_clipped_return_to_come() -> None:
    values = HlGauss(51, 0.0, 1.0)
    out = values.histogram(torch.tensor([0.8])).clamp(min=1e-30).log()
    for ret, discount, expected in ((0.1, 0.5, 0.5), (0.9, 0.9, 1.0)):
        got = values.target(torch.tensor([ret]), torch.tensor([discount]), out)
        assert (got * values.centers).sum().item() == pytest.approx(expected, abs=1e-3)


def test_the_gradient_of_the_cross_entropy_is_the_difference_of_the_probabilities() -> None:
    out = torch.randn(3, 4, 7, requires_grad=True)
    target = torch.softmax(torch.randn(4, 7), dim=1)
    loss = cross_entropy(out, target)
    assert loss.shape == (4,)
    (gradient,) = torch.autograd.grad(loss.sum(), [out])
    torch.testing.assert_close(gradient, (torch.softmax(out, dim=-1) - target) / 3)


def test_the_cross_entropy_is_least_where_the_distributions_agree() -> None:
    target = torch.softmax(torch.randn(4, 7), dim=1)
    least = cross_entropy(target.log()[None], target)
    torch.testing.assert_close(least, torch.distributions.Categorical(target).entropy())
    assert torch.all(cross_entropy((target.log() + torch.randn(4, 7))[None], target) > least)


@pytest.mark.parametrize("kind", ["c51", "hl_gauss"])
def test_a_distribution_needs_a_known_range(kind: str) -> None:
    for low, high in ((-math.inf, 1.0), (1.0, 1.0)):
        with pytest.raises(ConfigError, match="needs a known range"):
            values_for(kind, 51, low, high)


def test_a_histogram_needs_room_for_its_margins() -> None:
    assert HlGauss(8, 0.0, 1.0).outputs == 8
    with pytest.raises(ConfigError, match=r"more than 4\.5 atoms; found 4"):
        HlGauss(4, 0.0, 1.0)


def test_a_known_range_of_returns_is_refused_for_values_with_entropies() -> None:
    actor = Actor(ActorConfig(composer="policy", head="gaussian", gate="none"), 3, 2)
    with pytest.raises(ConfigError, match="backs_up_entropy=false"):
        Critics(LearnerConfig(critic="c51"), actor, (0.0, 1.0))
    Critics(LearnerConfig(critic="c51", backs_up_entropy=False), actor, (0.0, 1.0))
