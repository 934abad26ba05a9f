"""Who does the work of a job: this process, several processes, or the workers of a Dask cluster."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

import cv2

from atlalign.errors import AtlalignError, MissingExtraError

_CONNECT_SECONDS = 10
_HOPELESS = 3  # items that end their processes, alone, before any is done
_THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
# Else the first of several processes takes all of a GPU's memory.
_SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}

Results = Generator[Any, None, None]
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Results]


@contextmanager
def workforce(
    workers: int, dask: str | None = None, *, threads: int = 1, lost: Callable[[Any], Any] | None = None
) -> Iterator[Run]:
    """Yield ``run(function, items)``, which yields the results in the order in which they are finished.

    Function and items are pickled unless this process does the work. Close the iterator to give up what was not begun.

    Parameters
    ----------
    workers : int
        Number of processes; 1 is this one.
    dask : str, optional
        Address of a Dask scheduler, whose workers do the work instead.
    threads : int
        With how many threads each of several processes computes.
    lost : callable, optional
        Gives the result of an item whose process was ended from outside, as by a system that is short of memory, and
        again when the item was tried once more with no other beside it. By default that is an error.

    Raises
    ------
    MissingExtraError
        If a cluster is asked for and Dask is not installed.
    AtlalignError
        If the cluster does not answer; later, if the cluster ends before its work is done, or a process does and `lost`
        is not given, no process can be started, or none lives until an item is done.

    Examples
    --------
    >>> with workforce(1) as run:
    ...     list(run(abs, [-1, -2]))
    [1, 2]
    """
    if dask is None:
        yield _run_here if workers == 1 else partial(_run_in_processes, workers, threads, lost)
        return
    with _connect(dask) as client:
        yield partial(_run_on_cluster, client)


def _run_here(function: Callable[[Any], Any], items: Sequence[Any]) -> Results:
    yield from map(function, items)


def _run_in_processes(
    workers: int,
    threads: int,
    lost: Callable[[Any], Any] | None,
    function: Callable[[Any], Any],
    items: Sequence[Any],
) -> Results:
    waiting = deque(items)
    n_done = n_lost = 0
    while waiting:
        suspects: deque[Any] = deque()
        for result in _until_one_ends(workers, threads, function, waiting, suspects):
            n_done += 1
            yield result
        if (suspects and lost is None) or ((suspects or waiting) and not _can_start(threads)):
            raise _ended(workers)
        while suspects:
            ended: deque[Any] = deque()
            for result in _until_one_ends(1, threads, function, suspects, ended):
                n_done += 1
                yield result
            for item in ended:
                n_lost += 1
                if not n_done and n_lost >= _HOPELESS:
                    raise _ended(workers)
                yield lost(item)  # type: ignore[misc]


def _until_one_ends(
    workers: int, threads: int, function: Callable[[Any], Any], waiting: deque[Any], ended: deque[Any]
) -> Results:
    """Take items, and yield results; when a process ends by itself, put the items that were under way into `ended`."""
    under_way: dict[Future[Any], Any] = {}
    with _pool(min(workers, len(waiting)), threads) as pool:
        try:
            while waiting or under_way:
                # No more than there are processes: else nobody could tell which item ended one.
                while waiting and len(under_way) < workers:
                    with limited_threads(threads), _deaf():
                        future = pool.submit(function, waiting[0])
                    under_way[future] = waiting.popleft()
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    del under_way[future]
                    yield result
        except BrokenProcessPool:
            whole = [future for future in wait(under_way).done if future.exception() is None]
            ended.extend(item for future, item in under_way.items() if future not in whole)
            for future in whole:
                yield future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _pool(workers: int, threads: int) -> ProcessPoolExecutor:
    # Forked workers hang when the parent runs threads, as TensorFlow and OpenCV do; spawned ones start clean.
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), begin_worker, (threads,))


def _can_start(threads: int) -> bool:
    """Return whether a process lives without work."""
    try:
        with _pool(1, threads) as pool, limited_threads(threads), _deaf():
            pool.submit(os.getpid).result()
    except BrokenProcessPool:
        return False
    return True


def _ended(workers: int) -> AtlalignError:
    return AtlalignError(
        f"A worker process must live until its work is done. Received: one of {workers} that ended by itself. "
        'A script must make its calls under `if __name__ == "__main__":`, since each worker reads it again; '
        "if memory was short, repeat the call with fewer workers: it goes on where it stopped."
    )


@contextmanager
def limited_threads(threads: int = 1) -> Iterator[None]:
    """Let processes that start meanwhile compute with few threads each: the processes are the parallelism."""
    wanted = {**dict.fromkeys(_THREAD_VARIABLES, str(threads)), **_SHARED_GPU}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that start meanwhile ignore Ctrl-C from their first instruction, as only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def begin_worker(threads: int = 1) -> None:
    """Make a process that has just started a good worker: few threads, deaf to Ctrl-C, gone when its parent is."""
    cv2.setNumThreads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers in order
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is gone: a pool's worker would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def thread_share(workers: int) -> int:
    """Return how many threads each of several processes can have, so that each core has one.

    Examples
    --------
    >>> thread_share(10**6)
    1
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)


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


def _run_on_cluster(client: Any, function: Callable[[Any], Any], items: Sequence[Any]) -> Results:
    from dask import distributed

    futures = client.map(function, items, pure=False)
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
