"""Batches of samples for Keras, in an order and with changes that depend on the epoch alone."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from atlalign.pairs.processes import BatchProcesses


class BatchGenerator(keras.utils.PyDataset):
    """Batches of what a source makes of its samples; which arrays they are is for a subclass to say.

    Parameters
    ----------
    source : object
        Has a length, a `shape`, an `atlas`, and a ``batch(indexes, seeds)`` that returns a tuple of stacked arrays.
    batch_size : int
        Samples a batch; the last batch holds what is left.
    shuffle : bool
        Whether each epoch goes through the samples in a new random order.
    indexes : None, sequence of int or path-like
        Which samples, also repeatedly; all by default. A path names an ``.npy`` file.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from. Order and changes of an epoch depend on it and on the number of the epoch
        alone, not on the number of workers.
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
    ready_at : dict of int to float
        When the batches of this epoch were ready, by `time.monotonic`; whoever reads it takes them out.
    shape : tuple (h, w)
        Size of the images.

    Raises
    ------
    ValueError
        If an index is outside the source, or no sample is left.
    """

    def __init__(
        self,
        source: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        indexes: Any = None,
        *,
        random_state=None,
        processes: int = 0,
        workers: int = 1,
        max_queue_size: int = 10,
        shard: tuple[int, int] = (0, 1),
        multiple_of: int = 1,
    ):
        # Keras's own workers are threads: processes of its making are forked, and a forked child of a threaded backend
        # hangs. With `processes` the threads wait for ours.
        super().__init__(workers=max(workers, processes), max_queue_size=max_queue_size)
        if int(batch_size) != batch_size or batch_size < 1:
            raise ValueError(f"batch_size must be a positive integer. Received: batch_size={batch_size}")
        self.source = source
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.indexes = _check_indexes(indexes, len(source))
        self.shape = source.shape
        self.atlas = source.atlas
        self.epoch = 0
        self.first_batch = 0
        self.ready_at: dict[int, float] = {}
        self._shard = _check_shard(shard, self.batch_size)
        self._n_used = _check_enough(len(self.indexes), multiple_of)
        self._seed = int(np.random.default_rng(random_state).integers(2**63))
        self._maker = BatchProcesses(source, processes) if processes else source

    def __len__(self):
        """Return the number of batches of this epoch, the last incomplete one included."""
        return -(-self._n_used // self.batch_size) - self.first_batch

    def __getitem__(self, index):
        """Return batch `index` of the current epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"A batch index must satisfy 0 <= index < {len(self)}. Received: {index}")
        start = (index + self.first_batch) * self.batch_size
        batch = self._batch(slice(start, start + self.batch_size))
        self.ready_at[index] = time.monotonic()
        return batch

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

    def samples(self, positions: Sequence[int] | np.ndarray):
        """Return samples of the current epoch as one batch.

        Parameters
        ----------
        positions : sequence of int
            Which of `indexes`.
        """
        seeds = [[self._seed, self.epoch, int(position)] for position in positions]
        return self._inputs_and_targets(*self._maker.batch(self.indexes[positions], seeds))

    def _inputs_and_targets(self, *arrays):
        """Return the batch that Keras takes, of the arrays that the source gives."""
        raise NotImplementedError

    def _batch(self, part: slice):
        number, count = self._shard
        return self.samples(self.order()[: self._n_used][part][number::count])


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
