"""Progress on the terminal: a bar for a person, plain lines for a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

# Wraps what is gone through, as `no_progress` does; `total` and `done` may be said.
Progress = Callable[..., Iterable]

_SECONDS_BETWEEN_LINES = 10.0
_SHORT_SECONDS = 1.0  # what takes no longer than this needs no line


def track(items: Iterable, description: str, total: int | None = None, done: int = 0) -> Iterator:
    """Yield the items and show on stderr how many there were.

    Parameters
    ----------
    items : iterable
        What to go through.
    description : str
        What is being done, such as ``"Simulating pairs"``.
    total : int, optional
        How many there are in all, with those `done` before; ``len(items) + done`` by default.
    done : int
        How many were done before, by a run that is being resumed.
    """
    if total is None:
        total = len(items) + done  # type: ignore[arg-type]
    if sys.stderr.isatty():
        yield from _bar(items, description, total, done)
    else:
        yield from _lines(items, description, total, done)


def no_progress(items: Iterable, **_: int) -> Iterable:
    """Return the items and show nothing.

    Examples
    --------
    >>> list(no_progress([0, 1], total=2, done=0))
    [0, 1]
    """
    return items


def new_bar() -> RichProgress:
    """Return a rich progress bar on stderr: description, bar, count, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _bar(items: Iterable, description: str, total: int, done: int) -> Iterator:
    with new_bar() as progress:
        task = progress.add_task(description, total=total, completed=done)
        for item in items:
            yield item
            progress.advance(task)


def _lines(items: Iterable, description: str, total: int, done: int) -> Iterator:
    started = last = time.monotonic()
    for count, item in enumerate(items, start=done + 1):
        yield item
        now = time.monotonic()
        if now - last > _SECONDS_BETWEEN_LINES or (count == total and now - started > _SHORT_SECONDS):
            last = now
            sys.stderr.write(f"{description}: {count}/{total}\n")
            sys.stderr.flush()
