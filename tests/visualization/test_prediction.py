"""A model asked again and again."""

import numpy as np
import pytest

from atlalign import DisplacementField
from atlalign.visualization import chain_predict

RNG = np.random.default_rng(0)
PAIR = RNG.random((16, 32, 2)).astype("float32")


def half_of_what_is_left(target):
    """A model that sees, in its own image, how far it still has to go."""

    def predict(reference, moving):
        return np.broadcast_to(np.float32([(target - moving[0, 0]) / 2, 0]), (*moving.shape, 2))

    return predict


def test_each_iteration_sees_what_the_last_one_left():
    ramp = np.tile(np.arange(32, dtype="float32"), (16, 1))
    images, deltas_xy = chain_predict(half_of_what_is_left(8), np.stack([ramp, ramp], axis=-1), 3)
    np.testing.assert_allclose(images[:, 0, 0], [4, 6, 7])
    np.testing.assert_allclose(deltas_xy[:, 0, 0, 0], [4, 6, 7])


def test_the_moving_image_is_interpolated_once():
    df = DisplacementField.generate((16, 32), "affine_simple", rotation=0.05)
    images, deltas_xy = chain_predict(lambda reference, moving: df.deltas_xy, PAIR, 4)
    for image, deltas in zip(images, deltas_xy, strict=True):
        np.testing.assert_array_equal(image, DisplacementField.from_deltas_xy(deltas).warp(PAIR[..., 1]))


def test_a_keras_model_is_asked_as_a_batch_of_one_or_a_pair():
    from atlalign.nn import supervised_global_model_factory

    model = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=(16, 32))
    for inp in (PAIR, PAIR[np.newaxis]):
        images, deltas_xy = chain_predict(model, inp, 2)  # untrained, it predicts the identity
        assert images.shape == (2, 16, 32)
        np.testing.assert_allclose(deltas_xy, 0, atol=1e-3)


@pytest.mark.parametrize("shape", [(16, 32), (2, 16, 32, 2), (16, 32, 3)])
def test_what_is_no_pair_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(h, w, 2\)"):
        chain_predict(half_of_what_is_left(1), np.zeros(shape))


def test_no_iterations_and_no_model_are_refused():
    with pytest.raises(ValueError, match="n_iterations"):
        chain_predict(half_of_what_is_left(1), PAIR, 0)
    with pytest.raises(TypeError, match="Received: int"):
        chain_predict(3, PAIR)
