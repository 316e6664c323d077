"""Pictures that are none, that show nothing, and that repeat themselves."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import Image

from robot import pictures
from robot.nodes import messages
from robot.nodes.streams import PictureWatch


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


def test_digests_tell_pictures_apart() -> None:
    assert pictures.digest(scene(0)) == pictures.digest(scene(0))
    assert pictures.digest(scene(0)) != pictures.digest(scene(1))


def test_one_pixel_by_one_level_is_another_picture() -> None:
    other = scene()
    other[5, 7, 1] ^= 1
    assert pictures.digest(other) != pictures.digest(scene())


def image(size: int = 128, cut: int = 0, encoding: str = "rgb8") -> Image:
    message = messages.from_image(np.zeros((size, size, 3), np.uint8), 0, "")
    message.data = message.data[: len(message.data) - cut]
    message.encoding = encoding
    return message


def test_one_torn_picture_is_left_out_and_a_row_of_them_is_a_problem() -> None:
    watch = PictureWatch()
    assert not watch.is_whole("front", image(cut=5))
    assert watch.problem == ""
    for _ in range(PictureWatch.MOST):
        watch.is_whole("front", image(encoding="yuv"))
        assert watch.is_whole("wrist", image())
    assert "front" in watch.problem
    assert "yuv" in watch.problem
    assert "wrist" not in watch.problem
    assert watch.is_whole("front", image())
    assert watch.problem == "", "a camera that is well again is no problem"


def test_a_torn_picture_now_and_then_is_no_problem() -> None:
    watch = PictureWatch()
    for _ in range(20):
        for _ in range(PictureWatch.MOST):
            watch.is_whole("front", image(cut=1))
        watch.is_whole("front", image())
    assert watch.problem == ""
