"""Who does the work of a job: this process, several processes, or the workers of a Dask cluster."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

import cv2

from atlalign.errors import AtlalignError, MissingExtraError

_CONNECT_SECONDS = 10
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Results = Generator[int, None, None]
Run = Callable[[Callable[[int], int], Sequence[int]], Results]


@contextmanager
def workforce(workers: int, dask: str | None = None) -> Iterator[Run]:
    """Yield ``run(function, numbers)``, which yields the results in the order in which they are finished.

    The function is pickled unless this process does the work. Close the iterator to give up what was not begun.

    Parameters
    ----------
    workers : int
        Number of processes; 1 is this one. Each computes with one thread.
    dask : str, optional
        Address of a Dask scheduler, whose workers do the work instead.

    Raises
    ------
    MissingExtraError
        If a cluster is asked for and Dask is not installed.
    AtlalignError
        If the cluster does not answer; later, if a process or the cluster ends before its work is done.

    Examples
    --------
    >>> with workforce(1) as run:
    ...     list(run(abs, [-1, -2]))
    [1, 2]
    """
    if dask is None:
        yield _run_here if workers == 1 else partial(_run_in_processes, workers)
        return
    with _connect(dask) as client:
        yield partial(_run_on_cluster, client)


def _run_here(function: Callable[[int], int], numbers: Sequence[int]) -> Results:
    yield from map(function, numbers)


def _run_in_processes(workers: int, function: Callable[[int], int], numbers: Sequence[int]) -> Results:
    if not numbers:
        return
    # Forked workers hang when the parent runs threads, as TensorFlow and OpenCV do; spawned ones start clean.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(numbers)), context, begin_worker) as pool:
        try:
            with one_thread_a_process():
                futures = [pool.submit(function, number) for number in numbers]
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise AtlalignError(
                f"A worker process must live until its work is done. Received: one of {workers} that ended by itself. "
                'A script must make its calls under `if __name__ == "__main__":`, since each worker reads it again; '
                "if memory was short, repeat the call with fewer workers: it goes on where it stopped."
            ) from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@contextmanager
def one_thread_a_process() -> Iterator[None]:
    """Let processes that start meanwhile compute with one thread each: the processes are the parallelism."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def begin_worker() -> None:
    """Make a process that has just started a good worker: one thread, deaf to Ctrl-C, gone when its parent is."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers in order
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is gone: a pool's worker would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _connect(address: str) -> Any:
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise MissingExtraError("Dask clusters", "dask") from error
    try:
        return Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise AtlalignError(
            f"dask must be the address of a running Dask scheduler. Received: {address}, which does not answer as one. "
            "Start one with 'dask scheduler', or compare the address with what that printed."
        ) from error


def _run_on_cluster(client: Any, function: Callable[[int], int], numbers: Sequence[int]) -> Results:
    from dask import distributed

    futures = client.map(function, numbers, pure=False)
    try:
        for future in distributed.as_completed(futures):
            yield future.result()
    except Exception as error:  # whatever is raised on another machine, and how Dask wraps it
        raise AtlalignError(
            "The workers of a Dask cluster must run to the end, have the same atlalign, and see the same files. "
            f"Received: {type(error).__name__}: {error}. Put it right; the same call goes on where it stopped."
        ) from error
    finally:
        client.cancel(futures)
