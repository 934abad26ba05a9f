"""Starting a training run, and going on with one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from atlalign._progress import Progress, no_progress
from atlalign.errors import AtlalignError
from atlalign.run_folder import RunFolder
from atlalign.training.building import build_model
from atlalign.training.config import TrainingConfig, needed_weights
from atlalign.training.config_file import first_fault, read_config, write_config
from atlalign.training.data import TrainingData, open_data, require_sound
from atlalign.training.distribution import Devices, open_devices
from atlalign.training.provenance import changed_data, describe_environment, sha256_of, write_provenance
from atlalign.weights import require_weights

if TYPE_CHECKING:
    from atlalign.ml_utils.checkpoint import TrainingState

# What a run that goes on may change.
_FREE = {
    *("out", "data", "epochs", "early_stopping", "checkpoint_minutes", "workers", "queue", "strategy"),
    *("tensorboard", "mlflow"),
}


def fit(config: TrainingConfig, progress: Progress = no_progress, callbacks: Iterable[Any] = ()) -> RunFolder:
    """Train a network from the start.

    Everything is checked before anything is written: the folder, the data (every sample), the losses.

    Parameters
    ----------
    config : TrainingConfig
        What to do.
    progress : callable
        Wraps the range of samples while the data are checked.
    callbacks : sequence of keras.callbacks.Callback
        More of them, such as a progress bar; where several processes train together, of the first one alone.

    Returns
    -------
    RunFolder
        Where the models, the history and its curves are.

    Raises
    ------
    FileExistsError
        If the folder already holds a run.
    FileNotFoundError, InvalidFileError, MissingWeightsError
        If the dataset is missing or has faults, or a loss needs weights that are not on this computer.
    ValueError
        If a loss, the validation share or the strategy does not fit.
    ArithmeticError
        If the loss does not stay finite.
    """
    folder = RunFolder(config.out)
    if folder.config.exists():
        raise FileExistsError(
            f"A new run needs a folder without a run in it. Received: {folder.path}. "
            "Go on with that run by --resume, or choose another --out."
        )
    folder.require_writable()
    for name in needed_weights(config):
        require_weights(name)
    devices = open_devices(config)
    progress, callbacks = (progress, [*_logs(folder, config), *callbacks]) if devices.leads else (no_progress, [])
    require_sound(config, progress)
    data = open_data(config, progress, devices)
    try:
        details = _describe(config, data)
        devices.require_same([_shared(config), list(details["data"].values())])
        with devices.scope(), devices.own_folder(folder) as own:
            model = build_model(config, data.training.shape, len(data.training), data.training.atlas)
            own.path.mkdir(parents=True, exist_ok=True)
            write_provenance(own.provenance, details)
            write_config(own.config, config)
            try:
                _fit(model, None, own, config, data, [], callbacks, devices)
            except ArithmeticError:
                if not own.last_model.exists():  # no epoch was finished: the same folder may be tried again
                    own.config.unlink()
                raise
    finally:
        data.close()
    return folder


def resume(
    out: str | os.PathLike,
    changes: dict | None = None,
    progress: Progress = no_progress,
    callbacks: Iterable[Any] = (),
) -> RunFolder:
    """Go on with a run that was interrupted, or train a finished one for more epochs.

    Parameters
    ----------
    out : path-like
        The run folder.
    changes : dict, optional
        Settings that were given again. Those that would make it another run are refused if they differ.
    progress, callbacks
        As for `fit`.

    Returns
    -------
    RunFolder
        The same folder.

    Raises
    ------
    FileNotFoundError
        If the folder holds no run.
    AtlalignError
        If a setting that matters differs, or the data do.
    """
    from atlalign.ml_utils.callbacks.recorder import epochs_since_best
    from atlalign.ml_utils.checkpoint import load_checkpoint

    folder = RunFolder(out)
    folder.require_writable()
    if not folder.config.exists():
        raise FileNotFoundError(
            f"Only a run can be resumed. Received: {folder.path}, which holds no config.toml. "
            "Start a run there without --resume."
        )
    config = _merge_changes(read_config(folder.config), changes or {})
    devices = open_devices(config)
    progress, callbacks = (progress, [*_logs(folder, config), *callbacks]) if devices.leads else (no_progress, [])
    _require_same_data(config, folder, progress)
    data = open_data(config, progress, devices)
    try:
        with devices.own_folder(folder) as own, devices.scope():
            if own.last_model.exists():
                model, state = load_checkpoint(own.last_model)
                rows = own.read_history()[: state.epoch]
            else:
                model = build_model(config, data.training.shape, len(data.training), data.training.atlas)
                state, rows = None, []
            devices.require_same([_shared(config), rows, state and state.step])
            if config.epochs < len(rows):
                raise ValueError(
                    f"A resumed run cannot have fewer epochs than it was trained for ({len(rows)}). "
                    f"Received: epochs={config.epochs}. Give more, or leave it out."
                )
            write_config(own.config, config)
            losses = [float(row.get("val_loss", row["loss"])) for row in rows]
            if config.early_stopping is None or epochs_since_best(losses) < config.early_stopping:
                _fit(model, state, own, config, data, rows, callbacks, devices)
    finally:
        data.close()
    return folder


def _fit(
    model: Any,
    state: TrainingState | None,
    folder: RunFolder,
    config: TrainingConfig,
    data: TrainingData,
    rows: list,
    callbacks: Iterable[Any],
    devices: Devices,
) -> None:
    """Train from where a state says; an epoch that was begun before is finished by a call of its own."""
    from atlalign.ml_utils.checkpoint import load_checkpoint

    if state is not None and state.step:
        data.training.first_batch = state.step
        rows = _run(model, state, folder, config, data, rows, callbacks, devices, len(rows) + 1)
        # Keras leaves averaged weights behind at the end of a call; the file has those to go on from.
        model, _ = load_checkpoint(folder.last_model)
    if len(rows) < config.epochs and not model.stop_training:
        data.training.first_batch = 0
        _run(model, None, folder, config, data, rows, callbacks, devices, config.epochs)


def _run(
    model: Any,
    state: TrainingState | None,
    folder: RunFolder,
    config: TrainingConfig,
    data: TrainingData,
    rows: list,
    callbacks: Iterable[Any],
    devices: Devices,
    epochs: int,
) -> list:
    from atlalign.ml_utils.callbacks import (
        AveragedWeights,
        DataOrder,
        Interruption,
        ProgressReport,
        RunRecorder,
        StopOnNaN,
        WaitingTime,
    )

    averaged = AveragedWeights()
    seconds = 0.0 if state is None else state.seconds
    recorder = RunRecorder(folder, rows, averaged, config.early_stopping, seconds)
    interruption = Interruption(recorder, state, config.checkpoint_minutes, devices.any_process)
    for report in callbacks:
        if isinstance(report, ProgressReport):
            report.epochs = config.epochs
    try:
        model.fit(
            data.training,
            validation_data=data.validation,
            epochs=epochs,
            initial_epoch=len(rows),
            shuffle=False,  # the generator shuffles, reproducibly
            verbose=0,
            callbacks=[
                DataOrder(data.training),
                averaged,
                StopOnNaN(),
                WaitingTime(data.training),
                *_judges(folder, config, data, averaged),
                *callbacks,
                recorder,
                interruption,
            ],
        )
    finally:
        interruption.close()
    return recorder.rows


def _judges(folder: RunFolder, config: TrainingConfig, data: TrainingData, averaged: Any) -> list:
    """Return the callbacks that show and measure what a network of this kind is for."""
    from atlalign.ml_utils.callbacks import Pictures, PlaneMetrics, ValidationMetrics

    measure = PlaneMetrics if config.kind == "position" else ValidationMetrics
    judges: list = [] if config.kind == "position" else [Pictures(folder, data.training, data.validation, averaged)]
    if data.validation is not None and config.metrics_pairs:
        judges.append(measure(data.validation, config.metrics_pairs, averaged))
    return judges


def _shared(config: TrainingConfig) -> dict:
    """Return the settings that processes which train together must share; paths may differ from machine to machine."""
    return config.model_dump(mode="json", exclude={"out", "data", "workers", "queue", "global_model", "init_from"})


def _logs(folder: RunFolder, config: TrainingConfig) -> list:
    """Return the callbacks of other tools' logs."""
    logs: list = []
    if config.tensorboard:
        from atlalign.ml_utils.callbacks.tensorboard import TensorBoardLog

        logs.append(TensorBoardLog(folder))
    if config.mlflow:
        from atlalign.ml_utils.callbacks.mlflow import MLflowLog

        logs.append(MLflowLog(folder, config.model_dump(mode="json")))
    return logs


