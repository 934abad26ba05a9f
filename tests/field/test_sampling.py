"""Sampling at fractional positions, against SciPy in double precision and known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import map_coordinates

from atlalign._field import sampling
from atlalign._field.sampling import (
    pixel_grid,
    sample_grid,
    sample_nearest,
    sample_points,
    sample_points_with_gradient,
)

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)


def scipy_linear(values, x, y):
    height, width = values.shape
    # astype: NumPy 2.3 makes a scalar of an array of one when float64 is called on it.
    x, y = np.clip(x.astype(np.float64), 0, width - 1), np.clip(y.astype(np.float64), 0, height - 1)
    return map_coordinates(values.astype(np.float64), [y, x], order=1, mode="nearest")


def random_case(shape, seed):
    generator = np.random.default_rng(seed)
    values = generator.normal(scale=10, size=shape).astype(np.float32)
    x, y = generator.uniform(-5, 17, (2, 7, 9)).astype(np.float32)
    return values, x, y


@settings(deadline=None, max_examples=60)
@given(SHAPES, st.integers(0, 2**32))
def test_grid_sampling_is_bilinear_at_the_exact_coordinate_with_replicated_edges(shape, seed):
    values, x, y = random_case(shape, seed)
    np.testing.assert_allclose(sample_grid(values, x, y), scipy_linear(values, x, y), atol=2e-5)


@settings(deadline=None, max_examples=60)
@given(SHAPES, st.integers(0, 2**32))
def test_point_sampling_agrees_with_scipy_in_double_precision(shape, seed):
    values, x, y = random_case(shape, seed)
    np.testing.assert_allclose(sample_points(values, x, y), scipy_linear(values, x, y), atol=1e-12)


def test_point_sampling_treats_channels_alike():
    values, x, y = random_case((6, 8), 0)
    both = sample_points(np.stack([values, 2 * values], axis=-1), x, y)
    np.testing.assert_allclose(both[..., 1], 2 * both[..., 0])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_gradient_is_that_of_the_interpolant_inside_a_cell(seed):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(6, 8))
    x, y = generator.integers(0, 5, (2, 20)) + generator.uniform(0.1, 0.9, (2, 20))
    _, d_dx, d_dy = sample_points_with_gradient(values, x, y)
    step = 1e-4
    np.testing.assert_allclose(
        d_dx,
        (sample_points(values, x + step, y) - sample_points(values, x - step, y)) / (2 * step),
        atol=1e-8,
    )
    np.testing.assert_allclose(
        d_dy,
        (sample_points(values, x, y + step) - sample_points(values, x, y - step)) / (2 * step),
        atol=1e-8,
    )


def test_gradient_is_zero_across_replicated_edges_and_kept_along_them():
    y, x = np.mgrid[:4, :5].astype(float)
    _, d_dx, d_dy = sample_points_with_gradient(10 * x + y, np.array([-2.0]), np.array([1.5]))
    assert (d_dx.item(), d_dy.item()) == (0, 1)


@pytest.mark.parametrize("far", [1e5, 1e10, 3e38])
def test_enormous_coordinates_reach_the_edge(far):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    x, y = np.float32([[far, -far]]), np.float32([[far, -far]])
    np.testing.assert_array_equal(sample_grid(values, x, y), [[5, 0]])


def test_fields_longer_than_remap_can_count_are_sampled_too(monkeypatch):
    values, x, y = random_case((10, 12), 1)
    expected = sample_grid(values, x, y)
    monkeypatch.setattr(sampling, "REMAP_LIMIT", 8)
    monkeypatch.setattr(sampling, "_ROWS_A_CHUNK", 3)
    np.testing.assert_allclose(sample_grid(values, x, y), expected, atol=2e-5)


def test_a_real_field_longer_than_remap_can_count_is_sampled():
    values = np.arange(40000, dtype=np.float32)[np.newaxis]
    sampled = sample_grid(values, values - np.float32(0.5), np.zeros_like(values))
    np.testing.assert_array_equal(sampled[0, [1, -1]], [0.5, 39998.5])


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["int8", "uint16", "int32", "uint32", "int64", "uint64"]),
    SHAPES,
    st.integers(0, 2**32),
)
def test_nearest_sampling_copies_integers_of_any_size(dtype, shape, seed):
    generator = np.random.default_rng(seed)
    info = np.iinfo(dtype)
    labels = generator.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    _, x, y = random_case(shape, seed)
    sampled = sample_nearest(labels, x, y)
    assert sampled.dtype == dtype
    assert set(sampled.ravel().tolist()) <= set(labels.ravel().tolist())


def test_pixel_grids_are_shared_and_cannot_be_written():
    x, y = pixel_grid((2, 3))
    assert x is pixel_grid((2, 3))[0]
    with pytest.raises(ValueError, match="read-only"):
        y[0, 0] = 1
