"""Training: interruptions between two writes, losses that diverge, datasets that move."""

import shutil

import pandas as pd
import pytest

from atlalign.ml_utils import callbacks
from atlalign.simulate import simulate_dataset
from atlalign.training import TrainingConfig, fit, resume


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=6, shape=(48, 64), random_state=0)
    return path


def config(data, out, **changes):
    settings = {"losses": ("mse", "mse_po"), "epochs": 2, "validation_share": 0.3, "batch_size": 2, "seed": 1}
    return TrainingConfig(kind="global", data=data, out=out, **{**settings, **changes})


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@pytest.mark.parametrize("write", [0, 1, 2, 3])
def test_killed_between_any_two_writes_a_run_ends_as_if_it_never_was(data, tmp_path, monkeypatch, write):
    whole = fit(config(data, tmp_path / "whole"))
    writes = iter(range(100))
    original = callbacks.save_model

    def save_or_die(*args, **kwargs):
        if next(writes) == write:
            raise Killed
        original(*args, **kwargs)

    monkeypatch.setattr(callbacks, "save_model", save_or_die)
    try:
        fit(config(data, tmp_path / "killed"))
    except Killed:
        pass
    else:
        pytest.skip("fewer writes than that")
    monkeypatch.setattr(callbacks, "save_model", original)
    again = resume(tmp_path / "killed")
    tables = [pd.read_csv(folder.history).drop(columns="seconds") for folder in (whole, again)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4)
    assert _weights(again.best_model) == pytest.approx(_weights(whole.best_model), rel=1e-3)


def _weights(path):
    from atlalign.ml_utils.models import load_model

    return [float(abs(weight).sum()) for weight in load_model(path).get_weights()]


def test_a_loss_that_diverges_stops_the_run_and_leaves_the_folder_free(data, tmp_path):
    diverging = config(data, tmp_path / "run", learning_rate=1e30, optimizer="sgd")
    with pytest.raises(ArithmeticError, match="must stay finite"):
        fit(diverging)
    fit(config(data, tmp_path / "run", epochs=1))


def test_a_run_finds_its_dataset_where_it_was_moved_to(data, tmp_path):
    shutil.copy(data, tmp_path / "old.h5")
    fit(config(tmp_path / "old.h5", tmp_path / "run", epochs=1))
    (tmp_path / "old.h5").rename(tmp_path / "new.h5")
    folder = resume(tmp_path / "run", {"data": tmp_path / "new.h5", "epochs": 2})
    assert len(folder.read_history()) == 2


def test_the_same_dataset_by_another_name_is_the_same(data, tmp_path, monkeypatch):
    fit(config(data, tmp_path / "run", epochs=1))
    monkeypatch.chdir(data.parent)
    assert len(resume(tmp_path / "run", {"data": data.name, "epochs": 1}).read_history()) == 1


def test_a_run_is_not_resumed_backwards(data, tmp_path):
    fit(config(data, tmp_path / "run"))
    with pytest.raises(ValueError, match=r"fewer epochs than it was trained for \(2\)"):
        resume(tmp_path / "run", {"epochs": 1})


def test_a_folder_in_the_place_of_a_model_is_found_before_training(data, tmp_path):
    (tmp_path / "run" / "best.keras").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=r"best\.keras"):
        fit(config(data, tmp_path / "run"))
