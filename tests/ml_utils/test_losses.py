"""What holds for every loss: names, finite gradients, precision, compilation, serialisation."""

import keras
import numpy as np
import pytest

from atlalign.ml_utils import losses
from atlalign.ml_utils.losses import ALL_DVF_LOSSES, ALL_IMAGE_LOSSES, DVF2IMG, NCC, Mixer, get_losses
from tests.ml_utils.losses_support import (
    DVF_LOSSES,
    IMAGE_LOSSES,
    check_gradient,
    fields,
    formula_of,
    gradient_of,
    images,
    value_and_gradient,
)

EVERY_LOSS = [
    *(pytest.param(ALL_IMAGE_LOSSES[name], images, id=f"image-{name}") for name in IMAGE_LOSSES),
    *(pytest.param(ALL_DVF_LOSSES[name], fields, id=f"field-{name}") for name in DVF_LOSSES),
]


class TestNames:
    def test_the_documented_image_losses_are_there(self):
        assert set(ALL_IMAGE_LOSSES.singles) == {
            *("mae", "mse", "ncc_5", "ncc_9", "ncc_12", "ncc_20", "pearson", "psnr", "ssim", "mind", "dice"),
            *(f"perceptual_loss_{model}_{net}" for model in ("net", "net-lin") for net in ("alex", "vgg")),
        }

    def test_the_documented_field_losses_are_there(self):
        assert set(ALL_DVF_LOSSES.singles) == set(ALL_IMAGE_LOSSES.singles) | {
            *("grad", "jacobian", "jacobian_distance", "mse_po", "vector_distance", "vdclip2", "vdclip3"),
            *("vector_jacobian_distance", "vector_jacobian_distance_02", "bending_energy"),
        }

    def test_a_table_lists_every_pair_in_both_orders(self):
        names = list(ALL_IMAGE_LOSSES)
        assert len(names) == len(set(names)) == len(ALL_IMAGE_LOSSES) == 15 + 15 * 14
        assert {"mse&ssim", "ssim&mse"} <= set(names)

    def test_every_pair_that_a_table_lists_is_a_loss(self):
        assert all(callable(ALL_DVF_LOSSES[name]) for name in ALL_DVF_LOSSES)

    @pytest.mark.parametrize("name", ["mse&mse", "mse&", "mse&ssim&mae", "ms", ("mse", "ssim")])
    def test_a_table_has_no_other_names(self, name):
        assert name not in ALL_IMAGE_LOSSES

    def test_a_pair_is_the_mean_of_both_in_either_order(self):
        y_true, y_pred = fields()
        parts = [float(ALL_DVF_LOSSES[name](y_true, y_pred)) for name in ("grad", "mse_po")]
        for name in ("grad&mse_po", "mse_po&grad"):
            assert float(ALL_DVF_LOSSES[name](y_true, y_pred)) == pytest.approx(np.mean(parts), rel=1e-5)

    def test_a_perceptual_loss_is_named_after_its_network(self):
        loss = ALL_IMAGE_LOSSES["perceptual_loss_net-lin_vgg"]
        assert (loss.model, loss.net) == ("net-lin", "vgg")


class TestGetLosses:
    def test_a_missing_third_loss_repeats_the_second(self):
        assert [loss.name for loss in get_losses(["mae", "mse_po"], 3)] == ["mae", "mse_po", "mse_po"]

    def test_a_loss_itself_is_taken_as_it_is(self):
        loss = NCC(7)
        assert get_losses([loss, losses.mse_po], 2) == [loss, losses.mse_po]

    def test_an_unknown_loss_is_refused_with_the_known_ones(self):
        with pytest.raises(ValueError, match=r"one of mae, mse, ncc_5.*Received: 'nc_9'"):
            get_losses(["nc_9", "grad"], 2)

    def test_a_field_loss_is_refused_for_images(self):
        with pytest.raises(ValueError, match="loss of an image must be one of"):
            get_losses(["vector_distance", "grad"], 2)

    def test_what_it_gives_has_the_dimension_that_keras_averages_over_replicas(self):
        for loss in get_losses(["mse", "vector_distance"], 2):
            assert loss.call(*fields()).shape == (1,)


