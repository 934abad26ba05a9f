"""Saving and loading models, and what a registration model is."""

import keras
import numpy as np
import pytest

from atlalign.errors import ModelError
from atlalign.ml_utils.models import check_is_registration_model, load_model, merge_global_local, save_model
from tests.nn.networks import answers, pairs, small_global, small_local, targets, with_random_weights

SHAPE = (32, 48)


@pytest.mark.parametrize("name", ["folder", "model.keras"])
@pytest.mark.parametrize("factory", [small_global, small_local])
def test_a_saved_model_computes_the_same(tmp_path, factory, name):
    model = with_random_weights(factory(SHAPE))
    save_model(model, tmp_path / name, separate=name == "folder")
    X = pairs(2, SHAPE)
    for a, b in zip(answers(model, X), answers(load_model(tmp_path / name), X), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_compiled_model_goes_on_training_where_it_stopped(tmp_path):
    model = small_global(SHAPE, optimizer="adam", losses=("mae&pearson", "vdclip2"))
    X = pairs(2, SHAPE)
    model.train_on_batch(X, targets(X, 1))
    save_model(model, tmp_path / "m.keras", separate=False)
    again = load_model(tmp_path / "m.keras", compile=True)
    losses = [float(m.train_on_batch(X, targets(X, 1))[0]) for m in (model, again)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert int(again.optimizer.iterations) == 2


class TestSaving:
    @pytest.mark.parametrize("name", ["folder", "model.keras"])
    def test_what_is_there_is_replaced_only_if_allowed(self, tmp_path, name):
        first, second = (with_random_weights(small_global(SHAPE), seed) for seed in (1, 2))
        save_model(first, tmp_path / name, separate=name == "folder")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            save_model(second, tmp_path / name, separate=name == "folder", overwrite=False)
        save_model(second, tmp_path / name, separate=name == "folder")
        X = pairs(1, SHAPE)
        np.testing.assert_array_equal(answers(load_model(tmp_path / name), X)[1], answers(second, X)[1])

    def test_a_folder_that_holds_other_things_is_written_into(self, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        save_model(small_global(SHAPE), tmp_path, overwrite=False)
        assert (tmp_path / "notes.txt").read_text() == "mine"
        assert load_model(tmp_path).name == "global"

    @pytest.mark.parametrize("name", ["folder", "model.keras"])
    def test_a_failure_leaves_what_was_there(self, tmp_path, name, monkeypatch):
        model = small_global(SHAPE)
        save_model(model, tmp_path / name, separate=name == "folder")
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

        def fail(path, *args, **kwargs):
            path.write_bytes(b"half")
            raise OSError("no space left on device")

        monkeypatch.setattr(model, "save_weights" if name == "folder" else "save", fail)
        with pytest.raises(OSError, match="no space left"):
            save_model(model, tmp_path / name, separate=name == "folder")
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    @pytest.mark.parametrize("name", ["m.h5", "m"])
    def test_one_file_of_another_form_is_refused_with_the_name_to_give(self, tmp_path, name):
        with pytest.raises(ValueError, match=r"must be called \*\.keras.*Call it m\.keras"):
            save_model(small_global(SHAPE), tmp_path / name, separate=False)

    def test_a_folder_called_as_a_file_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="Pass separate=False"):
            save_model(small_global(SHAPE), tmp_path / "m.keras")


class TestLoading:
    def test_a_missing_model_is_said_to_be_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="existing file or folder"):
            load_model(tmp_path / "none.keras")

    def test_a_file_of_another_kind(self, tmp_path):
        (tmp_path / "model.txt").write_text("x")
        with pytest.raises(ModelError, match=r"must be a \.keras or \.h5 file, or a folder"):
            load_model(tmp_path / "model.txt")

    def test_a_folder_without_a_model(self, tmp_path):
        with pytest.raises(ModelError, match=r"must hold one \.json and one \.h5 file"):
            load_model(tmp_path)

    def test_a_folder_keeps_no_losses(self, tmp_path):
        save_model(small_global(SHAPE), tmp_path / "m")
        with pytest.raises(ModelError, match="Pass compile=False"):
            load_model(tmp_path / "m", compile=True)

    def test_a_renamed_folder(self, tmp_path):
        save_model(small_global(SHAPE), tmp_path / "m")
        (tmp_path / "m").rename(tmp_path / "n")
        assert load_model(tmp_path / "n").name == "global"

    def test_the_old_form_that_keras_3_writes(self, tmp_path):
        model = with_random_weights(small_local(SHAPE))
        model.save(tmp_path / "m.h5")
        X = pairs(1, SHAPE)
        for a, b in zip(answers(model, X), answers(load_model(tmp_path / "m.h5"), X), strict=True):
            np.testing.assert_array_equal(a, b)


class TestRegistrationModels:
    def test_a_model_that_was_never_built_is_none(self):
        with pytest.raises(ModelError, match=r"Received: inputs \[\]"):
            check_is_registration_model(keras.Sequential([keras.layers.Dense(2)]))

    @pytest.mark.parametrize("expose_global", [False, True])
    def test_a_merged_model_is_one(self, expose_global):
        merged = merge_global_local(small_global(SHAPE), small_local(SHAPE), expose_global=expose_global)
        assert check_is_registration_model(merged) is merged
