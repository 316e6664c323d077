"""Eyes that do not learn any more: the fast way sees what the plain way sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from seeing import SIDE, config, seeing_spec

from policies.vision.eyes import Eyes
from policies.vision.glance import Glance


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("pool", ["embeddings", "softmax", "flat"])
@pytest.mark.parametrize("encoder", ["cnn", "vit", "resnet10"])
def test_a_glance_sees_what_the_eyes_see_of_one_instant_and_of_many(encoder: str, pool: str, is_shared: bool) -> None:
    torch.manual_seed(0)
    eyes = Eyes(seeing_spec(), config(encoder=encoder, pool=pool, is_shared=is_shared)).eval()
    with torch.no_grad():
        for head in eyes.heads:  # an affine part that does nothing would hide that it was left out
            head.norm.weight.uniform_(0.5, 2.0)
            head.norm.bias.uniform_(-1.0, 1.0)
    glance = Glance(eyes.requires_grad_(requires_grad=False))
    images = np.random.default_rng(0).integers(0, 255, (4, SIDE, SIDE, 3), np.uint8)
    for count in (1, 4, 1):
        pictures = eyes.lens({"images/front": images[:count], "images/wrist": images[::-1][:count]})
        maps, numbers = glance(pictures)
        assert numbers.shape == (count, eyes.size)
        torch.testing.assert_close(numbers, eyes(pictures), atol=1e-5, rtol=1e-4)
        for one, plain in zip(maps, eyes.maps(pictures), strict=True):
            torch.testing.assert_close(one, plain, atol=1e-5, rtol=1e-4)
        assert not numbers.requires_grad


@pytest.mark.parametrize("size", [33, 50, 64, 100])
def test_a_glance_is_right_at_every_size_and_through_a_crop(size: int) -> None:
    torch.manual_seed(0)
    crops = ((0.0, 0.0, 1.0, 1.0), (0.1, 0.2, 0.7, 0.9))
    eyes = Eyes(seeing_spec(), config(size=size, crops=crops, width=6)).eval().requires_grad_(requires_grad=False)
    images = np.random.default_rng(0).integers(0, 255, (1, SIDE, SIDE, 3), np.uint8)
    pictures = eyes.lens({"images/front": images, "images/wrist": images[:, ::-1]})
    maps, numbers = Glance(eyes)(pictures)
    for one, plain in zip(maps, eyes.maps(pictures), strict=True):
        torch.testing.assert_close(one, plain, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(numbers, eyes(pictures), atol=1e-5, rtol=1e-4)


def test_the_eyes_themselves_stay_as_they_are() -> None:
    torch.manual_seed(0)
    eyes = Eyes(seeing_spec(), config()).eval().requires_grad_(requires_grad=False)
    before = eyes.digest()
    Glance(eyes)
    assert eyes.digest() == before
    assert [name for name, _ in eyes.named_parameters() if "heads.0.0" in name] == []