@pytest.mark.parametrize(("loss", "pair"), EVERY_LOSS)
class TestEveryLoss:
    def test_is_one_finite_value_a_batch(self, loss, pair):
        value = loss(*pair())
        assert np.ndim(value) == 0
        assert np.isfinite(value)

    def test_value_and_gradient_are_finite_where_there_is_no_difference(self, loss, pair):
        check_finite(loss, *pair()[:1] * 2)

    def test_value_and_gradient_are_finite_on_constants(self, loss, pair):
        like, other = pair()
        half = np.full_like(like, 0.5)
        for y_true, y_pred in ((half, half), (half, 2 * half), (half, other), (other, half)):
            check_finite(loss, y_true, y_pred)

    def test_value_and_gradient_are_finite_on_zeros(self, loss, pair):
        like, other = pair()
        for y_true, y_pred in ((0 * like, 0 * like), (0 * like, other), (other, 0 * like)):
            check_finite(loss, y_true, y_pred)

    def test_gradient_is_that_of_finite_differences(self, loss, pair):
        if loss is losses.jacobian:
            pytest.skip("a share has no gradient; test_losses_fields.py checks the one that stands for it")
        y_true, y_pred = pair(dtype="float64")
        formula = formula_of(loss)
        check_gradient(lambda y: formula(y_true, y), y_pred)

    def test_half_precision_is_computed_in_float32(self, loss, pair):
        y_true, y_pred = (x.astype("float16") for x in pair())
        formula = formula_of(loss)
        value = formula(y_true, y_pred)
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
        expected = float(formula(y_true.astype("float32"), y_pred.astype("float32")))
        assert float(value) == pytest.approx(expected, rel=1e-6)

    def test_computes_the_same_after_serialisation(self, loss, pair):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
        assert float(again(*pair())) == pytest.approx(float(loss(*pair())), rel=1e-6)

    def test_refuses_arrays_of_different_shapes(self, loss, pair):
        y_true, y_pred = pair()
        if loss in (losses.jacobian, losses.bending_energy, ALL_DVF_LOSSES["grad"]):
            pytest.skip("does not look at the truth")
        with pytest.raises(ValueError, match="must have one shape"):
            formula_of(loss)(y_true[:, :-1], y_pred)


@pytest.mark.parametrize("compiled", ["graph", "xla"])
@pytest.mark.parametrize("name", [*DVF_LOSSES, "ncc_9&grad"])
def test_is_the_same_compiled(name, compiled):
    y_true, y_pred = fields(shape=(2, 24, 24, 2))
    formula = formula_of(ALL_DVF_LOSSES[name])
    expected = value_and_gradient(lambda y: formula(y_true, y), y_pred)
    actual = value_and_gradient(lambda y: formula(y_true, y), y_pred, compiled)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max(), rtol=1e-5)


@pytest.mark.parametrize("name", ["ncc_9", "ncc_12", "mind"])
def test_gradient_to_the_truth_is_the_same_compiled(name):
    y_true, y_pred = images()
    loss = ALL_IMAGE_LOSSES[name]
    expected = gradient_of(lambda y: loss.loss(y, y_pred), y_true)
    actual = value_and_gradient(lambda y: loss.loss(y, y_pred), y_true, "graph")[1]
    np.testing.assert_allclose(actual, expected, atol=1e-5 * np.abs(expected).max())


def test_every_name_trains_a_model_that_is_saved_and_loaded_compiled(tmp_path):
    image, field = keras.Input((24, 24, 1)), keras.Input((24, 24, 2))
    outputs = [
        *(keras.layers.Conv2D(1, 1, name=f"image_{i}")(image) for i in range(len(IMAGE_LOSSES))),
        *(keras.layers.Conv2D(2, 1, name=f"field_{i}")(field) for i in range(len(DVF_LOSSES))),
    ]
    model = keras.Model([image, field], outputs)
    named = [ALL_IMAGE_LOSSES[name] for name in IMAGE_LOSSES] + [ALL_DVF_LOSSES[name] for name in DVF_LOSSES]
    model.compile(keras.optimizers.SGD(1e-9), loss=named, run_eagerly=True)
    x = [images(shape=(2, 24, 24, 1))[0], fields(shape=(2, 24, 24, 2))[0]]
    y = [x[0]] * len(IMAGE_LOSSES) + [x[1]] * len(DVF_LOSSES)
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=True)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert np.isfinite(list(expected.values())).all()
    assert again.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)


class TestMixer:
    def test_refuses_weights_of_another_number(self):
        with pytest.raises(ValueError, match="one value a loss"):
            Mixer(losses.mae, weights=[1, 2])

    def test_averages_what_a_loss_says_of_each_sample(self):
        y_true, y_pred = fields()
        loss = Mixer(lambda a, b: keras.ops.mean(keras.ops.square(a - b), axis=(1, 2, 3)))
        assert float(loss(y_true, y_pred)) == pytest.approx(float(losses.mse(y_true, y_pred)), rel=1e-6)


class TestDVF2IMG:
    def test_an_image_loss_sees_a_tenth_of_the_displacement(self):
        y_true, y_pred = fields()
        x, y = (NCC(9).loss(y_true[..., i : i + 1] / 10, y_pred[..., i : i + 1] / 10) for i in (0, 1))
        assert float(ALL_DVF_LOSSES["ncc_9"].loss(y_true, y_pred)) == pytest.approx(float(x + y) / 2, rel=1e-5)

    def test_weights_of_components_are_respected(self):
        y_pred = np.zeros((1, 4, 4, 2), "float32")
        y_true = y_pred + np.float32([10, 0])
        assert float(DVF2IMG(losses.mae, weights=(1, 0)).loss(y_true, y_pred)) == pytest.approx(1)
        assert float(DVF2IMG(losses.mae, weights=(0, 1)).loss(y_true, y_pred)) == 0


def check_finite(loss, y_true, y_pred):
    value, gradient = value_and_gradient(lambda y: loss(y_true, y), y_pred)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