def _describe(config: TrainingConfig, data: TrainingData) -> dict:
    n_validation = 0 if data.validation is None else len(data.validation.indexes)
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": config.seed,
        "data": {str(path): sha256_of(path) for path in config.data},
        "atlas": {"name": data.training.atlas.name, "version": data.training.atlas.version},
        "pairs": {"training": len(data.training.indexes), "validation": n_validation, "split_by": data.split_by},
        **describe_environment(),
    }


def _require_same_data(config: TrainingConfig, folder: RunFolder, progress: Progress) -> None:
    known = changed_data(folder.provenance, config.data, progress)
    if known:
        raise AtlalignError(
            "A resumed run keeps its data. Received: files that differ from those it began with, "
            f"{', '.join(known)}. Give back those files, or start another run."
        )


def _merge_changes(config: TrainingConfig, changes: dict) -> TrainingConfig:
    settings = config.model_dump()
    try:
        merged = TrainingConfig.model_validate({**settings, **changes, "out": config.out, "kind": config.kind})
    except ValidationError as error:
        raise ValueError(f"{first_fault(error)}.") from None
    if changes.get("kind", config.kind) != config.kind:
        raise AtlalignError(f"The run is of a {config.kind} network. Received: {changes['kind']}. Give that command.")
    for name in changes.keys() - _FREE - {"kind"}:
        if getattr(merged, name) != getattr(config, name):
            raise AtlalignError(
                f"A resumed run keeps its settings, but for {', '.join(sorted(_FREE - {'out', 'data'}))}. "
                f"Received: {name}={changes[name]}, while the run has {getattr(config, name)}. "
                "Give that, or start another run."
            )
    if merged.schedule == "cosine" and merged.epochs != config.epochs:
        raise AtlalignError(
            f"A cosine schedule ends with its last epoch, {config.epochs}. Received: epochs={merged.epochs}. "
            "Start another run with --init-from."
        )
    return merged
