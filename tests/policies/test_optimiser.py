"""Adam in one fused step is PyTorch's AdamW, clipping and decay included."""

from __future__ import annotations

import pytest
import torch

from policies.optimiser import Adam


@pytest.mark.parametrize("clip_norm", [0.0, 0.5, 1e3])
@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_many_steps_are_those_of_adamw_after_clip_grad_norm(decay: float, clip_norm: float) -> None:
    g = torch.Generator().manual_seed(0)
    mine = torch.randn(200, generator=g)
    theirs = torch.nn.Parameter(mine.clone())
    subject = Adam(mine, 1e-2, decay, clip_norm)
    reference = torch.optim.AdamW([theirs], lr=1e-2, weight_decay=decay, foreach=False, fused=False)
    for step in range(300):
        gradient = torch.randn(200, generator=g) * (10.0 if step % 7 == 0 else 0.01)
        theirs.grad = gradient.clone()
        if clip_norm:
            torch.nn.utils.clip_grad_norm_([theirs], clip_norm)
            norm = torch.linalg.vector_norm(gradient)
        reference.step()
        subject.step(gradient)
        if clip_norm:
            torch.testing.assert_close(subject.norm, norm)
    torch.testing.assert_close(mine, theirs.detach(), atol=1e-5, rtol=1e-4)
    assert subject.count == 300


def test_a_step_size_of_zero_changes_nothing_and_the_state_goes_on_bit_for_bit() -> None:
    flat = torch.ones(5)
    Adam(flat, 0.0, 0.1).step(torch.randn(5))
    assert torch.equal(flat, torch.ones(5))
    one, other = torch.ones(5), torch.ones(5)
    first, second = Adam(one, 0.1), Adam(other, 0.1)
    first.step(torch.arange(5.0))
    other.copy_(one)
    for name, tensor in second.state().items():
        tensor.copy_(first.state()[name])
    for subject in (first, second):
        subject.step(torch.ones(5))
    assert torch.equal(one, other)
    assert not torch.equal(first.mean, torch.zeros(5))
