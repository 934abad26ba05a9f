"""`merge_global_local`: one model whose field is global(local), whatever the two are made of."""

import keras
import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.errors import ModelError
from atlalign.ml_utils.layers import DVFComposition
from atlalign.ml_utils.models import forward_model, load_model, merge_global_local, save_model
from tests.nn.networks import answers, pairs, small_global, small_local, with_random_weights

SHAPE = (35, 51)
LOCAL: dict[str, dict] = {
    "published": {},
    "no inverse": {"compute_inv": False},
    "diffeomorphic": {"diffeomorphic": True},
    "group normalisation": {"normalization": "group", "activation": "gelu"},
}


def arrays(outputs):
    return [keras.ops.convert_to_numpy(output) for output in outputs]


def by_hand(model_g, model_l, X):
    """Image and field of the global model, field of the local model on what it sees then."""
    image_g, dvf_g = arrays(forward_model(model_g)(X))
    dvf_l = arrays(forward_model(model_l)(np.concatenate([X[..., :1], image_g], axis=-1)))[1]
    return image_g, dvf_g, dvf_l


@pytest.fixture(scope="module")
def model_g():
    return with_random_weights(small_global(SHAPE, centred=True), 1, scale=0.02)


@pytest.fixture(scope="module", params=LOCAL)
def model_l(request):
    return with_random_weights(small_local(SHAPE, **LOCAL[request.param]), 2)


@pytest.fixture
def merged(model_g, model_l):
    return merge_global_local(model_g, model_l)


X = pairs(1, SHAPE)


class TestMerged:
    def test_field_is_global_of_local(self, model_g, model_l, merged):
        _, dvf_g, dvf_l = by_hand(model_g, model_l, X)
        assert min(np.abs(dvf_g).max(), np.abs(dvf_l).max()) > 0.1
        field = DisplacementField.from_deltas_xy(dvf_g[0])(DisplacementField.from_deltas_xy(dvf_l[0]))
        layer = keras.ops.convert_to_numpy(DVFComposition()([dvf_g, dvf_l]))
        np.testing.assert_allclose(answers(merged, X)[1][0], field.deltas_xy, atol=1e-3)
        np.testing.assert_allclose(answers(merged, X)[1], layer, atol=1e-3)

    def test_image_is_the_moving_one_warped_once(self, merged):
        image, dvf = answers(merged, X)
        expected = DisplacementField.from_deltas_xy(dvf[0]).warp(X[0, ..., 1])
        np.testing.assert_allclose(image[0, ..., 0], expected, atol=1e-4)

    @pytest.mark.parametrize("name", ["folder", "model.keras"])
    def test_survives_saving(self, merged, tmp_path, name):
        save_model(merged, tmp_path / name, separate=name == "folder")
        for a, b in zip(answers(merged, X), answers(load_model(tmp_path / name), X), strict=True):
            np.testing.assert_array_equal(a, b)


class TestExposed:
    def test_global_outputs_come_last(self, model_g):
        exposed = merge_global_local(model_g, small_local(SHAPE), expose_global=True)
        assert exposed.output_names == ["img_registered", "dvf", "img_global", "dvf_global"]
        for a, b in zip(answers(exposed, X)[2:], answers(model_g, X), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_they_survive_saving(self, model_g, tmp_path):
        exposed = merge_global_local(model_g, small_local(SHAPE), expose_global=True)
        save_model(exposed, tmp_path / "m")
        for a, b in zip(answers(exposed, X), answers(load_model(tmp_path / "m"), X), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.fixture
def policy():
    """Sets the global dtype policy, for one test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def test_models_of_two_precisions_are_joined_in_full_precision(model_g, policy):
    policy("mixed_bfloat16")
    model_l = with_random_weights(small_local(SHAPE), 2)
    merged = merge_global_local(model_g, model_l)
    _, dvf_g, dvf_l = by_hand(model_g, model_l, X)
    expected = DisplacementField.from_deltas_xy(dvf_g[0])(DisplacementField.from_deltas_xy(dvf_l[0])).deltas_xy
    image, dvf = answers(merged, X)
    assert image.dtype == dvf.dtype == np.float32
    np.testing.assert_allclose(dvf[0], expected, atol=1e-3)
    np.testing.assert_allclose(image[0, ..., 0], DisplacementField.from_deltas_xy(dvf[0]).warp(X[0, ..., 1]), atol=1e-4)


def test_the_weights_stay_shared(model_g):
    model_l = small_local(SHAPE)
    merged = merge_global_local(model_g, model_l)
    before = answers(merged, X)[1]
    with_random_weights(model_l, 3, scale=0.5)
    assert np.abs(answers(merged, X)[1] - before).max() > 0.1


def test_a_model_can_be_merged_with_itself(model_g):
    composed = answers(merge_global_local(model_g, model_g), X)[1]
    assert composed.shape == (1, *SHAPE, 2)


def test_models_of_two_sizes_are_refused(model_g):
    with pytest.raises(ModelError, match=r"one image size. Received: \(35, 51\) and \(32, 48\)"):
        merge_global_local(model_g, small_local((32, 48)))


def test_other_models_are_refused(model_g):
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ModelError, match="A local model must take pairs"):
        merge_global_local(model_g, other)
