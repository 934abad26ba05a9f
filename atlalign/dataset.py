"""The HDF5 file of labelled pairs: its schema, how it is made, opened, checked and split.

One file holds n pairs. `img` is the moving image, `deltas_xy` the field that warps it onto the reference,
`inv_deltas_xy` the field that warps the reference onto it, `p` the coronal position in um; `image_id` and `dataset_id`
identify the section. The reference image itself is not in the file: it is the atlas plane at `p`, or at `corners_um`
where the file has it (the atlas corners of each plane, top-left, top-right, bottom-left, bottom-right; oblique planes
need it).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike

import atlalign
from atlalign import _damage
from atlalign._files import atomic_path, require_file
from atlalign._progress import Progress, no_progress
from atlalign.errors import InvalidFileError, one_line
from atlalign.plane import Plane

SCHEMA_VERSION = "1"

# Larger values are damage, not data: no brain is a metre long, and no pixel moves by several images.
_LARGEST_POSITION_UM = 10**6
_LARGEST_DISPLACEMENT = 4  # diagonals of the image


@dataclass(frozen=True)
class _Column:
    name: str
    trailing: tuple  # sizes after the sample axis; "h" and "w" stand for the image's
    dtype: type
    kinds: str  # NumPy dtype kinds that are accepted when reading
    required: bool = True


COLUMNS = (
    _Column("img", ("h", "w"), np.uint8, "u"),
    _Column("deltas_xy", ("h", "w", 2), np.float16, "f"),
    _Column("inv_deltas_xy", ("h", "w", 2), np.float16, "f"),
    _Column("p", (), np.int64, "iu"),
    _Column("image_id", (), np.int64, "iu"),
    _Column("dataset_id", (), np.int64, "iu"),
    _Column("corners_um", (4, 3), np.float32, "f", required=False),
)


@dataclass(frozen=True)
class Attributes:
    """What a dataset says of itself; every part is optional when reading.

    Parameters
    ----------
    atlas : str
        What `Atlas.load` takes, so that the reference planes are found again.
    atlas_version : str
        The atlas's version.
    resolution_um : tuple (down, across)
        Size of the images' pixels in the atlas, in um.
    stain : str
        How the sections look, in free words.
    """

    atlas: str = ""
    atlas_version: str = ""
    resolution_um: tuple[float, float] | None = None
    stain: str = ""


@contextmanager
def create_dataset(
    path: str | os.PathLike, n: int, shape: tuple[int, int], attributes: Attributes
) -> Iterator[h5py.File]:
    """Open a new dataset of `n` samples for writing; it appears at `path` when the block ends without an error.

    Parameters
    ----------
    path : path-like
        The file, replaced if it exists.
    n : int
        Number of pairs.
    shape : tuple (h, w)
        Size of the images.
    attributes : Attributes
        Written into the file with the schema's version.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> with create_dataset(path, 3, (32, 48), Attributes(atlas="phantom")) as file:
    ...     file["p"][:] = 5000
    >>> with open_dataset(path) as file:
    ...     file["deltas_xy"].shape, file.attrs["atlas"]
    ((3, 32, 48, 2), 'phantom')
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        for column in COLUMNS:
            sample = _sample_shape(column, shape)
            file.create_dataset(column.name, (n, *sample), column.dtype, chunks=(1, *sample) if sample else None)
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["atlas"] = attributes.atlas
        file.attrs["atlas_version"] = attributes.atlas_version
        file.attrs["resolution_um"] = attributes.resolution_um or (np.nan, np.nan)
        file.attrs["stain"] = attributes.stain
        file.attrs["created_by"] = f"atlalign {atlalign.__version__}"
        yield file


