"""Options of the factories that change the networks: each trains, or is refused when it cannot work."""

import itertools

import keras
import numpy as np
import pytest

from atlalign.nn import supervised_global_model_factory
from tests.nn.networks import (
    ALL_OPTIONS,
    ODD,
    answers,
    inputs_of,
    pairs,
    small_encoder,
    small_global,
    small_local,
    targets,
    with_option,
    with_random_weights,
)


@pytest.fixture
def mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def training_step(model):
    """Logs of one step, and whether it changed the weights."""
    X = pairs(2, ODD)
    before = [w.copy() for w in model.get_weights()]
    logs = model.train_on_batch(inputs_of(model, X), targets(X, len(model.outputs) - 1), return_dict=True)
    return logs, any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(("kind", "name"), ALL_OPTIONS)
def test_every_option_keeps_the_names_and_the_shapes(kind, name):
    model = with_option(kind, name)
    names = ["img_registered", "dvf", "inv_dvf"][: len(model.outputs)]
    assert model.output_names == names
    assert [x.name for x in model.inputs] == ["reg_mov", "mov_reg"][: len(names) - 1]
    assert model.output_shape == [(None, *ODD, 1)] + [(None, *ODD, 2)] * (len(names) - 1)


@pytest.mark.parametrize(("kind", "name"), ALL_OPTIONS)
def test_every_option_trains(kind, name):
    logs, moved = training_step(with_option(kind, name, losses=("mse", "vector_distance"), optimizer="sgd"))
    assert all(np.isfinite(value) for value in logs.values())
    assert moved


@pytest.mark.parametrize(
    ("kind", "name"),
    [("global", "all"), ("local", "layer"), ("local", "all")],
)
def test_every_option_trains_in_mixed_precision(mixed_precision, kind, name):
    model = with_option(kind, name, losses=("ncc_9", "vector_distance"), optimizer="sgd")
    assert {keras.backend.standardize_dtype(x.dtype) for x in model.outputs} == {"float32"}
    logs, moved = training_step(model)
    assert all(np.isfinite(value) for value in logs.values())
    assert moved


def test_affine_parameters_are_of_32_bits_in_mixed_precision(mixed_precision):
    model = small_global(centred=True)
    assert {model.get_layer(name).compute_dtype for name in ("affine", "matrix", "pixel_matrix")} == {"float32"}
    assert model.get_layer("conv_0_0").compute_dtype == "bfloat16"


def test_velocities_are_of_32_bits_in_mixed_precision(mixed_precision):
    model = small_local(diffeomorphic=True)
    assert {model.get_layer(name).compute_dtype for name in ("velocity", "dvf", "inv_dvf")} == {"float32"}
    assert model.get_layer("unet").get_layer("start_0").compute_dtype == "bfloat16"


