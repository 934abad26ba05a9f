"""What a run shows while it trains: scores, pictures, other tools' logs."""

import sys

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest

from atlalign.errors import MissingExtraError
from atlalign.evaluation import score_pair
from atlalign.ml_utils.callbacks.mlflow import MLFlowCallback
from atlalign.ml_utils.callbacks.validation import score_samples
from atlalign.ml_utils.io import SupervisedGenerator
from atlalign.ml_utils.models import load_model
from atlalign.nn import supervised_global_model_factory
from atlalign.training import TrainingConfig, fit

SMALL = {
    "losses": ("mse", "mse_po"),
    "epochs": 1,
    "batch_size": 2,
    "filters": (2, 2),
    "dense_layers": (4,),
    "workers": 0,
}


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return fit(TrainingConfig(kind="global", data=data, out=out, tensorboard=True, **SMALL))


def test_the_history_says_what_errors_mean(run):
    row = pd.read_csv(run.history).iloc[-1]
    px_um = 8000 / 48, 11400 / 64  # the phantom's slice on the images' grid
    assert px_um[0] < row["val_endpoint_error_um"] / row["val_endpoint_error_px"] < px_um[1]
    assert 0 <= row["val_dice_depth_2"] <= 1
    assert row["val_nonpositive_jacobian_percent"] == 0
    assert 0 <= row["waiting_share"] <= 1


def test_the_endpoint_error_in_px_is_the_one_of_keras(data, run):
    row = pd.read_csv(run.history).iloc[-1]
    assert row["val_endpoint_error_px"] == pytest.approx(row["val_dvf_endpoint_error"], rel=1e-3)


def test_scores_of_a_model_that_moves_nothing_are_those_of_the_identity(data):
    generator = SupervisedGenerator(data, batch_size=4)
    identity = supervised_global_model_factory((2,), (2,), shape=(48, 64))
    scores = score_samples(identity, generator, range(6), depths=(2,))
    expected = np.mean([np.hypot(*np.moveaxis(generator.source.pair(i).deltas_xy, -1, 0)).mean() for i in range(6)])
    assert scores["endpoint_error_px"] == pytest.approx(expected, rel=1e-5)


def test_a_perfect_field_has_no_error_and_full_overlap():
    field = np.zeros((8, 8, 2))
    annotation = np.tile([7, 7, 7, 7, 9, 9, 9, 9], (8, 1))
    scores = score_pair(
        field,
        field,
        pixel_um=(25, 25),
        annotation=annotation,
        structures={"id": 7, "children": [{"id": 9}]},
        depths=(1,),
    )
    assert scores["endpoint_error_px"] == 0
    assert scores["dice_depth_1"] == 1


@pytest.mark.parametrize("name", ["batch", "preview", "curves"])
def test_pictures_are_drawn(run, name):
    picture = iio.imread(getattr(run, name))
    assert picture.shape[0] > 100
    assert picture[..., :3].std() > 10


def test_tensorboard_gets_numbers_and_the_preview(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.tensorboard))
    events.Reload()
    assert events.Scalars("val_loss")[0].value == pytest.approx(pd.read_csv(run.history)["val_loss"][0], rel=1e-5)
    assert len(events.Images("preview")) == 1


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    yield mlflow
    while mlflow.active_run():
        mlflow.end_run()


def test_mlflow_gets_settings_numbers_and_files(data, tmp_path, mlflow):
    fit(TrainingConfig(kind="global", data=data, out=tmp_path / "run", mlflow=True, **SMALL))
    logged = mlflow.search_runs(search_all_experiments=True, output_format="list")[0]
    assert logged.data.params["epochs"] == "1"
    assert np.isfinite(logged.data.metrics["val_loss"])
    names = {item.path for item in mlflow.MlflowClient().list_artifacts(logged.info.run_id)}
    assert {"best.keras", "history.csv", "preview.png"} <= names


def test_the_callback_of_old_scripts_logs_scores_every_so_many_batches(data, tmp_path, mlflow):
    for name, indexes in (("train.npy", [0, 1]), ("val.npy", [4])):
        np.save(tmp_path / name, indexes)
    model = supervised_global_model_factory((2,), (2,), ("mse", "mse_po"), shape=(48, 64))
    with mlflow.start_run() as active:
        callback = MLFlowCallback(data, tmp_path / "train.npy", tmp_path / "val.npy", freq=2, starting_step=10)
        model.fit(SupervisedGenerator(data, batch_size=2, indexes=[0, 1, 2, 3]), callbacks=[callback], verbose=0)
    history = mlflow.MlflowClient().get_metric_history(active.info.run_id, "val_endpoint_error_px")
    assert [point.step for point in history] == [10, 12]


def test_without_the_extra_nothing_is_begun(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match="mlflow"):
        fit(TrainingConfig(kind="global", data=data, out=tmp_path / "run", mlflow=True, **SMALL))
    assert not (tmp_path / "run").exists()


def test_a_local_network_learns_what_a_global_one_leaves(data, run, tmp_path):
    from atlalign.pairs import PairSource
    from atlalign.training.data import place_by

    source = PairSource([data])
    placements = place_by(run.best_model, source, lambda items: items)
    model = load_model(run.best_model)
    pair = source.pair(2)
    image, field = model.predict_on_batch(np.stack([pair.reference, pair.moving], axis=-1)[None])
    placed = PairSource([data], placements=placements).pair(2)
    np.testing.assert_allclose(placed.moving, image[0, ..., 0], atol=2e-3)
    # global(what is left) is the label.
    from atlalign.base import DisplacementField

    whole = DisplacementField.from_deltas_xy(field[0])(DisplacementField.from_deltas_xy(placed.deltas_xy))
    inner = np.s_[12:-12, 16:-16]
    assert np.abs(whole.deltas_xy - pair.deltas_xy)[inner].max() < 0.1


def test_a_local_network_trains_after_a_global_one(data, run, tmp_path):
    few = dict.fromkeys(("downsample_filters", "upsample_filters", "end_filters"), (2, 2))
    settings = {"losses": ("mse", "mse_po"), "epochs": 1, "batch_size": 2, "workers": 0, "global_model": run.best_model}
    folder = fit(TrainingConfig(kind="local", data=data, out=tmp_path / "run", **settings, **few))
    assert np.isfinite(folder.read_history()[0]["val_inverse_consistency_px"])
