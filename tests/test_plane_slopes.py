"""A plane by three numbers, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlalign.plane import Plane
from atlalign.plane_slopes import position_and_slopes, sloping_plane, tilt_degrees

SHAPE_UM = (13200, 8000, 11400)
slopes = st.floats(-0.5, 0.5)


@given(position_um=st.floats(0, 13000), across=slopes, down=slopes)
def test_a_plane_has_the_numbers_that_it_was_made_of(position_um, across, down):
    plane = sloping_plane(position_um, (across, down), SHAPE_UM)
    np.testing.assert_allclose(position_and_slopes(plane, SHAPE_UM), [position_um, across, down], atol=1e-6)
    assert plane.position_um == pytest.approx(position_um)
    assert (plane.width_um, plane.height_um) == pytest.approx((11400, 8000))
    assert plane.u_um @ plane.v_um == pytest.approx(0, abs=1e-3)


@given(across=slopes, down=slopes)
def test_every_point_of_a_plane_lies_where_the_numbers_say(across, down):
    plane = sloping_plane(5400, (across, down), SHAPE_UM)
    ap, dv, ml = plane.grid_um((5, 7)).reshape(-1, 3).T
    np.testing.assert_allclose(ap, 5400 + across * (ml - 5700) + down * (dv - 4000), atol=1e-6)


@given(angle=st.floats(-1, 1), across=slopes, down=slopes)
def test_how_the_image_lies_in_its_plane_does_not_matter(angle, across, down):
    upright = sloping_plane(5400, (across, down), SHAPE_UM)
    u, v = upright.u_um / upright.width_um, upright.v_um / upright.height_um
    turned = np.cos(angle) * u + np.sin(angle) * v, np.cos(angle) * v - np.sin(angle) * u
    corner = upright.origin_um + 700 * u - 300 * v
    numbers = position_and_slopes(Plane(corner, 9000 * turned[0], 5000 * turned[1]), SHAPE_UM)
    np.testing.assert_allclose(numbers, [5400, across, down], atol=1e-6)


def test_a_slice_whose_right_side_lies_further_back_rises_across():
    plane = Plane([5000, 0, 0], [200, 0, 11400], [0, 8000, 0])
    position_um, across, down = position_and_slopes(plane, SHAPE_UM)
    assert (position_um, down) == (5100, 0)
    assert across == pytest.approx(200 / 11400)


def test_a_sagittal_plane_is_refused():
    with pytest.raises(ValueError, match="nearer to coronal"):
        position_and_slopes(Plane([0, 0, 5000], [13200, 0, 0], [0, 8000, 0]), SHAPE_UM)


@given(degrees=st.floats(0.001, 60))
def test_the_tilt_is_the_angle_of_the_normals(degrees):
    slope = np.tan(np.deg2rad(degrees))
    assert tilt_degrees((slope, 0.0)) == pytest.approx(degrees)
    assert tilt_degrees((0.0, slope), (0.0, slope)) == 0
