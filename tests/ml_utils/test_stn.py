"""The spatial transformer block, and the layer that inverts its matrices."""

import keras
import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.ml_utils.layers import block_stn
from atlalign.ml_utils.layers.stn import InvertAffine
from tests.ml_utils.losses_support import gradient_of

SHAPE = (33, 46)


def pairs(n=2):
    return np.random.default_rng(0).random((n, *SHAPE, 2)).astype("float32")


def tiny_block(pair, **kwargs):
    return block_stn(pair, (2, 3), (4,), **{"random_state": 0, **kwargs})


def model_of(moved=True, **kwargs):
    """A model that is one block, by default with weights that make its affine no identity."""
    pair = keras.Input((*SHAPE, 2))
    model = keras.Model(pair, tiny_block(pair, **kwargs))
    if moved:
        layer = model.get_layer("STN_affine")
        kernel, bias = layer.get_weights()
        rng = np.random.default_rng(1)
        layer.set_weights([rng.normal(0, 0.02, kernel.shape), bias + rng.normal(0, 0.03, 6)])
    return model


def answers(model, X):
    outputs = model(X, training=False)
    return [keras.ops.convert_to_numpy(x) for x in (outputs if isinstance(outputs, list) else [outputs])]


@pytest.mark.parametrize("bn", [False, True])
def test_it_starts_at_the_identity(bn):
    for field in answers(model_of(moved=False, include_bn_conv=bn, include_bn_dense=bn), pairs()):
        np.testing.assert_allclose(field, 0, atol=1e-4)


def test_the_two_fields_undo_each_other():
    dvf, inv_dvf = (DisplacementField.from_deltas_xy(x[0]) for x in answers(model_of(), pairs(1)))
    assert dvf.norm.max() > 1
    inner = dvf(inv_dvf).deltas_xy[6:-6, 6:-6]
    np.testing.assert_allclose(inner, 0, atol=1e-3)


@pytest.mark.parametrize("inverse", [False, True])
def test_flags_choose_between_fields_and_images(inverse):
    X = pairs(1)
    fields = answers(model_of(return_inverse=inverse), X)
    images = answers(model_of(return_dvfs=False, return_inverse=inverse), X)
    assert len(fields) == len(images) == 1 + inverse
    for field, image, source in zip(fields, images, (X[0, ..., 1], X[0, ..., 0]), strict=False):
        expected = DisplacementField.from_deltas_xy(field[0]).warp(source)
        np.testing.assert_allclose(image[0, ..., 0], expected, atol=1e-4)


def test_every_layer_is_named_after_the_block():
    pair = keras.Input((*SHAPE, 2))
    model = keras.Model(pair, tiny_block(pair, block_name="first", include_bn_conv=True, include_bn_dense=True))
    assert all(layer.name.startswith("first_") for layer in model.layers[1:])


def test_batch_normalisation_stands_where_it_is_asked_for():
    def names(**kwargs):
        return [layer.name for layer in model_of(**kwargs).layers if "norm" in layer.name]

    assert names() == []
    assert names(include_bn_conv=True) == ["STN_conv_0_norm", "STN_conv_1_norm"]
    assert names(include_bn_dense=True) == ["STN_dense_0_norm"]


def test_two_blocks_stand_in_one_model():
    pair = keras.Input((*SHAPE, 2))
    first = tiny_block(pair, block_name="first", return_dvfs=False, return_inverse=False)
    again = keras.layers.Concatenate()([pair[..., 0:1], first])
    model = keras.Model(pair, tiny_block(again, block_name="second", return_inverse=False))
    assert model.output_shape == (None, *SHAPE, 2)


def test_the_same_seed_gives_the_same_weights():
    for a, b in zip(model_of().get_weights(), model_of().get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dvfs", [False, True])
def test_a_model_of_it_survives_saving(tmp_path, dvfs):
    model = model_of(return_dvfs=dvfs)
    model.save(tmp_path / "block.keras")
    X = pairs()
    for a, b in zip(answers(model, X), answers(keras.saving.load_model(tmp_path / "block.keras"), X), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_of_it_trains():
    model = model_of(moved=False, include_bn_conv=True, include_bn_dense=True)
    model.compile("adam", loss="mse")
    X = pairs()
    logs = model.train_on_batch(X, [np.ones_like(X), -np.ones_like(X)], return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    assert np.abs(answers(model, X)[0]).max() > 1e-4


@pytest.mark.parametrize("shape", [(33, 46, 1), (None, 46, 2), (3, 46, 2), (46, 2)])
def test_what_is_no_pair_of_images_is_refused(shape):
    with pytest.raises(ValueError, match=r"pairs \(n, h, w, 2\) of known sizes of at least 4 px"):
        tiny_block(keras.Input(shape))


class TestInvertAffine:
    def inverted(self, matrix, dtype="float64"):
        return keras.ops.convert_to_numpy(InvertAffine(dtype=dtype)(np.asarray(matrix, dtype)[None]))[0]

    def test_is_the_exact_inverse(self):
        matrices = np.random.default_rng(0).normal(np.eye(2, 3), [0.3, 0.3, 20], (20, 2, 3))
        for matrix in matrices:
            expected = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
            np.testing.assert_allclose(self.inverted(matrix), expected, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize(
        "matrix", [np.zeros((2, 3)), [[1, 1, 5], [1, 1, 5]], [[1, 0, 9], [0, -1e-30, 9]], [[1e-9, 0, 0], [0, 1e-9, 0]]]
    )
    def test_of_a_singular_matrix_is_finite(self, matrix):
        assert np.isfinite(self.inverted(matrix, "float32")).all()

    def test_keeps_the_sign_of_a_small_determinant(self):
        assert self.inverted([[1, 0, 0], [0, -1e-9, 0]])[1, 1] < 0

    @pytest.mark.parametrize("matrix", [[[1.1, 0.2, 3], [-0.1, 0.9, 2]], [[-1, 0.3, 3], [0.2, 1.2, 2]]])
    def test_gradient_agrees_with_finite_differences(self, matrix):
        def value(a):
            inverse = InvertAffine(dtype="float64")(a)
            return keras.ops.sum(inverse * inverse * inverse)

        a = np.array([matrix], "float64")
        steps = 1e-6 * np.eye(6).reshape(6, 1, 2, 3)
        expected = [(float(value(a + step)) - float(value(a - step))) / 2e-6 for step in steps]
        np.testing.assert_allclose(gradient_of(value, a).ravel(), expected, rtol=1e-5, atol=1e-7)

    def test_gradient_of_a_singular_matrix_is_finite(self):
        a = np.array([[[1, 1, 5], [1, 1, 5]]], "float32")
        assert np.isfinite(gradient_of(lambda a: keras.ops.sum(InvertAffine()(a)), a)).all()

    def test_computes_in_32_bits_whatever_the_policy(self):
        assert InvertAffine().compute_dtype == "float32"
