"""Training a position network by the same loop."""

import os
import signal

import keras
import numpy as np
import pandas as pd
import pytest

from atlalign.errors import ModelError
from atlalign.ml_utils.callbacks.planes import score_planes
from atlalign.ml_utils.models import load_model
from atlalign.simulate import simulate_dataset
from atlalign.training import TrainingConfig, effective_config, fit, read_config, resume
from atlalign.training.config import belongs_to


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=8, shape=(48, 64), random_state=0)
    return path


def config(data, out, **changes):
    settings = {"epochs": 2, "validation_share": 0.3, "batch_size": 2, "filters": (2, 2), "dense_layers": (4,)}
    return TrainingConfig(kind="position", data=data, out=out, **{"seed": 1, "workers": 0, **settings, **changes})


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return fit(config(data, tmp_path_factory.mktemp("runs") / "run"))


def test_each_epoch_says_how_far_off_planes_are(run):
    table = pd.read_csv(run.history)
    assert {"loss", "val_loss", "waiting_share", "seconds"} <= set(table)
    assert (table["val_position_error_um"] <= table["val_position_error_p95_um"]).all()
    assert table["val_position_error_um"].between(1, 13200).all()
    assert table["val_tilt_error_degrees"].between(0, 45).all()


def test_a_run_leaves_models_and_curves_and_no_picture_of_fields(run):
    files = {path.name for path in run.path.iterdir()}
    assert files == {"best.keras", "last.keras", "config.toml", "curves.png", "history.csv", "provenance.json"}
    model = load_model(run.best_model)
    assert (model.input_shape, model.output_shape) == ((None, 48, 64, 1), (None, 3))


def test_the_settings_that_are_written_are_read_again(run):
    settings = read_config(run.config)
    assert (settings.kind, settings.losses, settings.filters) == ("position", (), (2, 2))


class CtrlC(keras.callbacks.Callback):
    """Press Ctrl-C after one step."""

    def on_train_batch_end(self, batch, logs=None):
        os.kill(os.getpid(), signal.SIGINT)


def test_interrupted_a_run_has_the_curve_of_one_that_never_was(data, run, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(config(data, tmp_path / "stopped"), callbacks=[CtrlC()])
    tables = [
        pd.read_csv(folder.history).drop(columns=["seconds", "waiting_share"])
        for folder in (run, resume(tmp_path / "stopped"))
    ]
    pd.testing.assert_frame_equal(*tables, rtol=1e-3)


def test_fine_tuning_starts_from_the_weights_and_keeps_a_frozen_encoder(data, run, tmp_path):
    tuned = fit(config(data, tmp_path / "tuned", epochs=1, init_from=run.best_model, freeze="encoder"))
    before, after = ({w.path: np.array(w) for w in load_model(f.best_model).weights} for f in (run, tuned))
    changed = {path for path in before if not np.array_equal(before[path], after[path])}
    assert changed
    assert not any(path.startswith("conv_") for path in changed)


def test_a_registration_network_is_no_start(data, tmp_path):
    small = {"losses": ("mse", "mse_po"), "epochs": 1, "workers": 0, "filters": (2,), "dense_layers": (2,)}
    other = fit(TrainingConfig(kind="global", data=data, out=tmp_path / "global", **small))
    with pytest.raises(ModelError, match="must take views"):
        fit(config(data, tmp_path / "run", init_from=other.best_model))


@pytest.mark.parametrize(
    "given",
    [
        {"losses": "mse,mse_po"},
        {"losses_weights": "1,2"},
        {"deformation": "both"},
        {"augmenter_mov": "augmenter_1"},
        {"global_model": "best.keras"},
        {"head": "votes"},
        {"normalization": "batch"},
        {"compute_inv": False},
        {"p_reg": 0.1},
    ],
    ids=str,
)
def test_a_setting_of_registration_networks_is_refused_in_one_line(given):
    with pytest.raises(ValueError, match="is a setting of the other network") as caught:
        effective_config("position", {"data": "pairs.h5", "out": "run", **given})
    assert "\n" not in str(caught.value)
    [name] = given
    assert not belongs_to(TrainingConfig.model_fields[name], "position")


def test_the_published_preset_is_of_registration_networks():
    with pytest.raises(ValueError, match="preset paper is of the registration networks"):
        effective_config("position", {"data": "pairs.h5", "out": "run"}, preset="paper")


def test_scores_are_those_of_the_planes():
    true = np.array([[0.5, 0.0, 0.0]] * 20, dtype=np.float32)
    found = true + np.array([[0.01, 0, 0]] * 19 + [[0.1, 0, 0]])
    scores = score_planes(true, found, 10000)
    assert scores["position_error_um"] == pytest.approx((19 * 100 + 1000) / 20, rel=1e-3)
    assert 100 <= scores["position_error_p95_um"] < 1000
    assert scores["tilt_error_degrees"] == 0
