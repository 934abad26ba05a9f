"""Affine maps between grids, and resampling along them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from atlalign.section.resampling import apply_affine, compose_affine, invert_affine, resample, resize_affine

_maps = arrays(np.float64, (2, 3), elements=st.floats(-3, 3)).map(lambda m: m + 5 * np.eye(2, 3))
_points = arrays(np.float64, (4, 2), elements=st.floats(-100, 100))


@given(_maps, _points)
def test_the_inverse_map_undoes_a_map(matrix, points):
    if abs(np.linalg.det(matrix[:, :2])) < 0.5:
        return
    back = apply_affine(invert_affine(matrix), apply_affine(matrix, points))
    assert np.allclose(back, points, atol=1e-6)


@given(_maps, _maps, _points)
def test_a_composed_map_is_one_after_the_other(outer, inner, points):
    expected = apply_affine(outer, apply_affine(inner, points))
    assert np.allclose(apply_affine(compose_affine(outer, inner), points), expected, atol=1e-6)


def test_resizing_maps_outer_corners_to_outer_corners():
    matrix = resize_affine((10, 20), (35, 30))
    assert np.allclose(apply_affine(matrix, [[-0.5, -0.5], [19.5, 9.5]]), [[-0.5, -0.5], [29.5, 34.5]])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4, 5])
def test_the_identity_changes_nothing(dtype, channels):
    shape = (6, 7) if channels is None else (6, 7, channels)
    image = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    same = resample(image, np.eye(2, 3), (6, 7))
    assert same.dtype == image.dtype
    assert np.allclose(same, image)


def test_a_shrunken_ramp_stays_where_it_was():
    ramp = np.tile(np.arange(300.0), (40, 1))
    small = resample(ramp, resize_affine((8, 41), (40, 300)), (8, 41))
    expected = (np.arange(41) + 0.5) * 300 / 41 - 0.5
    assert np.allclose(small[3, 1:-1], expected[1:-1], atol=0.02)


def test_a_rotated_ramp_lies_at_the_exact_coordinates():
    y, x = np.indices((60, 60), dtype=np.float32)
    angle = 0.3
    matrix = np.array([[np.cos(angle), -np.sin(angle), 20], [np.sin(angle), np.cos(angle), 5]])
    points = apply_affine(matrix, np.stack(np.meshgrid(np.arange(20), np.arange(20)), axis=-1))
    assert np.allclose(resample(x, matrix, (20, 20)), points[..., 0], atol=1e-4)
    assert np.allclose(resample(y, matrix, (20, 20)), points[..., 1], atol=1e-4)


def test_fine_stripes_average_instead_of_aliasing():
    stripes = np.tile([0, 200], (400, 200)).astype(np.uint8)
    small = resample(stripes, resize_affine((37, 37), stripes.shape), (37, 37))
    assert np.all(np.abs(small[2:-2, 2:-2].astype(int) - 100) <= 10)


def test_the_field_is_applied_before_the_map():
    ramp = np.tile(np.arange(50.0), (10, 1))
    deltas_xy = np.zeros((10, 25, 2))
    deltas_xy[..., 0] = 1
    shifted = resample(ramp, np.array([[2.0, 0, 0], [0, 1, 0]]), (10, 25), deltas_xy=deltas_xy)
    plain = resample(ramp, np.array([[2.0, 0, 0], [0, 1, 0]]), (10, 25))
    assert np.allclose(shifted[:, 1:-2], plain[:, 2:-1], atol=1e-3)


def test_outside_the_image_the_fill_value_is_taken():
    image = np.ones((4, 4, 3), np.uint8)
    assert (resample(image, np.array([[1.0, 0, 100], [0, 1, 0]]), (4, 4), fill=9) == 9).all()


def test_enormous_displacements_give_the_fill_value():
    image = np.ones((4, 4), np.float32)
    assert (resample(image, np.eye(2, 3), (4, 4), deltas_xy=np.full((4, 4, 2), 1e30)) == 0).all()


LONG = 40_000


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_an_image_too_long_for_one_pass_is_resampled_all_the_same(axis, dtype):
    image = np.moveaxis(np.tile(np.arange(LONG) % 200, (3, 1)).astype(dtype), 1, axis)
    assert np.array_equal(resample(image, np.eye(2, 3), image.shape), image)


def test_a_point_far_along_a_long_image_is_as_exact_as_one_at_its_start():
    ramp = np.tile(np.arange(LONG, dtype=np.float64), (3, 1))
    matrix = np.array([[1.0, 0, LONG - 20.25], [0, 1, 0]])
    assert np.allclose(resample(ramp, matrix, (3, 10))[1], LONG - 20.25 + np.arange(10), atol=1e-3)


def test_colours_of_a_long_image_turn_and_are_filled_outside():
    image = np.random.default_rng(0).integers(0, 255, (2, LONG, 3), np.uint8)
    turned = resample(image, np.array([[0.0, 1, 0], [1, 0, -1]]), (LONG, 4), fill=7)
    assert np.array_equal(turned[:, 1:3], np.swapaxes(image, 0, 1))
    assert (turned[:, [0, 3]] == 7).all()


def test_tiles_agree_with_one_pass(monkeypatch):
    image = np.random.default_rng(0).random((60, 70), np.float32)
    matrix = np.array([[0.8, -0.5, 20], [0.5, 0.8, -9]])
    whole = resample(image, matrix, (65, 50), fill=3)
    monkeypatch.setattr("atlalign.section.resampling._LONGEST", 16)
    assert np.allclose(resample(image, matrix, (65, 50), fill=3), whole, atol=1e-4)
