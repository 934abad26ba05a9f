"""Layers: the pull-back convention, agreement with the NumPy class, gradients, and life inside a model."""

import keras
import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.ml_utils.layers import (
    Affine2DVF,
    BilinearInterpolation,
    CentredAffine,
    DVFComposition,
    DVFIntegration,
    ExtractMoving,
    InverseConsistency,
    NoOp,
    get_initial_weights,
)
from tests.ml_utils.layers_support import as_numpy, assert_gradients_are_differences, off_grid_field, smooth_field

SHAPE = (23, 31)


class TestAffine2DVF:
    def test_agrees_with_the_numpy_class(self):
        matrix = np.array([[1.1, -0.2, 3.0], [0.15, 0.9, -2.0]])
        expected = DisplacementField.generate(SHAPE, approach="affine", matrix=matrix).deltas_xy
        actual = as_numpy(Affine2DVF(SHAPE, dtype="float64")(matrix[None]))[0]
        np.testing.assert_allclose(actual, expected, atol=1e-4)

    def test_identity_gives_zero(self):
        assert not as_numpy(Affine2DVF(SHAPE)(np.eye(2, 3)[None])).any()

    def test_initial_weights_predict_the_identity(self):
        kernel, bias = get_initial_weights(7)
        features = np.random.default_rng(0).normal(size=(1, 7))
        np.testing.assert_array_equal((features @ kernel + bias).reshape(2, 3), np.eye(2, 3))

    def test_gradient_agrees_with_finite_differences(self):
        weights = np.random.default_rng(0).random((2, *SHAPE, 2))
        layer = Affine2DVF(SHAPE, dtype="float64")
        assert_gradients_are_differences(
            lambda matrix: keras.ops.sum(keras.ops.square(layer(matrix)) * weights),
            np.random.default_rng(1).normal(size=(2, 2, 3)),
            atol=1e-3,  # of a value of 1e6
        )

    @pytest.mark.parametrize("layer", [Affine2DVF, CentredAffine])
    def test_refuses_a_shape_that_is_none(self, layer):
        with pytest.raises(ValueError, match=r"two positive sizes \(h, w\)\. Received: shape=\(3,\)"):
            layer((3,))


class TestCentredAffine:
    def test_rotation_keeps_the_image_centre(self):
        angle = 0.3
        turn = np.array([[[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]]])
        matrix = as_numpy(CentredAffine(SHAPE, dtype="float64")(turn))[0]
        centre = np.array([(SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2])
        np.testing.assert_allclose(matrix @ [*centre, 1], centre, atol=1e-9)

    def test_gradient_agrees_with_finite_differences(self):
        weights = np.random.default_rng(0).random((2, 2, 3))
        layer = CentredAffine(SHAPE, dtype="float64")
        assert_gradients_are_differences(
            lambda matrix: keras.ops.sum(keras.ops.square(layer(matrix)) * weights),
            np.random.default_rng(1).normal(size=(2, 2, 3)),
            atol=1e-5,
        )

    def test_translation_is_in_half_diagonals(self):
        shift = np.array([[[1, 0, 0.5], [0, 1, 0.0]]])
        matrix = as_numpy(CentredAffine(SHAPE, dtype="float64")(shift))[0]
        np.testing.assert_allclose(matrix[:, 2], [0.5 * np.hypot(*SHAPE) / 2, 0], atol=1e-9)


class TestBilinearInterpolation:
    @pytest.mark.parametrize("border_mode", ["constant", "replicate"])
    def test_agrees_with_the_numpy_class_up_to_and_beyond_the_border(self, border_mode):
        image = np.random.default_rng(0).random(SHAPE).astype("float32")
        field = smooth_field(1, amplitude=20)
        expected = field.warp(image, border_mode=border_mode)
        layer = BilinearInterpolation(border_mode=border_mode)
        actual = as_numpy(layer([image[None, ..., None], field.deltas_xy[None]]))[0, ..., 0]
        np.testing.assert_allclose(actual, expected, atol=2e-5)

    def test_each_image_of_a_batch_is_warped_by_its_own_field(self):
        images = np.random.default_rng(0).random((2, *SHAPE, 3)).astype("float32")
        fields = np.zeros((2, *SHAPE, 2), "float32")
        fields[1, ..., 1] = 2
        warped = as_numpy(BilinearInterpolation()([images, fields]))
        np.testing.assert_array_equal(warped[0], images[0])
        np.testing.assert_array_equal(warped[1, :-2], images[1, 2:])

    def test_refuses_an_unknown_border_mode(self):
        with pytest.raises(ValueError, match="border_mode must be one of constant, replicate"):
            BilinearInterpolation(border_mode="mirror")

    @pytest.mark.parametrize("border_mode", ["constant", "replicate"])
    def test_gradients_agree_with_finite_differences(self, border_mode):
        rng = np.random.default_rng(0)
        weights = rng.random((2, 6, 7, 1))
        layer = BilinearInterpolation(border_mode, dtype="float64")
        assert_gradients_are_differences(
            lambda image, field: keras.ops.sum(layer([image, field]) * weights),
            rng.random((2, 6, 7, 1)),
            off_grid_field(rng, (2, 6, 7, 2)),
        )

    def test_the_field_sets_the_size_of_the_result(self):
        image, field = np.ones((1, 5, 9, 3), "float32"), np.zeros((1, 1, 2, 2), "float32")
        assert BilinearInterpolation()([image, field]).shape == (1, 1, 2, 3)


class TestDVFComposition:
    def test_agrees_with_the_numpy_class_everywhere(self):
        outer, inner = smooth_field(1, 10), smooth_field(2, 10)
        expected = outer(inner).deltas_xy
        actual = as_numpy(DVFComposition()([outer.deltas_xy[None], inner.deltas_xy[None]]))[0]
        np.testing.assert_allclose(actual, expected, atol=1e-4)

    def test_gradients_agree_with_finite_differences(self):
        rng = np.random.default_rng(0)
        weights = rng.random((2, 6, 7, 2))
        layer = DVFComposition(dtype="float64")
        assert_gradients_are_differences(
            lambda outer, inner: keras.ops.sum(layer([outer, inner]) * weights),
            rng.normal(size=(2, 6, 7, 2)),
            off_grid_field(rng, (2, 6, 7, 2)),
        )

    def test_warping_by_it_is_warping_by_outer_then_inner(self):
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        image = (x + 2 * y).astype("float32")[None, ..., None]  # linear: interpolation is exact
        outer, inner = (smooth_field(seed, 2).deltas_xy[None] for seed in (1, 2))
        warp = BilinearInterpolation(border_mode="replicate")
        once = as_numpy(warp([image, DVFComposition()([outer, inner])]))
        twice = as_numpy(warp([warp([image, outer]), inner]))
        np.testing.assert_allclose(once[:, 8:-8, 8:-8], twice[:, 8:-8, 8:-8], atol=0.1)


def test_extract_moving_takes_the_second_channel():
    pair = np.random.default_rng(0).random((2, 3, 4, 2)).astype("float32")
    np.testing.assert_array_equal(as_numpy(ExtractMoving()(pair)), pair[..., 1:])


@pytest.mark.parametrize(
    "layer",
    [
        Affine2DVF((8, 9)),
        CentredAffine((8, 9)),
        BilinearInterpolation(border_mode="replicate"),
        DVFComposition(),
        DVFIntegration(steps=3),
        InverseConsistency(weight=0.5),
        ExtractMoving(),
        NoOp(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_configuration_survives_serialisation(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
