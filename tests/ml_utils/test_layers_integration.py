"""Integration of velocities: known answers, agreement with NumPy, and the inverse."""

import keras
import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.ml_utils.layers import DVFComposition, DVFIntegration
from atlalign.zoo import integrate_velocity, random_velocity
from tests.ml_utils.layers_support import MODES, as_numpy, assert_gradients_are_differences, run

SHAPE = (40, 53)


def smooth_velocity(seed=0, amplitude=5, shape=SHAPE):
    return random_velocity(shape, amplitude=amplitude, sigma=6, random_state=seed)


@pytest.mark.parametrize("mode", MODES)
def test_a_constant_velocity_is_a_translation(mode):
    velocity = np.full((2, 7, 9, 2), (3.5, -20), "float32")
    np.testing.assert_allclose(run(DVFIntegration(), velocity, mode=mode), velocity, rtol=1e-6)


def test_a_linear_velocity_is_the_exponential_of_its_matrix():
    y, x = np.mgrid[:41, :41] - 20.0
    scale = np.stack([0.1 * x, 0.1 * y], axis=-1)[None]
    field = as_numpy(DVFIntegration(steps=12, dtype="float64")(scale))[0]
    inner = slice(5, -5)  # nearer to the border the path leaves the image, where the velocity stays that of the edge
    np.testing.assert_allclose(field[inner, inner, 0], (np.exp(0.1) - 1) * x[inner, inner], atol=1e-3)


def test_agrees_with_the_numpy_function():
    velocities = np.stack([smooth_velocity(seed) for seed in range(3)])
    expected = np.stack([integrate_velocity(velocity) for velocity in velocities])
    np.testing.assert_allclose(as_numpy(DVFIntegration()(velocities)), expected, rtol=0, atol=1e-3)


def test_more_steps_come_nearer_to_the_flow():
    velocity = smooth_velocity()[None]
    flow = as_numpy(DVFIntegration(steps=14)(velocity))
    errors = [np.abs(as_numpy(DVFIntegration(steps)(velocity)) - flow).max() for steps in (2, 4, 6, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05


def test_no_steps_take_the_velocity_for_the_field():
    velocity = smooth_velocity()[None]
    np.testing.assert_array_equal(as_numpy(DVFIntegration(steps=0)(velocity)), velocity)


def test_the_integral_of_the_negative_is_the_inverse():
    velocity = smooth_velocity()[None]
    there, back = (as_numpy(DVFIntegration()(sign * velocity)) for sign in (1, -1))
    for fields in ([there, back], [back, there]):
        rest = np.linalg.norm(as_numpy(DVFComposition()(fields))[0], axis=-1)
        inner = rest[10:-10, 10:-10]
        assert inner.mean() < 0.05
        assert inner.max() < 0.2
    assert np.linalg.norm(there, axis=-1).max() > 8


def test_the_integral_of_a_smooth_velocity_never_folds():
    field = as_numpy(DVFIntegration()(smooth_velocity(amplitude=12)[None]))[0]
    assert (DisplacementField.from_deltas_xy(field).jacobian > 0).all()


def test_gradient_agrees_with_finite_differences():
    weights = np.random.default_rng(0).random((2, 6, 7, 2))
    layer = DVFIntegration(steps=3, dtype="float64")
    velocity = np.random.default_rng(1).uniform(0.2, 0.5, (2, 6, 7, 2)) * 0.5  # paths cross no pixel centre
    assert_gradients_are_differences(lambda v: keras.ops.sum(layer(v) * weights), velocity)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1)])
def test_integrates_on_grids_of_one_row_or_column(shape):
    velocity = np.ones((1, *shape, 2), "float32")
    np.testing.assert_allclose(as_numpy(DVFIntegration()(velocity)), velocity, rtol=1e-6)


@pytest.mark.parametrize("steps", [-1, 2.5])
def test_refuses_steps_that_cannot_be_counted(steps):
    with pytest.raises(ValueError, match=f"whole number of at least 0. Received: steps={steps}"):
        DVFIntegration(steps)
