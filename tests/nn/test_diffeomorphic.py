"""The local network that predicts a velocity: its fields have inverses, from one pass through the UNet."""

import cv2
import keras
import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.ml_utils.models import forward_model
from tests.nn.networks import answers, pairs, small_local, with_random_weights

SHAPE = (67, 90)


def smooth_pairs(seed=0):
    noise = np.random.default_rng(seed).random((2, *SHAPE)).astype("float32")
    blurred = [cv2.GaussianBlur(channel, (0, 0), 5) for channel in noise]
    return np.stack([(x - x.min()) / np.ptp(x) for x in blurred], axis=-1)[None]


def velocity_of(model, X):
    return keras.ops.convert_to_numpy(model.get_layer("unet")(X))


def with_velocity(largest, seed=0, **kwargs):
    """A network with random weights whose velocity on the smooth pair is `largest` px at most."""
    model = with_random_weights(small_local(SHAPE, **{"diffeomorphic": True, **kwargs}), seed, scale=0.2)
    X = smooth_pairs(seed)
    output = model.get_layer("unet").get_layer("field")
    scale = largest / np.abs(velocity_of(model, X)).max()
    output.set_weights([w * scale for w in output.get_weights()])
    return model, X


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("largest", [2.0, 8.0])
@pytest.mark.parametrize("up", [(4, 4), (4,)], ids=["fine", "coarse"])
def test_fields_have_no_folds(largest, seed, up):
    model, X = with_velocity(largest, seed, upsample_filters=up)
    for dvf in answers(model, X)[1:]:
        assert np.abs(dvf).max() > 0.3 * largest
        assert DisplacementField.from_deltas_xy(dvf[0]).jacobian.min() > 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("up", [(4, 4), (4,)], ids=["fine", "coarse"])
def test_inverse_field_undoes_the_field(seed, up):
    # 4 px of the image, whatever the grid of the velocity.
    model, X = with_velocity(4.0 / 2 ** (2 - len(up)), seed, upsample_filters=up)
    dvf, inv_dvf = (DisplacementField.from_deltas_xy(x[0]) for x in answers(model, X)[1:])
    for round_trip in (dvf(inv_dvf), inv_dvf(dvf)):
        # Near the border the displacement outside the image counts, which a field does not know.
        assert np.linalg.norm(round_trip.deltas_xy, axis=-1)[6:-6, 6:-6].max() < 0.1 * dvf.norm.max()


def test_inverse_needs_no_second_pair():
    model, X = with_velocity(3.0)
    other = pairs(1, SHAPE)
    first, second = ([keras.ops.convert_to_numpy(x) for x in model([X, y])] for y in (X[..., ::-1], other))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_unet_is_gone_through_once():
    unet = small_local(SHAPE, diffeomorphic=True).get_layer("unet")
    assert len(unet._inbound_nodes) - len(small_local(SHAPE).get_layer("unet")._inbound_nodes) == -1


def test_it_has_as_many_parameters_as_the_other():
    assert small_local(diffeomorphic=True).count_params() == small_local().count_params()


def test_it_starts_near_the_identity():
    assert np.abs(answers(small_local(SHAPE, diffeomorphic=True), smooth_pairs())[1]).max() < 0.5


def test_small_velocities_are_displacements():
    model, X = with_velocity(0.05)
    np.testing.assert_allclose(answers(model, X)[1], velocity_of(model, X), atol=2e-3)


def test_the_forward_part_gives_the_same_field():
    model, X = with_velocity(3.0)
    for a, b in zip(forward_model(model)(X), answers(model, X)[:2], strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(a), b, atol=1e-5)
