"""Planes: corners, pixels, QuickNII anchorings."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from atlalign.atlas import Atlas
from atlalign.plane import Plane

SHAPE_UM = (13200.0, 8000.0, 11400.0)
numbers = st.floats(-20000, 20000, allow_nan=False, width=32)
vectors = st.tuples(numbers, numbers, numbers)
sizes = st.integers(1, 700)


@st.composite
def planes(draw):
    u, v = np.array(draw(vectors)), np.array(draw(vectors))
    area, lengths = np.linalg.norm(np.cross(u, v)), np.linalg.norm(u) * np.linalg.norm(v)
    assume(lengths > 1e4)
    assume(area > 0.05 * lengths)
    return Plane(draw(vectors), u, v)


@given(planes(), sizes, sizes, st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
def test_pixels_to_um_and_back_is_the_identity(plane, h, w, points):
    there = plane.pixels_to_um(points, (h, w))
    back = plane.um_to_pixels(there, (h, w))
    np.testing.assert_allclose(back, points, rtol=1e-6, atol=1e-3)


@given(planes())
def test_corners_round_trip(plane):
    again = Plane.from_corners(plane.corners_um)
    np.testing.assert_allclose(again.corners_um, plane.corners_um, atol=1e-6)


@given(planes())
def test_quicknii_round_trip_from_planes(plane):
    again = Plane.from_quicknii(plane.to_quicknii())
    np.testing.assert_allclose(again.corners_um, plane.corners_um, atol=1e-8)


@given(st.lists(st.floats(-600, 600), min_size=9, max_size=9))
def test_quicknii_round_trip_from_anchorings(anchoring):
    _, u, v = np.reshape(anchoring, (3, 3))
    assume(np.linalg.norm(np.cross(u, v)) > 0.1)
    for resolution, voxel in (((456, 528, 320), 25.0), ((1140, 1320, 800), 10.0)):
        plane = Plane.from_quicknii(anchoring, target_resolution=resolution, voxel_um=voxel)
        again = plane.to_quicknii(target_resolution=resolution, voxel_um=voxel)
        np.testing.assert_allclose(again, anchoring, atol=1e-8)


@pytest.mark.parametrize("y", [0, 1, 263, 300, 527])
def test_default_anchoring_samples_each_mirrored_voxel_exactly(y):
    plane = Plane.from_quicknii([0, y, 320, 456, 0, 0, 0, 0, -320])
    ap, dv, ml = np.moveaxis(np.floor(plane.grid_um((320, 456)) / 25).astype(int), -1, 0)
    assert (ap == 527 - y).all()
    assert (dv == np.arange(320)[:, None]).all()
    assert (ml == 455 - np.arange(456)[None, :]).all()


def test_default_anchoring_shows_the_asymmetric_phantom_mirrored():
    atlas = Atlas.load("phantom")
    y = 527 - 296
    shown = atlas.annotation_plane(Plane.from_quicknii([0, y, 320, 456, 0, 0, 0, 0, -320]), (320, 456))
    native = atlas.annotation_plane(296 * 25.0)
    np.testing.assert_array_equal(shown, native[:, ::-1])
    assert (shown != native).mean() > 0.01


def test_an_anchoring_with_image_left_at_the_animals_right_gives_the_native_plane():
    atlas = Atlas.load("phantom")
    shown = atlas.annotation_plane(Plane.from_quicknii([456, 527 - 296, 320, -456, 0, 0, 0, 0, -320]), (320, 456))
    np.testing.assert_array_equal(shown, atlas.annotation_plane(296 * 25.0))


def test_coronal_plane_fills_the_atlas_and_counts_from_the_outer_corner():
    plane = Plane.coronal(5400, SHAPE_UM)
    assert plane.is_coronal
    assert plane.position_um == 5400
    assert (plane.width_um, plane.height_um) == (11400, 8000)
    np.testing.assert_allclose(plane.pixels_to_um([[455, 319]], (320, 456)), [[5400, 7987.5, 11387.5]])


@pytest.mark.parametrize("position", [-1, 13200, float("nan")])
def test_coronal_refuses_positions_outside(position):
    with pytest.raises(ValueError, match=r"0 <= position_um < 13200\. Received"):
        Plane.coronal(position, SHAPE_UM)


def test_um_to_pixels_projects_at_right_angles():
    plane = Plane([0, 0, 0], [100, 0, 1000], [0, 500, 0])
    on_plane = plane.pixels_to_um([[3.0, 2.0]], (10, 10))
    normal = np.cross(plane.u_um, plane.v_um)
    lifted = on_plane + 40 * normal / np.linalg.norm(normal)
    np.testing.assert_allclose(plane.um_to_pixels(lifted, (10, 10)), [[3, 2]], atol=1e-9)


@given(planes(), st.integers(1, 9), st.integers(1, 9))
def test_grid_is_the_position_of_every_pixel(plane, h, w):
    yx = np.argwhere(np.ones((h, w)))
    expected = plane.pixels_to_um(yx[:, ::-1], (h, w)).reshape(h, w, 3)
    np.testing.assert_allclose(plane.grid_um((h, w)), expected, atol=1e-6)


def test_a_tilted_plane_is_not_coronal_and_reports_its_centre():
    plane = Plane([5000, 0, 0], [200, 0, 11400], [0, 8000, 0])
    assert not plane.is_coronal
    assert plane.position_um == 5100


def test_equal_planes_are_equal_and_hash_alike():
    a, b = Plane([0, 0, 0], [0, 0, 1], [0, 1, 0]), Plane([-0.0, 0, 0], [0, 0, 1], [0, 1, 0])
    assert a == b
    assert hash(a) == hash(b)
    assert a != Plane([1, 0, 0], [0, 0, 1], [0, 1, 0])
    assert a != "plane"


def test_vectors_of_a_plane_cannot_be_changed():
    plane = Plane.coronal(0, SHAPE_UM)
    with pytest.raises(ValueError, match="read-only"):
        plane.origin_um[0] = 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Plane([0, 0], [0, 0, 1], [0, 1, 0]), "origin_um must be three finite numbers"),
        (lambda: Plane([0, 0, np.nan], [0, 0, 1], [0, 1, 0]), "origin_um must be three finite numbers"),
        (lambda: Plane([0, 0, 0], [0, 0, 1], [0, 0, 2]), "must span a plane"),
        (lambda: Plane([0, 0, 0], [0, 0, 0], [0, 1, 0]), "must span a plane"),
        (lambda: Plane.from_corners(np.zeros((3, 3))), r"shape \(4, 3\)"),
        (lambda: Plane.from_corners([[0, 0, 0], [0, 0, 9], [0, 9, 0], [0, 8, 9]]), "parallelogram"),
        (lambda: Plane.from_quicknii([1, 2, 3]), "nine finite numbers"),
        (lambda: Plane.from_quicknii([0] * 8 + [np.inf]), "nine finite numbers"),
        (lambda: Plane.from_quicknii(range(9), target_resolution=(1, 2)), "three positive numbers"),
        (lambda: Plane.coronal(0, SHAPE_UM).pixels_to_um([1, 2], (5, 5)), r"shape \(n, 2\)"),
        (lambda: Plane.coronal(0, SHAPE_UM).um_to_pixels([[1, 2]], (5, 5)), r"shape \(n, 3\)"),
    ],
)
def test_wrong_input_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert "Received" in str(caught.value)


@pytest.mark.parametrize("shape_um", [5, (13200,), (13200, 8000), (13200, np.nan, 11400), (13200, 0, 11400)])
def test_an_extent_that_is_not_three_positive_numbers_is_refused_in_one_line(shape_um):
    with pytest.raises(ValueError, match="shape_um must be three positive") as caught:
        Plane.coronal(1, shape_um)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("voxel_um", [0, -25, np.nan, np.inf])
def test_a_voxel_size_that_is_not_positive_is_refused(voxel_um):
    with pytest.raises(ValueError, match="voxel_um must be a positive"):
        Plane.from_quicknii([0, 300, 320, 456, 0, 0, 0, 0, -320], voxel_um=voxel_um)
    with pytest.raises(ValueError, match="voxel_um must be a positive"):
        Plane.coronal(0, SHAPE_UM).to_quicknii(voxel_um=voxel_um)


@pytest.mark.parametrize("absurd", [1.1e7, -1e300])
def test_an_anchoring_far_beyond_any_atlas_is_refused(absurd):
    with pytest.raises(ValueError, match=r"at most 1e\+07 voxels"):
        Plane.from_quicknii([absurd, 300, 320, 456, 0, 0, 0, 0, -320])
