"""What a run was made with: packages, machine, data."""

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from atlalign._files import atomic_path, require_file
from atlalign._progress import Progress, no_progress

_PACKAGES = (
    "atlalign",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "h5py",
    "opencv-python-headless",
    "imgaug-denk",
)
_BLOCK = 2**24


def describe_environment() -> dict:
    """Return the versions of Python and of the packages that matter, and the machine.

    Examples
    --------
    >>> sorted(describe_environment())
    ['backend', 'cpus', 'machine', 'packages', 'python']
    """
    import keras

    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "packages": packages,
        "backend": keras.backend.backend(),
        "machine": platform.platform(),
        "cpus": os.cpu_count(),
    }


def sha256_of(path: str | os.PathLike, progress: Progress = no_progress) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Parameters
    ----------
    path : path-like
        The file.
    progress : callable
        Wraps the range of its blocks.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "empty"
    >>> path.touch()
    >>> sha256_of(path)[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    size = require_file(path, "dataset").stat().st_size
    with open(path, "rb") as file:
        for _ in progress(range(-(-size // _BLOCK))):
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def write_provenance(path: Path, details: dict) -> None:
    """Write what a run was made with as JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(details, indent=2), encoding="utf-8")


def read_provenance(path: Path) -> dict:
    """Return what `write_provenance` wrote; nothing where there is no such file, or another."""
    try:
        details = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return details if isinstance(details, dict) else {}


def changed_data(path: Path, data: Sequence[Path], progress: Progress = no_progress) -> list[str]:
    """Return the datasets that a run began with, if those that are there now are not the same.

    Parameters
    ----------
    path : Path
        What `write_provenance` wrote of the run.
    data : sequence of Path
        The datasets now, in the same order; only what is in them counts, not their names.
    progress : callable
        Wraps the range of each file's blocks.

    Returns
    -------
    list of str
        Empty if they are the same, or nothing is known of them.
    """
    known = read_provenance(path).get("data")
    if not isinstance(known, dict) or [sha256_of(file, progress) for file in data] == list(known.values()):
        return []
    return list(known)
