"""Radial basis functions, against SciPy's."""

import numpy as np
import pytest
from scipy.interpolate import Rbf

from atlalign._field import rbf
from atlalign._field.rbf import rbf_field
from atlalign.base import DisplacementField

SHAPE = (60, 80)
FUNCTIONS = ["multiquadric", "inverse", "gaussian", "linear", "cubic", "quintic", "thin_plate"]


def scattered(n, seed=0, shape=SHAPE):
    generator = np.random.default_rng(seed)
    points = generator.uniform(0, 1, (n, 2)) * [shape[1] - 1, shape[0] - 1]
    return points, generator.normal(scale=3, size=(n, 2))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kwargs", [{}, {"smooth": 0.5}, {"epsilon": 9.0}])
def test_agrees_with_scipy(function, kwargs):
    points, values = scattered(12)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    expected = [Rbf(*points.T, v, function=function, **kwargs)(x, y) for v in values.T]
    np.testing.assert_allclose(
        rbf_field(points, values, SHAPE, function=function, **kwargs), np.moveaxis(expected, 0, -1), atol=5e-3
    )


def test_coarse_evaluation_of_a_smooth_field_keeps_to_a_twentieth_of_a_pixel():
    shape = (160, 220)
    df = DisplacementField.generate(shape, "diffeomorphic", amplitude=8, sigma=30, random_state=0)
    points, _ = scattered(300, shape=shape)
    values = df.sample(points)
    coarse, exact = (rbf_field(points, values, shape, function="linear", exact=exact) for exact in (False, True))
    error = np.hypot(*np.moveaxis(coarse - exact, -1, 0))
    assert error.max() > 0
    assert np.quantile(error, 0.99) < 0.05


def test_rough_fields_are_evaluated_exactly():
    points, values = scattered(200)
    coarse, exact = (rbf_field(points, values, SHAPE, function="linear", exact=exact) for exact in (False, True))
    np.testing.assert_array_equal(coarse, exact)


def test_blocks_of_rows_do_not_change_the_result(monkeypatch):
    points, values = scattered(20)
    whole = rbf_field(points, values, SHAPE)
    monkeypatch.setattr(rbf, "_BLOCK", 1)
    np.testing.assert_allclose(rbf_field(points, values, SHAPE), whole, atol=1e-4)


def test_single_precision_gives_way_where_it_does_not_suffice():
    points = np.concatenate([scattered(30)[0], scattered(30)[0] + 1e-4])  # pairs that nearly coincide
    values = scattered(60)[1]
    x = np.rint(points[:30]).astype(int)
    field = rbf_field(points, values, SHAPE, function="linear")
    expected = [Rbf(*points.T, v, function="linear")(x[:, 0], x[:, 1]) for v in values.T]
    np.testing.assert_allclose(field[x[:, 1], x[:, 0]], np.transpose(expected), atol=1e-2)


def test_points_that_coincide_count_once_with_their_mean():
    field = rbf_field([[10, 10], [10, 10], [50, 40]], [[1, 0], [3, 0], [5, 0]], SHAPE, function="linear")
    assert field[10, 10, 0] == pytest.approx(2, abs=1e-4)


def test_points_on_one_line_are_allowed():
    field = rbf_field([[10, 10], [20, 10], [30, 10]], [[1, 0], [2, 0], [3, 0]], SHAPE)
    assert field[10, 20, 0] == pytest.approx(2, abs=1e-4)


def test_an_unknown_kernel_is_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="multiquadric, inverse, gaussian, linear"):
        rbf_field(*scattered(3), SHAPE, function="magic")


def test_points_that_determine_nothing_are_refused_in_one_line():
    with pytest.raises(ValueError, match="do not determine"):
        rbf_field([[10, 10]], [[1, 1]], SHAPE, function="linear")


def test_more_points_than_memory_holds_are_refused():
    with pytest.raises(ValueError, match="at most 8000"):
        rbf_field(*scattered(8001), SHAPE)
