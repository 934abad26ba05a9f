"""Simulating a whole dataset: in parallel, resumable, the same file whatever the number of workers."""

import json
import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from atlalign._files import atomic_path, require_folder
from atlalign.atlas import Atlas
from atlalign.dataset import Attributes, create_dataset
from atlalign.errors import AtlalignError
from atlalign.simulate.deformation import DEFORMATIONS
from atlalign.simulate.pair import simulate_pair

_BLOCK = 8  # samples that are simulated and kept together


def simulate_dataset(
    path,
    atlas,
    n: int,
    shape=None,
    deformation: str = "both",
    random_state: int | None = None,
    workers: int = 1,
    progress=lambda blocks, **_: blocks,
) -> None:
    """Simulate a dataset of labelled pairs from an atlas.

    Finished blocks of pairs are kept in a folder beside the output until the file is whole, so that the same call
    goes on where an interrupted one stopped.

    Parameters
    ----------
    path : path-like
        The HDF5 file, replaced if it exists.
    atlas : str, path-like or Atlas
        Where the planes come from.
    n : int
        Number of pairs.
    shape : tuple (h, w), optional
        Size of the images, which cover the whole plane; the atlas's own grid by default.
    deformation : {"affine", "local", "both"}
        See `random_deformation`.
    random_state : int, optional
        Seed; pair i depends on it and on i alone. A new one is drawn by default.
    workers : int
        Number of processes.
    progress : callable
        Takes an iterator of finished blocks, ``total`` and ``done``, and yields the blocks.

    Raises
    ------
    ValueError
        If a number or the deformation is out of range.
    FileNotFoundError
        If the output's folder does not exist.
    AtlalignError
        If an unfinished simulation with other settings is in the way.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.dataset import check_dataset
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> simulate_dataset(path, "phantom", n=3, shape=(32, 48), random_state=0)
    >>> check_dataset(path)
    []
    """
    path = Path(path)
    require_folder(path.parent)
    for name, value in (("n", n), ("workers", workers)):
        if int(value) != value or value < 1:
            raise ValueError(f"{name} must be a positive integer. Received: {name}={value}")
    if deformation not in DEFORMATIONS:
        raise ValueError(f"deformation must be one of {', '.join(DEFORMATIONS)}. Received: {deformation!r}")
    atlas = atlas if isinstance(atlas, Atlas) else Atlas.load(atlas)
    shape = tuple(int(size) for size in (shape or atlas.shape[1:]))
    if len(shape) != 2 or min(shape) < 16:
        raise ValueError(f"shape must be two sizes (h, w) of at least 16 px. Received: shape={shape}")

    settings = {"atlas": atlas.spec, "n": int(n), "shape": list(shape), "deformation": deformation}
    parts = path.with_name(f".{path.name}.parts")
    seed = _begin_or_resume(parts, settings, random_state)
    blocks = range(-(-n // _BLOCK))
    missing = [block for block in blocks if not _part(parts, block).exists()]
    simulated = _simulate_blocks(missing, parts, atlas, {**settings, "seed": seed}, workers)
    for _ in progress(simulated, total=len(blocks), done=len(blocks) - len(missing)):
        pass
    _assemble(path, parts, blocks, atlas, shape, n)
    shutil.rmtree(parts)


def _begin_or_resume(parts: Path, settings: dict, random_state: int | None) -> int:
    """Return the seed: of the unfinished run in `parts` if there is one, else the given or a new one."""
    journal = parts / "settings.json"
    if journal.exists():
        stored = json.loads(journal.read_text(encoding="utf-8"))
        seed = stored.pop("seed")
        if stored != settings or random_state not in (None, seed):
            raise AtlalignError(
                f"An unfinished simulation with other settings is in the way. Received: {parts}. "
                "Repeat its settings to finish it, or remove that folder."
            )
        return seed
    seed = int(np.random.default_rng().integers(2**63)) if random_state is None else int(random_state)
    if seed < 0:
        raise ValueError(f"random_state must be at least 0. Received: {random_state}")
    parts.mkdir(exist_ok=True)
    with atomic_path(journal) as temporary:
        temporary.write_text(json.dumps({**settings, "seed": seed}), encoding="utf-8")
    return seed


def _part(parts: Path, block: int) -> Path:
    return parts / f"{block:06d}.npz"


def _simulate_blocks(missing, parts: Path, atlas: Atlas, settings: dict, workers: int):
    if workers == 1 or len(missing) <= 1:
        for block in missing:
            yield _simulate_block(block, parts, atlas, settings)
        return
    # Forked workers hang when the parent runs threads, as TensorFlow and OpenCV do; spawned ones start clean.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _load_worker_atlas, (atlas.spec,)) as pool:
        futures = [pool.submit(_simulate_block, block, parts, None, settings) for block in missing]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


_worker_atlas: Atlas | None = None


def _load_worker_atlas(spec: str) -> None:
    global _worker_atlas
    cv2.setNumThreads(1)  # the processes are the parallelism
    _worker_atlas = Atlas.load(spec)


def _simulate_block(block: int, parts: Path, atlas: Atlas | None, settings: dict) -> int:
    atlas = atlas or _worker_atlas
    columns: dict[str, list] = {"img": [], "deltas_xy": [], "inv_deltas_xy": [], "p": [], "corners_um": []}
    for index in range(block * _BLOCK, min((block + 1) * _BLOCK, settings["n"])):
        rng = np.random.default_rng([settings["seed"], index])
        pair = simulate_pair(atlas, tuple(settings["shape"]), settings["deformation"], rng)
        for name, values in columns.items():
            values.append(getattr(pair, name))
    stacked: dict[str, Any] = {name: np.stack(values) for name, values in columns.items()}
    for name in ("deltas_xy", "inv_deltas_xy"):
        stacked[name] = stacked[name].astype(np.float16)
    with atomic_path(_part(parts, block)) as temporary:
        np.savez(temporary, **stacked)
    return block


def _assemble(path: Path, parts: Path, blocks, atlas: Atlas, shape, n: int) -> None:
    attributes = Attributes(
        atlas=atlas.spec,
        atlas_version=atlas.version,
        resolution_um=(atlas.shape_um[1] / shape[0], atlas.shape_um[2] / shape[1]),
        stain="simulated",
    )
    with create_dataset(path, n, shape, attributes) as file:
        for block in blocks:
            start = block * _BLOCK
            with np.load(_part(parts, block), allow_pickle=False) as part:
                for name in part.files:
                    file[name][start : start + len(part[name])] = part[name]
        file["image_id"][:] = np.arange(n)
        file["dataset_id"][:] = 0
