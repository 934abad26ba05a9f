"""Networks that labels supervise: the annotation is warped by the predicted field."""

import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.errors import ModelError
from atlalign.ml_utils.losses import dice
from atlalign.ml_utils.models import load_model, merge_global_local, save_model
from atlalign.nn import add_annotation_output
from tests.nn.networks import (
    ODD,
    inputs_of,
    pairs,
    small_encoder,
    small_global,
    small_local,
    with_random_weights,
    without_graph,
)


def annotations(n=1, k=3, seed=0):
    return np.eye(k, dtype="float32")[np.random.default_rng(seed).integers(k, size=(n, *ODD))]


def answers(model, X, annotation):
    inputs = inputs_of(model, X) if len(model.inputs) == 1 else [X, X[..., ::-1]][: len(model.inputs) - 1]
    return [np.asarray(x) for x in model([*inputs, annotation])]


@pytest.mark.parametrize("options", [{}, {"compute_inv": False}, {"diffeomorphic": True}])
def test_annotation_is_warped_by_the_field(options):
    model = with_random_weights(small_local(ODD, **options))
    X, annotation = pairs(1, ODD), annotations()
    _, dvf, *_, warped = answers(add_annotation_output(model, 3), X, annotation)
    field = DisplacementField.from_deltas_xy(dvf[0])
    assert field.norm.max() > 0.1
    for channel in range(3):
        np.testing.assert_allclose(warped[0, ..., channel], field.warp(annotation[0, ..., channel]), atol=1e-4)


def test_names_say_what_is_new():
    model = add_annotation_output(small_local(ODD), 5)
    assert [x.name for x in model.inputs] == ["reg_mov", "mov_reg", "annotation"]
    assert model.output_names == ["img_registered", "dvf", "inv_dvf", "annotation_registered"]
    assert model.output_shape[-1] == (None, *ODD, 5)


def test_labels_alone_train_the_network():
    model = small_global(ODD, centred=True)
    with_labels = add_annotation_output(model, 3)
    with_labels.compile("adam", loss=[None, None, dice])
    without_graph(with_labels)
    before = [w.copy() for w in model.get_weights()]
    X, annotation = pairs(2, ODD), annotations(2)
    logs = with_labels.fit((X, annotation), (X[..., 1:], X, annotations(2, seed=1)), verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_a_merged_model_takes_labels_too():
    merged = merge_global_local(small_global(ODD), small_local(ODD))
    assert add_annotation_output(merged, 2).output_shape[-1] == (None, *ODD, 2)


def test_it_survives_saving(tmp_path):
    model = add_annotation_output(with_random_weights(small_local(ODD, inverse_consistency=0.1)), 3)
    save_model(model, tmp_path / "labels.keras", separate=False)
    X, annotation = pairs(1, ODD), annotations()
    again = load_model(tmp_path / "labels.keras")
    for a, b in zip(answers(model, X, annotation), answers(again, X, annotation), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_structures", [0, -1, 1.5])
def test_a_number_of_structures_that_cannot_be_is_refused(n_structures):
    with pytest.raises(ValueError, match="n_structures must be a positive integer"):
        add_annotation_output(small_global(ODD), n_structures)


def test_other_models_are_refused():
    with pytest.raises(ModelError, match="must take pairs"):
        add_annotation_output(small_encoder(), 3)
