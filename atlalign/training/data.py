"""The pairs of a run: checked, split, placed by a global network, streamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from atlalign._progress import Progress
from atlalign.dataset import check_dataset, split_indexes
from atlalign.errors import InvalidFileError, ModelError
from atlalign.section.resampling import compose_affine, resize_affine, resize_image
from atlalign.training.config import TrainingConfig
from atlalign.training.distribution import Devices

if TYPE_CHECKING:
    from atlalign.ml_utils.batches import BatchGenerator
    from atlalign.pairs import PairSource

_AFFINE_TOLERANCE = 0.05  # px
_BATCH = 16


@dataclass(frozen=True)
class TrainingData:
    """What a network learns from and what it is judged by.

    Parameters
    ----------
    training : SupervisedGenerator or UnplacedGenerator
        Shuffled, augmented.
    validation : the same, or None
        As the files have them; None without a validation share.
    split_by : str
        ``"dataset_id"`` or ``"image_id"``.
    """

    training: BatchGenerator
    validation: BatchGenerator | None
    split_by: str

    def close(self) -> None:
        """End the worker processes."""
        for generator in (self.training, self.validation):
            if generator is not None:
                generator.close()


def require_sound(config: TrainingConfig, progress: Progress) -> None:
    """Raise an InvalidFileError that names the first fault of the datasets, if they have any."""
    for path in config.data:
        faults = check_dataset(path, progress)
        if faults:
            raise InvalidFileError(
                f"Training needs a dataset without faults. Received: {path}: {faults[0]}"
                f"{f' and {len(faults) - 1} more' if len(faults) > 1 else ''}. See: atlalign dataset check '{path}'"
            )


def open_data(config: TrainingConfig, progress: Progress, devices: Devices | None = None) -> TrainingData:
    """Split the pairs and make the generators.

    Parameters
    ----------
    config : TrainingConfig
        Says which.
    progress : callable
        Wraps the range of samples while a global network places them.
    devices : Devices, optional
        Where the batches go; to one device by default.

    Raises
    ------
    FileNotFoundError, InvalidFileError, AtlasError, ModelError
        If a file is missing or unfit.
    ValueError
        If the split leaves nothing to train on.
    """
    from atlalign.ml_utils.io import UnplacedGenerator
    from atlalign.pairs import PairSource

    devices = devices or Devices()
    source = PairSource(config.data, config.atlas)
    split_by, training, validation = split_pairs(source, config)
    common = {
        "batch_size": config.batch_size,
        "atlas": config.atlas,
        "random_state": config.seed,
        "max_queue_size": config.queue,
        "shard": (devices.process, devices.processes),
        "multiple_of": devices.count,
    }
    train_generator: BatchGenerator
    validate: Callable[..., BatchGenerator]
    train_only = {"shuffle": True, "indexes": training, "processes": config.workers}
    if config.kind == "position":
        train_generator = UnplacedGenerator(config.data, changes=True, **train_only, **common)
        validate = partial(UnplacedGenerator, config.data, **common)
    else:
        train_generator, validate = _paired(config, source, progress, train_only, common)
    return TrainingData(train_generator, validate(indexes=validation) if len(validation) else None, split_by)


def _paired(
    config: TrainingConfig, source: PairSource, progress: Progress, train_only: dict, common: dict
) -> tuple[BatchGenerator, Callable[..., BatchGenerator]]:
    """Return the generator of pairs to train on, and what makes the one for validation."""
    from atlalign.ml_utils.augmentation import augmenter_1
    from atlalign.ml_utils.io import SupervisedGenerator

    placements = None if config.global_model is None else place_by(config.global_model, source, progress)
    augmenters = {"none": None, "augmenter_1": augmenter_1()}
    common = {**common, "return_inverse": config.kind == "local" and config.compute_inv, "placements": placements}
    train_generator = SupervisedGenerator(
        config.data,
        augmenter_ref=augmenters[config.augmenter_ref],
        augmenter_mov=augmenters[config.augmenter_mov],
        deformation=None if config.deformation == "none" else config.deformation,
        p_reg=config.p_reg,
        mirror=config.mirror,
        **train_only,
        **common,
    )
    return train_generator, partial(SupervisedGenerator, config.data, **common)


def split_pairs(source: PairSource, config: TrainingConfig) -> tuple[str, np.ndarray, np.ndarray]:
    """Return which samples a run trains on and which it keeps for validation.

    Parameters
    ----------
    source : PairSource
        The samples of the run's datasets.
    config : TrainingConfig
        How to split them.

    Returns
    -------
    split_by : {"dataset_id", "image_id"}
        What is never on both sides.
    training, validation : ndarray of int
        Sorted indexes.
    """
    split_by, identities = _identities(source, config.split_by)
    return split_by, *split_indexes(identities, config.validation_share, config.seed)


def _identities(source: PairSource, split_by: str) -> tuple[str, np.ndarray]:
    """Return what a sample must share to be on the same side, and its name."""
    if split_by == "auto":
        split_by = "dataset_id" if len(np.unique(source.dataset_ids)) > 1 else "image_id"
    if split_by == "dataset_id":
        return split_by, source.dataset_ids
    # Sections of two brains may carry the same number.
    _, identities = np.unique(np.stack([source.dataset_ids, source.image_ids]), axis=1, return_inverse=True)
    return split_by, identities.ravel()


def place_by(path: str | os.PathLike, source: PairSource, progress: Progress) -> np.ndarray:
    """Ask a global network for the affine map of every sample.

    Parameters
    ----------
    path : path-like
        The network.
    source : PairSource
        The samples.
    progress : callable
        Wraps the range of batches.

    Returns
    -------
    ndarray (n, 2, 3)
        From the pixels of the placed moving image to those of the stored one.

    Raises
    ------
    ModelError
        If it is no global network.

    Notes
    -----
    Images of another size than the network's are resized for it.
    """
    from atlalign.ml_utils.models import check_is_registration_model, forward_model, load_model

    model = forward_model(check_is_registration_model(load_model(path), "global model"))
    shape = tuple(model.inputs[0].shape[1:3])
    to_model, from_model = resize_affine(source.shape, shape), resize_affine(shape, source.shape)
    placements = []
    for start in progress(range(0, len(source), _BATCH)):
        indexes = range(start, min(start + _BATCH, len(source)))
        pairs = [
            np.stack([resize_image(image, shape) for image in (source.reference(i), source.stored_image(i))], axis=-1)
            for i in indexes
        ]
        _, fields = model.predict_on_batch(np.stack(pairs))
        matrices = (affine_of(field, path) for field in np.asarray(fields, dtype=np.float64))
        placements += [compose_affine(from_model, compose_affine(matrix, to_model)) for matrix in matrices]
    return np.stack(placements)


def affine_of(deltas_xy: np.ndarray, source: object = "the field") -> np.ndarray:
    """Return the affine map, output to input pixels, that a field is.

    Parameters
    ----------
    deltas_xy : ndarray (h, w, 2)
        The field, in px.
    source : object
        What to call it in the message.

    Returns
    -------
    ndarray (2, 3)

    Raises
    ------
    ModelError
        If it is none.

    Examples
    --------
    >>> field = np.zeros((4, 6, 2)); field[..., 0] = 2.5
    >>> np.abs(affine_of(field) - [[1, 0, 2.5], [0, 1, 0]]).max() < 1e-9
    np.True_
    """
    height, width = deltas_xy.shape[:2]
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    design = np.stack([x, y, np.ones_like(x)], axis=-1)
    targets = deltas_xy.reshape(-1, 2) + design[:, :2]
    solution = np.linalg.lstsq(design, targets, rcond=None)[0]
    largest = float(np.abs(design @ solution - targets).max())
    if not largest <= _AFFINE_TOLERANCE:
        raise ModelError(
            f"A global model must predict affine fields. Received: {source}, whose field is off an affine one by "
            f"{largest:.2g} px. Pass a model that atlalign-train global made."
        )
    return solution.T
