"""Batches of labelled pairs from an HDF5 file, for Keras."""

import os
from pathlib import Path

import keras
import numpy as np

from atlalign.atlas import Atlas
from atlalign.base import DisplacementField
from atlalign.dataset import open_dataset, read_attributes
from atlalign.errors import AtlasError, InvalidFileError, MissingExtraError
from atlalign.ml_utils.augmentation import augment
from atlalign.plane import Plane


class SupervisedGenerator(keras.utils.PyDataset):
    """Batches (inputs, targets) of a dataset of labelled pairs.

    Parameters
    ----------
    hdf_path : path-like
        Dataset as `atlalign.dataset` describes it.
    batch_size : int
        Samples a batch; the last batch holds what is left.
    shuffle : bool
        Whether each epoch goes through the samples in a new random order.
    augmenter_ref, augmenter_mov : imgaug.augmenters.Augmenter, optional
        Change the intensities of the reference and of the moving images, for example
        `atlalign.ml_utils.augmentation.augmenter_1`. The registered image, a target, is made from the augmented moving
        one.
    return_inverse : bool
        Whether to give the pair in both orders, and the inverse field as a third target.
    mlflow_log : bool
        Whether to log these arguments to the active MLflow run.
    indexes : None, sequence of int or path-like
        Which samples, also repeatedly; all by default. A path names an ``.npy`` file.
    atlas : str, path-like or Atlas, optional
        Where the reference images come from; what the file's attributes say by default.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from. Order and augmentation of an epoch depend on it and on the number of the
        epoch alone, not on the number of workers.
    workers : int
        Number of threads that prepare batches.
    max_queue_size : int
        Number of batches that they prepare ahead.

    Attributes
    ----------
    epoch : int
        Number of the epoch; set it to go on where an earlier run stopped.
    shape : tuple (h, w)
        Size of the images.

    Raises
    ------
    FileNotFoundError, InvalidFileError
        If the dataset is missing or malformed.
    AtlasError
        If no atlas is known, or it cannot be loaded.
    ValueError
        If an index is outside the dataset, or no sample is left.

    Notes
    -----
    Item i is ``X, (reg_images, deltas_xy)``, with `return_inverse` ``(X_rm, X_mr), (reg_images, deltas_xy,
    inv_deltas_xy)``. X (n, h, w, 2) is float32 in [0, 1], reference first; the images (n, h, w, 1); the fields
    (n, h, w, 2) in px.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.simulate import simulate_dataset
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> simulate_dataset(path, "phantom", n=3, shape=(32, 48), random_state=0)
    >>> generator = SupervisedGenerator(path, batch_size=2)
    >>> X, (reg_images, deltas_xy) = generator[0]
    >>> X.shape, reg_images.shape, deltas_xy.shape, len(generator)
    ((2, 32, 48, 2), (2, 32, 48, 1), (2, 32, 48, 2), 2)
    """

    def __init__(
        self,
        hdf_path,
        batch_size=32,
        shuffle=False,
        augmenter_ref=None,
        augmenter_mov=None,
        return_inverse=False,
        mlflow_log=False,
        indexes=None,
        *,
        atlas=None,
        random_state=None,
        workers=1,
        max_queue_size=10,
    ):
        # Threads, not processes: Keras would fork, and a forked child of a threaded backend hangs.
        super().__init__(workers=workers, max_queue_size=max_queue_size)
        if int(batch_size) != batch_size or batch_size < 1:
            raise ValueError(f"batch_size must be a positive integer. Received: batch_size={batch_size}")
        self.hdf_path = Path(hdf_path)
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.augmenter_ref = augmenter_ref
        self.augmenter_mov = augmenter_mov
        self.return_inverse = return_inverse
        self.epoch = 0
        self._seed = int(np.random.default_rng(random_state).integers(2**63))
        self._file = None
        self._file_owner = None
        with open_dataset(self.hdf_path) as file:
            n, *shape = file["img"].shape
            self.shape = tuple(shape)
            self.indexes = _check_indexes(indexes, n)
            self.atlas = _load_atlas(atlas, read_attributes(file).atlas, self.hdf_path)
        if mlflow_log:
            self._log_to_mlflow()

    def __len__(self):
        """Return the number of batches, the last incomplete one included."""
        return -(-len(self.indexes) // self.batch_size)

    def __getitem__(self, index):
        """Return batch `index` of the current epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"A batch index must satisfy 0 <= index < {len(self)}. Received: {index}")
        return self._batch(slice(index * self.batch_size, (index + 1) * self.batch_size))

    def get_all_data(self):
        """Return all samples as one batch, in the order of the current epoch."""
        return self._batch(slice(None))

    def on_epoch_end(self):
        """Go on to the next epoch; Keras calls this."""
        self.epoch += 1

    def _batch(self, part: slice):
        positions = np.arange(len(self.indexes))
        if self.shuffle:
            positions = np.random.default_rng([self._seed, self.epoch]).permutation(positions)
        samples = [self._sample(position) for position in positions[part]]
        reference, moving, registered, deltas_xy, inv_deltas_xy = (
            np.stack(column) for column in zip(*samples, strict=True)
        )
        pair = np.stack([reference, moving], axis=-1)
        if self.return_inverse:
            return (pair, pair[..., ::-1]), (registered[..., None], deltas_xy, inv_deltas_xy)
        return pair, (registered[..., None], deltas_xy)

    def _sample(self, position: int):
        file, index = self._open(), self.indexes[position]
        deltas_xy, inv_deltas_xy = (file[name][index].astype(np.float32) for name in ("deltas_xy", "inv_deltas_xy"))
        if not np.isfinite(deltas_xy).all() or not np.isfinite(inv_deltas_xy).all():
            raise InvalidFileError(
                f"Fields must be finite. Received: sample {index} of {self.hdf_path}. "
                f"See: atlalign dataset check '{self.hdf_path}'"
            )
        rng = np.random.default_rng([self._seed, self.epoch, position])
        reference = self._augment(self.augmenter_ref, self._reference(file, index), rng)
        moving = self._augment(self.augmenter_mov, file["img"][index].astype(np.float32) / 255, rng)
        registered = DisplacementField.from_deltas_xy(deltas_xy).warp(moving)
        return reference, moving, registered, deltas_xy, inv_deltas_xy

    def _reference(self, file, index) -> np.ndarray:
        if "corners_um" in file:
            plane = Plane.from_corners(file["corners_um"][index])
        else:
            last = self.atlas.shape_um[0] - self.atlas.resolution_um[0] / 2
            plane = self.atlas.plane(min(float(file["p"][index]), last))
        return self.atlas.reference_plane(plane, self.shape)

    @staticmethod
    def _augment(augmenter, image, rng) -> np.ndarray:
        return image if augmenter is None else augment(augmenter, image, rng)

    def _open(self):
        # A file that a parent process opened must not be read in its children.
        if self._file is None or self._file_owner != os.getpid():
            self._file, self._file_owner = open_dataset(self.hdf_path), os.getpid()
        return self._file

    def __getstate__(self):
        return {**self.__dict__, "_file": None, "_file_owner": None}

    def _log_to_mlflow(self):
        try:
            import mlflow
        except ImportError:
            raise MissingExtraError("MLflow logs", "mlflow") from None
        mlflow.log_params(
            {
                "hdf_path": str(self.hdf_path),
                "batch_size": self.batch_size,
                "shuffle": self.shuffle,
                "augmenter_ref": str(self.augmenter_ref),
                "augmenter_mov": str(self.augmenter_mov),
                "return_inverse": self.return_inverse,
                "n_samples": len(self.indexes),
            }
        )


def _check_indexes(indexes, n: int) -> np.ndarray:
    if indexes is None:
        return np.arange(n)
    if isinstance(indexes, str | os.PathLike):
        indexes = np.load(indexes, allow_pickle=False)
    indexes = np.asarray(indexes)
    if indexes.ndim != 1 or indexes.size == 0 or indexes.dtype.kind not in "iu":
        raise ValueError(
            "indexes must be a sequence of at least one integer. "
            f"Received: shape {indexes.shape}, dtype {indexes.dtype}"
        )
    if indexes.min() < 0 or indexes.max() >= n:
        raise ValueError(
            f"indexes must satisfy 0 <= index < {n}, the number of samples. "
            f"Received: between {indexes.min()} and {indexes.max()}"
        )
    return indexes


def _load_atlas(given, stored: str, path: Path) -> Atlas:
    if isinstance(given, Atlas):
        return given
    if given is None and not stored:
        raise AtlasError(
            f"The reference images need an atlas. Received: {path}, which names none. Pass atlas=NAME_OR_PATH."
        )
    try:
        return Atlas.load(given or stored)
    except AtlasError as error:
        if given:
            raise
        raise AtlasError(f"{error} It is the atlas that {path} names; pass atlas=NAME_OR_PATH for another.") from error
