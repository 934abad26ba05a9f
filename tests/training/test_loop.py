"""Training: interruptions, losses that diverge, datasets that move, going on as if nothing had happened."""

import hashlib
import json
import os
import shutil
import signal

import keras
import numpy as np
import pandas as pd
import pytest

from atlalign._parts import alone_in
from atlalign.errors import AtlalignError, ModelError
from atlalign.ml_utils.callbacks import ProgressReport, recorder
from atlalign.ml_utils.models import load_model
from atlalign.simulate import simulate_dataset
from atlalign.training import TrainingConfig, effective_config, fit, resume


def config(data, out, **changes):
    settings = {
        "losses": ("mse", "mse_po"),
        "epochs": 2,
        "validation_share": 0.3,
        "batch_size": 2,
        "seed": 1,
        "filters": (2, 2),
        "dense_layers": (4,),
        "workers": 0,
    }
    return TrainingConfig(kind="global", data=data, out=out, **{**settings, **changes})


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@pytest.mark.parametrize("write", [0, 1, 2, 3])
def test_killed_between_any_two_writes_a_run_ends_as_if_it_never_was(data, tmp_path, monkeypatch, write):
    whole = fit(config(data, tmp_path / "whole"))
    writes = iter(range(100))

    def or_die(original):
        def save(*args, **kwargs):
            if next(writes) == write:
                raise Killed
            original(*args, **kwargs)

        return save

    for name in ("save_model", "save_checkpoint"):
        monkeypatch.setattr(recorder, name, or_die(getattr(recorder, name)))
    try:
        fit(config(data, tmp_path / "killed"))
    except Killed:
        pass
    else:
        pytest.skip("fewer writes than that")
    monkeypatch.undo()
    again = resume(tmp_path / "killed")
    _assert_same_curve(whole, again)
    assert _weights(again.best_model) == pytest.approx(_weights(whole.best_model), rel=1e-3)


def _assert_same_curve(*folders):
    tables = [pd.read_csv(folder.history).drop(columns=["seconds", "waiting_share"]) for folder in folders]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4)


