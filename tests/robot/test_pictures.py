"""Pictures that are none, that show nothing, and that repeat themselves."""

from __future__ import annotations

import numpy as np
import pytest

from robot import pictures


def scene(seed: int = 0) -> np.ndarray:
    """A shaded picture with a sensor's noise of one grey level."""
    y, x = np.mgrid[:128, :128]
    noise = np.random.default_rng(seed).integers(-1, 2, (128, 128, 3))
    return np.clip(np.stack([x, y, 128 + 0 * x], -1) + noise, 0, 255).astype(np.uint8)


def test_a_whole_picture_has_no_problem() -> None:
    assert pictures.problem("rgb8", 128, 96, 128 * 96 * 3) == ""


@pytest.mark.parametrize(
    ("encoding", "height", "width", "size", "says"),
    [
        ("bgr8", 128, 128, 128 * 128 * 3, "bgr8"),
        ("\x00" * 100, 128, 128, 128 * 128 * 3, "encoding"),
        ("rgb8", 128, 128, 128 * 128, "16384 bytes for 128 x 128"),
        ("rgb8", 0, 0, 0, "0 bytes for 0 x 0"),
    ],
)
def test_what_is_no_picture_is_said(encoding: str, height: int, width: int, size: int, says: str) -> None:
    found = pictures.problem(encoding, height, width, size)
    assert says in found
    assert len(found) < 100


@pytest.mark.parametrize("level", [0, 7, 128, 255])
def test_one_colour_is_blank_whatever_the_noise(level: int) -> None:
    noise = np.random.default_rng(level).integers(-1, 2, (128, 128, 3))
    assert pictures.is_blank(np.clip(level + noise, 0, 255).astype(np.uint8))


def test_a_coloured_wall_is_blank_and_a_scene_is_not() -> None:
    wall = np.broadcast_to(np.array([200, 40, 40], np.uint8), (128, 128, 3))
    assert pictures.is_blank(wall)
    assert not pictures.is_blank(scene())
    dim = (scene() // 16).astype(np.uint8)
    assert not pictures.is_blank(dim), "a dark scene is still one"


def test_digests_tell_pictures_apart_and_join_blank_ones() -> None:
    assert pictures.digest(scene(0)) == pictures.digest(scene(0))
    assert pictures.digest(scene(0)) != pictures.digest(scene(1))
    black, nearly = np.zeros((128, 128, 3), np.uint8), np.ones((128, 128, 3), np.uint8)
    assert pictures.digest(black) == pictures.digest(nearly) == pictures.BLANK


def test_one_pixel_by_one_level_is_another_picture() -> None:
    other = scene()
    other[5, 7, 1] ^= 1
    assert pictures.digest(other) != pictures.digest(scene())
