"""Images as differences are the images again, for our reading and for zarr's."""

from __future__ import annotations

import numpy as np
import pytest
from numcodecs.delta import Delta

from robot.store import deltas

SHAPES = [(1, 1, 1, 1), (1, 5, 4, 3), (16, 8, 9, 3), (3, 7, 1, 1), (2, 1, 6, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_taken_apart_comes_back(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    content = deltas.differences(images)
    assert len(content) == images.size
    np.testing.assert_array_equal(deltas.images(content, shape), images)


@pytest.mark.parametrize("shape", SHAPES)
def test_zarrs_codecs_read_it(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    turned = Delta(dtype="u1").decode(np.frombuffer(deltas.differences(images), np.uint8))
    moved = tuple(shape[axis] for axis in deltas.ORDER)
    np.testing.assert_array_equal(turned.reshape(moved).transpose(np.argsort(deltas.ORDER)), images)


def test_content_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        deltas.images(bytes(10), (1, 2, 2, 3))
