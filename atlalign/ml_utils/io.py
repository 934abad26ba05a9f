"""Batches of labelled pairs from an HDF5 file, for Keras."""

import os

import keras
import numpy as np

from atlalign.ml_utils.mlflow_log import log_arguments
from atlalign.pairs import PairSource
from atlalign.pairs.processes import BatchProcesses


class SupervisedGenerator(keras.utils.PyDataset):
    """Batches (inputs, targets) of a dataset of labelled pairs.

    Parameters
    ----------
    hdf_path : path-like or sequence of path-like
        Dataset as `atlalign.dataset` describes it, or several of one image size, used one after the other.
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
    deformation : {"affine", "local", "both"}, optional
        Deform the moving images, and their labels with them, anew in each epoch.
    p_reg : float
        Share of the deformed images that start from the registered image; the deformation alone is their label.
    placements : ndarray (n, 2, 3), optional
        An affine map a sample of the datasets, applied to its moving image first: what a global network found.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from. Order and augmentation of an epoch depend on it and on the number of the
        epoch alone, not on the number of workers.
    processes : int
        Number of processes that prepare batches; 0 leaves that to threads of this one.
    workers : int
        Number of those threads.
    max_queue_size : int
        Number of batches that are prepared ahead: what is held in memory, whatever the datasets' size.
    shard : tuple (number, count)
        Which share of each batch to give, where several machines train together.
    multiple_of : int
        Number of devices that share each batch: a last batch that is no multiple of it is cut to one, so that an epoch
        may leave out some samples, in each epoch others when they are shuffled.

    Attributes
    ----------
    epoch : int
        Number of the epoch; set it to go on where an earlier run stopped.
    first_batch : int
        Number of this epoch's batches that are left out because an earlier run did them.
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
        deformation=None,
        p_reg=0.5,
        placements=None,
        random_state=None,
        processes=0,
        workers=1,
        max_queue_size=10,
        shard=(0, 1),
        multiple_of=1,
    ):
        # Keras's own workers are threads: processes of its making are forked, and a forked child of a threaded backend
        # hangs. With `processes` the threads wait for ours.
        super().__init__(workers=max(workers, processes), max_queue_size=max_queue_size)
        if int(batch_size) != batch_size or batch_size < 1:
            raise ValueError(f"batch_size must be a positive integer. Received: batch_size={batch_size}")
        paths = [hdf_path] if isinstance(hdf_path, str | os.PathLike) else list(hdf_path)
        self.source = PairSource(
            paths,
            atlas,
            augmenter_ref=augmenter_ref,
            augmenter_mov=augmenter_mov,
            deformation=deformation,
            p_reg=p_reg,
            placements=placements,
        )
        self.hdf_path = paths[0] if len(paths) == 1 else paths
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.augmenter_ref = augmenter_ref
        self.augmenter_mov = augmenter_mov
        self.return_inverse = return_inverse
        self.indexes = _check_indexes(indexes, len(self.source))
        self.shape = self.source.shape
        self.atlas = self.source.atlas
        self.epoch = 0
        self.first_batch = 0
        self._shard = _check_shard(shard, self.batch_size)
        self._n_used = _check_enough(len(self.indexes), multiple_of)
        self._seed = int(np.random.default_rng(random_state).integers(2**63))
        self._maker = BatchProcesses(self.source, processes) if processes else self.source
        if mlflow_log:
            log_arguments(
                {
                    "hdf_path": str(self.hdf_path),
                    "batch_size": self.batch_size,
                    "shuffle": self.shuffle,
                    "augmenter_ref": augmenter_ref,
                    "augmenter_mov": augmenter_mov,
                    "return_inverse": return_inverse,
                    "n_samples": len(self.indexes),
                }
            )

    def __len__(self):
        """Return the number of batches of this epoch, the last incomplete one included."""
        return -(-self._n_used // self.batch_size) - self.first_batch

    def __getitem__(self, index):
        """Return batch `index` of the current epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"A batch index must satisfy 0 <= index < {len(self)}. Received: {index}")
        start = (index + self.first_batch) * self.batch_size
        return self._batch(slice(start, start + self.batch_size))

    def get_all_data(self):
        """Return all samples as one batch, in the order of the current epoch."""
        return self._batch(slice(None))

    def on_epoch_end(self):
        """Go on to the next epoch; Keras calls this, also once before the first one."""
        self.epoch += 1

    def close(self):
        """End the worker processes, if there are any; they start again when a batch is asked for."""
        if isinstance(self._maker, BatchProcesses):
            self._maker.close()

    def order(self):
        """Return the positions in `indexes` in the order of the current epoch."""
        positions = np.arange(len(self.indexes))
        if self.shuffle:
            positions = np.random.default_rng([self._seed, self.epoch]).permutation(positions)
        return positions

    def _batch(self, part: slice):
        number, count = self._shard
        return self.samples(self.order()[: self._n_used][part][number::count])

    def samples(self, positions):
        """Return samples of the current epoch as one batch.

        Parameters
        ----------
        positions : sequence of int
            Which of `indexes`.
        """
        seeds = [[self._seed, self.epoch, int(position)] for position in positions]
        reference, moving, registered, deltas_xy, inv_deltas_xy = self._maker.batch(self.indexes[positions], seeds)
        pair = np.stack([reference, moving], axis=-1)
        if self.return_inverse:
            return (pair, pair[..., ::-1]), (registered[..., None], deltas_xy, inv_deltas_xy)
        return pair, (registered[..., None], deltas_xy)


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


def _check_enough(n: int, multiple_of: int) -> int:
    """Return the number of samples that an epoch uses."""
    if n < multiple_of:
        raise ValueError(
            f"Training and validation need at least one sample each for every device, {multiple_of}. Received: {n}. "
            "Use more samples or fewer devices."
        )
    return n - n % multiple_of


def _check_shard(shard, batch_size: int) -> tuple[int, int]:
    number, count = shard
    if not 0 <= number < count or batch_size % count:
        raise ValueError(
            f"shard must be (number, count) with 0 <= number < count, which divides the batch size, {batch_size}. "
            f"Received: shard={shard}"
        )
    return number, count
