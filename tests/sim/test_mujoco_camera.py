"""Pictures are drawn from truth alone, look the same wherever they are drawn, and show what they should."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sim_rig import Rig

from drivers.mujoco_camera import SimRenderer
from drivers.mujoco_gl import mujoco
from drivers.mujoco_model import SimConfig
from drivers.mujoco_scene import FLAGS_OFF
from robot.errors import RobotError

SEED = 2
SIZE = 128


@pytest.fixture(scope="module")
def renderer():
    with SimRenderer(SimConfig(), SIZE) as renderer:
        yield renderer


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.reset(SEED)
    for _ in range(6):
        rig.step(np.array([0.3, 0.2, -0.5, 0.2]))
    return rig


def _share(picture: np.ndarray, low: tuple[int, int, int], high: tuple[int, int, int]) -> float:
    return float(np.mean(np.all((picture >= low) & (picture <= high), axis=2)))


@pytest.mark.parametrize("camera", ["front", "wrist"])
def test_a_picture_drawn_from_truth_is_the_one_drawn_from_the_simulation_itself(renderer, rig, camera):
    direct = mujoco.Renderer(rig.arm._model, SIZE, SIZE)
    for flag in FLAGS_OFF:
        direct.scene.flags[flag] = 0
    direct.update_scene(rig.arm._data, camera)
    expected = direct.render()
    direct.close()
    over_a_wire = json.loads(json.dumps(rig.arm.truth()))
    np.testing.assert_array_equal(renderer.render(camera, over_a_wire), expected)


def test_pictures_are_rgb_bytes_of_the_size_asked_for(renderer, rig):
    picture = renderer.render("front", rig.arm.truth())
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("camera", ["front", "wrist"])
def test_both_cameras_see_the_orange_peg_and_the_teal_socket(renderer, rig, camera):
    picture = renderer.render(camera, rig.arm.truth())
    orange = _share(picture, (110, 40, 0), (255, 150, 70))
    teal = _share(picture, (0, 60, 60), (90, 220, 220))
    assert orange > 0.002
    assert teal > 0.01


def test_the_picture_follows_the_socket(renderer, rig):
    truth = rig.arm.truth()
    moved = truth | {"socket_x": truth["socket_x"] + 0.01}
    changed = np.any(renderer.render("front", truth) != renderer.render("front", moved), axis=2)
    assert 0.002 < changed.mean() < 0.2


def test_films_are_drawn_larger(rig):
    with SimRenderer(SimConfig(), 320) as large:
        assert large.render("film", rig.arm.truth()).shape == (320, 320, 3)


def test_an_unknown_camera_is_named_with_its_neighbours(renderer, rig):
    with pytest.raises(RobotError, match=r"no camera 'frnt'.*front"):
        renderer.render("frnt", rig.arm.truth())
