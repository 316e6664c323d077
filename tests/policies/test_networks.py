"""The batched perceptrons: a loop over separate ones gives the same, and every member is its own."""

from __future__ import annotations

import pytest
import torch

from policies.networks import EnsembleMlp


def made(activation: str = "relu", *, has_norm: bool = True, hidden: tuple[int, ...] = (7, 6)) -> EnsembleMlp:
    return EnsembleMlp(3, 5, hidden, 2, has_norm=has_norm, activation=activation)


def seeded(net: EnsembleMlp) -> torch.Tensor:
    return net.initial(torch.Generator().manual_seed(0))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("has_norm", [True, False])
def test_the_ensemble_equals_a_loop_over_separate_perceptrons(activation: str, has_norm: bool) -> None:
    net = made(activation, has_norm=has_norm)
    views = net.views(seeded(net))
    x = torch.randn(11, 5)
    got = net.forward(views, x)
    for k in range(3):
        h = x
        for layer in range(2):
            h = h @ views[f"weight{layer}"][k] + views[f"bias{layer}"][k]
            if has_norm:
                h = torch.nn.functional.layer_norm(h, h.shape[-1:])
            h = torch.relu(h) if activation == "relu" else torch.tanh(h)
        torch.testing.assert_close(got[k], h @ views["weight2"][k] + views["bias2"][k], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(net.forward(net.constants(seeded(net), torch.tensor([2, 0])), x), got[[2, 0]])


def test_without_hidden_layers_it_is_linear() -> None:
    net = made(hidden=())
    views, x = net.views(seeded(net)), torch.randn(4, 5)
    torch.testing.assert_close(net.forward(views, x)[1], x @ views["weight0"][1] + views["bias0"][1])


def test_members_begin_differently_and_flattening_inverts_the_views() -> None:
    net = made()
    flat = seeded(net)
    views = net.views(flat)
    assert all(not torch.equal(view[0], view[1]) for view in views.values())
    assert views["bias0"].shape == (3, 1, 7)
    assert torch.equal(net.flatten(views), flat)


def test_weights_begin_within_the_range_of_a_linear_layer_and_the_last_may_begin_at_zero() -> None:
    net = made()
    for name, view in net.views(seeded(net)).items():
        bound = (5, 7, 6)[int(name[-1])] ** -0.5
        assert 0.5 * bound < view.abs().max() <= bound
    views = net.views(net.initial(torch.Generator().manual_seed(0), zero_last=True))
    assert not views["weight2"].any()
    assert not views["bias2"].any()
    assert views["bias1"].all()


def test_a_members_gradient_comes_from_its_own_output_alone() -> None:
    net = made()
    flat = seeded(net).requires_grad_()
    out = net.forward(net.views(flat), torch.randn(4, 5))
    (gradient,) = torch.autograd.grad(out[1].sum(), [flat])
    for name, view in net.views(gradient).items():
        assert not view[[0, 2]].any()
        assert view[1].any(), name