def open_dataset(path: str | os.PathLike) -> h5py.File:
    """Open a dataset for reading after checking its layout: names, shapes and dtypes, not the values.

    Parameters
    ----------
    path : path-like
        The HDF5 file.

    Returns
    -------
    h5py.File
        Open in mode "r"; close it, or use it as a context manager.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If it is not HDF5, is truncated, or departs from the schema.

    Examples
    --------
    >>> open_dataset("nowhere.h5")
    Traceback (most recent call last):
    ...
    FileNotFoundError: The dataset must be an existing file. Received: nowhere.h5. Check the path.
    """
    path = require_file(path, "dataset")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InvalidFileError(
            f"A dataset must be a whole HDF5 file. Received: {path}, which HDF5 cannot open "
            f"({one_line(error)}). Make it again or copy it again."
        ) from error
    try:
        with naming_damage(path):
            faults = layout_faults(file)
    except InvalidFileError:
        file.close()
        raise
    if faults:
        file.close()
        raise InvalidFileError(
            f"A dataset must follow the schema. Received: {path}, where {'; '.join(faults)}. "
            f"See: atlalign dataset check '{path}'"
        )
    return file


def naming_damage(path: str | os.PathLike) -> AbstractContextManager[None]:
    """Turn what HDF5 raises while it reads a damaged file into an InvalidFileError that names the file.

    Parameters
    ----------
    path : path-like
        Of the dataset that the block reads.
    """
    return _damage.naming_damage(
        "A dataset must be a whole HDF5 file.",
        f"{path}, which is damaged",
        "Make it again or copy it again.",
        caught=(OSError, KeyError, RuntimeError),
    )


def layout_faults(file: h5py.File) -> list[str]:
    """Say in words where the names, shapes, dtypes and attributes of an open file depart from the schema.

    Parameters
    ----------
    file : h5py.File
        Open for reading.

    Returns
    -------
    list of str
        Empty when nothing is wrong.
    """
    faults = _attribute_faults(file.attrs)
    img = file.get("img")
    if not isinstance(img, h5py.Dataset) or img.ndim != 3 or 0 in img.shape:
        received = "nothing" if not isinstance(img, h5py.Dataset) else f"shape {img.shape}"
        return [f"'img' must have shape (n, h, w), none of them 0, but has {received}", *faults]
    n, *size = img.shape
    for column in COLUMNS:
        values = file.get(column.name)
        if values is None and not column.required:
            continue
        if not isinstance(values, h5py.Dataset):
            faults.append(f"'{column.name}' is missing")
            continue
        expected = (n, *_sample_shape(column, size))
        if values.shape != expected:
            faults.append(f"'{column.name}' must have shape {expected} but has {values.shape}")
        if values.dtype.kind not in column.kinds:
            faults.append(f"'{column.name}' must have dtype {np.dtype(column.dtype)} but has {values.dtype}")
    if img.dtype.kind == "u" and img.dtype != np.uint8:
        faults.append(f"'img' must have dtype uint8 but has {img.dtype}")
    return faults


def sample_faults(file: h5py.File, index: int) -> list[str]:
    """Say in words what is wrong with the values of one sample of an open dataset.

    Parameters
    ----------
    file : h5py.File
        From `open_dataset`.
    index : int
        Which sample.

    Returns
    -------
    list of str
        Empty when nothing is wrong.
    """
    faults = []
    for name in ("deltas_xy", "inv_deltas_xy"):
        values = file[name][index]
        if not np.isfinite(values).all():
            count = int((~np.isfinite(values)).any(axis=-1).sum())
            faults.append(f"sample {index}: '{name}' is not finite at {count} of {values[..., 0].size} pixels")
            continue
        largest = float(np.hypot(values[..., 0], values[..., 1], dtype=np.float64).max())
        limit = _LARGEST_DISPLACEMENT * float(np.hypot(*values.shape[:2]))
        if largest > limit:
            faults.append(f"sample {index}: '{name}' must displace by at most {limit:g} px but does by {largest:g} px")
    position = int(file["p"][index])
    if not 0 <= position <= _LARGEST_POSITION_UM:
        faults.append(f"sample {index}: 'p' must be a position of 0 to {_LARGEST_POSITION_UM} um but is {position}")
    if "corners_um" in file:
        try:
            Plane.from_corners(file["corners_um"][index])
        except ValueError as error:
            faults.append(f"sample {index}: 'corners_um' must be the corners of a plane but are not: {error}")
    if not file["img"][index].any():
        faults.append(f"sample {index}: 'img' is all zero")
    return faults


