"""How long a call takes, as the benchmarks measure it."""

import time
from collections.abc import Callable
from statistics import median


def median_seconds(call: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the median of the seconds of some calls, after one that does not count.

    Parameters
    ----------
    call : callable
        Called without arguments.
    repeats : int
        How many calls count.
    clock : callable
        `time.perf_counter`, what a clock on the wall shows, or `time.process_time`, the processor's time.

    Returns
    -------
    float
        Seconds.
    """
    call()
    seconds = []
    for _ in range(repeats):
        started = clock()
        call()
        seconds.append(clock() - started)
    return median(seconds)
