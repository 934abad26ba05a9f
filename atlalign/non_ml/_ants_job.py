"""One ANTs registration, from files to files in one folder; also a process of its own.

ITK fixes the number of threads of a process when it first computes, and ANTs gives the same result for the same
seed on one thread only. A registration that must be repeatable therefore runs as
``python -m atlalign.non_ml._ants_job FOLDER``, in an environment that says both.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The name that 0.6.2 gave the file; ANTs appends "comptx.nii.gz".
COMPOSITE_PREFIX = "final_transform"
COMPOSITE = COMPOSITE_PREFIX + "comptx.nii.gz"
IMAGES = ("warpedmovout", "warpedfixout")
TRANSFORMS = ("fwdtransforms", "invtransforms")


def register_in(
    folder: Path,
    fixed: NDArray[np.float32],
    moving: NDArray[np.float32],
    settings: Mapping[str, Any],
    seed: int | None,
) -> dict[str, list[str]]:
    """Register with ANTs in an empty folder, here or (with a seed) in a process of its own.

    Parameters
    ----------
    folder : Path
        An empty folder. ANTs finds its own results by pattern, so an old file would be taken for a new one.
    fixed, moving : ndarray, float32, (h, w)
        The images.
    settings : mapping
        What `ants.registration` takes, as JSON can hold it.
    seed : int or None
        Positive. None leaves the draws and the number of threads to ANTs.

    Returns
    -------
    dict
        The names, in the folder, of the transforms in the order in which ANTs applies them. The composite of the
        forward ones is in `COMPOSITE`, the two warped images in files named after `IMAGES`.

    Raises
    ------
    RuntimeError
        If ANTs fails.

    Examples
    --------
    >>> import tempfile
    >>> y, x = np.mgrid[:32, :40].astype("float32")
    >>> blob = np.exp(-((x - 18) ** 2 / 60 + (y - 16) ** 2 / 30))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     names = register_in(Path(folder), blob, blob, {"type_of_transform": "Translation"}, None)
    >>> names["fwdtransforms"]
    ['0GenericAffine.mat']
    """
    np.save(folder / "fixed.npy", fixed)
    np.save(folder / "moving.npy", moving)
    (folder / "settings.json").write_text(json.dumps(dict(settings)), encoding="utf-8")
    if seed is None:
        run(folder)
    else:
        _run_alone(folder, seed, verbose=settings.get("verbose", False))
    names = json.loads((folder / "transforms.json").read_text(encoding="utf-8"))
    for given in ("fixed.npy", "moving.npy", "settings.json", "transforms.json"):
        (folder / given).unlink()
    return names


def run(folder: Path) -> None:
    """Do what the files of a folder say, and leave the results beside them.

    Examples
    --------
    >>> run(Path("nowhere"))
    Traceback (most recent call last):
    ...
    FileNotFoundError: ...
    """
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    import ants

    # Axis 0 of the array, the row, is ANTs' first axis; spacing 1, origin 0, no rotation: ANTs' unit is the pixel.
    fixed, moving = (
        ants.from_numpy(np.load(folder / f"{name}.npy", allow_pickle=False)) for name in ("fixed", "moving")
    )
    done = ants.registration(fixed, moving, outprefix=f"{folder}{os.sep}", **settings)
    # Named one by one: left alone, ANTsPy inverts a matrix that stands before a single warp.
    forward = done["fwdtransforms"]
    ants.apply_transforms(
        fixed, moving, forward, whichtoinvert=[False] * len(forward), compose=str(folder / COMPOSITE_PREFIX)
    )
    for name in IMAGES:
        ants.image_write(done[name], str(folder / f"{name}.nii.gz"))
    names = {key: [Path(path).name for path in done[key]] for key in TRANSFORMS}
    (folder / "transforms.json").write_text(json.dumps(names), encoding="utf-8")


def _run_alone(folder: Path, seed: int, *, verbose: bool) -> None:
    one_thread = {"NSLOTS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
    # -P: the folder that the caller works in has no say in what is imported.
    finished = subprocess.run(
        [sys.executable, "-P", "-m", __name__, str(folder)],
        env={**os.environ, **one_thread, "ANTS_RANDOM_SEED": str(seed)},
        stdout=None if verbose else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        last_words = finished.stderr.strip().splitlines()[-1:] or [f"its process ended with {finished.returncode}"]
        raise RuntimeError(last_words[0])


if __name__ == "__main__":
    run(Path(sys.argv[1]))
