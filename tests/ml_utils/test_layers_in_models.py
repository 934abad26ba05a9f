"""Layers inside models: training, prediction, precision, devices, files."""

import keras
import numpy as np
import pytest

from atlalign.ml_utils.layers import (
    Affine2DVF,
    BilinearInterpolation,
    DVFComposition,
    DVFIntegration,
    ExtractMoving,
    InverseConsistency,
    NoOp,
)
from atlalign.ml_utils.losses import inverse_consistency
from tests.ml_utils.layers_support import as_numpy

SHAPE = (13, 18)


def images(n=5, seed=0):
    return np.random.default_rng(seed).random((n, *SHAPE, 2)).astype("float32")


def registration_model():
    """Layers that sample, behind a convolution whose weights have something to learn."""
    pair = keras.Input((*SHAPE, 2))
    start = keras.initializers.RandomNormal(stddev=0.3, seed=0)
    velocity = keras.layers.Conv2D(2, 3, padding="same", kernel_initializer=start, dtype="float32")(pair)
    dvf = NoOp(name="dvf")(DVFIntegration(steps=1)(velocity))
    return keras.Model(pair, [BilinearInterpolation(name="image")([ExtractMoving()(pair), dvf]), dvf])


def losses_of_training(model, **compile_options):
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=["mse", "mse"], **compile_options)
    x = images(4)
    targets = [x[..., :1], np.zeros((4, *SHAPE, 2))]
    return model.fit(x, targets, batch_size=2, epochs=2, shuffle=False, verbose=0).history["loss"]


@pytest.fixture
def global_policy():
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def expected():
    values = losses_of_training(registration_model(), jit_compile=False)
    assert values[1] < values[0]
    return values


class TestTraining:
    @pytest.mark.parametrize(
        "options",
        [{"jit_compile": "auto"}, {"jit_compile": True}, {"run_eagerly": True}],
        ids=lambda options: next(f"{name}={value}" for name, value in options.items()),
    )
    def test_learns_the_same_however_it_runs(self, options, expected):
        if keras.backend.backend() == "torch" and options.get("jit_compile"):
            pytest.skip("torch.compile needs a C++ compiler")
        np.testing.assert_allclose(losses_of_training(registration_model(), **options), expected, rtol=1e-3)

    def test_learns_the_same_under_a_distribution_strategy(self, expected):
        if keras.backend.backend() != "tensorflow":
            pytest.skip("tf.distribute is TensorFlow's")
        import tensorflow as tf

        with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
            np.testing.assert_allclose(losses_of_training(registration_model()), expected, rtol=1e-3)


class TestPrediction:
    def test_batches_agree_with_calling_at_once(self):
        model, x = registration_model(), images(5)
        for at_once, predicted in zip(model(x), model.predict(x, batch_size=2, verbose=0), strict=True):
            np.testing.assert_allclose(predicted, as_numpy(at_once), atol=1e-5)

    def test_saved_and_loaded_it_predicts_the_same(self, tmp_path):
        model, x = registration_model(), images(2)
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        for one, other in zip(model(x), again(x), strict=True):
            np.testing.assert_array_equal(as_numpy(one), as_numpy(other))

    def test_exported_it_predicts_the_same(self, tmp_path):
        if keras.backend.backend() != "tensorflow":
            pytest.skip("the SavedModel is TensorFlow's")
        import tensorflow as tf

        model, x = registration_model(), images(2)
        model.export(str(tmp_path / "exported"), verbose=False)
        exported = tf.saved_model.load(str(tmp_path / "exported"))
        for one, other in zip(model(x), exported.serve(x), strict=True):
            np.testing.assert_allclose(as_numpy(one), as_numpy(other), atol=1e-5)


class TestInverseConsistency:
    def test_adds_its_term_to_the_loss_of_training_and_evaluation(self):
        dvf, inverse = keras.Input((*SHAPE, 2)), keras.Input((*SHAPE, 2))
        model = keras.Model([dvf, inverse], InverseConsistency(weight=0.5)([dvf, inverse]))
        model.compile(optimizer="sgd", loss="mse")
        fields = [np.random.default_rng(seed).normal(size=(3, *SHAPE, 2)).astype("float32") for seed in (0, 1)]
        expected = 0.5 * float(inverse_consistency(*fields))  # the mean squared error of what is predicted is 0
        assert model.evaluate(fields, fields[1], verbose=0) == pytest.approx(expected, rel=1e-5)
        history = model.fit(fields, fields[1], verbose=0).history
        assert history["loss"][0] == pytest.approx(expected, rel=1e-5)

    def test_pulls_the_inverse_to_minus_a_translation(self):
        field = np.full((2, *SHAPE, 2), (2, -1), "float32")
        dvf, zero = keras.Input((*SHAPE, 2)), keras.Input((1,))
        shift = keras.layers.Dense(2)
        inverse = keras.layers.UpSampling2D(SHAPE)(keras.layers.Reshape((1, 1, 2))(shift(zero)))
        model = keras.Model([dvf, zero], InverseConsistency()([dvf, inverse]))
        model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
        model.fit([field, np.zeros((2, 1))], verbose=0)
        # The length of what is left, (2, -1), falls along its own direction.
        np.testing.assert_allclose(as_numpy(shift.bias), -0.1 * np.array([2, -1]) / np.sqrt(5), rtol=1e-3)

    def test_gives_the_inverse_field_as_it_is(self):
        dvf, inverse = np.ones((2, 1, *SHAPE, 2), "float32")
        np.testing.assert_array_equal(as_numpy(InverseConsistency()([dvf, inverse])), inverse)

    @pytest.mark.parametrize("weight", [-1, float("nan")])
    def test_refuses_a_weight_that_is_none(self, weight):
        with pytest.raises(ValueError, match=f"at least 0. Received: weight={weight}"):
            InverseConsistency(weight)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
class TestMixedPrecision:
    def test_coordinates_fields_and_images_stay_in_float32(self, global_policy, policy):
        global_policy(policy)
        pair = keras.Input((4, 2000, 2))
        matrix = keras.Input((2, 3))
        dvf = NoOp()(DVFIntegration(steps=1)(Affine2DVF((4, 2000))(matrix)))
        dvf = InverseConsistency()([dvf, DVFComposition()([dvf, dvf])])
        outputs = keras.Model([pair, matrix], [BilinearInterpolation()([ExtractMoving()(pair), dvf]), dvf])(
            [np.ones((1, 4, 2000, 2)), np.array([[[1.25, 0, 0], [0, 1, 0]]])]
        )
        assert [keras.backend.standardize_dtype(output.dtype) for output in outputs] == ["float32"] * 2
        field = as_numpy(Affine2DVF((4, 2000))(np.array([[[1.25, 0, 0], [0, 1, 0]]])))
        assert field[0, 0, 1999, 0] == 499.75

    def test_images_may_arrive_in_half_precision(self, global_policy, policy):
        global_policy(policy)
        image = keras.ops.cast(np.arange(4).reshape(1, 1, 4, 1), policy.removeprefix("mixed_"))
        field = np.full((1, 1, 4, 2), (0.125, 0), "float32")
        warped = as_numpy(BilinearInterpolation("replicate")([image, field]))
        assert warped.dtype == np.float32
        np.testing.assert_array_equal(warped.ravel(), [0.125, 1.125, 2.125, 3])

    def test_learns(self, global_policy, policy):
        global_policy(policy)
        values = losses_of_training(registration_model())
        assert np.isfinite(values).all()
        assert values[1] < values[0]
