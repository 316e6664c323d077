"""Compiled losses are the losses."""

from __future__ import annotations

import shutil

import pytest
import torch
from conftest import small, toy_base, toy_batch, toy_spec

from policies.training import Training

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own compiler
def test_compiled_updates_are_those_that_are_not() -> None:
    plain, compiled = (
        Training(
            toy_spec(), toy_base(), [], small("gated", learner__actor_every=1, learner__is_compiled=is_compiled)
        ).learner
        for is_compiled in (False, True)
    )
    for seed in range(3):
        for subject in (plain, compiled):
            subject.update(toy_batch(subject.actor.state_size, 16, seed))
    for name, flat in plain.flat.items():
        torch.testing.assert_close(compiled.flat[name], flat, atol=1e-5, rtol=1e-4)
