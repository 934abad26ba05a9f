"""One step of each tiny network and one call of each layer, for a backend on which the whole suite would take long.

`tests/test_backends.py` runs this file, in a process of its own.
"""

import keras
import numpy as np
import pytest

from atlalign.ml_utils import layers
from atlalign.nn import add_annotation_output
from tests.nn.networks import ALL_OPTIONS, ODD, answers, inputs_of, pairs, targets, with_option, with_random_weights

MATRICES = np.tile(np.eye(2, 3, dtype="float32"), (2, 1, 1))
FIELDS = np.random.default_rng(0).normal(0, 2, (2, *ODD, 2)).astype("float32")
CALLS = {
    "Affine2DVF": (layers.Affine2DVF(ODD), MATRICES),
    "BilinearInterpolation": (layers.BilinearInterpolation(), [pairs(2, ODD), FIELDS]),
    "BilinearInterpolation, replicate": (layers.BilinearInterpolation("replicate"), [pairs(2, ODD), FIELDS]),
    "CentredAffine": (layers.CentredAffine(ODD), MATRICES),
    "DVFComposition": (layers.DVFComposition(), [FIELDS, FIELDS]),
    "DVFIntegration": (layers.DVFIntegration(), FIELDS),
    "ExtractMoving": (layers.ExtractMoving(), pairs(2, ODD)),
    "InverseConsistency": (layers.InverseConsistency(0.5), [FIELDS, -FIELDS]),
    "InvertAffine": (layers.InvertAffine(), MATRICES),
    "NoOp": (layers.NoOp(), FIELDS),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_layer_gives_finite_numbers_of_the_shape_that_it_promises(name):
    layer, inputs = CALLS[name]
    result = keras.ops.convert_to_numpy(layer(inputs))
    shapes = [x.shape for x in inputs] if isinstance(inputs, list) else inputs.shape
    assert result.shape == tuple(layer.compute_output_shape(shapes))
    assert np.isfinite(result).all()


def test_no_layer_is_left_out():
    classes = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    assert classes == {type(layer).__name__ for layer, _ in CALLS.values()}


@pytest.mark.parametrize(("kind", "name"), ALL_OPTIONS)
def test_a_network_trains(kind, name):
    model = with_option(kind, name, losses=("ncc_9&mse", "vector_distance"), optimizer="adam")
    X = pairs(2, ODD)
    before = [w.copy() for w in model.get_weights()]
    logs = model.train_on_batch(inputs_of(model, X), targets(X, len(model.outputs) - 1), return_dict=True)
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_a_network_learns_from_labels():
    model = with_random_weights(with_option("global", "centred"))
    with_labels = add_annotation_output(model, 3)
    with_labels.compile("adam", loss=[None, None, "mse"])
    X = pairs(2, ODD)
    annotation = np.random.default_rng(0).random((2, *ODD, 3)).astype("float32")
    before = answers(model, X)[1]
    with_labels.train_on_batch((X, annotation), (X[..., 1:], FIELDS, annotation[:, ::-1]))
    assert (before != answers(model, X)[1]).any()
