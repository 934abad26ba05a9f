"""Dummy images to try things on, and loaders of volumes, labelled pairs and hierarchies that are kept in files.

Nothing is downloaded: each loader takes the path of a file, and says where such files come from.
"""

import json
import os
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atlalign._files import require_file
from atlalign.atlas.volumes import read_volume
from atlalign.dataset import COLUMNS, open_dataset
from atlalign.errors import InvalidFileError, one_line
from atlalign.utils import as_generator

__all__ = [
    "annotation_volume",
    "circles",
    "manual_registration",
    "nissl_volume",
    "rectangles",
    "segmentation_collapsing_labels",
]

_ALLEN = "https://download.alleninstitute.org/informatics-archive/current-release/mouse_ccf"
_ALLEN_ONTOLOGY = "https://api.brain-map.org/api/v2/structure_graph_download/1.json"


def rectangles(
    n_samples: int,
    shape: tuple[int, int],
    height: int,
    width: int,
    n_levels: int = 3,
    random_state: int | np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Make images of one rectangle each, at a random place.

    Parameters
    ----------
    n_samples : int
        Number of images.
    shape : (h, w)
        Size of the images in pixels.
    height, width : int
        Size of the rectangle in pixels.
    n_levels : int
        Number of grey levels: as many rectangles lie in each other, from 1 / n_levels outside to 1 in the middle.
    random_state : None, int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, float32, (n_samples, h, w, 1)
        In [0, 1] on a background of 0, as the networks take images.

    Raises
    ------
    ValueError
        If a number is out of range: the rectangle must fit into the image and have room for its levels.

    Examples
    --------
    >>> rectangles(2, (20, 30), height=6, width=9, random_state=0).shape
    (2, 20, 30, 1)
    """
    _require_count("height", height, 1, shape[0])
    _require_count("width", width, 1, shape[1])
    _require_count("n_levels", n_levels, 1, (min(height, width) + 1) // 2)
    generator = as_generator(random_state)
    images = _background(n_samples, shape)
    for image in images:
        top = int(generator.integers(shape[0] - height + 1))
        left = int(generator.integers(shape[1] - width + 1))
        for level in range(n_levels):
            down, right = (level * ((size + 1) // 2) // n_levels for size in (height, width))
            image[top + down : top + height - down, left + right : left + width - right] = (level + 1) / n_levels
    return images


def circles(
    n_samples: int,
    shape: tuple[int, int],
    radius: float,
    n_levels: int = 3,
    random_state: int | np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Make images of one circle each, at a random place.

    Parameters
    ----------
    n_samples : int
        Number of images.
    shape : (h, w)
        Size of the images in pixels.
    radius : float
        Radius of the circle in pixels. It lies in the image as a whole, its centre on that of a pixel.
    n_levels : int
        Number of grey levels: as many rings, from 1 / n_levels outside to 1 in the middle.
    random_state : None, int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, float32, (n_samples, h, w, 1)
        In [0, 1] on a background of 0, as the networks take images.

    Raises
    ------
    ValueError
        If a number is out of range: the circle must fit into the image and have room for its levels.

    Examples
    --------
    >>> np.unique(circles(1, (20, 30), radius=6, n_levels=2, random_state=0))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    largest = (min(shape) - 1) / 2
    if not isinstance(radius, Real) or not 0 < radius <= largest:
        raise ValueError(f"radius must be a positive number of at most {largest} px. Received: {radius!r}.")
    _require_count("n_levels", n_levels, 1, max(1, int(radius)))
    generator = as_generator(random_state)
    images = _background(n_samples, shape)
    margin = int(np.ceil(radius))
    y, x = np.mgrid[: shape[0], : shape[1]]
    for image in images:
        row, column = (
            int(generator.integers(min(margin, size // 2), max(size - margin, size // 2 + 1))) for size in shape
        )
        distance = np.hypot(y - row, x - column)
        for level in range(n_levels):
            image[distance <= radius * (n_levels - level) / n_levels] = (level + 1) / n_levels
    return images


def annotation_volume(path: str | os.PathLike | None = None) -> NDArray:
    """Read an annotation: the structure id of each voxel.

    Parameters
    ----------
    path : path-like
        A volume, .nrrd, .npy, .npz, .nii, .nii.gz or .tif. Required.

    Returns
    -------
    ndarray of an integer dtype, (n_ap, n_dv, n_ml)
        As stored, in the order of the file's axes; a .npy file is mapped, not read.

    Raises
    ------
    TypeError
        If there is no path; the message says where to get such a file.
    FileNotFoundError
        If there is no such file.
    atlalign.errors.AtlasError, atlalign.errors.InvalidFileError
        If it holds no volume, or one that is not of integers.

    See Also
    --------
    atlalign.atlas.Atlas : reference, annotation and structures in one.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "annotation.npy"
    >>> np.save(path, np.ones((4, 3, 2), "uint32"))
    >>> annotation_volume(path).shape
    (4, 3, 2)
    """
    volume = _read(path, "annotation_volume", f"{_ALLEN}/annotation/ccf_2017/annotation_25.nrrd")
    if volume.dtype.kind not in "iu":
        raise InvalidFileError(
            f"An annotation must be of integers. Received: {path} of {volume.dtype}. Is it the reference volume?"
        )
    return volume


def nissl_volume(path: str | os.PathLike | None = None) -> NDArray:
    """Read a reference volume, such as the Nissl volume of the Allen Institute.

    Parameters
    ----------
    path : path-like
        A volume, .nrrd, .npy, .npz, .nii, .nii.gz or .tif. Required.

    Returns
    -------
    ndarray, (n_ap, n_dv, n_ml)
        As stored, in the order of the file's axes; a .npy file is mapped, not read. `Atlas.reference_plane` gives
        planes scaled to [0, 1] on a dark background instead.

    Raises
    ------
    TypeError
        If there is no path; the message says where to get such a file.
    FileNotFoundError
        If there is no such file.
    atlalign.errors.AtlasError
        If it holds no volume.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "nissl.npy"
    >>> np.save(path, np.ones((4, 3, 2)))
    >>> nissl_volume(path).shape
    (4, 3, 2)
    """
    return _read(path, "nissl_volume", f"{_ALLEN}/ara_nissl/ara_nissl_25.nrrd")


def manual_registration(path: str | os.PathLike | None = None) -> dict[str, NDArray]:
    """Read a whole dataset of labelled pairs into memory.

    Parameters
    ----------
    path : path-like
        An HDF5 file as `atlalign.dataset` describes it. Required.

    Returns
    -------
    dict of str to ndarray
        ``img`` (n, h, w) uint8; ``deltas_xy`` and ``inv_deltas_xy`` (n, h, w, 2) float16, px, moving to registered and
        back; ``p`` (n,), um; ``image_id`` and ``dataset_id`` (n,); ``corners_um`` (n, 4, 3) where the file has it.

    Raises
    ------
    TypeError
        If there is no path; the message says how to make such a file.
    FileNotFoundError
        If there is no such file.
    atlalign.errors.InvalidFileError
        If it does not follow the schema.

    See Also
    --------
    atlalign.ml_utils.io.SupervisedGenerator : batches from such a file, without reading the whole.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.dataset import Attributes, create_dataset
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> with create_dataset(path, 3, (32, 48), Attributes()) as file:
    ...     file["p"][:] = 5000
    >>> manual_registration(path)["deltas_xy"].shape
    (3, 32, 48, 2)
    """
    if path is None:
        raise _path_missing(
            "manual_registration", "the HDF5 file of labelled pairs", "atlalign dataset simulate --help"
        )
    with open_dataset(path) as file:
        return {column.name: file[column.name][:] for column in COLUMNS if column.name in file}


def segmentation_collapsing_labels(path: str | os.PathLike | None = None) -> dict[str, Any]:
    """Read the hierarchy of the structures, for `atlalign.utils.find_labels_dic`.

    Parameters
    ----------
    path : path-like
        An Allen ontology, JSON. Required.

    Returns
    -------
    dict
        The root: its ``id``, ``acronym``, ``name``, ``children`` and whatever else the file says of it; children are
        such dicts too.

    Raises
    ------
    TypeError
        If there is no path; the message says where to get such a file.
    FileNotFoundError
        If there is no such file.
    atlalign.errors.InvalidFileError
        If it is no such ontology.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "ontology.json"
    >>> _ = path.write_text('{"msg": [{"id": 997, "acronym": "root", "children": []}]}')
    >>> segmentation_collapsing_labels(path)["acronym"]
    'root'
    """
    if path is None:
        raise _path_missing("segmentation_collapsing_labels", "an Allen ontology", _ALLEN_ONTOLOGY)
    path = require_file(path, "ontology")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        content, reason = None, one_line(error)
    else:
        reason = "no structure with an id and children"
        if isinstance(content, dict) and isinstance(content.get("msg"), list) and len(content["msg"]) == 1:
            content = content["msg"][0]
    if not isinstance(content, dict) or not isinstance(content.get("id"), int):
        raise InvalidFileError(
            f"An ontology must be JSON with a root that has id and children. Received: {path} ({reason}). "
            f"Download it from {_ALLEN_ONTOLOGY}"
        )
    return content


def _read(path: str | os.PathLike | None, function: str, source: str) -> NDArray:
    if path is None:
        raise _path_missing(function, "a volume (.nrrd, .npy, .npz, .nii, .tif)", source)
    return read_volume(require_file(path, "volume"))


def _path_missing(function: str, what: str, source: str) -> TypeError:
    return TypeError(f"{function} needs path=, {what}; nothing is downloaded. Received: None. Get one: {source}")


def _background(n_samples: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    _require_count("n_samples", n_samples, 1, None)
    return np.zeros((n_samples, shape[0], shape[1], 1), dtype=np.float32)


def _require_count(name: str, value: int, least: int, most: int | None) -> None:
    if not isinstance(value, Integral) or value < least or (most is not None and value > most):
        limit = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ValueError(f"{name} must be an integer {limit}. Received: {value!r}.")
