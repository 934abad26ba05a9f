"""Making a dataset in blocks of samples: in parallel, resumable, the same bytes whatever does the work.

Finished blocks are kept in a folder beside the output, with a journal of what they were made from, until the file is
whole; so a job that was interrupted or killed at any moment goes on where it stopped. A block is made by a *task*,
which takes its number and returns columns of the dataset; each sample must depend on the seed and on its own row alone.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import atlalign
from atlalign._files import atomic_path, require_folder
from atlalign._parts import begin_or_resume, block_path, is_whole, journal_path, own
from atlalign._progress import no_progress
from atlalign._workers import workforce
from atlalign.dataset import Attributes, create_dataset
from atlalign.errors import AtlalignError

_SAMPLES_A_BLOCK = 8

Columns = dict[str, NDArray]
Task = Callable[[int], Columns]


def rows_of(block: int, n: int) -> range:
    """Return the rows of a dataset of `n` samples that make up a block.

    Examples
    --------
    >>> rows_of(1, 11)
    range(8, 11)
    """
    return range(block * _SAMPLES_A_BLOCK, min((block + 1) * _SAMPLES_A_BLOCK, n))


def require_positive(**values: Any) -> None:
    """Raise an error unless each of the named values is an integer of at least 1.

    Examples
    --------
    >>> require_positive(workers=0)
    Traceback (most recent call last):
    ...
    ValueError: workers must be a positive integer. Received: workers=0
    """
    for name, value in values.items():
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}")


def make_dataset(
    path: Path,
    n: int,
    shape: tuple[int, int],
    attributes: Attributes,
    make_task: Callable[[int], Task],
    settings: dict[str, Any],
    *,
    what: str,
    random_state: int | np.random.Generator | None = None,
    workers: int = 1,
    dask: str | None = None,
    progress: Callable[..., Iterable[int]] = no_progress,
    more_attributes: Mapping[str, Any] | None = None,
) -> Columns:
    """Make a dataset of `n` samples block by block, or go on with making it.

    Parameters
    ----------
    path : Path
        The HDF5 file, replaced if it exists.
    n : int
        Number of samples.
    shape : (h, w)
        Size of the images.
    attributes : Attributes
        Written into the file.
    make_task : callable
        Takes the seed and returns the task, which is pickled for the workers.
    settings : dict
        All that the samples depend on besides the seed, in types that JSON knows.
    what : str
        The name of the job, such as "simulation", for messages.
    random_state : None, int or numpy.random.Generator
        The seed, or what it is drawn from.
    workers : int
        Number of processes.
    dask : str, optional
        Address of a Dask scheduler, whose workers do the work instead. They must see the output's folder under the
        same path.
    progress : callable
        Takes an iterator of finished blocks, ``total`` and ``done``, and yields the blocks.
    more_attributes : mapping, optional
        Attributes that the file gets besides those of its own.

    Returns
    -------
    dict
        The columns of the blocks that the schema does not know, by name, whole. Columns of the schema that the blocks
        do not have are not in the file.

    Raises
    ------
    ValueError
        If a number is out of range.
    FileNotFoundError, IsADirectoryError
        If the output's folder does not exist, or the output is a folder.
    MissingExtraError
        If a cluster is asked for and Dask is not installed.
    AtlalignError
        If another job is making the same file, an unfinished one with other settings is in the way, or workers fail.
    """
    path = Path(path).absolute()
    require_folder(path.parent)
    if path.is_dir():
        raise IsADirectoryError(f"The output must be a file. Received a folder: {path}. Add the file's name.")
    require_positive(n=n, workers=workers)
    new_seed = _seed(random_state)
    settings = json.loads(json.dumps({"made_by": f"atlalign {atlalign.__version__}", **settings}))
    parts = path.with_name(f".{path.name}.parts")
    with workforce(workers, dask) as run, own(parts, path):
        seed = begin_or_resume(parts, settings, None if random_state is None else new_seed, new_seed, what)
        blocks = range(-(-n // _SAMPLES_A_BLOCK))
        missing = [block for block in blocks if not is_whole(block_path(parts, block))]
        made = run(partial(_make_block, task=make_task(seed), parts=parts), missing)
        with closing(made):
            for _ in progress(_kept(made, parts), total=len(blocks), done=len(blocks) - len(missing)):
                pass
        whole, unknown = _assemble(parts, n, shape, attributes, more_attributes or {})
        os.replace(whole, path)
        # Without its journal the rest is no unfinished job any more, should this be the moment of being killed.
        journal_path(parts).unlink()
        shutil.rmtree(parts, ignore_errors=True)  # a job that waits for the folder may be opening its lock
    return unknown


def _seed(random_state: int | np.random.Generator | None) -> int:
    if isinstance(random_state, Integral):
        seed = int(random_state)
        if seed < 0:
            raise ValueError(f"random_state must be at least 0. Received: {random_state}")
    else:
        seed = int(np.random.default_rng(random_state).integers(2**63))
    return seed


def _make_block(block: int, task: Task, parts: Path) -> int:
    columns = task(block)
    with atomic_path(block_path(parts, block)) as temporary:
        np.savez(temporary, **columns)  # type: ignore[arg-type]
    return block


def _kept(made: Iterator[int], parts: Path) -> Iterator[int]:
    """Yield the blocks that were made, having seen that they are where they should be."""
    for block in made:
        if not block_path(parts, block).exists():
            raise AtlalignError(
                "The workers of a cluster must see the output's folder under the same path. "
                f"Received: {parts.parent}, where a finished block did not appear. Use a folder that they share."
            )
        yield block


def _assemble(
    parts: Path, n: int, shape: tuple[int, int], attributes: Attributes, more_attributes: Mapping[str, Any]
) -> tuple[Path, Columns]:
    """Put the blocks into one file, still in the folder of parts."""
    whole = parts / "whole.h5"
    known: set[str] = set()
    unknown: dict[str, list[NDArray]] = {}
    with create_dataset(whole, n, shape, attributes) as file:
        for block in range(-(-n // _SAMPLES_A_BLOCK)):
            rows = rows_of(block, n)
            with np.load(block_path(parts, block), allow_pickle=False) as part:
                for name in part.files:
                    if name in file:
                        file[name][rows.start : rows.stop] = part[name]
                        known.add(name)
                    else:
                        unknown.setdefault(name, []).append(part[name])
        for name in sorted(set(file) - known):
            del file[name]
        for name in sorted(set(more_attributes) - set(file.attrs)):
            file.attrs[name] = more_attributes[name]
    return whole, {name: np.concatenate(values) for name, values in unknown.items()}
