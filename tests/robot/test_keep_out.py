"""Where a straight way meets a box, and the shortest way out of several."""

from __future__ import annotations

import numpy as np
import pytest
from hostile_commands import inside
from hypothesis import given, settings
from hypothesis import strategies as st
from robot_rig import repeatable

from robot.keep_out import HAIR_M, KeepOut

SEED = 9
LOW, HIGH = np.array([-1.0, -1.0, -0.5]), np.array([1.0, 1.0, 0.5])
CUBE = (-0.1, -0.1, -0.1, 0.1, 0.1, 0.1)
ON_A_GRID = st.integers(-4, 4).map(lambda k: k / 10)
POINT = st.tuples(ON_A_GRID, ON_A_GRID, ON_A_GRID)


def _boxes(*boxes: tuple[float, ...]) -> KeepOut:
    return KeepOut(boxes, LOW, HIGH)


@pytest.mark.parametrize(
    ("start", "end", "reached"),
    [
        ((-0.5, 0.0, 0.0), (0.5, 0.0, 0.0), (-0.1 - HAIR_M, 0.0, 0.0)),
        ((-0.5, 0.0, 0.0), (0.0, 0.0, 0.0), (-0.1 - HAIR_M, 0.0, 0.0)),
        ((-0.5, 0.0, 0.0), (-0.1, 0.0, 0.0), (-0.1 - HAIR_M, 0.0, 0.0)),  # the face is a part of the box
        ((-0.5, 0.0, 0.0), (-0.101, 0.0, 0.0), (-0.101, 0.0, 0.0)),
        ((0.0, 0.0, 0.4), (0.0, 0.0, -0.4), (0.0, 0.0, 0.1 + HAIR_M)),
        ((-0.5, 0.2, 0.0), (0.5, 0.2, 0.0), (0.5, 0.2, 0.0)),  # past it
        ((-0.5, 0.1, 0.0), (0.5, 0.1, 0.0), (-0.1 - HAIR_M, 0.1, 0.0)),  # along a face
        ((-0.3, 0.1, 0.0), (0.1, 0.5, 0.0), (0.1, 0.5, 0.0)),  # past a corner
        ((-0.1 - 0.5 * HAIR_M, 0.0, 0.0), (0.0, 0.0, 0.0), (-0.1 - 0.5 * HAIR_M, 0.0, 0.0)),  # nearer than a hair
        ((0.5, 0.0, 0.0), (0.5, 0.0, 0.0), (0.5, 0.0, 0.0)),
    ],
)
def test_a_way_ends_a_hair_before_the_box(start, end, reached):
    clipped = _boxes(CUBE).clip(np.array(start), np.array(end))
    np.testing.assert_allclose(clipped, reached, atol=1e-15)


def test_of_several_boxes_the_first_on_the_way_counts():
    boxes = _boxes((0.5, -0.1, -0.1, 0.6, 0.1, 0.1), (0.2, -0.1, -0.1, 0.3, 0.1, 0.1))
    clipped = boxes.clip(np.zeros(3), np.array([0.9, 0.0, 0.0]))
    np.testing.assert_allclose(clipped, [0.2 - HAIR_M, 0.0, 0.0], atol=1e-15)


def test_what_is_not_clipped_is_passed_on_as_it_is():
    end = np.array([0.3, 0.3, 0.3])
    assert _boxes(CUBE).clip(np.array([0.3, 0.3, -0.3]), end) is end
    assert not _boxes()
    assert not _boxes().contains(np.zeros(3))


@settings(repeatable, max_examples=500)
@given(start=POINT, end=POINT, low=POINT, size=st.tuples(*[st.integers(1, 5)] * 3))
def test_on_a_grid_where_everything_touches_no_way_goes_through(start, end, low, size):
    box = (*low, *(a + k / 10 for a, k in zip(low, size, strict=True)))
    boxes, start, end = _boxes(box), np.array(start), np.array(end)
    if boxes.contains(start):
        return
    clipped = boxes.clip(start, end)
    points = start + np.linspace(0.0, 1.0, 101)[:, None] * (clipped - start)
    assert not inside(points, box).any()
    # and it ends no sooner than it must
    length = np.linalg.norm(end - clipped)
    if length > HAIR_M:
        assert inside(clipped + (end - clipped) * (HAIR_M / length), box, -1e-9)


@pytest.mark.parametrize(
    ("point", "out"),
    [
        ((0.09, 0.0, 0.0), (0.1 + HAIR_M, 0.0, 0.0)),
        ((-0.09, 0.02, 0.0), (-0.1 - HAIR_M, 0.02, 0.0)),
        ((0.0, 0.095, 0.05), (0.0, 0.1 + HAIR_M, 0.05)),
        ((0.0, 0.0, -0.08), (0.0, 0.0, -0.1 - HAIR_M)),
        ((0.1, 0.05, 0.0), (0.1 + HAIR_M, 0.05, 0.0)),  # on the face already
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.1 + HAIR_M)),  # up, where all ways are equally long
    ],
)
def test_the_way_out_is_the_shortest(point, out):
    np.testing.assert_allclose(_boxes(CUBE).way_out(np.array(point)), out, atol=1e-15)


def test_the_way_out_of_boxes_that_overlap_leads_out_of_all_of_them():
    boxes = _boxes(CUBE, (0.05, -0.1, -0.1, 0.3, 0.1, 0.1))
    np.testing.assert_allclose(boxes.way_out(np.array([0.09, 0.0, 0.02])), [0.09, 0.0, 0.1 + HAIR_M], atol=1e-15)
    rng = np.random.default_rng(SEED)
    for _ in range(200):
        many = tuple((*low, *(low + rng.uniform(0.1, 0.5, 3))) for low in rng.uniform(-0.4, 0.2, (6, 3)))
        boxes = _boxes(*many)
        point = rng.uniform(-0.4, 0.4, 3)
        if boxes.contains(point):
            out = boxes.way_out(point)
            assert not boxes.contains(out)
            assert np.count_nonzero(out != point) == 1


def test_the_way_out_stays_in_the_workspace_where_it_can():
    table = _boxes((-2.0, -2.0, -0.6, 2.0, 2.0, -0.1))
    # nearer to the underside, which is out of the workspace
    np.testing.assert_allclose(table.way_out(np.array([0.0, 0.0, -0.5])), [0.0, 0.0, -0.1 + HAIR_M], atol=1e-15)
    everywhere = _boxes((-2.0, -2.0, -2.0, 2.0, 2.0, 2.0))
    out = everywhere.way_out(np.array([0.0, 0.0, -0.5]))
    assert not everywhere.contains(out)