@pytest.mark.parametrize(("kind", "name"), [("global", "all"), ("local", "all")])
def test_the_same_seed_gives_the_same_network(kind, name):
    X = pairs(1, ODD)
    first, second, other = (answers(with_option(kind, name, random_state=seed), X)[1] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    if kind == "local":  # the global one starts at the identity whatever its weights
        assert (first != other).any()


def test_the_number_of_pairs_in_a_batch_is_free():
    model = with_random_weights(with_option("local", "all"))
    X = pairs(3, ODD)
    np.testing.assert_allclose(answers(model, X)[1][:1], answers(model, X[:1])[1], atol=1e-4)


@pytest.mark.parametrize("factory", [small_global, small_local])
class TestNormalization:
    @pytest.mark.parametrize(
        ("normalization", "class_name"),
        [("batch", "BatchNormalization"), ("group", "GroupNormalization"), ("layer", "LayerNormalization")],
    )
    def test_follows_each_convolution(self, factory, normalization, class_name):
        layers = convolutional_part(factory(normalization=normalization)).layers
        after = [type(b).__name__ for a, b in itertools.pairwise(layers) if type(a).__name__ == "Conv2D"]
        assert set(after) == {class_name} | ({"ZeroPadding2D"} if factory is small_local else set())

    def test_of_another_name_is_refused(self, factory):
        with pytest.raises(ValueError, match=r"one of batch, group, layer. Received: normalization='instance'$"):
            factory(normalization="instance")


def convolutional_part(model):
    return model.get_layer("unet") if model.name == "local" else model


class TestActivation:
    def test_takes_the_place_of_the_published_one(self):
        unet = small_local(activation="gelu").get_layer("unet")
        assert not [layer for layer in unet.layers if isinstance(layer, keras.layers.LeakyReLU)]
        assert unet.get_layer("start_0").activation is keras.activations.gelu

    def test_published_ones_are_the_defaults(self):
        assert small_global().get_layer("conv_0_0").activation is keras.activations.relu
        assert small_local().get_layer("unet").get_layer("start_0_relu").negative_slope == pytest.approx(0.2)

    @pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
    @pytest.mark.parametrize("factory", [small_global, small_local])
    @pytest.mark.parametrize("activation", ["rellu", lambda x: x, keras.layers.PReLU(), 3])
    def test_that_a_saved_model_would_not_find_is_refused(self, factory, activation):
        with pytest.raises(ValueError, match="activation must be the name of a Keras activation") as caught:
            factory(activation=activation)
        assert "\n" not in str(caught.value)


class TestEncoder:
    def test_takes_the_place_of_the_convolutions(self):
        encoder = small_encoder()
        model = small_global(ODD, encoder=encoder)
        assert not [layer for layer in model.layers if layer.name.startswith(("conv", "pool"))]
        assert model.count_params() == encoder.count_params() + (4 * 6 + 6) + (6 * 6 + 6)

    def test_keeps_the_weights_that_it_has(self):
        encoder = with_random_weights(small_encoder())
        before = [w.copy() for w in encoder.get_weights()]
        small_global(ODD, encoder=encoder)
        for a, b in zip(before, encoder.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("features", ["map", "vector"])
    def test_may_give_a_map_or_a_vector(self, features):
        layer = keras.layers.Conv2D(3, 3, strides=5) if features == "map" else keras.layers.GlobalMaxPooling2D()
        model = supervised_global_model_factory(encoder=layer, dense_layers=None, shape=ODD)
        _, dvf = model(pairs(1, ODD))
        np.testing.assert_allclose(dvf, 0, atol=1e-4)

    @pytest.mark.parametrize(
        ("encoder", "received"),
        [
            (keras.Sequential([keras.Input((*ODD, 3)), keras.layers.Flatten()]), "which says: "),
            (keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Flatten()]), "which says: "),
            (keras.layers.Reshape((ODD[0], -1)), "which gives features"),
            (np.mean, "Received: function"),
        ],
    )
    def test_that_does_not_fit_is_refused_in_one_line(self, encoder, received):
        with pytest.raises(ValueError, match=r"maps pairs \(None, 35, 51, 2\) to features") as caught:
            small_global(ODD, encoder=encoder)
        assert received in str(caught.value) or encoder is np.mean
        assert "\n" not in str(caught.value)


class TestInverseConsistency:
    def test_adds_to_the_loss_in_proportion_to_its_weight(self):
        X = pairs(1, ODD)

        def loss(**kwargs):
            model = with_random_weights(with_option("local", "published", losses=("mse", "mse_po"), **kwargs))
            return float(model.evaluate((X, X[..., ::-1]), targets(X, 2), verbose=0, return_dict=True)["loss"])

        none, one, two = loss(), loss(inverse_consistency=1.0), loss(inverse_consistency=2.0)
        assert one > none + 1e-3
        assert two - none == pytest.approx(2 * (one - none), rel=1e-3)

    def test_does_not_change_the_answers(self):
        X = pairs(1, ODD)
        plain, tied = (answers(with_random_weights(small_local(ODD, inverse_consistency=w)), X) for w in (0, 0.7))
        for a, b in zip(plain, tied, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)

    @pytest.mark.parametrize(
        "options",
        [
            {"inverse_consistency": -1},
            {"inverse_consistency": np.nan},
            {"inverse_consistency": 1, "compute_inv": False},
        ],
    )
    def test_that_cannot_be_is_refused(self, options):
        with pytest.raises(ValueError, match="inverse_consistency must be a weight of at least 0, and 0 without"):
            small_local(**options)
