"""Losses: known answers, finite gradients, names, serialisation."""

import keras
import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from atlalign.ml_utils import losses
from atlalign.ml_utils.losses import (
    ALL_DVF_LOSSES,
    ALL_IMAGE_LOSSES,
    DVF2IMG,
    NCC,
    Grad,
    Mixer,
    VDClipper,
    get_losses,
)
from tests.ml_utils.test_layers import gradient_of

SINGLE_IMAGE_LOSSES = [name for name in ALL_IMAGE_LOSSES if "&" not in name]
SINGLE_DVF_LOSSES = [name for name in ALL_DVF_LOSSES if "&" not in name]


def images(seed=0, shape=(2, 24, 30, 1)):
    rng = np.random.default_rng(seed)
    return rng.random(shape).astype("float32"), rng.random(shape).astype("float32")


def fields(seed=0, shape=(2, 24, 30, 2)):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, shape).astype("float32"), rng.normal(0, 3, shape).astype("float32")


@pytest.mark.parametrize("win", [5, 9])
def test_ncc_is_that_of_box_sums_with_zero_padding(win):
    I, J = (x.astype(float)[0, ..., 0] for x in images())

    def box(x):
        return uniform_filter(x, win, mode="constant") * win**2

    cross = box(I * J) - box(I) * box(J) / win**2
    variances = [box(x * x) - box(x) ** 2 / win**2 for x in (I, J)]
    expected = -(cross**2 / (variances[0] * variances[1] + 1e-5)).mean()
    pair = [x[None, ..., None].astype("float32") for x in (I, J)]
    assert float(NCC(win).loss(*pair)) == pytest.approx(expected, abs=1e-4)


def test_ncc_does_not_change_with_contrast():
    I, J = images()
    assert float(NCC(9).loss(I, 0.5 * J)) == pytest.approx(float(NCC(9).loss(I, J)), abs=1e-3)


def test_grad_of_a_constant_field_is_zero():
    assert float(Grad().loss(None, np.full((1, 5, 6, 2), 7.0))) == 0


def test_vdclip_is_a_power_of_the_mean_distance():
    y_pred = np.zeros((1, 4, 4, 2), "float32")
    y_true = y_pred + np.float32([0, 40])
    assert float(VDClipper(20, 3).loss(y_true, y_pred)) == pytest.approx(8, rel=1e-4)


def test_mse_po_sums_the_components():
    y_true, y_pred = fields()
    expected = ((y_true - y_pred) ** 2).sum(-1).mean()
    assert float(losses.mse_po(y_true, y_pred)) == pytest.approx(expected, rel=1e-5)


def test_image_losses_on_fields_see_a_tenth_of_the_displacement():
    y_true, y_pred = fields()
    x, y = (NCC(9).loss(y_true[..., i : i + 1] / 10, y_pred[..., i : i + 1] / 10) for i in (0, 1))
    assert float(ALL_DVF_LOSSES["ncc_9"].loss(y_true, y_pred)) == pytest.approx(float(x + y) / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["mae", "mse"])
def test_mae_and_mse_on_fields_act_on_whole_pixels(name):
    y_true, y_pred = fields()
    expected = {"mae": np.abs(y_true - y_pred).mean(), "mse": ((y_true - y_pred) ** 2).mean()}[name]
    assert float(ALL_DVF_LOSSES[name](y_true, y_pred)) == pytest.approx(expected, rel=1e-5)


def test_a_pair_of_names_is_the_mean_of_both_in_either_order():
    y_true, y_pred = fields()
    parts = [float(ALL_DVF_LOSSES[name](y_true, y_pred)) for name in ("grad", "mse_po")]
    for name in ("grad&mse_po", "mse_po&grad"):
        assert float(ALL_DVF_LOSSES[name](y_true, y_pred)) == pytest.approx(np.mean(parts), rel=1e-5)


@pytest.mark.parametrize("name", SINGLE_IMAGE_LOSSES)
def test_image_loss_has_a_finite_gradient_on_equal_and_on_constant_images(name):
    for image in (images()[0], np.full((1, 24, 24, 1), 0.5, "float32")):
        gradient = gradient_of(lambda y, image=image: ALL_IMAGE_LOSSES[name](image, y), image)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", SINGLE_DVF_LOSSES)
def test_field_loss_has_a_finite_gradient_on_equal_fields(name):
    field = fields()[0]
    gradient = gradient_of(lambda y: ALL_DVF_LOSSES[name](field, y), field)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", SINGLE_DVF_LOSSES)
def test_field_loss_is_one_value_a_batch(name):
    assert np.ndim(ALL_DVF_LOSSES[name](*fields())) == 0


@pytest.mark.parametrize("name", [*SINGLE_DVF_LOSSES, "ncc_9&grad", "mse_po&vdclip2"])
def test_loss_computes_the_same_after_serialisation(name):
    loss = ALL_DVF_LOSSES[name]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(again(*fields())) == pytest.approx(float(loss(*fields())), rel=1e-6)


def test_a_missing_third_loss_repeats_the_second():
    found = get_losses(["mae", "mse_po"], 3)
    assert found == [losses.mae, losses.mse_po, losses.mse_po]


def test_unknown_loss_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of mae, mse, ncc_5.*Received: 'nc_9'"):
        get_losses(["nc_9", "grad"], 2)


def test_field_loss_is_refused_for_images():
    with pytest.raises(ValueError, match="loss of an image must be one of"):
        get_losses(["vector_distance", "grad"], 2)


def test_mixer_refuses_weights_of_another_number():
    with pytest.raises(ValueError, match="one value a loss"):
        Mixer(losses.mae, weights=[1, 2])


def test_weights_of_components_are_respected():
    y_pred = np.zeros((1, 4, 4, 2), "float32")
    y_true = y_pred + np.float32([10, 0])
    assert float(DVF2IMG(losses.mae, weights=(1, 0)).loss(y_true, y_pred)) == pytest.approx(1)
    assert float(DVF2IMG(losses.mae, weights=(0, 1)).loss(y_true, y_pred)) == 0
