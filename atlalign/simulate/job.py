"""Simulating a whole dataset: in parallel, resumable, the same file whatever the number of workers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from atlalign._files import require_folder
from atlalign._jobs import Columns, make_dataset, require_positive, rows_of
from atlalign._progress import Progress, no_progress
from atlalign.atlas import Atlas
from atlalign.dataset import Attributes
from atlalign.simulate.deformation import DEFORMATIONS, checked_shape
from atlalign.simulate.pair import DAMAGE, MAX_TILT_DEGREES, checked_choices, simulate_pair
from atlalign.simulate.placing import check_placement
from atlalign.simulate.planes import check_planes


def simulate_dataset(
    path: str | os.PathLike,
    atlas: str | os.PathLike | Atlas,
    n: int,
    shape: Sequence[int] | None = None,
    deformation: str = "both",
    random_state: int | None = None,
    workers: int = 1,
    progress: Progress = no_progress,
    *,
    max_tilt_degrees: float = MAX_TILT_DEGREES,
    damage: float = DAMAGE,
    planes: str = "all",
    place_by: str = "anywhere",
    local_strength: float = 1.0,
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
        Number of processes. With several, a script must call this under ``if __name__ == "__main__":``, since each
        process reads the script again.
    progress : callable
        Takes an iterator of finished blocks, ``total`` and ``done``, and yields the blocks.
    max_tilt_degrees, damage, planes, place_by, local_strength
        How oblique planes may be, the share of damaged sections, which planes are drawn, where sections lie in their
        images, and the size of the local deformation; see `simulate_pair`.

    Raises
    ------
    ValueError
        If a number, the shape or the deformation is out of range.
    FileNotFoundError
        If the output's folder does not exist.
    AtlalignError
        If another job is making the same file, an unfinished simulation with other settings is in the way, or
        workers fail.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.dataset import check_dataset
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> simulate_dataset(path, "phantom", n=3, shape=(32, 48), random_state=0)
    >>> check_dataset(path)
    []
    """
    require_folder(Path(path).parent)
    require_positive(n=n, workers=workers)
    if shape is not None:
        shape = checked_shape(shape)
    if deformation not in DEFORMATIONS:
        raise ValueError(f"deformation must be one of {', '.join(DEFORMATIONS)}. Received: {deformation!r}")
    max_tilt_degrees, damage, local_strength = checked_choices(max_tilt_degrees, damage, local_strength)
    atlas = atlas if isinstance(atlas, Atlas) else Atlas.load(atlas)
    shape = checked_shape(shape or atlas.shape[1:])
    settings = {
        "atlas": atlas.spec,
        "n": int(n),
        "shape": list(shape),
        "deformation": deformation,
        "max_tilt_degrees": max_tilt_degrees,
        "damage": damage,
        "planes": check_planes(planes),
        "place_by": check_placement(place_by),
        "local_strength": local_strength,
    }
    make_dataset(
        Path(path),
        int(n),
        shape,
        Attributes(
            atlas=atlas.spec,
            atlas_version=atlas.version,
            resolution_um=(atlas.shape_um[1] / shape[0], atlas.shape_um[2] / shape[1]),
            stain="simulated",
        ),
        lambda seed: _Simulation({**settings, "seed": seed}, atlas.brainglobe_dir, atlas),
        settings,
        what="simulation",
        random_state=random_state,
        workers=workers,
        progress=progress,
    )


@dataclass(frozen=True)
class _Simulation:
    """The task: simulate a block. The atlas does not travel with it; each process loads it once."""

    settings: dict[str, Any]
    brainglobe_dir: str | None
    atlas: Atlas | None = None

    def __reduce__(self) -> tuple:
        return _Simulation, (self.settings, self.brainglobe_dir)

    def __call__(self, block: int) -> Columns:
        atlas = self.atlas or _load_atlas(self.settings["atlas"], self.brainglobe_dir)
        return _simulate_block(block, atlas, self.settings)


@lru_cache(maxsize=1)
def _load_atlas(spec: str, brainglobe_dir: str | None) -> Atlas:
    return Atlas.load(spec, brainglobe_dir=brainglobe_dir)


def _simulate_block(block: int, atlas: Atlas, settings: dict[str, Any]) -> Columns:
    rows = rows_of(block, settings["n"])
    pairs = [
        simulate_pair(
            atlas,
            tuple(settings["shape"]),
            settings["deformation"],
            np.random.default_rng([settings["seed"], row]),
            max_tilt_degrees=settings["max_tilt_degrees"],
            damage=settings["damage"],
            planes=settings["planes"],
            place_by=settings["place_by"],
            local_strength=settings["local_strength"],
        )
        for row in rows
    ]
    return {
        "img": np.stack([pair.img for pair in pairs]),
        "deltas_xy": np.stack([pair.deltas_xy.astype(np.float16) for pair in pairs]),
        "inv_deltas_xy": np.stack([pair.inv_deltas_xy.astype(np.float16) for pair in pairs]),
        "p": np.array([pair.p for pair in pairs]),
        "image_id": np.array(rows),
        "dataset_id": np.zeros(len(pairs), dtype=np.int64),
        "corners_um": np.stack([pair.corners_um for pair in pairs]),
    }