def check_dataset(path: str | os.PathLike, progress: Progress = no_progress) -> list[str]:
    """Read a whole dataset and name every fault with its sample.

    Parameters
    ----------
    path : path-like
        The HDF5 file.
    progress : callable
        Wraps the range of samples, to show how far the check is.

    Returns
    -------
    list of str
        Empty when nothing is wrong.

    Raises
    ------
    FileNotFoundError, InvalidFileError
        As for `open_dataset`.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> with create_dataset(path, 2, (32, 48), Attributes(atlas="phantom")) as file:
    ...     file["corners_um"][:] = Plane.coronal(5000, (13200, 8000, 11400)).corners_um
    ...     file["img"][0] = 255
    >>> check_dataset(path)
    ["sample 1: 'img' is all zero"]
    """
    with open_dataset(path) as file, naming_damage(path):
        return [fault for index in progress(range(len(file["img"]))) for fault in sample_faults(file, index)]


def split_indexes(
    image_ids: ArrayLike, validation_share: float, random_state: int | np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split samples into training and validation so that no section is in both.

    Parameters
    ----------
    image_ids : array-like (n,)
        Samples of one id, such as augmentations of one section, stay together.
    validation_share : float
        Share of the *ids* for validation, at least one id unless 0.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    training, validation : ndarray of int
        Sorted indexes.

    Raises
    ------
    ValueError
        If the share is outside [0, 1) or leaves nothing to train on.

    Examples
    --------
    >>> training, validation = split_indexes([7, 7, 8, 8, 9, 9], 0.3, random_state=0)
    >>> training.tolist(), validation.tolist()
    ([0, 1, 2, 3], [4, 5])
    """
    if not 0 <= validation_share < 1:
        raise ValueError(f"The validation share must satisfy 0 <= share < 1. Received: {validation_share}")
    image_ids = np.asarray(image_ids)
    unique = np.unique(image_ids)
    n_validation = int(np.ceil(validation_share * len(unique)))
    if n_validation >= len(unique):
        raise ValueError(
            f"Training and validation need different sections. Received: {len(unique)} section(s) in the dataset, "
            f"{n_validation} for validation. Add sections or set the validation share to 0."
        )
    chosen = np.random.default_rng(random_state).permutation(unique)[:n_validation]
    is_validation = np.isin(image_ids, chosen)
    return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)


def read_attributes(file: h5py.File) -> Attributes:
    """Return what an open dataset says of itself.

    Parameters
    ----------
    file : h5py.File
        From `open_dataset`.

    Returns
    -------
    atlalign.dataset.Attributes
        Empty or None where the file says nothing.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> with create_dataset(path, 2, (32, 48), Attributes(atlas="phantom", stain="Nissl")):
    ...     pass
    >>> with open_dataset(path) as file:
    ...     read_attributes(file).stain
    'Nissl'
    """
    attrs: Mapping = file.attrs
    resolution = attrs.get("resolution_um")
    return Attributes(
        atlas=_text(attrs.get("atlas", "")),
        atlas_version=_text(attrs.get("atlas_version", "")),
        resolution_um=None if resolution is None else (float(resolution[0]), float(resolution[1])),
        stain=_text(attrs.get("stain", "")),
    )


def _attribute_faults(attrs: Mapping) -> list[str]:
    faults = []
    version = _text(attrs.get("schema_version", SCHEMA_VERSION))
    if version != SCHEMA_VERSION:
        faults.append(f"attribute 'schema_version' must be {SCHEMA_VERSION!r}, the only one known, but is {version!r}")
    resolution = attrs.get("resolution_um")
    if resolution is not None:
        values = np.asarray(resolution)
        if values.shape != (2,) or values.dtype.kind not in "iuf":
            faults.append(
                "attribute 'resolution_um' must be two numbers (down, across) "
                f"but has shape {values.shape} and dtype {values.dtype}"
            )
    return faults


def _text(value: Any) -> str:
    """Return an attribute as text, also where it was written with a fixed length, in an array of one, or empty."""
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _sample_shape(column: _Column, size: Sequence[int]) -> tuple[int, ...]:
    named = {"h": size[0], "w": size[1]}
    return tuple(named.get(length, length) for length in column.trailing)
