"""Control points that stand for a field."""

import numpy as np
from scipy.interpolate import RBFInterpolator

from atlalign import DisplacementField
from atlalign.label import choose_control_points


def tissue(shape=(80, 114)):
    y, x = np.indices(shape)
    return np.hypot((y - 40) / 34, (x - 57) / 50) < 1


def error_of(points, field, mask):
    spline = RBFInterpolator(points, field.sample(points), kernel="thin_plate_spline")
    places = np.argwhere(mask)[:, ::-1].astype(float)
    return np.hypot(*(spline(places) - field.sample(places)).T).max()


def test_the_points_reproduce_the_field_to_a_pixel_in_all_of_the_tissue():
    field = DisplacementField.generate((80, 114), "diffeomorphic", amplitude=5, sigma=12, random_state=1)
    points, error = choose_control_points(field, tissue())
    assert error <= 1
    assert error_of(points, field, tissue()) <= 1.1
    assert tissue()[tuple(points.astype(int).T[::-1])].all()


def test_they_are_few_and_none_of_them_is_idle():
    field = DisplacementField.generate((80, 114), "diffeomorphic", amplitude=5, sigma=12, random_state=1)
    points, _ = choose_control_points(field, tissue())
    assert len(points) < 40
    for i in range(len(points)):
        assert error_of(np.delete(points, i, axis=0), field, tissue()) > 0.99


def test_an_affine_field_needs_three():
    field = DisplacementField.generate((80, 114), "affine_simple", rotation=0.2, scale_x=1.1, translation_x=5)
    assert len(choose_control_points(field, tissue())[0]) == 3


def test_a_finer_tolerance_needs_more():
    field = DisplacementField.generate((80, 114), "diffeomorphic", amplitude=5, sigma=12, random_state=1)
    rough, fine = (len(choose_control_points(field, tissue(), tolerance=t)[0]) for t in (2.0, 0.5))
    assert rough < fine


def test_a_field_that_moves_nothing_has_none_and_neither_has_no_tissue():
    assert len(choose_control_points(DisplacementField.generate((80, 114)), tissue())[0]) == 0
    shift = DisplacementField.generate((80, 114), "affine_simple", translation_x=5)
    assert len(choose_control_points(shift, np.zeros((80, 114), bool))[0]) == 0
