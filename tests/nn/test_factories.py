"""Model factories as they are by default: size, names, first answers, training steps, refused arguments."""

import inspect

import keras
import numpy as np
import pytest

from atlalign.nn import compile_model, supervised_global_model_factory, supervised_model_factory
from tests.nn.networks import inputs_of, pairs, small_global, small_local, targets


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
    before = [w.copy() for w in model.get_weights()]
    logs = model.train_on_batch(inputs_of(model, X), targets(X, n_fields), return_dict=True)
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
    with pytest.raises(ValueError, match="must not be longer"):
        supervised_model_factory(downsample_filters=(4,), upsample_filters=(4, 4))


def test_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="Received: 'perceptive'"):
        small_global(losses=("perceptive", "grad"))


@pytest.mark.parametrize("option", [{"n_gpus": 2}, {"use_lambda": True}])
def test_options_of_the_past_are_refused_by_name(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        small_global(**option)


def test_devices_are_referred_to_the_strategy_option():
    with pytest.raises(ValueError, match=r"^n_gpus must be 1.*n_gpus=4.*atlalign-train --strategy.*$"):
        small_local(n_gpus=4)


def test_arguments_of_the_past_keep_their_positions():
    positional = {
        supervised_global_model_factory: "filters dense_layers losses losses_weights n_gpus optimizer mlflow_log "
        "use_lambda",
        supervised_model_factory: "start_filters downsample_filters middle_filters upsample_filters end_filters losses "
        "losses_weights n_gpus optimizer compute_inv mlflow_log use_lambda",
    }
    for factory, expected in positional.items():
        parameters = inspect.signature(factory).parameters.values()
        assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == expected.split()


@pytest.mark.parametrize("factory", [small_global, small_local])
def test_the_layers_are_printed_only_when_asked(factory, capsys):
    factory()
    assert capsys.readouterr().out == ""
    factory(summary=True)
    assert "img_registered" in capsys.readouterr().out


@pytest.mark.parametrize("factory", [small_global, small_local])
def test_the_field_errors_are_metrics_by_name(factory):
    model = factory()
    X = pairs()
    logs = model.evaluate(inputs_of(model, X), targets(X, len(model.outputs) - 1), verbose=0, return_dict=True)
    assert {name for name in logs if name.endswith("endpoint_error")} == {
        f"{name}_endpoint_error" for name in model.output_names[1:]
    }


def test_a_model_is_compiled_anew_with_other_losses():
    model = small_local()
    optimizer = keras.optimizers.SGD(0.5)
    assert compile_model(model, ("mse", "mse_po"), (1, 2), optimizer, jit_compile=False) is model
    assert model.optimizer is optimizer
    assert model.jit_compile is False


@pytest.mark.parametrize("weights", [(1,), (1, 1, 1)])
def test_a_wrong_number_of_weights_is_refused(weights):
    with pytest.raises(ValueError, match=r"losses_weights must be one number an output \(2\)"):
        small_global(losses_weights=weights)
