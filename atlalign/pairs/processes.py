"""Worker processes that prepare batches while the network learns."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from atlalign._workers import begin_worker, limited_threads
from atlalign.errors import AtlalignError

Indexes = Sequence[int] | NDArray[np.integer]


class Source(Protocol):
    """What batches are made of; it can be pickled."""

    def batch(self, indexes: Indexes, seeds: Sequence[Any]) -> tuple:
        """Return several samples, each changed by its own seed, stacked."""


_source: Source | None = None  # in a worker process: what it prepares batches from


class BatchProcesses:
    """A pool of processes, each with its own copy of a source; it starts with the first batch.

    Parameters
    ----------
    source : Source
        What the batches are made of; pickled.
    n : int
        Number of processes.
    """

    def __init__(self, source: Source, n: int):
        self._source = source
        self._n = n
        self._pool: ProcessPoolExecutor | None = None

    def batch(self, indexes: Indexes, seeds: Sequence[Any]) -> tuple:
        """Return what the source's `batch` does, computed in one of the processes."""
        try:
            with limited_threads():  # where the pool starts a process, and only there, this matters
                future = self._start().submit(_batch, indexes, seeds)
            return future.result()
        except BrokenProcessPool as error:
            raise AtlalignError(
                f"The processes that prepare batches must outlive the training. Received: one of {self._n} that ended "
                'by itself. A script must make its calls under `if __name__ == "__main__":`, since each process '
                "reads it again; if memory was short, use fewer."
            ) from error

    def close(self) -> None:
        """End the processes; the next batch starts new ones."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Forked workers hang when the parent runs threads, as TensorFlow and OpenCV do; spawned ones start clean.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._n, context, _begin, (self._source,))
        return self._pool

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}


def _begin(source: Source) -> None:
    global _source
    begin_worker()
    _source = source


def _batch(indexes: Indexes, seeds: Sequence[Any]) -> tuple:
    assert _source is not None
    return _source.batch(indexes, seeds)
