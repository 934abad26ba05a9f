"""Read volumes from the formats of the field: npz, npy, nrrd, NIfTI, TIFF."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from atlalign.errors import AtlasError, one_line

SUFFIXES = (".npz", ".npy", ".nrrd", ".nii", ".nii.gz", ".tif", ".tiff")


def read_volume(path: Path, key: str | None = None) -> np.ndarray:
    """Read a whole volume.

    Parameters
    ----------
    path : Path
        A file in one of the formats `SUFFIXES`. A .npy file is mapped, not read.
    key : str, optional
        The array of an .npz file; may be left out where there is one only.

    Returns
    -------
    ndarray, shape (a, b, c)
        The values as stored, in the order of the file's axes.

    Raises
    ------
    AtlasError
        If the file cannot be read or does not hold a 3D volume of numbers.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "volume.npy"
    >>> np.save(path, np.zeros((2, 3, 4)))
    >>> read_volume(path).shape
    (2, 3, 4)
    """
    suffix = _suffix(path)
    try:
        volume = _read(path, suffix, key)
    except AtlasError:
        raise
    except Exception as error:
        # every reader has its own ways to fail on a damaged file
        raise _unreadable(path, error) from None
    _check(path, volume.shape, volume.dtype)
    return volume


def volume_shape(path: Path, key: str | None = None) -> tuple[int, int, int]:
    """Return the shape of a volume from its header, without reading the voxels.

    Parameters
    ----------
    path : Path
        A file in one of the formats `SUFFIXES`.
    key : str, optional
        The array of an .npz file; may be left out where there is one only.

    Raises
    ------
    AtlasError
        If the header cannot be read or is not that of a 3D volume of numbers.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "volume.npz"
    >>> np.savez_compressed(path, annotation=np.zeros((2, 3, 4)))
    >>> volume_shape(path)
    (2, 3, 4)
    """
    suffix = _suffix(path)
    try:
        shape, dtype = _header(path, suffix, key)
    except AtlasError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from None
    return _check(path, shape, dtype)


def _suffix(path: Path) -> str:
    name = path.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise AtlasError(f"A volume's name must end in one of {' '.join(SUFFIXES)}. Received: {path}. Convert the file.")


def _read(path: Path, suffix: str, key: str | None) -> np.ndarray:
    if suffix == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return archive[_npz_key(path, archive.files, key)]
    if suffix == ".nrrd":
        import nrrd

        return nrrd.read(str(path))[0]
    if suffix in (".nii", ".nii.gz"):
        import nibabel

        return np.asarray(nibabel.load(path).dataobj)  # type: ignore[attr-defined]
    import tifffile

    return tifffile.imread(path)


def _header(path: Path, suffix: str, key: str | None) -> tuple[tuple[int, ...], np.dtype]:
    if suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            with archive.open(_npz_key(path, names, key) + ".npy") as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(file)
                return shape, dtype
    if suffix == ".nrrd":
        import nrrd

        header = nrrd.read_header(str(path))
        return tuple(int(size) for size in header["sizes"]), np.dtype(np.float64)
    if suffix in (".nii", ".nii.gz"):
        import nibabel

        image = nibabel.load(path)
        return image.shape, np.dtype(np.float64)  # type: ignore[attr-defined]
    if suffix == ".npy":
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped.shape, mapped.dtype
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        return tiff.series[0].shape, np.dtype(tiff.series[0].dtype)


def _npz_key(path: Path, keys: list[str], key: str | None) -> str:
    if key is None and len(keys) == 1:
        return keys[0]
    if key is None or key not in keys:
        raise AtlasError(
            f"key must be the name of an array in {path}: {', '.join(keys)}. Received: {key}. Correct it in atlas.toml."
        )
    return key


def _check(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, int, int]:
    if len(shape) != 3 or min(shape) < 1 or dtype.kind not in "uifb":
        raise AtlasError(
            f"A volume must be a 3D array of numbers. Received: shape {tuple(shape)}, {dtype} in {path}. "
            "Export a single-channel stack."
        )
    return shape[0], shape[1], shape[2]


def _unreadable(path: Path, error: Exception) -> AtlasError:
    reason = one_line(f"{type(error).__name__}: {error}")
    return AtlasError(
        f"A volume must be a whole file of the format that its name says. Received: {path} ({reason}). "
        "Copy or download it again."
    )
