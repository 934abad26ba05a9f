"""Networks with every option survive saving, merging and a change of their losses."""

import keras
import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.ml_utils.models import forward_model, load_model, merge_global_local, save_model
from tests.nn.networks import (
    ALL_OPTIONS,
    ODD,
    TRUSTED,
    answers,
    inputs_of,
    pairs,
    small_global,
    targets,
    with_option,
    with_random_weights,
    without_graph,
)


@pytest.mark.parametrize(
    ("kind", "name", "separate"), [(*option, False) for option in ALL_OPTIONS] + [("local", "all", True)]
)
def test_a_saved_network_computes_the_same(tmp_path, kind, name, separate):
    model = with_random_weights(with_option(kind, name))
    path = tmp_path / ("network" if separate else "network.keras")
    save_model(model, path, separate=separate)
    X = pairs(1, ODD)
    for a, b in zip(answers(model, X), answers(load_model(path, custom_objects=TRUSTED), X), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("kind", "name"), [("local", "all"), ("global", "encoder")])
def test_a_saved_network_goes_on_training(tmp_path, kind, name):
    model = with_option(kind, name, losses=("ncc_9", "vdclip2"), optimizer="adam")
    X = pairs(2, ODD)
    batch = inputs_of(model, X), targets(X, len(model.outputs) - 1)
    model.train_on_batch(*batch)
    save_model(model, tmp_path / "network.keras", separate=False)
    again = without_graph(load_model(tmp_path / "network.keras", compile=True))
    logs = [m.train_on_batch(*batch, return_dict=True) for m in (model, again)]
    assert logs[0].keys() == logs[1].keys()
    for name in logs[0]:
        assert float(logs[1][name]) == pytest.approx(float(logs[0][name]), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", ["diffeomorphic", "all"])
def test_merged_field_is_global_of_local(tmp_path, name):
    model_g = with_random_weights(small_global(ODD, centred=True, normalization="group"), 1, scale=0.02)
    model_l = with_random_weights(with_option("local", name), 2)
    X = pairs(1, ODD)
    image_g, dvf_g = answers(model_g, X)
    seen = np.concatenate([X[..., :1], image_g], axis=-1)
    dvf_l = keras.ops.convert_to_numpy(forward_model(model_l)(seen)[1])
    expected = DisplacementField.from_deltas_xy(dvf_g[0])(DisplacementField.from_deltas_xy(dvf_l[0])).deltas_xy
    assert min(np.abs(dvf_g).max(), np.abs(dvf_l).max()) > 0.1
    merged = merge_global_local(model_g, model_l)
    np.testing.assert_allclose(answers(merged, X)[1][0], expected, atol=1e-3)
    save_model(merged, tmp_path / "merged.keras", separate=False)
    np.testing.assert_array_equal(answers(load_model(tmp_path / "merged.keras"), X)[1], answers(merged, X)[1])
