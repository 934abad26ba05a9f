"""Model factories: size, names, first answers, training steps, refused arguments."""

import keras
import numpy as np
import pytest

from atlalign.nn import supervised_global_model_factory, supervised_model_factory

SHAPE = (80, 114)


def small_global(**kwargs):
    return supervised_global_model_factory((4, 4), (6,), shape=SHAPE, random_state=0, **kwargs)


def small_local(**kwargs):
    return supervised_model_factory((4,), (4, 4), (4,), (4, 4), (4,), shape=SHAPE, random_state=0, **kwargs)


def pairs(n=2):
    return np.random.default_rng(0).random((n, *SHAPE, 2)).astype("float32")


def targets(X, n_fields):
    return (X[..., 1:], *[np.ones((*X.shape[:3], 2), "float32")] * n_fields)


def test_global_model_has_the_published_number_of_parameters():
    assert supervised_global_model_factory().count_params() == 237_630


def test_local_model_has_the_published_number_of_parameters():
    assert supervised_model_factory().count_params() == 192_578


def test_local_model_has_the_documented_names():
    model = small_local()
    assert [x.name for x in model.inputs] == ["reg_mov", "mov_reg"]
    assert model.output_names == ["img_registered", "dvf", "inv_dvf"]


def test_inverse_shares_the_weights_of_the_forward_field():
    assert small_local().count_params() == small_local(compute_inv=False).count_params()


@pytest.mark.parametrize("centred", [False, True])
def test_untrained_global_model_is_the_identity(centred):
    X = pairs()
    image, dvf = small_global(centred=centred)(X)
    np.testing.assert_allclose(dvf, 0, atol=1e-4)
    np.testing.assert_allclose(image, X[..., 1:], atol=1e-4)


def test_untrained_local_model_is_nearly_the_identity():
    dvf = small_local(compute_inv=False)(pairs())[1]
    assert float(np.abs(dvf).max()) < 0.5


def test_local_field_is_zero_in_the_margin_that_no_pooling_reaches():
    model = small_local(compute_inv=False)
    dvf = keras.ops.convert_to_numpy(model(pairs())[1])
    assert not dvf[:, :, :1].any()  # 114 -> 112: one column on either side
    assert not dvf[:, :, -1:].any()
    assert dvf[:, :, 1].any()


def test_registered_image_is_the_moving_image_warped_by_the_field():
    from atlalign.base import DisplacementField

    model = small_local(compute_inv=False)
    X = pairs(1)
    image, dvf = (keras.ops.convert_to_numpy(x)[0] for x in model(X))
    expected = DisplacementField.from_deltas_xy(dvf).warp(X[0, ..., 1])
    np.testing.assert_allclose(image[..., 0], expected, atol=1e-4)


@pytest.mark.parametrize("factory", [small_global, small_local])
def test_a_training_step_moves_the_weights_and_stays_finite(factory):
    model = factory(optimizer="adam", losses=("ncc_9", "vector_distance"))
    n_fields = len(model.outputs) - 1
    X = pairs()
    inputs = X if n_fields == 1 else (X, X[..., ::-1])
    before = [w.copy() for w in model.get_weights()]
    logs = model.train_on_batch(inputs, targets(X, n_fields), return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_the_same_seed_gives_the_same_weights():
    first, second = small_local(), small_local()
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_global_model_without_dense_layers_is_built():
    model = supervised_global_model_factory((4,), None, shape=(16, 16))
    assert model.output_shape == [(None, 16, 16, 1), (None, 16, 16, 2)]


def test_images_too_small_for_the_poolings_are_refused():
    with pytest.raises(ValueError, match=r"at least 16 px. Received: shape=\(8, 100\)"):
        supervised_model_factory(shape=(8, 100))


def test_scales_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="must be of one length"):
        supervised_model_factory(downsample_filters=(4, 4), upsample_filters=(4,))


def test_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="Received: 'perceptive'"):
        small_global(losses=("perceptive", "grad"))


@pytest.mark.parametrize("option", [{"n_gpus": 2}, {"use_lambda": True}])
def test_options_of_the_past_are_refused_by_name(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        small_global(**option)
