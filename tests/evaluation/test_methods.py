"""Models and baselines as methods."""

import inspect
import sys

import keras
import numpy as np
import pytest

from atlalign import non_ml
from atlalign.base import DisplacementField
from atlalign.errors import AtlalignError, MissingExtraError, ModelError
from atlalign.evaluation import BASELINES, baseline_methods, baselines, evaluate_methods, model_methods
from atlalign.evaluation.prediction import as_prediction
from atlalign.metrics import inverse_consistency
from atlalign.ml_utils.models import merge_global_local, save_model
from atlalign.nn import supervised_global_model_factory, supervised_model_factory
from atlalign.registration import register_images

SHAPE = (48, 64)


@pytest.fixture(scope="module")
def global_model():
    model = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=SHAPE, random_state=0)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(weight + rng.normal(0, 0.01, weight.shape))
    return model


@pytest.fixture(scope="module")
def local_model():
    filters = [(4,)] * 5
    model = supervised_model_factory(*filters, compute_inv=True, diffeomorphic=True, shape=SHAPE, random_state=1)
    kernel, _ = model.get_layer("unet").get_layer("field").weights
    kernel.assign(20 * kernel)  # untrained, it would move by hundredths of a pixel
    return model


@pytest.fixture(scope="module")
def pair(source):
    pair = source.pair(0)
    return pair.reference, pair.moving


def ask(methods, name, pair):
    return as_prediction(methods[name](*pair), SHAPE, name)


def test_a_model_is_called_what_it_is(global_model, local_model):
    assert list(model_methods([global_model])) == ["global"]
    assert list(model_methods([local_model])) == ["local"]
    assert list(model_methods([merge_global_local(global_model, local_model)])) == ["merged"]
    assert list(model_methods([local_model, global_model])) == ["global", "global+local"]


def test_a_global_and_a_local_model_are_the_merged_one(global_model, local_model, pair):
    chain = ask(model_methods([global_model, local_model]), "global+local", pair)
    merged = ask(model_methods([merge_global_local(global_model, local_model)]), "merged", pair)
    assert np.abs(chain.deltas_xy).max() > 1
    np.testing.assert_allclose(merged.deltas_xy, chain.deltas_xy, atol=1e-4)
    np.testing.assert_allclose(merged.local_deltas_xy, chain.local_deltas_xy, atol=1e-4)


def test_the_local_one_sees_what_the_global_one_leaves(global_model, local_model, pair):
    reference, moving = pair
    df_global = DisplacementField.from_deltas_xy(ask(model_methods([global_model]), "global", pair).deltas_xy)
    left = reference, df_global.warp(moving)
    df_local = DisplacementField.from_deltas_xy(ask(model_methods([local_model]), "local", left).deltas_xy)
    chain = ask(model_methods([global_model, local_model]), "global+local", pair)
    np.testing.assert_allclose(chain.deltas_xy, df_global(df_local).deltas_xy, atol=1e-6)
    np.testing.assert_allclose(chain.local_deltas_xy, df_local.deltas_xy, atol=1e-6)


def test_inverses_undo_fields_also_of_two_models(global_model, local_model, pair):
    for models, name in (([local_model], "local"), ([global_model, local_model], "global+local")):
        found = ask(model_methods(models), name, pair)
        assert inverse_consistency(found.deltas_xy, found.inverse)[0] < 0.1
        assert inverse_consistency(found.deltas_xy, 0 * found.inverse)[0] > 0.3


def test_a_global_model_has_neither_an_inverse_nor_a_local_part(global_model, pair):
    found = ask(model_methods([global_model]), "global", pair)
    assert found.inverse is None
    assert found.local_deltas_xy is None


def test_saved_models_are_evaluated_on_pairs(global_model, local_model, source, tmp_path):
    for model in (global_model, local_model):
        save_model(model, tmp_path / f"{model.name}.keras", separate=False)
    methods = model_methods([tmp_path / "global.keras", tmp_path / "local.keras"])
    summary = evaluate_methods(methods, source, indexes=[0, 2], depths=(0,)).summary
    assert summary.index.tolist() == ["identity", "global", "global+local"]
    assert np.isfinite(summary.loc["global+local", "inverse_consistency_px_mean"])
    assert (summary["seconds_median"] > 0).all()


