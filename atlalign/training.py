"""Training a network on a dataset: configuration in, run folder out."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from atlalign._files import atomic_path
from atlalign._progress import no_progress
from atlalign.dataset import check_dataset, open_dataset, split_indexes
from atlalign.errors import AtlalignError, InvalidFileError
from atlalign.run_folder import RunFolder

_DEFAULT_LOSSES = {
    "global": ("ncc_9", "vector_distance"),
    "local": ("ncc_9", "vector_distance", "vector_distance"),
}


class TrainingConfig(BaseModel):
    """Every choice of a training run.

    Parameters
    ----------
    kind : {"global", "local"}
        Which network.
    data : path-like
        HDF5 dataset of labelled pairs.
    out : path-like
        Run folder; must not hold a run yet.
    atlas : str, optional
        Where the reference images come from; what the dataset says by default.
    epochs, batch_size : int
        How long, and how many pairs a step.
    losses : tuple of str
        A loss of the image, then of each field; see `atlalign.ml_utils.losses`.
    losses_weights : tuple of float
        One a loss.
    optimizer : str
        adadelta, adagrad, adam, adamax, adamw, lion, nadam, rmsprop or sgd.
    learning_rate : float
        Its step size.
    validation_share : float
        Share of the sections that is kept for validation.
    seed : int
        Start of all randomness.
    augmenter_ref, augmenter_mov : {"none", "augmenter_1"}
        Changes of the intensities of the reference and of the moving images.
    compute_inv : bool
        Whether the local network also learns the inverse field.

    Examples
    --------
    >>> TrainingConfig(kind="global", data="pairs.h5", out="run", epochs=3).losses
    ('ncc_9', 'vector_distance')
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["global", "local"]
    data: Path
    out: Path
    atlas: str | None = Field(default=None, min_length=1)
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=8, ge=1)
    losses: tuple[str, ...] = ()
    losses_weights: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = (1.0, 1.0)
    optimizer: Literal["adadelta", "adagrad", "adam", "adamax", "adamw", "lion", "nadam", "rmsprop", "sgd"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    validation_share: float = Field(default=0.1, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)
    augmenter_ref: Literal["none", "augmenter_1"] = "none"
    augmenter_mov: Literal["none", "augmenter_1"] = "none"
    compute_inv: bool = True

    @field_validator("data", "out")
    @classmethod
    def _make_absolute(cls, path: Path) -> Path:
        """The same file by whatever name, from whatever folder."""
        return path.resolve()

    @field_validator("losses_weights")
    @classmethod
    def _require_a_weight(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        if not any(weights):
            raise ValueError("at least one weight must be above 0")
        return weights

    def model_post_init(self, context) -> None:
        """Fill in the losses of the kind."""
        if not self.losses:
            losses = _DEFAULT_LOSSES[self.kind]
            if self.kind == "local" and not self.compute_inv:
                losses = losses[:2]
            object.__setattr__(self, "losses", losses)


def fit(config: TrainingConfig, progress=no_progress, callbacks=()) -> RunFolder:
    """Train a network from the start.

    Everything is checked before anything is written: the folder, the data (every sample), the losses.

    Parameters
    ----------
    config : TrainingConfig
        What to do.
    progress : callable
        Wraps the range of samples while the data are checked.
    callbacks : sequence of keras.callbacks.Callback
        More of them, such as a progress bar.

    Returns
    -------
    RunFolder
        Where the models, the history and its curves are.

    Raises
    ------
    FileExistsError
        If the folder already holds a run.
    FileNotFoundError, InvalidFileError
        If the dataset is missing or has faults.
    ValueError
        If a loss or the validation share does not fit.
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
    generators = _open_generators(config, progress)
    model = _build_model(config, generators[0].shape)
    folder.path.mkdir(parents=True, exist_ok=True)
    _write_config(folder, config)
    try:
        _fit_model(model, folder, config, generators, [], callbacks)
    except ArithmeticError:
        if not folder.last_model.exists():  # no epoch was finished: the same folder may be tried again
            folder.config.unlink()
        raise
    return folder


def resume(out, changes: dict | None = None, progress=no_progress, callbacks=()) -> RunFolder:
    """Go on with a run that was interrupted, or train a finished one for more epochs.

    Parameters
    ----------
    out : path-like
        The run folder.
    changes : dict, optional
        Settings to compare with the run's own. Only `epochs` may differ.
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
        If a setting other than `epochs` differs.
    """
    from atlalign.ml_utils.models import load_model

    folder = RunFolder(out)
    folder.require_writable()
    config = _merge_changes(read_config(folder), changes or {})
    generators = _open_generators(config, progress)
    rows = folder.read_history()
    if folder.last_model.exists():
        model = load_model(folder.last_model, compile=True)
        # The model counts its own steps; rows that were written after it was saved are done again.
        rows = rows[: int(model.optimizer.iterations) // len(generators[0])]
        if config.epochs < len(rows):
            raise ValueError(
                f"A resumed run cannot have fewer epochs than it was trained for ({len(rows)}). "
                f"Received: epochs={config.epochs}. Give more, or leave it out."
            )
    else:
        model, rows = _build_model(config, generators[0].shape), []
    _write_config(folder, config)
    _fit_model(model, folder, config, generators, rows, callbacks)
    return folder


def read_config(folder: RunFolder) -> TrainingConfig:
    """Return the configuration that a run folder was made with."""
    if not folder.config.exists():
        raise FileNotFoundError(
            f"Only a run can be resumed. Received: {folder.path}, which holds no config.json. "
            "Start a run there without --resume."
        )
    try:
        return TrainingConfig.model_validate_json(folder.config.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise InvalidFileError(
            f"config.json must be what training wrote. Received: {folder.config} ({_one_line(error)})."
        ) from error


def _write_config(folder: RunFolder, config: TrainingConfig) -> None:
    with atomic_path(folder.config) as temporary:
        temporary.write_text(config.model_dump_json(indent=2), encoding="utf-8")


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _merge_changes(config: TrainingConfig, changes: dict) -> TrainingConfig:
    merged = config.model_copy(update={"epochs": changes.get("epochs", config.epochs)})
    if "data" in changes and not config.data.exists():  # the dataset was moved
        merged = TrainingConfig.model_validate({**merged.model_dump(), "data": changes["data"]})
    for name in changes.keys() - {"out", "epochs"}:
        if TrainingConfig.model_validate({**merged.model_dump(), name: changes[name]}) != merged:
            raise AtlalignError(
                f"A resumed run keeps its settings, but for the epochs. Received: {name}={changes[name]}, while the "
                f"run has {getattr(merged, name)}. Give that, or start another run."
            )
    return merged


def _open_generators(config: TrainingConfig, progress):
    from atlalign.ml_utils.augmentation import augmenter_1
    from atlalign.ml_utils.io import SupervisedGenerator

    with open_dataset(config.data) as file:
        training, validation = split_indexes(file["image_id"][:], config.validation_share, config.seed)
    faults = check_dataset(config.data, progress)
    if faults:
        raise InvalidFileError(
            f"Training needs a dataset without faults. Received: {config.data}: {faults[0]}"
            f"{f' and {len(faults) - 1} more' if len(faults) > 1 else ''}. See: atlalign dataset check '{config.data}'"
        )
    augmenters = {"none": None, "augmenter_1": augmenter_1()}
    common = {
        "batch_size": config.batch_size,
        "return_inverse": config.kind == "local" and config.compute_inv,
        "random_state": config.seed,
        "workers": 2,  # one batch is prepared while the network learns from another
    }
    train_generator = SupervisedGenerator(
        config.data,
        shuffle=True,
        augmenter_ref=augmenters[config.augmenter_ref],
        augmenter_mov=augmenters[config.augmenter_mov],
        indexes=training,
        atlas=config.atlas,
        **common,
    )
    if not len(validation):
        return train_generator, None
    return train_generator, SupervisedGenerator(config.data, indexes=validation, atlas=train_generator.atlas, **common)


def _build_model(config: TrainingConfig, shape):
    import keras

    from atlalign.nn import supervised_global_model_factory, supervised_model_factory

    optimizer = keras.optimizers.get(
        {"class_name": config.optimizer, "config": {"learning_rate": config.learning_rate}}
    )
    common = {
        "losses": config.losses,
        "losses_weights": config.losses_weights,
        "optimizer": optimizer,
        "shape": shape,
        "random_state": config.seed,
    }
    if config.kind == "global":
        return supervised_global_model_factory(centred=True, **common)
    return supervised_model_factory(compute_inv=config.compute_inv, **common)


def _fit_model(model, folder, config, generators, rows, callbacks) -> None:
    from atlalign.ml_utils.callbacks import RunRecorder, StopOnNaN

    training, validation = generators
    training.epoch = len(rows)
    model.fit(
        training,
        validation_data=validation,
        epochs=config.epochs,
        initial_epoch=len(rows),
        shuffle=False,  # the generator shuffles, reproducibly
        verbose=0,
        callbacks=[StopOnNaN(), RunRecorder(folder, rows), *callbacks],
    )
