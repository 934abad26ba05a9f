"""Saving, loading and merging models."""

import keras
import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.errors import ModelError
from atlalign.ml_utils.models import forward_model, load_model, merge_global_local, save_model
from tests.test_nn import pairs, small_global, small_local, targets


def with_random_weights(model, seed=0, scale=0.02):
    """A model that predicts a field worth looking at."""
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.normal(0, scale, w.shape) for w in model.get_weights()])
    return model


def answers(model, n_inputs=1):
    X = pairs()
    return [keras.ops.convert_to_numpy(x) for x in model(X if n_inputs == 1 else [X, X[..., ::-1]])]


@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize(("factory", "n_inputs"), [(small_global, 1), (small_local, 2)])
def test_a_saved_model_computes_the_same(tmp_path, factory, n_inputs, separate):
    model = with_random_weights(factory())
    path = tmp_path / ("folder" if separate else "model.keras")
    save_model(model, path, separate=separate)
    for a, b in zip(answers(model, n_inputs), answers(load_model(path), n_inputs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_compiled_model_goes_on_training_where_it_stopped(tmp_path):
    model = small_local(optimizer="adam", losses=("mae&ncc_9", "vdclip2", "mse_po&grad"))
    X = pairs()
    model.train_on_batch((X, X[..., ::-1]), targets(X, 2))
    save_model(model, tmp_path / "m.keras", separate=False)
    again = load_model(tmp_path / "m.keras", compile=True)
    losses = [float(m.train_on_batch((X, X[..., ::-1]), targets(X, 2))[0]) for m in (model, again)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert int(again.optimizer.iterations) == 2


def test_saving_refuses_to_replace_when_told(tmp_path):
    save_model(small_global(), tmp_path / "m.keras", separate=False)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_model(small_global(), tmp_path / "m.keras", separate=False, overwrite=False)


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04broken"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "m.keras"
    path.write_bytes(content)
    with pytest.raises(ModelError) as raised:
        load_model(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_model_that_runs_code_of_its_own_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "evil.keras")
    with pytest.raises(ModelError):
        load_model(tmp_path / "evil.keras")


def test_a_missing_model_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="existing file or folder"):
        load_model(tmp_path / "none.keras")


def test_a_model_that_was_never_built_is_no_registration_model():
    from atlalign.ml_utils.models import check_is_registration_model

    with pytest.raises(ModelError, match=r"Received: inputs \[\]"):
        check_is_registration_model(keras.Sequential([keras.layers.Dense(2)]))


class TestMerge:
    def merged(self, **kwargs):
        return (
            with_random_weights(small_global(centred=True), 1),
            with_random_weights(small_local(), 2),
            kwargs,
        )

    def test_field_is_global_of_local(self):
        model_g, model_l, _ = self.merged()
        X = pairs(1)
        image_g, dvf_g = (keras.ops.convert_to_numpy(x) for x in model_g(X))
        seen = np.concatenate([X[..., :1], image_g], axis=-1)
        dvf_l = keras.ops.convert_to_numpy(forward_model(model_l)(seen)[1])
        expected = DisplacementField.from_deltas_xy(dvf_g[0])(DisplacementField.from_deltas_xy(dvf_l[0]))
        actual = keras.ops.convert_to_numpy(merge_global_local(model_g, model_l)(X)[1])[0]
        assert np.abs(expected.deltas_xy).max() > 0.5
        np.testing.assert_allclose(actual, expected.deltas_xy, atol=1e-3)

    def test_image_is_interpolated_once(self):
        model_g, model_l, _ = self.merged()
        X = pairs(1)
        image, dvf = (keras.ops.convert_to_numpy(x)[0] for x in merge_global_local(model_g, model_l)(X))
        expected = DisplacementField.from_deltas_xy(dvf).warp(X[0, ..., 1])
        np.testing.assert_allclose(image[..., 0], expected, atol=1e-4)

    def test_global_outputs_are_exposed_and_survive_saving(self, tmp_path):
        model_g, model_l, _ = self.merged()
        merged = merge_global_local(model_g, model_l, expose_global=True)
        assert merged.output_names == ["img_registered", "dvf", "img_global", "dvf_global"]
        save_model(merged, tmp_path / "merged.keras", separate=False)
        for a, b in zip(answers(merged), answers(load_model(tmp_path / "merged.keras")), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_models_of_two_sizes_are_refused(self):
        from atlalign.nn import supervised_global_model_factory

        other = supervised_global_model_factory((4,), None, shape=(16, 16))
        with pytest.raises(ModelError, match="of one image size"):
            merge_global_local(other, small_local())