def test_two_models_of_one_kind_are_refused(local_model):
    with pytest.raises(ModelError, match=r"must be a global and a local one\. Received: 'local' \(local\), 'local'"):
        model_methods([local_model, local_model])


def test_a_merged_model_takes_no_other_beside_it(global_model, local_model):
    merged = merge_global_local(global_model, local_model)
    with pytest.raises(ModelError, match=r"'merged' \(merged\)"):
        model_methods([merged, local_model])


def test_a_model_of_another_size_gets_resized_images_as_when_it_registers(global_model):
    rng = np.random.default_rng(0)
    reference, moving = np.pad(rng.random((2, 30, 40), dtype=np.float32), ((0, 0), (15, 15), (20, 20)))
    answer = model_methods([global_model])["global"](reference, moving)
    expected = register_images(moving, reference, global_model=global_model).deltas_xy
    np.testing.assert_allclose(answer.deltas_xy, expected, atol=1e-3)


def test_a_model_that_is_missing_or_none_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.keras"):
        model_methods([tmp_path / "none.keras"])
    with pytest.raises(ModelError, match="A model must take pairs"):
        model_methods([keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])])


def test_a_model_that_learned_nan_is_refused(global_model, pair):
    broken = keras.models.clone_model(global_model)
    for weight in broken.weights:
        weight.assign(weight * np.nan)
    with pytest.raises(ModelError, match=r"must predict finite fields.*lower learning rate"):
        model_methods([broken])["global"](*pair)


def test_features_find_nothing_in_what_is_blank_or_unlike(pair):
    methods = baseline_methods(["features"])
    reference, _ = pair
    assert methods["features"](reference, np.zeros_like(reference)) is None
    noise = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    assert methods["features"](reference, noise) is None


def test_features_bring_an_image_back_to_itself(source):
    reference = source.atlas.reference_plane(6000, (160, 228))
    turned = DisplacementField.generate(reference.shape, "affine_simple", rotation=0.1)
    found = baseline_methods(["features"])["features"](reference, turned.warp(reference))
    assert np.abs(found(turned).deltas_xy)[40:120, 60:170].mean() < 1


@pytest.mark.parametrize(("name", "library"), [("ants", "ants"), ("elastix", "itk")])
def test_a_baseline_whose_library_is_missing_names_the_command_that_brings_it(monkeypatch, name, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'atlalign\[{name}\]'$"):
        baseline_methods([name])


def test_an_itk_without_elastix_is_not_enough(monkeypatch):
    monkeypatch.setitem(sys.modules, "itk", object())
    with pytest.raises(MissingExtraError, match="elastix"):
        baseline_methods(["elastix"])


def test_a_baseline_that_finds_nothing_says_so_and_a_bug_of_it_is_heard(monkeypatch, pair):
    def fails(reference, moving, random_state):
        raise AtlalignError("At least 8 features must match.")

    def breaks(reference, moving, random_state):
        raise KeyError("bug")

    monkeypatch.setattr(baselines.non_ml, "feature_based_registration", fails, raising=False)
    assert baseline_methods(["features"])["features"](*pair) is None
    monkeypatch.setattr(baselines.non_ml, "feature_based_registration", breaks, raising=False)
    with pytest.raises(KeyError):
        baseline_methods(["features"])["features"](*pair)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_are_called_as_they_can_be(name, pair):
    home, settings, *_ = baselines._BASELINES[name]
    inspect.signature(getattr(non_ml, home)).bind(*pair, **settings)


def test_ants_registers(source):
    pytest.importorskip("ants")
    reference = source.atlas.reference_plane(6000, (80, 114))
    turned = DisplacementField.generate(reference.shape, "affine_simple", rotation=0.1, translation_x=4)
    found = baseline_methods(["ants"])["ants"](reference, turned.warp(reference))
    left = found.deltas_xy - turned.pseudo_inverse().deltas_xy
    inside = reference > 0.1
    assert np.abs(left[inside]).mean() < np.abs(turned.deltas_xy[inside]).mean() / 3
