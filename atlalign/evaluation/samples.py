"""Which samples of the datasets are evaluated."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.dataset import open_dataset, sample_faults
from atlalign.errors import InvalidFileError

if TYPE_CHECKING:
    from atlalign.pairs import PairSource


def spread(indexes: ArrayLike, n: int | None) -> NDArray[np.int64]:
    """Return `n` of the indexes, spread evenly over them; all where there are no more.

    Examples
    --------
    >>> spread(range(10, 20), 4).tolist()
    [10, 13, 16, 19]
    """
    chosen = np.asarray(indexes, dtype=np.int64)
    if n is None or n >= len(chosen):
        return chosen
    return chosen[np.linspace(0, len(chosen) - 1, n).round().astype(int)]


def locate(source: PairSource, indexes: ArrayLike) -> list[tuple[Path, int]]:
    """Return the file of each sample, and its place in that file.

    Parameters
    ----------
    source : PairSource
        The samples of several datasets, one after the other.
    indexes : array-like of int (n,)
        Which of them.
    """
    lengths = []
    for path in source.paths:
        with open_dataset(path) as file:
            lengths.append(len(file["img"]))
    ends = np.cumsum(lengths)
    chosen = np.asarray(indexes, dtype=np.int64)
    files = np.searchsorted(ends, chosen, side="right")
    rows = chosen - (ends - lengths)[files]
    return [(source.paths[file], int(row)) for file, row in zip(files, rows, strict=True)]


def require_sound(places: list[tuple[Path, int]], progress: Callable[..., Any]) -> None:
    """Raise an InvalidFileError that names the first faulty sample, if there is one.

    Parameters
    ----------
    places : list of (Path, int)
        What `locate` returned.
    progress : callable
        Wraps the samples.
    """
    with ExitStack() as stack:
        files = {path: stack.enter_context(open_dataset(path)) for path in {path for path, _ in places}}
        for path, row in progress(places):
            faults = sample_faults(files[path], row)
            if faults:
                raise InvalidFileError(
                    f"An evaluation needs pairs without faults. Received: {path}: {faults[0]}. "
                    f"See: atlalign dataset check '{path}'"
                )
