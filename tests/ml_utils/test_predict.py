"""Models as functions of two images."""

import keras
import numpy as np
import pytest

from atlalign import Atlas, Registrar, Section
from atlalign.errors import ModelError
from atlalign.ml_utils.models import merge_global_local, save_model
from atlalign.ml_utils.predict import Predictor
from atlalign.nn import supervised_global_model_factory, supervised_model_factory

SHAPE = (32, 48)


@pytest.fixture(scope="module")
def global_model():
    return supervised_global_model_factory(filters=(2,), dense_layers=None, shape=SHAPE)


@pytest.fixture(scope="module")
def local_model():
    return supervised_model_factory((2,), (2,), (2,), (2,), (2,), compute_inv=True, shape=SHAPE)


def _pair():
    return np.random.default_rng(0).random((2, *SHAPE), dtype=np.float32)


def test_the_field_is_the_models_own_output(local_model):
    reference, moving = _pair()
    forward = np.stack([reference, moving], axis=-1)[None]
    backward = forward[..., ::-1]
    expected = local_model.predict((forward, backward), verbose=0)[1][0]
    assert np.allclose(Predictor(local_model)(reference, moving), expected, atol=1e-5)


@pytest.mark.parametrize("diffeomorphic", [False, True])
def test_the_inverse_is_the_models_own_output(diffeomorphic):
    filters = [(2,)] * 5
    model = supervised_model_factory(*filters, compute_inv=True, diffeomorphic=diffeomorphic, shape=SHAPE)
    reference, moving = _pair()
    forward = np.stack([reference, moving], axis=-1)[None]
    expected = model.predict((forward, forward[..., ::-1]), verbose=0)[2][0]
    predict = Predictor(model)
    assert predict.has_inverse
    assert np.allclose(predict.inverse(reference, moving), expected, atol=1e-5)


def test_a_model_without_an_inverse_says_so(global_model):
    predict = Predictor(global_model)
    assert not predict.has_inverse
    assert predict.inverse(*_pair()) is None


def test_many_pairs_together_give_what_each_gives_alone(global_model, local_model):
    references, movings = np.random.default_rng(0).random((2, 20, *SHAPE), dtype=np.float32)  # more than go together
    for predict in (Predictor(global_model), Predictor(local_model)):
        alone = [predict(*pair) for pair in zip(references, movings, strict=True)]
        np.testing.assert_allclose(predict.batch(references, movings), alone, atol=1e-5)


def test_what_of_a_field_is_local(global_model, local_model, tmp_path):
    pair = _pair()
    assert Predictor(global_model).with_local_part(*pair)[1] is None
    local = Predictor(local_model)
    field, part = local.with_local_part(*pair)
    assert (field == part).all()
    save_model(merge_global_local(global_model, local_model), tmp_path / "m.keras", separate=False)
    merged = Predictor(tmp_path / "m.keras")
    assert merged.kind == "merged"
    # Untrained, the global model moves nothing: the local part is all.
    field, part = merged.with_local_part(*pair)
    assert np.allclose(part, local(*pair), atol=1e-4)
    assert np.allclose(field, part, atol=1e-4)


def test_a_saved_model_predicts_what_it_did(tmp_path, global_model):
    save_model(global_model, tmp_path / "g.keras", separate=False)
    reference, moving = _pair()
    loaded = Predictor(tmp_path / "g.keras", "global model")
    assert loaded.shape == SHAPE
    assert np.allclose(loaded(reference, moving), Predictor(global_model)(reference, moving), atol=1e-6)


def test_a_model_of_another_architecture_is_refused_in_one_line():
    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(ModelError, match="global model must take pairs") as caught:
        Registrar("phantom:100", global_model=other)
    assert "\n" not in str(caught.value)


def test_a_missing_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.keras"):
        Registrar("phantom:100", local_model=tmp_path / "no.keras")


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(ModelError, match=r"text\.keras"):
        Registrar("phantom:100", local_model=tmp_path / "text.keras")


def test_a_section_goes_through_both_models_on_a_canvas_of_their_shape(global_model, local_model):
    atlas = Atlas.load("phantom:100")
    section = Section(atlas.reference_plane(6000, (160, 228)), pixel_size_um=50)
    registrar = Registrar(atlas, global_model=global_model, local_model=local_model)
    registration = registrar.register(section, position_um=6000)
    assert registration.canvas.shape == registration.field.shape == SHAPE
    assert [step.name for step in registration.steps] == ["canvas", "global", "local"]