class CtrlC(keras.callbacks.Callback):
    """Press Ctrl-C after so many steps in all."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if not self.steps:
            os.kill(os.getpid(), signal.SIGINT)


EXTRAS = {
    "plain": {},
    "schedule and average": {"schedule": "cosine", "warmup_epochs": 0.5, "ema": 0.5, "clip_norm": 5.0},
    "deformed and augmented": {"deformation": "both", "augmenter_mov": "augmenter_1", "learning_rate": 1e-4},
}


@pytest.mark.parametrize("extras", EXTRAS.values(), ids=EXTRAS)
def test_interrupted_within_epochs_a_run_has_the_curve_of_one_that_never_was(data, tmp_path, extras):
    whole = fit(config(data, tmp_path / "whole", epochs=3, **extras))
    with pytest.raises(KeyboardInterrupt):
        fit(config(data, tmp_path / "stopped", epochs=3, **extras), callbacks=[CtrlC(1)])
    with pytest.raises(KeyboardInterrupt):
        resume(tmp_path / "stopped", callbacks=[CtrlC(2)])
    again = resume(tmp_path / "stopped")
    _assert_same_curve(whole, again)
    assert _weights(again.last_model) == pytest.approx(_weights(whole.last_model), rel=1e-3)
    assert _weights(again.best_model) == pytest.approx(_weights(whole.best_model), rel=1e-3)


def test_a_run_that_goes_on_within_an_epoch_shows_how_many_there_are(data, tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        fit(config(data, tmp_path / "run", epochs=3), callbacks=[CtrlC(1)])
    resume(tmp_path / "run", callbacks=[ProgressReport()])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Epoch")]
    assert [line.split(":")[0] for line in lines] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    assert all("validation: loss" in line and len(line) < 160 for line in lines)


def test_ctrl_c_is_given_back_after_a_training(data, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    fit(config(data, tmp_path / "run", epochs=1))
    assert signal.getsignal(signal.SIGINT) is before


def test_saving_within_an_epoch_keeps_its_steps_after_a_kill(data, tmp_path, monkeypatch):
    from atlalign.ml_utils.checkpoint import load_checkpoint

    class Kill(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                raise Killed

    with pytest.raises(Killed):
        fit(config(data, tmp_path / "run", checkpoint_minutes=1e-9), callbacks=[Kill()])
    _, state = load_checkpoint(tmp_path / "run" / "last.keras")
    assert (state.epoch, state.step) == (0, 1)


def test_the_average_of_the_weights_is_what_is_validated_and_kept(data, tmp_path):
    folder = fit(config(data, tmp_path / "run", epochs=1, ema=0.999, learning_rate=0.1, optimizer="sgd"))
    start = fit(config(data, tmp_path / "start", epochs=1, learning_rate=1e-12))
    distance = [
        sum(abs(a - b) for a, b in zip(_weights(path), _weights(start.best_model), strict=True))
        for path in (folder.best_model, folder.last_model)
    ]
    assert distance[0] < 0.1 * distance[1]


def test_training_stops_early_and_stays_stopped(data, tmp_path):
    folder = fit(config(data, tmp_path / "run", epochs=6, early_stopping=1, learning_rate=1e-12))
    rows = folder.read_history()
    assert len(rows) < 6
    assert len(resume(tmp_path / "run").read_history()) == len(rows)


def test_the_configuration_of_a_run_repeats_it(data, tmp_path):
    first = fit(config(data, tmp_path / "first"))
    repeated = effective_config("global", {"out": tmp_path / "second"}, first.config)
    _assert_same_curve(first, fit(repeated))


def test_a_run_says_what_it_was_made_with(data, tmp_path):
    details = json.loads(fit(config(data, tmp_path / "run", epochs=1)).provenance.read_text())
    assert details["data"] == {str(data): hashlib.sha256(data.read_bytes()).hexdigest()}
    assert details["packages"]["keras"] == keras.__version__
    assert details["seed"] == 1


def test_a_run_is_not_resumed_on_other_data(data, tmp_path):
    shutil.copy(data, tmp_path / "mine.h5")
    fit(config(tmp_path / "mine.h5", tmp_path / "run", epochs=1))
    simulate_dataset(tmp_path / "mine.h5", "phantom:100", n=6, shape=(48, 64), random_state=5)
    with pytest.raises(AtlalignError, match="keeps its data"):
        resume(tmp_path / "run", {"epochs": 2})


def test_fine_tuning_starts_from_the_weights_and_keeps_a_frozen_encoder(data, tmp_path):
    first = fit(config(data, tmp_path / "first", epochs=1))
    tuned = fit(config(data, tmp_path / "tuned", epochs=1, init_from=first.best_model, freeze="encoder"))
    before, after = ({w.path: np.array(w) for w in load_model(f.best_model).weights} for f in (first, tuned))
    changed = {path for path in before if not np.array_equal(before[path], after[path])}
    assert changed
    assert not any("conv_" in path for path in changed)


def test_a_model_of_another_size_is_no_start(data, tmp_path):
    from atlalign.nn import supervised_global_model_factory

    model = supervised_global_model_factory(filters=(2,), shape=(16, 32))
    model.save(tmp_path / "small.keras")
    with pytest.raises(ModelError, match=r"of the dataset's image size, \(48, 64\)"):
        fit(config(data, tmp_path / "run", init_from=tmp_path / "small.keras"))


@pytest.mark.parametrize("precision", ["mixed_bfloat16"])
def test_mixed_precision_is_of_the_run_alone(data, tmp_path, precision):
    folder = fit(config(data, tmp_path / "run", epochs=1, precision=precision))
    model = load_model(folder.best_model)
    assert model.get_layer("conv_0_0").compute_dtype == "bfloat16"
    assert model.get_layer("dvf").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def _weights(path):
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


def test_two_trainings_do_not_share_a_folder(data, tmp_path):
    with (
        alone_in(tmp_path / "run"),
        pytest.raises(AtlalignError, match=r"one job at a time .* Received: .*run, at which another job"),
    ):
        fit(config(data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_finished_run_leaves_no_lock(data, tmp_path):
    folder = fit(config(data, tmp_path / "run", epochs=1))
    assert [path.name for path in folder.path.iterdir() if path.name.startswith(".")] == []
