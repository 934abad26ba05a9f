"""Inversion of fields."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign._field import newton
from atlalign.base import DisplacementField

SEEDS = st.integers(0, 2**32)
SHAPE = (48, 60)


def diffeomorphic(seed, amplitude=3, sigma=10):
    return DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=amplitude, sigma=sigma, random_state=seed)


def affine(**parts):
    return DisplacementField.generate(SHAPE, "affine_simple", **parts)


def inside(df, margin=3):
    """Pixels whose value comes from well inside the input image."""
    f_x, f_y = df.transformation
    (h, w), m = df.shape, margin
    return (f_x >= m) & (f_x <= w - 1 - m) & (f_y >= m) & (f_y <= h - 1 - m)


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_field_of_its_inverse_is_the_identity_everywhere(seed):
    df = diffeomorphic(seed)
    inverse, converged = df.invert()
    assert converged.all()
    assert df(inverse).norm.max() < 1.1e-3


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_inverse_of_the_field_is_the_identity_inside(seed):
    df = diffeomorphic(seed)
    error = df.pseudo_inverse()(df).norm[inside(df)]
    assert error.mean() < 0.05


@settings(deadline=None, max_examples=15)
@given(SEEDS)
def test_inverse_of_the_inverse_is_the_field_inside(seed):
    df = diffeomorphic(seed)
    again = df.pseudo_inverse().pseudo_inverse()
    assert np.abs(again.deltas_xy - df.deltas_xy)[inside(df)].mean() < 0.05


def test_a_smooth_field_is_inverted_to_a_thousandth_of_a_pixel():
    df = DisplacementField.generate((120, 160), "paper", kernel_sigma=35, random_state=0)
    error = df.pseudo_inverse()(df).norm[inside(df)]
    assert error.mean() < 1e-3
    assert np.quantile(error, 0.99) < 1e-2


@settings(deadline=None, max_examples=25)
@given(st.floats(-300, 300), st.floats(-300, 300))
def test_translations_are_inverted_everywhere(x, y):
    df = affine(translation_x=x, translation_y=y)
    inverse, converged = df.invert()
    assert converged.all()
    np.testing.assert_allclose(inverse.deltas_xy, -df.deltas_xy, atol=1e-3)


@pytest.mark.parametrize(
    "parts",
    [
        {"scale_x": 1.9, "scale_y": 1.9},
        {"scale_x": 0.4, "scale_y": 0.4},
        {"scale_x": 3, "scale_y": 2.5},
        {"rotation": np.deg2rad(40)},
        {"rotation": np.deg2rad(75)},
        {"shear": 0.5, "scale_x": 1.3, "translation_x": 10},
    ],
)
def test_strong_affines_are_inverted(parts):
    df = affine(**parts)
    inverse, converged = df.invert()
    assert converged.all()
    assert df(inverse).norm.max() < 1.1e-3


def test_the_inverse_of_an_affine_is_the_affine_of_the_inverse_matrix_inside():
    matrix = np.array([[1.3, -0.4, 3], [0.2, 1.5, -4], [0, 0, 1]])
    df = DisplacementField.generate(SHAPE, "affine", matrix=matrix)
    expected = DisplacementField.generate(SHAPE, "affine", matrix=np.linalg.inv(matrix))
    within = inside(expected, 0)
    assert within.sum() > 100
    np.testing.assert_allclose(df.pseudo_inverse().deltas_xy[within], expected.deltas_xy[within], atol=2e-3)


def test_a_strong_affine_after_a_local_field_is_inverted():
    df = affine(rotation=0.5, scale_x=1.4, translation_x=6)(diffeomorphic(0))
    inverse, converged = df.invert()
    assert converged.all()
    assert df(inverse).norm.max() < 1.1e-3


def test_the_inverse_of_a_velocity_is_its_opposite():
    from atlalign.zoo import integrate_velocity, random_velocity

    velocity = random_velocity(SHAPE, amplitude=3, sigma=10, random_state=0)
    df = DisplacementField.from_deltas_xy(integrate_velocity(velocity))
    expected = integrate_velocity(-velocity)
    assert np.abs(df.pseudo_inverse().deltas_xy - expected)[8:-8, 8:-8].max() < 0.05


def test_folds_are_reported_where_no_solution_was_found():
    rough = DisplacementField(*np.random.default_rng(0).normal(scale=8, size=(2, *SHAPE)))
    inverse, converged = rough.invert(max_iter=3)
    residual = rough(inverse).norm
    assert not converged.all()
    assert (residual[converged] < 1.1e-3).all()
    assert (residual[~converged] > 0.9e-3).all()


def test_a_fold_has_a_solution_nevertheless():
    x = np.arange(60.0)
    fold = np.where((x > 25) & (x < 35), -2.5 * (x - 30), np.where(x <= 25, 12.5, -12.5))
    df = DisplacementField(np.tile(fold, (48, 1)), np.zeros(SHAPE))
    assert (df.jacobian < 0).any()
    inverse, converged = df.invert()
    assert converged.all()
    assert df(inverse).norm.max() < 1.1e-3


def test_a_smaller_tolerance_is_kept():
    df = diffeomorphic(0)
    inverse, converged = df.invert(tol=5e-5)
    assert converged.mean() > 0.99
    assert np.quantile(df(inverse).norm, 0.99) < 1e-4


def test_a_field_too_long_for_remap_is_inverted_alone(monkeypatch):
    df = diffeomorphic(0)
    expected = df.pseudo_inverse()
    monkeypatch.setattr(newton, "REMAP_LIMIT", 10)
    monkeypatch.setattr(newton, "_PIXELS_A_CHUNK", 1000)
    np.testing.assert_allclose(df.pseudo_inverse().deltas_xy, expected.deltas_xy, atol=3e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_smallest_fields_are_inverted(shape):
    df = DisplacementField(np.full(shape, 3.0), np.full(shape, -2.0))
    assert df.pseudo_inverse() == df * -1


@pytest.mark.parametrize(
    ("method", "kwargs", "ds_f"),
    [
        ("griddata", None, 1),
        ("griddata", {"method": "cubic"}, 2),
        ("griddata_custom", None, 1),
        ("griddata_custom", None, 4),
        ("rbf", {"function": "thin_plate"}, 4),
        ("smooth_bspline", {"s": 0.5}, 3),
        ("LSQ_bspline", None, 1),
        ("LSQ_bspline", {"tx": [20, 40], "ty": [16, 32]}, 3),
    ],
)
def test_older_methods_approximate_the_inverse_right_to_the_edge_columns(method, kwargs, ds_f):
    df = diffeomorphic(1, amplitude=2, sigma=15)
    error = np.abs(df.pseudo_inverse(ds_f, method, kwargs).deltas_xy - df.pseudo_inverse().deltas_xy)
    assert error[4:-4, 4:-4].max() < 0.5
    assert error[:, -6:].mean() < 0.6


def test_noop_returns_the_identity():
    assert diffeomorphic(0).pseudo_inverse(interpolation_method="noop") == DisplacementField.generate(SHAPE)


def test_griddata_fills_what_it_is_told_outside_the_hull():
    inverse = affine(scale_x=0.5, scale_y=0.5).pseudo_inverse(4, "griddata_custom", {"fill_value": 99})
    assert inverse.delta_x[0, 0] == 99


def test_unknown_methods_are_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="fixed_point, griddata, griddata_custom"):
        diffeomorphic(0).pseudo_inverse(interpolation_method="magic")


@pytest.mark.parametrize("ds_f", [0, -1, 1.5])
def test_other_strides_are_refused(ds_f):
    with pytest.raises(ValueError, match="ds_f"):
        diffeomorphic(0).pseudo_inverse(ds_f)


@pytest.mark.parametrize("kwargs", [{"tol": 0}, {"tol": float("nan")}, {"max_iter": -1}, {"max_iter": 2.5}])
def test_other_tolerances_are_refused(kwargs):
    with pytest.raises(ValueError, match="tol must be positive"):
        diffeomorphic(0).invert(**kwargs)


@pytest.mark.parametrize("method", ["fixed_point", "griddata_custom"])
def test_a_field_that_is_not_finite_is_refused(method):
    with pytest.raises(ValueError, match="To invert, a field must be finite"):
        DisplacementField([[np.nan, 0]], [[0, 0]]).pseudo_inverse(interpolation_method=method)
